"""Blocks of raw trade lines to columns: exact, the same for every spelling of a line, and fast.

Lines that look like their neighbours are read together (``fast_scan``), all others one by one
through ``records.parse_trade``, which alone decides if a trade is valid (SPEC section 3).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ravequant import swar_digits
from ravequant.contract import Contract
from ravequant.records import (
    DEFAULT_EXCHANGE,
    RecordError,
    Rejected,
    Trade,
    check_whole,
    parse_trade,
)
from ravequant.trades import fast_scan
from ravequant.trades.fast_scan import Columns
from ravequant.trades.line_template import LineTemplate, template_of

_TEMPLATES: Final = 4  # remembered, newest first
_LESSONS: Final = 8  # odd lines a block that are looked at for a new template
_TEACHING: Final = 1 << 12  # bytes in which a first line ends that shows how the others look
_SEARCHED: Final = 1 << 19  # bytes searched for newlines at once: they stay in the cache
_NEWLINE: Final = ord("\n")
_LOWEST, _HIGHEST = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_NEWLINES: Final = np.uint64(_NEWLINE) * _LOWEST


@dataclass(frozen=True, slots=True, eq=False)
class TradeColumns(Columns):
    """Consecutive valid records of one contract, in file order: all are ahead, or none is."""

    contract: Contract
    ahead: bool = False

    @classmethod
    def of(cls, columns: Columns, contract: Contract, *, ahead: bool = False) -> "TradeColumns":
        """Return the columns with the contract of all of them."""
        values = {name: getattr(columns, name) for name in Columns.__slots__}
        return cls(**values, contract=contract, ahead=ahead)

    def until(self, end: int) -> "list[TradeColumns]":
        """Return them cut into those before ``end`` and, as ahead, all others, in file order.

        ``end`` (Unix ms) is that of their file's day.
        """
        if self.ahead:
            return [self]
        past = self.ts >= end
        cuts = [0, *(np.flatnonzero(past[1:] != past[:-1]) + 1).tolist(), len(past)]
        return [
            replace(self.select(slice(start, stop)), ahead=bool(past[start]))
            for start, stop in pairwise(cuts)
        ]


@dataclass(frozen=True, slots=True)
class Scanned:
    """The content of a block: trades, cut where contract or ``ahead`` changes; rejected lines."""

    stretches: list[TradeColumns]
    rejected: list[Rejected]
    lines: int


@dataclass(frozen=True, slots=True, eq=False)
class _LinesRead:
    """Some lines of a block: their rows, columns, and the kind of each (an index)."""

    rows: NDArray[np.int64]
    columns: Columns
    kinds: NDArray[np.int64] | int


class Scanner:
    """Reads blocks of one instrument's raw trade file; remembers only how its lines look."""

    def __init__(self, inst_id: str, exchange: str = DEFAULT_EXCHANGE) -> None:
        self._inst_id, self._exchange = inst_id, exchange
        self._templates: list[LineTemplate] = []
        self._alike = False  # all lines of the last block but one at most
        swar_digits.keep_freed_memory()

    def scan(self, block: bytes | memoryview) -> Scanned:
        """Read a block of whole lines; ValueError if its last line has no newline."""
        if not block:
            return Scanned([], [], 0)
        check_whole(block)
        if not self._templates:
            self._learn(block)
        if self._alike and (found := self._all_alike(block)):
            return found
        scanned, alike = _Block(self._inst_id, self._exchange, block, self._templates).scan()
        self._alike = bool(self._templates) and alike >= scanned.lines - 1
        return scanned

    def _learn(self, block: bytes | memoryview) -> None:
        """Expect all lines to look like the first."""
        line = bytes(block[:_TEACHING]).partition(b"\n")[0] + b"\n"
        try:
            found = parse_trade(line, self._inst_id, self._exchange)
            template = template_of(line, self._inst_id, *found, self._exchange)
        except RecordError:
            return
        if template is not None:
            self._templates, self._alike = [template], True

    def _all_alike(self, block: bytes | memoryview) -> Scanned | None:
        """Read a block whose lines all have the template of those before; None if one has not.

        Where they begin is a guess that the reading proves: a newline stands nowhere but at the
        end of the text that every line was compared with.
        """
        template, data = self._templates[0], np.frombuffer(block, dtype=np.uint8)
        starts = template.line_index.starts(data) if template.line_index else np.empty(0, np.int64)
        if not len(starts) or starts[0]:
            return None
        ends = np.concatenate((starts[1:], [len(data)]))
        if not _possible(template, starts, ends).all():
            return None
        columns = fast_scan.read(template, data, starts, ends)[1]
        if len(columns) < len(starts):
            return None
        return Scanned([TradeColumns.of(columns, template.contract)], [], len(starts))


class _Block:
    """One block while it is read."""

    def __init__(
        self, inst_id: str, exchange: str, block: bytes | memoryview, templates: list[LineTemplate]
    ) -> None:
        self._inst_id, self._exchange = inst_id, exchange
        self._block = block
        self._templates = templates
        self._data = np.frombuffer(block, dtype=np.uint8)
        self._ends = _line_ends(self._data)
        self._starts = np.concatenate((np.zeros(1, np.int64), self._ends[:-1]))
        self._kinds: dict[tuple[Contract, bool], int] = {}  # contract, ahead
        self._read: list[_LinesRead] = []
        self._rejected: list[Rejected] = []

    def scan(self) -> tuple[Scanned, int]:
        """Return the scanned block, and how many lines of one template were read together."""
        rest: NDArray[np.int64] | None = None
        for template in tuple(self._templates):
            rest = self._read_alike(template, rest)
        self._read_others(np.arange(len(self._ends)) if rest is None else rest)
        scanned = Scanned(self._stretches(), self._rejected, len(self._ends))
        alike = (len(found.rows) for found in self._read if isinstance(found.kinds, int))
        return scanned, max(alike, default=0)

    def _read_alike(
        self, template: LineTemplate, rows: NDArray[np.int64] | None
    ) -> NDArray[np.int64] | None:
        """Read those of ``rows`` (None: all) that have the template; return the others."""
        starts, ends = self._starts, self._ends
        if rows is not None:
            starts, ends = starts[rows], ends[rows]
        possible = _possible(template, starts, ends)
        if not possible.all():
            starts, ends = starts[possible], ends[possible]
        if not len(starts):
            return rows
        good, columns = fast_scan.read(template, self._data, starts, ends)
        if not len(columns.ts):
            return rows
        if len(columns.ts) < len(possible):
            possible[possible] = good
        rows = np.arange(len(self._ends)) if rows is None else rows
        self._read.append(_LinesRead(rows[possible], columns, self._kind(template.contract)))
        self._templates.remove(template)
        self._templates.insert(0, template)
        return rows[~possible]

    def _read_others(self, rows: NDArray[np.int64]) -> None:
        """Read lines one by one; one that shows a new template may speak for those after it."""
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
            read.append((row, trade, self._kind(contract, ahead=trade.ahead)))
            if lessons < _LESSONS and len(waiting):
                lessons += 1
                template = template_of(line, self._inst_id, trade, contract, self._exchange)
                if template and all(known.key != template.key for known in self._templates):
                    self._templates.insert(0, template)
                    others = self._read_alike(template, waiting)
                    waiting = waiting if others is None else others
                    del self._templates[_TEMPLATES:]
        if read:
            self._read.append(_lines_read(read))

    def _line(self, row: int) -> bytes:
        return bytes(self._block[int(self._starts[row]) : int(self._ends[row])])

    def _kind(self, contract: Contract, *, ahead: bool = False) -> int:
        return self._kinds.setdefault((contract, ahead), len(self._kinds))

    def _stretches(self) -> list[TradeColumns]:
        """Put the pieces back in file order, cut where contract or ``ahead`` changes."""
        if not self._read:
            return []
        kinds = list(self._kinds)
        if len(self._read) == 1 and isinstance(only := self._read[0].kinds, int):
            return [TradeColumns.of(self._read[0].columns, kinds[only][0])]
        order = np.argsort(np.concatenate([found.rows for found in self._read]))
        columns = _join([found.columns for found in self._read], order)
        which = np.concatenate(
            [np.broadcast_to(found.kinds, found.rows.shape) for found in self._read]
        )[order]
        cuts = [0, *(np.flatnonzero(which[1:] != which[:-1]) + 1).tolist(), len(which)]
        return [
            TradeColumns.of(columns, contract, ahead=ahead).select(slice(start, stop))
            for start, stop in pairwise(cuts)
            for contract, ahead in (kinds[which[start]],)
        ]


def _possible(
    template: LineTemplate, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which lines are as long as those of a template may be."""
    longer = (ends - starts - template.shortest).view(np.uint64)  # very much, if it is shorter
    fits: NDArray[np.bool_] = longer <= template.longest - template.shortest
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


def _lines_read(read: Iterable[tuple[int, Trade, int]]) -> _LinesRead:
    rows, trades, contracts = zip(*read, strict=True)
    places, numbers = np.array(rows, dtype=np.int64), np.array(contracts, dtype=np.int64)
    return _LinesRead(places, fast_scan.columns_of(trades), numbers)


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
        np.concatenate([c.retail for c in columns])[order],
        np.concatenate(prices)[order],
        np.concatenate(sizes)[order],
        price_decimals,
        qty_decimals,
    )
