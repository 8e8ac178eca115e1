"""The lines over a gap in a day of bucket lines, each line read only once (SPEC section 10).

A day has 65 MB, and nearly none of its lines lies over a gap: they are found as bytes, and only
they and their neighbours are parsed.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, NamedTuple

from Dashboard.market_files import GAP_END
from ravequant.vault.line_file import line_time, open_lines, reading
from ravequant.vault.paths import StrPath

_LINE: Final = GAP_END + b"\n"
_BLOCK: Final = 1 << 22
_PROOF: Final = 64  # bytes before the place read to, that must still be the same
_NEAR: Final = 8  # lines on either side in which the next time is looked for
_MOST_FILES: Final = 64


class GapLine(NamedTuple):
    """The time of a line over a gap, and those of the lines around it; Unix ms."""

    earlier: int | None
    ms: int
    later: int | None  # None: there is no later line yet


class GapLines:
    """The lines of a file over a gap, oldest first, and the times of its first and last line."""

    def __init__(self, path: StrPath) -> None:
        self._path = Path(path)
        self._mark: tuple[int, ...] = ()
        self._begin()

    def _begin(self) -> None:
        self.found: list[GapLine] = []
        self.first: int | None = None
        self._place = 0
        self._newest: list[bytes] = []  # the newest lines that were read, newest first
        self._proof = b""

    @property
    def last(self) -> int | None:
        """The time of the newest line."""
        return _first_time(self._newest)

    def read(self) -> None:
        """Read the lines that came, or all of a file that took another's place. VaultError."""
        with reading(self._path):
            facts = self._path.stat()
            mark = facts.st_ino, facts.st_size, facts.st_mtime_ns
            if mark == self._mark:
                return
            with open_lines(self._path) as stream:
                if not self._goes_on(stream, mark):
                    self._begin()
                    stream.seek(0)
                self._read_on(stream)
        self._mark = mark

    def _goes_on(self, stream: BinaryIO, mark: tuple[int, ...]) -> bool:
        """Return True, and be at the place read to, if the lines before it are still the same."""
        if self._path.suffix == ".gz" or mark[:1] != self._mark[:1]:
            return False
        stream.seek(self._place - len(self._proof))
        return stream.read(len(self._proof)) == self._proof

    def _read_on(self, stream: BinaryIO) -> None:
        rest = b""
        while block := stream.read(_BLOCK):
            data = rest + block
            end = data.rfind(b"\n") + 1
            if end:
                self._take(data[:end])
            rest = data[end:]

    def _take(self, lines: bytes) -> None:
        """Take in whole lines."""
        next_ms = _first_time(_after(lines, 0))
        if self.first is None:
            self.first = next_ms
        if self.found and self.found[-1].later is None:
            self.found[-1] = self.found[-1]._replace(later=next_ms)
        at = lines.find(_LINE)
        while at >= 0:
            start, end = lines.rfind(b"\n", 0, at) + 1, at + len(_LINE)
            ms = line_time(lines[start:end])
            if ms is not None:
                earlier = _first_time([*_before(lines, start), *self._newest][:_NEAR])
                self.found.append(GapLine(earlier, ms, _first_time(_after(lines, end))))
            at = lines.find(_LINE, end)
        self._newest = [*_before(lines, len(lines)), *self._newest][:_NEAR]
        self._place += len(lines)
        self._proof = (self._proof + lines[-_PROOF:])[-_PROOF:]


def _before(lines: bytes, end: int) -> Iterator[bytes]:
    """Yield a few lines before byte ``end``, newest first."""
    for _ in range(_NEAR):
        if not end:
            return
        start = lines.rfind(b"\n", 0, end - 1) + 1
        yield lines[start:end]
        end = start


def _after(lines: bytes, start: int) -> Iterator[bytes]:
    """Yield a few lines from byte ``start`` on."""
    for _ in range(_NEAR):
        end = lines.find(b"\n", start) + 1
        if not end:
            return
        yield lines[start:end]
        start = end


def _first_time(lines: Iterable[bytes]) -> int | None:
    found = (line_time(line) for line in islice(lines, _NEAR))
    return next((moment for moment in found if moment is not None), None)


_known: Final[dict[Path, GapLines]] = {}
_lock: Final = Lock()  # pictures may be made in several threads


def gap_lines(path: StrPath) -> GapLines:
    """Return the lines of a file over a gap, as it is now. Raises VaultError."""
    path = Path(path)
    with _lock:
        if path not in _known:
            while len(_known) >= _MOST_FILES:
                del _known[next(iter(_known))]
            _known[path] = GapLines(path)
        _known[path].read()
        return _known[path]
