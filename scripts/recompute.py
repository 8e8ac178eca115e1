"""Recomputes months of many instruments at once, on several processes or a Dask cluster.

The same folds and files as those of the calculators, which go on from what this leaves.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

import orjson

from ravequant import cli, settings
from ravequant.errors import DONE, NoDataError, RaveQuantError, UsageError
from ravequant.vault.paths import Vault, default_root, instruments, user_path
from scripts.batch.executors import executor_of
from scripts.batch.jobs import CALCULATORS, LAST, RAW, Days, Outcome, RecomputeTask
from scripts.batch.scheduler import Scheduler, Totals

PROGRAM: Final = "recompute"
MOST_WORKERS: Final = 256


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, (__doc__ or "").partition("\n")[0])
    add = made.add_argument
    text = "what to compute (default: %(default)s)"
    add("--metric", default=",".join(CALCULATORS), metavar="A,B", help=text)
    text = "instrument; may be repeated (default: all that the source holds)"
    add("--instId", action="append", dest="inst_ids", metavar="INSTID", help=text)
    text = "begin with the raw file of this UTC day, 2025-12-14"
    add("--from", dest="first", type=cli.day_arg, metavar="DAY", help=text)
    add("--to", dest="last", type=cli.day_arg, metavar="DAY", help="the last UTC day that is read")
    text = "the vault of the raw data (default: the vault)"
    add("--source", metavar="DIR", help=text)
    text = "the vault of the outputs and states (default: source)"
    add("--target", metavar="DIR", help=text)
    text = "processes of this computer, or dask (default: local)"
    add("--engine", choices=("local", "dask"), default="local", help=text)
    text = "processes on this computer (default: one a core)"
    add("--workers", type=_workers, default=os.cpu_count() or 1, metavar="N", help=text)
    text = "tcp://host:8786, in place of a dask cluster on this computer"
    add("--scheduler", type=_scheduler, metavar="URL", help=text)
    text = "recompute what the raw files of these days give; older rows stay"
    add("--rebuild", action="store_true", help=text)
    return made


def _workers(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_WORKERS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_WORKERS}")
    return int(text)


def _scheduler(text: str) -> str:
    if not re.fullmatch(r"(tcp|tls)://[A-Za-z0-9.\-\[\]:]+:[0-9]{1,5}", text):
        raise argparse.ArgumentTypeError("not like tcp://host:8786")
    return text


def tasks_of(args: argparse.Namespace) -> list[RecomputeTask]:
    """Return the tasks, by instrument. Raises UsageError for options that contradict."""
    days = Days(args.first or "", args.last or LAST)
    if days.first > days.last:
        raise UsageError(f"--from {days.first} lies behind --to {days.last}; exchange them")
    if args.scheduler and args.engine != "dask":
        raise UsageError("--scheduler belongs to --engine dask; name both, or neither")
    source = _folder("--source", args.source or str(args.vault or default_root()))
    target = _folder("--target", args.target) if args.target else source
    cli.asked(Vault(source), args.first, "--from")
    chosen = settings.load()
    return [
        RecomputeTask(metric, inst_id, source, target, chosen, days, args.rebuild)
        for inst_id, metric in _pairs(args, source)
    ]


def _folder(option: str, text: str) -> Path:
    """Return the folder; UsageError, without the text, for an address: a password may be in it."""
    if "://" in text or "::" in text:
        raise UsageError(
            f"{option}: expected a folder, not an address; mount an object storage (rclone mount) "
            "or copy it first (aws s3 sync)"
        )
    root = user_path(text).absolute()
    if root.exists() and not root.is_dir():
        raise UsageError(f"{option} {root} is a file; expected a folder")
    return root


def _pairs(args: argparse.Namespace, source: Path) -> list[tuple[str, str]]:
    """Return (instrument, metric): those asked for, or those that there is raw data for."""
    metrics = list(dict.fromkeys(args.metric.split(",")))
    if unknown := [metric for metric in metrics if metric not in CALCULATORS]:
        raise UsageError(f"--metric {unknown[0]!r} is none of {', '.join(CALCULATORS)}")
    if args.inst_ids:
        return [(name, metric) for name in cli.instruments_of(args, ()) for metric in metrics]
    vault = Vault(source)
    there = {metric: instruments(partial(RAW[metric].place, vault)) for metric in metrics}
    names = sorted(set(chain.from_iterable(there.values())))
    found = [(name, metric) for name in names for metric in metrics if name in there[metric]]
    if not found:
        raise NoDataError(f"no raw data in {source}; start an exporter, or name another --source")
    return found


def body(args: argparse.Namespace) -> int:
    """Recompute and print the outcomes."""
    tasks = tasks_of(args)
    codes: list[int] = []

    def show(outcome: Outcome) -> None:
        codes.append(outcome.code)
        _in_place("")
        _show(outcome, as_json=args.json)

    executor = executor_of(args.engine, args.scheduler, args.workers)
    line = _in_place if sys.stderr.isatty() else None
    try:
        totals = Scheduler(executor, show, line).run(tasks)
    finally:
        _in_place("")
        executor.close()
    _show_totals(totals, args.engine, executor.width, as_json=args.json)
    return next(filter(None, codes), DONE)


def _in_place(text: str) -> None:
    """Show a line on a terminal in place of the last; "" takes it away."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r{text[:width]:<{width}}\r{text[:width]}")
        sys.stderr.flush()


def _show(outcome: Outcome, *, as_json: bool) -> None:
    if outcome.error:
        cli.report(PROGRAM, RaveQuantError(outcome.error))
    elif as_json:
        sys.stdout.write(orjson.dumps(outcome.facts).decode() + "\n")
    else:
        newest = outcome.facts.get("newest_utc") or "nothing new"
        records = outcome.facts["records"]
        print(f"{outcome.metric} {outcome.inst_id}: {records:,} new records, {newest}")
    sys.stdout.flush()


def _show_totals(totals: Totals, engine: str, width: int, *, as_json: bool) -> None:
    facts = totals.facts(engine, width)
    if as_json:
        sys.stdout.write(orjson.dumps(facts).decode() + "\n")
    else:
        print(
            f"{totals.outputs} outputs, {totals.failed} failed, {totals.wall_s:.1f} s with "
            f"{width} workers, {totals.cpu_s:.1f} s CPU, {facts['idle_share']:.0%} idle"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Recompute; the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
