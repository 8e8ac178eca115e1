"""The seen liquidations of the last minutes as of a moment: a lower bound, never the total.

They are read through the sums of liquidations_1m alone.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Self

from ravequant import catalog, exact, times
from ravequant.signals import inputs
from ravequant.signals.context.fields import Feed
from ravequant.signals.context.moment import ContextMoment
from ravequant.signals.derived_rows import parsed
from ravequant.vault.line_file import LineFile, is_there

MINUTES: Final = 5


class SeenMinute(NamedTuple):
    """A minute of seen liquidations; notionals in units of NOTIONAL_PLACES."""

    minute: int
    longs: int
    shorts: int
    long_count: int
    short_count: int
    gap: bool

    @classmethod
    def of(cls, row: Any) -> Self:
        """Return that of a row. Raises ValueError, KeyError or TypeError."""
        longs, shorts = (
            exact.units(row[name], exact.NOTIONAL_PLACES)
            for name in ("long_notional", "short_notional")
        )
        counts = int(row["long_count"]), int(row["short_count"])
        return cls(inputs.minute_of(row["timestamp_utc"]), longs, shorts, *counts, bool(row["gap"]))


def read_liquidated(moment: ContextMoment) -> Feed:
    """Return what was seen in the newest minutes, by side, and whether some of it is missing."""
    rows = list(_rows(moment))
    if not rows or rows[0].minute < moment.minute - times.DAY_MINUTES:
        return "not recorded"
    newest = rows[0].minute
    if moment.is_stale("volume", newest):
        return "stale"
    whole = [row for row in rows if not row.gap]
    if not whole:
        return "gap"
    return {
        "until_utc": times.iso_minute(newest + 1),
        "long_notional": exact.text(sum(row.longs for row in rows), exact.NOTIONAL_PLACES),
        "short_notional": exact.text(sum(row.shorts for row in rows), exact.NOTIONAL_PLACES),
        "long_count": sum(row.long_count for row in rows),
        "short_count": sum(row.short_count for row in rows),
        "gap": len(whole) < MINUTES,
    }


def _rows(moment: ContextMoment) -> Iterator[SeenMinute]:
    """Yield the rows of the newest minutes, the newest first."""
    path = catalog.LIQUIDATIONS_1M.place(moment.vault, moment.inst_id)
    if not is_there(path):
        return
    end = min(moment.end_ms("liquidations_1m"), moment.end_ms("marks"))
    until = (end // times.MINUTE_MS - 1) * times.MINUTE_MS
    with LineFile(path) as file:
        newest: int | None = None
        for row in parsed(path, file.newest(until), SeenMinute.of):
            newest = row.minute if newest is None else newest
            if row.minute <= newest - MINUTES:
                break
            yield row
