"""Blocks of raw trade lines to columns: exact, the same for every spelling of a line, and fast.

Lines that look like their neighbours are read together (``fastpath``), all others one by one
through ``records.parse_trade``, which alone decides what a valid trade is (SPEC section 3).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ravequant import exact, swar_digits
from ravequant.contract import Contract
from ravequant.records import (
    DEFAULT_EXCHANGE,
    RecordError,
    Rejected,
    Trade,
    check_whole,
    parse_trade,
)
from ravequant.swar_digits import Ints
from ravequant.trades import fast_scan
from ravequant.trades.fast_scan import Columns
from ravequant.trades.line_template import Layout, layout_of

_LAYOUTS: Final = 4  # remembered, newest first
_LESSONS: Final = 8  # odd lines a block that are looked at for a new layout
_TEACHING: Final = 1 << 12  # bytes in which a first line ends that shows how the others look
_SEARCHED: Final = 1 << 19  # bytes searched for newlines at once: they stay in the cache
_NEWLINE: Final = ord("\n")
_LOWEST, _HIGHEST = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_NEWLINES: Final = np.uint64(_NEWLINE) * _LOWEST


@dataclass(frozen=True, slots=True, eq=False)
class Trades(Columns):
    """Consecutive valid records of one contract, in file order."""

    contract: Contract

    @classmethod
    def of(cls, columns: Columns, contract: Contract) -> "Trades":
        """Return the columns with what one contract is worth in all of them."""
        values = {name: getattr(columns, name) for name in Columns.__slots__}
        return cls(**values, contract=contract)


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a block held: a stretch for each run of equal contracts, rejected lines, all lines."""

    stretches: list[Trades]
    rejected: list[Rejected]
    lines: int


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Some lines of a block: which, what they say, and the contract of each (an index)."""

    rows: NDArray[np.int64]
    columns: Columns
    contracts: NDArray[np.int64] | int


class Scanner:
    """Reads blocks of one instrument's raw trade file; remembers only how its lines look."""

    def __init__(self, inst_id: str, exchange: str = DEFAULT_EXCHANGE) -> None:
        self._inst_id, self._exchange = inst_id, exchange
        self._layouts: list[Layout] = []
        self._alike = False  # all lines of the last block but one at most
        swar_digits.keep_freed_memory()

    def scan(self, block: bytes | memoryview) -> Scanned:
        """Read a block of whole lines; ValueError if its last line has no newline."""
        if not block:
            return Scanned([], [], 0)
        check_whole(block)
        if not self._layouts:
            self._learn(block)
        if self._alike and (found := self._all_alike(block)):
            return found
        scanned, alike = _Block(self._inst_id, self._exchange, block, self._layouts).scan()
        self._alike = bool(self._layouts) and alike >= scanned.lines - 1
        return scanned

    def _learn(self, block: bytes | memoryview) -> None:
        """Expect all lines to look like the first one."""
        line = bytes(block[:_TEACHING]).partition(b"\n")[0] + b"\n"
        try:
            found = parse_trade(line, self._inst_id, self._exchange)
            layout = layout_of(line, self._inst_id, *found, self._exchange)
        except RecordError:
            return
        if layout is not None:
            self._layouts, self._alike = [layout], True

    def _all_alike(self, block: bytes | memoryview) -> Scanned | None:
        """Read a block whose lines all have the layout of those before; None if one has not.

        Where they begin is a guess that the reading proves: a newline stands nowhere but at the
        end of the text that every line was compared with.
        """
        layout, data = self._layouts[0], np.frombuffer(block, dtype=np.uint8)
        starts = layout.anchors.starts(data) if layout.anchors else np.empty(0, np.int64)
        if not len(starts) or starts[0]:
            return None
        ends = np.concatenate((starts[1:], [len(data)]))
        if not _possible(layout, starts, ends).all():
            return None
        columns = fast_scan.read(layout, data, starts, ends)[1]
        if len(columns) < len(starts):
            return None
        return Scanned([Trades.of(columns, layout.contract)], [], len(starts))


class _Block:
    """One block while it is read."""

    def __init__(
        self, inst_id: str, exchange: str, block: bytes | memoryview, layouts: list[Layout]
    ) -> None:
        self._inst_id, self._exchange = inst_id, exchange
        self._block = block
        self._layouts = layouts
        self._data = np.frombuffer(block, dtype=np.uint8)
        self._ends = _line_ends(self._data)
        self._starts = np.concatenate((np.zeros(1, np.int64), self._ends[:-1]))
        self._contracts: dict[Contract, int] = {}
        self._pieces: list[_Piece] = []
        self._rejected: list[Rejected] = []

    def scan(self) -> tuple[Scanned, int]:
        """Return what there is, and how many lines of one layout were read together."""
        rest: NDArray[np.int64] | None = None
        for layout in tuple(self._layouts):
            rest = self._read_alike(layout, rest)
        self._read_others(np.arange(len(self._ends)) if rest is None else rest)
        scanned = Scanned(self._stretches(), self._rejected, len(self._ends))
        alike = (len(piece.rows) for piece in self._pieces if isinstance(piece.contracts, int))
        return scanned, max(alike, default=0)

    def _read_alike(
        self, layout: Layout, rows: NDArray[np.int64] | None
    ) -> NDArray[np.int64] | None:
        """Read those of ``rows`` (None: all) that have the layout; return the others."""
        starts, ends = self._starts, self._ends
        if rows is not None:
            starts, ends = starts[rows], ends[rows]
        possible = _possible(layout, starts, ends)
        if not possible.all():
            starts, ends = starts[possible], ends[possible]
        if not len(starts):
            return rows
        good, columns = fast_scan.read(layout, self._data, starts, ends)
        if not len(columns.ts):
            return rows
        if len(columns.ts) < len(possible):
            possible[possible] = good
        rows = np.arange(len(self._ends)) if rows is None else rows
        self._pieces.append(_Piece(rows[possible], columns, self._index(layout.contract)))
        self._layouts.remove(layout)
        self._layouts.insert(0, layout)
        return rows[~possible]

    def _read_others(self, rows: NDArray[np.int64]) -> None:
        """Read lines one by one; one that shows a new layout may speak for those after it."""
        read: list[tuple[int, Trade, int]] = []
        lessons = 0
        waiting = rows
        while len(waiting):
            row, waiting = int(waiting[0]), waiting[1:]
            line = self._line(row)
            try:
                trade, contract = parse_trade(line, self._inst_id, self._exchange)
            except RecordError as error:
                self._rejected.append(Rejected(int(self._starts[row]), str(error)))
                continue
            read.append((row, trade, self._index(contract)))
            if lessons < _LESSONS and len(waiting):
                lessons += 1
                layout = layout_of(line, self._inst_id, trade, contract, self._exchange)
                if layout and all(known.key != layout.key for known in self._layouts):
                    self._layouts.insert(0, layout)
                    others = self._read_alike(layout, waiting)
                    waiting = waiting if others is None else others
                    del self._layouts[_LAYOUTS:]
        if read:
            self._pieces.append(_piece(read))

    def _line(self, row: int) -> bytes:
        return bytes(self._block[int(self._starts[row]) : int(self._ends[row])])

    def _index(self, contract: Contract) -> int:
        return self._contracts.setdefault(contract, len(self._contracts))

    def _stretches(self) -> list[Trades]:
        """Put the pieces back in file order, cut where the contract changes."""
        if not self._pieces:
            return []
        contracts = list(self._contracts)
        if len(self._pieces) == 1 and isinstance(only := self._pieces[0].contracts, int):
            return [Trades.of(self._pieces[0].columns, contracts[only])]
        order = np.argsort(np.concatenate([piece.rows for piece in self._pieces]))
        columns = _join([piece.columns for piece in self._pieces], order)
        which = np.concatenate(
            [np.broadcast_to(piece.contracts, piece.rows.shape) for piece in self._pieces]
        )[order]
        cuts = [0, *(np.flatnonzero(which[1:] != which[:-1]) + 1).tolist(), len(which)]
        return [
            Trades.of(columns, contracts[which[start]]).select(slice(start, stop))
            for start, stop in pairwise(cuts)
        ]


def _possible(
    layout: Layout, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Say which lines are as long as those of a layout may be."""
    longer = (ends - starts - layout.shortest).view(np.uint64)  # very much, if it is shorter
    fits: NDArray[np.bool_] = longer <= layout.longest - layout.shortest
    return fits


def _line_ends(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the offset after each newline.

    Words of eight bytes with a newline are found first: eight times less to search. In such a word
    the first newline is the lowest byte that XORing made zero; if a second one may be there, the
    bytes are searched one by one.
    """
    marks = np.empty(min(_SEARCHED, len(data)), dtype=np.bool_)
    whole = len(data) // 8 * 8
    at = np.concatenate(
        [
            _marked(data[i : min(i + _SEARCHED, whole)], marks) + i // 8
            for i in range(0, whole, _SEARCHED)
        ]
        or [np.empty(0, np.int64)]
    )
    found = data[:whole].view("<u8")[at] ^ _NEWLINES
    zeros = (found - _LOWEST) & ~found & _HIGHEST
    below = zeros - np.uint64(1)
    if (zeros & below).any():
        return np.flatnonzero(data == _NEWLINE) + 1
    ends = at * 8 + (np.bitwise_count(zeros ^ below) >> np.uint8(3))
    return np.concatenate((ends, np.flatnonzero(data[whole:] == _NEWLINE) + (whole + 1)))


def _marked(data: NDArray[np.uint8], marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return which words of eight bytes hold a newline; ``marks`` is scratch."""
    words = np.equal(data, _NEWLINE, out=marks[: len(data)]).view("<u8")
    return np.flatnonzero(words != 0)


def _piece(read: Iterable[tuple[int, Trade, int]]) -> _Piece:
    rows, trades, contracts = zip(*read, strict=True)
    price, price_decimals = _scaled([trade.price for trade in trades])
    qty, qty_decimals = _scaled([trade.qty for trade in trades])
    columns = Columns(
        np.array([trade.ts for trade in trades], dtype=np.int64),
        np.array([trade.trade_id for trade in trades], dtype=np.int64),
        np.array([trade.count for trade in trades], dtype=np.int64),
        np.array([trade.side == "buy" for trade in trades], dtype=np.bool_),
        price,
        qty,
        price_decimals,
        qty_decimals,
    )
    return _Piece(np.array(rows, dtype=np.int64), columns, np.array(contracts, dtype=np.int64))


def _scaled(texts: list[str]) -> tuple[Ints, int]:
    """Return plain decimals as integers at the most decimals any of them needs."""
    decimals = max(len(text.partition(".")[2].rstrip("0")) for text in texts)
    values = [exact.units(text, decimals) for text in texts]
    dtype: Any = np.int64 if swar_digits.fits(max(values)) else object
    return np.array(values, dtype=dtype), decimals


def _join(columns: list[Columns], order: NDArray[np.int64]) -> Columns:
    """Return the columns one after the other, at common decimals, then put in ``order``."""
    price_decimals = max(part.price_decimals for part in columns)
    qty_decimals = max(part.qty_decimals for part in columns)
    prices = [swar_digits.scale_up(c.price, price_decimals - c.price_decimals) for c in columns]
    sizes = [swar_digits.scale_up(c.qty, qty_decimals - c.qty_decimals) for c in columns]
    return Columns(
        np.concatenate([c.ts for c in columns])[order],
        np.concatenate([c.trade_id for c in columns])[order],
        np.concatenate([c.count for c in columns])[order],
        np.concatenate([c.buy for c in columns])[order],
        np.concatenate(prices)[order],
        np.concatenate(sizes)[order],
        price_decimals,
        qty_decimals,
    )
