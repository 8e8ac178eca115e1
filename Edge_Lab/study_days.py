"""How far a study is, read from the vault: its judged days, its trades, its books on disk.

The notes of judged days and the provenance of imported ones say it; there is no other list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from Edge_Lab.study_plan import StudyDays, moved
from Edge_Lab.trial_files import read_note
from ravequant.errors import VaultError
from ravequant.vault.imports import provenance
from ravequant.vault.imports.book_hours import drop_hours, taken_hours
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault

HOURS: Final = 24


@dataclass(frozen=True, slots=True)
class StudyState:
    """A study's days in a vault, under the executions of the present settings."""

    vault: Vault
    days: StudyDays
    exec_ids: Sequence[str]
    books: bool

    def done(self, inst_id: str, day: str) -> bool:
        """Return True if a day is judged, with books if the study has them, to its last trial.

        The last trials of the last day may be open: the day after may not be published.
        """
        try:
            note = read_note(self.vault, inst_id, day)
        except VaultError:
            return False  # it is judged again
        if note is None or not all(name in note.trials for name in self.exec_ids):
            return False
        return note.books >= self.books and (not note.open or day == self.days.last)

    def left(self, inst_id: str) -> list[str]:
        """Return the days that are not done, ascending."""
        return [day for day in self.days.days if not self.done(inst_id, day)]

    def judged_without_books(self, inst_id: str, day: str) -> bool:
        """Return True for a day whose note knows no book."""
        try:
            note = read_note(self.vault, inst_id, day)
        except VaultError:
            return False
        return note is not None and not note.books

    def lacks_trades(self, inst_id: str) -> list[str]:
        """Return the days of trades that were not imported whole yet, ascending."""
        known = provenance.newest(self.vault, inst_id)
        return [
            day for day in self.days.trade_days if day not in known or known[day].proof == "partial"
        ]

    def lacks_books(self, inst_id: str) -> list[str]:
        """Return the days whose books the days left need and the vault does not hold."""
        left = self.left(inst_id)
        needed = sorted({*left, *(moved(day, 1) for day in left)})
        return [day for day in needed if not self.has_books(inst_id, day)]

    def has_books(self, inst_id: str, day: str) -> bool:
        """Return True if the books of a day are on disk, imported or recorded."""
        there = taken_hours(self.vault.snapshots(inst_id), day)
        known = self.imported(inst_id, day)
        return there.issuperset(known) if known else len(there) == HOURS

    def imported(self, inst_id: str, day: str) -> tuple[str, ...]:
        """Return the hours of a day that an import wrote, on disk or not."""
        known = provenance.newest(self.vault, inst_id, provenance.BOOKS).get(day)
        return () if known is None else known.hours

    def drop(self, inst_id: str, day: str, importer: str) -> int:
        """Delete the imported books of a day that is done; return the bytes that are free now.

        ``importer`` is the name of the lock. Days with open trials keep their books, as does the
        day before a day that waits for it.
        """
        note = read_note(self.vault, inst_id, day)
        if note is None or note.open or not self.imported(inst_id, day):
            return 0
        with writer_lock(self.vault, importer, inst_id):
            return drop_hours(self.vault, inst_id, day)
