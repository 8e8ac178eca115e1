"""Line files in order of time, read as of a moment: found by bisecting bytes, never read whole.

A file is taken as it stands when it is opened, up to its last newline; what is appended meanwhile
belongs to the next query; if it becomes shorter meanwhile, that is a VaultError.
"""

import gzip
import io
import re
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.append_log import whole_length
from ravequant.vault.atomic import disk_error

_STEP: Final = 1 << 13  # bytes read at a probe, and where bisecting turns into reading on
_BLOCK: Final = 1 << 20


def is_there(path: Path) -> bool:
    """Say whether a file exists. VaultError if the system does not tell."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise disk_error(path, "read", error) from error
    return True


class LineFile:
    """The lines of one plain or packed file, in the order of the time under ``key``.

    A packed file cannot be bisected: it is unpacked into memory, at most its newest ``keep`` bytes
    before the first line later than ``until``. Raises VaultError if it cannot be read.
    """

    def __init__(
        self, path: Path, key: str, *, until: int | None = None, keep: int = 1 << 28
    ) -> None:
        self.path = path
        self._pattern = re.compile(rb'"%s"\s*:\s*"([0-9TZ:.\-]{20,24})"' % key.encode("ascii"))
        try:
            packed = path.suffix == ".gz"
            self._file: BinaryIO = self._unpacked(until, keep) if packed else path.open("rb")
            self.size = whole_length(self._file)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise VaultError(f"{path} is damaged: {error}; restore it from a copy") from None
        except OSError as error:
            raise disk_error(path, "read", error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._file.close()

    def time_of(self, line: bytes) -> int | None:
        """Return the Unix milliseconds under the key, None if the line shows none."""
        match = self._pattern.search(line)
        try:
            return times.parse_iso(match[1].decode("ascii")) if match else None
        except ValueError:
            return None

    def after(self, moment: int, before: int | None = None, near: int = 0) -> int:
        """Return where the first line later than ``moment`` begins; the end if there is none.

        Found sooner if it stands at or ``before`` a place, and probably not much farther than
        ``near`` bytes from there.
        """
        low, high = 0, self.size if before is None else before  # what begins before low is earlier
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
        start, end = self.after(after), self.after(until)
        rest = b""
        while start < end:
            block = rest + self._read(start, min(start + _BLOCK, end))
            start += len(block) - len(rest)
            *lines, rest = block.split(b"\n")
            yield from lines

    def newest(self, until: int) -> Iterator[bytes]:
        """Yield the lines not later than ``until``, newest first."""
        yield from self.backward(self.after(until))

    def backward(self, end: int) -> Iterator[bytes]:
        """Yield the lines before byte ``end``, newest first, read back in blocks."""
        size = _STEP
        while end > 0:
            start = max(0, end - size)
            block = self._read(start, end)
            begun = block.find(b"\n") + 1 if start else 0  # its first line may begin before it
            if begun == len(block):
                size *= 2
                continue
            yield from reversed(block[begun:-1].split(b"\n"))
            end, size = start + begun, _STEP

    def forward(self, start: int) -> Iterator[bytes]:
        """Yield the lines from byte ``start`` on, oldest first."""
        yield from (line for _, line in self._lines(start, self.size))

    def _not_later(self, middle: int, high: int, moment: int) -> int | None:
        """Return where the first line with a time begins in (middle, high) if it is not later."""
        lines = self._lines(middle, high)
        next(lines, None)  # cut by where we begin to read
        for start, line in lines:
            time = self.time_of(line)
            if time is not None:
                return start if time <= moment else None
        return None

    def _lines(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield (place, line) of what begins in [start, end), newlines left out."""
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
        try:
            self._file.seek(start)
            found = self._file.read(end - start)
        except OSError as error:
            raise disk_error(self.path, "read", error) from error
        if len(found) < end - start:  # its writer took back what it had not committed
            raise VaultError(f"{self.path} became shorter while it was read; ask again")
        return found

    def _unpacked(self, until: int | None, keep: int) -> BinaryIO:
        kept, length, rest = deque[bytes](), 0, b""
        with gzip.open(self.path, "rb") as stream:
            while block := stream.read(_BLOCK):
                data = rest + block
                end = data.rfind(b"\n") + 1
                rest = data[end:]
                kept.append(data[:end])
                length += end
                while length - len(kept[0]) >= keep:
                    length -= len(kept.popleft())
                newest = self.time_of(data[data.rfind(b"\n", 0, max(0, end - 1)) + 1 : end])
                if until is not None and newest is not None and newest > until:
                    break
        return io.BytesIO(b"".join(kept))
