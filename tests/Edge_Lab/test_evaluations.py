"""Evaluations: estimated from digests, and on disk before anything is shown."""

import math
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from Edge_Lab.day_sums import gathered
from Edge_Lab.evaluations import config_of, decimal, evaluated, of_group, put_down
from Edge_Lab.executions import executions
from Edge_Lab.families import FAMILIES, FILTERS, WickFilter, name_of
from Edge_Lab.inference import delta, net
from Edge_Lab.judged_span import judged_span
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.series_files import SeriesKey, read_series
from Edge_Lab.trial_digest import digest
from Edge_Lab.trial_ledger import ChainedLog, evaluations
from ravequant.settings import Settings
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support.made_trials import BTC, ETH, day_lines, day_of, judge_days

GROUPS = (*FAMILIES, *map(name_of, FILTERS))
DEFAULT = executions(Settings())[0]
CONFIG = config_of(DEFAULT, name_of(WickFilter()))


@pytest.mark.parametrize(("family", "model"), [("base", "queue"), ("wall", "touch")])
def test_estimates_are_those_of_the_lines(family, model):
    """Days and instruments apart, or all lines at once: the same Net and lead, to the last bit."""
    lines = {
        day: [day_lines(day, inst_id, trials=15) for inst_id in (BTC, ETH)]
        for day in map(day_of, range(6))
    }
    digests = {day: [digest(part, GROUPS) for part in parts] for day, parts in lines.items()}
    found = evaluated(CONFIG, family, model, of_group(digests, family))
    plain = gathered(
        [line for day in lines.values() for part in day for line in part], family, model
    )
    for one, other in ((found.net, net(plain.real)), (found.lead, delta(plain.real, plain.fake))):
        assert one is not None
        assert other is not None
        assert (one.value, one.se, one.p) == (other.value, other.se, other.p)
    assert (found.gathered.trials, found.gathered.gap) == (plain.trials, plain.gap)


def test_a_configuration_is_named_by_filter_and_execution():
    """87 points have 87 names."""
    made = executions(Settings())
    names = {config_of(DEFAULT, name_of(chosen)) for chosen in FILTERS}
    names |= {config_of(other, name_of(WickFilter())) for other in made[:16]}
    assert len(names) == 87
    assert CONFIG in names


def made_span(root):
    """Return a span of three days of one instrument, and its evaluations."""
    vault = Vault(root)
    judge_days(vault, map(day_of, range(3)), instruments=[BTC], trials=12, placebos=3)
    span = judged_span(vault, [BTC])
    digests = span.digests(DEFAULT)
    return span, [
        evaluated(CONFIG, family, model, of_group(digests, family))
        for family in ("base", "wall")
        for model in ("touch", "queue")
    ]


def test_an_evaluation_is_a_line_and_a_series(tmp_path):
    """Counts and estimates as text; the series of the verdict's model adds up to its Net."""
    span, made = made_span(tmp_path)
    put_down(span, "explore", made, 0)
    lines = list(evaluations(ChainedLog(LabPaths(span.vault).ledger)))
    assert [(line.family, line.model) for line in lines] == [
        ("base", "touch"), ("base", "queue"), ("wall", "touch"), ("wall", "queue"),
    ]  # fmt: skip
    base = lines[1]
    assert (base.role, base.config_id, base.data_id) == ("explore", CONFIG, span.data_id)
    assert (base.instruments, base.days) == ((BTC,), (day_of(0), day_of(2)))
    assert made[1].net is not None
    assert base.net == f"{made[1].net.value:.4f}"
    assert base.fills == made[1].net.fills
    series = read_series(span.vault, SeriesKey(CONFIG, span.data_id))
    assert [found.family for found in series] == ["base", "wall"]
    assert math.isclose(np.nansum(series[0].net), made[1].net.value)
    assert decimal(None) is None


def test_a_family_without_a_trial_is_an_evaluation_too(tmp_path):
    """It was looked at: the line has no estimate, the series no value."""
    span, _ = made_span(tmp_path)
    empty = {day: [digest([], GROUPS)] for day in span.days}
    put_down(span, "explore", [evaluated(CONFIG, "cvd", "queue", of_group(empty, "cvd"))], 0)
    (line,) = evaluations(ChainedLog(LabPaths(span.vault).ledger))
    assert (line.fills, line.net, line.delta, line.se) == (0, None, None, None)
    (series,) = read_series(span.vault, SeriesKey(CONFIG, span.data_id))
    assert np.isnan(series.net).all()


_WRITES = """
import sys
from tests.Edge_Lab.test_evaluations import made_span
from Edge_Lab.evaluations import put_down
span, made = made_span(sys.argv[1])
print("ready", flush=True)
while True:
    put_down(span, "explore", made, 0)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a process is killed by its signal")
@pytest.mark.parametrize("wait", [0.0, 0.07, 0.2])
def test_a_killed_writer_leaves_a_whole_chain(tmp_path, wait):
    """Killed at any moment: the chain is whole up to its tail, and every line has its series."""
    import time

    with subprocess.Popen(
        [sys.executable, "-c", _WRITES, str(tmp_path)], cwd=CHECKOUT, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(wait)
        writer.send_signal(signal.SIGKILL)
    span, made = judged_span(Vault(tmp_path), [BTC]), []
    log = ChainedLog(LabPaths(span.vault).ledger)
    before = len(list(evaluations(log)))
    assert before % 4 == 0
    series = read_series(span.vault, SeriesKey(CONFIG, span.data_id))
    assert len(series) == 2 or not before
    digests = span.digests(DEFAULT)
    made.append(evaluated(CONFIG, "base", "queue", of_group(digests, "base")))
    put_down(span, "explore", made, 0)
    assert len(list(evaluations(log))) == before + 1
