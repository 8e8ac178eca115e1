"""A day that was built aside: its lines in a ``.part`` file, its facts in a sealed ``.json``.

Both stand in ``state/import/{INSTID}/`` until the day is put in its place. They are of use as long
as the files that they were made of are the same, so an import that was stopped goes on behind them.
"""

import errno
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ravequant import times
from ravequant.errors import VaultError
from ravequant.records import RecordError
from ravequant.vault import commit, compress
from ravequant.vault.atomic import disk_error, fsync_folder, make_folder
from ravequant.vault.imports.id_spans import IdSpan
from ravequant.vault.imports.provenance import ImportedDay, day_of, facts_of
from ravequant.vault.paths import IMPORT, Vault, day_files
from ravequant.vault.raw_content import RawContent

_REMEDY: Final = "delete it and run the import again"


@dataclass(frozen=True, slots=True)
class BuiltDay:
    """A day that is ready to be put in its place."""

    base: RawContent | None  # of the file of this day that it was made of; None: there was none
    content: RawContent  # of the part
    packed: bool  # it is a .gz; a recorded day keeps its form
    size: int  # of the part file, in bytes
    before_id: int | None  # the newest id before the day when it was built
    first_id: int  # of all lines of the finished day
    last_id: int
    missing: tuple[IdSpan, ...]  # ids that no line of the day covers, or that lack before it
    id_holes: tuple[IdSpan, ...]  # of the missing ids: the exchange never gave them
    line: ImportedDay  # its provenance

    @property
    def day(self) -> str:
        """The UTC day."""
        return self.line.day


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """The content of a part file."""

    content: RawContent
    lines: int
    sha256: str
    size: int  # of the file


def part_path(vault: Vault, inst_id: str, day: str) -> Path:
    """Return the file of a built day's lines."""
    return vault.import_parts(inst_id) / f"{day}.part"


def facts_path(vault: Vault, inst_id: str, day: str) -> Path:
    """Return the file of a built day's facts."""
    return vault.import_parts(inst_id) / f"{day}.json"


def standing_file(vault: Vault, inst_id: str, day: str) -> Path | None:
    """Return the file of a day that counts; None if it has none."""
    return dict(day_files(vault.trades(inst_id))).get(day)


def write_part(
    vault: Vault, inst_id: str, day: str, content: Iterable[bytes], *, packed: bool
) -> WrittenPart:
    """Write the lines of a day aside, synced and read back. Raises VaultError.

    An error of ``content`` leaves nothing behind.
    """
    path, crc32 = part_path(vault, inst_id, day), 0

    def summed() -> Iterator[bytes]:
        nonlocal crc32
        for block in content:
            crc32 = zlib.crc32(block, crc32)
            yield block

    try:
        make_folder(path.parent)
        facts_path(vault, inst_id, day).unlink(missing_ok=True)
        written = compress.write_copy(summed(), path, packed=packed)
        if compress.content_of(path, packed=packed) != written:
            raise OSError(errno.EIO, "it does not read back as it was written")  # noqa: TRY301
        fsync_folder(path.parent)
        found = RawContent(written.length, crc32)
        return WrittenPart(found, written.lines, written.sha256, path.stat().st_size)
    except BaseException as error:
        with suppress(OSError):
            path.unlink()
        if isinstance(error, OSError):
            raise disk_error(path, "written", error) from error
        raise


def keep(vault: Vault, inst_id: str, built: BuiltDay) -> None:
    """Note a built day durably: from now on its part is of use."""
    facts = {
        "metric": IMPORT,
        "instId": inst_id,
        "base": None if built.base is None else list(built.base),
        "content": list(built.content),
        "packed": built.packed,
        "size": built.size,
        "ids": [built.before_id, built.first_id, built.last_id],
        "missing": built.missing,
        "id_holes": built.id_holes,
        "line": facts_of(built.line),
    }
    commit.write_state(facts_path(vault, inst_id, built.day), facts)


def load(vault: Vault, inst_id: str, day: str) -> BuiltDay | None:
    """Return a built day; None if there is none. Raises VaultError if its facts are damaged."""
    path = facts_path(vault, inst_id, day)
    facts = commit.read_state(path, IMPORT, inst_id, _REMEDY)
    if facts is None:
        return None
    try:
        return _built(facts)
    except (RecordError, KeyError, TypeError, ValueError) as error:
        raise VaultError(f"{path} is no day that was built: {error!r}; {_REMEDY}") from None


def drop(vault: Vault, inst_id: str, day: str) -> None:
    """Delete a built day, its facts first. Raises VaultError."""
    for path in (facts_path(vault, inst_id, day), part_path(vault, inst_id, day)):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(path, "deleted", error) from error


def days_built(vault: Vault, inst_id: str) -> list[str]:
    """Return the days that are built and wait, oldest first."""
    return sorted(_days(vault.import_parts(inst_id)))


def _built(facts: dict[str, Any]) -> BuiltDay:
    base, (before, first, last) = facts["base"], facts["ids"]
    return BuiltDay(
        base=None if base is None else RawContent(*base),
        content=RawContent(*facts["content"]),
        packed=bool(facts["packed"]),
        size=int(facts["size"]),
        before_id=before,
        first_id=int(first),
        last_id=int(last),
        missing=tuple((int(begin), int(end)) for begin, end in facts["missing"]),
        id_holes=tuple((int(begin), int(end)) for begin, end in facts["id_holes"]),
        line=day_of(facts["line"]),
    )


def _days(folder: Path) -> Iterator[str]:
    with suppress(FileNotFoundError):
        for path in folder.glob("????-??-??.json"):
            with suppress(ValueError):
                times.day_start_ms(path.stem)
                yield path.stem
