"""The Parquet dataset on disk: where each day is, what it was made of, whether that still holds.

``{root}/{table}/instId={INSTID}/day={YYYY-MM-DD}/part.parquet`` and one ``_manifest.json`` for each
table and instrument. A day counts only while its part and its sources are those of the manifest, so
what an export that was cut off leaves behind is never read, only made anew.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant.catalog import DATA_SETS
from ravequant.records import check_inst_id
from ravequant.vault.atomic import replace_file
from ravequant.vault.paths import Vault
from scripts.warehouse.schema import Table

FOLDER: Final = "parquet"  # in the vault, where no other program looks
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_log = logging.getLogger(__name__)

Sources = list[tuple[str, list[Path]]]  # (day, its files), oldest first


def dated_sources(vault: Vault, table: str, inst_id: str) -> Sources:
    """Return the line files of each day, of a table that has files by day or hour."""
    listed = groupby(DATA_SETS[table].files(vault, inst_id), key=lambda item: item[0][:10])
    return [(day, [path for _, path in files]) for day, files in listed]


def stamps(files: Sequence[Path]) -> list[list[Any]]:
    """Return what tells whether files have changed: name, size and time; OSError if one is gone."""
    found = [(path, path.stat()) for path in files]
    return [[path.name, stat.st_size, stat.st_mtime_ns] for path, stat in found]


@dataclass(frozen=True, slots=True)
class Shelf:
    """One table of one instrument in the dataset, and what its manifest says."""

    folder: Path
    table: Table
    facts: dict[str, Any]

    @classmethod
    def open(cls, root: Path, table: Table, inst_id: str) -> "Shelf":
        """Return it as it is on disk; empty if it is missing, damaged or of another schema."""
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
        facts["days"] = {
            day: noted
            for day, noted in (days.items() if isinstance(days, dict) else ())
            if _DAY.fullmatch(day) and isinstance(noted, dict)
        }
        return cls(folder, table, facts)

    @property
    def days(self) -> dict[str, dict[str, Any]]:
        """What the manifest says of each day."""
        found: dict[str, dict[str, Any]] = self.facts["days"]
        return found

    def part(self, day: str) -> Path:
        """Return the file of a day."""
        return self.folder / f"day={day}" / "part.parquet"

    def stands(self, day: str) -> bool:
        """Say whether the part of a day is the one that the manifest was written for."""
        noted = self.days.get(day, {}).get("part")
        try:
            return bool(noted) and stamps([self.part(day)]) == noted
        except OSError:
            return False

    def current(self, day: str, files: Sequence[Path]) -> bool:
        """Say whether the part of a day holds what its sources hold."""
        try:
            return self.stands(day) and self.days[day].get("sources") == stamps(files)
        except OSError:
            return False

    def note(self, day: str, **facts: Any) -> None:
        """Take down what a part was made of, on disk too."""
        self.days[day] = {**facts, "part": stamps([self.part(day)])}
        self.keep()

    def keep(self) -> None:
        """Write the manifest, whole or not at all."""
        self.facts["schema"] = self.table.fingerprint
        self.facts["days"] = dict(sorted(self.days.items()))
        replace_file(self.folder / "_manifest.json", orjson.dumps(self.facts))
