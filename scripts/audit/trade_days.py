"""Audits raw trade days: ids present and missing, order, bad lines.

SPEC section 3 says which lines count, for every reader of trades. The place of missing ids is kept,
so that they can be put in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ravequant import times
from ravequant.contract import Contract
from ravequant.records import DEFAULT_EXCHANGE, RecordError, parse_trade
from ravequant.trades.bar_reader import end_of
from ravequant.trades.scanner import Scanner, TradeColumns
from ravequant.vault.line_file import lines_backward
from scripts.audit.day_places import places_of
from scripts.audit.file_audit import FileAudit

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The record before or after missing ids: the key of its day file, its time, its contract."""

    key: str
    ts: int
    contract: Contract


@dataclass(frozen=True, slots=True)
class MissingIds:
    """The missing ids ``from_id … to_id`` between two records on disk."""

    from_id: int
    to_id: int
    before: Neighbour
    after: Neighbour
    offset: int  # where the line of the record after them begins, in the uncompressed stream

    @property
    def range(self) -> tuple[int, int]:
        """The first and the last of them."""
        return self.from_id, self.to_id


@dataclass(slots=True)
class TradeDayAudit(FileAudit):
    """The content of one day file; ids of a record that repeats older ones count once."""

    lines: int = 0
    records: int = 0
    first_id: int | None = None  # the first id expected: behind the newest one of the days before
    last_id: int | None = None
    ids: int = 0
    duplicates: int = 0  # lines whose id is not above the id before
    rejected: int = 0
    misfiled: int = 0  # records that SPEC section 3 puts into another day's file
    ahead: int = 0  # records ahead of their time: nobody believes it
    unsaid: int = 0  # of those, the ones of which only the date says so, and that no repair put in
    parts: list[tuple[int, str]] = field(default_factory=list)  # (number of a record, its file)
    missing: list[MissingIds] = field(default_factory=list)


class TradeAudit:
    """Audits the days of one instrument, oldest first.

    ``repaired`` are the first and last ids of ranges put in later: such a record stands before
    its successor, also where that is filed under an earlier day than its own.
    """

    def __init__(
        self,
        inst_id: str,
        repaired: Sequence[tuple[int, int]] = (),
        exchange: str = DEFAULT_EXCHANGE,
    ) -> None:
        self._inst_id, self._repaired, self._exchange = inst_id, repaired, exchange
        self._scanner = Scanner(inst_id, exchange)
        self._last: int | None = None
        self._before: Neighbour | None = None
        self.newest_ts = 0  # of the records that are not ahead
        self._times: list[tuple[Column, bool]] = []  # of the day's records; True: they are ahead

    def pass_over(self, key: str, path: Path) -> None:
        """Take only the newest record of a day that is not audited. Raises VaultError."""
        for line in lines_backward(path):
            try:
                trade, contract = parse_trade(line, self._inst_id, self._exchange)
            except RecordError:
                continue
            if self._last is None:
                self._last = trade.trade_id
            if trade.ahead or trade.ts >= end_of(key):
                continue
            self._before = Neighbour(key, trade.ts, contract)
            self.newest_ts = trade.ts
            return

    def day(self, key: str, path: Path, noted_length: int = 0) -> TradeDayAudit:
        """Read a day; its faults stand in the result, nothing is raised."""
        day = TradeDayAudit(key, path)
        self._times = []
        for block in day.blocks(noted_length):
            self._take(day, block)
        if self._times:
            self._judge_places(day)
        return day

    def _judge_places(self, day: TradeDayAudit) -> None:
        ts = np.concatenate([part for part, _ in self._times])
        known = np.concatenate([np.full(len(part), ahead) for part, ahead in self._times])
        places = places_of(ts, known, day.key, self.newest_ts)
        self.newest_ts = places.newest_ts
        day.ahead, day.parts = int(places.ahead.sum()), places.parts()
        own = times.day_start_ms(day.key) // times.DAY_MS
        day.misfiled = int((places.days != own).sum())

    def _take(self, day: TradeDayAudit, block: bytes) -> None:
        scanned = self._scanner.scan(block)
        day.lines += scanned.lines
        day.rejected += len(scanned.rejected)
        found: dict[
            int, tuple[int, Neighbour]
        ] = {}  # id after missing ones -> (id before, neighbour)
        for trades in scanned.stretches:
            for part in trades.until(end_of(day.key)):
                kept = self._take_trades(day, part, found)
                if part.ahead and not trades.ahead:
                    day.unsaid += self._not_put_in(kept)
        if found:
            day.missing += self._located(day, block, found)

    def _take_trades(
        self, day: TradeDayAudit, trades: TradeColumns, found: dict[int, tuple[int, Neighbour]]
    ) -> Column:
        """Take in trades that are all ahead, or none is; return the ids that repeat no other."""
        ids = trades.trade_id
        last = -1 if self._last is None else self._last
        before = np.maximum.accumulate(np.concatenate(([last], ids)))[:-1]
        kept = ids > before
        day.duplicates += int(len(ids) - kept.sum())
        trades = trades if kept.all() else trades.select(kept)
        if not len(trades):
            return trades.trade_id
        ids, ts, firsts = trades.trade_id, trades.ts, trades.trade_id - trades.count + 1
        start = int(firsts[0]) if self._last is None else self._last + 1
        day.first_id = start if day.first_id is None else day.first_id
        lasts = np.concatenate(([start - 1], ids[:-1]))
        day.records += len(ids)
        day.ids += int((ids - np.maximum(lasts, firsts - 1)).sum())
        day.last_id = self._last = int(ids[-1])
        self._times.append((ts, trades.ahead))
        if trades.ahead and self._before is not None:
            ts = np.full(len(ts), self._before.ts)
        for at in np.flatnonzero(firsts > lasts + 1).tolist():
            neighbour = Neighbour(day.key, int(ts[at - 1]), trades.contract) if at else self._before
            if neighbour is not None:
                found[int(ids[at])] = int(lasts[at]), neighbour
        self._before = Neighbour(day.key, int(ts[-1]), trades.contract)
        return ids

    def _not_put_in(self, ids: Column) -> int:
        put_in = np.zeros(len(ids), dtype=bool)
        for first, last in self._repaired:
            put_in |= (ids >= first) & (ids <= last)
        return int((~put_in).sum())

    def _located(
        self, day: TradeDayAudit, block: bytes, found: dict[int, tuple[int, Neighbour]]
    ) -> Iterator[MissingIds]:
        offset = day.length
        for line in block.split(b"\n")[:-1]:
            try:
                trade, contract = parse_trade(line, self._inst_id, self._exchange)
            except RecordError:
                pass
            else:
                last, before = found.pop(trade.trade_id, (None, None))
                if last is not None and before is not None:
                    after = Neighbour(day.key, trade.ts, contract)
                    yield MissingIds(last + 1, trade.first_id - 1, before, after, offset)
            offset += len(line) + 1
