"""Rows judged by their times: sound, ahead, too old, of another stream, or not yet known."""

from dataclasses import replace

from ravequant.times import HOUR_MS, iso
from tests.support.still_time import StillTime
from tests.support.trade_history import START, trade
from Trades_Bot.row_times import RowTimes, is_lower

LAST, LAST_TS = 1_000, START + 1_000


def judge(since: int | None = None, now_ms: int | None = START) -> RowTimes:
    time = StillTime(now_ms)
    time.asked_at = 0.0
    return RowTimes(time, since)


def test_a_row_past_the_exchange_is_ahead_however_many_agree():
    """The others of its frame are recorded as ever."""
    ahead = [replace(trade(number), ts=START + HOUR_MS) for number in range(1002, 1005)]
    judged = judge().frame([trade(1001), *ahead], LAST, LAST_TS, 0.0)
    assert judged.rows == (trade(1001), *(replace(row, ahead=True) for row in ahead))
    assert not judged.rejected
    assert not judged.unknown


def test_a_row_from_the_past_is_late_and_recorded():
    """A vault that holds a row takes it."""
    old = replace(trade(1001), ts=START - 30 * HOUR_MS)
    assert judge().page([old], 0.0).rows == (old,)


def test_an_empty_vault_begins_with_no_older_row_than_was_asked_for():
    """A minute before it is near enough."""
    since = START + 70_000
    old = replace(trade(5), ts=START + 9_999)
    near = replace(trade(6), ts=START + 10_000)
    judged = judge(since).page([old, near], 0.0)
    assert judged.rows == (near,)
    assert judged.rejected == (
        f"ts: {iso(START + 9_999)} lies before {iso(since)}, where this empty vault begins",
    )


def test_without_the_exchange_s_time_a_row_is_for_later():
    """It is neither ahead nor sound."""
    judged = judge(now_ms=None).frame([trade(1001)], LAST, LAST_TS, 1.0)
    assert judged.unknown == (trade(1001),)
    assert not judged.rows


def lower(number: int = 7):
    return replace(trade(number), ts=LAST_TS + 60_001)


def test_a_lower_id_with_a_newer_time_is_rejected_and_two_frames_ask_rest():
    """One stray row is no other stream, nor are two with a good frame between them."""
    assert is_lower(lower(), LAST, LAST_TS)
    assert not is_lower(lower(), None, 0)
    assert not is_lower(replace(lower(), ts=LAST_TS + 60_000), LAST, LAST_TS)
    subject = judge(now_ms=START + HOUR_MS)
    judged = subject.frame([lower()], LAST, LAST_TS, 0.0)
    assert not judged.rows
    when = f"its time {iso(LAST_TS + 60_001)} is later than {iso(LAST_TS)}"
    assert judged.rejected == (f"trade_id: 7 is below 1000, though {when}",)
    subject.frame([trade(1001)], LAST, LAST_TS, 0.0)
    subject.frame([lower()], LAST, LAST_TS, 0.0)
    assert not subject.begins_lower
    subject.frame([lower(8)], LAST, LAST_TS, 0.0)
    assert subject.begins_lower


def test_rest_decides_whether_it_is_another_stream():
    """Its newest id lies above those on disk: the frames were wrong. Below: they were right."""
    for newest, other in ((trade(2_000), False), (None, False), (lower(9), True)):
        subject = judge(now_ms=START + HOUR_MS)
        for number in (7, 8):
            subject.frame([lower(number)], LAST, LAST_TS, 0.0)
        subject.compare(newest, LAST, LAST_TS)
        assert subject.other_stream is other
        assert not subject.begins_lower
