"""Event time against the standard library's datetime."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import times

LAST = times.day_start_ms("9999-12-31") + times.DAY_MS - 1
moments = st.integers(0, LAST)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_golden_moment():
    """The moment of SPEC section 2, to the millisecond and to the minute."""
    moment = times.parse_iso("2025-12-14T21:34:56.123Z")
    assert moment == 1_765_748_096_123
    assert times.iso(moment) == "2025-12-14T21:34:56.123Z"
    assert times.iso_minute(moment // times.MINUTE_MS) == "2025-12-14T21:34:00Z"
    assert times.day(moment) == "2025-12-14"


@given(moments)
def test_moments_read_back_as_themselves(moment):
    """Text and milliseconds are each other's inverse, and datetime agrees."""
    assert times.parse_iso(times.iso(moment)) == moment
    wanted = (EPOCH + timedelta(milliseconds=moment)).isoformat(timespec="milliseconds")
    assert times.iso(moment) == wanted.replace("+00:00", "Z")


@given(moments)
def test_minutes_and_days_hold_their_moments(moment):
    """A moment lies in the minute and in the day that its text says."""
    minute = times.parse_iso(times.iso_minute(moment // times.MINUTE_MS))
    assert 0 <= moment - minute < times.MINUTE_MS
    assert 0 <= moment - times.day_start_ms(times.day(moment)) < times.DAY_MS
    assert times.iso(moment).startswith(times.day(moment))


def test_midnight():
    """The last millisecond of a day and the first of the next are apart."""
    start = times.day_start_ms("2025-12-15")
    assert times.iso(start - 1) == "2025-12-14T23:59:59.999Z"
    assert times.iso(start) == "2025-12-15T00:00:00.000Z"
    assert (times.day(start - 1), times.day(start)) == ("2025-12-14", "2025-12-15")


def test_leap_day():
    """29 February exists in leap years only."""
    assert times.iso(times.parse_iso("2024-02-29T00:00:00Z")) == "2024-02-29T00:00:00.000Z"
    with pytest.raises(ValueError, match=r"day .* range|day of month"):
        times.parse_iso("2025-02-29T00:00:00Z")


@pytest.mark.parametrize(
    "text",
    ["", "2025-12-14", "2025-12-14T21:34:56.123", "2025-12-14T21:34:56.123+00:00",
     "2025-12-14 21:34:56.123Z", "2025-12-14T21:34:56.12Z", "2025-12-14T21:34:56.1234Z",
     "2025-12-14T21:34:56,123Z", "2025-12-14T24:00:00.000Z", "2025-12-14T21:60:00.000Z",
     "2025-12-14T21:34:60.000Z", "2025-12-14t21:34:56.123z", " 2025-12-14T21:34:56.123Z",
     "2025-12-14T21:34:56.123Z\n", "20251214T213456Z", "\u0662025-12-14T21:34:56.123Z",
     "1765748096123"],
)  # fmt: skip
def test_other_forms_are_refused(text):
    """One form, with or without milliseconds; nothing is guessed."""
    with pytest.raises(ValueError, match="is not a UTC time") as caught:
        times.parse_iso(text)
    assert str(caught.value) == f"{text!r} is not a UTC time like 2025-12-14T21:34:56.123Z"


@pytest.mark.parametrize("text", ["2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z",
                                  "2025-04-31T00:00:00Z", "0000-01-01T00:00:00Z"])  # fmt: skip
def test_dates_that_do_not_exist_are_refused(text):
    """The form alone is not enough."""
    with pytest.raises(ValueError, match=r"must be in|out of range"):
        times.parse_iso(text)


def test_nothing_lies_before_1970():
    """Negative moments do not occur."""
    with pytest.raises(ValueError, match="before 1970") as caught:
        times.parse_iso("1969-12-31T23:59:59.999Z")
    assert str(caught.value) == "'1969-12-31' lies before 1970"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("500ms", 500),
        ("30s", 30_000),
        ("240m", 14_400_000),
        ("4h", 14_400_000),
        ("2d", 172_800_000),
    ],
)
def test_durations(text, wanted):
    """A whole number and a unit."""
    assert times.parse_duration(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-5s", "+5s", "1.5h", "5 s", "5S", "5w", "0s", "00h"]
)
def test_durations_refused(text):
    """No sign, no fraction, no unknown unit, and never zero."""
    with pytest.raises(ValueError, match="is not a duration") as caught:
        times.parse_duration(text)
    assert str(caught.value) == f"{text!r} is not a duration like 30s, 240m, 4h or 2d"


def test_a_datetime_is_cut_off_to_milliseconds():
    """UTC unless it says otherwise, never rounded up, within what a UTC text can hold."""
    known = times.parse_iso("2025-12-14T21:35:59.999Z")
    naive = datetime(2025, 12, 14, 21, 35, 59, 999_999)  # noqa: DTZ001 - as people give it
    east = naive.replace(hour=23, tzinfo=timezone(timedelta(hours=2)))
    assert [times.unix_ms(naive), times.unix_ms(east)] == [known, known]
    for wrong in (datetime(1969, 12, 31, 23, 59, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        with pytest.raises(ValueError, match="before 1970 or after 9999"):
            times.unix_ms(wrong)


def test_the_wall_clock_is_in_milliseconds():
    """Between the day this was written and the last day that has four digits."""
    assert times.day_start_ms("2025-12-14") < times.utc_now_ms() < LAST


@pytest.mark.parametrize(
    ("moment", "name"),
    [
        ("2023-04-04T00:00:00.000Z", "2023-04-04/00"),
        ("2023-04-04T09:59:59.999Z", "2023-04-04/09"),
        ("2023-04-04T23:59:59.999Z", "2023-04-04/23"),
        ("2024-02-29T12:00:00.000Z", "2024-02-29/12"),
    ],
)
def test_hour_is_that_of_utc(moment, name):
    """00 to 23, under the UTC date."""
    assert times.hour(times.parse_iso(moment)) == name
