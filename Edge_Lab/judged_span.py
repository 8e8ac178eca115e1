"""The judged days of some instruments: which there are, of which inputs, and their digests."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from Edge_Lab.digest_files import TrialsName, day_digest
from Edge_Lab.executions import Execution
from Edge_Lab.families import FAMILIES, FILTERS, name_of
from Edge_Lab.trial_digest import TrialDigest
from Edge_Lab.trial_files import DayNote, judged_days, read_note, refusal
from Edge_Lab.trial_ledger import setting_id
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault

Digests = dict[str, list[TrialDigest]]  # of the instruments, by UTC day, ascending
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JudgedSpan:
    """The judged days of instruments, in a range of UTC days."""

    vault: Vault
    instruments: tuple[str, ...]  # ascending
    notes: Mapping[tuple[str, str], DayNote]  # by day and instrument, ascending

    @property
    def days(self) -> list[str]:
        """The UTC days on which any of the instruments was judged, ascending."""
        return list(dict.fromkeys(day for day, _ in self.notes))

    @property
    def data_id(self) -> str:
        """The name of all inputs of all days."""
        return setting_id(
            {f"{inst_id}/{day}": note.data_id for (day, inst_id), note in self.notes.items()}
        )

    @property
    def books(self) -> bool:
        """True if books were recorded on any of the days."""
        return any(note.books for note in self.notes.values())

    @property
    def stale(self) -> int:
        """The days whose trades were repaired after they had been judged."""
        return len({day for (day, _), note in self.notes.items() if note.stale_trades})

    def judged_by(self, execution: Execution) -> "JudgedSpan":
        """Return the span of the days with trials of an execution; those left out are logged."""
        lacking = [key for key, note in self.notes.items() if execution.exec_id not in note.trials]
        if lacking:
            day, inst_id = lacking[0]
            _log.warning(
                "%d of %d days are left out; %s",
                len(lacking),
                len(self.notes),
                refusal(inst_id, execution.exec_id, day),
            )
        kept = {key: note for key, note in self.notes.items() if key not in lacking}
        return JudgedSpan(self.vault, self.instruments, kept)

    def digests(self, execution: Execution) -> Digests:
        """Return the digests of the days. VaultError for damaged trials."""
        groups = (*FAMILIES, *map(name_of, FILTERS)) if execution.default else tuple(FAMILIES)
        made: Digests = {day: [] for day in self.days}
        for (day, inst_id), note in self.notes.items():
            name = TrialsName(inst_id, execution.exec_id, day)
            entry = note.trials[execution.exec_id]
            made[day].append(day_digest(self.vault, name, entry, groups))
        return made


@contextmanager
def evaluating(span: JudgedSpan) -> Iterator[None]:
    """Let no other program evaluate these instruments meanwhile. LockedError names it."""
    with ExitStack() as held:
        for inst_id in sorted({inst_id for _, inst_id in span.notes}):
            held.enter_context(writer_lock(span.vault, "evaluations", inst_id))
        yield


def judged_span(
    vault: Vault, instruments: Sequence[str], first: str | None = None, last: str | None = None
) -> JudgedSpan:
    """Return the judged days of instruments, from ``first`` to ``last`` with both."""
    names = tuple(sorted(instruments))
    days = sorted(
        (day, inst_id)
        for inst_id in names
        for day in judged_days(vault, inst_id)
        if (first or day) <= day <= (last or day)
    )
    notes = {(day, inst_id): read_note(vault, inst_id, day) for day, inst_id in days}
    return JudgedSpan(vault, names, {key: note for key, note in notes.items() if note is not None})
