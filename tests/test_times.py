"""Event time against the standard library's datetime."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import times
from ravequant.errors import shown

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
    "text",
    [
        "",
        "5",
        "s",
        "-5s",
        "+5s",
        "1.5h",
        "5 s",
        "5S",
        "5w",
        "0s",
        "00h",
        "36501d",
        "9" * 5_000 + "s",
    ],
)
def test_durations_refused(text):
    """No sign, no fraction, no unknown unit, never zero and never more than a century."""
    with pytest.raises(ValueError, match="is not a duration") as caught:
        times.parse_duration(text)
    assert str(caught.value) == f"{shown(text)} is not a duration like 30s, 240m, 4h or 2d"


def test_a_datetime_is_cut_off_to_milliseconds():
    """UTC unless it says otherwise, never rounded up, within what a UTC text can hold."""
    known = times.parse_iso("2025-12-14T21:35:59.999Z")
    naive = datetime(2025, 12, 14, 21, 35, 59, 999_999)  # noqa: DTZ001 - as people give it
    east = naive.replace(hour=23, tzinfo=timezone(timedelta(hours=2)))
    assert [times.unix_ms(naive), times.unix_ms(east)] == [known, known]
    for wrong in (datetime(1969, 12, 31, 23, 59, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        with pytest.raises(ValueError, match="before 1970 or after 9999"):
            times.unix_ms(wrong)


NOW = times.parse_iso("2026-11-29T10:20:30Z")
ISO_HOUR = "2025-12-14T21:34:00.000Z"


@pytest.mark.parametrize(
    ("given", "wanted", "to_minute", "zoned"),
    [
        ("21:34", "2026-11-29T21:34:00.000Z", True, False),
        ("21:34:56", "2026-11-29T21:34:56.000Z", False, False),
        ("21:34Z", "2026-11-29T21:34:00.000Z", True, True),
        ("21:34 utc", "2026-11-29T21:34:00.000Z", True, True),
        ("21:34+01:00", "2026-11-29T20:34:00.000Z", True, True),
        ("00:30 +14", "2026-11-29T10:30:00.000Z", True, True),  # it is the 30th there
        ("2025-12-14", "2025-12-14T00:00:00.000Z", True, False),
        ("2025-12-14 Z", "2025-12-14T00:00:00.000Z", True, True),
        ("2025-12-14T21:34", ISO_HOUR, True, False),
        (" 2025-12-14 21:34 ", ISO_HOUR, True, False),
        ("2025-12-14 22:34 +01:00", ISO_HOUR, True, True),
        ("2025-12-14T16:04-0530", ISO_HOUR, True, True),
        ("2025-12-14 22:34 Europe/Berlin", ISO_HOUR, True, True),
        ("2025-07-14 22:34 Europe/Berlin", "2025-07-14T20:34:00.000Z", True, True),
        ("2025-12-14t21:34:56.123999z", "2025-12-14T21:34:56.123Z", False, True),
        (datetime(2025, 12, 14, 21, 34), ISO_HOUR, True, False),  # noqa: DTZ001 - as people give it
        (datetime(2025, 12, 14, 21, 34, 0, 1, UTC), ISO_HOUR, False, True),
        (datetime(2025, 12, 14, 22, 34, tzinfo=timezone(timedelta(hours=1))), ISO_HOUR, True, True),
    ],
)
def test_times_that_people_give(given, wanted, to_minute, zoned):
    """ISO, HH:MM of today, or a datetime: UTC without a zone, and ISO's sign of an offset."""
    found = times.moment(given, NOW)
    assert (times.iso(found.ms), found.to_minute, found.zoned) == (wanted, to_minute, zoned)


@pytest.mark.parametrize(
    "given",
    ["", " ", "soon", "now", "latest", "Sun", "28", "20.44", "2025", "20251214", "20251214T2134",
     "1765748096", "05.12.2026", "10.12.2025", "10/12/2025", "14 Dec 2025 22:34 +01:00",
     "2025-12", "2025-W50-7", "2025-348", "9:05", "9pm", "2025-12-14 21", "2025-12-14T",
     "2025-12-14-05:00", "2025-12-14:56", "2025-12-14  21:34", "٢١:٣٤", 28, None],
)  # fmt: skip
def test_nothing_is_guessed(given):
    """Neither day and month, nor the day of a week, nor the meaning of a bare number."""
    with pytest.raises(ValueError, match="is not a time") as refused:
        times.moment(given, NOW)
    assert str(refused.value) == (
        f"{given!r} is not a time; expected 21:34, 2025-12-14 or '2025-12-14 21:34', in UTC unless "
        "a zone follows: Z, +01:00 or a place like Europe/Berlin"
    )


@pytest.mark.parametrize(
    ("given", "named", "offset", "side"),
    [
        ("2025-12-14 05:03:00 UTC+3", "UTC+3", "+03:00", "east"),
        ("21:34 GMT+1", "GMT+1", "+01:00", "east"),
        ("21:34utc-05:30", "utc-05:30", "-05:30", "west"),
        ("2025-12-14T21:34Z+03:00", "Z+03:00", "+03:00", "east"),
        ("21:34 Etc/GMT+3", "GMT+3", "+03:00", "east"),  # the sign of POSIX, so 3 hours west
    ],
)
def test_a_sign_that_is_read_both_ways_is_refused(given, named, offset, side):
    """The message has the form that has one meaning."""
    with pytest.raises(ValueError, match="either sign") as refused:
        times.moment(given, NOW)
    assert str(refused.value) == (
        f"{named!r} in {given!r} is read with either sign by different programs: write {offset} "
        f"for a clock {side} of Greenwich"
    )


@pytest.mark.parametrize("zone", ["CET", "EST", "pm", "+3", "+25:00", "+14:01", "Europe/Nowhere"])
def test_a_zone_that_is_not_known_is_not_utc(zone):
    """Letters have several meanings; only a place's name has one."""
    with pytest.raises(ValueError, match=r"^the zone '") as refused:
        times.moment(f"2025-12-14 21:34 {zone}", NOW)
    assert f"the zone {zone!r} is not known; expected 21:34" in str(refused.value)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("25:61", "hour must be in"),
        ("2025-02-29", "day is out of range"),
        ("1969-12-31 23:59", "before 1970"),
        ("9999-12-31", "after 9999-12-30"),
        ("0001-01-01 00:00 +12:00", "before 1970"),
        ("2025-10-26 02:30 Europe/Berlin", "the clocks are changed there then; give it in UTC"),
        ("2025-03-30 02:30 Europe/Berlin", "the clocks are changed there then; give it in UTC"),
    ],
)
def test_a_time_that_is_none_or_two(given, reason):
    """Also where a clock is put back, which shows an hour twice, or forward, which skips one."""
    with pytest.raises(ValueError, match="is not a time that exists once: ") as refused:
        times.moment(given, NOW)
    assert reason in str(refused.value)


@pytest.fixture
def in_berlin(monkeypatch):
    """Put this computer into a zone east of Greenwich."""
    if not hasattr(time, "tzset"):
        pytest.skip("the zone of this system cannot be changed for a process")
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ("11:19", "; 11:19 local is 10:19 UTC"),
        ("2026-11-29 11:19", "; 2026-11-29 11:19 local is 10:19 UTC"),
        ("2026-11-30 00:30", ""),  # later in any reading
        ("22:44", "; for yesterday give '2026-11-28 22:44'"),
        ("11:19Z", ""),
        ("2027-01-01", ""),
    ],
)
def test_a_time_to_come_is_refused(in_berlin, given, remedy):
    """The message has both times in UTC, and the time in UTC that was probably meant."""
    moment = times.moment(given, NOW)
    newest = NOW - 60_000
    with pytest.raises(ValueError, match="later than now") as refused:
        moment.refuse_later(NOW, newest)
    assert str(refused.value) == (
        f"{given!r} is {times.iso(moment.ms)[:19]}Z, later than now (2026-11-29T10:20:30Z) and the "
        f"newest record (2026-11-29T10:19:30Z){remedy}"
    )
    moment.refuse_later(NOW, moment.ms)
    moment.refuse_later(moment.ms, None)


def test_a_local_time_of_another_date(in_berlin):
    """The date is said where it is another."""
    now = times.parse_iso("2026-11-28T23:45:00Z")
    with pytest.raises(ValueError, match="later than now") as refused:
        times.moment("2026-11-29 00:30", now).refuse_later(now, None)
    assert str(refused.value).endswith("; 2026-11-29 00:30 local is 2026-11-28 23:30 UTC")


@pytest.mark.parametrize("text", ["20251214", "2025-12-14/21", "14.12.2025", "2025-W50-7", ""])
def test_days(text):
    """A day has one form."""
    assert times.parse_day("2025-12-14") == "2025-12-14"
    with pytest.raises(ValueError, match="is not a day like 2025-12-14"):
        times.parse_day(text)


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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (86399, "23h59m"),
     (86400, "1d00h"), (-42, "-42s")],
)  # fmt: skip
def test_duration(seconds, text):
    """Two units are enough for an age."""
    assert times.duration(seconds * 1000) == text
