"""Imports days of trades that the exchange has published, exactly once with what is recorded.

    python Trades_Bot/import_trades.py --dir FOLDER     the files that you have fetched yourself
    python Trades_Bot/import_trades.py --dry-run …      what would be done, and how long it takes

Days are built aside first; then they are put in their places at once, while the recorder goes on.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import Any, Final

import orjson

from ravequant import catalog, cli, exchanges, settings, tables
from ravequant.errors import DONE, NoDataError, RaveQuantError, UsageError
from ravequant.exchanges.archive.base import Archive
from ravequant.vault import instruments
from ravequant.vault.paths import Vault
from Trades_Bot.archive_files import ArchiveFolder, DayFiles
from Trades_Bot.day_import import DayOptions, DayResult
from Trades_Bot.funding_import import import_funding
from Trades_Bot.import_report import DayProgress, afterwards, plan_rows, result_cells
from Trades_Bot.trade_import import ImportResult, import_days

PROGRAM: Final = catalog.IMPORT_TRADES.name
HEADERS: Final = (
    "instId", "days", "from", "to", "fills", "records", "dropped", "missing", "proof",
)  # fmt: skip
PLAN: Final = ("instId", "days", "from", "to", "files", "MB", "lacking")
_SWITCHES: Final = (
    ("--partial", "import also a day of which a file lacks, as far as the others go"),
    ("--replace", "accept files that hold other records than those imported before"),
    ("--dry-run", "only show what would be imported"),
)
_log = logging.getLogger(PROGRAM)


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, "Import days of trades that the exchange has published.")
    cli.add_instruments(made)
    text = "import the published files of this folder, which you have fetched"
    made.add_argument("--dir", type=cli.path_arg, metavar="FOLDER", help=text)
    for flag, name, text in (("--from", "since", "first"), ("--to", "until", "last")):
        purpose = f"the {text} UTC day (default: of the files)"
        made.add_argument(flag, dest=name, type=cli.day_arg, metavar="DAY", help=purpose)
    for flag, purpose in _SWITCHES:
        made.add_argument(flag, action="store_true", help=purpose)
    text = "hold each minute against the exchange's candles, where their files are there (default)"
    made.add_argument("--check", action=argparse.BooleanOptionalAction, default=True, help=text)
    made.add_argument("--rest-url", metavar="URL", help="default: okx.rest_url of the settings")
    text = "how long a running recorder may take for a day (default: 60)"
    made.add_argument("--wait", type=cli.seconds, default=60.0, metavar="S", help=text)
    return made


def days_of(
    folder: ArchiveFolder, inst_id: str, args: argparse.Namespace
) -> tuple[list[DayFiles], list[DayFiles]]:
    """Return the days to import, and those at either end that lack a file. Raises NoDataError."""
    found = folder.days(inst_id, args.since, args.until)
    if args.partial:
        return found, []
    whole = [files.day for files in found if files.whole]
    if not whole:
        lacking = ", ".join(f"{files.day} lacks {' and '.join(files.lacking)}" for files in found)
        raise NoDataError(
            f"{inst_id}: no UTC day has both its files in {folder.folder}: {lacking}; fetch them, "
            "or import what is there with --partial"
        )
    inside = [files for files in found if whole[0] <= files.day <= whole[-1]]
    return inside, [files for files in found if files not in inside]


def have_metadata(vault: Vault, inst_id: str, rest_url: str) -> None:
    """Fetch the contract's metadata if the vault has none. Raises NoDataError if it cannot be."""
    try:
        instruments.load(vault, inst_id)
    except NoDataError as missing:
        rest = exchanges.load(vault.exchange).rest(rest_url, attempts=2)
        try:
            instruments.save(vault, instruments.parse_instrument(rest.instrument(inst_id)), None)
        except RaveQuantError as error:
            raise NoDataError(f"{missing}. It was asked for now: {error}") from None
        finally:
            rest.close()


def run_import(
    vault: Vault, inst_id: str, archive: Archive, folder: ArchiveFolder, args: argparse.Namespace
) -> ImportResult:
    """Import the days of one instrument."""
    days, ends = days_of(folder, inst_id, args)
    for files in ends:
        text = "%s %s: only a part of this day is here (label %s lacks); left out"
        _log.info(text, inst_id, files.day, " and ".join(files.lacking))
    have_metadata(vault, inst_id, args.rest_url or settings.load().okx.addresses()[1])
    progress = DayProgress(inst_id, len(days))

    def told(result: DayResult) -> None:
        _log.info("%s", progress.sentence(result))

    if paths := folder.funding(inst_id):
        count = import_funding(vault, inst_id, archive, paths)
        _log.info("%s: %d settled funding rates are new", inst_id, count)
    options = DayOptions(partial=args.partial, replace=args.replace, check=args.check)
    return import_days(vault, inst_id, archive, days, options, wait_s=args.wait, told=told)


def body(args: argparse.Namespace) -> int:
    """Import each instrument and print the result; a failure stops no other instrument."""
    vault = cli.vault_of(args)
    if args.dir is None:
        raise UsageError(
            "where are the files? name their folder: --dir FOLDER; they are on the exchange's page "
            "of historical data"
        )
    archive = exchanges.load_archive(vault.exchange)
    folder = ArchiveFolder(args.dir, archive)
    names = cli.instruments_of(args, folder.instruments())
    if args.dry_run:
        tables.write(PLAN, list(plan_rows(folder, names, args.since, args.until)))
        return DONE
    code, results = DONE, list[ImportResult]()
    for inst_id in names:
        try:
            result = run_import(vault, inst_id, archive, folder, args)
        except RaveQuantError as error:
            cli.report(PROGRAM, error)
            code = code or error.exit_code
            continue
        results.append(result)
        if result.error is not None:
            cli.report(PROGRAM, result.error)
            code = code or result.error.exit_code
    show(vault, results, as_json=args.json)
    return code


def show(vault: Vault, results: Sequence[ImportResult], *, as_json: bool) -> None:
    """Print a row for each instrument and, for people, what comes next."""
    if as_json:
        sys.stdout.writelines(orjson.dumps(facts(result)).decode() + "\n" for result in results)
        return
    rows = [cells for result in results if (cells := result_cells(result))]
    if rows:
        tables.write(HEADERS, rows)
    for result in results:
        for sentence in afterwards(vault, result):
            sys.stdout.write(sentence + "\n")


def facts(result: ImportResult) -> dict[str, Any]:
    """Return a result as one flat JSON object."""
    return {
        "instId": result.inst_id,
        "days": [day.day for day in result.imported],
        "there": result.there,
        "rows": sum(day.rows for day in result.imported),
        "records": sum(day.records for day in result.imported),
        "missing": result.missing,
        "between": [[str(first), str(last)] for first, last in result.between],
        "generation": result.generation,
        "error": None if result.error is None else str(result.error),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Import; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
