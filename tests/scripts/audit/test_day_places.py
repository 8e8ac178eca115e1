"""The file in which each record belongs, where a record ahead of its time opened one too early."""

import numpy as np
import pytest

from ravequant import times
from scripts.audit.day_places import places_of

KEY, BEFORE = "2025-12-15", "2025-12-14"
BEGIN = times.day_start_ms(KEY)
MINUTE = times.MINUTE_MS


def judged(moments, ahead=(), newest=BEGIN - MINUTE, key=KEY):
    """Return the parts and the numbers of the records that are ahead; times count from the day."""
    ts = np.array([BEGIN + moment for moment in moments], dtype=np.int64)
    known = np.array([at in ahead for at in range(len(ts))])
    places = places_of(ts, known, key, newest)
    return places.parts(), np.flatnonzero(places.ahead).tolist(), places.newest_ts - BEGIN


def test_a_day_that_a_sound_record_opened_holds_its_records():
    """Also those that are out of order over midnight."""
    assert judged([5, -3, -2, 9, 20]) == ([(0, KEY)], [], 20)
    assert judged([5, -3, -2, 9, 20], newest=BEGIN + 3) == ([(0, KEY)], [], 20)
    assert judged([5]) == ([(0, KEY)], [], 5)


@pytest.mark.parametrize(("by_ms", "early"), [(60_001, True), (60_000, False)])
def test_more_than_a_minute_before_those_behind_it_it_was_ahead(by_ms, early):
    """They belong to the day before; the file is opened by the first of its own day."""
    moments = [by_ms - 9, -9, -9, -9, 3, 4]
    if early:
        assert judged(moments) == ([(0, BEFORE), (4, KEY)], [0], 4)
    else:
        assert judged(moments) == ([(0, KEY)], [], by_ms - 9)


def test_more_than_half_of_the_records_behind_it_decide_and_three_at_least():
    """One from the past says nothing about those before it, nor do two alone."""
    assert judged([5, -90_000, 6, 7]) == ([(0, KEY)], [], 7)
    assert judged([5 * MINUTE, -9, -8]) == ([(0, KEY)], [], 5 * MINUTE)
    assert judged([5 * MINUTE, -9, -8, -7])[1] == [0]
    assert judged([5 * MINUTE, -9, -8, 6 * MINUTE, 6 * MINUTE]) == ([(0, KEY)], [], 6 * MINUTE)


def test_several_records_ahead_open_nothing():
    """However many agree, as long as those behind them do not."""
    assert judged([9 * MINUTE] * 5 + [-9] * 200) == ([(0, BEFORE)], [0, 1, 2, 3, 4], -9)


def test_a_record_that_is_known_to_be_ahead_stays_with_those_around_it():
    """Its time opens no day, in front of all others it belongs to theirs."""
    assert judged([5 * MINUTE, 3, 4], ahead=[0]) == ([(0, BEFORE), (1, KEY)], [0], 4)
    assert judged([99 * MINUTE, 3, 4], ahead=[0], newest=0) == ([(0, KEY)], [0], 4)
    assert judged([99 * MINUTE, -8], ahead=[0], newest=0) == ([(0, BEFORE)], [0], -8)
    assert judged([99 * MINUTE], ahead=[0], newest=0) == ([(0, KEY)], [0], -BEGIN)


def test_days_between_get_files_of_their_own():
    """Weeks may have been written into the file that a record of 2098 opened."""
    day = times.DAY_MS
    moments = [70 * 365 * day, -9, -8, -7, day, 2 * day]
    assert judged(moments, key="2095-11-28") == (
        [(0, BEFORE), (4, "2025-12-16"), (5, "2025-12-17")],
        [0],
        2 * day,
    )
