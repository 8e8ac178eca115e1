"""Certifies the recordings: expected, present and missing data per instrument and UTC day.

Exit code 1 if anything is missing or wrong. Each file's SHA-256 is noted; the next run names the
files that have changed since, where they should only have grown.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Final

import orjson

from ravequant import catalog, cli, settings, tables, times
from ravequant.errors import DONE, FAILED, LockedError, NoDataError, UsageError, VaultError
from ravequant.vault.lock import writer_lock
from ravequant.vault.newest import RAW
from ravequant.vault.paths import Vault, instruments, strays
from scripts.audit.chain_days import chain_days
from scripts.audit.context_days import context_days
from scripts.audit.day_certificate import HEADERS, METRIC, Certificate, DayVerdict

PROGRAM: Final = "verify_vault"
AHEAD: Final = (
    "%s: is of a day that this computer's clock has not reached. If the clock is right, a record "
    "ahead of its time opened it: for trades see below; move a book's file away, with the "
    "exporters stopped"
)
_log = logging.getLogger(PROGRAM)


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, "Certify what was recorded: expected, present, missing, changed.")
    cli.add_instruments(made)
    made.add_argument("--days", type=int, metavar="N", help="only the newest N days of each stream")
    made.add_argument(
        "--seal",
        action="store_true",
        help="note each finished day that was not noted yet, in one line; exit code 0",
    )
    made.add_argument(
        "--renew",
        action="store_true",
        help="accept the files as they are: forget the hashes noted so far",
    )
    return made


def recorded(vault: Vault, asked: Sequence[str] | None) -> list[str]:
    """Return the instruments to look at: those asked for, else all that the vault holds."""
    streams = (vault.trades, vault.snapshots, vault.btc_transfers)
    found = {name for stream in streams for name in instruments(stream)}
    chosen = list(asked or sorted(found))
    if not chosen or not found.intersection(chosen):
        raise NoDataError(
            f"no raw data of {', '.join(chosen) or 'any instrument'} in {vault.root}; start an "
            "exporter, or name another vault with --vault"
        )
    return chosen


def name_odd_files(vault: Vault, inst_id: str) -> None:
    """Log the files that no reader looks at, and those of a day that is yet to come."""
    tomorrow = times.day(times.utc_now_ms() + times.DAY_MS)
    for data in (*RAW, *catalog.CONTEXT, catalog.BTC_TRANSFERS):
        for path in strays(data.place(vault, inst_id)):
            _log.warning("%s: no reader looks at it, its name is none of a raw file", path)
        for key, path in data.files(vault, inst_id):
            if key[:10] > tomorrow:
                _log.warning(AHEAD, path)


def certify(vault: Vault, inst_id: str, days: int | None, *, renew: bool) -> list[DayVerdict]:
    """Judge an instrument and note the hashes. Raises LockedError while another run does."""
    with ExitStack() as held:
        try:
            held.enter_context(writer_lock(vault, METRIC, inst_id))
        except LockedError:
            raise
        except VaultError as error:
            _log.warning("the vault cannot be written, nothing is noted: %s", error)
        name_odd_files(vault, inst_id)
        certificate = Certificate(vault, inst_id, renew=renew)
        verdicts = [
            *certificate.verdicts(days),
            *context_days(vault, inst_id, days),
            *chain_days(vault, inst_id, days),
        ]
        try:
            certificate.keep()
        except VaultError as error:
            _log.warning("nothing was noted for the next run: %s", error)
    return verdicts


def seal(vault: Vault, inst_ids: Sequence[str]) -> int:
    """Note the finished days that were not noted yet, and print the result in one line."""
    verdicts = list[DayVerdict]()
    for inst_id in inst_ids:
        with writer_lock(vault, METRIC, inst_id):
            verdicts += Certificate(vault, inst_id).seal()
    if verdicts:
        sys.stdout.write(sealed(verdicts) + "\n")
    return DONE


def sealed(verdicts: Sequence[DayVerdict]) -> str:
    """Return the line about days that were sealed: complete, or what each lacks."""
    days = sorted({verdict.day for verdict in verdicts})
    head = f"sealed {days[0]}" + f" to {days[-1]}" * (len(days) > 1)
    bad = [verdict for verdict in verdicts if not verdict.whole]
    lacks = [
        f"{verdict.inst_id} {verdict.stream}{f' of {verdict.day}' * (len(days) > 1)}: "
        + (
            verdict.problems[0]
            if verdict.problems
            else f"{verdict.missing:,} {verdict.unit} missing"
        )
        for verdict in bad
    ]
    return f"{head}: {'; '.join(lacks) or 'all complete'}"


def show(verdicts: Sequence[DayVerdict]) -> None:
    """Write the table, and the problems below it."""
    tables.write(HEADERS, [verdict.cells() for verdict in verdicts], words=4)
    for verdict in verdicts:
        by_status = sorted(verdict.missing_by_status.items())
        said = [f"{count:,} ids missing: {status}" for status, count in by_status]
        for line in said + verdict.problems + verdict.notes:
            sys.stdout.write(f"{verdict.inst_id} {verdict.stream} {verdict.day}: {line}\n")
    if any(verdict.unit == "ids" and verdict.missing for verdict in verdicts):
        sys.stdout.write("Missing trades can be fetched with scripts/repair_gaps.py\n")


def body(args: argparse.Namespace) -> int:
    """Certify and print."""
    if args.days is not None and args.days < 1:
        raise UsageError(f"--days {args.days}: expected 1 or more; leave it out for all")
    vault = cli.vault_of(args)
    chosen = cli.instruments_of(args, recorded(vault, args.inst_ids))
    settings.load()
    if args.seal:
        if args.renew or args.days:
            raise UsageError("--seal notes whole days as they are: leave out --renew and --days")
        return seal(vault, chosen)
    verdicts = [
        verdict
        for inst_id in chosen
        for verdict in certify(vault, inst_id, args.days, renew=args.renew)
    ]
    whole = all(verdict.whole for verdict in verdicts)
    if args.json:
        days = [{**asdict(verdict), "complete": verdict.whole} for verdict in verdicts]
        facts = {"vault": str(vault.root), "complete": whole, "days": days}
        sys.stdout.write(orjson.dumps(facts).decode() + "\n")
    else:
        show(verdicts)
    return DONE if whole else FAILED


def main(argv: Sequence[str] | None = None) -> int:
    """Certify; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
