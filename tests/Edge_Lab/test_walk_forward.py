"""Training and test days: their order, the purge by time stamps, and the embargo."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Edge_Lab.walk_forward import EMBARGO_MS, DayFold, folds, trials_of
from ravequant import times

HOUR = times.HOUR_MS
START = times.day_start_ms("2026-01-01")


def days_of(count, first=0):
    """Return UTC dates in a row."""
    return [times.day(START + number * times.DAY_MS) for number in range(first, first + count)]


def test_the_folds_of_a_month():
    """20 days, then the next 5; the training moves on by as many. Nothing before 21 days."""
    assert folds(days_of(20)) == []
    found = folds(days_of(32))
    assert [(len(fold.train), len(fold.test)) for fold in found] == [(20, 5), (20, 5), (20, 2)]
    assert found[1] == DayFold(tuple(days_of(20, 5)), tuple(days_of(5, 25)))


def test_a_day_without_data_is_passed_over():
    """Of days that were never recorded none is counted."""
    days = days_of(12) + days_of(12, 20)
    assert folds(days)[0] == DayFold(tuple(days[:20]), tuple(days[20:]))


def test_days_must_ascend():
    """A day that comes twice, or too late."""
    for days in (["2026-01-02", "2026-01-01"], ["2026-01-01"] * 2):
        with pytest.raises(ValueError, match="the days do not ascend"):
            folds(days)


def test_the_borders_of_purge_and_embargo():
    """X four hours before the first A of the test stays, a millisecond later it goes."""
    fold = DayFold(("2026-01-01",), ("2026-01-02",))
    first = START + 30 * HOUR  # the test's first A, at 06:00 of its day
    begun = np.array([START, START, START, first, first + 1, first + 24 * HOUR])
    ended = np.array(
        [first - EMBARGO_MS, first - EMBARGO_MS + 1, first + 1, *[first + 50 * HOUR] * 3]
    )
    train, test = trials_of(fold, begun, ended)
    assert train.tolist() == [True, False, False, False, False, False]
    assert test.tolist() == [False, False, False, True, True, False]


def test_without_a_trial_to_test_there_is_nothing_to_learn():
    """A test of empty days has neither kind of trial."""
    found = trials_of(
        DayFold(("2026-01-01",), ("2026-01-02",)), np.array([START]), np.array([START + 1])
    )
    assert not found.train.any()
    assert not found.test.any()


TRIALS = st.lists(
    st.tuples(st.integers(0, 33 * 24 * 60), st.integers(1, 3 * 24 * 60)), min_size=1, max_size=60
)


@given(trials=TRIALS, left_out=st.sets(st.integers(0, 33), max_size=8))
def test_no_training_window_meets_a_test_window(trials, left_out):
    """No [A, X) of the training meets [first A, largest X) of its test, nor the 4 h before it."""
    days = [day for number, day in enumerate(days_of(34)) if number not in left_out]
    begun = np.array([START + minute * times.MINUTE_MS for minute, _ in trials])
    ended = begun + np.array([life * times.MINUTE_MS for _, life in trials])
    tested = np.zeros(len(begun), dtype=int)
    for fold in folds(days):
        found = trials_of(fold, begun, ended)
        tested += found.test
        assert {times.day(int(ms)) for ms in begun[found.test]} <= set(fold.test)
        assert {times.day(int(ms)) for ms in begun[found.train]} <= set(fold.train)
        if found.train.any():
            window = begun[found.test].min(), ended[found.test].max()
            for a, x in zip(begun[found.train], ended[found.train], strict=True):
                assert not (a < window[1] and x > window[0] - EMBARGO_MS)
    assert tested.max(initial=0) <= 1
