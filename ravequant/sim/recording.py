"""A market that was recorded: trade files in the vault's shape and book frames, as a Feed.

Files are read as they are needed, plain or ``.gz``, in any JSON spelling; only the first look
(the instruments, the first and the last moment) runs over them once. Trades without ``count`` are
single fills and are joined by SPEC section 3; their sizes stay known, for REST.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import records
from ravequant.contract import Contract
from ravequant.errors import NoDataError, UsageError
from ravequant.records import RecordError, Trade
from ravequant.sim.bookframes import BookTape
from ravequant.sim.feed import BookChange
from ravequant.sim.instruments import Decimals, contract, sizes, swap_row
from ravequant.trades.bar_reader import end_of
from ravequant.vault.line_file import lines_forward, open_lines, reading
from ravequant.vault.paths import StrPath

_BLOCK: Final = 1 << 20
_DECIMALS = re.compile(rb'"(price|qty_contracts)": ?"[0-9]+\.([0-9]*[1-9])0*"')
Moment = tuple[int, str, Trade, tuple[str, ...]]  # when it comes out, instId, record, fill sizes


@dataclass(slots=True)
class TradeTape:
    """The trade files of one instrument, in the order of their ids."""

    inst_id: str
    contract: Contract
    paths: list[Path]
    first_ms: int
    last_ms: int
    decimals: Decimals
    skipped: int = 0  # lines without a valid trade, or with an id not above the last

    def __iter__(self) -> Iterator[Moment]:
        """Yield the records; the moment never goes back, even if recorded times do.

        A record ahead of its time comes when those around it do.
        """
        moment = self.first_ms
        for trade, fill_sizes in self._joined():
            moment = moment if trade.ahead else max(moment, trade.ts)
            yield moment, self.inst_id, trade, fill_sizes

    def _joined(self) -> Iterator[tuple[Trade, tuple[str, ...]]]:
        waiting: Trade | None = None
        fills: list[str] = []
        for trade, is_fill in self._parsed():
            if waiting is not None and is_fill and fills and records.same_order(waiting, trade):
                waiting = records.join(waiting, trade)
                fills.append(trade.qty)
                continue
            if waiting is not None:
                yield waiting, tuple(fills)
            waiting, fills = trade, [trade.qty] if is_fill else []
        if waiting is not None:
            yield waiting, tuple(fills)

    def _parsed(self) -> Iterator[tuple[Trade, bool]]:
        """Yield (trade, whether it is a single fill)."""
        last = -1
        for path in self.paths:
            end = end_of(path.name)
            for line in lines_forward(path):
                try:
                    trade, _ = records.parse_trade(line, self.inst_id)
                except RecordError:
                    self.skipped += 1
                    continue
                if trade.trade_id <= last:
                    self.skipped += 1
                    continue
                last = trade.trade_id
                ahead = trade.ahead or trade.ts >= end
                yield replace(trade, ahead=ahead), b'"count"' not in line


def _look(path: Path) -> tuple[int, TradeTape]:
    """Return (first id, the tape of a file); NoDataError if no line of it is a trade."""
    decimals = Decimals()
    first: tuple[str, Trade, Contract] | None = None
    tail = b""
    with reading(path), open_lines(path) as file:
        while block := file.read(_BLOCK):
            tail = tail[-_BLOCK // 16 :] + block
            first = first or _first_trade(tail.splitlines(), end_of(path.name))
            decimals = decimals.merged(_decimals(block))
    last = _first_trade(reversed(tail.splitlines()), end_of(path.name))
    if first is None or last is None:
        raise NoDataError(f"{path}: holds no valid trade; name a trade file in the vault's shape")
    inst_id, trade, terms = first
    tape = TradeTape(inst_id, terms, [path], trade.ts, max(trade.ts, last[1].ts), decimals)
    return trade.trade_id, tape


def _decimals(block: bytes) -> Decimals:
    met = {b"price": 0, b"qty_contracts": 0}
    for field, fraction in set(_DECIMALS.findall(block)):
        met[field] = max(met[field], len(fraction))
    return Decimals(met[b"price"], met[b"qty_contracts"])


def _first_trade(lines: Iterable[bytes], end: int) -> tuple[str, Trade, Contract] | None:
    """Return instrument, trade and contract of the first line that is not ahead of its time."""
    for line in lines:
        try:
            inst_id = records.check_inst_id(orjson.loads(line)["instId"])
            trade, terms = records.parse_trade(line, inst_id)
        except (RecordError, UsageError, ValueError, KeyError, TypeError):
            continue
        if not trade.ahead and trade.ts < end:
            return inst_id, trade, terms
    return None


def trade_tapes(paths: Sequence[StrPath]) -> dict[str, TradeTape]:
    """Return the tape of each instrument in these files, given in any order."""
    tapes: dict[str, TradeTape] = {}
    for _, tape in sorted(map(_look, map(Path, paths)), key=itemgetter(0)):
        whole = tapes.setdefault(tape.inst_id, tape)
        if whole is not tape:
            whole.paths += tape.paths
            whole.last_ms = max(whole.last_ms, tape.last_ms)
            whole.decimals = whole.decimals.merged(tape.decimals)
    return tapes


class Recording:
    """The Feed of recorded trades and books; each event is returned once."""

    instruments: Mapping[str, Mapping[str, Any]]

    def __init__(
        self, trades: Sequence[StrPath], books: Sequence[StrPath] = (), only: Sequence[str] = ()
    ) -> None:
        tapes = trade_tapes(trades)
        book_tapes = [BookTape(path) for path in books]
        met = {tape.inst_id: tape.decimals for tape in tapes.values()}
        for book in book_tapes:
            for inst_id, decimals in book.decimals.items():
                met[inst_id] = met.get(inst_id, Decimals()).merged(decimals)
        kept = [inst_id for inst_id in met if not only or inst_id in only]
        if not kept:
            raise NoDataError(
                f"the recordings hold {', '.join(met) or 'nothing'}: name one of these"
            )
        contracts = {inst_id: contract(inst_id) for inst_id in kept}
        contracts |= {inst_id: tape.contract for inst_id, tape in tapes.items()}
        self.instruments = {
            inst_id: swap_row(inst_id, contracts[inst_id], *sizes(inst_id, met[inst_id]))
            for inst_id in kept
        }
        self._tapes = [tapes[inst_id] for inst_id in kept if inst_id in tapes]
        self._books = book_tapes
        starts = [tape.first_ms for tape in self._tapes] + [book.first_ms for book in book_tapes]
        ends = [tape.last_ms for tape in self._tapes] + [book.last_ms for book in book_tapes]
        self.start_ms = min(starts)
        self.end_ms: int | None = max(ends) + 1
        self._moments = merge(*self._tapes, key=itemgetter(0))
        self._next = next(self._moments, None)
        self._fills: dict[tuple[str, int], tuple[str, ...]] = {}

    def trades(self, until_ms: int) -> list[tuple[str, Trade]]:
        """Return the records before ``until_ms`` that were not handed out yet."""
        handed: list[tuple[str, Trade]] = []
        while self._next is not None and self._next[0] < until_ms:
            _, inst_id, trade, fills = self._next
            if len(fills) > 1:
                self._fills[inst_id, trade.trade_id] = fills
            handed.append((inst_id, trade))
            self._next = next(self._moments, None)
        return handed

    def fill_sizes(self, inst_id: str, trade_id: int) -> tuple[str, ...] | None:
        """Return the recorded sizes of the fills of a record, where they were recorded."""
        return self._fills.get((inst_id, trade_id))

    def books(self, until_ms: int) -> list[BookChange]:
        """Return the recorded book messages before ``until_ms``, as they were."""
        changes = [
            change
            for book in self._books
            for change in book.changes(until_ms)
            if change.inst_id in self.instruments
        ]
        changes.sort(key=lambda change: change.ts)
        return changes

    def snapshot(self, inst_id: str, depth: int) -> BookChange | None:
        """Return the recorded book as it stands; None before its first snapshot."""
        found = (book.snapshot(inst_id, depth) for book in self._books)
        return next((snapshot for snapshot in found if snapshot is not None), None)
