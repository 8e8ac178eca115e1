"""Reads a recorded day for an import: the ids of its lines, and the places where ids lack."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravequant.errors import VaultError
from ravequant.records import DEFAULT_EXCHANGE, RecordError, Trade, parse_trade
from ravequant.swar_digits import Places
from ravequant.trades.scanner import Scanner
from ravequant.vault.imports.id_spans import IdSpan, union
from ravequant.vault.imports.merge import RecordedDay, Segment
from ravequant.vault.line_file import lines_backward, lines_forward, open_lines, reading
from ravequant.vault.paths import StrPath
from ravequant.vault.raw_content import content_of

Mask = NDArray[np.bool_]

_BLOCK: Final = 1 << 21
_NEWLINE: Final = 10


class _Rows(NamedTuple):
    """The valid lines of a block that repeat no id: where they begin, their ids."""

    starts: Places
    firsts: Places
    lasts: Places


def read_recorded(
    path: StrPath,
    inst_id: str,
    exchange: str = DEFAULT_EXCHANGE,
    *,
    after: int | None = None,
    imported: Iterable[IdSpan] = (),
) -> RecordedDay:
    """Read a day file whose lines all stay, but for those with ``imported`` ids.

    ``after`` is the newest id of the days before: lines that are not above it repeat ids. Raises
    VaultError for a file that cannot be read to its end, or holds no trade at all.
    """
    path = Path(path)
    found = _Segments(imported)
    scanner = Scanner(inst_id, exchange)
    newest, length = -1 if after is None else after, 0
    for block in _blocks(path):
        rows = _rows_of(scanner, block, newest)
        if len(rows.lasts):
            newest = int(rows.lasts[-1])
        found.add(rows, length, len(block))
        length += len(block)
    if not found.rows:
        raise VaultError(
            f"{path}: no line of it is a trade of {inst_id}; expected records; move the file away"
        )
    return RecordedDay(path, content_of(path), tuple(found.segments), length)


def first_id_in(path: StrPath, inst_id: str, exchange: str = DEFAULT_EXCHANGE) -> int | None:
    """Return the first id of a day file; None if it has no valid line. Raises VaultError."""
    trade = _first_valid(lines_forward(path), inst_id, exchange)
    return None if trade is None else trade.first_id


def last_id_in(path: StrPath, inst_id: str, exchange: str = DEFAULT_EXCHANGE) -> int | None:
    """Return the last id of a day file; None if it has no valid line. Raises VaultError."""
    trade = _first_valid(lines_backward(path), inst_id, exchange)
    return None if trade is None else trade.trade_id


def _first_valid(lines: Iterable[bytes], inst_id: str, exchange: str) -> Trade | None:
    for line in lines:
        with suppress(RecordError):
            return parse_trade(line, inst_id, exchange)[0]
    return None


class _Segments:
    """Collects segments block by block."""

    def __init__(self, imported: Iterable[IdSpan]) -> None:
        edges = np.array(union(imported), dtype=np.int64).reshape(-1, 2)
        self._first, self._last = edges[:, 0], edges[:, 1]
        self.segments: list[Segment] = []
        self.rows = 0
        self._stays = True  # the line before
        self._newest = -1  # its last id

    def add(self, rows: _Rows, offset: int, length: int) -> None:
        """Take in the rows of the block at ``offset``."""
        if len(rows.lasts):
            stay = self._stay(rows.lasts)
            cuts = self._cuts(rows, stay)
            if cuts[:1] != [0]:
                self._go_on(int(rows.lasts[(*cuts, len(stay))[0] - 1]))
            for begin, end in pairwise((*cuts, len(stay))):
                self._reach(offset + int(rows.starts[begin]))
                self._begin(rows, begin, end, offset, stays=bool(stay[begin]))
            self.rows += len(stay)
            self._newest = int(rows.lasts[-1])
        self._reach(offset + length)

    def _cuts(self, rows: _Rows, stay: Mask) -> list[int]:
        """Return the rows before which ids lack, or from which on lines stay or go."""
        before = np.concatenate(([self._newest], rows.lasts[:-1]))
        stayed = np.concatenate(([self._stays], stay[:-1]))
        cuts: list[int] = ((rows.firsts > before + 1) | (stay != stayed)).nonzero()[0].tolist()
        return cuts if self.rows or cuts[:1] == [0] else [0, *cuts]

    def _begin(self, rows: _Rows, begin: int, end: int, offset: int, *, stays: bool) -> None:
        self._stays = stays
        if stays:
            first, last = int(rows.firsts[begin]), int(rows.lasts[end - 1])
            start = offset + int(rows.starts[begin]) if self.rows or begin else 0
            self.segments.append(Segment(first, last, start, start))

    def _go_on(self, last: int) -> None:
        if self._stays:
            self.segments[-1] = self.segments[-1]._replace(last_id=last)

    def _reach(self, at: int) -> None:
        """Let the newest lines end here: bad lines go with the lines before them."""
        if self._stays and self.segments:
            self.segments[-1] = self.segments[-1]._replace(end=at)

    def _stay(self, ids: Places) -> Mask:
        at = np.searchsorted(self._last, ids)
        gone = at < len(self._first)
        gone[gone] = self._first[at[gone]] <= ids[gone]
        return ~gone


def _rows_of(scanner: Scanner, block: bytes, newest: int) -> _Rows:
    """Return the valid lines of a block whose ids rise above ``newest``."""
    scanned = scanner.scan(block)
    none = np.zeros(0, dtype=np.int64)
    lasts = np.concatenate([none, *(part.trade_id for part in scanned.stretches)])
    counts = np.concatenate([none, *(part.count for part in scanned.stretches)])
    ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == _NEWLINE)
    starts = np.concatenate((none, [0], ends[:-1] + 1))
    if scanned.rejected:
        starts = np.setdiff1d(starts, [line.offset for line in scanned.rejected])
    before = np.maximum.accumulate(np.concatenate(([newest], lasts)))[:-1]
    rising = lasts > before
    firsts = np.maximum(lasts - counts, before) + 1
    return _Rows(starts[rising], firsts[rising], lasts[rising])


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield the whole lines of a file in blocks."""
    rest = b""
    with reading(path), open_lines(path) as stream:
        while chunk := stream.read(_BLOCK):
            whole, newline, tail = chunk.rpartition(b"\n")
            if newline:
                yield rest + whole + newline
                rest = tail
            else:
                rest += chunk
