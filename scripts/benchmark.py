"""Measure RaveQuant and its rivals on the same data, in the same run, in turns.

Each figure is a median over the rounds, each run a process of its own. The plain command is a
small set of some minutes; ``--full`` takes files of the size at which it matters, and hours.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

from ravequant import cli
from ravequant.errors import UsageError
from scripts.bench import (
    archive,
    bars,
    book_flow,
    books,
    chart,
    dashboard,
    footprint,
    heat,
    import_books,
    increment,
    lab,
    rebuild,
    runs,
)
from scripts.bench.runs import Comparison, Sizes


class Case(NamedTuple):
    """A part of the benchmark that can be run by itself."""

    purpose: str
    run: Callable[[Sizes], Comparison]
    check: Callable[[], None] | None = None  # raises UsageError if something is not installed


CASES: Final = {
    "bars": Case("trades to minute bars, duckdb, polars and a loop too", bars.run, bars.check),
    "books": Case("book snapshots to liquidity buckets, and orjson alone", books.run),
    "book_flow": Case("book flow with the buckets of one reading, and alone", book_flow.run),
    "footprint": Case("footprints and profiles of raw trades, and bars alone", footprint.run),
    "import": Case("a published file to records, polars too", archive.run, archive.check),
    "import_books": Case("a published file of books to snapshots, and orjson", import_books.run),
    "rebuild": Case("two instruments anew, from raw trades and from kept minutes", rebuild.run),
    "increment": Case("each calculator and find_signals for the next 15 minutes", increment.run),
    "lab": Case("a day judged by the lab, and the same day asked minute by minute", lab.run),
    "heat": Case("recorded books to the columns of the dashboard's heat", heat.run),
    "chart": Case("a frame of the dashboard's chart in a browser", chart.run, chart.check),
    "dashboard": Case("the budgets of the dashboard", dashboard.run, chart.check),
}
SMALL: Final = {"lines": 500_000, "snapshots": 300, "messages": 30_000, "days": (1, 3), "rate": 1.0}
FULL: Final = {
    "lines": 8_000_000,
    "snapshots": 1_800,
    "messages": 500_000,
    "days": (1, 7, 30),
    "rate": 1.0,
}
_log = logging.getLogger("benchmark")


def whole_numbers(text: str) -> tuple[int, ...]:
    """Return ``1,7,30`` as numbers above 0."""
    numbers = tuple(int(part) for part in text.split(","))
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers above 0, like 1,7")
    return numbers


def cases(text: str) -> tuple[str, ...]:
    """Return the names of cases, checked."""
    names = tuple(dict.fromkeys(text.split(",")))
    if unknown := [name for name in names if name not in CASES]:
        known = ", ".join(CASES)
        raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}: expected some of {known}")
    return names


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    known = "; ".join(f"{name}: {case.purpose}" for name, case in CASES.items())
    made = argparse.ArgumentParser(
        prog="benchmark.py",
        description="Our figures and our rivals', on the same data in the same run, in turns.",
        epilog=f"Cases: {known}.",
        allow_abbrev=False,
    )
    add = made.add_argument
    add("--case", type=cases, default=tuple(CASES), metavar="A,B", help="default: all")
    add("--full", action="store_true", help="the sizes that matter: hours, and 4 GB of room")
    add("--rounds", type=int, default=5, metavar="N", help="runs of each, in turns (default: 5)")
    add("--seed", type=int, default=1, help="which market is made up (default: 1)")
    for name, kind, purpose in (
        ("lines", int, "trades of cases bars and footprint, rows of case import"),
        ("snapshots", int, "snapshots of cases books, book_flow, heat and lab"),
        ("messages", int, "messages of case import_books"),
        ("days", whole_numbers, "days of trades in cases rebuild and increment, like 1,7"),
        ("rate", float, "trades a second in these and lab, on average"),
    ):
        sizes = f"default: {_text(SMALL[name])}; --full: {_text(FULL[name])}"
        add(f"--{name}", type=kind, metavar="N", help=f"{purpose} ({sizes})")
    add("--work", type=cli.path_arg, metavar="DIR", help="where the data are put meanwhile")
    add("--json", action="store_true", help="machine-readable result on stdout")
    levels = ("debug", "info", "warning", "error")
    add("--log-level", choices=levels, default="info", help="default: info")
    return made


def _text(size: Any) -> str:
    return ",".join(map(str, size)) if isinstance(size, tuple) else f"{size:g}"


def sizes_of(args: argparse.Namespace, work: Path) -> Sizes:
    """Return the sizes to measure: the small or the full set, changed by the arguments."""
    known: dict[str, Any] = dict(FULL if args.full else SMALL)
    given = {name: getattr(args, name) for name in known if getattr(args, name) is not None}
    return Sizes(work=work, rounds=args.rounds, seed=args.seed, **(known | given))


def check(args: argparse.Namespace) -> None:
    """Raise UsageError for options that cannot be, before anything is measured."""
    for name in ("rounds", "lines", "snapshots", "messages", "rate"):
        value = getattr(args, name)
        if value is not None and value <= 0:
            raise UsageError(f"--{name} {value:g}: expected a number above 0")
    for name in args.case:
        if (needs := CASES[name].check) is not None:
            needs()


def measure(args: argparse.Namespace) -> dict[str, Comparison]:
    """Run the cases one after the other; show each when it is done."""
    found = {}
    for name in args.case:
        _log.info("case %s: %s", name, CASES[name].purpose)
        with tempfile.TemporaryDirectory(dir=args.work, prefix="benchmark-") as folder:
            found[name] = CASES[name].run(sizes_of(args, Path(folder)))
        if not args.json:
            print(found[name].text(), flush=True)
    return found


def body(args: argparse.Namespace) -> int:
    """Measure, and show the figures."""
    check(args)
    machine = runs.machine()
    if not args.json:
        print(_headline(args, machine), flush=True)
    found = measure(args)
    if args.json:
        sizes = asdict(sizes_of(args, Path()))
        del sizes["work"]
        results = {name: comparison.facts() for name, comparison in found.items()}
        print(json.dumps({"machine": machine, "asked": sizes, "cases": results}))
    return 0


def _headline(args: argparse.Namespace, machine: Mapping[str, Any]) -> str:
    versions = ", ".join(
        f"{name} {version or 'not installed'}" for name, version in machine["versions"].items()
    )
    size = "full sizes" if args.full else "a small set; --full takes the sizes that matter"
    return (
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_1m']}, "
        f"{machine['system']}\n{versions}\n"
        f"Medians of {args.rounds} rounds, in turns; {size}.\n"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
