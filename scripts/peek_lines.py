"""Line files as a person looks at them: the newest lines, and those that come after them."""

import gzip
import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from ravequant.vault.append_log import reading, whole_length
from ravequant.vault.tail import Listing

_BLOCK: Final = 1 << 16


class Lines:
    """The lines of dated files, or of one that grows; torn tails are not looked at."""

    def __init__(self, files: Listing) -> None:
        self._files = files
        self._key, self._offset = "", 0  # behind the newest line shown
        self._line = b""  # that one
        self._file: int | None = None  # which file it stands in, as the system counts them

    def newest(self, count: int | None) -> Iterator[bytes]:
        """Yield the newest ``count`` lines of all files, oldest first; None: all there are."""
        listing = list(self._files())
        if count is None:
            for key, path in listing:
                self._begin(key)
                yield from self._whole(path)
            return
        found: list[bytes] = []
        for key, path in reversed(listing):
            with reading(path):
                lines, offset = _last_lines(path, count - len(found))
            if not self._key:
                self._begin(key)
                self._offset, self._line = offset, lines[-1] if lines else b""
            found[:0] = lines
            if len(found) == count:
                break
        yield from found

    def more(self) -> Iterator[bytes]:
        """Yield what has been appended since, in this file and in later ones."""
        while True:
            listing = dict(self._files())
            later = min((key for key in listing if key > self._key), default=None)
            path = listing.get(self._key)
            if path is not None and path.suffix != ".gz":  # else it was complete, and compressed
                yield from self._plain(path)
            if later is None:
                return
            self._begin(later)

    def _begin(self, key: str) -> None:
        self._key, self._offset, self._line, self._file = key, 0, b"", None

    def _whole(self, path: Path) -> Iterator[bytes]:
        if path.suffix != ".gz":
            yield from self._plain(path)
            return
        with reading(path), gzip.open(path) as stream:
            for line in stream:
                if line.endswith(b"\n"):
                    self._pass(line)
                    yield line

    def _plain(self, path: Path) -> Iterator[bytes]:
        with reading(path):
            try:
                stream = path.open("rb")
            except FileNotFoundError:
                return  # it is being replaced or packed: the next look finds what came of it
            with stream:
                self._go_to_place(stream)
                for line in stream:
                    if not line.endswith(b"\n"):
                        return
                    self._pass(line)
                    yield line

    def _pass(self, line: bytes) -> None:
        self._offset, self._line = self._offset + len(line), line

    def _go_to_place(self, stream: BinaryIO) -> None:
        """Go behind the newest line shown, wherever a repair has put it.

        Where it is gone: another file, such as a log begun anew, is shown from its beginning; of
        one that was cut back only what comes from now on.
        """
        found = os.fstat(stream.fileno())
        another = self._file not in (None, found.st_ino)
        self._file = found.st_ino
        stream.seek(self._offset - len(self._line))
        there = found.st_size >= self._offset and stream.read(len(self._line)) == self._line
        if there and (self._line or not another):
            return
        place = _behind(stream, self._line)
        if place is None:
            self._line, place = b"", 0 if another else whole_length(stream)
        self._offset = stream.seek(place)


class Whole:
    """A small file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shown = b""

    def newest(self, _: int | None) -> Iterator[bytes]:
        """Yield what it holds."""
        return self.more()

    def more(self) -> Iterator[bytes]:
        """Yield what it holds if that is new."""
        data = b""
        with reading(self._path), suppress(FileNotFoundError):
            data = self._path.read_bytes()
        if data and data != self._shown:
            self._shown = data
            yield data if data.endswith(b"\n") else data + b"\n"


def _behind(stream: BinaryIO, line: bytes) -> int | None:
    """Return the place behind the last such line of a file; None if there is none."""
    place, found = stream.seek(0), None
    for met in stream:
        place += len(met)
        found = place if met == line else found
    return found


def _last_lines(path: Path, count: int) -> tuple[list[bytes], int]:
    """Return the last ``count`` whole lines, and where they end in the uncompressed stream."""
    if path.suffix == ".gz":
        kept: deque[bytes] = deque(maxlen=count)
        length = 0
        with gzip.open(path) as stream:
            for line in stream:
                if line.endswith(b"\n"):
                    kept.append(line)
                    length += len(line)
        return list(kept), length
    with path.open("rb") as file:
        end = start = whole_length(file)
        data, size = b"", _BLOCK
        while start > 0 and data.count(b"\n") <= count:  # one more: the first may be cut
            start, size = max(0, end - size), size * 2
            file.seek(start)
            data = file.read(end - start)
    lines = [line + b"\n" for line in data.split(b"\n")[:-1]]
    return lines[-count:], end
