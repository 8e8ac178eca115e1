"""Training and test days that follow each other, kept apart by the lives of the trials. Pure.

    train    20 days   the whole UTC days before the test
    test      5 days   the next ones; each day is tested once
    purge    a training trial whose horizon X lies after the start of the test is dropped
    embargo  nor may X lie in the 4 h before it: the facts of the test look back as far

Both cuts go by time stamps, and the start of the test is its first A (Lopez de Prado, Advances in
Financial Machine Learning, 2018, chapter 7).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravequant import times

TRAIN_DAYS: Final = 20
TEST_DAYS: Final = 5
EMBARGO_MS: Final = 4 * times.HOUR_MS  # the longest window of a fact: vwap_4h
Times = NDArray[np.int64]  # Unix ms


class DayFold(NamedTuple):
    """UTC days to learn from, and those after them on which the choice is tried; ascending."""

    train: tuple[str, ...]
    test: tuple[str, ...]


class FoldTrials(NamedTuple):
    """Which of the trials given belong to a fold; the two never share a trial."""

    train: NDArray[np.bool_]
    test: NDArray[np.bool_]


def folds(days: Sequence[str]) -> list[DayFold]:
    """Return the folds of UTC days that have data, ascending; none with TRAIN_DAYS or fewer.

    The last test may have fewer than TEST_DAYS. ValueError for days that do not ascend.
    """
    if any(after <= before for before, after in pairwise(days)):
        raise ValueError("the days do not ascend")
    return [
        DayFold(tuple(days[first - TRAIN_DAYS : first]), tuple(days[first : first + TEST_DAYS]))
        for first in range(TRAIN_DAYS, len(days), TEST_DAYS)
    ]


def trials_of(fold: DayFold, begun: Times, ended: Times) -> FoldTrials:
    """Return the trials of a fold, purged and with the embargo; none of either without a test.

    ``begun`` are the minutes A, ``ended`` the horizons X, both in Unix ms and of equal length.
    """
    day = begun // times.DAY_MS
    test = np.isin(day, _numbers(fold.test))
    if not test.any():
        return FoldTrials(test, test)
    apart = ended <= begun[test].min() - EMBARGO_MS
    return FoldTrials(np.isin(day, _numbers(fold.train)) & apart, test)


def _numbers(days: Sequence[str]) -> Times:
    """Return UTC dates as days since 1970."""
    return np.array([times.day_start_ms(day) // times.DAY_MS for day in days], dtype=np.int64)
