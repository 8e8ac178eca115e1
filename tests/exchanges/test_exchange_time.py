"""The exchange's time: answers, the monotonic clock, and what they say of messages."""

import pytest

from ravequant.exchanges.exchange_time import AGREEING, SILENT_S, ExchangeTime, is_past
from ravequant.times import DAY_MS, HOUR_MS

START = 1_765_670_400_000
YEAR = 365 * DAY_MS


def known(ts: int = START, now: float = 0.0) -> ExchangeTime:
    subject = ExchangeTime()
    assert subject.answered(ts, now, now)
    return subject


def test_an_answer_is_carried_on_by_the_monotonic_clock():
    """It is taken for the middle of question and answer."""
    subject = ExchangeTime()
    assert subject.at(10.0) is None
    assert subject.answered(START, 10.0, 10.4)
    assert subject.at(10.2) == START
    assert subject.at(3610.2) == START + HOUR_MS


def test_a_time_more_than_a_minute_past_it_is_past():
    """A minute is allowed to clocks and to the way of a message."""
    subject = known()
    assert not subject.is_past(START + 60_000, 0.0)
    assert subject.is_past(START + 60_001, 0.0)
    assert ExchangeTime().is_past(0, 0.0)
    assert not is_past(START + YEAR, None)


def test_a_message_is_ahead_once_the_time_was_asked_for_after_it_came():
    """Before that a sleep of the computer would explain it as well."""
    subject = known()
    late = START + HOUR_MS
    assert subject.judge(START, 1.0) == "sound"
    assert subject.judge(late, 1.0) == "unknown"
    assert subject.answered(START + 1_500, 1.5, 1.5)
    assert subject.judge(late, 1.0) == "ahead"
    assert subject.judge(late, 2.0) == "unknown"


def test_after_a_sleep_the_next_answer_puts_the_time_right():
    """The monotonic clock may stand still meanwhile; the messages of now are sound."""
    subject = known()
    assert subject.answered(START + 8 * HOUR_MS, 1.0, 1.0)
    assert subject.judge(START + 8 * HOUR_MS, 0.9) == "sound"


@pytest.mark.parametrize("absurd", [START - YEAR, START + 70 * YEAR, START + 2 * DAY_MS])
def test_a_single_absurd_answer_moves_nothing(absurd):
    """The answers before and after it agree with each other."""
    subject = known()
    assert not subject.answered(absurd, 1.0, 1.0)
    assert subject.at(1.0) == START + 1_000
    assert subject.judge(START + 2 * DAY_MS, 0.5) == "unknown"  # that was no answer to believe
    assert subject.answered(START + 2_000, 2.0, 2.0)
    assert subject.at(2.0) == START + 2_000


def test_an_absurd_first_answer_is_put_right_by_two_that_agree():
    """Which of two is wrong is not known: the third decides."""
    subject = known(START + YEAR)
    assert not subject.answered(START, 1.0, 1.0)
    assert subject.answered(START + 1_000, 2.0, 2.0)
    assert subject.at(2.0) == START + 1_000


def test_a_replay_at_another_speed_is_followed():
    """Each answer lies hours after the last, and follows on it."""
    subject = known()
    for step in range(1, 50):
        assert subject.answered(START + step * HOUR_MS, step / 4, step / 4)
        assert subject.judge(START + step * HOUR_MS - 1, step / 4 - 0.1) == "sound"


def test_without_answers_the_messages_themselves_stand_in_after_a_while():
    """Only many of them in a row, with none of the known time between: one moves nothing."""
    subject = ExchangeTime()
    subject.silent(0.0)
    for number in range(AGREEING):
        assert subject.judge(START + number, 1.0) == "unknown"
    assert subject.at(SILENT_S - 0.1) is None
    assert subject.judge(START + 200_000, SILENT_S + 1) == "unknown"  # one of them lies
    for number in range(3 * AGREEING):
        assert subject.judge(START + 30_000 + number, SILENT_S + 1) == "sound"
    assert subject.judge(START + 200_000, SILENT_S + 1) == "unknown"
    assert subject.answered(START + YEAR, 100.0, 100.0)
    assert subject.at(100.0) == START + YEAR


def test_stray_messages_never_add_up_to_a_time():
    """Between any two of them came one of the known time."""
    subject = known()
    subject.silent(0.0)
    for number in range(3 * AGREEING):
        now = SILENT_S + number
        assert subject.judge(START + YEAR, now) == "unknown"
        assert subject.judge(START + int(now * 1000), now) == "sound"


def test_a_connection_makes_the_next_message_past_it_ask_anew():
    """An answer from before a sleep is no answer to a message after it."""
    subject = known(now=5.0)
    assert subject.judge(START + HOUR_MS, 5.0) == "ahead"
    subject.doubt()
    assert subject.judge(START + HOUR_MS, 5.0) == "unknown"
