"""Which recorded days are due to be judged, and why the others wait.

A day is due once its trades and books reach 03:00 of the next day, or its input is known to end;
again when more of the next day is there than its open trials had, and when its trades were
repaired. A judged day on which nothing is left is known by its note: none of its files is opened.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from Edge_Lab.executions import executions
from Edge_Lab.judge import needed_until
from Edge_Lab.trial_files import DayNote, has_its_books, read_note
from ravequant import catalog, times
from ravequant.errors import VaultError
from ravequant.settings import Settings
from ravequant.signals.as_of import committed
from ravequant.signals.seen import CLOSING_MS
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.imports import provenance
from ravequant.vault.line_file import newest_time_in
from ravequant.vault.paths import Vault, book_files, day_files
from ravequant.vault.raw_content import RawContent, RawContents

_MINUTES: Final = ("wicks", "volume", "cvd", "vwap")  # calculators that the candidates stand on
_log = logging.getLogger("edge_lab")


@dataclass(frozen=True, slots=True)
class DaysToJudge:
    """The days that a person asks for; all that are due without a first and a last one."""

    first: str = ""
    last: str = ""
    again: bool = False

    @property
    def named(self) -> bool:
        """True if the days are named: their input then ends where it ends."""
        return bool(self.first or self.last)

    def __contains__(self, day: str) -> bool:
        return self.first <= day and (not self.last or day <= self.last)


class DueDay(NamedTuple):
    """A day of an instrument, and the work on it."""

    inst_id: str
    day: str
    until_ms: int = 0  # how far its trades reach, at most as far as they must
    stale: DayNote | None = None  # a note to be marked: its trades were repaired, its books gone
    refused: str = ""  # exec_id that has no trials, nor books to make them of


class RecordedDays:
    """The recorded days of an instrument, and which of them are due."""

    def __init__(self, vault: Vault, inst_id: str, chosen: Settings) -> None:
        self._vault, self._inst_id, self._chosen = vault, inst_id, chosen
        self.trades = dict(day_files(vault.trades(inst_id)))
        books = list(book_files(vault.snapshots(inst_id)))
        self._book_keys = {key for key, _ in books}
        self._books = {key[:10]: (path, key) for key, path in books}
        self._buckets = {key for key, _ in catalog.BUCKETS.files(vault, inst_id)}
        self._reached: dict[str, int] = {}  # times of files that were read
        self._imported = provenance.newest(vault, inst_id).keys()
        self.waiting: dict[str, list[str]] = {}  # days that cannot be judged yet, by the reason
        self._committed = committed(vault, inst_id)
        self._exec_ids = [one.exec_id for one in executions(chosen)]

    @cached_property
    def _contents(self) -> RawContents:
        generation = read_generation(self._vault.generation(self._inst_id))
        return RawContents(self._vault, self._inst_id, generation)

    def due(self, asked: DaysToJudge) -> Iterator[DueDay]:
        """Yield the days that are due, oldest first. Raises VaultError."""
        for day in self.trades:
            if day in asked:
                found = self._due(day, asked)
                if found is not None:
                    yield found

    def _due(self, day: str, asked: DaysToJudge) -> DueDay | None:
        note = note_before(self._vault, self._inst_id, day)
        if note is None and self._gone(day):
            return DueDay(self._inst_id, day, refused=self._exec_ids[0])
        if note is not None and not self._unfinished(note, asked):
            return None  # known by its note alone: no file is opened
        if note is not None and not has_its_books(
            self._vault, self._inst_id, note, self._book_keys
        ):
            return self._left_as_it_is(day, note, asked)
        why_not = self._unready(day, asked)
        if why_not:
            self.waiting.setdefault(why_not, []).append(day)
            return None
        until = self._until(day)
        if note is not None and not self._unfinished(note, asked, until):
            return None
        return DueDay(self._inst_id, day, until)

    def _gone(self, day: str) -> bool:
        """Return True if a day's buckets were made of books that are no longer there."""
        return day not in self._books and day in self._buckets and self._follows(day, 0)

    def _unfinished(self, note: DayNote, asked: DaysToJudge, until: int | None = None) -> bool:
        """Return True if a judged day is to be judged again, with trades up to ``until``.

        Without ``until`` its open trials alone are enough.
        """
        further = note.open and (until is None or until > times.parse_iso(note.until_utc))
        return bool(asked.again or further or self._missing(note) or self._repaired(note))

    def _missing(self, note: DayNote) -> list[str]:
        return [name for name in self._exec_ids if name not in note.trials]

    def _until(self, day: str) -> int:
        """Return how far the trades of a day and the next one reach, at most as far as needed."""
        need = needed_until(day, self._chosen.edge.hold_max_min)
        return min(need, self._reach(day))

    def _unready(self, day: str, asked: DaysToJudge) -> str:
        """Return why a day cannot be judged yet; empty if it can."""
        end, named = times.day_start_ms(day) + times.DAY_MS, asked.named
        need = needed_until(day, self._chosen.edge.hold_max_min)
        if not self._follows(day, 0) and self._until(day) < end:
            return "the day is not over: wait for its last trade"
        if not named and not self._follows(day, 1) and self._until(day) < need:
            return "its last trials have not ended"
        if not named and day in self._imported and not self._books.keys() >= {day, day_after(day)}:
            return "it was imported, and its books and the next day's were not: name it with --from"
        if not named and not self._books_there(day, need):
            return "its books do not reach the end of its last trials"
        closed = self._until(day) - times.MINUTE_MS - CLOSING_MS
        late = [name for name in _MINUTES if self._committed.get(name, 0) < closed]
        if day in self._books and self._without_buckets(day, min(end, closed)):
            late.append("liquidity_buckets")
        return f"the calculators are behind: run {', '.join(late)} first" if late else ""

    def _without_buckets(self, day: str, end: int) -> bool:
        """Return True if the bucketizer has not come to the last books of a day before ``end``."""
        if day not in self._buckets:
            return True
        done = self._committed.get("buckets", 0)
        newest = newest_time_in(*self._books[day]) or 0
        return times.day_start_ms(day) <= done < min(newest, end)

    def _left_as_it_is(self, day: str, note: DayNote, asked: DaysToJudge) -> DueDay | None:
        """Return the work that a day allows without some of its books; None if it allows none.

        Judged again, it would have worse trials.
        """
        plain, missing = DueDay(self._inst_id, day), self._missing(note)
        if missing or asked.again:
            return plain._replace(refused=(missing or self._exec_ids)[0])
        marked = self._repaired(note) and not note.stale_trades
        return plain._replace(stale=note) if marked else None

    def _reach(self, day: str) -> int:
        """Return the newest time (Unix ms) of the trades of a day and the next one."""
        if day not in self._reached:
            names = (name for name in (day_after(day), day) if name in self.trades)
            found = (newest_time_in(self.trades[name], name) for name in names)
            self._reached[day] = next((moment for moment in found if moment is not None), 0)
        return self._reached[day]

    def _follows(self, day: str, days: int) -> bool:
        """Return True if trades of more than ``days`` days later follow: these are complete."""
        last = times.day(times.day_start_ms(day) + days * times.DAY_MS)
        return any(other > last for other in self.trades)

    def _books_there(self, day: str, need: int) -> bool:
        """Return True if the books reach as far as they must, or no more of them will come."""
        if day not in self._books or self._follows(day, 1):
            return True
        newest = newest_time_in(*self._books[max(self._books)])
        return newest is not None and newest >= need

    def _repaired(self, note: DayNote) -> bool:
        """Return True if a finished file of trades is not as the note has it."""
        folder = self._vault.trades(self._inst_id).relative_to(self._vault.root).as_posix()
        for name, (crc32, length) in note.inputs.items():
            place, _, file = name.rpartition("/")
            day = file.partition(".")[0]
            if place != folder or day not in self.trades or crc32 is None or length is None:
                continue
            if not self._contents.holds(day, self.trades[day], RawContent(length, crc32)):
                return True
        return False

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each reason why days wait."""
        for why_not, days in self.waiting.items():
            more = f"; {len(days) - 1} later days wait for the same" if len(days) > 1 else ""
            yield f"{self._inst_id} {days[0]}: {why_not}{more}"

    def save(self) -> None:
        """Note the contents that were read, for later runs."""
        self._contents.save()


def day_after(day: str) -> str:
    """Return the next UTC day."""
    return times.day(times.day_start_ms(day) + times.DAY_MS)


def note_before(vault: Vault, inst_id: str, day: str) -> DayNote | None:
    """Return the note of a day; a damaged one is none, and is logged: the day is judged again."""
    try:
        return read_note(vault, inst_id, day)
    except VaultError as error:
        _log.warning("%s", error)
        return None
