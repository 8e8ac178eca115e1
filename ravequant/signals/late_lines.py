"""Finds the lines of a trade file whose minute was closed before, and all lines of a time or later.

Most lines come in their minute, and of these only the time is looked at, as text, many together. A
process that is asked again goes on behind the lines that it has passed over: the recorder only
appends to a file, and a file that a repair puts in the place of another is another file.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from ravequant import times
from ravequant.signals.seen import CLOSING_MS
from ravequant.vault.line_file import LineFile

_BATCH: Final = 256  # lines that are looked at together: some seconds of trades
_MOST_FILES: Final = 16
_OPENING: Final = b'{"timestamp_utc":"'
_STAMP: Final = slice(len(_OPENING), len(_OPENING) + len("2025-12-14T21:34:56.123Z"))


class OpenMinutes:
    """The minutes that no line has closed, by the times of lines as text.

    Lines from ``border_ms`` (Unix ms) on are not passed over.
    """

    def __init__(self, border_ms: int) -> None:
        self.border = _stamp(border_ms)
        self.first = b""  # the start of the oldest
        self.closing = b""  # a line from here on closes it
        self.passed = b""  # the last line that was passed over
        self._newest_ms = -1  # of those that were not

    def passes(self, stamp: bytes) -> bool:
        """Take in the time of a line; True if it lies before the border, in an open minute."""
        in_order = self.first <= stamp < self.border
        return in_order and (stamp < self.closing or self.take(stamp))

    def passes_all(self, stamps: Sequence[bytes]) -> bool:
        """Take in lines of these times; False, and none, unless all are of minutes then open."""
        most = max(stamps)
        if most >= self.border:
            return False
        first = _first_open(most)
        if first is None or min(stamps) < max(self.first, _stamp(first)):
            return False
        return self.take(most)

    def take(self, stamp: bytes) -> bool:
        """Take in a time; False if it is none."""
        first = _first_open(stamp)
        if first is None:
            return False
        if _stamp(first) > self.first:
            self.first = _stamp(first)
            self.closing = _stamp(first + times.MINUTE_MS + CLOSING_MS)
        return True

    def take_time(self, moment_ms: int) -> None:
        """Take in the time of a line that was not passed over."""
        if moment_ms > self._newest_ms:  # an earlier one leaves as many open
            self._newest_ms = moment_ms
            self.take(_stamp(moment_ms))


def _first_open(stamp: bytes) -> int | None:
    """Return the start of the oldest minute that a line of this time leaves open, Unix ms."""
    try:
        closed = times.parse_iso(stamp.decode("ascii")) - CLOSING_MS
    except ValueError:
        return None
    return max(closed, 0) // times.MINUTE_MS * times.MINUTE_MS


def _stamp(moment_ms: int) -> bytes:
    return times.iso(moment_ms).encode("ascii")


class _PassedLines(NamedTuple):
    """The first lines of a reading of a file; all of them were passed over."""

    number: int  # of the file's inode
    start: int  # byte of the first line
    highest: int  # a reading that begins here or earlier meets the largest time
    most: bytes  # the largest time
    place: int  # byte behind the last line
    last: bytes

    def stand(self, file: LineFile, start: int, border: bytes) -> bool:
        """Return True if a reading from ``start`` on would pass over them too."""
        return (
            self.number == file.number
            and self.start <= start <= self.highest
            and self.most < border
            and self.place <= file.size
            and next(file.backward(self.place), None) == self.last
        )


_passed: Final[dict[Path, _PassedLines]] = {}


def late_lines(file: LineFile, start: int, open_: OpenMinutes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (before, line) of the lines from byte ``start`` on that are not passed over.

    ``before`` is the line that was passed over last, empty if none was since the line yielded last.
    """
    known = None
    if file.number and not open_.first:  # the first file of the reading
        known = _passed.get(file.path)
        if known is not None and known.stand(file, start, open_.border):
            open_.take(known.most)
            open_.passed = known.last
            known = known._replace(start=start)
        else:
            known = _PassedLines(file.number, start, start, b"", start, b"")
    lines = file.forward(start if known is None else known.place)
    while batch := list(islice(lines, _BATCH)):
        stamps = [line[_STAMP] if line.startswith(_OPENING) else b"" for line in batch]
        if open_.passes_all(stamps):
            open_.passed = batch[-1]
        else:
            for line, stamp in zip(batch, stamps, strict=True):
                if open_.passes(stamp):
                    open_.passed = line
                    continue
                before, open_.passed = open_.passed, b""
                known = None
                yield before, line
        if known is not None:
            known = _with_batch(known, batch, max(stamps))
            _remember(file.path, known)


def _with_batch(known: _PassedLines, batch: Sequence[bytes], most: bytes) -> _PassedLines:
    if most > known.most:
        known = known._replace(highest=known.place, most=most)
    size = sum(map(len, batch)) + len(batch)
    return known._replace(place=known.place + size, last=batch[-1])


def _remember(path: Path, known: _PassedLines) -> None:
    if len(_passed) >= _MOST_FILES:
        _passed.clear()
    _passed[path] = known
