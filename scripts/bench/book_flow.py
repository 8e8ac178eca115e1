"""Case book_flow: the cost of book flow where the bucketizer reads the same books anyway.

Each contender works in a process of its own on the same generated vault, 15 trades a second with
the books, from an empty state to a committed one. A figure is processor time; start-up and imports
are not counted.
"""

import io
import shutil
import time
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from Liquidity_Buckets import book_flow, l2_bucketizer
from ravequant.errors import RaveQuantError
from ravequant.pipeline import calculator
from ravequant.vault.paths import Vault
from scripts.bench import market, runs
from scripts.bench.runs import Comparison, Figure, Measurement, Sizes

if TYPE_CHECKING:
    from collections.abc import Callable

BUCKETS, TOGETHER, ALONE = "bucketizer", "both, one reading", "book flow alone"
NAMES: Final = (BUCKETS, TOGETHER, ALONE)
ROWS_PER_SECOND: Final = 15.0
FIGURES: Final = (
    Figure("us_per_snapshot", "us each", "{:,.1f}"),
    Figure("times_again", "more than the bucketizer", "{:+.2f} x"),
)


def run(sizes: Sizes) -> Comparison:
    """Measure all contenders, without and with deep snapshots."""
    comparison = Comparison(
        f"book_flow: {sizes.snapshots:,} snapshots of {market.DEPTH} levels a side, and their "
        "trades",
        FIGURES,
    )
    for deep, kind in ((False, ""), (True, ", deep")):
        vault = Vault(sizes.work / f"flow{deep}")
        found = market.snapshots(
            vault, sizes.seed, deep=deep, rows_per_second=ROWS_PER_SECOND, trades=True
        )
        market.append_snapshots(found, sizes.snapshots)
        measured = runs.in_turns(
            sizes.rounds,
            {
                name: partial(runs.contender, sizes, "book_flow", name, str(vault.root))
                for name in NAMES
            },
        )
        comparison.rows += rows(measured, sizes.snapshots, kind)
    comparison.notes.append(
        "Processor time, files and commits included. `more than the bucketizer`: 0.30 x means that "
        "book flow costs three tenths of the bucketizer's time on top of it."
    )
    return comparison


def rows(found: dict[str, list[Measurement]], snapshots: int, kind: str) -> list[dict[str, Any]]:
    """Return a row for each contender."""
    return [
        {
            "name": f"{name}{kind}",
            "us_per_snapshot": round((runs.median(its, "seconds") or 0.0) / snapshots * 1e6, 1),
            "times_again": round(runs.ratio(its, found[BUCKETS], "seconds") - 1, 2),
        }
        for name, its in found.items()
    ]


def measure(name: str, root: str) -> Measurement:
    """Run a contender here, twice; return the processor seconds of the second time."""
    vault, seconds = Vault(Path(root)), 0.0
    for _ in range(2):  # imports, tables and the first use of memory are not counted
        for folder in ("derived", "state"):
            shutil.rmtree(vault.root / folder, ignore_errors=True)
        began = time.process_time()
        _calculate(name, vault)
        seconds = time.process_time() - began
    return {"seconds": seconds}


def _calculate(name: str, vault: Vault) -> None:
    """Run a program from its command line on, as all are run."""
    words = ["--vault", str(vault.root), "--instId", market.BTC, "--log-level", "error"]
    programs: dict[str, Callable[[list[str]], int]] = {
        BUCKETS: l2_bucketizer.main,
        TOGETHER: book_flow.main,
        ALONE: partial(calculator.main, book_flow.CALCULATOR),
    }
    with redirect_stdout(io.StringIO()):
        code = programs[name](words)
    if code:
        raise RaveQuantError(f"{vault.root}: {name} ended with {code}")
