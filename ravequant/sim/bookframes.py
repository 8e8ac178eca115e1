"""Recorded book frames: lines ``{"recv_ts", "frame"}`` played back, and the books they build."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from ravequant import exact
from ravequant.errors import NoDataError
from ravequant.sim.feed import BookChange, Level
from ravequant.sim.instruments import Decimals
from ravequant.vault.line_file import lines_forward
from ravequant.vault.paths import StrPath


@lru_cache(maxsize=1 << 16)
def _key(price: str) -> int:
    return exact.units(price, exact.PRICE_PLACES)


class RecordedBook:
    """One book, kept level by level, and the sequence of its messages.

    Frames older than the sequence ids get a chain of their own, so that a client can check it.
    """

    def __init__(self, inst_id: str) -> None:
        self.inst_id = inst_id
        self.ts = 0
        self.seq_id = 0
        self._bids: dict[int, Level] = {}
        self._asks: dict[int, Level] = {}

    def apply(self, change: BookChange) -> None:
        """Apply a snapshot or the levels of an update; deleting an unknown level is normal."""
        if change.snapshot:
            self._bids.clear()
            self._asks.clear()
        for side, levels in ((self._bids, change.bids), (self._asks, change.asks)):
            for level in levels:
                if _key(level[1]):
                    side[_key(level[0])] = level
                else:
                    side.pop(_key(level[0]), None)
        self.ts, self.seq_id = change.ts, change.seq_id

    def snapshot(self, depth: int) -> BookChange:
        """Return the best ``depth`` levels of each side."""
        bids = sorted(self._bids.items(), reverse=True)[:depth]
        asks = sorted(self._asks.items())[:depth]
        return BookChange(
            self.inst_id,
            self.ts,
            snapshot=True,
            bids=tuple(level for _, level in bids),
            asks=tuple(level for _, level in asks),
            seq_id=self.seq_id,
            prev_seq_id=-1,
        )


class BookTape:
    """One file of book frames, of one or several instruments, in the order of arrival."""

    def __init__(self, path: StrPath) -> None:
        path = Path(path)
        self._path = path
        self.decimals: dict[str, Decimals] = {}
        self._books: dict[str, RecordedBook] = {}
        first: int | None = None
        last = 0
        for change in self._read():
            first = change.ts if first is None else first
            last = max(last, change.ts)
            met = self.decimals.get(change.inst_id, Decimals())
            self.decimals[change.inst_id] = met.merged(_decimals(change))
        if first is None:
            raise NoDataError(f"{path}: holds no frame of a book; name a file of books frames")
        self.first_ms, self.last_ms = first, last
        self._changes = self._read()
        self._next = next(self._changes, None)
        self._moment = 0

    def changes(self, until_ms: int) -> Iterator[BookChange]:
        """Yield the messages before ``until_ms`` that were not handed out yet."""
        while self._next is not None and max(self._next.ts, self._moment) < until_ms:
            change = self._next
            self._moment = max(change.ts, self._moment)
            book = self._books.setdefault(change.inst_id, RecordedBook(change.inst_id))
            book.apply(change)
            yield change
            self._next = next(self._changes, None)

    def snapshot(self, inst_id: str, depth: int) -> BookChange | None:
        """Return a book as of the last message handed out; None before its first message."""
        book = self._books.get(inst_id)
        return book.snapshot(depth) if book else None

    def _read(self) -> Iterator[BookChange]:
        """Yield the ``books`` messages of the file, of each book from its first snapshot on."""
        last_seq: dict[str, int] = {}
        for line in lines_forward(self._path):
            try:
                frame = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            frame = frame.get("frame", frame)
            if frame.get("arg", {}).get("channel") != "books" or "action" not in frame:
                continue
            inst_id = frame["arg"]["instId"]
            if frame["action"] != "snapshot" and inst_id not in last_seq:
                continue
            for row in frame["data"]:
                change = _change(inst_id, frame["action"], row, last_seq.get(inst_id, 0))
                last_seq[inst_id] = change.seq_id
                yield change


def _change(inst_id: str, action: str, row: dict[str, Any], last_seq: int) -> BookChange:
    snapshot = action == "snapshot"
    return BookChange(
        inst_id,
        int(row["ts"]),
        snapshot=snapshot,
        bids=_levels(row["bids"]),
        asks=_levels(row["asks"]),
        seq_id=int(row.get("seqId", last_seq + 1)),
        prev_seq_id=int(row.get("prevSeqId", -1 if snapshot else last_seq)),
        checksum=int(row.get("checksum", 0)),
    )


def _levels(rows: Iterable[list[str]]) -> tuple[Level, ...]:
    return tuple((row[0], row[1], row[-1]) for row in rows)


def _decimals(change: BookChange) -> Decimals:
    prices = [len(level[0].partition(".")[2]) for level in (*change.bids, *change.asks)]
    contracts = [len(level[1].partition(".")[2]) for level in (*change.bids, *change.asks)]
    return Decimals(max(prices, default=0), max(contracts, default=0))
