"""The tail: what was appended to a folder of raw files since a cursor, in blocks of whole lines.

A reader never looks past the last newline, goes from one file to the next only when a later one
existed before it met the end, and takes ``.gz`` files at their uncompressed offsets.
"""

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.cursor import BEFORE_BYTES, HEAD_BYTES, Cursor, Trail
from ravequant.vault.log import newest_lines

BLOCK_BYTES: Final = 1 << 20
LONGEST_LINE: Final = 1 << 24  # a longer one is handed out cut, so that it is rejected

Listing = Callable[[], Iterator[tuple[str, Path]]]

_TIMESTAMP = re.compile(rb'"timestamp_utc"\s*:\s*"([0-9TZ:.\-]{20,24})"')
_REMEDY: Final = "run again with --rebuild to recompute from the raw data on disk"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of one raw file."""

    path: Path
    offset: int  # of the first byte, in the uncompressed stream
    data: bytes  # ends with a newline


class Tail:
    """Reads on from a cursor (None: from the oldest file), block by block.

    ``files`` lists (key, path), oldest first. Raises VaultError, naming the file and the remedy,
    if the cursor's file is gone, shortened or replaced, or if a ``.gz`` is damaged.
    """

    def __init__(
        self,
        files: Listing,
        cursor: Cursor | None,
        generation: int,
        block_bytes: int = BLOCK_BYTES,
        *,
        single_lines: bool = False,
    ) -> None:
        self._files = files
        self._single_lines = single_lines  # each block is one line
        self._start = cursor
        self._generation = generation
        self._block_bytes = block_bytes
        self._key: str | None = None
        self._trail = Trail()
        self.bytes_read = 0
        self.unsynced: set[Path] = set()  # plain files read since they were last fsynced

    def cursor(self) -> Cursor | None:
        """Return the place after the last block handed out; the first cursor before any."""
        if self._key is None:
            return self._start
        return self._trail.cursor(self._key, self._generation)

    def blocks(self) -> Iterator[Block]:
        """Yield what there is now, and stop at the end of the newest file."""
        listing = dict(self._files())
        key = self._start.file if self._start else min(listing, default=None)
        while key is not None:
            later = [other for other in listing if other > key]
            yield from self._file(key)
            key = min(later, default=None)
            listing = dict(self._files())

    def _file(self, key: str) -> Iterator[Block]:
        path, stream = self._open(key)
        trail = Trail()
        with stream:
            if self._start is not None and self._start.file == key:
                self._find_again(path, stream, self._start, trail)
            self._key, self._trail = key, trail
            if path.suffix != ".gz":
                self.unsynced.add(path)
            try:
                yield from self._lines(path, stream, trail)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise VaultError(f"{path} is damaged: {error}; restore it from a copy") from None

    def _open(self, key: str) -> tuple[Path, BinaryIO]:
        for _ in range(3):  # between listing and opening a file may be compressed
            path = dict(self._files()).get(key)
            if path is None:
                raise VaultError(f"the raw file {key}.jsonl was read before and is gone; {_REMEDY}")
            try:
                return path, open_lines(path)
            except FileNotFoundError:
                continue
        raise VaultError(f"{path} vanishes while it is being opened; try again")

    def _lines(self, path: Path, stream: BinaryIO, trail: Trail) -> Iterator[Block]:
        rest = b""
        too_long: Trail | None = None  # the place before a line that is too long to keep
        while chunk := stream.read(self._block_bytes):
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
            whole, rest = data[:end], data[end:]
            for lines in _split(whole) if self._single_lines else (whole,):
                offset = trail.offset
                trail.pass_over(lines)
                # a NUL before the end of a long line makes what is left of it a bad line, for sure
                yield Block(path, offset, b"\0" + lines if too_long else lines)
                too_long = None
        self._trail = too_long or trail

    def _find_again(self, path: Path, stream: BinaryIO, cursor: Cursor, trail: Trail) -> None:
        head = stream.read(min(HEAD_BYTES, cursor.offset))
        if isinstance(stream, io.FileIO):
            stream.seek(max(0, cursor.offset - BEFORE_BYTES))
            before = stream.read(min(BEFORE_BYTES, cursor.offset))
            found = stream.tell()
        else:
            before, found = _read_to(stream, head, cursor.offset)
        self.bytes_read += len(head) + len(before)
        if found != cursor.offset:
            raise VaultError(
                f"{path} ends at byte {found}, but was read up to byte {cursor.offset}: it was "
                f"shortened; {_REMEDY}"
            )
        crcs = zlib.crc32(head), zlib.crc32(before)
        if crcs != (cursor.head_crc32, cursor.before_crc32):
            raise VaultError(
                f"{path} does not hold the bytes that were read before byte {cursor.offset}: it "
                f"was replaced; {_REMEDY}"
            )
        trail.jump(head, before, cursor.offset)


def _split(whole: bytes) -> list[bytes]:
    return [line + b"\n" for line in whole[:-1].split(b"\n")]


def open_lines(path: Path) -> BinaryIO:
    """Open a plain or ``.gz`` line file for reading its uncompressed bytes."""
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    return cast("BinaryIO", path.open("rb", buffering=0))


def _read_to(stream: BinaryIO, head: bytes, offset: int) -> tuple[bytes, int]:
    """Read a stream that cannot jump up to ``offset``; return the bytes before it and the place."""
    before, found = head[-BEFORE_BYTES:], len(head)
    while found < offset and (chunk := stream.read(min(BLOCK_BYTES, offset - found))):
        before = (before + chunk)[-BEFORE_BYTES:]
        found += len(chunk)
    return before, found


def line_time(line: bytes) -> int | None:
    """Return the Unix milliseconds of a raw line, None if it shows none."""
    match = _TIMESTAMP.search(line)
    try:
        return times.parse_iso(match[1].decode("ascii")) if match else None
    except ValueError:
        return None


def first_time(files: Listing) -> int | None:
    """Return the time of the oldest raw line that has one."""
    moments = (_first_time(path) for _, path in files())
    return next((moment for moment in moments if moment is not None), None)


def _first_time(path: Path) -> int | None:
    with open_lines(path) as stream:
        moments = map(line_time, io.BufferedReader(cast("io.RawIOBase", stream)))
        return next((moment for moment in moments if moment is not None), None)


def newest_time(files: Listing) -> int | None:
    """Return the time of the newest whole raw line that has one."""
    for _, path in reversed(list(files())):
        for line in newest_lines(path):
            if (moment := line_time(line)) is not None:
                return moment
    return None


def cursor_at(files: Listing, moment_ms: int, generation: int) -> Cursor | None:
    """Return a cursor at the first line at or past ``moment_ms``; None for the very beginning."""
    chosen: tuple[str, Path] | None = None
    for key, path in files():
        first = _first_time(path)
        if chosen is not None and (first is None or first >= moment_ms):
            break
        chosen = key, path
    if chosen is None:
        return None
    key, path = chosen
    trail = Trail()
    with open_lines(path) as stream:
        for line in io.BufferedReader(cast("io.RawIOBase", stream)):
            moment = line_time(line)
            if not line.endswith(b"\n") or (moment is not None and moment >= moment_ms):
                break
            trail.pass_over(line)
    return trail.cursor(key, generation)
