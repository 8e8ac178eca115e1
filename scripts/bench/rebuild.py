"""Case rebuild: all records of two instruments anew, from raw trades and from kept minutes.

Each contender is one run of ``recompute.py --rebuild`` with as many workers as cores. The raw days
are packed, as those of a vault are after some days; so is the page cache warm for all of them.
"""

import gzip
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ravequant.catalog import TRADE_CALCULATORS, VOLUME_ANALYZER, VWAP_CALCULATOR
from ravequant.sim.market import START_MS
from ravequant.vault.paths import CHECKOUT, MINUTES, Vault, day_files
from scripts.bench import market, runs
from scripts.bench.runs import Comparison, Figure, Measurement, Sizes

INSTRUMENTS: Final = (market.BTC, "ETH-USDT-SWAP")
ALL: Final = tuple(program.name for program in TRADE_CALCULATORS)
NEXT_MS: Final = 600_000  # of the next day: they close the last day
FIGURES: Final = (
    Figure("days", "days", "{:.0f}"),
    Figure("seconds", "seconds", "{:,.1f}"),
    Figure("cpu_s", "cpu s", "{:,.1f}"),
    Figure("fold_us", "cpu us a minute-fold", "{:,.1f}"),
    Figure("peak_mb", "peak MB", "{:,.0f}"),
    Figure("times_kept", "x kept", "{:.1f} x"),
)
_KEPT: Final = "kept minutes"


def run(sizes: Sizes) -> Comparison:
    """Measure rebuilds of vaults of each age."""
    comparison = Comparison("rebuild: two instruments anew, by recompute.py --rebuild", FIGURES)
    for days in sizes.days:
        vault = Vault(sizes.work / f"days{days}")
        for inst_id in INSTRUMENTS:
            _fill(vault, inst_id, days, sizes)
        comparison.rows += _rows(vault, days, sizes)
    comparison.notes.append(
        f"{sizes.rate:g} trades/s of each instrument on average; one day, repeated. The time from "
        "raw trades grows with that rate, the time from kept minutes does not."
    )
    comparison.notes.append(
        "raw trades: each of the four calculators reads them; keeping: the first of them keeps the "
        f"minutes, the others read these; {_KEPT}: all four read these. A minute-fold is a minute "
        "of one instrument in one calculator."
    )
    return comparison


def _fill(vault: Vault, inst_id: str, days: int, sizes: Sizes) -> None:
    """Write the days of an instrument, packed, and the first minutes of the next day."""
    day = market.RepeatedDay(sizes.seed, sizes.rate, inst_id)
    for number in range(1 - days, 1):
        day.append(vault, number)
        _, path = list(day_files(vault.trades(inst_id)))[-1]
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()
    day.append(vault, 1, until_ms=START_MS + NEXT_MS)


def _rows(vault: Vault, days: int, sizes: Sizes) -> list[dict[str, Any]]:
    one = partial(_rebuild, vault, sizes)
    contenders: dict[str, Callable[[], Measurement]] = {
        "raw trades": lambda: _blocked(vault, one),
        "raw trades, keeping": lambda: _cold(vault, one),
        _KEPT: one,
        f"{_KEPT}, vwap alone": partial(one, VWAP_CALCULATOR.name),
        f"{_KEPT}, volume alone": partial(one, VOLUME_ANALYZER.name),
    }
    found = runs.in_turns(sizes.rounds, contenders)
    minutes = days * 1440 * len(INSTRUMENTS)
    return [
        {
            "name": name,
            "days": days,
            "seconds": runs.median(its_runs, "seconds"),
            "cpu_s": runs.median(its_runs, "cpu_s"),
            "fold_us": _fold_us(its_runs, minutes * (1 if "alone" in name else len(ALL))),
            "peak_mb": runs.largest(its_runs, "peak_mb"),
            "times_kept": runs.ratio(its_runs, found[_KEPT], "seconds"),
        }
        for name, its_runs in found.items()
    ]


def _fold_us(its_runs: list[Measurement], folds: int) -> float | None:
    cpu = runs.median(its_runs, "cpu_s")
    return None if cpu is None else cpu / folds * 1e6


def _rebuild(vault: Vault, sizes: Sizes, *metrics: str) -> Measurement:
    script = str(CHECKOUT / "scripts/recompute.py")
    words = ["--vault", str(vault.root), "--metric", ",".join(metrics or ALL), "--rebuild"]
    words += ["--workers", str(os.cpu_count() or 1), "--log-level", "error"]
    return runs.watched([sys.executable, script, *words], sizes.work)


def _cold(vault: Vault, rebuild: Callable[[], Measurement]) -> Measurement:
    """Rebuild where no minutes are kept yet."""
    shutil.rmtree(vault.root / "derived" / MINUTES, ignore_errors=True)
    shutil.rmtree(vault.root / "state" / MINUTES, ignore_errors=True)
    return rebuild()


def _blocked(vault: Vault, rebuild: Callable[[], Measurement]) -> Measurement:
    """Rebuild where none can be kept: a file stands at the place of their folder."""
    kept, aside = vault.root / "derived" / MINUTES, vault.root / "kept"
    if kept.exists():
        kept.rename(aside)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(b"")
    try:
        return rebuild()
    finally:
        kept.unlink()
        if aside.exists():
            aside.rename(kept)
