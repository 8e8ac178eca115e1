"""The tail reads the lines that were appended to a folder of raw files since a cursor, in blocks.

It never reads past the last newline, goes from one file to the next only if a later one existed
before it came to the end, and counts offsets in ``.gz`` files in uncompressed bytes.
"""

import io
import os
import zlib
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from ravequant.errors import VaultError
from ravequant.vault.atomic import disk_error
from ravequant.vault.cursor import BEFORE_BYTES, HEAD_BYTES, Cursor, Trail
from ravequant.vault.line_file import (
    newest_time_in,
    open_lines,
    reading,
    record_time,
    whole_lines,
)

BLOCK_BYTES: Final = 1 << 21
SPAN_BYTES: Final = 8 << 20
SPANS_FROM: Final = 256 << 20  # bytes left in a file from which other processes are worth it
LONGEST_LINE: Final = 1 << 24  # a longer line is yielded cut, so that it is rejected

# bytes after a block that are searched for the end of a line: of a trade, then of a book
_LOOK_AHEAD: Final = (1 << 10, *range(1 << 12, (1 << 16) + 1, 1 << 12))

Listing = Callable[[], Iterator[tuple[str, Path]]]

_REMEDY: Final = "run again with --rebuild to recompute from the raw data on disk"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of one raw file."""

    path: Path
    offset: int  # of the first byte, in the uncompressed stream
    data: bytes  # ends with a newline


@dataclass(frozen=True, slots=True)
class Span:
    """Many whole lines of one plain raw file, not read yet: another process may read them."""

    path: Path
    before: Cursor
    after: Cursor

    @property
    def offset(self) -> int:
        """The byte at which it begins."""
        return self.before.offset

    @property
    def end(self) -> int:
        """The byte at which it ends, after a newline."""
        return self.after.offset


Chunk = Block | Span


class Tail:
    """Reads on from a cursor (None: from the oldest file), block by block.

    ``files`` yields (key, path), oldest first. Raises VaultError, which names the file and the
    remedy, if the cursor's file is gone, shortened or replaced, or if a ``.gz`` is damaged.
    """

    def __init__(
        self,
        files: Listing,
        cursor: Cursor | None,
        generation: int,
        block_bytes: int = BLOCK_BYTES,
        *,
        single_lines: bool = False,
        remedy: str = _REMEDY,
    ) -> None:
        self._files = files
        self._remedy = remedy
        self._single_lines = single_lines  # each block is one line
        self._start = cursor
        self._generation = generation
        self._block_bytes = block_bytes
        self._key: str | None = None
        self._trail = self._entry = Trail()
        self.bytes_read = 0
        self.unsynced: set[Path] = set()  # plain files read since they were last fsynced

    def cursor(self) -> Cursor | None:
        """Return the place after the last block yielded; before any, the first cursor."""
        if self._key is None:
            return self._start
        return self._trail.cursor(self._key, self._generation)

    def before(self) -> tuple[str, Trail]:
        """Return the file and the place before the last block yielded."""
        if self._key is None:
            raise ValueError("no block was yielded")
        return self._key, self._entry

    def blocks(self) -> Iterator[Block]:
        """Yield all lines that are there now, and stop at the end of the newest file.

        A file that is deleted before it is begun is passed over, unless it is the cursor's.
        """
        return (piece for piece in self._pieces(spans=False) if isinstance(piece, Block))

    def pieces(self) -> Iterator[Block | Span]:
        """Yield the same lines, but those of large plain files in spans, as far as they reach."""
        return self._pieces(spans=True)

    def again(self, span: Span) -> Iterator[Block]:
        """Yield the lines of a span in blocks. Raises VaultError if its file has changed."""
        if span.end == span.offset:
            return
        for block in Tail(self._files, span.before, self._generation, self._block_bytes).blocks():
            left = span.end - block.offset
            yield Block(block.path, block.offset, block.data[:left])
            if left <= len(block.data):
                return

    def _pieces(self, *, spans: bool) -> Iterator[Block | Span]:
        listing = dict(self._files())
        key = self._start.file if self._start else min(listing, default=None)
        while key is not None:
            complete = any(other > key for other in listing)
            opened = _open(self._files, key)
            if opened is not None:
                yield from self._file(key, *opened, spans=spans)
            elif self._start is not None and self._start.file == key:
                name = f"{key.removesuffix('.jsonl')}.jsonl"
                raise VaultError(f"the file {name} was read before and is gone; {self._remedy}")
            listing = dict(self._files())
            later = [other for other in listing if other > key] if complete else []
            key = min(later, default=None)

    def _file(
        self, key: str, path: Path, stream: BinaryIO, *, spans: bool
    ) -> Iterator[Block | Span]:
        trail = Trail()
        with stream, reading(path):
            if self._start is not None and self._start.file == key:
                self._find_again(path, stream, self._start, trail)
            self._key, self._trail = key, trail
            if path.suffix != ".gz":
                self.unsynced.add(path)
            if spans and isinstance(stream, io.FileIO):
                yield from self._large(path, stream, trail)
            yield from self._lines(path, stream, trail)

    def _large(self, path: Path, stream: io.FileIO, trail: Trail) -> Iterator[Span]:
        """Yield the spans of a file that is large enough, and move the trail to their end."""
        size, worth = os.fstat(stream.fileno()).st_size, SPANS_FROM
        while size - trail.offset >= worth:
            before, worth = self.cursor(), SPAN_BYTES
            end, _ = _line_end(stream, trail.offset + SPAN_BYTES - 1, self._block_bytes)
            if before is None or end is None:
                break
            stream.seek(end - BEFORE_BYTES)
            tail = stream.read(BEFORE_BYTES)
            stream.seek(0)
            head = stream.read(HEAD_BYTES)
            self.bytes_read += end - trail.offset
            trail.jump(head, tail, end)
            yield Span(path, before, self._trail.cursor(before.file, self._generation))
        stream.seek(trail.offset)

    def _lines(self, path: Path, stream: BinaryIO, trail: Trail) -> Iterator[Block]:
        rest = b""
        too_long: Trail | None = None  # at the start of a line that is too long to keep
        while chunk := stream.read(self._block(stream, trail.offset + len(rest))):
            self.bytes_read += len(chunk)
            data = rest + chunk
            end = data.rfind(b"\n") + 1
            if end == 0 and len(data) < LONGEST_LINE:
                rest = data
                continue
            if end == 0:
                too_long = too_long or copy(trail)
                trail.pass_over(data)
                rest = b""
                continue
            rest = data[end:]
            for lines in _split(data) if self._single_lines else (data[:end],):
                offset, self._entry = trail.offset, copy(trail)
                trail.pass_over(lines)
                # a NUL before the rest of a long line makes that rest a bad line for certain
                yield Block(path, offset, b"\0" + lines if too_long else lines)
                too_long = None
        self._trail = too_long or trail

    def _block(self, stream: BinaryIO, offset: int) -> int:
        """Return how many bytes to read."""
        if self._single_lines:  # they are copies anyway
            return self._block_bytes
        size, looked_at = block_size(stream, offset, self._block_bytes)
        self.bytes_read += looked_at
        return size

    def _find_again(self, path: Path, stream: BinaryIO, cursor: Cursor, trail: Trail) -> None:
        head = stream.read(min(HEAD_BYTES, cursor.offset))
        if path.suffix != ".gz":
            stream.seek(max(0, cursor.offset - BEFORE_BYTES))
            before = stream.read(min(BEFORE_BYTES, cursor.offset))
            found = stream.tell()
        else:
            before, found = _read_to(stream, head, cursor.offset)
        self.bytes_read += len(head) + len(before)
        if found != cursor.offset:
            raise VaultError(
                f"{path} ends at byte {found}, but was read up to byte {cursor.offset}: it was "
                f"shortened; {self._remedy}"
            )
        crcs = zlib.crc32(head), zlib.crc32(before)
        if crcs != (cursor.head_crc32, cursor.before_crc32):
            raise VaultError(
                f"{path} does not hold the bytes that were read before byte {cursor.offset}: it "
                f"was replaced; {self._remedy}"
            )
        trail.jump(head, before, cursor.offset)


def block_size(stream: BinaryIO, offset: int, least: int) -> tuple[int, int]:
    """Return (the bytes to read from ``offset`` so that they end with a line, bytes read to know).

    The stream is at ``offset``. A block that ends with a line needs no cutting, and so no copy.
    The first number is at least ``least``; it is just that if no line ends soon after it, or if
    the stream cannot seek at no cost.
    """
    if not isinstance(stream, io.FileIO) or least < _LOOK_AHEAD[-1]:
        return least, 0
    end, looked_at = _line_end(stream, offset + least - 1, _LOOK_AHEAD[-1])
    stream.seek(offset)
    return (least if end is None else end - offset), looked_at


def _line_end(stream: io.FileIO, offset: int, most: int) -> tuple[int | None, int]:
    """Return (where the line with byte ``offset`` ends, None if not soon; bytes read)."""
    stream.seek(offset)
    ahead = b""
    for size in (*_LOOK_AHEAD, most):
        more = stream.read(size - len(ahead)) if size > len(ahead) else b""
        if not more:
            break
        ahead += more
        if b"\n" in more:
            return offset + ahead.index(b"\n") + 1, len(ahead)
    return None, len(ahead)


def _split(data: bytes) -> Iterator[bytes]:
    """Yield the whole lines."""
    start = 0
    while end := data.find(b"\n", start) + 1:
        yield data[start:end]
        start = end


def _open(files: Listing, key: str) -> tuple[Path, BinaryIO] | None:
    """Return the path of ``key`` and its stream of uncompressed bytes; None if it is gone."""
    for _ in range(3):  # between listing and opening a file may be compressed
        path = dict(files()).get(key)
        if path is None:
            return None
        try:
            return path, open_lines(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise disk_error(path, "read", error) from error
    raise VaultError(f"{path} vanishes while it is being opened; try again")


def _read_to(stream: BinaryIO, head: bytes, offset: int) -> tuple[bytes, int]:
    """Read a stream that cannot seek up to ``offset``; return (the bytes before it, the offset)."""
    before, found = head[-BEFORE_BYTES:], len(head)
    while found < offset and (chunk := stream.read(min(BLOCK_BYTES, offset - found))):
        before = (before + chunk)[-BEFORE_BYTES:]
        found += len(chunk)
    return before, found


def first_time(files: Listing) -> int | None:
    """Return the time (Unix ms) of the oldest raw line that is not ahead; None without any."""
    moments = (_first_time(files, key) for key, _ in files())
    return next((moment for moment in moments if moment is not None), None)


def _first_time(files: Listing, key: str) -> int | None:
    opened = _open(files, key)
    if opened is None:
        return None
    path, stream = opened
    with stream, reading(path):
        lines = io.BufferedReader(cast("io.RawIOBase", stream))
        moments = (record_time(line, key) for line in lines)
        return next((moment for moment in moments if moment is not None), None)


def newest_time(files: Listing) -> int | None:
    """Return the time (Unix ms) of the newest raw line that is not ahead; None without any."""
    moments = (newest_time_in(path, key) for key, path in reversed(list(files())))
    return next((moment for moment in moments if moment is not None), None)


def cursor_at(files: Listing, moment_ms: int, generation: int) -> Cursor | None:
    """Return a cursor before the first line at or after ``moment_ms``; None: begin at the start."""
    chosen: str | None = None
    for key, _ in files():
        first = _first_time(files, key)
        if first is None:
            continue
        if chosen is not None and first >= moment_ms:
            break
        chosen = key
    if chosen is None:
        return None
    opened = _open(files, chosen)
    if opened is None:  # deleted meanwhile
        return cursor_at(files, moment_ms, generation)
    trail, (path, stream) = Trail(), opened
    with stream, reading(path):
        for line in whole_lines(stream):
            moment = record_time(line, chosen)
            if moment is not None and moment >= moment_ms:
                break
            trail.pass_over(line)
    return trail.cursor(chosen, generation)
