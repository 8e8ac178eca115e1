"""The views over vault and Parquet: each row once, from Parquet while that is current, else lines.

A day of trades, books and buckets comes from Parquet while that has the rows of the day's files;
days that have left the vault come from there too. Files that grow are read from their lines.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ravequant.catalog import DERIVED, TRADES
from ravequant.vault.paths import Vault, instruments
from scripts.warehouse.dataset import ExportedTable, sources_of
from scripts.warehouse.row_sql import path_text, rows_of
from scripts.warehouse.schema import TRADES as TABLE_OF_TRADES
from scripts.warehouse.schema import SqlTable, quoted

if TYPE_CHECKING:
    import duckdb

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ViewFiles:
    """The files that a view reads; each row is in only one of them."""

    lines: list[Path] = field(default_factory=list)
    parquet: list[Path] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lines or self.parquet)


def recorded(vault: Vault) -> list[str]:
    """Return the instruments of which the vault has anything."""
    streams: list[Callable[[str], Path]] = [vault.trades, vault.snapshots, vault.btc_transfers]
    streams += [partial(vault.derived, data.stream) for data in DERIVED]
    return sorted({name for stream in streams for name in instruments(stream)})


def files_of(vault: Vault, target: Path, table: SqlTable, inst_ids: Sequence[str]) -> ViewFiles:
    """Return where the rows of a table are now: in the vault, or in the Parquet of ``target``."""
    found = ViewFiles()
    for inst_id in inst_ids:
        if table.data is not None and not table.data.dated:
            found.lines += [path for _, path in table.data.files(vault, inst_id)]
        else:
            exported = ExportedTable.open(target, table, inst_id)
            sources = dict(sources_of(vault, table.data or TRADES, inst_id))
            _add_days(exported, sources, found)
            if table.data is None:
                _warn_if_stale(exported, sources, inst_id)
    return found


def _add_days(exported: ExportedTable, sources: dict[str, list[Path]], found: ViewFiles) -> None:
    computed = exported.table.data is None  # bars: no lines stand in for the file of a day
    for day in sorted(sources.keys() | exported.days.keys()):
        if computed or day not in sources:  # deleted from the vault: the file is all there is
            found.parquet += [exported.part(day)] if exported.stands(day) else []
        elif exported.current(day, sources[day]):
            found.parquet.append(exported.part(day))
        else:
            found.lines += sources[day]


def _warn_if_stale(exported: ExportedTable, sources: dict[str, list[Path]], inst_id: str) -> None:
    stale = [day for day in sources if not exported.current(day, sources[day])]
    if stale and any(map(exported.stands, exported.days)):
        _log.warning(
            "bars of %s: trades have come since the export, from %s on; run "
            "scripts/export_parquet.py for their bars",
            inst_id,
            stale[0],
        )


def create(database: "duckdb.DuckDBPyConnection", table: SqlTable, files: ViewFiles) -> None:
    """Create the view of a table."""
    names = ", ".join(quoted(column.name) for column in table.columns)
    parts = []
    if files.parquet:
        listed = ", ".join(map(path_text, files.parquet))
        hive = "hive_partitioning=true, hive_types={'instId': VARCHAR, 'day': DATE}"
        found = f"read_parquet([{listed}], {hive}, union_by_name=true)"
        if table is TABLE_OF_TRADES:  # files of earlier versions do not have the last column
            found = f"(FROM {found} UNION ALL BY NAME SELECT NULL::BOOLEAN AS ahead WHERE false)"
            names = names.replace('"ahead"', 'coalesce(ahead, false) AS "ahead"')
        parts.append(f"SELECT {names} FROM {found}")  # noqa: S608 - our names
    if files.lines:
        parts.append(rows_of(table, files.lines))
    database.execute(f"CREATE OR REPLACE TEMP VIEW {table.name} AS {' UNION ALL '.join(parts)}")
