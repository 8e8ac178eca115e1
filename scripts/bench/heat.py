"""Case heat: recorded books to the columns of heat that the dashboard draws.

A generated book of BTC with a deep snapshot of 5,000 levels a side each 30 s, from plain and from
packed files, and once more from memory. Processor time of the reading, without the server.
"""

import gzip
import statistics
import time
from typing import Final

from Dashboard.heat_columns import Asked, HeatColumns
from ravequant import times
from ravequant.settings import Settings
from ravequant.sim.market import START_MS
from ravequant.vault.paths import Vault, book_files
from scripts.bench import market
from scripts.bench.runs import Comparison, Figure, Sizes

BUDGET_MS: Final = 6.5  # a column; so 1 s for 150 of them, and 10 s for a day
_ALWAYS: Final = 1 << 60
FIGURES: Final = (
    Figure("ms_per_column", "ms a column", "{:.2f}"),
    Figure("ms_per_column", "150, s", "{:.2f}", 150 / times.SECOND_MS),
    Figure("ms_per_column", "a day, s", "{:.1f}", times.DAY_MINUTES / times.SECOND_MS),
    Figure("budget_ms", "budget", "{:.1f}"),
)


def run(sizes: Sizes) -> Comparison:
    """Measure the columns of all minutes that are over; medians over the rounds."""
    vault = Vault(sizes.work)
    market.append_snapshots(market.snapshots(vault, sizes.seed, deep=True), sizes.snapshots)
    asked = whole_minutes(vault)
    columns = asked.last - asked.first + 1
    comparison = Comparison(f"heat: {columns} columns of recorded books", FIGURES)
    found = _measured(vault, asked, sizes.rounds)
    pack(vault)
    found |= {"packed files": _measured(vault, asked, sizes.rounds)["plain files"]}
    for name in ("plain files", "packed files", "memory"):
        figures = {"ms_per_column": found[name] / columns, "budget_ms": BUDGET_MS}
        comparison.rows.append({"name": name, **figures})
    comparison.notes.append("The background takes five times as long: it has a fifth of a core.")
    return comparison


def whole_minutes(vault: Vault) -> Asked:
    """Return the question for all minutes of the generated books that are over."""
    first = START_MS // times.MINUTE_MS
    newest = HeatColumns(vault, Settings()).newest_minute(market.BTC)
    return Asked(market.BTC, first, newest - 1, 1, _ALWAYS)


def _measured(vault: Vault, asked: Asked, rounds: int) -> dict[str, float]:
    """Return the processor time in ms of a first answer and of one from memory."""
    HeatColumns(vault, Settings()).answer(asked)  # imports and tables are not counted
    first: list[float] = []
    again: list[float] = []
    for _ in range(rounds):
        columns = HeatColumns(vault, Settings())
        for taken in (first, again):
            began = time.process_time()
            columns.answer(asked)
            taken.append((time.process_time() - began) * times.SECOND_MS)
    return {"plain files": statistics.median(first), "memory": statistics.median(again)}


def pack(vault: Vault) -> None:
    """Put a packed file in the place of each file of books."""
    for folder in (vault.snapshots(market.BTC), vault.deep_snapshots(market.BTC)):
        for _, path in list(book_files(folder)):
            path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes(), 6))
            path.unlink()
