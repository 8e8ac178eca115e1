"""The commit protocol: derived lines and the state that made them go to disk as one step.

Order of a commit: fsync the input read, append the output, fsync it, replace the state file. The
state holds the input position, the output's name, length and last bytes, and the fold. So any bytes
after that length belong to a step that did not finish: they are cut off, the step is repeated, and
the same bytes come again.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant.errors import VaultError, shown
from ravequant.vault.append_log import AppendLog
from ravequant.vault.atomic import cut_file, disk_error, fsync_file, make_folder, replace_file
from ravequant.vault.line_file import whole_lines
from ravequant.vault.paths import StrPath

VERSION: Final = 1
END_BYTES: Final = 4096
_REMEDY: Final = "run again with --rebuild to recompute from the raw data on disk"


@dataclass(frozen=True, slots=True)
class Mark:
    """The committed end of an output: its newest file, the length, the CRC32 of the last 4 KiB."""

    file: str  # "" before the first line
    length: int
    crc32: int


EMPTY: Final = Mark("", 0, 0)


class Output:
    """Derived line files of one calculator and instrument, cut back to their committed length.

    File names sort in the order of time. Raises VaultError if the committed part is missing or
    changed, and if the disk refuses.
    """

    def __init__(self, folder: StrPath, pattern: str, mark: Mark) -> None:
        """Check the files that match ``pattern`` against ``mark``; cut off the bytes after it."""
        folder = Path(folder)
        self._folder = folder
        self._file, self._length = mark.file, mark.length
        self._log: AppendLog | None = None
        try:
            make_folder(folder)
            if mark.file:
                _cut(folder / mark.file, mark)
            for path in sorted(folder.glob(pattern)):
                if path.name > mark.file:
                    path.unlink()
        except OSError as error:
            raise disk_error(folder, "prepared", error) from error

    def append(self, file: str, data: bytes) -> None:
        """Append whole lines to ``file``, the newest one or a later one."""
        if self._log is None or file != self._file:
            self.close()
            self._file, self._log = file, AppendLog(self._folder / file)
        self._log.append(data)
        self._length = self._log.length

    def sync(self) -> None:
        """Fsync the appended lines."""
        if self._log is not None:
            self._log.sync()

    def close(self) -> None:
        """Sync and close the file, if one is open."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def mark(self) -> Mark:
        """Return the mark after the appended lines."""
        return mark_of(self._folder / self._file, self._length) if self._file else EMPTY


def _cut(path: Path, mark: Mark) -> None:
    try:
        found = mark_of(path, mark.length)
    except FileNotFoundError:
        found = EMPTY
    if found != mark:
        raise VaultError(
            f"{path} is not what was committed: expected {mark.length} bytes that end as "
            f"written; {_REMEDY}"
        )
    if path.stat().st_size > mark.length:
        cut_file(path, mark.length)


def mark_of(path: StrPath, length: int) -> Mark:
    """Return the mark of the first ``length`` bytes of ``path``."""
    path = Path(path)
    if length == 0:
        return Mark(path.name, 0, 0)
    with path.open("rb") as stream:
        stream.seek(max(0, length - END_BYTES))
        end = stream.read(min(END_BYTES, length))
        return Mark(path.name, stream.tell(), zlib.crc32(end))


def commit(
    state_file: StrPath, output: Output, inputs: Iterable[StrPath], facts: dict[str, Any]
) -> None:
    """Make the appended output and ``facts`` durable, in the order of the protocol."""
    state_file = Path(state_file)
    for path in map(Path, inputs):
        _sync_input(path)
    output.sync()
    write_state(state_file, {**facts, "output": _as_facts(output.mark())})


def _sync_input(path: Path) -> None:
    try:
        fsync_file(path)
    except VaultError:
        if path.exists():  # else it was compressed meanwhile, and its .gz synced
            raise


def _as_facts(mark: Mark) -> dict[str, Any]:
    return {name: getattr(mark, name) for name in Mark.__slots__}


def write_state(state_file: StrPath, facts: dict[str, Any]) -> None:
    """Replace the state file by ``facts`` and their CRC32."""
    state_file = Path(state_file)
    body = {"version": VERSION, **facts}
    seal = zlib.crc32(orjson.dumps(body))
    replace_file(state_file, orjson.dumps({**body, "crc32": seal}) + b"\n")


def read_state(
    state_file: StrPath, metric: str, inst_id: str, remedy: str = _REMEDY
) -> dict[str, Any] | None:
    """Return the committed facts; None if there never was a commit.

    Raises VaultError, with the remedy, if the file is empty, cut, edited, of another calculator or
    instrument, or of a later version.
    """
    state_file = Path(state_file)
    try:
        data = state_file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_error(state_file, "read", error) from error
    try:
        facts: Any = orjson.loads(data)
        seal = facts.pop("crc32")
        found = zlib.crc32(orjson.dumps(facts))  # TypeError: nested more deeply than any state
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        raise VaultError(f"{state_file} is damaged: not a sealed state; {remedy}") from None
    if found != seal:
        raise VaultError(f"{state_file} was changed by something else; {remedy}")
    if facts.get("version") != VERSION:
        raise VaultError(
            f"{state_file} has version {facts.get('version')!r}, this program writes {VERSION}; "
            f"use the program that made it, or {remedy}"
        )
    if (facts.get("metric"), facts.get("instId")) != (metric, inst_id):
        raise VaultError(
            f"{state_file} is the state of {facts.get('metric')} {facts.get('instId')}, not of "
            f"{metric} {inst_id}; put the right file back, or {remedy}"
        )
    return dict(facts)


def restore_mark(facts: dict[str, Any]) -> Mark:
    """Return the output mark of committed facts. Raises TypeError or ValueError if it is none."""
    mark = Mark(**facts["output"])
    if not isinstance(mark.file, str) or {type(mark.length), type(mark.crc32)} != {int}:
        raise TypeError("output: a field has the wrong type")
    if mark.length < 0 or Path(mark.file).name != mark.file or mark.file == "..":
        raise ValueError(f"output: {shown(mark.file)} is no file name, or its length none")
    return mark


def kept_mark(folder: StrPath, pattern: str, time_key: str, before: str) -> Mark:
    """Return the mark after the last output line whose ``time_key`` lies before ``before``.

    For a rebuild: rows older than the raw data on disk stay.
    """
    folder = Path(folder)
    mark = EMPTY
    for path in sorted(folder.glob(pattern)):
        length = 0
        with path.open("rb") as stream:
            for line in whole_lines(stream):
                if _time_of(line, time_key) >= before:
                    break
                length += len(line)
        if length == 0:
            break
        mark = mark_of(path, length)
        if length < path.stat().st_size:
            break
    return mark


def unpack(folder: StrPath, pattern: str, since: str) -> None:
    """Turn compressed outputs of the day of ``since`` and later into plain ones again.

    For a rebuild, which appends to the first of these days and makes the others anew.
    """
    folder = Path(folder)
    from ravequant.vault.compress import restore  # noqa: PLC0415 - few runs rebuild

    for packed in sorted(folder.glob(f"{pattern}.gz")):
        if packed.name[:10] >= since[:10]:
            if packed.with_suffix("").exists():
                packed.unlink()
            else:
                restore(packed)


def _time_of(line: bytes, time_key: str) -> str:
    try:
        return str(orjson.loads(line)[time_key])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "~"  # damaged: no line from here on is kept
