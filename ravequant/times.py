"""Times: Unix milliseconds and minutes, their UTC text, and durations that people type.

A time is an ``int`` of Unix milliseconds, a minute is ``milliseconds // 60_000``.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

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
_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)")
_DURATION_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}


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
def iso_minute(minute: int) -> str:
    """Return the start of a minute as ``2025-12-14T21:34:00Z``."""
    days, rest = divmod(minute, DAY_MINUTES)
    hour, minute_of_hour = divmod(rest, 60)
    return f"{_day_text(days)}T{hour:02}:{minute_of_hour:02}:00Z"


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

    Raises ValueError for any other form and for a duration of zero.
    """
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{shown(text)} is not a duration like 30s, 240m, 4h or 2d")
    return int(match[1]) * _DURATION_MS[match[2]]


def utc_now_ms() -> int:
    """Return the wall clock, for ``fetched_utc``, ``detected_utc`` and heartbeats only."""
    return int(datetime.now(UTC).timestamp() * 1000)
