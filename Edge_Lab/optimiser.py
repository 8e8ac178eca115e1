"""The search over a fixed grid: its points chosen on days of training, tried on later days. Pure.

    points   72 filters of wicks with the default exit, and 15 other exits with the default filter,
             which is one point more where none of the 72 has the reach of the settings
    score    Net - 1 se over the training trials of a fold (Edge_Lab.walk_forward)
    choice   the point whose score, averaged with those of its grid neighbours, is largest: a
             plateau and no peak; the default where no average is above 0, or with few fills

A point without a score, for want of fills or of a spread, counts as 0 in the averages of others:
not to trade earns nothing. It is chosen itself never.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from Edge_Lab.families import EXITS, FILTERS, ExitChoice, WickFilter, name_of
from Edge_Lab.inference import DaySums, Estimate, net
from Edge_Lab.walk_forward import Times, folds, trials_of
from ravequant import times

FEWEST_FILLS: Final = 100  # of the default in training


class GridPoint(NamedTuple):
    """A filter and an exit, one of them the default."""

    wick_filter: WickFilter
    exit: ExitChoice

    @property
    def name(self) -> str:
        """The point in words: ``20-40 10 500, stop 3, target 20``."""
        if self.exit == EXITS[0]:
            return name_of(self.wick_filter)
        target = self.exit.target_bps or "of the plan"
        return f"{name_of(self.wick_filter)}, stop {self.exit.stop_bps}, target {target}"


_REACHES: Final = tuple(sorted({found.reach_bps for found in FILTERS}))


def _axes() -> tuple[tuple[object, ...], ...]:
    """Return the values along each axis of the grid, in their order."""
    return (
        tuple(sorted({(found.age_min, found.age_max) for found in FILTERS})),
        tuple(sorted({found.min_touched for found in FILTERS})),
        _REACHES,
        (False, True),
        tuple(dict.fromkeys(found.stop_bps for found in EXITS)),
        tuple(dict.fromkeys(found.target_bps for found in EXITS)),
    )


_AXES: Final = _axes()


def place(point: GridPoint) -> tuple[int, ...]:
    """Return the steps of a point along each axis.

    A reach that is not of the grid stands with the next larger one, or with the largest.
    """
    chosen, choice = point
    reach_bps = next((each for each in _REACHES if each >= chosen.reach_bps), _REACHES[-1])
    values = (
        (chosen.age_min, chosen.age_max), chosen.min_touched, reach_bps, chosen.wall,
        choice.stop_bps, choice.target_bps,
    )  # fmt: skip
    return tuple(axis.index(value) for axis, value in zip(_AXES, values, strict=True))


def steps(one: GridPoint, other: GridPoint) -> int:
    """Return how many steps along the axes lie between two points."""
    return sum(abs(a - b) for a, b in zip(place(one), place(other), strict=True))


@dataclass(frozen=True, slots=True)
class Grid:
    """The points of a search, the default first."""

    points: tuple[GridPoint, ...]
    neighbours: tuple[tuple[int, ...], ...]  # of each point, itself among them
    away: tuple[int, ...]  # steps of each point from the default


@cache
def grid_around(default: WickFilter) -> Grid:
    """Return the grid with this default filter: 87 points, 88 if it is none of FILTERS."""
    points = (
        GridPoint(default, EXITS[0]),
        *(GridPoint(chosen, EXITS[0]) for chosen in FILTERS if chosen != default),
        *(GridPoint(default, choice) for choice in EXITS[1:]),
    )
    neighbours = (
        tuple(number for number, other in enumerate(points) if steps(point, other) <= 1)
        for point in points
    )
    return Grid(points, tuple(neighbours), tuple(steps(point, points[0]) for point in points))


def choose(scores: Sequence[float | None], grid: Grid) -> int:
    """Return the point of the largest plateau; the default, 0, where none lies above 0.

    Of equal plateaus that nearest to the default is taken, then the first.
    """
    known = [0.0 if score is None else score for score in scores]
    best, least = 0, 0.0
    for number in sorted(range(len(grid.points)), key=lambda number: grid.away[number]):
        if scores[number] is None:
            continue
        around = grid.neighbours[number]
        average = sum(known[other] for other in around) / len(around)
        if average > least:
            best, least = number, average
    return best


@dataclass(frozen=True, eq=False)
class PointTrials:
    """The trials of all points: columns of trials, and the rows of each point of a grid."""

    begun: Times  # A, Unix ms
    ended: Times  # X
    filled: NDArray[np.bool_]
    net: NDArray[np.int64]  # units of 10**-PLACES bps, 0 without a fill
    rows: Sequence[NDArray[np.int64]]

    @cached_property
    def day(self) -> NDArray[np.int64]:
        """The UTC day of A, counted from 1970."""
        return self.begun // times.DAY_MS

    def estimate(self, point: int, chosen: NDArray[np.bool_]) -> Estimate | None:
        """Return Net of a point over the trials chosen; None without a fill."""
        rows = self.rows[point]
        rows = rows[chosen[rows] & self.filled[rows]]
        if not len(rows):
            return None
        days, place_of = np.unique(self.day[rows], return_inverse=True)
        fills, total = (np.zeros((len(days), 1), dtype=np.int64) for _ in range(2))
        np.add.at(fills[:, 0], place_of, 1)
        np.add.at(total[:, 0], place_of, self.net[rows])
        return net(DaySums(fills, total))


class FoldChoice(NamedTuple):
    """The choice before a test, and the promise of its training."""

    test: tuple[str, ...]  # UTC days
    point: int  # of the grid
    promised: float | None  # Net over the training, bps a fill
    fills: int  # of the default in training


def walk_forward(days: Sequence[str], trials: PointTrials, grid: Grid) -> list[FoldChoice]:
    """Return the choice of each fold of UTC days, ascending."""
    made = []
    for fold in folds(days):
        train = trials_of(fold, trials.begun, trials.ended).train
        found = [trials.estimate(number, train) for number in range(len(grid.points))]
        fills = 0 if found[0] is None else found[0].fills
        scores = [_score(estimate) for estimate in found]
        point = choose(scores, grid) if fills >= FEWEST_FILLS else 0
        chosen = found[point]
        promised = None if chosen is None else chosen.value
        made.append(FoldChoice(fold.test, point, promised, fills))
    return made


def _score(found: Estimate | None) -> float | None:
    return None if found is None or found.se is None else found.value - found.se
