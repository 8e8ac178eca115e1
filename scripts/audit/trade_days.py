"""Reads raw trade days from end to end: ids present and missing, order, bad lines, a hash.

Readers of trades decide by SPEC section 3 what counts; this decides the same way, in columns, and
remembers where each jump of ids stands, so that it can be mended.
"""

import hashlib
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import VaultError
from ravequant.records import RecordError, parse_trade
from ravequant.trades.scanner import Scanner, Trades
from ravequant.vault.compress import packed_form
from ravequant.vault.line_file import lines_backward, open_lines, reading

BLOCK_BYTES: Final = 1 << 20
Column = NDArray[np.int64]
_ID: Final = re.compile(rb'"trade_id":"([0-9]{1,20})"')


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A record beside missing ids: the day file it is in, its time, its contract."""

    key: str
    ts: int
    contract: Contract


@dataclass(frozen=True, slots=True)
class Jump:
    """Missing ids ``from_id … to_id`` between two records on disk."""

    from_id: int
    to_id: int
    before: Neighbour
    after: Neighbour
    offset: int  # where the line of the record after them begins, in the uncompressed stream


@dataclass(slots=True)
class Day:
    """What one day file holds; ids of a record that repeats older ones count once."""

    key: str
    path: Path
    lines: int = 0
    records: int = 0
    first_id: int | None = None  # the first id expected: behind the newest one of the days before
    last_id: int | None = None
    ids: int = 0
    duplicates: int = 0  # lines whose id is not above the last one
    rejected: int = 0
    misfiled: int = 0  # records that SPEC section 3 puts into another day's file
    torn_bytes: int = 0
    damaged: str = ""  # why it could not be read to its end
    jumps: list[Jump] = field(default_factory=list)
    length: int = 0  # of the uncompressed stream, whole lines only
    sha256: str = ""
    noted_sha256: str = ""  # of the first bytes, as many as were noted earlier


class Walk:
    """Goes through the days of one instrument, oldest first.

    ``repaired`` are the first and last ids of what was put in later: such a record stands before
    its successor, also where that is filed under an earlier day than its own.
    """

    def __init__(self, inst_id: str, repaired: Sequence[tuple[int, int]] = ()) -> None:
        self._inst_id, self._repaired = inst_id, repaired
        self._scanner = Scanner(inst_id)
        self._last: int | None = None
        self._before: Neighbour | None = None
        self.newest_ts = 0
        self._filed_ts = 0  # the newest as far as it decides on the file

    def pass_over(self, key: str, path: Path) -> None:
        """Take only the newest record of a day that is not to be looked at; VaultError."""
        for line in lines_backward(path):
            try:
                trade, contract = parse_trade(line, self._inst_id)
            except RecordError:
                continue
            self._last = trade.trade_id
            self._before = Neighbour(key, trade.ts, contract)
            self.newest_ts = self._filed_ts = max(self.newest_ts, trade.ts)
            return

    def day(self, key: str, path: Path, noted_length: int = 0) -> Day:
        """Read a day; what is wrong with it stands in what is returned, nothing is raised."""
        day = Day(key, path)
        whole = hashlib.sha256()
        try:
            for block in _blocks(path, day):
                if day.length <= noted_length < day.length + len(block):
                    cut = noted_length - day.length
                    whole.update(block[:cut])
                    day.noted_sha256 = whole.hexdigest()
                    whole.update(block[cut:])
                else:
                    whole.update(block)
                self._take(day, block)
                day.length += len(block)
        except VaultError as error:
            day.damaged = str(error)
        day.sha256 = whole.hexdigest()
        if day.length == noted_length:
            day.noted_sha256 = day.sha256
        return day

    def _take(self, day: Day, block: bytes) -> None:
        scanned = self._scanner.scan(block)
        day.lines += scanned.lines
        day.rejected += len(scanned.rejected)
        found: dict[int, tuple[int, Neighbour]] = {}  # id after a jump -> (id before, neighbour)
        for trades in scanned.stretches:
            self._take_trades(day, trades, found)
        if found:
            day.jumps += self._located(day, block, found)

    def _take_trades(
        self, day: Day, trades: Trades, found: dict[int, tuple[int, Neighbour]]
    ) -> None:
        ids = trades.trade_id
        before = np.maximum.accumulate(np.concatenate(([-1 if self._last is None else self._last],
                                                       ids)))[:-1]  # fmt: skip
        kept = ids > before
        day.duplicates += int(len(ids) - kept.sum())
        trades = trades if kept.all() else trades.select(kept)
        if not len(trades):
            return
        ids, ts, firsts = trades.trade_id, trades.ts, trades.trade_id - trades.count + 1
        start = int(firsts[0]) if self._last is None else self._last + 1
        day.first_id = start if day.first_id is None else day.first_id
        lasts = np.concatenate(([start - 1], ids[:-1]))
        day.records += len(ids)
        day.ids += int((ids - np.maximum(lasts, firsts - 1)).sum())
        day.last_id = self._last = int(ids[-1])
        for at in np.flatnonzero(firsts > lasts + 1).tolist():
            neighbour = Neighbour(day.key, int(ts[at - 1]), trades.contract) if at else self._before
            if neighbour is not None:
                found[int(ids[at])] = int(lasts[at]), neighbour
        self._before = Neighbour(day.key, int(ts[-1]), trades.contract)
        self.newest_ts = max(self.newest_ts, int(ts.max()))
        day.misfiled += self._misfiled(times.day_start_ms(day.key), ids, ts)

    def _misfiled(self, begin: int, ids: Column, ts: Column) -> int:
        end = begin + times.DAY_MS
        late = np.flatnonzero(ts >= end)
        if len(late):
            put_in = np.zeros(len(late), dtype=bool)
            for first, last in self._repaired:
                put_in |= (ids[late] >= first) & (ids[late] <= last)
            ts = ts.copy()
            ts[late[put_in]] = end - 1
        newest = np.maximum.accumulate(np.concatenate(([self._filed_ts], ts)))[1:]
        self._filed_ts = int(newest[-1])
        return int(((newest < begin) | (newest >= end)).sum())

    def _located(
        self, day: Day, block: bytes, found: dict[int, tuple[int, Neighbour]]
    ) -> Iterator[Jump]:
        offset = day.length
        for line in block.split(b"\n")[:-1]:
            try:
                trade, contract = parse_trade(line, self._inst_id)
            except RecordError:
                pass
            else:
                last, before = found.pop(trade.trade_id, (None, None))
                if last is not None and before is not None:
                    after = Neighbour(day.key, trade.ts, contract)
                    yield Jump(last + 1, trade.first_id - 1, before, after, offset)
            offset += len(line) + 1


def sha256_without(path: Path, ranges: Sequence[tuple[int, int]], length: int) -> str:
    """Return the SHA-256 of the first ``length`` bytes that a file has beside some trades.

    ``ranges`` are the first and last ids of those, ascending.
    """
    found, lasts = hashlib.sha256(), [last for _, last in ranges]

    def stays(line: bytes) -> bool:
        match = _ID.search(line)
        number = int(match[1]) if match else -1
        at = bisect_left(lasts, number)
        return at == len(ranges) or number < ranges[at][0]

    for block in _blocks(path, Day("", path)):
        kept = b"".join(line for line in block.splitlines(keepends=True) if stays(line))[:length]
        found.update(kept)
        length -= len(kept)
        if not length:
            break
    return found.hexdigest()


def standing_form(path: Path) -> Path:
    """Return the packed form of a file that has been packed since it was listed."""
    packed = packed_form(path)
    return packed if packed.exists() and not path.exists() else path


def _blocks(path: Path, day: Day) -> Iterator[bytes]:
    """Yield blocks of whole lines; what follows the last newline is counted as torn."""
    parts: list[bytes] = []
    with reading(path), open_lines(standing_form(path)) as stream:
        while chunk := stream.read(BLOCK_BYTES):
            end = chunk.rfind(b"\n") + 1
            if end:
                yield b"".join((*parts, chunk[:end]))
                parts = [chunk[end:]]
            else:
                parts.append(chunk)
    day.torn_bytes = sum(map(len, parts))
