"""Answers questions in SQL about your own data: trades, bars, books and all that is computed.

It reads the vault and the Parquet files of export_parquet.py, and changes neither.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from ravequant import cli
from ravequant.errors import DONE, NoDataError, UsageError
from scripts.warehouse import duck, output
from scripts.warehouse.dataset import FOLDER
from scripts.warehouse.session import QuerySession, RefusedQueryError
from scripts.warehouse.views import recorded

PROGRAM: Final = "sql"
_MOST: Final = 200


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, (__doc__ or "").partition("\n")[0])
    add = made.add_argument
    add("question", metavar="SQL", help='like "SELECT count(*) FROM trades"; - reads it from stdin')
    formats = "default: table; json: one object a line, decimals as text"
    add("--format", choices=output.FORMATS, dest="form", help=formats)
    rows = f"how many rows a table shows; 0: all (default: {_MOST})"
    add("--rows", type=int, default=_MOST, metavar="N", help=rows)
    only = "only this instrument; may be repeated (default: all)"
    add("--instId", action="append", dest="inst_ids", metavar="INSTID", help=only)
    parquet = f"the Parquet files (default: {FOLDER}/ in the vault)"
    add("--parquet", type=cli.path_arg, metavar="DIR", help=parquet)
    return made


def body(args: argparse.Namespace) -> int:
    """Answer the question on stdout."""
    if args.rows < 0:
        raise UsageError(f"--rows {args.rows} is below 0; give a number of rows, 0 for all")
    if args.json and args.form not in {None, "json"}:
        raise UsageError(f"--json and --format {args.form} contradict each other")
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
    question = sys.stdin.read() if args.question == "-" else args.question
    with duck.temporary_folder() as spill:
        session = QuerySession(vault, target, chosen, spill)
        try:
            left_out = session.ask(question, lambda rows: output.show(rows, form, args.rows))
        except RefusedQueryError as error:
            sys.stderr.write(f"{error}\n")  # the lines of duckdb as they are
            return error.exit_code
    if left_out:
        sys.stderr.write("There are more rows: --rows 0 shows all, --format csv writes all.\n")
    return DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Answer; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
