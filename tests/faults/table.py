"""The rows of the fault suite, and what its tests saw: one line for each row and text."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

ROWS: Final = {
    "A1": "exporter killed", "A2": "calculator killed", "A3": "SIGTERM, Ctrl-C",
    "B1": "torn tail", "B2": "hostile lines", "B3": "reader races writer",
    "C1": "state file spoiled", "C2": "raw or output file changed", "C3": "day and hour turn",
    "C4": "compression killed", "C5": "two of the same program", "C6": "damaged file",
    "C7": "kept minutes spoiled", "C8": "import killed",
    "D1": "disk full", "D2": "disk errors",
    "E1": "socket lost", "E2": "notice 64008", "E3": "one channel silent",
    "E4": "subscribe answers", "E5": "book broken", "E6": "REST errors", "E7": "outage",
    "E8": "burst", "E9": "ids begin lower",
    "F1": "clock wrong, computer asleep", "F2": "clock off from the start",
    "F3": "times from the future and the past",
    "G1": "fields and contracts change", "G2": "instruments that cannot be recorded",
    "H1": "soak", "H2": "random sequences",
    "J1": "questions at any instant",
}  # fmt: skip


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
    """Return a line for each fact: row, fault, what was run, how often, figures, result."""
    return [
        f"{'FAILED' if fact.failed else 'passed'} {fact.row} {ROWS[fact.row]}: {fact.what}, "
        f"{fact.times:,} times{_figures(fact)}"
        for fact in facts
    ]


def _figures(fact: Fact) -> str:
    figures = [f"{name} {number:,}" for name, number in fact.sums.items()]
    figures += [f"{name} at most {value:,.10g}" for name, value in fact.worsts.items()]
    return "".join(f"; {figure}" for figure in figures)


def total(facts: Iterable[Fact], name: str) -> int:
    """Return the sum of a figure over all facts."""
    return sum(fact.sums.get(name, 0) for fact in facts)
