"""The views over vault and Parquet: each line once, from the Parquet file that holds it, else raw.

A day of trades, books and buckets comes from Parquet while that still holds what the day's files
hold. Of a growing file the lines that were exported come from Parquet, those behind them from a
copy of the file's end, cut at its last line end.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ravequant.catalog import DATA_SETS, DERIVED
from ravequant.errors import VaultError
from ravequant.vault.cursor import Cursor
from ravequant.vault.paths import Vault, instruments
from ravequant.vault.tail import Tail
from scripts.warehouse.daily_slices import exported, one_file
from scripts.warehouse.dataset import Shelf, dated_sources
from scripts.warehouse.row_sql import path_text, rows_of
from scripts.warehouse.schema import Table, quoted

if TYPE_CHECKING:
    import duckdb

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Files:
    """What one view reads."""

    lines: list[Path] = field(default_factory=list)
    parquet: list[Path] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lines or self.parquet)


def recorded(vault: Vault) -> list[str]:
    """Return the instruments of which the vault holds anything."""
    found = set(instruments(vault.trades)) | set(instruments(vault.snapshots))
    for data in DERIVED:
        found |= set(instruments(partial(vault.derived, data.stream)))
    return sorted(found)


def files_of(
    vault: Vault, target: Path, table: Table, inst_ids: Sequence[str], spill: Path
) -> Files:
    """Return where the rows of a table are now; each row is in one of the files only."""
    files = Files()
    for inst_id in inst_ids:
        shelf = Shelf.open(target, table, inst_id)
        data = DATA_SETS.get(table.name)
        if data is None:
            _bars(vault, shelf, inst_id, files)
        elif data.dated:
            _dated(vault, shelf, inst_id, files)
        else:
            _growing(vault, shelf, inst_id, files, spill)
    return files


def _dated(vault: Vault, shelf: Shelf, inst_id: str, files: Files) -> None:
    sources = dict(dated_sources(vault, shelf.table.name, inst_id))
    for day in sorted(sources.keys() | shelf.days.keys()):
        if day not in sources:  # deleted from the vault; the part is all there is
            files.parquet += [shelf.part(day)] if shelf.stands(day) else []
        elif shelf.current(day, sources[day]):
            files.parquet.append(shelf.part(day))
        else:
            files.lines += sources[day]


def _growing(vault: Vault, shelf: Shelf, inst_id: str, files: Files, spill: Path) -> None:
    path = DATA_SETS[shelf.table.name].place(vault, inst_id)
    if not path.exists():
        return
    rest = spill / f"{shelf.table.name}.{inst_id}.jsonl"
    cursor = exported(vault, shelf, inst_id)
    if cursor is None or not _copied_from(cursor, path, rest):
        files.lines.append(path)
        return
    files.parquet += map(shelf.part, shelf.days)
    files.lines += [rest] if rest.stat().st_size else []


def _copied_from(cursor: Cursor, path: Path, target: Path) -> bool:
    """Copy the whole lines behind a place; False if the file was made anew since."""
    tail = Tail(one_file(path), cursor, cursor.generation)
    try:
        with target.open("wb") as file:
            file.writelines(block.data for block in tail.blocks())
    except VaultError:
        return False
    return True


def _bars(vault: Vault, shelf: Shelf, inst_id: str, files: Files) -> None:
    sources = dict(dated_sources(vault, "trades", inst_id))
    days = [day for day in sorted(shelf.days) if shelf.stands(day)]
    files.parquet += map(shelf.part, days)
    stale = [day for day in sources if not shelf.current(day, sources[day])]
    if days and stale:
        _log.warning(
            "bars of %s: trades have come since the export, from %s on; run "
            "scripts/export_parquet.py for their bars", inst_id, stale[0],
        )  # fmt: skip


def create(database: "duckdb.DuckDBPyConnection", table: Table, files: Files) -> None:
    """Make the view of a table."""
    names = ", ".join(quoted(column.name) for column in table.columns)
    parts = []
    if files.parquet:
        listed = ", ".join(map(path_text, files.parquet))
        hive = "hive_partitioning=true, hive_types={'instId': VARCHAR, 'day': DATE}"
        parts.append(f"SELECT {names} FROM read_parquet([{listed}], {hive})")  # noqa: S608 - our names
    if files.lines:
        parts.append(rows_of(table, files.lines))
    database.execute(f"CREATE OR REPLACE TEMP VIEW {table.name} AS {' UNION ALL '.join(parts)}")
