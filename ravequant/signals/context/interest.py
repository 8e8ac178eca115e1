"""Open interest as of a moment, and by how much it has changed."""

from typing import Any, Final, NamedTuple, Self

from ravequant import catalog, exact, times
from ravequant.signals.context.feed_lines import newest_line, time_of
from ravequant.signals.context.fields import Feed
from ravequant.signals.context.moment import ContextMoment

SPANS: Final = {"change_15m_pct": 15, "change_1h_pct": 60}  # minutes


class OpenInterest(NamedTuple):
    """A line of open interest."""

    ts: int
    text: str  # contracts
    contracts: int  # units of PRICE_PLACES: the exchange writes more places than a size has

    @classmethod
    def of(cls, row: Any) -> Self:
        """Return that of a line. Raises ValueError, KeyError or TypeError."""
        return cls(time_of(row), row["oi"], exact.units(row["oi"], exact.PRICE_PLACES))


def read_interest(moment: ContextMoment) -> Feed:
    """Return open interest in contracts, and its changes up to it in percent."""
    now = newest_line(moment, catalog.OPEN_INTEREST, moment.end_ms("marks"), OpenInterest.of)
    if now is None:
        return "not recorded"
    if moment.is_old("buckets", now.ts):
        return "stale"
    changes = {name: _change(moment, now, minutes) for name, minutes in SPANS.items()}
    return {"contracts": now.text, **changes}


def _change(moment: ContextMoment, now: OpenInterest, minutes: int) -> str | None:
    """Return the change since so long before A; None where it was not recorded then."""
    then = (moment.minute - minutes) * times.MINUTE_MS
    before = newest_line(moment, catalog.OPEN_INTEREST, then, OpenInterest.of)
    if before is None or not before.contracts or moment.is_old("buckets", before.ts, then):
        return None
    percent = exact.divide(100 * (now.contracts - before.contracts), before.contracts, 2)
    return exact.signed_fixed(percent, 2)
