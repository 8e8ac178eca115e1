"""The next funding as of a moment: when, and the exchange's running estimate of its rate."""

from typing import Any, Final, NamedTuple, Self

from ravequant import catalog, exact, times
from ravequant.signals.context.feed_lines import newest_line, time_of, was_recording
from ravequant.signals.context.fields import Feed
from ravequant.signals.context.moment import ContextMoment

STALE_MS: Final = 15 * times.MINUTE_MS  # an estimate that stands is written every ten


class FundingEstimate(NamedTuple):
    """A line of the running estimate."""

    ts: int
    rate: str  # a fraction; above zero longs pay
    coming: int  # Unix ms, of the next settlement
    after: int  # Unix ms, of that behind it

    @classmethod
    def of(cls, row: Any) -> Self:
        """Return that of a line. Raises ValueError, KeyError or TypeError."""
        rate = row["fundingRate"]
        exact.units(rate.removeprefix("-"), exact.PRICE_PLACES)
        coming, after = int(row["fundingTime"]), int(row["nextFundingTime"])
        return cls(time_of(row), rate, coming, after)


def read_funding(moment: ContextMoment) -> Feed:
    """Return the estimate, the time of the settlement and the whole minutes until then."""
    row = newest_line(moment, catalog.FUNDING_ESTIMATES, moment.end_ms("marks"), FundingEstimate.of)
    if row is None:
        return "not recorded"
    if moment.asked_ms - row.ts > STALE_MS or not was_recording(moment):
        return "stale"
    left_ms = row.coming - moment.asked_ms
    if left_ms <= 0:
        return "settling"  # the estimate is of a settlement that is over
    hours, rest = divmod(row.after - row.coming, times.HOUR_MS)
    return {
        "estimate": row.rate,
        "settles_utc": times.iso(row.coming),
        "minutes": left_ms // times.MINUTE_MS,
        "interval_h": None if rest else hours,
    }
