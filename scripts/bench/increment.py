"""Case increment: the calculators and the query for the next 15 minutes, on vaults of some ages.

The vault is up to date, then 15 minutes of trades and books are appended. Each program is run from
that state again and again, and so is a bare Python. The books of all vaults are an hour old: the
bucketizer begins with them.
"""

import json
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ravequant import times
from ravequant.catalog import (
    BOOK_FLOW_MAKER,
    CALCULATORS,
    FIND_SIGNALS,
    L2_BUCKETIZER,
    LIQUIDATION_MINUTES,
)
from ravequant.sim.market import START_MS
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from scripts.bench import market, runs
from scripts.bench.runs import Comparison, Figure, Measurement, Sizes
from scripts.bench.state import WrittenFiles

if TYPE_CHECKING:
    from collections.abc import Callable

NEXT_MS: Final = 15 * times.MINUTE_MS
BOOKS_MS: Final = times.HOUR_MS
FLOOR: Final = "import numpy, orjson"
BARE: Final = {"python -c pass": "pass", FLOOR: FLOOR}
SCRIPTS: Final = {
    calculator.name: calculator.script
    for calculator in CALCULATORS
    # case book_flow; and the measured market has no context feeds
    if calculator not in (BOOK_FLOW_MAKER, LIQUIDATION_MINUTES)
}
FIGURES: Final = (
    Figure("days", "days", "{:.0f}"),
    Figure("seconds", "ms", "{:,.0f}", 1e3),
    Figure("times_import", "x import", "{:.2f} x"),
    Figure("cpu_s", "cpu ms", "{:,.0f}", 1e3),
    Figure("peak_mb", "peak MB", "{:,.0f}"),
    Figure("new_bytes", "new KB", "{:,.1f}", 1 / 1024),
    Figure("raw_bytes", "raw KB", "{:,.1f}", 1 / 1024),
)


def run(sizes: Sizes) -> Comparison:
    """Measure all programs on a vault of each age."""
    comparison = Comparison(f"increment: the next 15 minutes of {market.BTC}", FIGURES)
    day = market.RepeatedDay(sizes.seed, sizes.rate)
    for days in sizes.days:
        vault = Vault(sizes.work / f"days{days}")
        new = _prepare(vault, day, days, sizes)
        comparison.rows += _rows(sizes, vault, days, new)
        size = sum(path.stat().st_size for _, path in day_files(vault.trades(market.BTC)))
        comparison.notes.append(f"{days} days: {size / 2**20:,.0f} MB of trades.")
    comparison.notes.append(f"{sizes.rate:g} trades/s of BTC on average; one day, repeated.")
    comparison.notes.append(
        "raw KB: what the calculator has read of its raw files (the bucketizer: without deep "
        "books). find_signals --refresh leaves the reading to the calculators. x import: compared "
        "with importing numpy and orjson."
    )
    return comparison


def _prepare(vault: Vault, day: market.RepeatedDay, days: int, sizes: Sizes) -> dict[str, int]:
    """Make a vault that is up to date, append 15 minutes; return the new bytes of each stream."""
    begin = START_MS + BOOKS_MS
    for number in range(1 - days, 1):
        day.append(vault, number)
    day.append(vault, 1, until_ms=begin)
    books = market.snapshots(vault, sizes.seed, deep=True)
    market.append_snapshots(books, BOOKS_MS // market.CADENCE_MS)
    _bring_up_to_date(vault, sizes)
    new = {
        "trades": day.append(vault, 1, begin, begin + NEXT_MS),
        "books": market.append_snapshots(books, NEXT_MS // market.CADENCE_MS),
    }
    if hasattr(os, "sync"):
        os.sync()  # a commit waits for its own bytes, not for those written here
    return new


def _bring_up_to_date(vault: Vault, sizes: Sizes) -> None:
    for script in SCRIPTS.values():
        runs.watched(_command(vault, script, "--json"), sizes.work, codes=(0, 3))


def _rows(sizes: Sizes, vault: Vault, days: int, new: dict[str, int]) -> list[dict[str, Any]]:
    before = WrittenFiles.of(vault.root)

    def repeated(command: list[str]) -> Measurement:
        took = runs.watched(command, sizes.work)
        before.restore()
        return took

    contenders: dict[str, Callable[[], Measurement]] = {
        name: partial(runs.watched, [sys.executable, "-c", code], sizes.work)
        for name, code in BARE.items()
    }
    for name, script in SCRIPTS.items():
        contenders[name] = partial(repeated, _command(vault, script, "--json"))
    contenders["find_signals --refresh"] = partial(
        repeated, _command(vault, FIND_SIGNALS.script, "--refresh")
    )
    found = runs.in_turns(sizes.rounds, contenders)
    _bring_up_to_date(vault, sizes)  # the query alone is asked of a vault that is up to date
    latest = _command(vault, FIND_SIGNALS.script, "--at", "latest")
    found |= runs.in_turns(
        sizes.rounds,
        {
            "find_signals": partial(runs.watched, latest, sizes.work),
            "find_signals --json": partial(runs.watched, [*latest, "--json"], sizes.work),
        },
    )
    return [
        {
            "name": name,
            "days": days,
            "seconds": runs.median(its_runs, "seconds"),
            "times_import": runs.ratio(its_runs, found[FLOOR], "seconds"),
            "cpu_s": runs.median(its_runs, "cpu_s"),
            "peak_mb": runs.largest(its_runs, "peak_mb"),
            **(_bytes(name, its_runs[0], new) if name in SCRIPTS else {}),
        }
        for name, its_runs in found.items()
    ]


def _bytes(name: str, run: Measurement, new: dict[str, int]) -> dict[str, int]:
    return {
        "new_bytes": new["books" if name == L2_BUCKETIZER.name else "trades"],
        "raw_bytes": json.loads(run["said"])["bytes_read"],
    }


def _command(vault: Vault, script: str, *options: str) -> list[str]:
    known = ["--vault", str(vault.root), "--instId", market.BTC, "--log-level", "error"]
    return [sys.executable, str(CHECKOUT / script), *known, *options]
