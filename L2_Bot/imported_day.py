"""A day of books out of a published file, as the lines that the recorder would have written.

The lines go into the parts of the day's hours; they count only once the caller publishes them. An
imported line claims no chain: its ``seqId`` and ``prevSeqId`` are -1 (SPEC section 9).
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from L2_Bot.snapshot_writer import encode_deep, line_of
from ravequant import times
from ravequant.exchanges.archive.book_days import (
    ArchivedBooks,
    BookFacts,
    BookReplay,
    ShownBook,
    books_of,
)
from ravequant.exchanges.archive.container import sha256_of
from ravequant.exchanges.base import BookLevel, DeepBook, Exchange
from ravequant.settings import L2
from ravequant.vault.imports import provenance
from ravequant.vault.imports.book_hours import BuiltHours, HourParts
from ravequant.vault.imports.provenance import ImportedDay, SourceFile
from ravequant.vault.line_file import line_time, lines_forward
from ravequant.vault.paths import StrPath, book_files

BOOKS: Final = provenance.BOOKS  # streams, as the names of files and the provenance have them
DEEP: Final = "books_deep"
DEEP_LEVELS: Final = 5_000  # a side
DEEP_EVERY_S: Final = 30
LinesOf = Callable[[Iterator[ShownBook]], Iterator[tuple[int, bytes]]]
_NO_CHAIN: Final[dict[str, int | None]] = {"checksum": 0, "seqId": -1, "prevSeqId": -1}


class DayBuilder:
    """Builds days of one instrument from published files."""

    def __init__(self, exchange: Exchange, archive: ArchivedBooks, inst_id: str, l2: L2) -> None:
        self._exchange, self._archive, self._inst_id, self._l2 = exchange, archive, inst_id, l2

    def books(
        self, path: StrPath, day: str, folder: StrPath, own: Iterable[str] = ()
    ) -> tuple[BookFacts, BuiltHours]:
        """Build the snapshot hours of a day in the parts of ``folder``; ``own`` may be replaced.

        Raises ArchiveError for a file that is refused; nothing of its day counts then.
        """
        replay = self._archive.replay(
            self._inst_id, day, cadence_ms=self._l2.cadence_ms, depth=self._l2.depth_levels
        )
        parts = HourParts(folder, day, own)
        return self._build(path, replay, parts, self._snapshots)

    def deep(
        self, path: StrPath, day: str, folder: StrPath, snapshots: StrPath, own: Iterable[str] = ()
    ) -> tuple[BookFacts, BuiltHours]:
        """Build the deep hours of a day; ``snapshots`` is the folder of its snapshot hours."""
        every_s = self._l2.deep_every_s or DEEP_EVERY_S
        replay = self._archive.replay(
            self._inst_id, day, cadence_ms=every_s * times.SECOND_MS, depth=DEEP_LEVELS
        )
        known = snapshot_times(snapshots, day)
        parts = HourParts(folder, day, own)
        return self._build(path, replay, parts, lambda books: self._deep_lines(books, known))

    def _build(
        self, path: StrPath, replay: BookReplay, parts: HourParts, lines_of: LinesOf
    ) -> tuple[BookFacts, BuiltHours]:
        try:
            for ts, line in lines_of(books_of(path, self._archive.suffix, replay)):
                parts.append(ts, line)
            return replay.facts, parts.finish()
        except Exception:
            parts.discard()
            raise

    def _snapshots(self, books: Iterable[ShownBook]) -> Iterator[tuple[int, bytes]]:
        for book in books:
            line = line_of(
                self._exchange,
                self._inst_id,
                book.ts,
                (book.bids, book.asks),
                twice_mid=book.twice_mid,
                chain=_NO_CHAIN,
                gap=book.gap,
            )
            yield book.ts, line

    def _deep_lines(
        self, books: Iterable[ShownBook], known: Iterator[int]
    ) -> Iterator[tuple[int, bytes]]:
        """Yield the lines of deep books that follow on a snapshot."""
        newest, following = -1, next(known, None)
        for book in books:
            while following is not None and following <= book.ts:
                newest, following = following, next(known, None)
            if not book.gap and newest >= 0:
                deep = DeepBook(book.ts, _deep_side(book.bids), _deep_side(book.asks))
                yield book.ts, encode_deep(self._exchange, self._inst_id, deep, newest)


def _deep_side(levels: Iterable[BookLevel]) -> list[list[str]]:
    return [[price, size, orders] for price, size, _, orders in (one.split(",") for one in levels)]


def snapshot_times(folder: StrPath, day: str) -> Iterator[int]:
    """Yield the times (Unix ms) of a day's snapshot lines, in order."""
    for key, path in book_files(folder):
        if key.startswith(day):
            for line in lines_forward(path):
                moment = line_time(line)
                if moment is not None:
                    yield moment


def source_of(path: StrPath, etag: str = "") -> SourceFile:
    """Return a published file with its size and hash. Raises VaultError if it cannot be read."""
    path = Path(path)
    return SourceFile(path.name, path.stat().st_size, sha256_of(path), etag)


def provenance_of(
    stream: str, day: str, file: SourceFile, facts: BookFacts, built: BuiltHours, *, keep: bool
) -> ImportedDay:
    """Return the provenance of a day that was built now."""
    return ImportedDay(
        imported_ms=times.utc_now_ms(),
        stream=stream,
        day=day,
        files=(file,),
        rows=facts.messages,
        records=built.lines,
        first_id=None,
        last_id=None,
        dropped_recorded=built.left,
        jumps=(),
        proof="none",
        contract="",
        lines=built.lines,
        sha256=built.sha256,
        snapshots_disagreeing=facts.disagreeing,
        hours=built.hours,
        keep=keep,
    )
