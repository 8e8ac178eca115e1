"""The heat as the page asks for it: columns from memory or from the books, and their JSON.

A column of a minute is kept once a later snapshot is on disk, since books are only appended: 200
bytes and its place. One that stands for books that are gone is kept as long as these are gone. A
wider column is the newest minute in it that has a snapshot, so nothing else is kept for it.
"""

from base64 import b64encode
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from Dashboard import heat
from Dashboard.heat import HeatBook, HeatColumn
from Dashboard.heat_books import BookSpan, HeatBooks, MovedError
from Dashboard.watch import FileMark
from ravequant import exact, times
from ravequant.contract import worth_of
from ravequant.errors import UsageError
from ravequant.settings import Settings
from ravequant.signals.recorded import check_recorded
from ravequant.vault.instruments import InstrumentHistory
from ravequant.vault.paths import Vault

MOST_COLUMNS: Final = 1_440
WIDTHS: Final = (1, 2, 5, 15, 30, 60, 240)  # minutes of a column
LEAST_USD: Final = 128_000  # nothing is drawn below it
AT_ONCE: Final = 30  # minutes that are read in one pass through a file
_KEPT: Final = 20_000  # minutes of all instruments
_TRIES: Final = 3  # at files that are packed or deleted meanwhile


class Asked(NamedTuple):
    """Columns of an instrument: Unix minutes ``first`` to ``last``, books up to ``until_ms``."""

    inst_id: str
    first: int
    last: int
    every: int
    until_ms: int

    def starts(self) -> range:
        """Return the first minute of each column. Raises UsageError for too many."""
        if self.every not in WIDTHS:
            widths = ", ".join(map(str, WIDTHS))
            raise UsageError(f"columns of {self.every} minutes: expected one of {widths}")
        begin, end = (minute // self.every * self.every for minute in (self.first, self.last))
        starts = range(begin, end + 1, self.every)
        if not 0 < len(starts) <= MOST_COLUMNS:
            raise UsageError(
                f"{len(starts)} columns from minute {self.first} to {self.last}: expected 1 to "
                f"{MOST_COLUMNS:,}; ask for wider ones or for less time"
            )
        return starts


class _Kept(NamedTuple):
    """A column in memory."""

    column: HeatColumn
    raw: bool  # its hour had a file of snapshots


class HeatColumns:
    """The heat of the instruments of a vault. May be used by several threads.

    All functions raise UsageError for an illegal instrument, NoDataError for one without metadata
    or that the vault does not hold, and VaultError if the system refuses a file or folder.
    """

    def __init__(self, vault: Vault, settings: Settings) -> None:
        self._vault, self._settings = vault, settings
        self._lock = Lock()
        self._kept = OrderedDict[tuple[str, int, int], _Kept]()  # by name, minute and step
        self._filled: dict[str, int] = {}  # by name: the newest minute that was kept ahead
        self._first_mids: dict[tuple[str, str], tuple[int, int]] = {}  # by name and day
        self._marks: dict[str, dict[Path, FileMark]] = {}  # of the files that were read, by name

    def answer(self, asked: Asked) -> dict[str, Any]:
        """Return the columns, oldest first, ready for JSON.

        Of books later than ``until_ms`` nothing is read. ``step`` is that of the newest day with
        a book, None without any.
        """
        starts = asked.starts()
        for tried in range(1, _TRIES + 1):
            try:
                step, columns = self._answer(asked, starts)
                break
            except MovedError:
                if tried == _TRIES:
                    raise
        return {
            "first": starts[0],
            "every": asked.every,
            "step": None if step is None else exact.text(step, exact.PRICE_PLACES),
            "rows": heat.ROWS,
            "base": [column.base for column in columns],
            "cells": _base64(column.cells for column in columns),
            "peaks": _base64(column.peaks for column in columns),
            "source": [heat.shown_source(column) for column in columns],
            "least": LEAST_USD,
            "full": self._full(asked.inst_id),
        }

    def newest_minute(self, inst_id: str) -> int:
        """Return the Unix minute of the newest snapshot, the last of a packed hour; -1 without."""
        return HeatBooks(self._vault, inst_id, 0).newest_ms() // times.MINUTE_MS

    def fill(self, inst_id: str, minutes: int) -> Iterator[None]:
        """Keep the columns of the newest minutes, newest first; yields after each pass.

        Minutes that an earlier call has kept are passed over.
        """
        newest = HeatBooks(self._vault, inst_id, 0).newest_ms()
        if newest < 0:
            return
        last = newest // times.MINUTE_MS - 1  # the newest minute is not over
        oldest = max(last - minutes, self._filled.get(inst_id, -1)) + 1
        whole = True
        for end in range(last, oldest - 1, -AT_ONCE):
            asked = Asked(inst_id, max(end - AT_ONCE + 1, oldest), end, 1, newest)
            try:
                self._answer(asked, asked.starts())
            except MovedError:  # the next call finds it
                whole = False
            yield
        if whole:
            self._filled[inst_id] = last

    def forget(self, inst_id: str) -> None:
        """Forget the columns of an instrument, whose files were replaced."""
        self._filled.pop(inst_id, None)
        self._marks.pop(inst_id, None)
        with self._lock:
            for kept in (self._kept, self._first_mids):
                for key in [key for key in kept if key[0] == inst_id]:
                    del kept[key]  # type: ignore[arg-type]

    def _notice(self, inst_id: str, marks: Mapping[Path, FileMark]) -> None:
        """Forget the columns of an instrument if one of these files was replaced.

        A file that is not there any more was packed, with the same lines, or deleted.
        """
        known = self._marks.get(inst_id, {})
        if not all(known[path].went_on(mark) for path, mark in marks.items() if path in known):
            self.forget(inst_id)
        self._marks[inst_id] = {**self._marks.get(inst_id, {}), **marks}

    def _full(self, inst_id: str) -> float:
        """Return the amount (USD) of full brightness: twice the wall size of the asset."""
        return 2 * self._settings.buckets.wall_notional.of(inst_id) / exact.NOTIONAL_ONE

    def _answer(self, asked: Asked, starts: range) -> tuple[int | None, list[HeatColumn]]:
        books = HeatBooks(
            self._vault, asked.inst_id, self._settings.buckets.deep_age_s * times.SECOND_MS
        )
        whole = BookSpan(_ms(starts[0]), _ms(starts[-1] + asked.every) - 1)
        self._notice(asked.inst_id, books.marks(whole))  # before any book is read
        final = books.newest_ms()
        step = self._step(books, asked, starts)
        if step is None:
            check_recorded(self._vault, asked.inst_id)
            return None, [heat.EMPTY] * len(starts)
        reading = _HeatReading(asked.inst_id, asked.until_ms, step, final, books)
        found = dict.fromkeys(starts, heat.EMPTY)
        looked_at = {
            start: start + asked.every - 1
            for start in starts
            if books.any(BookSpan(_ms(start), min(_ms(start + asked.every) - 1, asked.until_ms)))
        }
        while looked_at:
            minutes = self._minutes(reading, sorted(looked_at.values()))
            found |= {start: minutes[minute] for start, minute in looked_at.items()}
            looked_at = {
                start: minute - 1
                for start, minute in looked_at.items()
                if minute > start and found[start].source == heat.NONE
            }
        return step, list(found.values())

    def _step(self, books: HeatBooks, asked: Asked, starts: range) -> int | None:
        """Return the step of the newest day of the columns that has a book."""
        last = min(_ms(starts[-1] + asked.every) - 1, asked.until_ms)
        for day_ms in range(
            last - last % times.DAY_MS, _ms(starts[0]) - times.DAY_MS, -times.DAY_MS
        ):
            key = asked.inst_id, times.day(day_ms)
            first = self._first_mids.get(key) or books.first_mid(key[1])
            if first is None:
                continue
            if not books.damaged:
                self._first_mids[key] = first
            moment, twice_mid = first
            if moment <= asked.until_ms:
                return heat.step_of(twice_mid)
        return None

    def _minutes(self, reading: "_HeatReading", minutes: Sequence[int]) -> Mapping[int, HeatColumn]:
        """Return the columns of rising minutes."""
        found: dict[int, HeatColumn] = {}
        with self._lock:
            for minute in minutes:
                kept = self._kept.get((reading.inst_id, minute, reading.step))
                if kept is not None and reading.stands(kept, minute):
                    found[minute] = kept.column
        missing = [minute for minute in minutes if minute not in found]
        for first in range(0, len(missing), AT_ONCE):
            found |= self._read(reading, missing[first : first + AT_ONCE])
        return found

    def _read(self, reading: "_HeatReading", minutes: Sequence[int]) -> Mapping[int, HeatColumn]:
        """Return the columns of rising minutes from the books, and keep those that are final."""
        books, spans = reading.books, [reading.span(minute) for minute in minutes]
        shown = books.shown(spans)
        gone = [
            n for n, span in enumerate(spans) if shown[n] is None and not books.kept(span.first)
        ]
        rows = dict(zip(gone, books.bands([spans[n] for n in gone]), strict=True))
        terms = InstrumentHistory(self._vault, reading.inst_id)
        found: dict[int, HeatColumn] = {}
        for number, minute in enumerate(minutes):
            one, row = shown[number], rows.get(number)
            column = heat.EMPTY
            if one is not None:
                column = self._column(one, terms, reading.step)
            elif row is not None:
                column = heat.bands_column(row, reading.step)
            found[minute] = column
            if reading.is_final(column, minute):
                key = reading.inst_id, minute, reading.step
                self._keep(key, _Kept(column, raw=number not in rows))
        return found

    def _column(self, shown: HeatBook, terms: InstrumentHistory, step: int) -> HeatColumn:
        worth = worth_of(terms.at(shown.head.ts).contract)
        levels = self._settings.l2.depth_levels
        return heat.column_of(shown, worth, step, levels)

    def _keep(self, key: tuple[str, int, int], kept: _Kept) -> None:
        with self._lock:
            self._kept[key] = kept
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


class _HeatReading(NamedTuple):
    """One reading of the books of an instrument."""

    inst_id: str
    until_ms: int
    step: int
    final_ms: int  # no other snapshot will be recorded up to this time
    books: HeatBooks

    def span(self, minute: int) -> BookSpan:
        """Return the time of a minute, as far as it is asked for."""
        return BookSpan(_ms(minute), min(_ms(minute + 1) - 1, self.until_ms))

    def stands(self, kept: _Kept, minute: int) -> bool:
        """Return True if a column that is kept holds for this reading."""
        if _ms(minute + 1) > self.until_ms + 1:
            return False  # it may show a later book
        seen = kept.column.source not in (heat.NONE, heat.BANDS)
        return seen or kept.raw == self.books.kept(_ms(minute))

    def is_final(self, column: HeatColumn, minute: int) -> bool:
        """Return True if a column of a minute cannot change any more."""
        end = _ms(minute + 1)
        if end > self.until_ms + 1 or self.books.damaged:
            return False
        return end <= self.final_ms or column.source == heat.BANDS


def _base64(columns: Iterable[bytes]) -> str:
    return b64encode(b"".join(columns)).decode("ascii")


def _ms(minute: int) -> int:
    return minute * times.MINUTE_MS
