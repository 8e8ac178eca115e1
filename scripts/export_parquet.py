"""Exports trades, bars, books and all that is computed as Parquet: exact decimals, a file a day.

Only days that changed since the last export are made. Nothing of the vault is changed.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from ravequant import cli
from ravequant.errors import DONE, FAILED, LockedError, NoDataError, RaveQuantError
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault
from scripts.warehouse import duck
from scripts.warehouse.dataset import FOLDER, ExportedTable
from scripts.warehouse.export import export
from scripts.warehouse.schema import TABLES, mean_places
from scripts.warehouse.views import recorded

PROGRAM: Final = "export_parquet"


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, (__doc__ or "").partition("\n")[0])
    cli.add_instruments(made)
    where = f"where to (default: {FOLDER}/ in the vault)"
    made.add_argument("--target", type=cli.path_arg, metavar="DIR", help=where)
    only = "only this one; may be repeated (default: all)"
    made.add_argument("--table", action="append", choices=tuple(TABLES), dest="tables", help=only)
    return made


def run_tables(vault: Vault, target: Path, inst_id: str, args: argparse.Namespace) -> int:
    """Export tables of an instrument; one that fails does not stop the others."""
    outcome = DONE
    with duck.temporary_folder() as spill:
        database = duck.open_database(spill)
        places = mean_places(vault, [inst_id])
        for name in args.tables or TABLES:
            table = TABLES[name].wide(places)
            try:
                exported = ExportedTable.open(target, table, inst_id)
                written = [rows for _, rows in export(database, vault, exported, inst_id, spill)]
            except RaveQuantError as error:
                cli.report(PROGRAM, error)
                outcome = FAILED
                continue
            if exported.days:
                _show(exported, inst_id, written, as_json=args.json)
        database.close()
    return outcome


def _show(exported: ExportedTable, inst_id: str, written: Sequence[int], *, as_json: bool) -> None:
    facts = {
        "table": exported.table.name,
        "instId": inst_id,
        "days_written": len(written),
        "rows_written": sum(written),
        "days_kept": len(exported.days) - len(written),
        "folder": str(exported.folder),
    }
    line = (
        "{table} {instId}: {days_written} days written ({rows_written:,} rows), "
        "{days_kept} left as they are"
    )
    print(orjson.dumps(facts).decode() if as_json else line.format(**facts), flush=True)


def body(args: argparse.Namespace) -> int:
    """Export, and show the written files."""
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
    outcome = DONE
    for inst_id in chosen:
        try:
            with writer_lock(Vault(target), FOLDER, inst_id):
                done = run_tables(vault, target, inst_id, args)
        except LockedError as error:
            cli.report(PROGRAM, error)
            done = error.exit_code
        outcome = outcome or done
    return outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Export; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
