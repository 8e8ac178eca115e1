"""Raw trades of a span, through the scan of the calculators."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ravequant import catalog, contract, times
from ravequant.read import columns
from ravequant.read.columns import Column
from ravequant.read.log import MOST_LATE_MS
from ravequant.read.stream import Stream
from ravequant.records import RecordError, parse_trade
from ravequant.swar_digits import Ints, fits
from ravequant.trades.bar_reader import end_of
from ravequant.trades.scanner import Scanner, TradeColumns
from ravequant.vault.fields import Field
from ravequant.vault.gap_ledger import GapLedger
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Block

TRADE_FIELDS: Final = (
    Field("timestamp_utc", "time", "UTC"),
    Field("trade_id", "count", "exchange's number"),
    Field("side", "text", "taker's side"),
    Field("price", "price", "quote currency"),
    Field("qty_contracts", "size", "contracts"),
    Field("base", "amount", "coins"),
    Field("notional", "amount", "quote currency"),
    Field("count", "count", "fills"),
    Field("ahead", "flag"),
)


class TradeStream(Stream):
    """Raw trades.

    A record belongs to the span that holds its time. One that is ``ahead``, or more than
    ``MOST_LATE_MS`` behind the newest before it, belongs where that newest one does: it stands
    in the table at its place in the log, with its own time.
    """

    def __init__(self, vault: Vault, inst_id: str) -> None:
        super().__init__("trades", catalog.TRADES, vault, inst_id, TRADE_FIELDS)
        self._scanner = Scanner(inst_id, vault.exchange)
        self._ledger = GapLedger(vault.gap_ledger(inst_id), inst_id)
        self._last_id, self._newest = -1, -1  # id and time of the records so far
        self._shown_id: int | None = None  # of the last record of the span

    def read(self, block: Block) -> Mapping[str, Column]:
        """Return the trades of a block that belong to the span."""
        if self._last_id < 0:
            self._last_id = largest_id(self._log.before, self.inst_id, self.vault.exchange)
            self._newest = -1 if self._log.before_ms is None else self._log.before_ms
        end = end_of(block.path.name)
        scanned = self._scanner.scan(block.data)
        for line in scanned.rejected:
            self._reject(line.offset, line.reason)
        self._count(lines=scanned.lines, rejected=len(scanned.rejected))
        stretches = (part for trades in scanned.stretches for part in trades.until(end))
        parts = [self._part(trades, end) for trades in stretches]
        past = self.until is not None and self._newest >= self.until + MOST_LATE_MS
        self.complete = self.complete or past
        parts = [part for part in parts if part]
        if not parts:
            return {}
        return {name: columns.join([part[name] for part in parts]) for name in parts[0]}

    def _part(self, trades: TradeColumns, day_end: int) -> dict[str, Column]:
        """Return those of some trades, all or none of them ahead, that belong to the span."""
        ids = trades.trade_id
        before = np.maximum.accumulate(np.concatenate(([self._last_id], ids)))
        self._last_id = int(before[-1])
        fresh = ids > before[:-1]
        if not fresh.all():
            self._count(duplicates=len(ids) - int(fresh.sum()))
            trades = trades.select(fresh)
        if not len(trades):
            return {}
        if trades.ahead and self._newest < 0:
            self._newest = day_end - times.DAY_MS  # the log begins with a record that is ahead
        place, late = self._places(trades)
        inside = self._in_span(place)
        if not inside.all():
            trades, late = trades.select(inside), late[inside]
        if not len(trades):
            return {}
        self._count(late=int(late.sum()), ahead=len(trades) if trades.ahead else 0)
        self._count(gaps=self._gaps(trades))
        return _trade_columns(trades)

    def _places(self, trades: TradeColumns) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the time by which each record belongs to a span, and which are very late."""
        if trades.ahead:
            none = np.zeros(len(trades), dtype=np.bool_)
            return np.full(len(trades), self._newest), none
        newest = np.maximum.accumulate(np.concatenate(([self._newest], trades.ts)))
        self._newest = int(newest[-1])
        late = trades.ts < newest[:-1] - MOST_LATE_MS
        return np.where(late, newest[:-1], trades.ts), late

    def _gaps(self, trades: TradeColumns) -> int:
        last = trades.trade_id[0] - trades.count[0] if self._shown_id is None else self._shown_id
        before = np.concatenate(([last], trades.trade_id[:-1]))
        self._shown_id = int(trades.trade_id[-1])
        lowest = trades.trade_id - trades.count + 1
        jumps = np.flatnonzero(lowest > before + 1)
        if len(jumps):
            self._ledger.refresh()
        holes = zip((before[jumps] + 1).tolist(), (lowest[jumps] - 1).tolist(), strict=True)
        return sum(self._ledger.is_gap(first, last) for first, last in holes)


def largest_id(lines: bytes, inst_id: str, exchange: str) -> int:
    """Return the largest id of the trades among some lines; -1 if there are none."""
    largest = -1
    for line in lines.splitlines(keepends=True):
        with suppress(RecordError):
            largest = max(largest, parse_trade(line, inst_id, exchange)[0].trade_id)
    return largest


def _trade_columns(trades: TradeColumns) -> dict[str, Column]:
    base, notional = _amounts(trades)
    sides = np.array(["sell", "buy"], dtype=object)
    values: dict[str, tuple[NDArray[Any], int]] = {
        "timestamp_utc": (trades.ts.view("datetime64[ms]"), 0),
        "trade_id": (trades.trade_id, 0),
        "side": (sides[trades.buy.view(np.int8)], 0),
        "price": columns.fewest(trades.price, trades.price_decimals),
        "qty_contracts": columns.fewest(trades.qty, trades.qty_decimals),
        "base": base,
        "notional": notional,
        "count": (trades.count, 0),
        "ahead": (np.full(len(trades), trades.ahead), 0),
    }
    return {field.name: Column(field, *values[field.name]) for field in TRADE_FIELDS}


def _amounts(trades: TradeColumns) -> tuple[tuple[Ints, int], tuple[Ints, int]]:
    """Return base and notional of each record, exactly, with their places."""
    worth = contract.worth_of(trades.contract)
    decimals = trades.price_decimals, trades.qty_decimals
    scale = worth.scale(*decimals)
    notional_one, base_one = worth.factors(*decimals, scale)
    price, qty = trades.price, trades.qty
    largest = int(price.max()) * int(qty.max()) * max(notional_one, base_one)
    if worth.inverse or not fits(largest):
        price, qty = price.astype(object), qty.astype(object)
    base = columns.objects(worth.inverse_base(price, qty, *decimals)) if worth.inverse else qty
    notional = worth.notional(price, qty)
    return (
        columns.fewest(base * base_one, scale.base),
        columns.fewest(notional * notional_one, scale.notional),
    )
