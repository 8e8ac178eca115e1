"""The moment a question is about: a typed time, a datetime, `latest`, or now."""

import argparse
from contextlib import suppress
from datetime import datetime
from typing import Final

from ravequant import cli, times
from ravequant.errors import UsageError

LATEST: Final = "latest"


def moment(at: str | datetime | None) -> tuple[int | None, int | None]:
    """Return the minute asked for (None: latest) and, without ``at``, the clock."""
    if at is None:
        now = times.utc_now_ms()
        return now // times.MINUTE_MS, now
    if at == LATEST:
        return None, None
    return _past_ms(at) // times.MINUTE_MS, None


def _past_ms(at: str | datetime) -> int:
    try:
        if isinstance(at, datetime):
            return times.unix_ms(at)
        with suppress(ValueError):  # as the files have it: what reads other forms is not loaded
            return times.parse_iso(at)
        return cli.moment(at)
    except (ValueError, TypeError, argparse.ArgumentTypeError):
        raise UsageError(
            f'--at {at!r} is no time: expected {LATEST}, "21:35" or "2025-12-14 21:35", in UTC '
            "unless it says otherwise"
        ) from None
