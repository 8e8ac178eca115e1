"""Claims among many trials: step-down p-values, deflated Sharpe ratio, overfitting. Pure.

Romano and Wolf (JASA 100, 2005, 94; Econometrica 73, 2005, 1237), Bailey and López de Prado
(JPM 40(5), 2014), Bailey, Borwein, López de Prado and Zhu (J. Comp. Fin. 20(4), 2017).
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from Edge_Lab.distributions import normal_cdf, normal_quantile

Floats = NDArray[np.float64]
FLIPS: Final = 9_999
EXHAUSTIVE_TO: Final = 12  # clusters up to which every pattern of signs is tried
_EULER: Final = 0.5772156649
_TIE: Final = 1e-9  # t-values as near as this are equal: rounding must not help a claim
_NO_SPREAD: Final = 1e-12  # a variance below this part of the mean square is one of rounding
_CHUNK: Final = 1 << 10  # patterns of signs at once
_TIE_PLACES: Final = 12  # of a criterion: equal columns must stay equal
FEWEST_SETTINGS: Final = 10
FEWEST_DAYS: Final = 32
Criterion = Literal["sharpe", "mean"]


@dataclass(frozen=True, slots=True, eq=False)
class StepDown:
    """The trials in the order given; NaN stands for a t-value that does not exist."""

    t: Floats
    single: Floats  # p-values as if each were the only trial
    adjusted: Floats  # p-values of the step-down


def step_down(series: Floats, *, block: int = 1, flips: int = FLIPS) -> StepDown:
    """Return Romano-Wolf p-values of means above 0, by sign flips common to all trials.

    ``series`` has a row x_d for each trial and a column for each day, NaN where the trial has no
    fill. ``block`` days share a sign. A trial without a spread has p-values of 1.
    """
    clusters, present = _clustered(np.asarray(series, dtype=np.float64), block)
    size = present.sum(axis=1)
    square = (clusters**2).sum(axis=1)
    t = _t_values(clusters.sum(axis=1), square, size)
    t[np.isinf(t)] = np.nan
    order = np.argsort(-t, kind="stable")[: np.count_nonzero(~np.isnan(t))]  # NaN comes last
    single, adjusted = np.ones(len(t)), np.ones(len(t))
    if not len(order):
        return StepDown(t, single, adjusted)
    bound = t[order] - _TIE * (1 + np.abs(t[order]))
    alone, together, tried = np.zeros(len(order)), np.zeros(len(order)), 0
    for signs in sign_patterns(clusters.shape[1], flips):
        flipped = _t_values(signs @ clusters[order].T, square[order], size[order])
        largest = np.maximum.accumulate(flipped[:, ::-1], axis=1)[:, ::-1]
        alone += (flipped >= bound).sum(axis=0)
        together += (largest >= bound).sum(axis=0)
        tried += len(signs)
    own = 0 if clusters.shape[1] <= EXHAUSTIVE_TO else 1  # all patterns hold the observed pattern
    single[order] = (own + alone) / (own + tried)
    adjusted[order] = np.maximum.accumulate((own + together) / (own + tried))
    return StepDown(t, single, adjusted)


def sign_patterns(clusters: int, flips: int = FLIPS) -> Iterator[Floats]:
    """Yield rows of signs for the clusters: all of them if they are few, else ``flips`` rows.

    The signs are bits of SHAKE-256 of the number of clusters: no generator, the same everywhere.
    """
    if clusters <= EXHAUSTIVE_TO:
        numbers = np.arange(1 << clusters)[:, None] >> np.arange(clusters)
        yield (1 - 2 * (numbers & 1)).astype(np.float64)
        return
    width = -(-clusters // 8)
    stream = hashlib.shake_256(f"flips|{clusters}".encode()).digest(flips * width)
    rows = np.frombuffer(stream, dtype=np.uint8).reshape(flips, width)
    for start in range(0, flips, _CHUNK):
        bits = np.unpackbits(rows[start : start + _CHUNK], axis=1, count=clusters)
        yield 1 - 2 * bits.astype(np.float64)


def _clustered(series: Floats, block: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the sums of blocks of days, 0 where a trial has no fill, and where it has one."""
    starts = np.arange(0, series.shape[1], block)
    present = ~np.isnan(series)
    values = np.where(present, series, 0.0)
    return (
        np.add.reduceat(values, starts, axis=1),
        np.logical_or.reduceat(present, starts, axis=1),
    )


def _t_values(total: Floats, square: Floats, size: NDArray[np.int64]) -> Floats:
    """Return mean / (sd / sqrt(size)) from sums; without a spread infinite, or NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, power = total / size, square / size
        variance = power - mean**2
        variance = np.where(variance < _NO_SPREAD * power, 0.0, variance)
        found = mean / np.sqrt(variance / (size - 1))
    return np.where((size < 2) | (square == 0), np.nan, found)


# --- deflated Sharpe ratio -----------------------------------------------------------------------


class SharpeMoments(NamedTuple):
    """A Sharpe ratio per day, never annualised, and the moments that its error depends on."""

    sharpe: float
    days: int
    skew: float = 0.0
    kurtosis: float = 3.0  # not excess: 3 for normal values


def moments(series: Floats) -> SharpeMoments | None:
    """Return the moments of day values; None with fewer than two, or without a spread."""
    values = series.tolist()
    size = len(values)
    if size < 2:
        return None
    mean = math.fsum(values) / size
    second, third, fourth = (
        math.fsum((x - mean) ** power for x in values) / size for power in (2, 3, 4)
    )
    if second <= (_TIE * max(1.0, abs(mean))) ** 2:
        return None
    sharpe = mean / math.sqrt(second * size / (size - 1))
    return SharpeMoments(sharpe, size, third / second**1.5, fourth / second**2)


def expected_best(variance: float, trials: int) -> float:
    """Return SR0: the best Sharpe ratio that ``trials`` without any edge lead one to expect.

    ``variance`` is that of their Sharpe ratios. A single trial has no best: 0.
    """
    if trials < 2:
        return 0.0
    first, second = normal_quantile(1 - 1 / trials), normal_quantile(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * ((1 - _EULER) * first + _EULER * second)


def probabilistic_sharpe(found: SharpeMoments, threshold: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio lies above ``threshold``."""
    sharpe, days, skew, kurtosis = found
    error = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    return normal_cdf((sharpe - threshold) * math.sqrt(days - 1) / math.sqrt(error))


def deflated_sharpe(found: SharpeMoments, variance: float, trials: int) -> float:
    """Return the probability that the Sharpe ratio is more than the best of lucky trials."""
    return probabilistic_sharpe(found, expected_best(variance, trials))


# --- probability of backtest overfitting ---------------------------------------------------------


class Overfitting(NamedTuple):
    """How the setting that was best on half of the days fared on the other half."""

    probability: float  # share of the splits in which it was at or below the middle
    logits: tuple[float, ...]  # ln(w / (1 - w)) of each split, w = rank / (settings + 1)


def overfitting(
    returns: Floats, *, blocks: int | None = None, criterion: Criterion = "sharpe"
) -> Overfitting:
    """Return the probability of backtest overfitting, by combinatorial cross-validation.

    ``returns`` has a row for each day and a column for each setting. ``blocks`` of neighbouring
    days (16; 8 below 64 days) are split into halves in every way. Raises ValueError for fewer
    than two settings, an odd number of blocks, or fewer days than blocks.
    """
    days, settings = returns.shape
    count = (16 if days >= 64 else 8) if blocks is None else blocks
    if settings < 2 or count % 2 or count < 2 or days < count:
        raise ValueError(
            f"{settings} settings, {days} days, {count} blocks; expected two settings or more, an "
            "even number of blocks, and a day in each"
        )
    parts = np.array_split(np.asarray(returns, dtype=np.float64), count)
    sums = np.stack([[part.sum(axis=0), (part**2).sum(axis=0)] for part in parts])
    sizes = np.array([len(part) for part in parts], dtype=np.float64)
    inside = np.zeros((math.comb(count, count // 2), count))
    for row, chosen in enumerate(combinations(range(count), count // 2)):
        inside[row, list(chosen)] = 1.0
    best = _criterion(inside, sums, sizes, criterion).argmax(axis=1)
    outside = _criterion(1.0 - inside, sums, sizes, criterion)
    reached = outside[np.arange(len(best)), best][:, None]
    rank = (outside < reached).sum(axis=1) + ((outside == reached).sum(axis=1) + 1) / 2
    share = rank / (settings + 1)
    logits = np.log(share / (1 - share))
    return Overfitting(float((logits <= 0).mean()), tuple(logits.tolist()))


def _criterion(chosen: Floats, sums: Floats, sizes: Floats, criterion: Criterion) -> Floats:
    """Return the criterion of each setting (columns) over the chosen blocks of each row."""
    size = (chosen @ sizes)[:, None]
    mean = chosen @ sums[:, 0] / size
    if criterion == "mean":
        return np.round(mean, _TIE_PLACES)
    variance = np.maximum(chosen @ sums[:, 1] / size - mean**2, 0.0) * size / (size - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = mean / np.sqrt(variance)
    found[np.abs(mean) < _TIE] = 0.0
    return found.round(_TIE_PLACES)
