"""The digest of a day: its sums are those of its lines, and its columns are its trials."""

import json
import random
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from Edge_Lab.families import FAMILIES, FILTERS, name_of
from Edge_Lab.fills import MODELS
from Edge_Lab.placebo import KINDS, SETS, chosen_in_sets
from Edge_Lab.trial_digest import COUNTS, EXIT_KINDS, FillColumns, digest, units_of
from Edge_Lab.trials import TrialRules, line_of
from ravequant import times
from tests.Edge_Lab.test_trials import random_market
from tests.support.made_trials import day_lines, day_of

GROUPS = (*FAMILIES, *map(name_of, FILTERS))
LINES = day_lines(day_of(3), trials=60)
FOUND = digest(LINES, GROUPS)


def members(group):
    """Return the lines in which a group takes a trial."""
    return [line for line in LINES if group in {*line["families"], *line["filters"]}]


def digest_parts(found):
    """Return every array of a digest."""
    sums = found.sums
    columns = [getattr(found.fills, field.name) for field in fields(FillColumns)]
    return [
        sums.counts, sums.signals, sums.real, sums.fake, found.member, found.start_ms,
        found.horizon_ms, *columns, found.sets,
    ]  # fmt: skip


@pytest.mark.parametrize("group", [GROUPS[0], GROUPS[7], GROUPS[30], GROUPS[-1]])
def test_sums_are_those_of_the_lines_of_a_group(group):
    """Fills, placebos and statuses, one line after the other."""
    number = GROUPS.index(group)
    real, fake = np.zeros((3, 8, 2), dtype=int), np.zeros((3, 3, 8, 2), dtype=int)
    signals = [0] * 8
    for line in members(group):
        signals[line["bin"]] += line["status"] in {"filled", "unfilled", "missed"}
        for place, model in enumerate(MODELS):
            if line[model]:
                real[place, line["bin"]] += 1, units_of(line[model]["net_bps"])
            for kind in line["placebo"].keys() - {"random_queue"}:
                for bin_, _, fills, total, _ in line["placebo"][kind][model]:
                    fake[KINDS.index(kind), place, bin_] += fills, total
    assert (FOUND.sums.real[number] == real).all()
    assert (FOUND.sums.fake[number] == fake).all()
    assert FOUND.sums.signals[number].tolist() == signals
    counts = dict(zip(COUNTS, FOUND.sums.counts[number].tolist(), strict=True))
    unknown = [
        line for line in members(group) if line["queue"] and not line["queue"]["queue_known"]
    ]
    assert counts == {
        "trials": len(members(group)),
        **{
            name: sum(line["status"] == name for line in members(group))
            for name in ("missed", "gap", "open")
        },
        "unknown": len(unknown),
    }


def test_columns_are_those_of_the_trials():
    """A, X and the groups of every trial; times, results and distances of every fill."""
    assert FOUND.member[:, 0].all()
    assert FOUND.start_ms.tolist() == [times.parse_iso(line["A_utc"]) for line in LINES]
    assert (FOUND.horizon_ms > FOUND.start_ms).all()
    filled = [(row, line) for row, line in enumerate(LINES) if line["queue"]]
    assert FOUND.fills.row.tolist() == [row for row, _ in filled]
    last = filled[-1][1]
    values = {
        field.name: int(getattr(FOUND.fills, field.name)[-1]) for field in fields(FillColumns)
    }
    assert values == {
        "row": filled[-1][0],
        "fill_ms": times.parse_iso(last["queue"]["fill_utc"]),
        "exit_ms": times.parse_iso(last["queue"]["exit_utc"]),
        "net": units_of(last["queue"]["net_bps"]),
        "net_r": units_of(last["queue"]["net_r"]),
        "exit": EXIT_KINDS.index(last["queue"]["exit"]),
        "stop": 100_000,
        "target": 300_000,
    }


def test_a_set_holds_one_random_level_of_every_trial():
    """Its level is drawn by the trial's name; an order that was not filled has no result."""
    total = np.zeros((SETS, 2), dtype=int)
    for line in LINES:
        levels = line["placebo"].get("random_queue", [])
        if levels:
            for number, chosen in enumerate(chosen_in_sets(line["event_id"], len(levels))):
                if levels[chosen] is not None:
                    total[number] += 1, levels[chosen]
    assert (FOUND.sets == total).all()
    assert len({tuple(row) for row in total.tolist()}) > 50


def test_the_order_of_the_lines_bears_on_no_sum():
    """Shuffled lines have the same sums, and a day without lines has none."""
    shuffled = digest(random.Random(1).sample(LINES, len(LINES)), GROUPS)
    for name in ("counts", "signals", "real", "fake"):
        assert (getattr(shuffled.sums, name) == getattr(FOUND.sums, name)).all()
    empty = digest([], GROUPS)
    assert (empty.sums.real.sum(), len(empty.start_ms), len(empty.fills.net)) == (0, 0, 0)


def test_a_line_of_a_smaller_execution_has_no_filters_and_one_kind():
    """Fields that are absent count nothing."""
    lines = [
        {key: value for key, value in line.items() if key != "filters"}
        | {"placebo": {k: v for k, v in line["placebo"].items() if k == "shifted"}}
        for line in LINES
    ]
    found = digest(lines, GROUPS)
    assert (found.sums.fake[:24, 0] == FOUND.sums.fake[:24, 0]).all()
    assert found.sums.fake[:, 1:].sum() == found.sums.real[24:].sum() == 0


def test_decimals_of_a_line_are_exact():
    """Four places, with or without a sign."""
    assert [units_of(text) for text in ("-8.2747", "0.0000", "27.5358")] == [-82_747, 0, 275_358]


@pytest.mark.parametrize("seed", range(4))
def test_the_lines_of_the_engine_are_read(seed):
    """A trial of the real engine, as its file holds it: its fill and its placebos are counted."""
    plan, market = random_market(seed)
    found: Any = line_of(replace(plan, families=("base",)), market, TrialRules(age_max=100))
    line = json.loads(json.dumps(found))
    made = digest([line], GROUPS)
    filled = [found[model] is not None for model in MODELS]
    assert made.sums.real[0, :, found["bin"], 0].tolist() == filled
    for place, kind in enumerate(KINDS):
        for column, model in enumerate(MODELS):
            rows = found["placebo"].get(kind, {}).get(model, [])
            assert made.sums.fake[0, place, column, :, 0].sum() == sum(row[2] for row in rows)
            assert made.sums.fake[0, place, column, :, 1].sum() == sum(row[3] for row in rows)
    assert made.horizon_ms[0] == times.parse_iso(found["X_utc"])
    assert len(made.fills.net) == filled[1]
