"""Notices which files of an instrument have changed, by their size and time alone.

No events of the file system: there are none of a network drive. A calculator's rows are only ever
appended, so a file that became shorter, was replaced, or has other bytes before its old end was
rebuilt: all that was shown of it is void.
"""

import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from ravequant import catalog, times
from ravequant.catalog import DataSet
from ravequant.errors import UsageError
from ravequant.signals import lab_verdict
from ravequant.vault.atomic import disk_error
from ravequant.vault.line_file import reading
from ravequant.vault.paths import StrPath, Vault

RAW: Final = {"trades": catalog.TRADES, "book": catalog.BOOK}
ROWS: Final = {
    "volume": catalog.VOLUME,
    "vwap": catalog.VWAP,
    "cvd": catalog.CVD,
    "wicks": catalog.WICKS,
}
BUCKETS: Final = "buckets"
_LISTED_MS: Final = 60_000  # folders are listed so often; in between the clock names the newest
_PROOF: Final = 64  # bytes before the old end that must still be the same
_NUMBERS: Final = r"[0-9a-f]{1,32}\.[0-9a-f]{1,32}\.[0-9a-f]{1,32}"
_STANDING: Final = re.compile(rf"{_NUMBERS}(?:-{_NUMBERS}){{{len(ROWS)}}}", re.ASCII)
_REPAIRED: Final = "trades were repaired"
_ANEW: Final = " was computed anew"


class FileMark(NamedTuple):
    """A file as it was at a look; all 0 without one."""

    size: int = 0
    time_ns: int = 0
    number: int = 0  # of its inode

    def went_on(self, later: "FileMark") -> bool:
        """Return True if the later mark is of the same file, as it was or with lines appended."""
        return later == self or (later.number == self.number and later.size > self.size)


class WatchLook(NamedTuple):
    """The streams whose files have changed, and why all before is void; empty: it is not."""

    changed: frozenset[str]
    void: str = ""


class NewestFile(NamedTuple):
    """The newest file of a stream of days or hours."""

    key: str
    path: Path


def mark(path: StrPath) -> FileMark:
    """Return a file's mark. Raises VaultError if the system refuses to answer."""
    path = Path(path)
    try:
        found = path.stat()
    except FileNotFoundError:
        return FileMark()
    except OSError as error:
        raise disk_error(path, "read", error) from error
    return FileMark(found.st_size, found.st_mtime_ns, found.st_ino)


class FileWatch:
    """The files of an instrument; each ``look`` names those that changed since the look before.

    The first look names all that are there. Raises VaultError if the system refuses a file.
    """

    def __init__(self, vault: Vault, inst_id: str) -> None:
        self._vault, self._inst_id = vault, inst_id
        self._marks: dict[str, FileMark] = {}
        self._ends: dict[str, bytes] = {}
        self._newest: dict[str, NewestFile] = {}
        self._listed_ms: int | None = None
        self._rows = {name: data.place(vault, inst_id) for name, data in ROWS.items()}
        self._others = {
            "gaps": vault.gap_ledger(inst_id),
            "imports": vault.imports(inst_id),
            "terms": vault.metadata_history(inst_id),
            "verdict": lab_verdict.verdict_file(vault),
            "repair": vault.generation(inst_id),
        }

    def newest(self, stream: str) -> NewestFile | None:
        """Return the newest file of a dated stream, None without any."""
        return self._newest.get(stream)

    def look(self, now_ms: int) -> WatchLook:
        """Look at every file; ``now_ms`` names the files of now."""
        self._find_newest(now_ms)
        first = not self._marks
        found = dict(self._found())
        changed = {name for name, seen in found.items() if seen != self._marks.get(name)}
        changed |= self._marks.keys() - found.keys()  # the last file of a stream is gone
        void = "" if first else next(filter(None, map(self._void(found), sorted(changed))), "")
        self._marks = found
        for name in ROWS:
            if name in changed:
                self._ends[name] = _before(self._rows[name], found[name].size)
        return WatchLook(frozenset(changed), void)

    def _found(self) -> Iterator[tuple[str, FileMark]]:
        for name, path in (*self._rows.items(), *self._others.items()):
            yield name, mark(path)
        for name, newest in self._newest.items():
            yield name, mark(newest.path)

    def _void(self, found: Mapping[str, FileMark]) -> Callable[[str], str]:
        """Return a function that names the reason why a changed stream is void, if it is."""

        def reason(name: str) -> str:
            before = self._marks.get(name, FileMark())
            if name == "repair":
                return _REPAIRED
            if name not in ROWS or before == FileMark():
                return ""
            now = found[name]
            same = now.number == before.number and now.size >= before.size
            if same and _before(self._rows[name], before.size) == self._ends.get(name):
                return ""
            return f"{name}{_ANEW}"

        return reason

    def _find_newest(self, now_ms: int) -> None:
        if self._listed_ms is None or not 0 <= now_ms - self._listed_ms < _LISTED_MS:
            self._listed_ms = now_ms
            for name, data in (*RAW.items(), (BUCKETS, catalog.BUCKETS)):
                self._list(name, data)
            return
        for name, data in (*RAW.items(), (BUCKETS, catalog.BUCKETS)):
            key = times.hour(now_ms) if data.kind == "hours" else times.day(now_ms)
            known = self._newest.get(name)
            if known is not None and known.key >= key and known.path.exists():
                continue
            path = data.place(self._vault, self._inst_id) / f"{key}.jsonl"
            if path.exists():
                self._take(name, NewestFile(key, path))
            elif known is not None and not known.path.exists():
                self._list(name, data)

    def _list(self, name: str, data: DataSet) -> None:
        newest = max(data.files(self._vault, self._inst_id), default=None)
        if newest is None:
            self._newest.pop(name, None)
        elif self._newest.get(name) != NewestFile(*newest):
            self._take(name, NewestFile(*newest))

    def _take(self, name: str, newest: NewestFile) -> None:
        self._newest[name] = newest
        self._marks.pop(name, None)  # another file: it has changed


def standing(vault: Vault, inst_id: str) -> str:
    """Return a text that names an instrument's rows as they are, for `why_void`; or VaultError."""
    parts = [_part(*_repair(vault, inst_id))]
    for data in ROWS.values():
        path = data.place(vault, inst_id)
        seen = mark(path)
        parts.append(_part(seen.size, seen.number, _proof(path, seen.size)))
    return "-".join(parts)


def check_standing(text: str) -> str:
    """Return a text that `standing` may have written. Raises UsageError for another one."""
    if not _STANDING.fullmatch(text):
        raise UsageError(f"rows={text[:40]!r}: expected `rows` of a view")
    return text


def why_void(vault: Vault, inst_id: str, stood: str) -> str:
    """Return why rows are void that were read when they were `standing` so; empty: they are not.

    Raises VaultError.
    """
    repair, *rows = ([int(word, 16) for word in part.split(".")] for part in stood.split("-"))
    if repair != [*_repair(vault, inst_id)]:
        return _REPAIRED
    for (name, data), (size, number, proof) in zip(ROWS.items(), rows, strict=True):
        path = data.place(vault, inst_id)
        now = mark(path)
        went_on = now.number == number and now.size >= size
        if size and not (went_on and _proof(path, size) == proof):
            return f"{name}{_ANEW}"
    return ""


def _repair(vault: Vault, inst_id: str) -> FileMark:
    return mark(vault.generation(inst_id))


def _part(*numbers: int) -> str:
    return ".".join(f"{number:x}" for number in numbers)


def _proof(path: Path, size: int) -> int:
    return zlib.crc32(_before(path, size))


def _before(path: Path, size: int) -> bytes:
    """Return the bytes before a place of a file; fewer where it ends earlier."""
    if not size:
        return b""
    with reading(path), path.open("rb") as file:
        file.seek(max(0, size - _PROOF), os.SEEK_SET)
        return file.read(min(size, _PROOF))
