"""Case exporter: how many trades a second the trade exporter sustains, and how long each takes.

The exchange in a box sends as fast as it is read for the first, 2,000 a second for the second. A
delay counts from a frame's arrival from the socket to the return of its line's write call.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

from ravequant.vault.paths import CHECKOUT, Vault, day_files
from scripts.bench import live
from scripts.bench import runs as runs_module
from scripts.bench.market import BTC
from scripts.bench.runs import Asked, Column, Run, Table

EXCHANGE: Final = "scripts/okx_exchange.py"
EXPORTER: Final = "Trades_Bot/trades_exporter.py"
LOAD: Final = 20_000  # rows of a second of market time, sent as fast as they are taken
PACE: Final = 2_000
_COLUMNS = (
    Column("trades", "trades", "{:,.0f}"),
    Column("trades_per_s", "trades/s", "{:,.0f}"),
    Column("per_cpu_s", "per cpu s", "{:,.0f}"),
    Column("p50_ms", "p50 ms", "{:.1f}"),
    Column("p99_ms", "p99 ms", "{:.1f}"),
    Column("peak_mb", "peak MB", "{:,.0f}"),
)
check = live.check


def run(asked: Asked) -> Table:
    """Measure both."""
    table = Table("exporter: trades from the exchange in a box into a file", _COLUMNS, _COLUMNS[1])
    runs = runs_module.in_turns(
        asked.rounds,
        {
            "as fast as it can, one core": lambda: _sustained(asked),
            f"{PACE:,} a second": lambda: _paced(asked),
        },
    )
    keys = [column.key for column in _COLUMNS]
    for name, found in runs.items():
        medians = {key: runs_module.median(found, key) for key in keys}
        table.rows.append({"name": name, **medians})
    table.notes.append(
        "per cpu s: trades for each second of processor time. p50, p99: from the frame taken from "
        "the socket to its line written (not yet synced: that is at most a second later)."
    )
    return table


def _sustained(asked: Asked) -> Run:
    """Let the exporter take what there is, on one core."""
    vault = _empty(asked)
    market = ("--rows-per-second", str(LOAD), "--speed", "max")
    with _exchange(asked, *market) as addresses:
        command = _command(vault, *addresses)
        log = asked.work / "exporter.log"
        with live.running([sys.executable, *command], log) as exporter:
            live.on_one_core(exporter)
            live.wait_for(lambda: _size(vault), exporter, log)
            began, before = time.perf_counter(), live.cpu_seconds(exporter)
            first = last = _size(vault)
            ended, cpu = began, before
            while exporter.poll() is None and time.perf_counter() - ended < 1.0:
                time.sleep(0.01)
                if (size := _size(vault)) > last:
                    last, ended = size, time.perf_counter()
                    cpu = live.cpu_seconds(exporter)
            peak = live.memory_mb(exporter)
        lines = _lines(vault)
        written = lines * (last - first) / last
        return {
            "trades": lines,
            "trades_per_s": written / (ended - began),
            "per_cpu_s": written / (cpu - before),
            "peak_mb": peak,
        }


def _paced(asked: Asked) -> Run:
    """Let the exporter take what comes at an even pace, and note how long each row took."""
    vault = _empty(asked)
    target, log = asked.work / "delays.json", asked.work / "exporter.log"
    with _exchange(asked, "--rows-per-second", str(PACE), "--speed", "1") as addresses:
        command = runs_module.child("delays", str(target), *_command(vault, *addresses))
        with live.running(command, log) as exporter:
            time.sleep(asked.seconds)
            live.wait_for(lambda: _size(vault), exporter, log)
            peak = live.memory_mb(exporter)
    took = sorted(json.loads(target.read_bytes()))
    return {
        "trades": len(took),
        "p50_ms": took[len(took) // 2] * 1e3,
        "p99_ms": took[len(took) * 99 // 100] * 1e3,
        "peak_mb": peak,
    }


def _exchange(asked: Asked, *market: str) -> Any:
    ends = f"{max(1, round(asked.seconds))}s"
    return live.exchange(
        asked.work, EXCHANGE, "--ready-file", "{ready}", "--instId", BTC, "--seed", str(asked.seed),
        "--rest-limit-factor", "50", "--until", ends, *market,
    )  # fmt: skip


def _empty(asked: Asked) -> Vault:
    number = len(list(asked.work.glob("vault*")))
    return Vault(asked.work / f"vault{number}")


def _command(vault: Vault, *addresses: str) -> list[str]:
    program = CHECKOUT / EXPORTER
    log = vault.root.with_suffix(".log")
    words = ["--vault", str(vault.root), "--instId", BTC, "--log-file", str(log)]
    return [str(program), *words, *addresses]


def _files(vault: Vault) -> list[Path]:
    return [path for _, path in day_files(vault.trades(BTC))]


def _size(vault: Vault) -> int:
    return sum(path.stat().st_size for path in _files(vault))


def _lines(vault: Vault) -> int:
    return sum(path.read_bytes().count(b"\n") for path in _files(vault))
