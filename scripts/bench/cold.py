"""Case cold: each calculator over whole days of two instruments, from nothing.

Beside them stands the scan alone: the same files to closed minute bars, without fold, output and
commit. What a calculator takes beyond that is its own. Everything counts here, start-up too.
"""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ravequant.vault.paths import CHECKOUT, Vault, day_files
from ravequant.vault.tail import SPANS_FROM
from scripts.bench import market
from scripts.bench import runs as runs_module
from scripts.bench.runs import Asked, Column, Run, Table

if TYPE_CHECKING:
    from collections.abc import Callable

CALCULATORS: Final = {
    "vwap": "VWAP/vwap_calculator.py",
    "cvd": "CVD/run_cvd_from_jsonl.py",
    "volume": "Volume_Analyzer/volume_analyzer.py",
    "wicks": "Untouch_Wick/untouch_wick.py",
}
_COLUMNS = (
    Column("days", "days", "{:.0f}"),
    Column("lines_per_s", "lines/s", "{:,.0f}"),
    Column("seconds", "seconds", "{:.3f}"),
    Column("cpu_s", "cpu s", "{:.3f}"),
    Column("peak_mb", "peak MB", "{:,.0f}"),
    Column("times_scan", "x scan", "{:.2f} x"),
)


def run(asked: Asked) -> Table:
    """Measure the calculators, in one process and with processes that read ahead."""
    source = Vault(asked.vault or asked.work / "market")
    if asked.vault is None:
        names = [market.BTC, market.ETH]
        market.write_days(source, names, max(asked.days), rate=asked.rate, seed=asked.seed)
    else:
        names = market.recorded(asked.vault)
    title = f"cold: each calculator from nothing over days of {' and '.join(names)}"
    table = Table(title, _COLUMNS, _COLUMNS[1])
    for days in asked.days:
        vault = Vault(asked.work / f"days{days}")
        size = sum(market.take_days(source, vault, name, days) for name in names)
        table.rows += _rows(asked, vault, names, days)
        lines = table.rows[-1]["lines"]
        table.notes.append(f"{days} days: {lines:,} lines, {size / 2**20:,.0f} MB.")
    if asked.vault is None:
        table.notes.append(
            f"{asked.rate:g} trades/s of BTC on average, bursts to 450; one day, repeated."
        )
    table.notes.append(
        f"1: one process; all: a file of {SPANS_FROM >> 20} MiB or more is read by one a core; "
        "shown if there is one. peak MB: of the largest process. x scan: beside the scan alone."
    )
    return table


def _rows(asked: Asked, vault: Vault, names: list[str], days: int) -> list[dict[str, Any]]:
    contenders: dict[str, Callable[[], Run]] = {}
    large = any(path.stat().st_size >= SPANS_FROM for path in _files(vault, names))
    for who in ("1", "all") if large else ("1",):
        words = ("scan", str(vault.root), "one" if who == "1" else "all", *names)
        contenders[f"scan alone, {who}"] = lambda words=words: runs_module.measured(  # type: ignore[misc]
            asked.work, *words
        )
        for name, script in CALCULATORS.items():
            command = _command(vault, names, script, alone=who == "1")
            contenders[f"{name}, {who}"] = lambda command=command: _from_nothing(  # type: ignore[misc]
                asked, vault, command
            )
    lines = sum(market.count_lines(path) for path in _files(vault, names))
    runs = runs_module.in_turns(asked.rounds, contenders)
    seconds = {name: runs_module.median(found, "seconds") or 0.0 for name, found in runs.items()}
    return [
        {
            "name": name,
            "days": days,
            "lines": lines,
            "lines_per_s": round(lines / seconds[name]),
            "seconds": seconds[name],
            "cpu_s": runs_module.median(found, "cpu_s"),
            "peak_mb": runs_module.largest(found, "peak_mb"),
            "times_scan": runs_module.ratio(found, runs[_scan_of(name)], "seconds"),
        }
        for name, found in runs.items()
    ]


def _files(vault: Vault, names: list[str]) -> list[Path]:
    return [path for name in names for _, path in day_files(vault.trades(name))]


def _scan_of(name: str) -> str:
    return f"scan alone, {name.rpartition(' ')[2]}"


def _command(vault: Vault, names: list[str], script: str, *, alone: bool) -> list[str]:
    program = str(CHECKOUT / script)
    first = runs_module.child("alone", program) if alone else [sys.executable, program]
    chosen = [word for name in names for word in ("--instId", name)]
    return [*first, "--vault", str(vault.root), *chosen, "--log-level", "error", "--json"]


def _from_nothing(asked: Asked, vault: Vault, command: list[str]) -> Run:
    for folder in ("derived", "state"):
        shutil.rmtree(vault.root / folder, ignore_errors=True)
    return runs_module.watched(command, asked.work)
