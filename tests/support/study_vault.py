"""A study without its programs: what they leave in a vault, written at once."""

import gzip
from collections.abc import Iterable, Sequence
from itertools import pairwise

from Edge_Lab.executions import executions
from Edge_Lab.study_days import StudyState
from Edge_Lab.study_plan import StudyDays
from Edge_Lab.study_steps import StudySteps
from Edge_Lab.trial_files import DayNote, read_note, write_day
from ravequant.settings import Settings
from ravequant.vault.imports import provenance
from ravequant.vault.imports.book_hours import taken_hours
from ravequant.vault.imports.provenance import ImportedDay
from ravequant.vault.paths import Vault
from tests.support.quick_disk import without_sync

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
WAYS = executions(Settings())


def state_of(vault: Vault, first: str, last: str, *, books: bool = True) -> StudyState:
    """Return a study's state under the default settings."""
    return StudyState(vault, StudyDays(first, last), [way.exec_id for way in WAYS], books)


def put_import(
    vault: Vault, inst_id: str, stream: str, day: str, hours: Sequence[str] = (), *, keep=False
) -> None:
    """Write the provenance of a day, and its book hours."""
    for hour in hours:
        path = vault.snapshots(inst_id) / day / f"{hour}.jsonl.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(f"{day} {hour}\n".encode()))
    entry = ImportedDay(
        1, stream, day, (), 1, 1, None, None, 0, (), "none", "", 1, "", hours=tuple(hours),
        keep=keep,
    )  # fmt: skip
    vault.imports(inst_id).parent.mkdir(parents=True, exist_ok=True)
    provenance.append(vault, inst_id, [entry])


def put_note(
    vault: Vault, inst_id: str, day: str, *, books: bool = True, unknown: int = 0, ways=WAYS
) -> None:
    """Judge a day: ``unknown`` of its trials are open."""
    lines = [{"event_id": str(number), "status": "open"} for number in range(unknown)]
    note = DayNote("0123456789ab", {}, books=books, until_utc=f"{day}T23:59:59.000Z")
    with without_sync():
        write_day(vault, inst_id, day, note, [(way, lines) for way in ways])


class MadeSteps(StudySteps):
    """Programs that do their work at once, but those of ``broken``; the words are kept."""

    def __init__(self, vault: Vault, broken: Iterable[tuple[str, str]] = ()) -> None:
        """Take (program, day) of work that ends with exit code 1."""
        super().__init__(vault)
        self.vault, self.broken = vault, set(broken)
        self.done: list[str] = []  # "import_books BTC 2025-12-14"
        self.most: dict[str, int] = {}  # days of books on disk at once

    def run(self, name: str, *words: str) -> int:
        """Do the work of a program."""
        named = dict(pairwise(words))
        day = named.get("--from", "")
        instruments = [words[at + 1] for at, word in enumerate(words) if word == "--instId"]
        marks = [word for word in ("--again", "--replace") if word in words]
        self.done.append(" ".join([name, *(inst_id[:3] for inst_id in instruments), day, *marks]))
        if (name, day) in self.broken:
            return 1
        for inst_id in instruments:
            self._work(name, inst_id, day)
        return 0

    def _work(self, name: str, inst_id: str, day: str) -> None:
        if name == "import_trades":
            put_import(self.vault, inst_id, provenance.TRADES, day)
        elif name == "import_books":
            put_import(self.vault, inst_id, provenance.BOOKS, day, ("00", "13"))
            count = sum(1 for _ in self.vault.snapshots(inst_id).iterdir())
            self.most[inst_id] = max(count, self.most.get(inst_id, 0))
        elif name == "edge_lab":
            books = bool(taken_hours(self.vault.snapshots(inst_id), day))
            put_note(self.vault, inst_id, day, books=books)


def judged(vault: Vault, inst_id: str, days: Iterable[str]) -> list[bool | None]:
    """Return whether each day was judged with books; None for one that was not judged."""
    notes = [read_note(vault, inst_id, day) for day in days]
    return [None if note is None else note.books for note in notes]
