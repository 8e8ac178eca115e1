"""How accounts are positioned as of a moment: long / short of the last closed period."""

from typing import Any, Final, NamedTuple, Self

from ravequant import catalog, exact, times
from ravequant.signals.context.feed_lines import newest_line, time_of
from ravequant.signals.context.fields import Feed
from ravequant.signals.context.moment import ContextMoment

SERIES: Final = {
    "accounts": catalog.LS_ACCOUNTS,
    "top_accounts": catalog.LS_TOP_ACCOUNTS,
    "top_positions": catalog.LS_TOP_POSITIONS,
}
PERIOD_MS: Final = 5 * times.MINUTE_MS
STALE_MS: Final = 15 * times.MINUTE_MS  # behind the end of a period; normally it is 2 to 7 minutes
KNOWN: Final = "known_utc"  # no row may be read before this time


class LongShort(NamedTuple):
    """A closed period of a ratio."""

    end: int  # Unix ms
    ratio: str

    @classmethod
    def of(cls, row: Any) -> Self:
        """Return that of a line. Raises ValueError, KeyError or TypeError."""
        (ratio,) = row["values"]
        exact.units(ratio, exact.PRICE_PLACES)
        return cls(time_of(row) + PERIOD_MS, ratio)


def read_ratios(moment: ContextMoment) -> Feed:
    """Return the ratios, and the end of the oldest period among them."""
    end = moment.end_ms("marks")
    newest = {
        name: newest_line(moment, data, end, LongShort.of, KNOWN) for name, data in SERIES.items()
    }
    if not any(newest.values()):
        return "not recorded"
    fresh = {
        name: row
        for name, row in newest.items()
        if row is not None and moment.asked_ms - row.end <= STALE_MS
    }
    if not fresh:
        return "stale"
    return {
        **{name: fresh[name].ratio if name in fresh else None for name in SERIES},
        "until_utc": times.iso(min(row.end for row in fresh.values())),
    }
