"""Keeps the vault within its disk: compresses finished files, deletes old book hours.

Run it once an hour. At every instant each line that is kept stands in the plain file or in a
verified ``.gz``; the next run resumes a stopped run.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import cli, settings, settings_schema, tables, times
from ravequant.errors import DONE, FAILED, UsageError
from ravequant.vault.retention import report
from ravequant.vault.retention.forecast import Forecast, forecast
from ravequant.vault.retention.run import RetentionRun

PROGRAM: Final = "l2_retention"
_log = logging.getLogger(PROGRAM)


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, "Compress finished files, delete old book hours, look ahead.")
    made.add_argument(
        "--keep-gb",
        metavar="N",
        help="disk budget of the whole vault in GB: above it the oldest book hours "
        "are deleted first (default: none)",
    )
    made.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    made.add_argument(
        "--now",
        type=cli.time_arg,
        metavar="TIME",
        help="with --dry-run: as if it were this time, '2025-12-14 21:00' (UTC unless a zone "
        "stands), and recording went on until then",
    )
    return made


def budget_of(text: str) -> int:
    """Return a budget in bytes; 0, which is none, for an empty one."""
    budget = settings_schema.decimal(text, "--keep-gb", settings.GIGABYTES.places) if text else 0
    if text and not budget:
        raise UsageError(f"--keep-gb {text} would keep nothing; give a number of GB above 0")
    return budget


def body(args: argparse.Namespace) -> int:
    """Run once and report."""
    if args.now is not None and not args.dry_run:
        raise UsageError(f"--now {args.now.given} would delete by a made-up clock; add --dry-run")
    chosen, supposed = settings.load().retention, args.now is not None
    clock = args.now.ms if supposed else times.utc_now_ms()
    budget = (chosen.keep_gb if args.keep_gb is None else budget_of(args.keep_gb)) or None
    run = RetentionRun(cli.vault_of(args), chosen, clock, dry=args.dry_run, supposed=supposed)
    seen = run.go(budget)
    rows = report.rows_of(seen.series, run.results, run.rules, run.now)
    expected = forecast(seen, run.rules, run.now, budget)
    if args.json:
        moments = {"now_utc": times.iso(clock), "ages_to_utc": times.iso(run.now)}
        facts = {**moments, "deletes": run.dated, "dry_run": args.dry_run, **asdict(expected)}
        actions = [report.facts_of(result) for result in run.results]
        _write(orjson.dumps({**facts, "streams": rows, "actions": actions}).decode())
    else:
        _show(run, clock, rows, expected, dry=args.dry_run)
    if budget is not None and seen.total > budget:
        _log.error(
            "the vault is %s over its budget and no older book hour is left to delete; "
            "raise --keep-gb, or move old trade days away",
            report.size(seen.total - budget),
        )
        return FAILED
    failed = any(result.status == report.FAILED for result in run.results)
    return FAILED if failed else DONE


def _show(
    run: RetentionRun, clock: int, rows: Sequence[dict[str, Any]], expected: Forecast, *, dry: bool
) -> None:
    if dry:
        _write("Dry run: nothing was changed. What a run would do and leave:")
    if not run.dated:
        _write("Nothing is deleted: no raw record says how late it is.")
    elif run.now < clock:
        _write(f"Ages count to {times.iso(run.now)[:16]}Z, an hour after the newest raw record.")
    tables.write(report.HEADERS, [report.cells(row) for row in rows], words=2)
    _write("\n" + "\n".join([*report.kept_sentences(rows), *report.sentences(expected)]))


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Compress, delete, report; return the exit code."""
    return cli.run(parser(), body, argv, log_file=Path(__file__).with_suffix(".log"))


if __name__ == "__main__":
    sys.exit(main())
