"""One UTC day of trades out of archive files, as raw lines of SPEC section 3.

Two labels hold a UTC day, since files are cut at 16:00 UTC, or the file of a month holds it. Ids
rise strictly through the files, or the day is refused. A row belongs to the day of the largest time
so far, as a recorded trade does. Ids that recorded records cover are dropped; only then are fills
joined to records, so that each id stands once and no recorded line changes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ravequant import times
from ravequant.contract import Contract
from ravequant.exchanges.archive.container import drain, open_member, sha256_of
from ravequant.exchanges.okx.archive.csv_rows import check_archive_name
from ravequant.exchanges.okx.archive.fill_order import NO_ID, FillOrder, OrderedFills
from ravequant.exchanges.okx.archive.minutes import MinuteOfFills, MinuteSums
from ravequant.exchanges.okx.archive.trade_rows import RowReader
from ravequant.swar_digits import Places
from ravequant.trades.joining import SourcedColumns, joined, together
from ravequant.trades.line_writer import LineWriter
from ravequant.vault.imports.id_spans import IdSpan
from ravequant.vault.paths import StrPath


class TradeBlock(NamedTuple):
    """Whole raw lines, ids ascending, with no covered id between their first and last id."""

    lines: bytes
    first_id: int
    last_id: int
    records: int


class FileFacts(NamedTuple):
    """A file that was read to its end."""

    name: str
    bytes: int
    sha256: str
    header: str  # its header line; empty if it has none


@dataclass(frozen=True, slots=True)
class TradeDayFacts:
    """A day that was read to its end; ``rows`` counts each id of the day once, covered or not."""

    files: tuple[FileFacts, ...]
    rows: int
    records: int  # lines that came out
    first_id: int | None  # of the day's rows, None if it has none
    last_id: int | None
    id_before: int | None  # of the row before the day's first, None if the files begin in the day
    id_after: int | None  # of the row after the day's last, None if the files end in the day
    doubles: int  # rows of the day that came twice
    dropped_covered: int  # rows whose ids recorded records cover
    jumps: tuple[IdSpan, ...]  # ids missing before a row of the day
    minutes: dict[int, MinuteOfFills]  # by UTC minute, of all rows of the day


class TradeDay:
    """Reads one UTC day of one instrument; ``facts`` once ``blocks`` has ended.

    ``paths`` are the files of the day's labels, the earlier first, or the file of a month.
    ``covered`` are the ids of recorded records: ascending spans that do not meet. The lines carry
    ``contract``. Nothing of the day counts before ``blocks`` has ended without an error.
    Raises ArchiveError for a file of another stream or instrument.
    """

    def __init__(
        self,
        paths: Sequence[StrPath],
        inst_id: str,
        day: str,
        contract: Contract,
        covered: Iterable[IdSpan] = (),
    ) -> None:
        self._paths = [Path(path) for path in paths]
        for path in self._paths:
            check_archive_name(path, "trades", inst_id)
        self._inst_id, self._contract = inst_id, contract
        self._start = times.day_start_ms(day)
        self._covered = _Covered(covered)
        self._facts: TradeDayFacts | None = None

    @property
    def facts(self) -> TradeDayFacts:
        """The facts of the day. Raises ValueError before ``blocks`` has ended."""
        if self._facts is None:
            raise ValueError("the day has not been read: exhaust blocks() first")
        return self._facts

    def blocks(self) -> Iterator[TradeBlock]:
        """Yield the day's records as lines, in order of id. Raises as ``columns`` does."""
        writer = LineWriter(self._inst_id, self._contract)
        for records in self.columns():
            first, last = int(records.first_id[0]), int(records.columns.trade_id[-1])
            yield TradeBlock(writer.lines(records), first, last, len(records))

    def columns(self) -> Iterator[SourcedColumns]:
        """Yield the day's records in order of id, in parts that no covered id divides.

        Raises ArchiveError for files of another form or order (file, line, value,
        expectation, remedy), and VaultError if the disk fails.
        """
        self._facts = None
        day = _Day(self._start, self._covered)
        files = []
        for path in self._paths:
            digest = sha256_of(path)
            with open_member(path, ".csv") as member:
                reader = RowReader(member, self._inst_id)
                for line, rows in reader.rows():
                    yield from day.add(path, line, rows)
                    if day.is_past:
                        drain(member)
                        break
            files.append(FileFacts(path.name, path.stat().st_size, digest, reader.header))
        yield from day.end()
        self._facts = day.facts(tuple(files), self._contract)


class _Covered:
    """The ids that recorded records cover."""

    def __init__(self, spans: Iterable[IdSpan]) -> None:
        edges = np.array(list(spans), dtype=np.int64).reshape(-1, 2)
        if (edges[1:, 0] <= edges[:-1, 1]).any() or (edges[:, 1] < edges[:, 0]).any():
            raise ValueError("spans of covered ids must ascend and not meet")
        apart = edges[1:, 0] != edges[:-1, 1] + 1
        self._first = edges[np.concatenate(([True], apart))[: len(edges)], 0]
        self._last = edges[np.concatenate((apart, [True]))[: len(edges)], 1]

    def number(self, ids: Places) -> Places:
        """Return how many spans begin at or before each id."""
        return np.searchsorted(self._first, ids, side="right")

    def outside(self, rows: SourcedColumns) -> SourcedColumns:
        """Return the rows whose ids no span covers."""
        if not len(self._first):
            return rows
        before = self.number(rows.columns.trade_id)
        last = np.concatenate(([np.int64(-1)], self._last))[before]
        return rows.select(rows.columns.trade_id > last)


class _Day:
    """The rows of a day that were read, and the record that may still grow."""

    def __init__(self, start: int, covered: _Covered) -> None:
        self._start, self._end = start, start + times.DAY_MS
        self._covered = covered
        self._order, self._minutes = FillOrder(), MinuteSums()
        self._newest = 0  # the largest time so far
        self._begun = False  # a row from before the day's end was read
        self.is_past = False  # so were many of later days: the rest is of no interest
        self._held: SourcedColumns | None = None
        self._rows = self._records = self._doubles = self._dropped = 0
        self._first = self._last = self._before = self._after = NO_ID
        self._jumps: list[IdSpan] = []

    def add(self, path: StrPath, line: int, rows: SourcedColumns) -> Iterator[SourcedColumns]:
        """Take in the next rows of a file, the first from ``line``; yield complete records."""
        was_over = self._newest >= self._end
        self._begun |= int(rows.columns.ts[0]) < self._end
        ordered = self._order.checked(path, line, rows)
        self.is_past = was_over and self._begun
        own = self._own(ordered)
        self._doubles += int(
            ((ordered.doubles >= self._start) & (ordered.doubles < self._end)).sum()
        )
        if not len(own.rows):
            return
        self._note(own)
        kept = self._covered.outside(own.rows)
        self._dropped += len(own.rows) - len(kept)
        if len(kept):
            records = joined(kept if self._held is None else together([self._held, kept]))
            self._held = records.select(slice(-1, None))
            yield from self._parts(records.select(slice(0, -1)))

    def end(self) -> Iterator[SourcedColumns]:
        """Yield the last record."""
        if self._held is not None:
            yield from self._parts(self._held)

    def facts(self, files: tuple[FileFacts, ...], contract: Contract) -> TradeDayFacts:
        """Return the facts of the day as far as it was read."""
        ids = (self._first, self._last, self._before, self._after)
        first, last, before, after = (None if an_id == NO_ID else an_id for an_id in ids)
        return TradeDayFacts(
            files=files,
            rows=self._rows,
            records=self._records,
            first_id=first,
            last_id=last,
            id_before=before,
            id_after=after,
            doubles=self._doubles,
            dropped_covered=self._dropped,
            jumps=tuple(self._jumps),
            minutes=self._minutes.minutes(contract),
        )

    def _own(self, ordered: OrderedFills) -> OrderedFills:
        """Return the rows that belong to the day."""
        ts = ordered.rows.columns.ts
        if not len(ts):
            return ordered
        if self._newest < self._end and self._start <= int(ts.min()) and int(ts.max()) < self._end:
            self._newest = max(self._newest, int(ts.max()))
            return ordered
        newest = np.maximum.accumulate(ts)
        np.maximum(newest, self._newest, out=newest)
        begin, end = np.searchsorted(newest, (self._start, self._end)).tolist()
        self._newest = int(newest[-1])
        if self._after == NO_ID and end < len(ts):
            self._after = int(ordered.rows.columns.trade_id[end])
        part = slice(begin, end)
        return OrderedFills(ordered.rows.select(part), ordered.before[part], ordered.doubles)

    def _note(self, own: OrderedFills) -> None:
        """Count rows of the day, list the jumps of their ids, add up their minutes."""
        ids = own.rows.columns.trade_id
        if self._first == NO_ID:
            self._first, self._before = int(ids[0]), int(own.before[0])
        self._last = int(ids[-1])
        self._rows += len(ids)
        jumps = ((ids > own.before + 1) & (own.before != NO_ID)).nonzero()[0]
        missing = zip((own.before[jumps] + 1).tolist(), (ids[jumps] - 1).tolist(), strict=True)
        self._jumps.extend(missing)
        self._minutes.add(own.rows.columns)

    def _parts(self, records: SourcedColumns) -> Iterator[SourcedColumns]:
        """Yield the records in as many parts as covered ids stand between them."""
        if not len(records):
            return
        self._records += len(records)
        number = self._covered.number(records.columns.trade_id)
        cuts = (number[1:] != number[:-1]).nonzero()[0] + 1
        for begin, end in pairwise((0, *cuts.tolist(), len(records))):
            yield records.select(slice(begin, end))
