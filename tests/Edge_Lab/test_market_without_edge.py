"""On a market without an edge the lab finds none; a rule that looks ahead breaks a bound.

The ordinary run keeps the bounds of a few days. ``python scripts/test.py --lab-bounds`` keeps all
of them, and writes the table of tests/Edge_Lab/README.md.
"""

from pathlib import Path

import numpy as np
import pytest

from Edge_Lab import lab_bounds, self_test
from Edge_Lab.exits import ExitRules
from Edge_Lab.lab_bounds import ruin, table
from Edge_Lab.model_markets import tick_walk
from Edge_Lab.model_studies import joined, simulated
from ravequant import times

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- bounds, written by the tests -->\n", "<!-- end of the bounds -->\n"


def test_the_bounds_of_a_few_days_hold():
    """Those of `edge_lab.py check`."""
    bounds = self_test.quick_bounds()
    assert [bound for bound in bounds if not bound.holds] == []
    assert len(bounds) == 8


@pytest.mark.parametrize("model", ["touch", "through"])
@pytest.mark.parametrize(("stop", "target"), [(15, 15), (10, 30), (4, 12)])
def test_wins_are_those_of_gamblers_ruin(model, stop, target):
    """A win rate of (S - j) / (S + T): j is 1 tick where the fill lies a tick beyond the tip."""
    assert ruin(model, stop, target, 2_000).holds


# --- mutations -----------------------------------------------------------------------------------


def touched_exactly(tape, trade):
    """Return True if the minute of the fill went no tick past the tip: known when it is over."""
    minute = trade.fill_ms // times.MINUTE_MS * times.MINUTE_MS
    first, last = tape.first_at(minute), tape.first_at(minute + times.MINUTE_MS)
    high, low = tape.extremes(first, last)
    return int(tape.price[trade.fill_place]) == (high if tape.buy[trade.fill_place] else low)


def test_ruin_catches_the_bookkeeping_of_exact_tips():
    """Fills of touches that went no tick further win far more often than chance."""
    assert ruin("touch", 10, 10, 1_000).holds
    assert not ruin("touch", 10, 10, 1_000, counted=touched_exactly).holds


def test_ruin_catches_bars_in_place_of_trades():
    """A win wherever a minute holds both ends: far more than chance."""
    tape = tick_walk(5, 600_000)
    wins = total = 0
    for place in range(0, len(tape) - 3_600, 300):
        entry = int(tape.price[place])
        for minute in range(place, place + 3_600, 60):
            high, low = tape.extremes(minute, minute + 60)
            if low <= entry - 5 or high >= entry + 5:
                wins, total = wins + (low <= entry - 5), total + 1
                break
    assert wins / total - 0.5 > 4 * np.sqrt(0.25 / total)


def test_identity_catches_statuses_that_are_read_ahead():
    """Wicks that stay untouched for 20 minutes more are not known to."""
    days = joined(simulated("M2", number, ExitRules(), ahead=20) for number in range(24))
    assert not any(bound.holds for bound in lab_bounds.identity(days)[:2])


# --- all bounds ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(request, tmp_path_factory):
    """Return the folder of the simulated days; skips the test without ``--lab-bounds``."""
    if not request.config.getoption("--lab-bounds"):
        pytest.skip("takes a quarter of an hour or more: python scripts/test.py --lab-bounds")
    return request.config.getoption("--lab-days") or tmp_path_factory.mktemp("days")


@pytest.fixture(scope="module")
def sample(request):
    """Return the days of each market, and the studies."""
    option = request.config.getoption
    return option("--lab-count") or self_test.SLOW_DAYS, self_test.SLOW_STUDIES


@pytest.mark.slow
def test_all_bounds_hold(folder, sample):
    """Identity, Ruin, Delta, Size, Verdict, Words and Planted, with their figures in the README."""
    bounds = list(self_test.slow_bounds(folder, *sample))
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    written = "\n".join([*table(bounds), ""])
    README.write_text(before + BEGIN + written + END + after, encoding="utf-8")
    assert [bound for bound in bounds if not bound.holds] == []


@pytest.mark.slow
def test_size_catches_placebos_of_filled_trials(folder, sample):
    """That price came to the tip is news about the level short of it."""
    days = self_test.kept_days(folder, "M2", sample[0])
    bounds = lab_bounds.size("M2", days, self_test.SIZE_STUDIES, of_filled=True)
    assert not all(bound.holds for bound in bounds)


@pytest.mark.slow
def test_words_catch_a_verdict_without_the_lead(folder, sample):
    """Where every fade earns only the lead over fake levels keeps the lab from a claim."""
    days = self_test.kept_days(folder, "M3", sample[0])
    assert not lab_bounds.words_without_fees(days, 100, with_lead=False).holds


def test_the_readme_has_the_table():
    """Each bound stands there with its figures, and holds."""
    text = README.read_text(encoding="utf-8")
    rows = text[text.index(BEGIN) : text.index(END)].splitlines()[3:]
    names = {row.split("|")[1].split(",")[0].split(" on ")[0].strip() for row in rows}
    assert names == {"Ruin", "Identity", "Delta", "Size", "Verdict", "Planted", "Words"}
    assert all(row.endswith("| yes |") for row in rows)
