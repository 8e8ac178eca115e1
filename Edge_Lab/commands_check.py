"""``edge_lab.py check``: the lab's chains, its worked examples, its bounds without an edge."""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from typing import Any, Final

import orjson

from Edge_Lab import self_test
from Edge_Lab.lab_bounds import Bound
from ravequant import cli, times
from ravequant.errors import DONE, FAILED, UsageError

_MOST_DAYS: Final = 10_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--slow",
        action="store_true",
        help=f"check: all bounds, over {self_test.SLOW_DAYS:,} days of each model market and "
        f"{self_test.SLOW_STUDIES:,} studies; takes a quarter of an hour or more",
    )
    parser.add_argument("--days", type=int, metavar="N", help="check --slow: fewer days")
    parser.add_argument("--studies", type=int, metavar="N", help="check --slow: fewer studies")
    parser.add_argument(
        "--days-folder", metavar="DIR", help="check --slow: keeps the simulated days for next time"
    )


def check(args: argparse.Namespace) -> int:
    """Verify the chains, run the bounds, write lab/self_test.json; 1 if one does not hold."""
    vault = cli.vault_of(args)
    found = self_test.chains(vault)
    quick = self_test.quick_bounds()
    slow = _slow(args) if args.slow else None
    row = self_test.write_result(vault, quick, slow, times.utc_now_ms())
    if args.json:
        sys.stdout.write(orjson.dumps({"chains": found, **row}).decode() + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _page(found, row)))
    return DONE if row["passed"] else FAILED


def _slow(args: argparse.Namespace) -> list[Bound]:
    days = self_test.SLOW_DAYS if args.days is None else args.days
    studies = self_test.SLOW_STUDIES if args.studies is None else args.studies
    if not self_test.FEWEST_DAYS <= days <= _MOST_DAYS or studies < 1:
        raise UsageError(
            f"--days {days} --studies {studies}: expected {self_test.FEWEST_DAYS} to "
            f"{_MOST_DAYS:,} days and a study or more"
        )
    with ExitStack() as stack:
        folder = args.days_folder or stack.enter_context(tempfile.TemporaryDirectory())
        made = []
        for bound in self_test.slow_bounds(folder, days, studies):
            made.append(bound)
            if sys.stderr.isatty():
                sys.stderr.write(f"{bound.name}: {bound.seen}\n")
    return made


def _page(found: dict[str, int], row: dict[str, Any]) -> list[str]:
    """Return a line for each chain and each bound, and a last line that says it all."""
    lines = [f"{name}: {count} lines, the chain is whole" for name, count in found.items()]
    lines += [
        f"{'holds' if one['holds'] else 'FAILS'}  {one['name']}: {one['seen']} ({one['limit']}; "
        f"{one['sample']})"
        for one in row["bounds"]
    ]
    if row["failed"]:
        lines.append(
            f"the lab is broken: {', '.join(row['failed'])}; do not read any of its numbers"
        )
    else:
        lines.append("the lab holds its bounds")
    return lines
