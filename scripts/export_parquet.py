"""Exports trades, bars, books and all that is computed as Parquet: exact decimals, a file a day.

Only days that changed since the last export are made. Nothing of the vault is changed.
"""

try:
    from ravequant import cli
except ModuleNotFoundError:  # started with a Python outside .venv: hand over to it, or say so
    import runpy
    from pathlib import Path

    runpy.run_path(
        str(Path(__file__).resolve().parents[1] / "scripts" / "handover.py"), run_name="handover"
    )

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from ravequant.catalog import DATA_SETS
from ravequant.errors import DONE, FAILED, LockedError, NoDataError, RaveQuantError
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault
from scripts.warehouse import duck
from scripts.warehouse.bar_export import write_bars
from scripts.warehouse.dataset import FOLDER, Shelf
from scripts.warehouse.export import Done, write_dated, write_growing
from scripts.warehouse.schema import TABLES, Table
from scripts.warehouse.views import recorded

if TYPE_CHECKING:
    import duckdb

PROGRAM: Final = "export_parquet"


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, (__doc__ or "").partition("\n")[0])
    cli.add_instruments(made)
    made.add_argument("--target", type=Path, metavar="DIR",
                      help=f"where to (default: {FOLDER}/ in the vault)")  # fmt: skip
    made.add_argument("--table", action="append", choices=tuple(TABLES), dest="tables",
                      help="only this one; may be repeated (default: all)")  # fmt: skip
    return made


def export(
    database: "duckdb.DuckDBPyConnection",
    vault: Vault,
    shelf: Shelf,
    inst_id: str,
    spill: Path,
) -> Done:
    """Return what brings one table of one instrument up to date."""
    data = DATA_SETS.get(shelf.table.name)
    if data is None:
        return write_bars(database, vault, shelf, inst_id, spill)
    if data.dated:
        return write_dated(database, vault, shelf, inst_id)
    return write_growing(database, vault, shelf, inst_id, spill)


def run_tables(
    vault: Vault, target: Path, inst_id: str, tables: Sequence[Table], *, as_json: bool
) -> int:
    """Export tables of an instrument; one that fails does not stop the others."""
    outcome = DONE
    with duck.temporary_folder() as spill:
        database = duck.open_database(spill)
        for table in tables:
            written = rows = 0
            try:
                shelf = Shelf.open(target, table, inst_id)
                for _, count in export(database, vault, shelf, inst_id, spill):
                    written, rows = written + 1, rows + count
            except RaveQuantError as error:
                cli.report(PROGRAM, error)
                outcome = FAILED
                continue
            if shelf.days:
                _show(table, inst_id, shelf, written, rows, as_json=as_json)
        database.close()
    return outcome


def _show(
    table: Table, inst_id: str, shelf: Shelf, written: int, rows: int, *, as_json: bool
) -> None:
    kept = len(shelf.days) - written
    facts = {"table": table.name, "instId": inst_id, "days_written": written, "rows_written": rows,
             "days_kept": kept, "folder": str(shelf.folder)}  # fmt: skip
    line = (
        f"{table.name} {inst_id}: {written} days written ({rows:,} rows), {kept} left as they are"
    )
    sys.stdout.write((orjson.dumps(facts).decode() if as_json else line) + "\n")
    sys.stdout.flush()


def body(args: argparse.Namespace) -> int:
    """Export and say what was done."""
    duck.require()
    vault = cli.vault_of(args)
    found = recorded(vault)
    chosen = cli.instruments_of(args, found) if args.inst_ids or found else []
    if not set(chosen) & set(found):
        raise NoDataError(
            f"no data of {', '.join(chosen) or 'any instrument'} in {vault.root}; start an "
            "exporter, or name another vault with --vault"
        )
    target: Path = (args.target or vault.root / FOLDER).absolute()
    tables = [table for name, table in TABLES.items() if name in (args.tables or TABLES)]
    outcome = DONE
    for inst_id in chosen:
        try:
            with writer_lock(Vault(target), FOLDER, inst_id):
                done = run_tables(vault, target, inst_id, tables, as_json=args.json)
        except LockedError as error:
            cli.report(PROGRAM, error)
            done = error.exit_code
        outcome = outcome or done
    return outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Export; the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
