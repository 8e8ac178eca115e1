"""How good probabilities of an outcome were: Brier score, its three parts, and skill by days. Pure.

    Brier = MCB - DSC + UNC      miscalibration, discrimination, uncertainty
    BSS   = 1 - Brier / Brier of the base rate that was known before

The parts are those of CORP: the probabilities are held against their recalibration by isotonic
regression, found by pooling adjacent violators (Dimitriadis, Gneiting, Jordan, PNAS 2021). The
p-value of BSS > 0 takes the day as the sample, as every interval of the lab does.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from Edge_Lab.inference import Estimate, Floats, block_of

Flags = NDArray[np.bool_]


class ReliabilityBlock(NamedTuple):
    """Neighbouring probabilities that isotonic regression pools into one."""

    said: float  # their mean
    came: float  # the share of them that came true
    outcomes: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """The score of probabilities whose outcomes were not known to the model."""

    outcomes: int
    days: int  # with an outcome
    brier: float
    base_brier: float  # of the base rate of each training
    p: float | None  # of BSS > 0, one-sided, by days; None with fewer than two days
    miscalibration: float
    discrimination: float
    uncertainty: float
    reliability: tuple[ReliabilityBlock, ...]  # ascending

    @property
    def skill(self) -> float:
        """BSS: the part of the base rate's score that the model saves; below 0 it is worse."""
        return 1 - self.brier / self.base_brier if self.base_brier else 0.0


def calibration(
    chances: Floats, base: Floats, won: Flags, day: NDArray[np.int64]
) -> Calibration | None:
    """Return the score of probabilities, all arrays of equal length; None without an outcome.

    ``base`` is the base rate known to the training of each, ``day`` the UTC day, in order of time.
    """
    if not len(won):
        return None
    saved = (base - won) ** 2 - (chances - won) ** 2
    blocks, fitted = isotonic(chances, won)
    brier, recalibrated = _score(chances, won), _score(fitted, won)
    rate = int(won.sum()) / len(won)
    uncertainty = rate * (1 - rate)
    days, row = np.unique(day, return_inverse=True)
    return Calibration(
        outcomes=len(won),
        days=len(days),
        brier=brier,
        base_brier=_score(base, won),
        p=_by_days(saved, row, len(days)).p,
        miscalibration=brier - recalibrated,
        discrimination=uncertainty - recalibrated,
        uncertainty=uncertainty,
        reliability=blocks,
    )


def isotonic(chances: Floats, won: Flags) -> tuple[tuple[ReliabilityBlock, ...], Floats]:
    """Return the pooled blocks, and the recalibrated probability of each outcome.

    Equal probabilities are one; blocks are compared as fractions, so none is a matter of rounding.
    """
    values, row, counts = np.unique(chances, return_inverse=True, return_counts=True)
    wins = np.bincount(row, weights=won, minlength=len(values)).astype(np.int64)
    pooled: list[tuple[int, int, int]] = []  # wins, count, distinct probabilities
    for won_here, count_here in zip(wins.tolist(), counts.tolist(), strict=True):
        block = won_here, count_here, 1
        while pooled and pooled[-1][0] * block[1] >= block[0] * pooled[-1][1]:
            before = pooled.pop()
            block = before[0] + block[0], before[1] + block[1], before[2] + block[2]
        pooled.append(block)
    rates = [block_wins / count for block_wins, count, _ in pooled]
    number = np.repeat(np.arange(len(pooled)), [distinct for _, _, distinct in pooled])
    said = [
        math.fsum((values * counts)[number == at].tolist()) / count
        for at, (_, count, _) in enumerate(pooled)
    ]
    blocks = zip(said, rates, (count for _, count, _ in pooled), strict=True)
    fitted = np.array(rates, dtype=np.float64)[number][row]
    return tuple(ReliabilityBlock(*block) for block in blocks), fitted


def _score(chances: Floats, won: Flags) -> float:
    """Return the Brier score."""
    return math.fsum(((chances - won) ** 2).tolist()) / len(won)


def _by_days(saved: Floats, row: NDArray[np.intp], days: int) -> Estimate:
    """Return the mean score saved, with the part of each day in its error."""
    value = math.fsum(saved.tolist()) / len(saved)
    influence = np.bincount(row, weights=saved - value, minlength=days) / len(saved)
    return Estimate(value, len(saved), influence, np.ones(days, dtype=bool), block_of(influence))
