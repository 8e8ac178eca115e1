"""Case instruments: what both exporters take for few and many instruments of the exchange.

Each window is some seconds of the running programs; the median of the windows is shown. Trades come
at the pace of BTC (15 a second on average), ETH (9) and, of all others, 4.5 each; each book pushes
ten times a second, and the exporter keeps a snapshot of 400 levels every two seconds.
"""

import sys
import time
from contextlib import ExitStack
from typing import Any, Final

import orjson

from ravequant import times
from ravequant.vault.paths import CHECKOUT, Vault
from scripts.bench import live, runs
from scripts.bench.box import names
from scripts.bench.runs import Asked, Column, Run, Table

PROGRAMS: Final = {
    "trades_exporter": "Trades_Bot/trades_exporter.py",
    "l2_exporter": "L2_Bot/l2_exporter.py",
}
BOTH: Final = "both"
_SETTLED_S: Final = 5.0  # after the last subscription
_COLUMNS = (
    Column("instruments", "instruments", "{:.0f}"),
    Column("cores", "cores", "{:.3f}", less=True),
    Column("peak_mb", "peak MB", "{:,.0f}"),
    Column("now_mb", "MB at the end", "{:,.0f}"),
    Column("frames_per_s", "frames/s", "{:,.0f}"),
)
check = live.check


def run(asked: Asked) -> Table:
    """Measure each number of instruments."""
    table = Table("instruments: both exporters at the exchange in a box", _COLUMNS, _COLUMNS[1])
    for count in asked.instruments:
        table.rows += _rows(asked, count)
    table.notes.append(
        f"cores: processor seconds a second, medians of {asked.rounds} windows of "
        f"{asked.seconds:g} s; peak MB from the start on."
    )
    return table


def _rows(asked: Asked, count: int) -> list[dict[str, Any]]:
    chosen = [word for name in names(count) for word in ("--instId", name)]
    with ExitStack() as held:
        box = live.exchange(
            asked.work, "scripts/bench/box.py", "{ready}", str(count), str(asked.seed)
        )
        addresses = held.enter_context(box)
        vault = Vault(asked.work / f"vault{count}")
        running = {}
        for name, script in PROGRAMS.items():
            log = asked.work / f"{name}.{count}.log"
            own = str(log.with_suffix(".own"))
            words = ["--vault", str(vault.root), "--log-file", own, *chosen]
            command = [sys.executable, str(CHECKOUT / script), *words, *addresses]
            running[name] = held.enter_context(live.running(command, log))
        for name, process in running.items():
            log = asked.work / f"{name}.{count}.own"
            live.wait_for(lambda log=log: _subscribed(log) >= count, process, log)
        time.sleep(_SETTLED_S)
        windows = {name: list[Run]() for name in running}
        for _ in range(asked.rounds):
            before = {name: live.cpu_seconds(item) for name, item in running.items()}
            frames = {name: _frames(vault, name) for name in running}
            began = time.perf_counter()
            time.sleep(asked.seconds)
            took = time.perf_counter() - began
            for name, process in running.items():
                cores = (live.cpu_seconds(process) - before[name]) / took
                pace = _pace(frames[name], _frames(vault, name))
                windows[name].append({"cores": cores, "frames_per_s": pace})
        memory = {
            field: {name: live.memory_mb(it, field) for name, it in running.items()}
            for field in ("VmHWM", "VmRSS")
        }
    both = [
        {"cores": sum(window["cores"] for window in together)}
        for together in zip(*windows.values(), strict=True)
    ]
    rows = {**windows, BOTH: both}
    for used in memory.values():
        used[BOTH] = sum(used.values())
    return [
        {
            "name": name,
            "instruments": count,
            "cores": runs.median(found, "cores"),
            "peak_mb": memory["VmHWM"][name],
            "now_mb": memory["VmRSS"][name],
            "frames_per_s": runs.median(found, "frames_per_s"),
        }
        for name, found in rows.items()
    ]


def _subscribed(log: Any) -> int:
    try:
        return log.read_bytes().count(b"Subscribed ")  # type: ignore[no-any-return]
    except OSError:
        return 0


def _frames(vault: Vault, name: str) -> tuple[str, int]:
    """Return a heartbeat's moment, and the frames until then."""
    facts = orjson.loads(vault.health(name).read_bytes())
    return facts["heartbeat_utc"], facts["frames"]


def _pace(before: tuple[str, int], after: tuple[str, int]) -> float | None:
    span = times.parse_iso(after[0]) - times.parse_iso(before[0])
    return (after[1] - before[1]) / span * 1e3 if span else None
