"""The state of the market as of a minute: the records that the rules of the query judge. Pure."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final, Literal

from ravequant import times
from ravequant.signals.inputs import BookRow, CvdRow, LastTrade, VolumeRow, VwapRow, WickAsOf
from ravequant.signals.limits import SignalLimits, Stream
from ravequant.signals.proof import LabVerdict
from ravequant.signals.seen import Instant

BOOK_STEP: Final = 5  # minutes between two snapshots of the past


@dataclass(frozen=True, slots=True)
class MarketState:
    """The records of an instrument that were known at a minute; rows oldest first."""

    inst_id: str
    minute: int  # A: rows that ended by its start; events, snapshots and trades known by then
    wicks: Sequence[WickAsOf] = ()
    newest_event: int | None = None  # Unix minute of the newest wick event
    tracked: int | None = None  # minute up to which the tracker has committed; None: unknown
    volume: Sequence[VolumeRow] = ()
    cvd: Sequence[CvdRow] = ()
    vwap: Sequence[VwapRow] = ()
    book: BookRow | None = None
    trade: LastTrade | None = None
    tick: int | None = None  # tick size in units of a price
    files: Mapping[Stream, str] = field(default_factory=dict)  # paths from the vault's root
    past_books: Sequence[BookRow] = ()  # the newest of each BOOK_STEP of the last day
    instant: Instant | None = None  # of a question to the instant, whose minute is A
    gap_since: bool = False  # trades are missing between A and the instant
    verdict: LabVerdict | None = None  # None: sizes do not go by it

    @property
    def ms(self) -> int:
        """The minute in Unix milliseconds."""
        return self.minute * times.MINUTE_MS

    @property
    def wicks_reach(self) -> int | None:
        """The minute up to which the wicks are certainly known; None if there are none."""
        volume_end = self.volume[-1].minute + 1 if self.volume else None
        return reach(self.newest_event, self.tracked, volume_end)

    @property
    def gap_minutes(self) -> list[int]:
        """The minutes in which trades are missing."""
        closed = [row.minute for row in self.volume if row.gap]
        return [*closed, self.minute] if self.gap_since else closed

    @property
    def asked_ms(self) -> int:
        """The moment to which ages count, in Unix milliseconds: the instant; without one, A."""
        return self.ms if self.instant is None else self.instant.ms

    def volume_since(self, minute: int) -> Sequence[VolumeRow]:
        """Return the volume rows from a minute on."""
        return self.volume[bisect_left(self.volume, minute, key=attrgetter("minute")) :]

    def age_ms(self, stream: Stream) -> int | None:
        """Return the age of a stream's newest record; a row's age counts from its minute's end.

        Of trades it is the newest one that was read; the other streams are those of the minute.
        """
        end = self._end_ms(stream)
        return None if end is None else self.asked_ms - end

    def _end_ms(self, stream: Stream) -> int | None:
        if stream == "trades":
            if self.instant is not None and self.instant.trade_ms is not None:
                return self.instant.trade_ms
            return None if self.trade is None else self.trade.ts
        if stream == "wicks":
            return None if self.wicks_reach is None else self.wicks_reach * times.MINUTE_MS
        newest = self._newest(stream)
        if newest is None or isinstance(newest, BookRow):
            return None if newest is None else newest.ts
        return (newest.minute + 1) * times.MINUTE_MS

    def _newest(self, stream: Stream) -> BookRow | VolumeRow | CvdRow | VwapRow | None:
        """Return the newest record of a stream whose records can have a gap."""
        if stream == "buckets":
            return self.book
        rows: Mapping[Stream, Sequence[VolumeRow | CvdRow | VwapRow]] = {
            "volume": self.volume,
            "cvd": self.cvd,
            "vwap": self.vwap,
        }
        return next(reversed(rows.get(stream, ())), None)

    def defect(
        self, stream: Stream, limits: SignalLimits
    ) -> Literal["missing", "stale", "gap", "partial"] | None:
        """Return the reason why a stream does not count, None if it counts."""
        age = self.age_ms(stream)
        if age is None:
            return "missing"
        most = limits.stale_ms(stream)
        if most is not None and age > most:
            return "stale"
        newest = self._newest(stream)
        if newest is not None and newest.gap:
            return "gap"
        return "partial" if isinstance(newest, VwapRow) and not newest.whole else None


def reach(newest_event: int | None, tracked: int | None, volume_end: int | None) -> int | None:
    """Return the minute up to which wicks are certainly known, None if there are none.

    A minute without a birth or touch has no event: up to the newest minute with trades it counts as
    known if the tracker has committed it. If that is unknown the newest event decides.
    """
    if newest_event is None or tracked is None:
        return newest_event
    return min(tracked, max(newest_event, volume_end or newest_event))
