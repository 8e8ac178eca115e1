"""Audits raw book hours: bad lines, order, the time that they cover."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import orjson

from ravequant import times
from ravequant.books.snapshot_json import mid_of
from ravequant.records import DEFAULT_EXCHANGE, RecordError, parse_iso_field
from ravequant.vault import tail
from scripts.audit.file_audit import FileAudit


@dataclass(slots=True)
class BookDayAudit:
    """The content of the files of one UTC day."""

    day: str
    hours: list[FileAudit] = field(default_factory=list)
    lines: int = 0
    rejected: int = 0
    disordered: int = 0  # lines whose time is not above that of the line before
    misfiled: int = 0  # lines of another hour or day
    breaks: int = 0  # stretches without a book
    expected_ms: int = (
        0  # of the day, less the time before the first and after the last line on file
    )
    covered_ms: int = 0


class BookAudit:
    """Audits the book files of one instrument, oldest first."""

    def __init__(
        self, inst_id: str, gap_ms: int, *, deep: bool = False, exchange: str = DEFAULT_EXCHANGE
    ) -> None:
        self._inst_id, self._gap_ms, self._deep = inst_id, gap_ms, deep
        self._exchange = exchange
        self._last: int | None = None
        self._broken = False  # between a line with gap_detected and the next line

    def pass_over(self, files: Sequence[tuple[str, Path]]) -> None:
        """Go on after the newest line of earlier files, without an audit of them."""
        self._last = tail.newest_time(lambda: iter(files))

    def days(
        self, files: Iterable[tuple[str, Path]], noted: dict[str, int], open_day: str
    ) -> Iterator[BookDayAudit]:
        """Yield each day; ``noted`` are lengths noted earlier, by key.

        ``open_day`` is the newest day on file: days before it are expected to their end.
        """
        listing = list(files)
        for name, items in groupby(listing, lambda item: item[0][:10]):
            yield from self._absent(name)
            self._to_midnight(name)
            day = BookDayAudit(name)
            for key, path in items:
                day.hours.append(self._hour(day, key, path, noted.get(key, 0)))
            if name < open_day:
                self._end(day)
            yield day

    def _absent(self, name: str) -> Iterator[BookDayAudit]:
        """Yield the days before ``name`` that have no file at all."""
        begin = times.day_start_ms(name)
        while self._last is not None:
            midnight = (self._last // times.DAY_MS + 1) * times.DAY_MS
            if midnight >= begin:
                return
            yield BookDayAudit(times.day(midnight), breaks=1, expected_ms=times.DAY_MS)
            self._last, self._broken = midnight, True

    def _to_midnight(self, name: str) -> None:
        """Skip the time missing before a day: it was counted for the day before."""
        begin = times.day_start_ms(name)
        if self._last is not None and begin - self._last > self._gap_ms:
            self._last, self._broken = begin, True

    def _end(self, day: BookDayAudit) -> None:
        """Count the time between the last line of a day and its end."""
        end = times.day_start_ms(day.day) + times.DAY_MS
        if self._last is None or self._last >= end:
            return
        span = end - max(self._last, end - times.DAY_MS)
        day.expected_ms += span
        if span <= self._gap_ms and not self._broken:
            day.covered_ms += span
        day.breaks += span > self._gap_ms and not self._broken

    def _hour(self, day: BookDayAudit, key: str, path: Path, noted: int) -> FileAudit:
        hour = FileAudit(key, path)
        for block in hour.blocks(noted):
            for line in block.split(b"\n")[:-1]:
                self._take(day, key, line)
        return hour

    def _take(self, day: BookDayAudit, key: str, line: bytes) -> None:
        day.lines += 1
        try:
            ts, broken = parse(line, self._inst_id, deep=self._deep, exchange=self._exchange)
        except (RecordError, KeyError, TypeError, IndexError):
            day.rejected += 1
            return
        day.misfiled += not times.iso(ts).replace("T", "/").startswith(key)
        if self._last is None:
            self._last, self._broken = ts, False
        elif ts <= self._last:
            day.disordered += 1
            return
        span = ts - self._last
        begin = max(self._last, times.day_start_ms(day.day))
        day.expected_ms += ts - begin
        if span <= self._gap_ms and not self._broken:
            day.covered_ms += ts - begin
        day.breaks += span > self._gap_ms and not self._broken
        day.breaks += broken
        self._last, self._broken = ts, broken


def parse(
    line: bytes, inst_id: str, *, deep: bool, exchange: str = DEFAULT_EXCHANGE
) -> tuple[int, bool]:
    """Return the time of a snapshot in Unix ms, and whether a break follows it.

    Raises RecordError, KeyError, TypeError or IndexError for a bad line.
    """
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RecordError(f"not JSON: {error}") from None
    wanted = {"exchange": exchange, "market": "perp", "instId": inst_id}
    wanted["channel"] = "books-full" if deep else "books"
    if any(row[name] != value for name, value in wanted.items()):
        raise RecordError("another stream's line")
    ts = parse_iso_field(row["timestamp_utc"], "timestamp_utc")
    if deep:
        sides, broken = (row["bids"], row["asks"]), False
    else:
        sides, broken = (row["bids_top400"], row["asks_top400"]), row["gap_detected"]
        mid_of(row["best_bid"], row["best_ask"], row["mid_price"])
        if [side[0][0] for side in sides] != [row["best_bid"], row["best_ask"]]:
            raise RecordError("best_bid or best_ask is not the first level")
    if not all(isinstance(side, list) and side for side in sides) or type(broken) is not bool:
        raise RecordError("a side without levels, or gap_detected is neither true nor false")
    return ts, broken
