"""The table of the fault suite: facts of many tests merged into one line per row and text."""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ravequant.vault.atomic import replace_file

ROWS: Final = {
    "A1": "exporter killed", "A2": "calculator killed", "A3": "SIGTERM, Ctrl-C",
    "B1": "torn tail", "B2": "hostile lines", "B3": "reader races writer",
    "C1": "state file spoiled", "C2": "raw or output file changed", "C3": "day and hour turn",
    "C4": "compression killed", "C5": "two of the same program",
    "D1": "disk full", "D2": "disk errors",
    "E1": "socket lost", "E2": "notice 64008", "E3": "one channel silent",
    "E4": "subscribe answers", "E5": "book broken", "E6": "REST errors", "E7": "outage",
    "E8": "burst",
    "F1": "clock wrong, computer asleep", "G1": "fields and contracts change",
    "H1": "soak", "H2": "random sequences",
}  # fmt: skip
BEGIN: Final = "<!-- written by the run: begin -->"
END: Final = "<!-- written by the run: end -->"
_RUN: Final = "- run of "
_RUNS_KEPT: Final = 6


@dataclass
class Fact:
    """What tests of one row did and saw."""

    row: str
    what: str
    times: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    worsts: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    failed: bool = True

    def add(self, name: str, number: int = 1) -> None:
        """Add to a figure."""
        self.sums[name] = self.sums.get(name, 0) + number

    def worst(self, name: str, value: float) -> None:
        """Keep the largest value of a figure."""
        self.worsts[name] = max(value, self.worsts.get(name, value))

    def join(self, other: "Fact") -> None:
        """Take in what another test of the same row and text saw."""
        self.times += other.times
        self.seconds += other.seconds
        self.failed |= other.failed
        for name, number in other.sums.items():
            self.add(name, number)
        for name, value in other.worsts.items():
            self.worst(name, value)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is said of a whole run."""

    seed: int
    began: float  # Unix seconds
    seconds: float
    passed: bool


def merged(facts: Iterable[Fact]) -> list[Fact]:
    """Return one fact per row and text, in the order of the rows."""
    found: dict[tuple[str, str], Fact] = {}
    for fact in facts:
        if (kept := found.get((fact.row, fact.what))) is not None:
            kept.join(fact)
        else:
            found[fact.row, fact.what] = fact
    order = list(ROWS)
    return sorted(found.values(), key=lambda fact: (order.index(fact.row), fact.what))


def lacking(facts: Iterable[Fact]) -> list[str]:
    """Return the rows that no test reported."""
    seen = {fact.row for fact in facts}
    return [row for row in ROWS if row not in seen]


def lines(facts: Iterable[Fact]) -> list[str]:
    """Return the table in Markdown."""
    head = [
        "| row | fault | what was run | times | what was seen | result |",
        "|---|---|---|---|---|---|",
    ]
    return head + [
        f"| {fact.row} | {ROWS[fact.row]} | {fact.what} | {fact.times:,} | {_figures(fact)} | "
        f"{'FAILED' if fact.failed else 'passed'} |"
        for fact in facts
    ]


def _figures(fact: Fact) -> str:
    sums = [f"{name} {number:,}" for name, number in fact.sums.items()]
    return "; ".join(
        sums + [f"{name} at most {value:,.10g}" for name, value in fact.worsts.items()]
    )


def write(page: Path, facts: list[Fact], seen: Seen) -> None:
    """Put the table and one line of the run between the page's markers; older runs stay below."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    old, _, after = rest.partition(END)
    runs = [_run_line(facts, seen), *(line for line in old.splitlines() if line.startswith(_RUN))]
    inside = [BEGIN, "", *lines(facts), "", *runs[:_RUNS_KEPT], "", END]
    replace_file(page, (before + "\n".join(inside) + after).encode())


def _run_line(facts: Iterable[Fact], seen: Seen) -> str:
    known = list(facts)
    total = {
        name: sum(fact.sums.get(name, 0) for fact in known) for fact in known for name in fact.sums
    }
    began = datetime.fromtimestamp(seen.began, UTC).strftime("%Y-%m-%d %H:%M UTC")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    result = "passed" if seen.passed else "FAILED"
    return (
        f"{_RUN}{began}, seed {seen.seed}: {result} in {seen.seconds / 60:.0f} min on {cores} "
        f"cores, {platform.system()}, Python {platform.python_version()}; "
        f"kills survived {total.get('kills survived', 0):,}, ids lost {total.get('ids lost', 0):,}"
    )
