"""Net result of a fill and its lead over fake levels, with intervals clustered by day. Pure.

    Net   = sum of y / N                                    y: net result of a fill, bps
    delta = sum over bins b of N_b / N * (mean of y in b - mean of the placebos in b)
    se    = sqrt(G / (G - 1) * sum over days of u_d ** 2)   u_d: the part of day d in the error

``delta`` is standardised directly over bins of distance; the interval is that of Student's t with
G - 1 degrees of freedom (linearised ratio, cluster-robust: Cameron, Gelbach, Miller, REStat 2008).
A day holds the dependence between fills, so the days are the sample and not the fills.
Sums come as integers; floats begin with the first division, and every sum of floats is rounded
once (``math.fsum``), so the numbers are the same on every computer.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from Edge_Lab.distributions import t_quantile, t_tail

Floats = NDArray[np.float64]
PLACES: Final = 4  # decimals of a result in bps
BLOCKS: Final = (2, 5)  # days that are joined while neighbouring clusters depend on each other
FEWEST_FAKE_DAYS: Final = 2  # with a placebo fill in a bin
_NOTHING: Final = 1e-12  # a standard error below this part of the value is one of rounding


@dataclass(frozen=True, slots=True, eq=False)
class DaySums:
    """Fills by day (rows, in order of time) and bin of distance (columns)."""

    fills: NDArray[np.int64]
    total: NDArray[np.int64]  # sum of their net results, in units of 10**-PLACES bps

    def __post_init__(self) -> None:
        if self.fills.shape != self.total.shape or self.fills.ndim != 2:
            raise ValueError(
                f"fills have the shape {self.fills.shape}, sums {self.total.shape}; expected the "
                "same two, days and bins"
            )
        if (self.fills < 0).any() or (self.total[self.fills == 0] != 0).any():
            raise ValueError("a cell has fewer than 0 fills, or a sum without a fill")

    def select(self, bins: NDArray[np.bool_]) -> "DaySums":
        """Return the sums of some bins."""
        return DaySums(self.fills[:, bins], self.total[:, bins])


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A mean in bps a fill, and the part of each day in its error."""

    value: float
    fills: int  # of the real trades that it counts
    influence: Floats  # u_d of each day with a fill, in order of time
    days: NDArray[np.bool_]  # which of the days given those are
    block: int  # days in a cluster
    fake: float | None = None  # the standardised mean of the placebos
    left_out: int = 0  # fills in bins with too few placebos to compare them with

    @property
    def clusters(self) -> int:
        """G: the number of days with a fill, or of their blocks."""
        return -(-len(self.influence) // self.block)

    @property
    def se(self) -> float | None:
        """The standard error in bps; None with fewer than two clusters, or without a spread."""
        if self.clusters < 2:
            return None
        squares = math.fsum(u * u for u in joined(self.influence, self.block).tolist())
        found = math.sqrt(self.clusters / (self.clusters - 1) * squares)
        return found if found > _NOTHING * max(1.0, abs(self.value)) else None

    @property
    def t(self) -> float | None:
        """The value in standard errors."""
        return None if self.se is None else self.value / self.se

    @property
    def p(self) -> float | None:
        """The p-value of a value above 0, of one side."""
        return None if self.t is None else t_tail(self.t, self.clusters - 1)

    @property
    def spread(self) -> float | None:
        """s_D, the spread of a day: the standard error of a single cluster."""
        return None if self.se is None else math.sqrt(self.clusters) * self.se

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the two-sided interval, lower end first; None without a standard error."""
        if self.se is None:
            return None
        half = t_quantile((1 + level) / 2, self.clusters - 1) * self.se
        return self.value - half, self.value + half

    def series(self) -> Floats:
        """Return x_d = u_d + value / G by day: their mean, times G, is the value."""
        return self.influence + self.value / len(self.influence)


def net(real: DaySums) -> Estimate | None:
    """Return the mean net result of a fill; None without a fill."""
    fills, total = real.fills.sum(axis=1), real.total.sum(axis=1)
    count = int(fills.sum())
    if not count:
        return None
    value = int(total.sum()) / count / 10**PLACES
    days = fills > 0
    influence = (total / 10**PLACES - fills * value)[days] / count
    return Estimate(value, count, influence, days, block_of(influence))


def delta(real: DaySums, fake: DaySums) -> Estimate | None:
    """Return the lead of real fills over placebo fills, standardised over the bins of distance.

    Bins without a placebo fill leave with their real fills, which are counted; so do bins whose
    placebo fills are all of one day, since they do not show how such days differ. A day counts if
    it has a fill of either kind; of a single day no spread is asked for. None if no real fill is
    left.
    """
    if real.fills.shape != fake.fills.shape:
        raise ValueError(f"real {real.fills.shape}, placebos {fake.fills.shape}: not the same days")
    filled = int(((real.fills + fake.fills).sum(axis=1) > 0).sum())
    both = (fake.fills > 0).sum(axis=0) >= min(FEWEST_FAKE_DAYS, max(1, filled))
    both &= real.fills.sum(axis=0) > 0
    left_out = int(real.fills[:, ~both].sum())
    real, fake = real.select(both), fake.select(both)
    in_bin, fake_in_bin = real.fills.sum(axis=0), fake.fills.sum(axis=0)
    count = int(in_bin.sum())
    if not count:
        return None
    means = fake.total.sum(axis=0) / fake_in_bin / 10**PLACES
    standardised = math.fsum((in_bin * means).tolist()) / count
    value = int(real.total.sum()) / count / 10**PLACES - standardised
    ours = real.total / 10**PLACES - real.fills * (means + value)
    theirs = (fake.total / 10**PLACES - fake.fills * means) * (in_bin / fake_in_bin)
    days = (real.fills + fake.fills).sum(axis=1) > 0
    influence = _row_sums(ours - theirs)[days] / count
    block = block_of(influence)
    return Estimate(value, count, influence, days, block, standardised, left_out)


def block_of(influence: Floats) -> int:
    """Return the days of a cluster: 1, or 2 or 5 while neighbouring clusters depend."""
    block = 1
    for larger in BLOCKS:
        clusters = joined(influence, block)
        if abs(autocorrelation(clusters)) <= 2 / math.sqrt(len(clusters)):
            break
        block = larger
    return block


def autocorrelation(series: Floats) -> float:
    """Return the autocorrelation at lag 1 of a series whose mean is 0; 0 if it never moves."""
    values = series.tolist()
    square = math.fsum(x * x for x in values)
    if not square:
        return 0.0
    return math.fsum(x * y for x, y in pairwise(values)) / square


def joined(series: Floats, block: int) -> Floats:
    """Return the sums of each ``block`` neighbours; the last may have fewer."""
    if block == 1:
        return series
    parts = (series[start : start + block] for start in range(0, len(series), block))
    return np.array([math.fsum(part.tolist()) for part in parts], dtype=np.float64)


def _row_sums(values: Floats) -> Floats:
    return np.array([math.fsum(row) for row in values.tolist()], dtype=np.float64)
