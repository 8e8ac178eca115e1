"""Exact minute bars from records one by one or many at once.

SPEC sections 3 (duplicates, gaps) and 4 (closing, late lines, merging). A minute is *open* from
the moment the watermark, the largest time read so far, has reached it until it closes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from ravequant import exact, times
from ravequant.trades import price_levels
from ravequant.trades.minute_bar import MinuteBar, Record, bar_of, merge, with_gap

IsGap = Callable[[int, int], bool]  # (first missing id, last missing id)

CLOSE_DELAY_MS: Final = 5_000
NOT_BEGUN: Final = -1
_SUMS: Final = MinuteBar._fields.index("gap")  # the fields of a bar that a state holds


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
    watermark: int  # largest time before the record, ms; NOT_BEGUN: no time was believed yet
    ts: int  # the record's own time, ms


class IdGapAnswer(NamedTuple):
    """Missing ids that were met, and the ledger's answer: True for a gap, False for an id hole."""

    first_missing: int
    last_missing: int
    is_gap: bool


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
    whale. ``bucket`` is the height of the price levels of its bars, in units of
    ``exact.PRICE_PLACES``; 0: they have sums in their place. ``records`` counts the records taken
    in, with late records, without duplicates; counters are of this run, no part of the state.
    """

    def __init__(self, whale_notional: int, bucket: int = 0) -> None:
        self.whale_notional, self.bucket = whale_notional, bucket
        self.last_id: int | None = None  # of the newest record taken in
        self.watermark: int | None = None  # the largest time so far, ms
        self._bars: dict[int, MinuteBar] = {}  # of open minutes
        self._waiting: MinuteBar | None = None  # records ahead, before any minute holds a trade
        self._marked: set[int] = set()  # open minutes that a gap touches
        self.records = 0
        self.duplicates = 0
        self.late_trades = 0
        self.ahead = 0
        self.gap_count = 0

    @property
    def reached(self) -> int:
        """The watermark; NOT_BEGUN before the first record whose time is believed."""
        return NOT_BEGUN if self.watermark is None else self.watermark

    @property
    def through(self) -> int:
        """The newest closed minute, -1 if none is."""
        return closed_through(self.reached)

    @property
    def open_bars(self) -> list[MinuteBar]:
        """The bars of the minutes that are still open, in order."""
        return [self._bars[minute] for minute in sorted(self._bars)]

    def follows(self, partial: PartialBars) -> bool:
        """Return True if ids and minutes increase from the last record read to ``partial``."""
        if self.last_id is None:
            return True
        return partial.first_id > self.last_id and not _goes_back(self.reached, partial.first_ts)

    def absorb(self, partial: PartialBars, is_gap: IsGap) -> Closed:
        """Take in bars and return the minutes they close; ValueError if they do not follow."""
        if not self.follows(partial):
            raise ValueError(f"bars from id {partial.first_id} do not follow id {self.last_id}")
        id_gaps = partial.id_gaps
        if self.last_id is not None:
            seam = _id_gap(self.last_id, partial.lowest_id, self.reached, partial.first_ts)
            id_gaps = [*seam, *_after(self.reached, id_gaps)]
        self._look_for_gaps(id_gaps, is_gap)
        _add(self._bars, partial.bars)
        self._add_waiting(partial.bars[0].minute)
        self.records += partial.records
        return self._close(partial.last_id, max(partial.watermark, self.reached))

    def take(self, records: Iterable[Record], is_gap: IsGap) -> Closed:
        """Take in records one by one, in any order; return the minutes that they close."""
        last_id, watermark = self.last_id, self.reached
        for record in records:
            if last_id is not None and record.trade_id <= last_id:
                self.duplicates += 1
                continue
            ts = watermark if record.ahead else record.ts
            holes = 0
            if last_id is not None:
                seam = _id_gap(last_id, record.first_id, watermark, ts)
                holes = self._look_for_gaps(seam, is_gap)
            last_id = record.trade_id
            watermark = max(watermark, ts)
            if watermark == NOT_BEGUN:
                self._wait(record, gap=holes > 0)
            else:
                self._add_one(record, closed_through(watermark))
        return Closed() if last_id is None else self._close(last_id, watermark)

    def _add_one(self, record: Record, through: int) -> None:
        """Add a record to its bar; one late or ahead to the oldest open minute that holds a trade.

        At most two minutes are open: the next after the newest closed minute, and the
        watermark's, which always holds a trade.
        """
        bar = bar_of(record, self.whale_notional, self.bucket)
        late = record.ahead or bar.minute <= through
        if late:
            oldest = through + 1
            bar = bar._replace(minute=oldest if oldest in self._bars else oldest + 1)
            self.ahead += record.ahead
            self.late_trades += not record.ahead
        self.records += 1
        _add(self._bars, [bar], late=late)
        self._add_waiting(bar.minute)

    def _wait(self, record: Record, *, gap: bool) -> None:
        """Keep a record that is ahead for the next minute that gets a trade."""
        bar = bar_of(record, self.whale_notional, self.bucket)._replace(minute=NOT_BEGUN, gap=gap)
        self._waiting = bar if self._waiting is None else merge(self._waiting, bar, late=True)
        self.records += 1
        self.ahead += 1

    def _add_waiting(self, minute: int) -> None:
        """Add the records that waited to an open minute, whose trades stand behind them."""
        if self._waiting is None:
            return
        if self._waiting.gap:
            self._marked.add(minute)
        waited = self._waiting._replace(gap=False)
        bar = merge(self._bars[minute], waited, late=True)
        levels = price_levels.joined(waited.levels, self._bars[minute].levels)
        self._bars[minute] = bar._replace(first_id=waited.first_id, levels=levels)
        self._waiting = None

    def _look_for_gaps(self, id_gaps: list[IdGap], is_gap: IsGap) -> int:
        """Mark the minutes that were open at each gap, and the minute of the record after it.

        Return how many gaps there are.
        """
        found = 0
        for id_gap in id_gaps:
            if is_gap(id_gap.first_missing, id_gap.last_missing):
                found += 1
                through = closed_through(id_gap.watermark)
                newest = id_gap.watermark // times.MINUTE_MS
                own = id_gap.ts // times.MINUTE_MS
                self._marked.update(range(through + 1, newest + 1))
                self._marked.update((own,) if own > through else ())
        self.gap_count += found
        return found

    def _close(self, last_id: int, watermark: int) -> Closed:
        self.last_id = last_id
        self.watermark = None if watermark == NOT_BEGUN else watermark
        through = self.through
        bars = [self._bars.pop(m) for m in sorted(self._bars) if m <= through]
        gaps = sorted(minute for minute in self._marked if minute <= through)
        bars = [with_gap(bar) if bar.minute in self._marked else bar for bar in bars]
        self._marked.difference_update(gaps)
        return Closed(bars, gaps, through)

    def state(self) -> dict[str, Any]:
        """Return everything the next record needs, exact and canonical, for JSON."""
        state: dict[str, Any] = {
            "last_id": self.last_id,
            "watermark_ms": self.watermark,
            "open": [_packed(bar) for bar in self.open_bars],
            "gaps": sorted(self._marked),
        }
        if self._waiting is not None:
            state["waiting"] = [_packed(self._waiting), self._waiting.gap]
        return state

    def state_with_squares(self) -> dict[str, Any]:
        """Return ``state()`` and the sums of squares, which it leaves out.

        They are those of the open minutes, and of the records that wait, if any do.
        """
        squares = [bar.square_notional for bar in self._held]
        texts = [None if value is None else exact.packed(value) for value in squares]
        return {**self.state(), "squares": texts}

    def state_with_levels(self) -> dict[str, Any]:
        """Return ``state()`` and the price levels, which it leaves out, of the same bars."""
        found = [bar.levels for bar in self._held]
        packed = [None if levels is None else price_levels.packed(levels) for levels in found]
        return {**self.state(), "levels": packed}

    @property
    def _held(self) -> list[MinuteBar]:
        return [*self.open_bars, *([] if self._waiting is None else [self._waiting])]

    @classmethod
    def restore(cls, whale_notional: int, state: dict[str, Any], bucket: int = 0) -> "BarBuilder":
        """Return a builder that goes on where ``state`` was taken."""
        builder = cls(whale_notional, bucket)
        builder.last_id, builder.watermark = state["last_id"], state["watermark_ms"]
        packed = [*state["open"], *state.get("waiting", [])[:1]]
        squares, levels = (state.get(name, [None] * len(packed)) for name in ("squares", "levels"))
        bars = [_unpacked(*texts) for texts in zip(packed, squares, levels, strict=True)]
        if "waiting" in state:
            builder._waiting = bars.pop()._replace(gap=state["waiting"][1])
        builder._bars = {bar.minute: bar for bar in bars}
        builder._marked = set(state["gaps"])
        return builder


def _packed(bar: MinuteBar) -> list[str]:
    sums: tuple[Any, ...] = bar[:_SUMS]
    return [exact.packed(value) for value in sums]


def _unpacked(texts: list[str], square: str | None, levels: list[Any] | None) -> MinuteBar:
    values: list[Any] = [exact.unpacked(text) for text in texts]
    known = None if square is None else exact.unpacked(square)
    by_price = None if levels is None else price_levels.unpacked(levels)
    return MinuteBar(*values)._replace(square_notional=known, levels=by_price)
