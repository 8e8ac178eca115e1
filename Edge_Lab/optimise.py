"""Searches the grid walk-forward, and shows only the later days on which its choices were tried."""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson

from Edge_Lab.backtest import estimate_row, span_of
from Edge_Lab.evaluations import (
    VERDICT_MODEL,
    Evaluated,
    Selection,
    config_of,
    evaluated,
    of_group,
    put_down,
)
from Edge_Lab.executions import Execution, executions
from Edge_Lab.families import EXITS, name_of
from Edge_Lab.fills import MODELS
from Edge_Lab.judged_span import Digests, JudgedSpan, evaluating
from Edge_Lab.lab_paths import LAB_VERSION
from Edge_Lab.multiplicity import FEWEST_DAYS, FEWEST_SETTINGS, overfitting
from Edge_Lab.optimiser import FoldChoice, Grid, PointTrials, grid_around, walk_forward
from Edge_Lab.series_files import values_of
from Edge_Lab.trial_ledger import setting_id
from Edge_Lab.verdict import number, with_interval
from Edge_Lab.walk_forward import TRAIN_DAYS
from ravequant import settings, times
from ravequant.errors import DONE, NoDataError

FAMILY: Final = "base"
MOST_OVERFITTING: Final = 0.2  # above it a search mostly finds luck


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """The search over judged days: its choices, and the trials that they took on later days."""

    grid: Grid
    choices: list[FoldChoice]
    selection: Selection  # of the test days
    config_id: str
    points: list[Evaluated]  # each point of the grid over all days

    @property
    def other_exits(self) -> bool:
        """True if a choice has another exit than the default: it has shifted placebos alone."""
        exits = {self.grid.points[choice.point].exit for choice in self.choices}
        return exits != {EXITS[0]}


def command(args: argparse.Namespace) -> int:
    """Run `optimise`: search, put down, then show."""
    span = span_of(args)
    needed = executions(settings.load())[: len(EXITS)]
    for execution in needed:
        span = span.judged_by(execution)
    if len(span.days) <= TRAIN_DAYS:
        raise NoDataError(
            f"{len(span.days)} judged days, expected more than {TRAIN_DAYS}, from which the search "
            "learns before it is tried; judge more days"
        )
    with evaluating(span):
        found = search(span, needed)
        out = [evaluated(found.config_id, FAMILY, model, found.selection) for model in MODELS]
        made_ms = times.utc_now_ms()
        put_down(span, "train", found.points, made_ms)
        put_down(span, "oos", out, made_ms)
    if args.json:
        sys.stdout.write(orjson.dumps(as_json(span, found, out)).decode() + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in page(span, found, out)))
    return DONE


def search(span: JudgedSpan, needed: Sequence[Execution]) -> Search:
    """Return the search over the days of a span; ``needed`` are the executions of EXITS."""
    grid = grid_around(needed[0].default_filter)
    digests = [span.digests(execution) for execution in needed]
    choices = walk_forward(span.days, trials_of_points(digests, grid), grid)
    selection = {
        day: [(found, group) for found in digests[of_exit][day]]
        for choice in choices
        for of_exit, group in [_taken(grid, choice.point)]
        for day in choice.test
    }
    points = []
    for point, (wick_filter, _) in enumerate(grid.points):
        of_exit, group = _taken(grid, point)
        config_id = config_of(needed[of_exit], name_of(wick_filter))
        chosen = of_group(digests[of_exit], group)
        points.append(evaluated(config_id, FAMILY, VERDICT_MODEL, chosen))
    names = [found.config_id for found in points]
    config_id = setting_id({"search": "walk-forward", "points": names, "lab": LAB_VERSION})
    return Search(grid, choices, selection, config_id, points)


def _taken(grid: Grid, point: int) -> tuple[int, str]:
    """Return the place of a point's exit in EXITS, and the group of its trials."""
    wick_filter, choice = grid.points[point]
    group = FAMILY if wick_filter == grid.points[0].wick_filter else name_of(wick_filter)
    return EXITS.index(choice), group


def trials_of_points(digests: Sequence[Digests], grid: Grid) -> PointTrials:
    """Return the trials of all points; ``digests`` are those of the executions of EXITS."""
    parts = [found for made in digests for day in made.values() for found in day]
    starts = np.cumsum([0, *(len(found.start_ms) for found in parts)])
    begun = np.concatenate([found.start_ms for found in parts])
    filled = np.zeros(len(begun), dtype=np.bool_)
    nets = np.zeros(len(begun), dtype=np.int64)
    for first, found in zip(starts[:-1], parts, strict=True):
        filled[first + found.fills.row] = True
        nets[first + found.fills.row] = found.fills.net
    rows: list[list[Any]] = [[np.empty(0, dtype=np.int64)] for _ in grid.points]
    by_exit: dict[int, list[tuple[int, str]]] = {}
    for point in range(len(grid.points)):
        of_exit, group = _taken(grid, point)
        by_exit.setdefault(of_exit, []).append((point, group))
    part = 0
    for of_exit, made in enumerate(digests):
        for found in (found for day in made.values() for found in day):
            for point, group in by_exit[of_exit]:
                member = found.member[:, found.sums.groups.index(group)]
                rows[point].append(starts[part] + np.flatnonzero(member))
            part += 1
    ended = np.concatenate([found.horizon_ms for found in parts])
    return PointTrials(begun, ended, filled, nets, [np.concatenate(found) for found in rows])


def delivered(found: Search, out: Evaluated) -> tuple[float | None, Mapping[int, int]]:
    """Return the promise of training for the fills of the tests, and how often each was chosen.

    The promise of each fold counts as often as its test has fills; None without a fill.
    """
    fills = dict(zip(out.gathered.days, out.gathered.real.fills.sum(axis=1).tolist(), strict=True))
    weights = [sum(fills[day] for day in choice.test) for choice in found.choices]
    kept = [
        (weight, choice.promised)
        for weight, choice in zip(weights, found.choices, strict=True)
        if choice.promised is not None
    ]
    total = sum(weight for weight, _ in kept)
    promised = math.fsum(weight * value for weight, value in kept) / total if total else None
    return promised, Counter(choice.point for choice in found.choices)


def overfitting_of(found: Search) -> float | None:
    """Return the probability of overfitting; None with too few points or days."""
    if _too_few(found):
        return None
    days = len(found.points[0].gathered.days)
    series = [values_of(point.net, days) for point in found.points if point.net is not None]
    return overfitting(np.nan_to_num(np.stack(series, axis=1))).probability


def _too_few(found: Search) -> str:
    """Return of which there are too few to know the overfitting; empty with enough of both."""
    if len(found.points[0].gathered.days) < FEWEST_DAYS:
        return f"{FEWEST_DAYS} days"
    filled = sum(point.net is not None for point in found.points)
    return f"{FEWEST_SETTINGS} points with a fill" if filled < FEWEST_SETTINGS else ""


def page(span: JudgedSpan, found: Search, out: Sequence[Evaluated]) -> Iterator[str]:
    """Yield the lines of the answer: of the days that no choice had seen, and of nothing else."""
    queue = next(made for made in out if made.model == VERDICT_MODEL)
    promised, chosen = delivered(found, queue)
    days = queue.gathered.days
    yield (
        f"{', '.join(span.instruments)}: chosen on {TRAIN_DAYS} days, tried on the next 5, "
        f"{len(found.choices)} times"
    )
    yield f"{len(days)} days that no choice had seen, {days[0]} to {days[-1]}; bps a fill"
    yield ""
    said = "unknown" if promised is None else number(promised)
    yield f"promised {said}, delivered {with_interval(queue.net)}"
    yield f"over fake levels {with_interval(queue.lead)}"
    for made in out:
        fills = int(made.gathered.real.fills.sum())
        yield f"  filled as {made.model:7}  {fills:,} fills  net {with_interval(made.net)}"
    yield ""
    yield "chosen (age, touched around it, reach; wall; or another exit):"
    for point, times_chosen in sorted(chosen.items(), key=lambda item: (-item[1], item[0])):
        default = ", the default" * (point == 0)
        yield f"  {times_chosen} of {len(found.choices)}  {found.grid.points[point].name}{default}"
    yield ""
    yield from _warnings(found)


def _warnings(found: Search) -> Iterator[str]:
    share = overfitting_of(found)
    if share is None:
        yield f"overfitting: not known below {_too_few(found)}"
    else:
        yield f"overfitting: the best half of the time was no better later in {share:.0%}"
        if share > MOST_OVERFITTING:
            yield "  above 20 %: what the search finds here is mostly luck"
    yield f"{len(found.points)} points and the joined days went into the ledger."
    yield "From now on the verdict is about the joined days, not about the best point."


def as_json(span: JudgedSpan, found: Search, out: Sequence[Evaluated]) -> dict[str, Any]:
    """Return the answer as an object; decimals are text."""
    queue = next(made for made in out if made.model == VERDICT_MODEL)
    promised, _ = delivered(found, queue)
    share = overfitting_of(found)
    return {
        "instruments": list(span.instruments),
        "days": [queue.gathered.days[0], queue.gathered.days[-1]],
        "config_id": found.config_id,
        "promised": None if promised is None else f"{promised:.4f}",
        "delivered": {made.model: estimate_row(made.net) for made in out},
        "over_fake": {made.model: estimate_row(made.lead) for made in out},
        "chosen": [
            {
                "test": [choice.test[0], choice.test[-1]],
                "point": found.grid.points[choice.point].name,
            }
            for choice in found.choices
        ],
        "overfitting": None if share is None else f"{share:.4f}",
        "points": len(found.points),
    }
