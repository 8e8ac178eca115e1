"""Imports days of trades that the exchange has published, exactly once beside the recording.

    python Trades_Bot/import_trades.py --download --from 2025-09-01     fetched from the exchange
    python Trades_Bot/import_trades.py --dir FOLDER     the files that you have fetched yourself

Days are built aside first; then they are put in their places at once, while the recorder goes on.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, Final

import orjson

from ravequant import catalog, cli, exchanges, settings, tables
from ravequant.errors import DONE, FAILED, NoDataError, RaveQuantError, UsageError
from ravequant.exchanges.archive.terms import require_terms
from ravequant.vault import instruments
from ravequant.vault.paths import Vault
from Trades_Bot.day_import import DayOptions, DayResult
from Trades_Bot.funding_import import import_funding
from Trades_Bot.import_report import DayProgress, afterwards, result_cells
from Trades_Bot.import_sources import FindSource, TradeSource, downloads, folders
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
    ("--probe", "only fetch the smallest files and say if they are as believed, in ten lines"),
)
_log = logging.getLogger(PROGRAM)


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, "Import days of trades that the exchange has published.")
    cli.add_instruments(made)
    text = "import the published files of this folder, which you have fetched"
    made.add_argument("--dir", type=cli.path_arg, metavar="FOLDER", help=text)
    text = "fetch the published files from the exchange; with --dir they stay in that folder"
    made.add_argument("--download", action="store_true", help=text)
    text = "with --download: agree to the exchange's terms for its files (asked for once)"
    made.add_argument("--accept-terms", action="store_true", help=text)
    for flag, name, text in (("--from", "since", "first"), ("--to", "until", "last")):
        purpose = f"the {text} UTC day (default: of the files)"
        made.add_argument(flag, dest=name, type=cli.day_arg, metavar="DAY", help=purpose)
    for flag, purpose in _SWITCHES:
        made.add_argument(flag, action="store_true", help=purpose)
    text = "hold each minute against the exchange's candles, where their files are there (default)"
    made.add_argument("--check", action=argparse.BooleanOptionalAction, default=True, help=text)
    made.add_argument("--rest-url", metavar="URL", help="default: okx.rest_url of the settings")
    text = "ask X times as often as OKX allows; for an exchange in a box that allows it"
    made.add_argument("--rest-limit-factor", type=cli.factor, default=1.0, metavar="X", help=text)
    text = "how long a running recorder may take for a day (default: 60)"
    made.add_argument("--wait", type=cli.seconds, default=60.0, metavar="S", help=text)
    return made


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


def run_import(vault: Vault, source: TradeSource, args: argparse.Namespace) -> ImportResult:
    """Import the days of one instrument."""
    inst_id = source.inst_id
    have_metadata(vault, inst_id, rest_url(args))
    if paths := source.funding():
        count = import_funding(vault, inst_id, source.archive, paths)
        _log.info("%s: %d settled funding rates are new", inst_id, count)
    progress = DayProgress(inst_id, source.count)

    def told(result: DayResult) -> None:
        _log.info("%s", progress.sentence(result))

    options = DayOptions(partial=args.partial, replace=args.replace, check=args.check)
    return import_days(
        vault, inst_id, source.archive, source.days(), options, wait_s=args.wait, told=told
    )


def rest_url(args: argparse.Namespace) -> str:
    """Return the address of the exchange's REST."""
    url: str = args.rest_url or settings.load().okx.addresses()[1]
    return url


def sources_of(vault: Vault, args: argparse.Namespace) -> Iterator[FindSource]:
    """Return for each instrument a function that finds its files. Raises UsageError."""
    archive = exchanges.load_archive(vault.exchange)
    if args.download:
        publisher = exchanges.load_publisher(vault.exchange)
        if not args.dry_run:
            require_terms(vault, publisher.terms, accepted=args.accept_terms)
        return downloads(vault, archive, publisher, rest_url(args), args)
    if args.dir is None:
        raise UsageError(
            "where are the files? --download fetches them, --dir FOLDER takes those that you have "
            "fetched from the exchange's page of historical data"
        )
    return folders(archive, args)


def body(args: argparse.Namespace) -> int:
    """Import each instrument and print the result; a failure stops no other instrument."""
    vault = cli.vault_of(args)
    if args.probe:
        return probe(vault, args)
    sources = sources_of(vault, args)
    code, results, plans = DONE, list[ImportResult](), list[TradeSource]()
    for find in sources:
        try:
            source = find()
            if source is not None and args.dry_run:
                plans.append(source)
            elif source is not None:
                with closing(source):
                    results.append(run_import(vault, source, args))
                if (error := results[-1].error) is not None:
                    raise error
        except RaveQuantError as error:
            cli.report(PROGRAM, error)
            code = code or error.exit_code
    if args.dry_run:
        show_plan(plans, as_json=args.json)
    else:
        show(vault, results, as_json=args.json)
    return code


def probe(vault: Vault, args: argparse.Namespace) -> int:
    """Fetch the smallest files and print if the exchange's files are as they are believed to be."""
    publisher = exchanges.load_publisher(vault.exchange)
    require_terms(vault, publisher.terms, accepted=args.accept_terms)
    folder = args.dir or vault.import_downloads()
    named = {"inst_id": cli.instruments_of(args, ())[0]} if args.inst_ids else {}
    found = publisher.probe(rest_url(args), folder, limit_factor=args.rest_limit_factor, **named)
    sys.stdout.writelines(f"{finding.line()}\n" for finding in found)
    return FAILED if any(finding.believed is False for finding in found) else DONE


def show_plan(sources: Sequence[TradeSource], *, as_json: bool) -> None:
    """Print the files that would be fetched, and the days that would be imported."""
    rows = [[source.inst_id, str(source.count), *source.cells] for source in sources]
    if as_json:
        keys = ("instId", "days", "from", "to", "files", "mb", "lacking")
        facts_of = (orjson.dumps(dict(zip(keys, row, strict=True))) for row in rows)
        sys.stdout.writelines(row.decode() + "\n" for row in facts_of)
        return
    tables.write(PLAN, rows)
    for source in sources:
        sys.stdout.writelines(f"{source.inst_id}: {line}\n" for line in source.lines)


def show(vault: Vault, results: Sequence[ImportResult], *, as_json: bool) -> None:
    """Print a row for each instrument and, for people, the next steps."""
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
