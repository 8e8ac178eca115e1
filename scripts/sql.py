"""Answers questions in SQL about your own data: trades, bars, books and all that is computed.

It reads the vault and the Parquet files of export_parquet.py, and changes neither.
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
from typing import Final

from ravequant.errors import DONE, NoDataError, RaveQuantError, UsageError
from scripts.warehouse import duck, shell
from scripts.warehouse.dataset import FOLDER
from scripts.warehouse.output import FORMATS
from scripts.warehouse.session import RefusedError, Session
from scripts.warehouse.views import recorded

PROGRAM: Final = "sql"
_MOST: Final = 200


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, (__doc__ or "").partition("\n")[0])
    made.add_argument("question", nargs="?", metavar="SQL",
                      help='like "SELECT count(*) FROM trades"; - reads it from stdin')  # fmt: skip
    made.add_argument("--shell", action="store_true", help="one question after the other")
    made.add_argument("--format", choices=FORMATS, dest="form",
                      help="default: table; json: one object a line, decimals as text")  # fmt: skip
    made.add_argument("--rows", type=int, default=_MOST, metavar="N",
                      help=f"how many rows a table shows; 0: all (default: {_MOST})")  # fmt: skip
    made.add_argument("--instId", action="append", dest="inst_ids", metavar="INSTID",
                      help="only this instrument; may be repeated (default: all)")  # fmt: skip
    made.add_argument("--parquet", type=Path, metavar="DIR",
                      help=f"the Parquet files (default: {FOLDER}/ in the vault)")  # fmt: skip
    return made


def question_of(args: argparse.Namespace) -> str:
    """Return the question asked, empty for the shell; UsageError for options that cannot be."""
    if args.rows < 0:
        raise UsageError(f"--rows {args.rows} is below 0; give a number of rows, 0 for all")
    if args.shell == bool(args.question):
        raise UsageError('expected either a question, "SELECT …", or --shell')
    if args.json and args.form not in {None, "json"}:
        raise UsageError(f"--json and --format {args.form} contradict each other")
    if args.question == "-":
        return sys.stdin.read()
    return args.question or ""


def tell(error: RaveQuantError) -> None:
    """Say what went wrong: duckdb's own lines as they are, all else as every program does."""
    if isinstance(error, RefusedError):
        sys.stderr.write(f"{error}\n")
    else:
        cli.report(PROGRAM, error)


def tell_left_out(rows: int) -> None:
    """Say that a table does not show all."""
    if rows:
        sys.stderr.write("There are more rows: --rows 0 shows all, --format csv writes all.\n")


def body(args: argparse.Namespace) -> int:
    """Answer, or begin the shell."""
    question = question_of(args)
    duck.require()
    vault = cli.vault_of(args)
    found = recorded(vault)
    if not found:
        raise NoDataError(
            f"no data in {vault.root}; start an exporter, or name another vault with --vault"
        )
    chosen = cli.instruments_of(args, found)
    target = (args.parquet or vault.root / FOLDER).absolute()
    form = "json" if args.json else args.form or "table"
    with duck.temporary_folder() as spill:
        session = Session(vault, target, chosen, spill, form, args.rows)
        if args.shell:
            shell.run(session, tell, tell_left_out, vault.root / "state" / "sql" / "history")
            return DONE
        try:
            tell_left_out(session.ask(question))
        except RefusedError as error:
            tell(error)
            return error.exit_code
    return DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Answer; the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
