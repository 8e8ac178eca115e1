"""Part of a log of lines: the place where a span begins, and the blocks from there on.

In a plain file the place is bisected, of a packed one the blocks before the span are passed over:
neither needs more memory than a block. Lines are nearly in the order of their time; a line may be
``MOST_LATE_MS`` behind the newest before it.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO, Final, cast
from zlib import crc32

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.atomic import disk_error
from ravequant.vault.cursor import BEFORE_BYTES, HEAD_BYTES, Cursor
from ravequant.vault.line_file import lines_backward, open_lines, reading
from ravequant.vault.tail import BLOCK_BYTES, Block, Listing, Tail

MOST_LATE_MS: Final = 300_000  # a record that is later stands with the record before it
_PROBE: Final = 1 << 16  # bytes whose newest time speaks for their place, and the end of bisecting
_BLOCK: Final = BLOCK_BYTES
_LONGEST: Final = 1 << 24
_LINES_BEFORE: Final = 100  # of the file before
REMEDY: Final = "read the span again: what follows it there begins anew"

TimeOf = Callable[[bytes, str], int | None]  # of a line in the file of a key


@dataclass(frozen=True, slots=True)
class Beginning:
    """A place in a log before which every line is too early, and some lines just before it."""

    cursor: Cursor | None = None  # None: the start of the log
    before: bytes = b""  # whole lines; none at the start of the log, or of a file
    before_ms: int | None = None  # their newest time; None without one to believe
    earlier: tuple[str, Path] | None = None  # the file before, where it begins with a file


class LogSpan:
    """The lines of a log from a time on: those that are there now, and later those that follow."""

    def __init__(
        self,
        files: Listing,
        time_of: TimeOf,
        since: int | None,
        *,
        cut_by_crash: bool = False,
        unpack_before: bool = False,
    ) -> None:
        self._files, self._since, self._time_of = files, since, time_of
        self._cut_by_crash = cut_by_crash  # lines may go for a moment; the same come again
        beginning = Beginning() if since is None else _beginning(files, time_of, since)
        self._cursor, self._earlier = beginning.cursor, beginning.earlier
        self._unpack_before = unpack_before  # to know the lines before a file, if they are packed
        self.before, self.before_ms = beginning.before, beginning.before_ms
        self._passing = since is not None  # blocks that end before the span
        self._moved = False  # to another place since the last block

    def blocks(self, *, let_go: bool = False) -> Iterator[Block]:
        """Yield the blocks that have come since the last call, as far as the log goes now.

        With ``let_go`` no plain file is open while a block is in use: on Windows its writer could
        not compress or delete it.
        """
        while not (self._cut_by_crash and self._is_cut()):
            self._moved = False
            tail = Tail(self._files, self._cursor, 0, _BLOCK, remedy=REMEDY)
            found = cast("Generator[Block]", tail.blocks())
            for block in found:
                self._cursor = tail.cursor()
                if self._passing and self._is_early(block):
                    continue
                self._look_before()
                leave = let_go and block.path.suffix != ".gz"
                if leave:
                    found.close()
                yield block
                if self._moved:
                    found.close()
                if leave or self._moved:
                    break
            else:
                self._cursor = tail.cursor()
                return

    def go_on(self, cursor: Cursor) -> None:
        """Go on at a later place, in the middle of a block too: what lies before it is known."""
        self._cursor, self._earlier, self._passing, self._moved = cursor, None, False, True

    def _look_before(self) -> None:
        """Read the end of the file before the first block of the span, if that begins a file."""
        earlier, self._earlier = self._earlier, None
        if earlier is None or (earlier[1].suffix == ".gz" and not self._unpack_before):
            return
        newest_first = islice(lines_backward(earlier[1]), _LINES_BEFORE)
        self.before = b"".join(reversed(list(newest_first)))
        self.before_ms = _newest(self.before, earlier[0], self._time_of)

    def _is_cut(self) -> bool:
        """Return True while a plain file ends before the place up to which it was read.

        A calculator that was killed cuts off the lines it had not committed, and writes the same
        lines again.
        """
        path = dict(self._files()).get(self._cursor.file) if self._cursor else None
        if path is None or self._cursor is None or path.suffix == ".gz":
            return False
        with reading(path):
            return path.stat().st_size < self._cursor.offset

    def _is_early(self, block: Block) -> bool:
        """Return True if nothing of a block before the span can belong to it; remember its end."""
        key = self._cursor.file if self._cursor else ""
        since = 0 if self._since is None else self._since
        last = _whole_lines(block.data)
        newest = _newest(last, key, self._time_of)
        self._passing = newest is not None and newest < since - MOST_LATE_MS
        if self._passing:
            self.before, self.before_ms, self._earlier = last, newest, None
        return self._passing


def _beginning(files: Listing, time_of: TimeOf, since: int) -> Beginning:
    """Return the place from which lines at or after ``since`` are met."""
    for _ in range(3):  # between listing and opening a file may be compressed
        listing = list(files())
        if not listing:
            return Beginning()
        at = max((n for n, (key, _) in enumerate(listing) if _start(key) <= since), default=0)
        (key, path), earlier = listing[at], listing[at - 1] if at else None
        try:
            return _in_file(key, path, earlier, time_of, since)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise disk_error(path, "read", error) from error
    raise VaultError(f"{path} vanishes while it is being opened; try again")


def _start(key: str) -> int:
    """Return the first moment of a file by day or hour; 0 for a file that is the whole log."""
    return times.file_start_ms(key) if key[:1].isdigit() else 0


def _in_file(
    key: str, path: Path, earlier: tuple[str, Path] | None, time_of: TimeOf, since: int
) -> Beginning:
    if path.suffix == ".gz":
        return Beginning(Cursor(key, 0, 0, 0, 0), earlier=earlier)
    with open_lines(path) as stream, reading(path):
        offset = _bisected(stream, key, time_of, since - MOST_LATE_MS)
        stream.seek(0)
        head = stream.read(min(HEAD_BYTES, offset))
        stream.seek(max(0, offset - _PROBE))
        before = stream.read(offset - max(0, offset - _PROBE))
    if offset:
        cursor = Cursor(key, offset, crc32(head), crc32(before[-BEFORE_BYTES:]), 0)
        last = _whole_lines(before)
        return Beginning(cursor, last, _newest(last, key, time_of))
    return Beginning(Cursor(key, 0, 0, 0, 0), earlier=earlier)


def _whole_lines(data: bytes) -> bytes:
    """Return the last lines of ``data``, which ends with one; the first may be cut off."""
    last = data[-_PROBE:]
    return last if len(last) == len(data) else last[last.find(b"\n") + 1 :]


def _bisected(stream: BinaryIO, key: str, time_of: TimeOf, moment: int) -> int:
    """Return the offset of a line before which all lines are earlier than ``moment``.

    A probe goes by the newest of its lines, so that a single late one does not mislead it.
    """
    low, high = 0, stream.seek(0, SEEK_END)
    while high - low > _PROBE:
        middle = (low + high) // 2
        stream.seek(middle)
        found = _probe(stream, high - middle)
        first, end = found.find(b"\n") + 1, found.rfind(b"\n") + 1
        newest = _newest(found[first:end], key, time_of) if end > first > 0 else None
        if newest is not None and newest < moment:
            low = middle + first
        else:
            high = middle
    return low


def _probe(stream: BinaryIO, most: int) -> bytes:
    """Return bytes that hold a whole line, if one ends before ``most``."""
    found = b""
    while len(found) < min(most, _LONGEST) and found.count(b"\n") < 2:
        more = stream.read(min(_PROBE, most - len(found)))
        if not more:
            break
        found += more
    return found


def _newest(data: bytes, key: str, time_of: TimeOf) -> int | None:
    """Return the newest time of the lines of ``data``; None if none has one."""
    found = (time_of(line, key) for line in data.split(b"\n"))
    return max((moment for moment in found if moment is not None), default=None)
