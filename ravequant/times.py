"""Times: Unix milliseconds and minutes, their UTC text, and the times that people give.

A time is an ``int`` of Unix milliseconds, a minute is ``milliseconds // 60_000``.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple

from ravequant.errors import shown

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
DAY_MINUTES: Final = 1_440

_EPOCH = date(1970, 1, 1)
_LAST_DAY_MS = (date.max - _EPOCH).days * DAY_MS  # excluded, so that the next day exists
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{3}))?Z"
)
# patterns of times that people give: few runs meet one, and compile them then
_DURATION = r"([0-9]{1,15})(ms|s|m|h|d)"
_DURATION_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_LONGEST_MS = 36_500 * DAY_MS

LATEST: Final = "latest"  # in place of a time: where the data end
_GIVEN = (
    r"(?i)(?:([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ](?=[0-9]{2}:)|(?= |$)))?"
    r"([0-9]{2}:[0-9]{2})?((?<=:[0-9]{2}):[0-9]{2}(?:\.[0-9]{1,6})?)?(?: ?([A-Z+-].*))?"
)
_OFFSET = r"([+-])([0-9]{2})(?::?([0-5][0-9]))?"
_PLACE = r"[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+"  # Europe/Berlin
_POSIX_SIGN = r"(?i)(?:UTC|GMT|Z)\s*([+-])\s*([0-9]{1,2})(?::?([0-9]{2}))?"
_FARTHEST_EAST = timedelta(hours=14)
_FORMS = (
    "expected 21:34, 2025-12-14 or '2025-12-14 21:34', in UTC unless a zone follows: Z, +01:00 or "
    "a place like Europe/Berlin"
)


@lru_cache(maxsize=64)
def _day_text(day_number: int) -> str:
    return (_EPOCH + timedelta(days=day_number)).isoformat()


@lru_cache(maxsize=64)
def _day_ms(text: str) -> int:
    days = (date.fromisoformat(text) - _EPOCH).days
    if days < 0:
        raise ValueError(f"{text!r} lies before 1970")
    return days * DAY_MS


def day(moment_ms: int) -> str:
    """Return the UTC date of a time: ``2025-12-14``."""
    return _day_text(moment_ms // DAY_MS)


def hour(moment_ms: int) -> str:
    """Return the UTC hour of a time as its file is named: ``2025-12-14/21``."""
    return f"{day(moment_ms)}/{moment_ms % DAY_MS // HOUR_MS:02}"


def day_start_ms(text: str) -> int:
    """Return the first millisecond of a UTC date. Raises ValueError if it does not exist."""
    return _day_ms(text)


def file_start_ms(key: str) -> int:
    """Return the first millisecond of the day or hour that a file is named after.

    Takes ``2025-12-14`` or ``2025-12-14/21``; raises ValueError for a date that does not exist.
    """
    return day_start_ms(key[:10]) + int(key[11:] or 0) * HOUR_MS


def iso(moment_ms: int) -> str:
    """Return a time as ``2025-12-14T21:34:56.123Z``."""
    days, rest = divmod(moment_ms, DAY_MS)
    seconds, ms = divmod(rest, SECOND_MS)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_day_text(days)}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"


@lru_cache(maxsize=1 << 12)
def duration(ms: int) -> str:
    """Return a span in its two largest units: ``42s``, ``3m05s``, ``2h10m``, ``3d04h``."""
    seconds = abs(ms) // SECOND_MS
    sign = "-" if ms < 0 else ""
    minutes, hours, days = seconds // 60, seconds // 3_600, seconds // 86_400
    if days:
        return f"{sign}{days}d{hours % 24:02}h"
    if hours:
        return f"{sign}{hours}h{minutes % 60:02}m"
    return f"{sign}{minutes}m{seconds % 60:02}s" if minutes else f"{sign}{seconds}s"


@lru_cache(maxsize=DAY_MINUTES)
def _clock_text(minute: int) -> str:
    hour, minute = divmod(minute, 60)
    return f"{hour:02}:{minute:02}"


@lru_cache(maxsize=1 << 12)  # records of neighbouring minutes name the same ones
def iso_minute(minute: int) -> str:
    """Return the start of a minute as ``2025-12-14T21:34:00Z``."""
    days, rest = divmod(minute, DAY_MINUTES)
    return f"{_day_text(days)}T{_clock_text(rest)}:00Z"


def parse_iso(text: str) -> int:
    """Return the Unix milliseconds of ``2025-12-14T21:34:56.123Z`` or ``2025-12-14T21:34:56Z``.

    Raises ValueError for any other form and for a date that does not exist.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown(text)} is not a UTC time like 2025-12-14T21:34:56.123Z")
    clock = (int(match[2]) * 60 + int(match[3])) * 60 + int(match[4])
    return _day_ms(match[1]) + clock * SECOND_MS + int(match[5] or 0)


def unix_ms(moment: datetime) -> int:
    """Return a datetime as Unix milliseconds, rounded down; one without a zone is UTC.

    Raises ValueError before 1970 and after 9999-12-30.
    """
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    found = (zoned - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    if not 0 <= found < _LAST_DAY_MS:
        raise ValueError(f"{moment} lies before 1970 or after 9999-12-30")
    return found


def parse_duration(text: str) -> int:
    """Return the milliseconds of ``500ms``, ``30s``, ``240m``, ``4h`` or ``2d``.

    Raises ValueError for any other form, for a duration of zero and for more than 36,500 days.
    """
    match = re.fullmatch(_DURATION, text)
    found = 0 if match is None else int(match[1]) * _DURATION_MS[match[2]]
    if not 0 < found <= _LONGEST_MS:
        raise ValueError(f"{shown(text)} is not a duration like 30s, 240m, 4h or 2d")
    return found


class Moment(NamedTuple):
    """A time that a person gave (SPEC section 11)."""

    ms: int
    to_minute: bool  # it names a minute, without seconds
    given: str
    zoned: bool = True  # it names its zone

    def refuse_later(self, now_ms: int, newest_ms: int | None) -> None:
        """Raise ValueError if it is later than the clock and than the newest record (Unix ms)."""
        if self.ms <= max(now_ms, newest_ms or 0):
            return
        newest = "" if newest_ms is None else f" and the newest record ({_seconds(newest_ms)})"
        raise ValueError(
            f"{self.given!r} is {_seconds(self.ms)}, later than now ({_seconds(now_ms)}){newest}"
            f"{self._remedy(now_ms)}"
        )

    def _remedy(self, now_ms: int) -> str:
        """Return the UTC time of the same words in this computer's zone, or a day before."""
        if self.zoned:
            return ""
        naive = datetime.fromtimestamp(self.ms / 1_000, UTC).replace(tzinfo=None)
        local = unix_ms(naive.astimezone())
        if local != self.ms and local <= now_ms:
            first = 11 if day(local) == day(self.ms) else 0
            return f"; {self.given} local is {iso(local)[first:16].replace('T', ' ')} UTC"
        if day(self.ms) == day(now_ms) and not self.given.startswith(day(now_ms)):
            return f"; for yesterday give '{day(now_ms - DAY_MS)} {self.given}'"
        return ""


def _seconds(moment_ms: int) -> str:
    return f"{iso(moment_ms)[:19]}Z"


def moment(given: str | datetime, now_ms: int) -> Moment:
    """Return a time that a person gives: a datetime, ISO or HH:MM of today; UTC without a zone.

    Raises ValueError, with the remedy, for everything else: nothing is guessed.
    """
    if isinstance(given, datetime):
        to_minute = not (given.second or given.microsecond)
        return Moment(unix_ms(given), to_minute, str(given), given.tzinfo is not None)
    match = re.fullmatch(_GIVEN, given.strip()) if isinstance(given, str) else None
    if match is None or not (match[1] or match[2]):
        raise ValueError(_refusal(given))
    zone = _zone(match[4], given) if match[4] else None
    today = datetime.fromtimestamp(now_ms / 1_000, zone or UTC).date().isoformat()
    try:
        naive = datetime.fromisoformat(f"{match[1] or today} {match[2] or '00:00'}{match[3] or ''}")
        ms = unix_ms(naive if zone is None else _once(naive.replace(tzinfo=zone)))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{shown(given)} is not a time that exists once: {error}") from None
    return Moment(ms, match[3] is None, given.strip(), zone is not None)


def _zone(text: str, given: str) -> tzinfo:
    """Return the zone of ``Z``, ``UTC``, ``+01:00`` or a place; ValueError, with the remedy."""
    if text.upper() in ("Z", "UTC", "GMT"):
        return UTC
    if offset := re.fullmatch(_OFFSET, text):
        ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        if ahead <= _FARTHEST_EAST:
            return timezone(-ahead if offset[1] == "-" else ahead)
    posix_sign = text.upper().startswith("ETC/")  # Etc/GMT+3 lies west
    if re.fullmatch(_PLACE, text) and not posix_sign:
        from dateutil import tz  # noqa: PLC0415 - few name a place

        place: tzinfo | None = tz.gettz(text)
        if place is not None:
            return place
    raise ValueError(_refusal(given, text))


def _once(moment: datetime) -> datetime:
    """Return a time of a place; ValueError if its clocks skip it or show it twice."""
    if isinstance(moment.tzinfo, timezone):
        return moment
    from dateutil import tz  # noqa: PLC0415 - few name a place

    if tz.datetime_ambiguous(moment) or not tz.datetime_exists(moment):
        raise ValueError("the clocks are changed there then; give it in UTC")
    return moment


def _refusal(given: str, zone: str = "") -> str:
    sign = re.search(_POSIX_SIGN, zone)
    if sign is None:
        about = f"the zone {shown(zone)} is not known" if zone else f"{shown(given)} is not a time"
        return f"{about}; {_FORMS}"
    side = "east" if sign[1] == "+" else "west"
    offset = f"{sign[1]}{int(sign[2]):02}:{sign[3] or '00'}"
    return (
        f"{sign[0]!r} in {shown(given)} is read with either sign by different programs: write "
        f"{offset} for a clock {side} of Greenwich"
    )


def parse_day(text: str) -> str:
    """Return a UTC date like ``2025-12-14``. Raises ValueError for every other form."""
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            _day_ms(text)
            return text
    except ValueError:
        pass
    raise ValueError(f"{shown(text)} is not a day like 2025-12-14")


def utc_now_ms() -> int:
    """Return the wall clock, for ``fetched_utc``, ``detected_utc`` and heartbeats only."""
    return int(datetime.now(UTC).timestamp() * 1000)
