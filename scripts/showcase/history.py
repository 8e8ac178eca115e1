"""The step of the demo that imports days which the exchange in a box has published."""

import time
from typing import Final, NoReturn, Protocol

from ravequant import catalog
from ravequant.catalog import Program
from ravequant.vault.gap_ledger import GapLedger, ids_by_status, status_ranges
from ravequant.vault.imports import provenance
from ravequant.vault.imports.provenance import ImportedDay
from ravequant.vault.paths import Vault
from scripts.supervision.schedule import Task

FOLDER: Final = "archive"  # in the demo's vault: the files that the exchange publishes
OPEN_AFTER_S: Final = 17 * 3_600  # of the day behind: by then the file of its first hours is out
PROVED: Final = "candles"


class DemoRun(Protocol):
    """The parts of a demo that the step uses."""

    vault: Vault

    def run(self, tasks: list[Task], text: str) -> None:
        """Run programs until each has ended well."""

    def task(self, program: Program, options: list[str]) -> Task:
        """Return a task that is run once."""

    def fail(self, program: Program | Task, what: str) -> NoReturn:
        """Raise the demo's error."""


def market_history_s(days: int) -> int:
    """Return how old a market must be that has published so many whole UTC days."""
    return days * 86_400 + OPEN_AFTER_S


def span(days: int, kind: str = "") -> str:
    """Return ``1 day``, ``3 whole days``."""
    return f"{days} {kind}day{'s' * (days != 1)}"


def import_days(demo: DemoRun, inst_ids: tuple[str, ...], days: int) -> str:
    """Import the published days; DemoError unless all are there, proved, and join the recording."""
    began = time.monotonic()
    folder = demo.vault.root / FOLDER
    options = ["--vault", str(demo.vault.root), "--dir", str(folder), "--partial"]
    names = [word for inst_id in inst_ids for word in ("--instId", inst_id)]
    demo.run([demo.task(catalog.IMPORT_TRADES, [*options, *names])], f"importing {span(days)}")
    fills = sum(check_imported(demo, inst_id, days) for inst_id in inst_ids)
    return (
        f"{span(days, 'whole ')} and the first hours of the next, which are recorded too: "
        f"{fills:,} fills in {time.monotonic() - began:.0f} s\n  each minute equals the "
        "exchange's own candle, and no id is missing up to the recording"
    )


def check_imported(demo: DemoRun, inst_id: str, days: int) -> int:
    """Return how many fills were imported; DemoError if one is missing or a minute is another."""
    lines = sorted(provenance.newest(demo.vault, inst_id).values(), key=lambda line: line.day)
    whole = [line for line in lines if line.proof == PROVED]
    if len(whole) != days or len(lines) != days + 1:
        found = ", ".join(f"{line.day} {line.proof}" for line in lines) or "nothing"
        demo.fail(catalog.IMPORT_TRADES, f"imported of {inst_id}: {found}; expected {span(days)}")
    if missing := _missing(demo, inst_id, lines):
        demo.fail(catalog.IMPORT_TRADES, f"left {missing:,} ids of {inst_id} open, expected none")
    return sum(line.rows for line in lines)


def _missing(demo: DemoRun, inst_id: str, lines: list[ImportedDay]) -> int:
    ledger = GapLedger(demo.vault.gap_ledger(inst_id), inst_id)
    entries = ledger.entries()
    last = max((entry.gap.to_id for entry in entries), default=0)
    in_days = sum(last_id - first_id + 1 for line in lines for first_id, last_id in line.jumps)
    return in_days + ids_by_status(status_ranges(entries, 0, last))["open"]
