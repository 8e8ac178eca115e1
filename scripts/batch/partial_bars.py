"""Parts of raw trade files, read by any worker: each becomes exact partial bars in a file.

A *part* is a whole packed file, or the lines of a plain one that begin in a range of bytes. Its
bars are written to a folder of the instrument (the *store*), from which each calculator takes them;
a run that was cut off reads nothing twice.
"""

import re
import zlib
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from ravequant import __version__
from ravequant.records import Rejected
from ravequant.trades.bar_builder import IdGap, PartialBars
from ravequant.trades.minute_bar import MinuteBar
from ravequant.trades.parallel_scan import SpanResult, collect
from ravequant.trades.scanner import Scanner
from ravequant.vault.atomic import replace_file
from ravequant.vault.cursor import BEFORE_BYTES, HEAD_BYTES, Cursor
from ravequant.vault.line_file import open_lines, reading
from ravequant.vault.tail import (
    BLOCK_BYTES,
    LONGEST_LINE,
    SPAN_BYTES,
    Chunk,
    Listing,
    ScannedSpan,
)

_FACTS: Final = PartialBars.__slots__[2:]  # the fields after bars and gaps
FORM: Final = [  # of a stored part: a part of another form is read again
    1, __version__, "bars", "jumps", "records", "lowest_id", "first_id", "last_id", "first_ts",
    "watermark",
]  # fmt: skip
_NAME = re.compile(r"[0-9A-Za-z._-]+")


@dataclass(frozen=True, slots=True)
class Unit:
    """One part to be read."""

    inst_id: str
    whale_notional: int
    key: str  # of its file
    path: Path
    start: int  # lines that begin here or later …
    stop: int | None  # … and before this; None: to the end of the file
    name: str  # in the store


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part as it is stored; ``found`` is None if its lines must be read in order."""

    start: int
    known: ScannedSpan
    found: SpanResult | None


def units_of(
    inst_id: str, whale_notional: int, files: Listing, since: Cursor | None
) -> Iterator[Unit]:
    """Yield the parts of an instrument's raw trades behind a cursor."""
    for key, path in files():
        if since is not None and key < since.file:
            continue
        begin = since.offset if since is not None and key == since.file else 0
        if begin and begin == length_of(path):
            continue
        found = path.stat()
        stamp, size = str(found.st_mtime_ns), found.st_size
        packed = path.suffix == ".gz"
        if packed or begin < HEAD_BYTES:  # the head of a file must be read whole
            begin = 0
        for start in range(begin, 1 if packed else size, SPAN_BYTES):
            last = packed or start + 2 * SPAN_BYTES > size
            stop = None if packed else size if last else start + SPAN_BYTES
            facts = [*FORM, inst_id, str(whale_notional), key, size, stamp, start, stop]
            name = f"{key}.{start}.{sha256(orjson.dumps(facts)).hexdigest()[:16]}"
            yield Unit(inst_id, whale_notional, key, path, start, stop, name)
            if last:
                break


def length_of(path: Path) -> int:
    """Return the length of a file's content; of a packed one as it says itself, modulo 4 GiB."""
    size = path.stat().st_size
    if path.suffix != ".gz" or size < 4:
        return size
    with path.open("rb") as stream:
        stream.seek(size - 4)
        return int.from_bytes(stream.read(4), "little")


def read_unit(unit: Unit, store: Path) -> None:
    """Read a part and store it; nothing is stored if a line is too long to be read."""
    with reading(unit.path), open_lines(unit.path) as stream:
        lines = _Lines(stream, unit.start, unit.stop)
        found = collect(Scanner(unit.inst_id), unit.whale_notional, lines.start, lines)
        deque(lines, maxlen=0)  # the lines left of a part that must be read in order
    if not lines.too_long:
        known = ScannedSpan(lines.offset, lines.head, lines.before, last=unit.stop is None)
        _write(store / unit.name, StoredPart(lines.start, known, found))


class _Lines:
    """The lines of a part in blocks, with their offsets; stands behind the last one handed out."""

    def __init__(self, stream: BinaryIO, start: int, stop: int | None) -> None:
        self._stream, self._stop = stream, stop
        self._rest = self.head = self.before = b""
        self.too_long = False
        self.start = self.offset = self._begin(start) if start else 0

    def _begin(self, start: int) -> int:
        """Stand at the first line that begins at ``start`` or later; return where that is."""
        place = max(0, start - BEFORE_BYTES)
        self._stream.seek(place)
        passed = start - 1 - place
        while chunk := self._stream.read(BLOCK_BYTES):
            end = chunk.find(b"\n", passed) + 1
            self.before = (self.before + chunk[: end or None])[-BEFORE_BYTES:]
            if end:
                self._rest = chunk[end:]
                return place + end
            place, passed = place + len(chunk), 0
        return place

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while self._stop is None or self.offset < self._stop:
            chunk = self._stream.read(BLOCK_BYTES)
            data = self._rest + chunk
            cut = self._cut(data)
            if cut:
                yield from self._passed(data, cut)
            elif chunk and len(data) < LONGEST_LINE:
                self._rest = data
            else:
                self.too_long = bool(chunk)
                return

    def _cut(self, data: bytes) -> int:
        """Return the length of the whole lines in ``data`` that begin in the part."""
        cut = data.rfind(b"\n") + 1
        if self._stop is None or self.offset + cut <= self._stop:
            return cut
        return data.find(b"\n", self._stop - self.offset - 1) + 1

    def _passed(self, data: bytes, cut: int) -> Iterator[tuple[int, bytes]]:
        at, lines = self.offset, data[:cut]
        self.offset, self._rest = at + cut, data[cut:]
        self.before = (self.before + lines[-BEFORE_BYTES:])[-BEFORE_BYTES:]
        if self.start == 0 and len(self.head) < HEAD_BYTES:
            self.head = (self.head + lines[:HEAD_BYTES])[:HEAD_BYTES]
        yield at, lines


def _write(path: Path, read: StoredPart) -> None:
    sealed = zlib.compress(orjson.dumps(_as_json(read)), 1)  # with a checksum of its own
    replace_file(path, sealed, durable=False)


def _as_json(read: StoredPart) -> dict[str, Any]:
    found, known = read.found, read.known
    texts = [b64encode(data).decode("ascii") for data in (known.head, known.before)]
    return {
        "start": read.start,
        "known": [known.end, *texts, known.last],
        "found": None if found is None else [found.lines, *_found_json(found)],
    }


def _found_json(found: SpanResult) -> list[Any]:
    part = found.partial
    rejected = [[line.offset, line.reason] for line in found.rejected]
    if part is None:
        return [rejected, None]
    bars = [[str(int(value)) for value in bar[:-1]] for bar in part.bars]
    rest = [getattr(part, name) for name in _FACTS]
    return [rejected, [bars, [list(astuple(gap)) for gap in part.id_gaps], rest]]


def _read(path: Path) -> StoredPart | None:
    """Return a stored part; None if it is absent or damaged."""
    try:
        facts = orjson.loads(zlib.decompress(path.read_bytes()))
        end, head, before, last = facts["known"]
        known = ScannedSpan(end, b64decode(head), b64decode(before), last)
        return StoredPart(facts["start"], known, _found(facts["found"]))
    except (OSError, zlib.error, ValueError, TypeError, KeyError):
        return None


def _found(facts: list[Any] | None) -> SpanResult | None:
    if facts is None:
        return None
    lines, rejected, part = facts
    bad = [Rejected(*line) for line in rejected]
    if part is None:
        return SpanResult(None, lines, bad)
    bars = [_bar([int(text) for text in texts]) for texts in part[0]]
    return SpanResult(PartialBars(bars, [IdGap(*gap) for gap in part[1]], *part[2]), lines, bad)


def _bar(values: list[Any]) -> MinuteBar:
    return MinuteBar(*values)


def names_in(store: Path) -> set[str]:
    """Return the names of the parts in a store."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return {path.name for path in store.iterdir() if _NAME.fullmatch(path.name)}
    return set()


class PartialStore:
    """The parts of an instrument, for a calculator: in their order, one at a time."""

    def __init__(self, place: Path, units: Iterable[tuple[str, str]]) -> None:
        """``units`` are (key of the file, name), in order."""
        self._place = place
        self._waiting: dict[str, deque[str]] = {}
        for key, name in units:
            self._waiting.setdefault(key, deque()).append(name)
        self._next: dict[str, StoredPart] = {}
        self._found: deque[SpanResult | None] = deque()

    def known(self, key: str, offset: int) -> ScannedSpan | None:
        """Return the part of a file that begins at an offset; ``ahead`` yields it next."""
        waiting = self._waiting.get(key, deque())
        read = self._next.pop(key, None)
        while waiting and (read is None or read.start < offset or read.known.end == read.start):
            read = _read(self._place / waiting.popleft())
        if read is None or read.start < offset or read.known.end == read.start:
            return None
        if read.start > offset:
            self._next[key] = read
            return None
        self._found.append(read.found)
        return read.known

    def ahead(self, pieces: Iterator[Chunk]) -> Iterator[tuple[Chunk, SpanResult | None]]:
        """Yield the pieces, each with the stored result of its lines, if there is one."""
        for piece in pieces:
            yield piece, self._found.popleft() if self._found else None
