"""The command `optimise`: all points in the ledger, and only unseen days on the screen."""

import json
from dataclasses import replace

import pytest

from Edge_Lab import edge_lab
from Edge_Lab.evaluations import evaluated, of_group
from Edge_Lab.executions import executions
from Edge_Lab.families import EXITS, FILTERS, name_of
from Edge_Lab.inference import net
from Edge_Lab.judged_span import judged_span
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.optimise import overfitting_of, page, search, trials_of_points
from Edge_Lab.optimiser import grid_around
from Edge_Lab.trial_ledger import ChainedLog, evaluations, trials
from ravequant.settings import Settings
from ravequant.vault.paths import Vault
from tests.support.made_trials import BTC, day_of, judge_days

NEEDED = executions(Settings())[: len(EXITS)]
GRID = grid_around(NEEDED[0].default_filter)
POINTS = GRID.points
DAYS = 33


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Return a vault with 33 days, on which fills of one filter earn 30 bps more."""
    made = Vault(tmp_path_factory.mktemp("a vault"))
    judge_days(
        made, map(day_of, range(DAYS)), instruments=[BTC], whole=True, trials=12, placebos=2,
        edge=30.0, of=name_of(FILTERS[30]),
    )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def span(vault):
    """Return all of its days."""
    return judged_span(vault, [BTC])


@pytest.fixture(scope="module")
def found(span):
    """Return the search over them."""
    return search(span, NEEDED)


@pytest.fixture
def log(vault):
    """Return the ledger of the vault, without a line."""
    LabPaths(vault).ledger.unlink(missing_ok=True)
    return ChainedLog(LabPaths(vault).ledger)


def answer(capsys, vault, *words):
    """Return exit code and output of the command."""
    code = edge_lab.main(["optimise", "--vault", str(vault.root), "--instId", BTC, *words])
    return code, capsys.readouterr().out


def test_the_trials_of_a_point_are_those_of_its_filter_and_exit(span):
    """Net of each point from its columns is Net from the sums of its group."""
    digests = [span.digests(execution) for execution in NEEDED]
    made = trials_of_points(digests, GRID)
    everything = made.begun > 0
    for point in (0, 1, 40, 71, 72, 86):
        wick_filter, choice = POINTS[point]
        group = "base" if point == 0 or point > 71 else name_of(wick_filter)
        plain = evaluated("0", "base", "queue", of_group(digests[EXITS.index(choice)], group))
        own = made.estimate(point, everything)
        assert own is not None
        assert plain.net is not None
        assert (own.value, own.fills, own.se) == (plain.net.value, plain.net.fills, plain.net.se)


def test_the_joined_days_are_those_of_the_choices(found, span):
    """The days after the first twenty, each once, with the trials of the point of its fold."""
    assert list(found.selection) == span.days[20:]
    assert [len(choice.test) for choice in found.choices] == [5, 5, 3]
    out = evaluated(found.config_id, "base", "queue", found.selection)
    plain = span.digests(NEEDED[0])
    for choice in found.choices:
        wick_filter, chosen = POINTS[choice.point]
        if chosen == EXITS[0] and choice.point:
            days = {day: plain[day] for day in choice.test}
            part = evaluated("0", "base", "queue", of_group(days, name_of(wick_filter)))
            rows = [out.gathered.days.index(day) for day in choice.test]
            assert (out.gathered.real.total[rows] == part.gathered.real.total).all()


def test_all_points_and_the_joined_days_are_trials(capsys, vault, found, log):
    """87 lines of training and three of the joined days: 90 more trials."""
    assert answer(capsys, vault)[0] == 0
    lines = list(evaluations(log))
    assert [line.role for line in lines] == ["train"] * 87 + ["oos"] * 3
    assert {line.days for line in lines[:87]} == {(day_of(0), day_of(DAYS - 1))}
    assert {line.days for line in lines[87:]} == {(day_of(20), day_of(DAYS - 1))}
    assert {line.config_id for line in lines[87:]} == {found.config_id}
    assert len(trials(lines, day_of(0), day_of(DAYS))) == 90


def test_no_number_of_the_training_is_printed_but_the_promise(capsys, vault, found):
    """The joined days with their interval, the promise, how often each point was chosen."""
    text = answer(capsys, vault)[1]
    out = evaluated(found.config_id, "base", "queue", found.selection)
    assert out.net is not None
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1] == f"13 days that no choice had seen, {day_of(20)} to {day_of(32)}; bps a fill"
    assert f"delivered {out.net.value:+.1f} (" in text
    assert "promised " in text
    assert sum(int(line.split()[0]) for line in lines if " of 3  " in line) == 3
    for point in found.points:
        assert point.net is not None
        assert point.net.value == out.net.value or f"{point.net.value:+.4f}" not in text
    assert "overfitting: " in text


def test_the_answer_as_json(capsys, vault, found):
    """The same twice; decimals as text; the choice of each fold."""
    code, text = answer(capsys, vault, "--json")
    assert (code, text) == answer(capsys, vault, "--json")
    made = json.loads(text)
    assert made["points"] == 87
    assert made["config_id"] == found.config_id
    assert [row["test"][0] for row in made["chosen"]] == [day_of(20), day_of(25), day_of(30)]
    assert made["overfitting"] == f"{overfitting_of(found):.4f}"
    out = evaluated("0", "base", "queue", found.selection)
    expected = net(out.gathered.real)
    assert expected is not None
    assert made["delivered"]["queue"]["bps"] == f"{expected.value:.4f}"


def test_too_few_days_are_no_data(capsys, vault, log):
    """Twenty days have nothing to be tried on: exit code 3, and nothing in the ledger."""
    assert answer(capsys, vault, "--to", day_of(19)) == (3, "")
    assert not list(evaluations(log))


def test_overfitting_needs_days(span):
    """Below 32 days it is not known."""
    short = judged_span(span.vault, [BTC], last=day_of(25))
    assert overfitting_of(search(short, NEEDED)) is None


def test_overfitting_needs_points(span, found):
    """Below ten with a fill it is not known, however many days there are; which lack is said."""
    few = [replace(point, net=None) for point in found.points[9:]]
    less = replace(found, points=[*found.points[:9], *few])
    out = evaluated(found.config_id, "base", "queue", found.selection)
    assert overfitting_of(less) is None
    assert "overfitting: not known below 10 points with a fill" in list(page(span, less, [out]))
