"""Writes days of the dataset: lines of the vault to one Parquet file each, replaced at once."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ravequant.catalog import DATA_SETS
from ravequant.errors import VaultError
from ravequant.vault.atomic import disk_error, fsync_file, make_folder, move_over
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Tail
from scripts.warehouse.daily_slices import days_of, one_file, terms
from scripts.warehouse.dataset import Shelf, dated_sources, stamps
from scripts.warehouse.duck import require, run, said
from scripts.warehouse.row_sql import path_text, rows_of
from scripts.warehouse.schema import literal

if TYPE_CHECKING:
    import duckdb

_PARTITION: Final = 'EXCLUDE ("instId")'  # the folder says it
Done = Iterator[tuple[str, int]]  # (day, rows) of each part that was written


def write_part(
    database: "duckdb.DuckDBPyConnection", shelf: Shelf, day: str, files: Sequence[Path]
) -> int:
    """Make the part of a day of line files; return its rows. VaultError if that fails."""
    part = shelf.part(day)
    fresh = part.with_name(f".{part.name}.tmp")
    units = ", ".join(
        f"{literal(f'unit.{column.name}')}: {literal(column.unit)}"
        for column in shelf.table.columns
        if column.unit
    )
    statement = (
        f"COPY (SELECT * {_PARTITION} FROM ({rows_of(shelf.table, files)})) "  # noqa: S608 - our names
        f"TO {path_text(fresh)} (FORMAT parquet, COMPRESSION zstd, "
        f"KV_METADATA {{'ravequant.table': {literal(shelf.table.name)}, {units}}})"
    )
    try:
        make_folder(part.parent)
        counted = run(database, statement).fetchone()
        fsync_file(fresh)
        move_over(fresh, part)
    except require().Error as error:
        with suppress(OSError):
            fresh.unlink()
        raise VaultError(f"{part}: cannot be made of {files[0]}: {said(error, ' ')}") from error
    except OSError as error:
        raise disk_error(part, "made", error) from error
    return int(counted[0]) if counted else 0


def write_dated(
    database: "duckdb.DuckDBPyConnection", vault: Vault, shelf: Shelf, inst_id: str
) -> Done:
    """Bring the days of a table with files by day or hour up to date."""
    for day, files in dated_sources(vault, shelf.table.name, inst_id):
        if not shelf.current(day, files):
            try:
                before = stamps(files)  # what is appended from here on makes the day stale
            except FileNotFoundError:
                continue  # packed or deleted this moment: the next export takes it
            rows = write_part(database, shelf, day, files)
            shelf.note(day, sources=before, rows=rows)
            yield day, rows


def write_growing(
    database: "duckdb.DuckDBPyConnection", vault: Vault, shelf: Shelf, inst_id: str, spill: Path
) -> Done:
    """Bring the days of a table that is one growing file up to date.

    The lines of each day are hashed: a day whose lines are the same is left as it is.
    """
    path = DATA_SETS[shelf.table.name].place(vault, inst_id)
    if not path.exists():
        return
    made_with = terms(vault, shelf.table, inst_id)
    tail = Tail(one_file(path), None, made_with["generation"])
    found = days_of(tail, shelf.table)
    cursor = tail.cursor()
    _forget(shelf, shelf.days.keys() - found.keys())
    for day, lines in sorted(found.items()):
        if not (shelf.stands(day) and shelf.days[day].get("sha256") == lines.sha256):
            shelf.facts["cursor"] = None  # until all of it stands
            shelf.keep()
            rows = write_part(database, shelf, day, [lines.copied(path, spill / "day.jsonl")])
            shelf.note(day, sha256=lines.sha256, rows=rows)
            yield day, rows
    shelf.facts.update(cursor=cursor.state() if cursor else None, terms=made_with)
    shelf.keep()


def _forget(shelf: Shelf, days: Iterable[str]) -> None:
    """Take out the days that the calculator no longer speaks of."""
    for day in sorted(days):
        shelf.facts["cursor"] = None
        del shelf.days[day]
        shelf.keep()
        with suppress(OSError):
            shelf.part(day).unlink(missing_ok=True)
