"""The lines of a growing file, day by day: where they stand, and whether they are the same."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant.errors import VaultError
from ravequant.vault.cursor import Cursor
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.line_file import reading
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Block, Listing, Tail
from scripts.warehouse.dataset import Shelf
from scripts.warehouse.schema import Table

_CHUNK: Final = 1 << 20


@dataclass(slots=True)
class Lines:
    """The lines of one day."""

    ranges: list[tuple[int, int]] = field(default_factory=list)  # in bytes of the file
    hashed: Any = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        """The hash of all of them."""
        return str(self.hashed.hexdigest())

    def add(self, begin: int, data: bytes) -> None:
        """Take in lines that begin at an offset."""
        end = begin + len(data)
        self.hashed.update(data)
        if self.ranges and self.ranges[-1][1] == begin:
            begin = self.ranges.pop()[0]
        self.ranges.append((begin, end))

    def copied(self, path: Path, target: Path) -> Path:
        """Copy them to a file of their own; VaultError if they have changed since."""
        copy = hashlib.sha256()
        with reading(path), path.open("rb") as source, target.open("wb") as file:
            for begin, end in self.ranges:
                source.seek(begin)
                while chunk := source.read(min(_CHUNK, end - source.tell())):
                    copy.update(chunk)
                    file.write(chunk)
        if copy.hexdigest() != self.sha256:
            raise VaultError(f"{path} was made anew while it was read; run the export again")
        return target


def one_file(path: Path) -> Listing:
    """Return what lists a growing file, as ``Tail`` asks for it."""
    return lambda: iter([(path.stem, path)] if path.exists() else [])


def days_of(tail: Tail, table: Table) -> dict[str, Lines]:
    """Return the lines of each day; a line without a time belongs to none."""
    pattern = re.compile(rb'"%s":"([0-9]{4}-[0-9]{2}-[0-9]{2})T' % table.time.encode())
    found: dict[str, Lines] = {}
    for block in tail.blocks():
        offset = block.offset
        for day, data in _runs(block, pattern):
            if day:
                found.setdefault(day, Lines()).add(offset, data)
            offset += len(data)
    return found


def _runs(block: Block, pattern: re.Pattern[bytes]) -> Iterator[tuple[str, bytes]]:
    def day_of(line: bytes) -> str:
        match = pattern.search(line)
        return match[1].decode() if match else ""

    lines = (line + b"\n" for line in block.data[:-1].split(b"\n"))
    for day, run in groupby(lines, day_of):
        yield day, b"".join(run)


def terms(vault: Vault, table: Table, inst_id: str) -> dict[str, Any]:
    """Return what a calculator's whole output depends on: repairs of its input, its settings."""
    try:
        settings = orjson.loads(vault.state(table.name, inst_id).read_bytes())["parameters"]
    except (OSError, ValueError, TypeError, KeyError):
        settings = None
    return {"generation": read_generation(vault.generation(inst_id)), "parameters": settings}


def exported(vault: Vault, shelf: Shelf, inst_id: str) -> Cursor | None:
    """Return how far into the growing file the parts reach; None if that is not certain."""
    try:
        cursor = Cursor.restore(shelf.facts["cursor"])
    except (KeyError, TypeError, ValueError):
        return None
    same = shelf.facts.get("terms") == terms(vault, shelf.table, inst_id)
    return cursor if same and all(map(shelf.stands, shelf.days)) else None
