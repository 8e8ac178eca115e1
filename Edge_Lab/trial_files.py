"""The trials of judged days on disk, and the note that makes them count.

The note is written last and names each file with its length and checksum: trials are there as a
whole, or the day is not judged. Before a file is replaced the old note goes.
"""

import zlib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from Edge_Lab.executions import Execution
from Edge_Lab.lab_paths import LAB_VERSION, LabPaths
from Edge_Lab.trial_ledger import canonical_json
from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.atomic import disk_error, fsync_folder, replace_file
from ravequant.vault.line_file import is_there
from ravequant.vault.paths import Vault

VERSION: Final = 1
_REMEDY: Final = "judge the day again: edge_lab.py judge --again"


class NeverJudgedError(VaultError):
    """An exec_id has no trials of a day, and the books that they would need are gone."""


class TrialsEntry(NamedTuple):
    """A file of trials as the note names it."""

    length: int
    crc32: int
    lines: int
    open: int  # trials whose horizon the trades do not reach yet


@dataclass(frozen=True, slots=True)
class DayNote:
    """The account of a judged UTC day: its inputs, and its files of trials."""

    data_id: str
    inputs: dict[str, list[int | None]]  # [crc32, length] of each, by its name from the root
    books: bool  # False: no raw book, the queue is unknown
    until_utc: str  # how far the trades reach
    trials: dict[str, TrialsEntry] = field(default_factory=dict)  # by exec_id
    no_plan: int = 0  # candidates without an entry and a stop
    stale_trades: bool = False  # the trades were repaired after the books were gone
    version: int = VERSION
    code: str = LAB_VERSION

    @property
    def open(self) -> int:
        """The trials of the day whose end is not known yet."""
        return max((entry.open for entry in self.trials.values()), default=0)


def read_note(vault: Vault, inst_id: str, day: str) -> DayNote | None:
    """Return the note of a day; None if it is not judged. VaultError if it is damaged."""
    path = LabPaths(vault).judged(inst_id, day)
    try:
        facts = orjson.loads(path.read_bytes())
        if facts["version"] != VERSION:
            return None
        entries = {name: TrialsEntry(**entry) for name, entry in facts.pop("trials").items()}
        return DayNote(trials=entries, **facts)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_error(path, "read", error) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise VaultError(f"{path}: is no note of a judged day: {error!r}; {_REMEDY}") from error


def has_its_books(vault: Vault, inst_id: str, note: DayNote, there: AbstractSet[str]) -> bool:
    """Return True if every file of books that the trials of a day know is there.

    ``there`` are the keys of the raw books, as ``book_files`` has them; a day that was judged
    without books lacks none.
    """
    folder = f"{vault.snapshots(inst_id).relative_to(vault.root).as_posix()}/"
    named = (name.removeprefix(folder) for name in note.inputs if name.startswith(folder))
    return all(name.removesuffix(".jsonl") in there for name in named)


def same_inputs(one: DayNote, other: DayNote, growing: str) -> bool:
    """Return True if two notes are of the same inputs.

    ``growing`` is the next day's file of trades, named only once it is finished: if one of them
    lacks it, it counts for neither.
    """
    if growing in one.inputs and growing in other.inputs:
        return one.inputs == other.inputs
    return one.inputs | {growing: []} == other.inputs | {growing: []}


def write_note(vault: Vault, inst_id: str, day: str, note: DayNote) -> None:
    """Write the note of a day, and sync it."""
    facts = asdict(note)
    facts["trials"] = {name: entry._asdict() for name, entry in note.trials.items()}
    data = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS) + b"\n"
    replace_file(LabPaths(vault).judged(inst_id, day), data)


def drop_note(vault: Vault, inst_id: str, day: str) -> None:
    """Take the note of a day away: its trials count no more. VaultError if the disk refuses."""
    path = LabPaths(vault).judged(inst_id, day)
    try:
        with suppress(FileNotFoundError):
            path.unlink()
            fsync_folder(path.parent)
    except OSError as error:
        raise disk_error(path, "deleted", error) from error


def write_day(
    vault: Vault,
    inst_id: str,
    day: str,
    note: DayNote,
    made: Sequence[tuple[Execution, Sequence[Mapping[str, Any]]]],
) -> None:
    """Write the lines of each execution, then the note with them.

    Entries that ``note`` holds already stay.
    """
    drop_note(vault, inst_id, day)
    entries = dict(note.trials)
    for execution, lines in made:
        data = b"".join(orjson.dumps(line) + b"\n" for line in lines)
        named = LabPaths(vault).execution(inst_id, execution.exec_id)
        if not is_there(named):
            replace_file(named, canonical_json(execution.settings).encode() + b"\n")
        replace_file(LabPaths(vault).trials(inst_id, execution.exec_id, day), data)
        unknown = sum(line["status"] == "open" for line in lines)
        entries[execution.exec_id] = TrialsEntry(len(data), zlib.crc32(data), len(lines), unknown)
    write_note(vault, inst_id, day, replace(note, trials=entries))


def judged_days(vault: Vault, inst_id: str) -> list[str]:
    """Return the UTC days that have a note, oldest first."""
    folder = LabPaths(vault).judged(inst_id, "1970-01-01").parent
    names = (path.stem for path in folder.glob("*.json")) if folder.is_dir() else ()
    return sorted(name for name in names if _is_day(name))


def read_trials(vault: Vault, inst_id: str, exec_id: str, day: str) -> list[dict[str, Any]] | None:
    """Return the trials of a day under an execution, in their order; None: not judged.

    Raises VaultError for a file that is not as the note has it.
    """
    note = read_note(vault, inst_id, day)
    entry = None if note is None else note.trials.get(exec_id)
    if entry is None:
        return None
    path = LabPaths(vault).trials(inst_id, exec_id, day)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise disk_error(path, "read", error) from error
    if (len(data), zlib.crc32(data)) != (entry.length, entry.crc32):
        raise _damaged(path, len(data), entry)
    return [orjson.loads(line) for line in data.splitlines()]


def needed_trials(vault: Vault, inst_id: str, exec_id: str, day: str) -> list[dict[str, Any]]:
    """Return the trials of a day. NeverJudgedError if the execution has none of it."""
    found = read_trials(vault, inst_id, exec_id, day)
    if found is None:
        raise NeverJudgedError(refusal(inst_id, exec_id, day))
    return found


def refusal(inst_id: str, exec_id: str, day: str) -> str:
    """Return the sentence about a day of which an execution has no trials."""
    return (
        f"{inst_id} {day}: exec_id {exec_id} was not judged while the day's books existed; take "
        "back the settings that were changed, or leave the day out"
    )


def _damaged(path: Path, length: int, entry: TrialsEntry) -> VaultError:
    return VaultError(
        f"{path}: has {length} bytes, the note of its day says {entry.length} with checksum "
        f"{entry.crc32:08x}; {_REMEDY}"
    )


def _is_day(name: str) -> bool:
    try:
        return times.parse_day(name) == name
    except ValueError:
        return False
