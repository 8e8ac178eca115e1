"""The hour files of an imported day of books: built next to their places, then renamed together.

Nothing of a day counts before its last byte was checked: its hours are written as
``{day}/.{HH}.jsonl.gz.part``. Then a note names all of them; from there on the day is as good as
done, and a run that finds the note carries it out: renames, the provenance line, the note's end.
A killed run leaves parts without a note, which go, or a note.
"""

import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault import commit
from ravequant.vault.atomic import (
    BINARY,
    disk_error,
    fsync_folder,
    make_folder,
    move_over,
    write_all,
)
from ravequant.vault.compress import delete
from ravequant.vault.imports import provenance
from ravequant.vault.imports.provenance import ImportedDay
from ravequant.vault.paths import StrPath, Vault, book_files

NOTE: Final = "import_books"  # the kind of the sealed note
LEVEL: Final = 4  # of gzip: a third of the time of the level of retention, a tenth more bytes
_GZIP: Final = 31  # with header and trailer, without name and time: equal bytes again
_AT_ONCE: Final = 1 << 20  # bytes of lines that are packed at once
_REMEDY: Final = "delete that note and import the day again with --replace"


@dataclass(frozen=True, slots=True)
class BuiltHours:
    """The hours of a day as they stand in their parts."""

    hours: tuple[str, ...]  # 00 to 23
    lines: int
    sha256: str  # of the uncompressed lines of all hours
    left: int = 0  # lines of hours that had a file already


class HourParts:
    """The parts of one day in a folder of hour files; lines come in the order of time.

    Hours that have a file keep it, but for those in ``own``: their lines are left out and counted.
    Raises VaultError if the disk refuses.
    """

    def __init__(self, folder: StrPath, day: str, own: Iterable[str] = ()) -> None:
        self._folder, self._day = Path(folder), day
        self._taken = taken_hours(folder, day) - set(own)
        self._part: _HourPart | None = None
        self._hours: list[str] = []
        self._lines = self._left = 0
        self._sha256 = sha256()

    def append(self, ts: int, line: bytes) -> None:
        """Add a line of the moment ``ts`` (Unix ms), newline included."""
        hour = f"{ts % times.DAY_MS // times.HOUR_MS:02}"
        if hour in self._taken:
            self._left += 1
            return
        if self._part is None or self._hours[-1] != hour:
            self._close()
            self._hours.append(hour)
            self._part = _HourPart(part_of(self._folder, self._day, hour))
        self._lines += 1
        self._sha256.update(line)
        self._part.write(line)

    def finish(self) -> BuiltHours:
        """Sync the last part, and the names of all; return their facts."""
        self._close()
        if self._hours:
            folder = self._folder / self._day
            try:
                fsync_folder(folder)
            except OSError as error:
                raise disk_error(folder, "synced", error) from error
        return BuiltHours(tuple(self._hours), self._lines, self._sha256.hexdigest(), self._left)

    def discard(self) -> None:
        """Delete the parts: the day is refused."""
        part, self._part = self._part, None
        if part is not None:
            part.abandon()
        for hour in self._hours:
            _remove(part_of(self._folder, self._day, hour))

    def _close(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            part.close()


class _HourPart:
    """One hour, packed as it comes."""

    def __init__(self, path: StrPath) -> None:
        self._path = path = Path(path)
        self._squeeze = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
        self._waiting: list[bytes] = []
        self._bytes = 0
        try:
            make_folder(path.parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY
            self._handle = os.open(path, flags, 0o666)
        except OSError as error:
            raise disk_error(path, "written", error) from error

    def write(self, line: bytes) -> None:
        self._waiting.append(line)
        self._bytes += len(line)
        if self._bytes >= _AT_ONCE:
            self._pack()

    def _pack(self, end: Callable[[], bytes] = bytes) -> None:
        data = self._squeeze.compress(b"".join(self._waiting)) + end()
        self._waiting, self._bytes = [], 0
        try:
            write_all(self._handle, data)
        except OSError as error:
            raise disk_error(self._path, "written", error) from error

    def close(self) -> None:
        try:
            self._pack(self._squeeze.flush)
            os.fsync(self._handle)
        except OSError as error:
            raise disk_error(self._path, "synced", error) from error
        finally:
            self.abandon()

    def abandon(self) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def part_of(folder: StrPath, day: str, hour: str) -> Path:
    """Return the path at which an hour is built."""
    return Path(folder) / day / f".{hour}.jsonl.gz.part"


def taken_hours(folder: StrPath, day: str) -> set[str]:
    """Return the hours of a day that have a file; all of them if the day has a flat one."""
    keys = [key for key, _ in book_files(folder) if key.startswith(day)]
    if keys == [day]:
        return {f"{hour:02}" for hour in range(24)}
    return {key[11:] for key in keys}


def clear(folder: StrPath) -> None:
    """Delete the parts in a folder of hour files, and day folders that are empty without them."""
    for part in Path(folder).glob("*/.[0-2][0-9].jsonl.gz.part"):
        _remove(part)


def _remove(part: Path) -> None:
    with suppress(OSError):  # it only takes space; the next run tries again
        part.unlink(missing_ok=True)
        part.parent.rmdir()


def drop_hours(vault: Vault, inst_id: str, day: str) -> int:
    """Delete the snapshot hours of a day that an import wrote; return the bytes that are free now.

    Recorded hours stay, since no provenance names them, and so do those that are pinned. The caller
    holds the importer's lock. Raises VaultError, and HeldOpenError while a program reads an hour.
    """
    known = provenance.newest(vault, inst_id, provenance.BOOKS).get(day)
    freed = 0
    for hour in () if known is None or known.keep else known.hours:
        path = vault.snapshots(inst_id) / day / f"{hour}.jsonl.gz"
        with suppress(FileNotFoundError):
            freed += path.stat().st_size
        delete(path)
    return freed


class HourImport:
    """The commit of imported hours of one instrument; the caller holds the importer's lock."""

    def __init__(self, vault: Vault, inst_id: str, folders: Mapping[str, StrPath]) -> None:
        """Take the folder of each stream: ``books``, ``books_deep``."""
        self._vault, self._inst_id, self._folders = vault, inst_id, folders
        self._note = vault.book_import(inst_id) / "note.json"

    def recover(self) -> ImportedDay | None:
        """Carry out the note of a killed run, or else delete its parts; return the day noted."""
        facts = commit.read_state(self._note, NOTE, self._inst_id, _REMEDY)
        day = None if facts is None else self._carry_out(facts)
        for folder in self._folders.values():
            clear(folder)
        return day

    def publish(self, day: ImportedDay, gone: Iterable[str] = ()) -> None:
        """Put the parts of a day into their places and note its provenance.

        ``gone`` are hours of an earlier import of the day that this import does not have.
        """
        facts = {
            "metric": NOTE,
            "instId": self._inst_id,
            "day": provenance.facts_of(day),
            "gone": sorted(gone),
        }
        make_folder(self._note.parent)
        commit.write_state(self._note, facts)
        self._carry_out(facts)

    def _carry_out(self, facts: dict[str, Any]) -> ImportedDay:
        day = provenance.day_of(facts["day"])
        folder = Path(self._folders[day.stream])
        try:
            for hour in day.hours:
                self._place(folder, day.day, hour)
            for hour in facts["gone"]:
                delete(folder / day.day / f"{hour}.jsonl.gz")
            if facts["gone"] and day.hours:
                fsync_folder(folder / day.day)
            if day not in provenance.entries(self._vault, self._inst_id):
                make_folder(self._vault.imports(self._inst_id).parent)
                provenance.append(self._vault, self._inst_id, [day])
            self._note.unlink(missing_ok=True)
            fsync_folder(self._note.parent)
        except OSError as error:
            raise disk_error(self._note, "carried out", error) from error
        return day

    def _place(self, folder: Path, day: str, hour: str) -> None:
        part = part_of(folder, day, hour)
        target = folder / day / f"{hour}.jsonl.gz"
        if part.exists():
            move_over(part, target)
        elif not target.exists():
            raise VaultError(
                f"{target}: neither it nor its part is there, but {self._note} names it; {_REMEDY}"
            )
