"""Measure RaveQuant: its figures and its rivals', on the same data, in the same run, in turns.

Each figure is a median over the rounds, each run a process of its own. The plain command is a
small set of some minutes; ``--full`` takes files of the size at which it matters, and hours.
"""

try:
    from ravequant import cli
except (
    ModuleNotFoundError
):  # started with a Python outside .venv: hand over to it, or say the remedy
    import runpy
    from pathlib import Path

    runpy.run_path(
        str(Path(__file__).resolve().parents[1] / "scripts" / "handover.py"), run_name="handover"
    )

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ravequant.errors import NoDataError, UsageError
from scripts.bench import chart, runs
from scripts.bench.cases import CASES
from scripts.bench.runs import Asked, Table

SMALL: Final[Mapping[str, Any]] = {
    "lines": 500_000, "days": (1, 3), "rate": 1.0, "seconds": 4.0, "instruments": (2, 20),
    "snapshots": 300,
}  # fmt: skip
FULL: Final[Mapping[str, Any]] = {
    "lines": 8_000_000, "days": (1, 7, 30), "rate": 15.0, "seconds": 20.0,
    "instruments": (2, 50, 300), "snapshots": 1_800,
}  # fmt: skip
MOST_COLD_DAYS: Final = 7  # of --full: 30 days at 15 trades a second are 17 GB
THINNEST: Final = 1.0  # trades a second of --full in case next: 30 days are 700 MB
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
    )
    made.add_argument("--case", type=cases, default=tuple(CASES), metavar="A,B",
                      help=f"default: {','.join(CASES)}")  # fmt: skip
    made.add_argument("--full", action="store_true",
                      help="the sizes that matter: hours, and 20 GB of room")  # fmt: skip
    made.add_argument("--rounds", type=int, default=5, metavar="N",
                      help="runs of each, in turns (default: 5)")  # fmt: skip
    made.add_argument("--seed", type=int, default=1, help="which market is made up (default: 1)")
    for flag, kind, metavar, purpose in (
        ("--lines", int, "N", "trade lines of case bars"),
        ("--days", whole_numbers, "A,B", "days of data of cases cold and next"),
        ("--rate", float, "N", "trades a second of BTC in cases cold and next, on average"),
        ("--seconds", float, "S", "of the market, in cases exporter and instruments"),
        ("--instruments", whole_numbers, "A,B", "how many in case instruments"),
        ("--snapshots", int, "N", "of case books"),
    ):
        small, full = (_text(sizes[flag[2:]]) for sizes in (SMALL, FULL))
        made.add_argument(flag, type=kind, metavar=metavar,
                          help=f"{purpose} (default: {small}; --full: {full})")  # fmt: skip
    made.add_argument("--swapped", action="store_true",
                      help="case bars: with rows that are older than the row before")  # fmt: skip
    made.add_argument("--vault", type=Path, metavar="DIR",
                      help="trades and books from this vault, which is only read; else made up "
                      "(cases bars, cold, next)")  # fmt: skip
    made.add_argument("--work", type=Path, metavar="DIR", help="where the data are put meanwhile")
    made.add_argument("--chart", type=Path, metavar="FILE.png", help="a picture of the figures")
    made.add_argument("--json", action="store_true", help="machine-readable result on stdout")
    levels = ("debug", "info", "warning", "error")
    made.add_argument("--log-level", choices=levels, default="info", help="default: info")
    return made


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"


def asked_of(args: argparse.Namespace, name: str, work: Path) -> Asked:
    """Return what is asked of a case."""
    sizes = dict(FULL if args.full else SMALL)
    if args.full and name == "cold":
        sizes["days"] = tuple(day for day in FULL["days"] if day <= MOST_COLD_DAYS)
    if args.full and name == "next":
        sizes["rate"] = THINNEST
    given = {key: getattr(args, key) for key in sizes if getattr(args, key) is not None}
    return Asked(
        work=work, rounds=args.rounds, seed=args.seed, vault=args.vault, swapped=args.swapped,
        **(sizes | given),
    )  # fmt: skip


def check(args: argparse.Namespace) -> None:
    """Raise UsageError for what cannot be, before anything is measured."""
    for key in ("rounds", "lines", "rate", "seconds", "snapshots"):
        value = getattr(args, key)
        if value is not None and value <= 0:
            raise UsageError(f"--{key} {value:g}: expected a number above 0")
    if args.vault is not None and not args.vault.is_dir():
        raise NoDataError(f"--vault {args.vault}: no such folder; name one that was recorded into")
    if args.chart is not None:
        if not args.chart.absolute().parent.is_dir():
            raise UsageError(f"--chart {args.chart}: its folder is not there; make it first")
        chart.check()
    for name in args.case:
        if (needs := CASES[name].check) is not None:
            needs()


def measure(args: argparse.Namespace) -> dict[str, Table]:
    """Run the cases one after the other; show each when it is done."""
    found = {}
    for name in args.case:
        _log.info("case %s: %s", name, CASES[name].purpose)
        with tempfile.TemporaryDirectory(dir=args.work, prefix="benchmark-") as folder:
            found[name] = CASES[name].run(asked_of(args, name, Path(folder)))
        if not args.json:
            print(found[name].text(), flush=True)
    return found


def body(args: argparse.Namespace) -> int:
    """Measure, and show what was found."""
    check(args)
    machine = runs.machine()
    if not args.json:
        print(_headline(args, machine), flush=True)
    tables = measure(args)
    if args.chart is not None:
        chart.draw(args.chart, tables, machine)
    if args.json:
        facts = {key: value for key, value in asdict(asked_of(args, "bars", Path())).items()
                 if key not in {"work", "vault"}}  # fmt: skip
        results = {name: table.facts() for name, table in tables.items()}
        print(json.dumps({"machine": machine, "asked": facts, "cases": results}))
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
