"""Which recorded book stands for a column of the heat: raw snapshots, else lines of the buckets.

A column is a span of time. It shows the newest valid snapshot in it, and with that the newest deep
one at most ``deep_age_s`` old whose ``from_utc`` is earlier (SPEC section 10). Lines are parsed
only where one of them is shown.
"""

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from Dashboard import heat
from Dashboard.heat import HeatBook
from Dashboard.watch import FileMark, mark
from ravequant import catalog, times
from ravequant.books.levels import Levels
from ravequant.books.snapshot_reader import Deep, DeepReader, Head, SnapshotReader
from ravequant.catalog import DataSet
from ravequant.errors import VaultError
from ravequant.records import parse_iso_field
from ravequant.vault.line_file import (
    LineFile,
    is_there,
    line_time,
    lines_forward,
    newest_time_in,
    time_of_key,
)
from ravequant.vault.paths import Vault

Found = TypeVar("Found")
Files = Sequence[tuple[str, Path]]  # keys and files, oldest first
Parse = Callable[[bytes, "BookSpan"], Found | None]
_KEPT: Final = 2  # newest lines of a span that are kept while a file is read
_HEAD: Final = 1 << 9  # bytes of a line in which its times stand
_LATER: Final = 4  # lines in a row that are later than all spans end the reading of a packed file
_DISORDER: Final = times.MINUTE_MS  # lines are out of order by less
_NEAR: Final = 3 * times.MINUTE_MS
_NEAR_DEEP: Final = times.HOUR_MS // 2  # a search reads more than so many lines
_FIRST_LINES: Final = 64  # of a file, among which the first snapshot of a day stands
_FOR_EVER: Final = 1 << 62
_from_ms = time_of_key("from_utc")
_log = logging.getLogger("dashboard")


class BookSpan(NamedTuple):
    """A span of time in Unix ms, both ends included."""

    first: int
    last: int
    before: int = _FOR_EVER  # of a deep line: ``from_utc`` is earlier than this


class MovedError(VaultError):
    """A file was packed or deleted after the files were listed."""


class HeatBooks:
    """The books of one instrument, of the files that are there when each stream is first read.

    A damaged file is named in the log, and its books are not seen. Methods raise VaultError if the
    system refuses a folder, and MovedError if a file is not there any more: list them again.
    """

    def __init__(self, vault: Vault, inst_id: str, deep_age_ms: int) -> None:
        self._vault, self._inst_id = vault, inst_id
        self._deep_age_ms = deep_age_ms
        self._listed: dict[str, Files] = {}
        self._raw: set[str] = set()  # hours or days of snapshots
        self.damaged = False  # a file of those that were read

    def shown(self, spans: Sequence[BookSpan]) -> list[HeatBook | None]:
        """Return the snapshot that stands for each of the spans, which follow one another."""
        own = self._newest(catalog.BOOK, spans, self._snapshot)
        wanted = {
            number: BookSpan(found[0].ts - self._deep_age_ms, span.last, before=found[0].ts)
            for number, (found, span) in enumerate(zip(own, spans, strict=True))
            if found is not None and not found[0].gap_detected
        }
        deeps = self._newest(catalog.DEEP, list(wanted.values()), self._deep)
        deep_of = dict(zip(wanted, deeps, strict=True))
        return [
            None if found is None else HeatBook(*found, deep_of.get(number))
            for number, found in enumerate(own)
        ]

    def kept(self, moment: int) -> bool:
        """Return True if there is a file of snapshots for a time."""
        self._files(catalog.BOOK)
        return not self._raw.isdisjoint((times.hour(moment), times.day(moment)))

    def any(self, span: BookSpan) -> bool:
        """Return True if there is a file of snapshots or buckets for a time of the span."""
        return any(self._files(data, span) for data in (catalog.BOOK, catalog.BUCKETS))

    def marks(self, span: BookSpan) -> dict[Path, FileMark]:
        """Return the marks of the files of books and buckets for a time of the span."""
        every = (catalog.BOOK, catalog.DEEP, catalog.BUCKETS)
        paths = (path for data in every for _, path in self._files(data, span))
        found = ((path, mark(path)) for path in paths)
        return {path: seen for path, seen in found if seen != FileMark()}

    def bands(self, spans: Sequence[BookSpan]) -> list[Mapping[str, Any] | None]:
        """Return the newest line of the buckets in each of the spans, which follow one another."""
        return self._newest(catalog.BUCKETS, spans, _bucket_row)

    def first_mid(self, day: str) -> tuple[int, int] | None:
        """Return the time of the first snapshot of a UTC day, and twice its mid.

        In Unix ms and units of ``10**-PRICE_PLACES``; None without any. Where raw hours are gone
        the buckets may begin earlier.
        """
        start = times.day_start_ms(day)
        whole = BookSpan(start, start + times.DAY_MS - 1)
        firsts = (
            self._first(catalog.BOOK, whole, self._snapshot_mid),
            self._first(catalog.BUCKETS, whole, _bucket_mid),
        )
        return min((first for first in firsts if first is not None), default=None)

    def newest_ms(self) -> int:
        """Return a time up to which no other snapshot will be recorded; -1 without any."""
        for key, path in reversed(self._files(catalog.BOOK)):
            if path.suffix == ".gz":  # packed when its hour or day was over
                return times.file_start_ms(key) + length_of(key) - 1
            try:
                newest = newest_time_in(path, key)
            except VaultError as error:
                self._leave_out(path, error)
                continue
            if newest is not None:
                return newest
        return -1

    def _files(self, data: DataSet, span: BookSpan | None = None) -> Files:
        listed = self._listed.get(data.name)
        if listed is None:
            listed = list(data.files(self._vault, self._inst_id))
            self._listed[data.name] = listed
            if data is catalog.BOOK:
                self._raw = {key for key, _ in listed}
        if span is None:
            return listed
        days = times.day(max(0, span.first)), times.day(span.last)
        return [one for one in listed if days[0] <= one[0][:10] <= days[1] and within(one[0], span)]

    def _leave_out(self, path: Path, error: VaultError) -> None:
        """Name a damaged file in the log. Raises MovedError for one that is gone."""
        if not is_there(path):
            raise MovedError(f"{path} was packed or deleted while it was read; ask again")
        self.damaged = True
        _log.warning("the heat goes without a file of books: %s", error)

    def _newest(
        self, data: DataSet, spans: Sequence[BookSpan], parse: "Parse[Found]"
    ) -> list[Found | None]:
        """Return the result of the newest valid line in each span, None without any.

        Spans are in the order of time, and may overlap.
        """
        found: list[Found | None] = [None] * len(spans)
        if not spans:
            return found
        whole = BookSpan(spans[0].first, max(span.last for span in spans))
        for key, path in reversed(self._files(data, whole)):
            numbers = [n for n, span in enumerate(spans) if found[n] is None and within(key, span)]
            if not numbers:
                continue
            try:
                some = _newest_in(path, [spans[number] for number in numbers], parse, _KEPT)
            except VaultError as error:
                self._leave_out(path, error)
                continue
            for number, one in zip(numbers, some, strict=True):
                found[number] = one
        return found

    def _first(
        self, data: DataSet, span: BookSpan, parse: "Parse[tuple[int, int]]"
    ) -> tuple[int, int] | None:
        """Return the time and mid of the first valid line of a day."""
        for _, path in self._files(data, span):
            try:
                lines = islice(lines_forward(path), _FIRST_LINES)
                known = (parse(line, span) for line in lines)
                found = next((one for one in known if one is not None), None)
            except VaultError as error:
                self._leave_out(path, error)
                continue
            if found is not None:
                return found
        return None

    def _snapshot(self, line: bytes, span: BookSpan) -> tuple[Head, Levels] | None:
        reader = SnapshotReader(self._inst_id, _Lines([]), _ignore, self._vault.exchange)
        found = reader.read(line.rstrip(b"\n") + b"\n")
        if not found or not span.first <= found[0].heads[0].ts <= span.last:
            return None
        return found[0].heads[0], found[0].levels

    def _deep(self, line: bytes, span: BookSpan) -> Levels | None:
        reader = DeepReader(
            self._inst_id, _Lines([line.rstrip(b"\n") + b"\n"]), self._vault.exchange
        )
        found: Deep | None = reader.at(_FOR_EVER)
        if found is None or found.from_ms >= span.before:
            return None
        return found.levels if span.first <= found.ts <= span.last else None

    def _snapshot_mid(self, line: bytes, span: BookSpan) -> tuple[int, int] | None:
        found = self._snapshot(line, span)
        return None if found is None else (found[0].ts, found[0].twice_mid)


def _ignore(_offset: int, _reason: str) -> None:
    """Do nothing with a line that is no snapshot: the bucketizer names it."""


def _bucket_row(line: bytes, span: BookSpan) -> Mapping[str, Any] | None:
    """Return a line of the buckets in the span, None for any other line."""
    try:
        row: Mapping[str, Any] = orjson.loads(line)
        ts = parse_iso_field(row["timestamp_utc"], "timestamp_utc")
        heat.bands_column(row, heat.step_of(heat.twice_mid_of(row)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return row if span.first <= ts <= span.last else None


def _bucket_mid(line: bytes, span: BookSpan) -> tuple[int, int] | None:
    row = _bucket_row(line, span)
    if row is None:
        return None
    return parse_iso_field(row["timestamp_utc"], "timestamp_utc"), heat.twice_mid_of(row)


class _Lines:
    """A queue of deep lines (``DeepLines``)."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines

    def peek(self) -> bytes | None:
        return self._lines[0] if self._lines else None

    def take(self) -> None:
        if self._lines:
            self._lines.pop(0)

    def skip(self, _reason: str | None) -> None:
        self.take()


# --- the newest line of each span ----------------------------------------------------------------


def length_of(key: str) -> int:
    """Return the length in ms of the day or hour of a file's key."""
    return times.HOUR_MS if len(key) > len("2025-12-14") else times.DAY_MS


def within(key: str, span: BookSpan) -> bool:
    """Return True if the day or hour of a file's key and a span have a time in common."""
    start = times.file_start_ms(key)
    return span.first < start + length_of(key) and start <= span.last


def _newest_in(
    path: Path, spans: Sequence[BookSpan], parse: "Parse[Found]", most: int | None
) -> list[Found | None]:
    """Return the result of the newest valid line of one file in each span. Raises VaultError.

    Of each span so many of its newest lines are kept until the file is some way past it; if all of
    them are of no use the span is read again with all its lines.
    """
    found: list[Found | None] = []
    kept: list[list[tuple[int, bytes]]] = [[] for _ in spans]
    end = max(span.last for span in spans)

    def pass_over(span: BookSpan) -> None:
        lines, kept[len(found)] = kept[len(found)], []
        known = (parse(line, span) for _, line in lines)
        one = next((one for one in known if one is not None), None)
        if one is None and most is not None and len(lines) == most:
            (one,) = _newest_in(path, [span], parse, None)
        found.append(one)

    for moment, line in _timed(path, spans):
        while len(found) < len(spans) and spans[len(found)].last < moment - _DISORDER <= end:
            pass_over(spans[len(found)])
        for number in _numbers(spans, moment):
            since = _from_ms(line[:_HEAD]) if spans[number].before < _FOR_EVER else None
            if number >= len(found) and (since is None or since < spans[number].before):
                _keep(kept[number], moment, line, most)
    for span in spans[len(found) :]:
        pass_over(span)
    return found


def _keep(kept: list[tuple[int, bytes]], moment: int, line: bytes, most: int | None) -> None:
    """Put a line among those kept, the newest first, of one time the first in the file."""
    if len(kept) == most and moment <= kept[-1][0]:
        return
    place = len(kept)
    while place and kept[place - 1][0] < moment:
        place -= 1
    kept.insert(place, (moment, line))
    if most is not None:
        del kept[most:]


def _numbers(spans: Sequence[BookSpan], moment: int) -> Iterator[int]:
    """Yield the numbers of the spans that hold a moment."""
    number = bisect_right(spans, moment, key=lambda span: span.first) - 1
    while number >= 0 and spans[number].last >= moment:
        yield number
        number -= 1


def _timed(path: Path, spans: Sequence[BookSpan]) -> Iterator[tuple[int, bytes]]:
    """Yield the times and lines of a file that may be in the spans. Raises VaultError."""
    if path.suffix == ".gz":  # cannot be bisected: read as a stream, which is never whole in memory
        last, later = max(span.last for span in spans), 0
        for line in lines_forward(path):
            moment = line_time(line)
            if moment is not None:
                later = later + 1 if moment > last else 0
                if later == _LATER:
                    return
                yield moment, line
        return
    with LineFile(path) as file:
        for first, last in _runs(spans):
            for line in file.between(first - 1, last):
                moment = line_time(line)
                if moment is not None:
                    yield moment, line


def _runs(spans: Sequence[BookSpan]) -> list[tuple[int, int]]:
    """Return stretches of time that hold all spans; near ones are read without a search."""
    near = _NEAR_DEEP if spans[0].before < _FOR_EVER else _NEAR
    found: list[tuple[int, int]] = []
    for span in spans:
        if found and span.first - found[-1][1] <= near:
            found[-1] = found[-1][0], max(found[-1][1], span.last)
        else:
            found.append((span.first, span.last))
    return found
