"""Buckets of imported days, made by the bucketizer itself in a vault of its own.

That vault stands under ``state/import``: it gets the hours of one day after the other, oldest
first, and the bucketizer goes on in it from day to day as in any vault, through kills too. Each
finished day of bucket lines is copied into the real vault, and its hours are deleted here. An older
day than the newest one here begins with an empty bucketizer.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from ravequant import catalog, times
from ravequant.errors import DONE, NoDataError, VaultError, message_of
from ravequant.vault import commit
from ravequant.vault.atomic import disk_error, make_folder, move_over
from ravequant.vault.compress import Content, blocks, write_copy
from ravequant.vault.imports import provenance
from ravequant.vault.imports.provenance import ImportedDay, SourceFile
from ravequant.vault.line_file import lines_forward
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import CHECKOUT, Vault, hour_files

STREAM: Final = "buckets"  # in the provenance
METRIC: Final = catalog.L2_BUCKETIZER.name


class DayRead(NamedTuple):
    """The sources of the hours of a day."""

    files: tuple[SourceFile, ...]  # none: they are hours of the vault
    messages: int
    disagreeing: int | None  # snapshots


class BucketVault:
    """The bucketizer's vault of one instrument; the caller holds the importer's lock."""

    def __init__(self, vault: Vault, inst_id: str) -> None:
        self._real, self._inst_id = vault, inst_id
        self.vault = Vault(vault.book_import(inst_id) / "vault", vault.exchange)
        self._note = self.vault.root / "day.json"

    @property
    def snapshots(self) -> Path:
        """The folder of its snapshot hours."""
        return self.vault.snapshots(self._inst_id)

    @property
    def deep_snapshots(self) -> Path:
        """The folder of its deep hours."""
        return self.vault.deep_snapshots(self._inst_id)

    def begin(self, day: str) -> bool:
        """Make place for a day; True if its hours are there already, whole."""
        newest = self._read_to()
        if self.under_way(day):
            return True
        if newest is not None and newest >= day:
            self.clear()
        try:
            for folder in (self.snapshots, self.deep_snapshots):
                shutil.rmtree(folder / day, ignore_errors=True)
            self._copy_metadata()
        except OSError as error:
            raise disk_error(self.vault.root, "prepared", error) from error
        return False

    def under_way(self, day: str) -> bool:
        """Return True if a killed run had begun to compute a day, from all of its hours."""
        done = day in provenance.newest(self._real, self._inst_id, STREAM)
        return self._read_to() == day and not done

    def clear(self) -> None:
        """Begin with an empty bucketizer."""
        shutil.rmtree(self.vault.root, ignore_errors=True)

    def note(self, day: str, read: DayRead) -> None:
        """Remember where the hours of a day come from, until its buckets are published."""
        facts = read._asdict() | {"files": [asdict(file) for file in read.files]}
        commit.write_state(
            self._note, {"metric": STREAM, "instId": self._inst_id, "day": day, "read": facts}
        )

    def _noted(self, day: str) -> DayRead:
        facts = commit.read_state(self._note, STREAM, self._inst_id)
        if facts is None or facts["day"] != day:
            return DayRead((), 0, None)
        read = facts["read"]
        files = tuple(SourceFile(**file) for file in read["files"])
        return DayRead(files, read["messages"], read["disagreeing"])

    def take(self, day: str) -> None:
        """Copy the hours of a day that stand in the real vault."""
        pairs = (
            (self._real.snapshots(self._inst_id), self.snapshots),
            (self._real.deep_snapshots(self._inst_id), self.deep_snapshots),
        )
        try:
            for source, target in pairs:
                for key, path in hour_files(source):
                    if key.startswith(day):
                        make_folder((target / key).parent)
                        shutil.copyfile(path, target / key[:10] / path.name)
        except OSError as error:
            raise disk_error(self.vault.root, "filled", error) from error

    def make(self, day: str) -> ImportedDay | None:
        """Compute the buckets of a day whose hours are here, and put them into the real vault.

        Returns None if the day has bucket lines that this day's books do not give.
        """
        self._run()
        made = self.vault.derived(METRIC, self._inst_id) / f"{day}.jsonl"
        if not made.exists():
            raise NoDataError(f"{made}: no bucket line came out of the books of {day}")
        with writer_lock(self._real, METRIC, self._inst_id):
            entry = self._publish(day, made)
        self._drop(day)
        return entry

    def _run(self) -> None:
        """Run the bucketizer here; VaultError with its own words if it fails."""
        command = [
            sys.executable, str(CHECKOUT / catalog.L2_BUCKETIZER.script), "--vault",
            str(self.vault.root), "--instId", self._inst_id, "--log-level", "error", "--json",
        ]  # fmt: skip
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode != DONE:
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise VaultError(f"no buckets of imported books: {message_of(said)}")

    def _publish(self, day: str, made: Path) -> ImportedDay | None:
        folder = self._real.derived(METRIC, self._inst_id)
        plain, packed = folder / f"{day}.jsonl", folder / f"{day}.jsonl.gz"
        target = plain if plain.exists() else packed
        known = provenance.newest(self._real, self._inst_id, STREAM)
        if target.exists() and day not in known and not self._replaces(day, target, made):
            return None
        part = folder / f".{day}.jsonl.part"
        try:
            make_folder(folder)
            with made.open("rb") as stream:
                content = write_copy(blocks(stream), part, packed=target == packed)
            move_over(part, target)
        except OSError as error:
            raise disk_error(target, "written", error) from error
        entry = _entry(day, self._noted(day), content)
        if day not in known or known[day].sha256 != entry.sha256:
            make_folder(self._real.imports(self._inst_id).parent)
            provenance.append(self._real, self._inst_id, [entry])
        return entry

    def _replaces(self, day: str, old: Path, made: Path) -> bool:
        """Return True if a recorded bucket day may be replaced: each of its lines comes again."""
        facts = commit.read_state(self._real.state(METRIC, self._inst_id), METRIC, self._inst_id)
        if facts is not None and str(facts["output"]["file"])[:10] == day:
            return False  # the bucketizer still appends to it
        return set(_moments(lines_forward(old))) <= set(_moments(lines_forward(made)))

    def _drop(self, day: str) -> None:
        """Delete hours that are read; the newest stays, as the bucketizer's cursor is in it."""
        for folder in (self.snapshots, self.deep_snapshots):
            for _, path in list(hour_files(folder))[:-1]:
                with suppress(OSError):  # it only takes space
                    path.unlink()
                    path.parent.rmdir()
        for path in self.vault.derived(METRIC, self._inst_id).glob("*.jsonl"):
            if path.name[:10] < day:
                with suppress(OSError):
                    path.unlink()

    def _read_to(self) -> str | None:
        """Return the day in which its bucketizer is; None if it has read nothing."""
        facts = commit.read_state(self.vault.state(METRIC, self._inst_id), METRIC, self._inst_id)
        return None if facts is None or not facts["cursor"] else str(facts["cursor"]["file"])[:10]

    def _copy_metadata(self) -> None:
        for place in (Vault.metadata, Vault.metadata_history):
            source, target = place(self._real, self._inst_id), place(self.vault, self._inst_id)
            if source.exists():
                make_folder(target.parent)
                shutil.copyfile(source, target)


def must_make(vault: Vault, inst_id: str, day: str) -> bool:
    """Return True if the bucketizer has passed an imported day, so that it will not read it."""
    facts = commit.read_state(vault.state(METRIC, inst_id), METRIC, inst_id)
    cursor = None if facts is None else facts["cursor"]
    return cursor is not None and str(cursor["file"])[:10] >= day


def bucketed(vault: Vault, inst_id: str, day: str) -> bool:
    """Return True if each book hour of a day, by its first line, is among the day's buckets."""
    lines = dict(catalog.BUCKETS.files(vault, inst_id)).get(day)
    if lines is None:
        return False
    known = set(_moments(lines_forward(lines)))
    hours = (path for key, path in hour_files(vault.snapshots(inst_id)) if key.startswith(day))
    firsts = (next(lines_forward(path), None) for path in hours)
    return all(first is None or known.issuperset(_moments([first])) for first in firsts)


def _entry(day: str, read: DayRead, made: Content) -> ImportedDay:
    return ImportedDay(
        imported_ms=times.utc_now_ms(),
        stream=STREAM,
        day=day,
        files=read.files,
        rows=read.messages,
        records=made.lines,
        first_id=None,
        last_id=None,
        dropped_recorded=0,
        jumps=(),
        proof="none",
        contract="metadata",
        lines=made.lines,
        sha256=made.sha256,
        snapshots_disagreeing=read.disagreeing,
    )


def _moments(lines: Iterable[bytes]) -> Iterable[str]:
    return (orjson.loads(line)["timestamp_utc"] for line in lines)
