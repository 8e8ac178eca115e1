"""The raw trades of an instrument as a tape that says how much takers took from a price.

Records are read ahead in blocks and kept while a question may still concern them. A question names
an interval of exchange time; it can be answered once a record 5 s behind its end was read, as a
minute closes (SPEC section 4). The cursor stands before the first record that may still concern
one: a restart reads on from there, so the state holds no records. The place depends on records and
questions alone, not on the blocks in which they were read.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravequant import exact
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.trades.bar_builder import CLOSE_DELAY_MS, NOT_BEGUN, IsGap
from ravequant.trades.bar_reader import end_of
from ravequant.trades.rising_ids import NO_ID, is_fresh, rising
from ravequant.trades.scanner import Scanned, Scanner, TradeColumns
from ravequant.vault import tail
from ravequant.vault.cursor import Cursor, Trail

BLOCK_BYTES: Final = 1 << 20
RECENT_MS: Final = 500  # a book may show a trade so much later
_TOGETHER: Final = 64  # records whose extremes are known
_NO_PRICE: Final = 1 << 200  # above every price


class MissingTrades(NamedTuple):
    """Missing trades: each interval that was open at ``reached`` and begins before ``until``."""

    reached: int  # largest time read before, ms
    until: int


class Taken(NamedTuple):
    """The trades of an interval against a price; contracts in units of 10**-SIZE_PLACES."""

    contracts: int = 0  # at the price
    recent: int = 0  # of these, in the last RECENT_MS
    beyond: bool = False  # a taker paid a worse price: all that stood here was gone
    beyond_recent: bool = False  # only in the last RECENT_MS


NOTHING: Final = Taken()


class _Stretch:
    """Consecutive records of a block in file order, with the largest time up to each."""

    def __init__(self, trades: TradeColumns, before: int) -> None:
        self.trades = trades
        self.reached: list[int] = np.maximum(np.maximum.accumulate(trades.ts), before).tolist()
        self.price_one = 10 ** (exact.PRICE_PLACES - trades.price_decimals)
        self.qty_one = 10 ** (exact.SIZE_PLACES - trades.qty_decimals)
        firsts = np.arange(0, len(trades), _TOGETHER)
        bought, sold = trades.buy & ~trades.retail, ~(trades.buy | trades.retail)
        none = trades.price.max() + 1
        self.first_ms: list[int] = np.minimum.reduceat(trades.ts, firsts).tolist()
        self.last_ms: list[int] = np.maximum.reduceat(trades.ts, firsts).tolist()
        high = np.maximum.reduceat(np.where(bought, trades.price, -1), firsts)
        low = np.minimum.reduceat(np.where(sold, trades.price, none), firsts)
        self.high = [price * self.price_one for price in high.tolist()]
        self.low = [price * self.price_one if price < none else _NO_PRICE for price in low.tolist()]

    def groups(self, before: int, after: int) -> list[int]:
        """Return the numbers of the groups with a record that may lie in an interval."""
        spans = zip(self.first_ms, self.last_ms, strict=True)
        return [n for n, (first, last) in enumerate(spans) if first <= after and last > before]


class _RisingPart(NamedTuple):
    """Records of a block with rising ids, all ahead or none, and the state before them."""

    trades: TradeColumns
    rows: NDArray[np.int64]  # the number of each among the valid records of the block
    last_id: int
    reached: int


class _Place(NamedTuple):
    """A place in the raw files, and the state there."""

    cursor: Cursor | None
    last_id: int
    reached: int  # largest time, ms


class _KeptBlock(NamedTuple):
    """A block of lines, and its records."""

    file: str  # key of its file
    begin: Trail  # before its first line
    block: tail.Block
    added: int  # bytes at its beginning that do not stand in the file
    last_id: int  # before it
    reached: int
    stretches: list[_Stretch]
    holes: list[MissingTrades]
    concerns: int  # no interval that begins at this time or later


class _Window(NamedTuple):
    """The records that may lie in an interval, and the extremes of takers among them."""

    rows: list[tuple[_Stretch, int, int]]
    high: int
    low: int


class TakerTape:
    """A side input of raw trades; ``files`` lists its day files."""

    def __init__(
        self,
        files: tail.Listing,
        inst_id: str,
        is_gap: IsGap,
        exchange: str = DEFAULT_EXCHANGE,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self.files = files
        self.unsynced = set[Path]()  # plain files read since they were last fsynced
        self._inst_id, self._exchange, self._is_gap = inst_id, exchange, is_gap
        self._block_bytes = block_bytes
        self.begin()
        self.start(None, 0)

    def begin(self) -> None:
        """Forget all records: none was read."""
        self._state = NO_ID, NOT_BEGUN  # before the oldest record kept
        self.lines = self.rejected = 0

    def start(self, cursor: Cursor | None, generation: int) -> None:
        """Continue at ``cursor`` (None: with the oldest file)."""
        self._generation = generation
        self._scanner = Scanner(self._inst_id, self._exchange)
        self._last_id, self._reached = self._state
        self._blocks: deque[_KeptBlock] = deque()
        self._window: tuple[tuple[int, int], _Window] | None = None
        self._start = self._at = cursor
        self._forgotten: int | None = None  # no interval asked for begins earlier, ms
        self._reading: Iterator[tail.Block] | None = None
        self._at_end = False

    def cursor(self) -> Cursor | None:
        """Return the place before the first record that is still needed."""
        return self._place().cursor

    def state(self) -> dict[str, int]:
        """Return the state at that place."""
        place = self._place()
        return {"last_id": place.last_id, "reached": place.reached}

    def _place(self) -> _Place:
        if self._forgotten is None:
            return _Place(self._start, *self._state)
        for kept in self._blocks:
            scanned = Scanner(self._inst_id, self._exchange).scan(kept.block.data)
            for part in _parts(scanned, kept.block.path.name, kept.last_id, kept.reached):
                row = _first_needed(part, self._forgotten)
                if row is not None:
                    return self._before(kept, scanned, part, row)
        return _Place(self._at, self._last_id, self._reached)

    def _before(self, kept: _KeptBlock, scanned: Scanned, part: _RisingPart, row: int) -> _Place:
        """Return the place before a record of a part of a block."""
        trail = copy(kept.begin)
        line = _line_start(kept.block.data, scanned, int(part.rows[row]))
        trail.pass_over(kept.block.data[kept.added : line])
        last_id, reached = part.last_id, part.reached
        if row:
            last_id = int(part.trades.trade_id[row - 1])
            reached = max(reached, int(part.trades.ts[:row].max()))
        return _Place(trail.cursor(kept.file, self._generation), last_id, reached)

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned; ``start`` must follow."""
        self._state = int(state["last_id"]), int(state["reached"])

    def look_again(self) -> None:
        """Expect that more lines have come."""
        self._at_end = False

    def is_settled(self, end: int) -> bool:
        """Return True once every record up to the time ``end`` (ms) counts as read."""
        while self._reached < end + CLOSE_DELAY_MS:
            if not self._read():
                return False
        return True

    def is_known(self, before: int, after: int) -> bool:
        """Return False if trades with ``before`` < time <= ``after`` may be missing."""
        return not any(
            hole.reached < after + CLOSE_DELAY_MS and before < hole.until
            for block in self._blocks
            for hole in block.holes
        )

    def taken(self, price: int, before: int, after: int, settled: int, *, bought: bool) -> Taken:
        """Return the trades with ``before`` < time <= ``after`` that took from a price.

        ``bought``: takers who bought; ``price`` is in units of 10**-PRICE_PLACES. Records behind
        the first that lies 5 s behind ``settled`` come too late to count.
        """
        window = self._between(before, after)
        if (window.high < price) if bought else (window.low > price):
            return NOTHING
        limit = settled + CLOSE_DELAY_MS
        contracts = recent = 0
        beyond = beyond_early = False
        for stretch, begin, end in window.rows:
            rows = slice(begin, min(end, bisect_left(stretch.reached, limit)))
            trades = stretch.trades.select(rows)
            level, rest = divmod(price, stretch.price_one)
            counts = (trades.buy == bought) & ~trades.retail
            counts &= (trades.ts > before) & (trades.ts <= after)
            worse = trades.price > level if bought else trades.price < level + (rest > 0)
            late = trades.ts > after - RECENT_MS
            if not rest:
                here = counts & (trades.price == level)
                contracts += sum(trades.qty[here].tolist()) * stretch.qty_one
                recent += sum(trades.qty[here & late].tolist()) * stretch.qty_one
            beyond |= bool((counts & worse).any())
            beyond_early |= bool((counts & worse & ~late).any())
        return Taken(contracts, recent, beyond, beyond and not beyond_early)

    def forget(self, before: int) -> None:
        """Forget the records that concern no interval from ``before`` (ms) on: none is asked for.

        It never goes back.
        """
        self._forgotten = max(before, NOT_BEGUN)
        while self._blocks and self._blocks[0].concerns <= self._forgotten:
            self._blocks.popleft()

    def _between(self, before: int, after: int) -> _Window:
        if self._window is None or self._window[0] != (before, after):
            rows: list[tuple[_Stretch, int, int]] = []
            high, low = -1, _NO_PRICE
            for block in self._blocks:
                for stretch in block.stretches:
                    if groups := stretch.groups(before, after):
                        rows.append((stretch, groups[0] * _TOGETHER, (groups[-1] + 1) * _TOGETHER))
                        high = max(high, *(stretch.high[n] for n in groups))
                        low = min(low, *(stretch.low[n] for n in groups))
            self._window = (before, after), _Window(rows, high, low)
        return self._window[1]

    def _read(self) -> bool:
        """Read the next block; False if there is none yet."""
        if self._at_end:
            return False
        if self._reading is None:
            self._tail = tail.Tail(self.files, self._at, self._generation, self._block_bytes)
            self._reading = self._tail.blocks()
        block = next(self._reading, None)
        self.unsynced |= self._tail.unsynced
        if block is None:
            self._reading, self._at_end = None, True
            return False
        before, (file, begin) = (self._last_id, self._reached), self._tail.before()
        self._at, self._window = self._tail.cursor(), None
        length = self._at.offset - begin.offset if self._at else 0
        stretches, holes = self._take(block)
        concerns = max([self._reached, *(hole.until for hole in holes)])
        added = len(block.data) - length
        self._blocks.append(
            _KeptBlock(file, begin, block, added, *before, stretches, holes, concerns)
        )
        return True

    def _take(self, block: tail.Block) -> tuple[list[_Stretch], list[MissingTrades]]:
        scanned = self._scanner.scan(block.data)
        self.lines += scanned.lines
        self.rejected += len(scanned.rejected)
        stretches: list[_Stretch] = []
        holes: list[MissingTrades] = []
        for part in _parts(scanned, block.path.name, self._last_id, self._reached):
            stretch = _Stretch(part.trades, part.reached)
            holes += self._holes(stretch, part.last_id, part.reached)
            self._last_id = int(part.trades.trade_id[-1])
            if not part.trades.ahead:
                stretches.append(stretch)
                self._reached = stretch.reached[-1]
        return stretches, holes

    def _holes(self, stretch: _Stretch, last_id: int, before: int) -> Iterator[MissingTrades]:
        """Yield the holes before the records of a stretch, and records whose time is unknown."""
        trades = stretch.trades
        if trades.ahead:
            yield MissingTrades(before, before + CLOSE_DELAY_MS)
        elif last_id == NO_ID:
            yield MissingTrades(NOT_BEGUN, int(trades.ts[0]))
        firsts = trades.trade_id - trades.count
        previous = np.concatenate(([last_id], trades.trade_id[:-1]))
        for row in np.flatnonzero(firsts > previous).tolist():
            if int(previous[row]) == NO_ID or not self._is_gap(
                int(previous[row]) + 1, int(firsts[row])
            ):
                continue
            if trades.ahead:
                yield MissingTrades(before, before)
            else:
                yield MissingTrades(
                    stretch.reached[row - 1] if row else before, stretch.reached[row]
                )


def _parts(scanned: Scanned, file: str, last_id: int, reached: int) -> Iterator[_RisingPart]:
    """Yield the records of a block of that file whose ids rise from ``last_id`` on."""
    first = 0
    for read in scanned.stretches:
        for every in read.until(end_of(file)):
            trades, newest = rising(every, last_id)
            rows = np.flatnonzero(is_fresh(every.trade_id, last_id)) + first
            first += len(every)
            if not len(trades):
                continue
            yield _RisingPart(trades, rows, last_id, reached)
            last_id = newest
            if not trades.ahead:
                reached = max(reached, int(trades.ts.max()))


def _first_needed(part: _RisingPart, before: int) -> int | None:
    """Return the first record that may concern an interval from ``before`` on; None: none may."""
    if part.trades.ahead:
        return 0 if part.reached + CLOSE_DELAY_MS > before else None
    if part.reached > before:
        return 0
    later = part.trades.ts > before
    return int(later.argmax()) if later.any() else None


def _line_start(data: bytes, scanned: Scanned, number: int) -> int:
    """Return where the line of a valid record begins in its block."""
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")) + 1
    starts = np.concatenate(([0], ends[:-1]))
    bad = [line.offset for line in scanned.rejected]
    return int(starts[~np.isin(starts, bad)][number])
