"""Minute bars: what each UTC minute traded, exactly, decided line by line, computed in columns.

SPEC sections 3 (duplicates, holes) and 4 (closing, late lines, merging). A minute is *open* from
the moment the watermark, the largest time read so far, has reached it until it closes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ravequant import sums, times
from ravequant.scan import Rejected, Scanner, Trades
from ravequant.sums import MinuteBar

__all__ = ["BarBuilder", "BarReader", "Closed", "MinuteBar", "Part", "join", "partial"]

IsHole = Callable[[int, int], bool]  # (first missing id, last missing id)

CLOSE_DELAY_MS: Final = 5_000
_COUNTERS: Final = ("duplicates", "late_trades", "holes")


@dataclass(frozen=True, slots=True)
class Closed:
    """What one call closed.

    ``gaps`` are all the closed minutes that a hole marked, also those without a trade;
    ``through`` is the newest closed minute, -1 if none is.
    """

    bars: list[MinuteBar] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    through: int = -1


@dataclass(frozen=True, slots=True)
class Jump:
    """Ids that are missing before a record: a hole, unless the ledger knows there are none."""

    first_missing: int
    last_missing: int
    watermark: int  # largest time before the record, ms
    ts: int  # the record's own time, ms


@dataclass(frozen=True, slots=True)
class Part:
    """An ordered stretch of records as partial bars; may be computed in another process."""

    bars: list[MinuteBar]
    jumps: list[Jump]  # inside the part
    records: int
    lowest_id: int  # first id that the first record covers
    first_id: int  # of the first record
    last_id: int
    first_ts: int
    watermark: int  # largest time, ms


def partial(trades: Trades, whale_notional: int) -> Part | None:
    """Return the partial bars of a stretch; None if its ids or minutes do not increase.

    Ids must increase strictly, minutes may stand still; in one minute times may go back, since
    nothing is late there. ``whale_notional`` is in units of ``exact.NOTIONAL_PLACES``.
    """
    ids, ts = trades.trade_id, trades.ts
    minutes = ts // times.MINUTE_MS
    if not len(ids) or not bool((ids[1:] > ids[:-1]).all() and (minutes[1:] >= minutes[:-1]).all()):
        return None
    before = ids - trades.count  # the id before those of the record
    jumps = [
        Jump(int(ids[at]) + 1, int(before[at + 1]), int(ts[: at + 1].max()), int(ts[at + 1]))
        for at in np.flatnonzero(before[1:] > ids[:-1])
    ]
    bars = sums.fold(trades, minutes, whale_notional)
    return Part(
        bars,
        jumps,
        len(ids),
        int(before[0]) + 1,
        int(ids[0]),
        int(ids[-1]),
        int(ts[0]),
        int(ts.max()),
    )


def join(earlier: Part, later: Part) -> Part | None:
    """Return two parts as one; None if ids or minutes do not increase across the seam."""
    if later.first_id <= earlier.last_id or _goes_back(earlier.watermark, later.first_ts):
        return None
    seam = _jump(earlier.last_id, later.lowest_id, earlier.watermark, later.first_ts)
    bars = {bar.minute: bar for bar in earlier.bars}
    _add(bars, later.bars)
    return Part(
        list(bars.values()),
        [*earlier.jumps, *seam, *_after(earlier.watermark, later.jumps)],
        earlier.records + later.records,
        earlier.lowest_id,
        earlier.first_id,
        later.last_id,
        earlier.first_ts,
        max(earlier.watermark, later.watermark),
    )


def _after(watermark: int, jumps: list[Jump]) -> list[Jump]:
    """Return jumps as they are where ``watermark`` was reached before."""
    return [replace(jump, watermark=max(jump.watermark, watermark)) for jump in jumps]


def _goes_back(watermark: int, ts: int) -> bool:
    """Say whether a record belongs to a minute before the watermark's."""
    return ts // times.MINUTE_MS < watermark // times.MINUTE_MS


def _jump(last_id: int, lowest_id: int, watermark: int, ts: int) -> list[Jump]:
    if lowest_id <= last_id + 1:
        return []
    return [Jump(last_id + 1, lowest_id - 1, watermark, ts)]


def _add(bars: dict[int, MinuteBar], later: list[MinuteBar], *, late: bool = False) -> None:
    for bar in later:
        known = bars.get(bar.minute)
        bars[bar.minute] = bar if known is None else sums.merge(known, bar, late=late)


def closed_through(watermark: int) -> int:
    """Return the newest minute that a line at ``watermark`` closes (ms); -1 if none."""
    return max((watermark - CLOSE_DELAY_MS) // times.MINUTE_MS - 1, -1)


class BarBuilder:
    """Turns records in file order into closed minute bars.

    ``whale_notional`` is in units of ``exact.NOTIONAL_PLACES``; a record at or above it is a
    whale. ``records`` counts what was taken in, late records included, duplicates not; counters
    are of this run, no part of the state.
    """

    def __init__(self, whale_notional: int) -> None:
        self._whale_notional = whale_notional
        self._last_id: int | None = None
        self._watermark: int | None = None
        self._bars: dict[int, MinuteBar] = {}  # of open minutes
        self._marked: set[int] = set()  # open minutes that a hole touches
        self.records = 0
        self.duplicates = 0
        self.late_trades = 0
        self.holes = 0

    @property
    def through(self) -> int:
        """The newest closed minute, -1 if none is."""
        return -1 if self._watermark is None else closed_through(self._watermark)

    @property
    def open_bars(self) -> list[MinuteBar]:
        """What the minutes that are still open hold so far, in order."""
        return [self._bars[minute] for minute in sorted(self._bars)]

    def update(self, trades: Trades, is_hole: IsHole) -> Closed:
        """Read the next records; return what they closed. ``is_hole`` is asked only at a jump."""
        if not len(trades):
            return Closed(through=self.through)
        part = partial(trades, self._whale_notional)
        if part is not None and self.follows(part):
            return self.absorb(part, is_hole)
        return self._read_in_order(trades, is_hole)

    def follows(self, part: Part) -> bool:
        """Say whether ids and minutes increase from what was read to ``part``."""
        if self._last_id is None or self._watermark is None:
            return True
        return part.first_id > self._last_id and not _goes_back(self._watermark, part.first_ts)

    def absorb(self, part: Part, is_hole: IsHole) -> Closed:
        """Take in a part that follows; return what it closed. ValueError if it does not follow."""
        if not self.follows(part):
            raise ValueError(f"a part from id {part.first_id} does not follow id {self._last_id}")
        jumps = part.jumps
        if self._last_id is not None and self._watermark is not None:
            seam = _jump(self._last_id, part.lowest_id, self._watermark, part.first_ts)
            jumps = [*seam, *_after(self._watermark, jumps)]
        self._look_for_holes(jumps, is_hole)
        _add(self._bars, part.bars)
        self.records += part.records
        return self._close(part.last_id, max(part.watermark, self._watermark or 0))

    def _read_in_order(self, trades: Trades, is_hole: IsHole) -> Closed:
        """Read records whose ids or minutes do not all increase: every decision line by line."""
        known = np.array([-1 if self._last_id is None else self._last_id], dtype=np.int64)
        before = np.maximum.accumulate(np.concatenate((known, trades.trade_id[:-1])))
        kept = trades.trade_id > before
        self.duplicates += len(trades) - int(kept.sum())
        trades = trades.select(kept)
        if not len(trades):
            return Closed(through=self.through)
        start = int(trades.ts[0]) if self._watermark is None else self._watermark
        watermarks = np.maximum(np.maximum.accumulate(trades.ts), start)
        self._look_for_holes(self._jumps(trades, watermarks), is_hole)
        minutes = trades.ts // times.MINUTE_MS
        through = (watermarks - CLOSE_DELAY_MS) // times.MINUTE_MS - 1
        late = minutes <= through
        if late.any():
            minutes = self._with_targets(minutes, through, late)
            self.late_trades += int(late.sum())
        self._take(trades.select(~late), minutes[~late])
        self._take(trades.select(late), minutes[late], late=True)
        self.records += len(trades)
        return self._close(int(trades.trade_id[-1]), int(watermarks[-1]))

    def _jumps(self, trades: Trades, watermarks: NDArray[np.int64]) -> list[Jump]:
        lowest = trades.trade_id - trades.count + 1
        jumps: list[Jump] = []
        if self._last_id is not None and self._watermark is not None:
            jumps += _jump(self._last_id, int(lowest[0]), self._watermark, int(trades.ts[0]))
        for at in np.flatnonzero(lowest[1:] > trades.trade_id[:-1] + 1):
            ids = int(trades.trade_id[at]), int(lowest[at + 1])
            jumps += _jump(*ids, int(watermarks[at]), int(trades.ts[at + 1]))
        return jumps

    def _take(self, trades: Trades, minutes: NDArray[np.int64], *, late: bool = False) -> None:
        """Add records to the bars of ``minutes``, whatever their order."""
        order = np.argsort(minutes, kind="stable")
        bars = sums.fold(trades.select(order), minutes[order], self._whale_notional)
        _add(self._bars, bars, late=late)

    def _with_targets(
        self, minutes: NDArray[np.int64], through: NDArray[np.int64], late: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Put late records into the oldest minute that was open and held a trade at that time.

        At most two minutes are open: the one after the newest closed, and the watermark's, which
        always holds a trade.
        """
        on_time = np.flatnonzero(~late)
        held, first = np.unique(minutes[on_time], return_index=True)
        since = dict(zip(held.tolist(), on_time[first].tolist(), strict=True))
        since |= dict.fromkeys(self._bars, -1)
        minutes = minutes.copy()
        for row in np.flatnonzero(late).tolist():
            oldest = int(through[row]) + 1
            minutes[row] = oldest if since.get(oldest, row) < row else oldest + 1
        return minutes

    def _look_for_holes(self, jumps: list[Jump], is_hole: IsHole) -> None:
        """Mark the minutes that were open at each hole, and that of the record after it."""
        for jump in jumps:
            if is_hole(jump.first_missing, jump.last_missing):
                self.holes += 1
                through = closed_through(jump.watermark)
                newest = jump.watermark // times.MINUTE_MS
                own = jump.ts // times.MINUTE_MS
                self._marked.update(range(through + 1, newest + 1))
                self._marked.update((own,) if own > through else ())

    def _close(self, last_id: int, watermark: int) -> Closed:
        self._last_id, self._watermark = last_id, watermark
        through = self.through
        bars = [self._bars.pop(m) for m in sorted(self._bars) if m <= through]
        gaps = sorted(minute for minute in self._marked if minute <= through)
        bars = [sums.with_gap(bar) if bar.minute in self._marked else bar for bar in bars]
        self._marked.difference_update(gaps)
        return Closed(bars, gaps, through)

    def state(self) -> dict[str, Any]:
        """Return everything the next record needs, exact and canonical, for JSON."""
        return {
            "last_id": self._last_id,
            "watermark_ms": self._watermark,
            "open": [[str(int(value)) for value in bar[:-1]] for bar in self.open_bars],
            "gaps": sorted(self._marked),
        }

    @classmethod
    def restore(cls, whale_notional: int, state: dict[str, Any]) -> "BarBuilder":
        """Return a builder that goes on where ``state`` was taken."""
        builder = cls(whale_notional)
        builder._last_id, builder._watermark = state["last_id"], state["watermark_ms"]
        for texts in state["open"]:
            values: list[Any] = [int(text) for text in texts]
            bar = MinuteBar(*values)
            builder._bars[bar.minute] = bar
        builder._marked = set(state["gaps"])
        return builder


class BarReader:
    """Reads blocks of raw trade lines into closed minute bars; hands rejected lines to ``reject``.

    ``reject`` is called with the offset in the block and the reason.
    """

    def __init__(
        self,
        inst_id: str,
        whale_notional: int,
        is_hole: IsHole,
        reject: Callable[[int, str], None],
    ) -> None:
        self._scanner = Scanner(inst_id)
        self._whale_notional = whale_notional
        self._is_hole = is_hole
        self._reject = reject
        self.builder = BarBuilder(whale_notional)
        self.lines = 0
        self.rejected = 0

    def read(self, block: bytes | memoryview) -> Closed:
        """Read a block of whole lines; return what it closed."""
        scanned = self._scanner.scan(block)
        self._count(scanned.lines, scanned.rejected)
        bars: list[MinuteBar] = []
        gaps: list[int] = []
        for trades in scanned.stretches:
            closed = self.builder.update(trades, self._is_hole)
            bars += closed.bars
            gaps += closed.gaps
        return Closed(bars, gaps, self.builder.through)

    def absorb(self, part: Part | None, lines: int, rejected: list[Rejected]) -> Closed | None:
        """Take in lines that were read elsewhere; None, and nothing else, if they do not follow."""
        if part is not None and not self.builder.follows(part):
            return None
        self._count(lines, rejected)
        if part is None:
            return Closed(through=self.builder.through)
        return self.builder.absorb(part, self._is_hole)

    def _count(self, lines: int, rejected: list[Rejected]) -> None:
        self.lines += lines
        self.rejected += len(rejected)
        for line in rejected:
            self._reject(line.offset, line.reason)

    def state(self) -> dict[str, Any]:
        """Return the exact state of the open minutes, for JSON."""
        return self.builder.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was taken; the builder's counters start again."""
        self.builder = BarBuilder.restore(self._whale_notional, state)

    def counts(self) -> dict[str, int]:
        """Return what this run met: lines, rejected, trades, duplicates, late trades, holes."""
        counted = {name: getattr(self.builder, name) for name in _COUNTERS}
        trades = self.builder.records
        return {"lines": self.lines, "rejected": self.rejected, "trades": trades, **counted}
