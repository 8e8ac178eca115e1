"""Line files, plain or ``.gz``: read from their start, back from their end, or as of a time.

Readers see whole lines only: bytes after the last newline are torn, or still being written. Plain
files are not read whole to find a place in them: times are bisected, and the newest lines are read
in blocks from the end.
"""

import gzip
import io
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from os import SEEK_END, fstat
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, cast

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.atomic import disk_error
from ravequant.vault.paths import StrPath

_STEP: Final = 1 << 13  # bytes read at a probe, and where bisecting turns into reading on
_NEAR_END: Final = 1 << 14  # bytes from the end, where a question of now ends
_BLOCK: Final = 1 << 20
_END_BLOCK: Final = 1 << 12  # where most files end with a whole line
_PACKED_TAIL: Final = 1 << 20

_DAMAGED: Final = (gzip.BadGzipFile, EOFError, zlib.error)
_GZIP: Final = zlib.MAX_WBITS + 16  # with header and trailer
_PACKED_CHUNK: Final = 1 << 14
_REMEMBERED: Final = 1 << 14
_whole: Final[set[tuple[Path, int, int, int]]] = set()  # packed files that were read to their end

_NEWEST_LINES: Final = 64
_NEWEST_BYTES: Final = 1 << 18  # of long lines, which are books, fewer do
_FEWEST_LINES: Final = 3
_ASKED: Final = 4  # lines at a probe
_AHEAD: Final = rb'"ahead"\s*:\s*true'  # compiled for a line that has the word

TIME_KEY: Final = "timestamp_utc"  # of raw lines and of most derived ones


def is_there(path: StrPath) -> bool:
    """Return True if a file exists. Raises VaultError if the system refuses to answer."""
    path = Path(path)
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise disk_error(path, "read", error) from error
    return True


@contextmanager
def reading(path: StrPath) -> Iterator[None]:
    """Turn an error of reading a plain or packed file into a VaultError with a remedy."""
    try:
        yield
    except _DAMAGED as error:
        raise _damaged(Path(path), error) from error
    except OSError as error:
        raise disk_error(path, "read", error) from error


def _damaged(path: Path, error: Exception) -> VaultError:
    return VaultError(
        f"{path}: is not a whole gzip file: {error}; put a good copy in its place or move it away"
    )


def open_lines(path: StrPath) -> BinaryIO:
    """Open a plain or ``.gz`` line file for reading its uncompressed bytes, unbuffered.

    A ``.gz`` has been read to its end by then, so that nothing is taken from a damaged one. Raises
    VaultError for that, and OSError.
    """
    path = Path(path)
    if path.suffix == ".gz":
        check_packed(path)
        return cast("BinaryIO", gzip.open(path, "rb"))
    return cast("BinaryIO", path.open("rb", buffering=0))


def check_packed(path: StrPath) -> None:
    """Read a ``.gz`` to its end, once until it changes. Raises VaultError if it is damaged.

    Only there stands the checksum of what comes before. Raises OSError if it cannot be read.
    """
    path = Path(path)
    facts = path.stat()
    stamp = path, facts.st_size, facts.st_mtime_ns, facts.st_ino
    if stamp in _whole:
        return
    with path.open("rb") as stream:
        try:
            _check_members(stream)
        except _DAMAGED as error:
            raise _damaged(path, error) from error
    if len(_whole) >= _REMEMBERED:
        _whole.clear()
    _whole.add(stamp)


def whole_length(stream: BinaryIO) -> int:
    """Return the length of the whole lines of an open plain file, reading back from its end."""
    position, size = stream.seek(0, SEEK_END), _END_BLOCK
    while position > 0:
        start = max(0, position - size)
        stream.seek(start)
        found = stream.read(position - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position, size = start, 2 * size
    return 0


def whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the whole lines of an open file from where it stands, newlines included."""
    buffered = io.BufferedReader(cast("io.RawIOBase", stream), _BLOCK)
    try:
        for line in buffered:
            if not line.endswith(b"\n"):
                return
            yield line
    finally:
        buffered.detach()  # it would close the stream


def lines_forward(path: StrPath) -> Iterator[bytes]:
    """Yield the whole lines of a file, oldest first, newlines included. Raises VaultError."""
    path = Path(path)
    with reading(path), open_lines(path) as stream:
        yield from whole_lines(stream)


def lines_backward(path: StrPath) -> Iterator[bytes]:
    """Yield the whole lines of a file, newest first, newlines included. Raises VaultError.

    A packed file is read through, and only the lines of its last 1-2 MiB are yielded.
    """
    path = Path(path)
    with LineFile(path, keep=_PACKED_TAIL) as file:
        for line in file.backward(file.size):
            yield line + b"\n"


def time_of_key(key: str) -> Callable[[bytes], int | None]:
    """Return a function that finds the time under ``key`` in a line: Unix ms, or None."""
    search = re.compile(rb'"%s"\s*:\s*"([0-9TZ:.\-]{20,24})"' % key.encode("ascii")).search

    def time_of(line: bytes) -> int | None:
        match = search(line)
        try:
            return times.parse_iso(match[1].decode("ascii")) if match else None
        except ValueError:
            return None

    return time_of


line_time: Final = time_of_key(TIME_KEY)


def record_time(line: bytes, key: str) -> int | None:
    """Return the time (Unix ms) of a raw line in the file ``key``; None if it has none to believe.

    A line that is ahead of its exchange's time is not believed: one that says so (``"ahead":true``)
    and, since older files do not say it, one of a date later than its file's (SPEC section 3).
    """
    moment = line_time(line)
    if moment is None or times.day(moment) > key[:10] or _is_ahead(line):
        return None
    return moment


def _is_ahead(line: bytes) -> bool:
    return b'"ahead"' in line and re.search(_AHEAD, line) is not None


def newest_time_in(path: StrPath, key: str) -> int | None:
    """Return the largest time of the newest lines of a raw file; None if none has one to believe.

    Of the newest lines that are to be believed so many count that one from the past among them
    does not make the file look old. Raises VaultError.
    """
    path = Path(path)
    found: list[int] = []
    size = 0
    for line in lines_backward(path):
        moment = record_time(line, key)
        if moment is None:
            continue
        found.append(moment)
        size += len(line)
        enough = _FEWEST_LINES if size >= _NEWEST_BYTES else _NEWEST_LINES
        if len(found) >= enough:
            break
    return max(found, default=None)


def _check_members(stream: BinaryIO) -> None:
    """Unpack one gzip member after the other, to the last byte. Raises one of _DAMAGED."""
    member: Any = zlib.decompressobj(_GZIP)
    while (chunk := stream.read(_PACKED_CHUNK)) or not member.eof:
        if not chunk:
            raise EOFError("it ends before its end mark")
        while chunk:
            if member.eof:
                member = zlib.decompressobj(_GZIP)
            member.decompress(chunk)
            chunk = member.unused_data


class LineFile:
    """The lines of one plain or packed file, in the order of the time under ``key``.

    The file is taken as it was when it was opened: lines appended later are not seen. Its lines are
    yielded without newlines. A packed file cannot be bisected: it is unpacked into memory, at most
    its newest ``keep`` bytes before the first line later than ``until`` (Unix ms). No line is found
    by the time of one line alone: a few that claim to be older than their place do no harm.
    ``time_of`` is another reading of a line's time, None for a line without one. Raises VaultError
    if the file cannot be read, or becomes shorter meanwhile.
    """

    def __init__(
        self,
        path: StrPath,
        key: str = TIME_KEY,
        *,
        time_of: Callable[[bytes], int | None] | None = None,
        until: int | None = None,
        keep: int = 1 << 28,
    ) -> None:
        path = Path(path)
        self.path = path
        self.time_of = time_of or (line_time if key == TIME_KEY else time_of_key(key))
        with reading(path):
            packed = path.suffix == ".gz"
            self._file = self._unpacked(until, keep) if packed else open_lines(path)
            self.size = whole_length(self._file)

    @property
    def number(self) -> int:
        """The number of its inode; 0 of a packed file, which is in memory."""
        return 0 if self.path.suffix == ".gz" else fstat(self._file.fileno()).st_ino

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._file.close()

    def after(self, moment: int, before: int | None = None, near: int = 0) -> int:
        """Return the offset of the first line later than ``moment``; the size if there is none.

        It is found faster if it is known to be at most ``before``, and if it is likely to be less
        than ``near`` bytes from there.
        """
        low, high = 0, self.size if before is None else before  # no line before low is later
        while 0 < near < high - _STEP and low == 0:
            earlier = self._not_later(high - near, high, moment)
            if earlier is None:
                high, near = high - near, 2 * near
            else:
                low = earlier
        while high - low > _STEP:
            middle = (low + high) // 2
            earlier = self._not_later(middle, high, moment)
            if earlier is None:
                high = middle
            else:
                low = earlier
        for start, line in self._lines(low, self.size):
            time = self.time_of(line)
            if time is not None and time > moment:
                return start
        return self.size

    def between(self, after: int, until: int) -> Iterator[bytes]:
        """Yield the lines later than ``after`` and not later than ``until``, oldest first."""
        yield from self._span(self.after(after), self.after(until, near=_NEAR_END))

    def block_between(self, after: int, until: int) -> tuple[int, bytes]:
        """Return the offset of these lines, and their bytes, newlines included."""
        start, end = self.after(after), self.after(until, near=_NEAR_END)
        return start, self.block(start, end)

    def block(self, start: int, end: int) -> bytes:
        """Return the bytes from ``start`` to before ``end``; none if that lies before it."""
        return self._read(start, end) if start < end else b""

    def newest(self, until: int) -> Iterator[bytes]:
        """Yield the lines not later than ``until``, newest first."""
        yield from self.backward(self.after(until, near=_NEAR_END))

    def backward(self, end: int) -> Iterator[bytes]:
        """Yield the lines before byte ``end``, newest first, read back in growing blocks."""
        size = _STEP
        while end > 0:
            start = max(0, end - size)
            block = self._read(start, end)
            begun = block.find(b"\n") + 1 if start else 0  # its first line may begin before it
            if begun == len(block):
                size *= 2
                continue
            yield from reversed(block[begun:-1].split(b"\n"))
            end, size = start + begun, max(size, min(2 * size, _BLOCK))

    def forward(self, start: int) -> Iterator[bytes]:
        """Yield the lines from byte ``start`` on, oldest first."""
        yield from self._span(start, self.size)

    def _span(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the whole lines between two places, read in growing blocks."""
        rest, size = b"", _STEP
        while start < end:
            block = rest + self._read(start, min(start + size, end))
            start += len(block) - len(rest)
            *lines, rest = block.split(b"\n")
            yield from lines
            size = min(2 * size, _BLOCK)

    def _not_later(self, middle: int, high: int, moment: int) -> int | None:
        """Return where the first line with a time in (middle, high) begins; None if one is later.

        Of so many lines none may be later: a single one may be out of its place.
        """
        lines = self._lines(middle, high)
        next(lines, None)  # the rest of a line
        timed = ((start, self.time_of(line)) for start, line in lines)
        known = ((start, time) for start, time in timed if time is not None)
        found = list(islice(known, _ASKED))
        if not found or max(time for _, time in found) > moment:
            return None
        return found[0][0]

    def _lines(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, line) of the lines that begin in [start, end), newlines left out."""
        position, rest, size = start, b"", _STEP
        while position < self.size and start < end:
            block = rest + self._read(position, min(position + size, self.size))
            position = start + len(block)
            *lines, rest = block.split(b"\n")
            for line in lines:
                if start >= end:
                    return
                yield start, line
                start += len(line) + 1
            size = min(2 * size, _BLOCK)

    def _read(self, start: int, end: int) -> bytes:
        with reading(self.path):
            self._file.seek(start)
            found = self._file.read(end - start)
        if len(found) < end - start:  # its writer cut off lines that were not committed
            raise VaultError(f"{self.path} became shorter while it was read; ask again")
        return found

    def _unpacked(self, until: int | None, keep: int) -> BinaryIO:
        kept, length, dropped = deque[bytes](), 0, 0
        with open_lines(self.path) as stream:
            while block := stream.read(_BLOCK):
                kept.append(block)
                length += len(block)
                while length - len(kept[0]) >= keep:
                    length -= len(kept.popleft())
                    dropped += 1
                if until is not None and self._is_past(block, until):
                    break
        data = b"".join(kept)
        return io.BytesIO(data[data.find(b"\n") + 1 :] if dropped else data)

    def _is_past(self, block: bytes, moment: int) -> bool:
        """Return True if the last line that is whole in ``block`` is later than ``moment``."""
        end = block.rfind(b"\n")
        begin = block.rfind(b"\n", 0, max(0, end))
        time = self.time_of(block[begin + 1 : end]) if begin >= 0 else None
        return time is not None and time > moment
