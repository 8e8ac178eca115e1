"""The Parquet files on disk: their places, and whether their sources have changed since.

``{root}/{table}/instId={INSTID}/day={YYYY-MM-DD}/part.parquet`` and one ``_manifest.json`` for each
table and instrument. A day counts only while its file and its sources are those of the manifest: an
export that was cut off leaves no file that is read, only days that are made again.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant.catalog import DataSet
from ravequant.records import check_inst_id
from ravequant.vault.atomic import replace_file
from ravequant.vault.paths import Vault
from scripts.warehouse.schema import SqlTable

FOLDER: Final = "parquet"  # in the vault, where no other program looks
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_log = logging.getLogger(__name__)

Sources = list[tuple[str, list[Path]]]  # (day, its files), oldest first


def sources_of(vault: Vault, data: DataSet, inst_id: str) -> Sources:
    """Return the line files of each day of a data set with files by day or hour."""
    listed = groupby(data.files(vault, inst_id), key=lambda item: item[0][:10])
    return [(day, [path for _, path in files]) for day, files in listed]


def stamps(files: Sequence[Path]) -> list[list[Any]]:
    """Return name, size and time of files, which differ when they change. Raises OSError."""
    found = [(path, path.stat()) for path in files]
    return [[path.name, stat.st_size, stat.st_mtime_ns] for path, stat in found]


@dataclass(slots=True)
class ExportedTable:
    """The Parquet files of a table and instrument, and the manifest's entry of each day."""

    folder: Path
    table: SqlTable
    days: dict[str, dict[str, Any]]
    terms: Any = None  # of bars: the repair generation and the settings that they were made with

    @classmethod
    def open(cls, root: Path, table: SqlTable, inst_id: str) -> "ExportedTable":
        """Return the files on disk; none if the manifest is damaged or of another schema."""
        folder = root / table.name / f"instId={check_inst_id(inst_id)}"
        facts: Any = None
        try:
            facts = orjson.loads((folder / "_manifest.json").read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            _log.warning("%s cannot be read, its days are made anew: %s", folder, error)
        if not isinstance(facts, dict) or facts.get("schema") != table.fingerprint:
            facts = {}
        days = facts.get("days")
        known = {
            day: noted
            for day, noted in (days.items() if isinstance(days, dict) else ())
            if _DAY.fullmatch(day) and isinstance(noted, dict)
        }
        return cls(folder, table, known, facts.get("terms"))

    def part(self, day: str) -> Path:
        """Return the file of a day."""
        return self.folder / f"day={day}" / "part.parquet"

    def stands(self, day: str) -> bool:
        """Return True if the file of a day is the file that its manifest describes."""
        noted = self.days.get(day, {}).get("part")
        try:
            return bool(noted) and stamps([self.part(day)]) == noted
        except OSError:
            return False

    def current(self, day: str, files: Sequence[Path]) -> bool:
        """Return True if the file of a day has the rows of its sources as they are now."""
        try:
            return self.stands(day) and self.days[day].get("sources") == stamps(files)
        except OSError:
            return False

    def note(self, day: str, **facts: Any) -> None:
        """Add a day whose file was just written, and write the manifest."""
        self.days[day] = {**facts, "part": stamps([self.part(day)])}
        self.keep()

    def keep(self) -> None:
        """Write the manifest, whole or not at all."""
        facts = {"schema": self.table.fingerprint, "days": dict(sorted(self.days.items()))}
        if self.terms is not None:
            facts["terms"] = self.terms
        replace_file(self.folder / "_manifest.json", orjson.dumps(facts))
