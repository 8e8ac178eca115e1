"""Exact minute bars from records one by one or many at once.

SPEC sections 3 (duplicates, gaps) and 4 (closing, late lines, merging). A minute is *open* from
the moment the watermark, the largest time read so far, has reached it until it closes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ravequant import exact, times
from ravequant.trades.minute_bar import MinuteBar, Record, bar_of, merge, with_gap

IsGap = Callable[[int, int], bool]  # (first missing id, last missing id)

CLOSE_DELAY_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Closed:
    """The minutes closed by a call.

    ``gaps`` are all the closed minutes that a gap marked, also those without a trade;
    ``through`` is the newest closed minute, -1 if none is.
    """

    bars: list[MinuteBar] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    through: int = -1


@dataclass(frozen=True, slots=True)
class IdGap:
    """Ids absent before a record: a gap, unless the ledger lists them as an ``id_hole``."""

    first_missing: int
    last_missing: int
    watermark: int  # largest time before the record, ms
    ts: int  # the record's own time, ms


@dataclass(frozen=True, slots=True)
class PartialBars:
    """Bars of consecutive records whose ids and minutes increase; another process may make them."""

    bars: list[MinuteBar]
    id_gaps: list[IdGap]  # between the records
    records: int
    lowest_id: int  # first id that the first record covers
    first_id: int  # of the first record
    last_id: int
    first_ts: int
    watermark: int  # largest time, ms


def join(earlier: PartialBars, later: PartialBars) -> PartialBars | None:
    """Return both joined; None if ids or minutes do not increase across the seam."""
    if later.first_id <= earlier.last_id or _goes_back(earlier.watermark, later.first_ts):
        return None
    seam = _id_gap(earlier.last_id, later.lowest_id, earlier.watermark, later.first_ts)
    bars = {bar.minute: bar for bar in earlier.bars}
    _add(bars, later.bars)
    return PartialBars(
        list(bars.values()),
        [*earlier.id_gaps, *seam, *_after(earlier.watermark, later.id_gaps)],
        earlier.records + later.records,
        earlier.lowest_id,
        earlier.first_id,
        later.last_id,
        earlier.first_ts,
        max(earlier.watermark, later.watermark),
    )


def _after(watermark: int, id_gaps: list[IdGap]) -> list[IdGap]:
    """Return the gaps with ``watermark`` as the least time that was reached before each."""
    return [replace(id_gap, watermark=max(id_gap.watermark, watermark)) for id_gap in id_gaps]


def _goes_back(watermark: int, ts: int) -> bool:
    """Return True if a record belongs to a minute before the watermark's."""
    return ts // times.MINUTE_MS < watermark // times.MINUTE_MS


def _id_gap(last_id: int, lowest_id: int, watermark: int, ts: int) -> list[IdGap]:
    if lowest_id <= last_id + 1:
        return []
    return [IdGap(last_id + 1, lowest_id - 1, watermark, ts)]


def _add(bars: dict[int, MinuteBar], later: list[MinuteBar], *, late: bool = False) -> None:
    for bar in later:
        known = bars.get(bar.minute)
        bars[bar.minute] = bar if known is None else merge(known, bar, late=late)


def closed_through(watermark: int) -> int:
    """Return the newest minute that a line at ``watermark`` closes (ms); -1 if none."""
    return max((watermark - CLOSE_DELAY_MS) // times.MINUTE_MS - 1, -1)


class BarBuilder:
    """Turns records in file order into closed minute bars.

    ``whale_notional`` is in units of ``exact.NOTIONAL_PLACES``; a record at or above it is a
    whale. ``records`` counts the records taken in, with late records, without duplicates; counters
    are of this run, no part of the state.
    """

    def __init__(self, whale_notional: int) -> None:
        self.whale_notional = whale_notional
        self.last_id: int | None = None  # of the newest record taken in
        self.watermark: int | None = None  # the largest time so far, ms
        self._bars: dict[int, MinuteBar] = {}  # of open minutes
        self._marked: set[int] = set()  # open minutes that a gap touches
        self.records = 0
        self.duplicates = 0
        self.late_trades = 0
        self.gap_count = 0

    @property
    def through(self) -> int:
        """The newest closed minute, -1 if none is."""
        return -1 if self.watermark is None else closed_through(self.watermark)

    @property
    def open_bars(self) -> list[MinuteBar]:
        """The bars of the minutes that are still open, in order."""
        return [self._bars[minute] for minute in sorted(self._bars)]

    def follows(self, partial: PartialBars) -> bool:
        """Return True if ids and minutes increase from the last record read to ``partial``."""
        if self.last_id is None or self.watermark is None:
            return True
        return partial.first_id > self.last_id and not _goes_back(self.watermark, partial.first_ts)

    def absorb(self, partial: PartialBars, is_gap: IsGap) -> Closed:
        """Take in bars and return the minutes they close; ValueError if they do not follow."""
        if not self.follows(partial):
            raise ValueError(f"bars from id {partial.first_id} do not follow id {self.last_id}")
        id_gaps = partial.id_gaps
        if self.last_id is not None and self.watermark is not None:
            seam = _id_gap(self.last_id, partial.lowest_id, self.watermark, partial.first_ts)
            id_gaps = [*seam, *_after(self.watermark, id_gaps)]
        self._look_for_gaps(id_gaps, is_gap)
        _add(self._bars, partial.bars)
        self.records += partial.records
        return self._close(partial.last_id, max(partial.watermark, self.watermark or 0))

    def take(self, records: Iterable[Record], is_gap: IsGap) -> Closed:
        """Take in records one by one, in any order; return the minutes that they close."""
        last_id, watermark = self.last_id, self.watermark
        for record in records:
            if last_id is not None and record.trade_id <= last_id:
                self.duplicates += 1
                continue
            if last_id is not None and watermark is not None:
                seam = _id_gap(last_id, record.first_id, watermark, record.ts)
                self._look_for_gaps(seam, is_gap)
            last_id = record.trade_id
            watermark = record.ts if watermark is None else max(watermark, record.ts)
            self._add_one(record, closed_through(watermark))
        if last_id is None or watermark is None:
            return Closed()
        return self._close(last_id, watermark)

    def _add_one(self, record: Record, through: int) -> None:
        """Add a record to its bar; a late one to the oldest open minute that holds a trade.

        At most two minutes are open: the next after the newest closed minute, and the
        watermark's, which always holds a trade.
        """
        bar = bar_of(record, self.whale_notional)
        late = bar.minute <= through
        if late:
            oldest = through + 1
            bar = bar._replace(minute=oldest if oldest in self._bars else oldest + 1)
            self.late_trades += 1
        self.records += 1
        _add(self._bars, [bar], late=late)

    def _look_for_gaps(self, id_gaps: list[IdGap], is_gap: IsGap) -> None:
        """Mark the minutes that were open at each gap, and the minute of the record after it."""
        for id_gap in id_gaps:
            if is_gap(id_gap.first_missing, id_gap.last_missing):
                self.gap_count += 1
                through = closed_through(id_gap.watermark)
                newest = id_gap.watermark // times.MINUTE_MS
                own = id_gap.ts // times.MINUTE_MS
                self._marked.update(range(through + 1, newest + 1))
                self._marked.update((own,) if own > through else ())

    def _close(self, last_id: int, watermark: int) -> Closed:
        self.last_id, self.watermark = last_id, watermark
        through = self.through
        bars = [self._bars.pop(m) for m in sorted(self._bars) if m <= through]
        gaps = sorted(minute for minute in self._marked if minute <= through)
        bars = [with_gap(bar) if bar.minute in self._marked else bar for bar in bars]
        self._marked.difference_update(gaps)
        return Closed(bars, gaps, through)

    def state(self) -> dict[str, Any]:
        """Return everything the next record needs, exact and canonical, for JSON."""
        return {
            "last_id": self.last_id,
            "watermark_ms": self.watermark,
            "open": [[exact.packed(value) for value in bar[:-1]] for bar in self.open_bars],
            "gaps": sorted(self._marked),
        }

    @classmethod
    def restore(cls, whale_notional: int, state: dict[str, Any]) -> "BarBuilder":
        """Return a builder that goes on where ``state`` was taken."""
        builder = cls(whale_notional)
        builder.last_id, builder.watermark = state["last_id"], state["watermark_ms"]
        for texts in state["open"]:
            values: list[Any] = [exact.unpacked(text) for text in texts]
            bar = MinuteBar(*values)
            builder._bars[bar.minute] = bar
        builder._marked = set(state["gaps"])
        return builder
