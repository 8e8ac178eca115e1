"""Case bars: raw trades to exact minute bars, ours beside duckdb, polars and plain loops.

All read one file in turns, each time in a process of its own, and must give the same bars. Start-up
and imports are not counted, a first run over 1,000 lines is made before.
"""

import importlib.util
from typing import Any

from ravequant.errors import RaveQuantError, UsageError
from scripts.bench import market
from scripts.bench import runs as runs_module
from scripts.bench.contenders import CONTENDERS, INST_ID
from scripts.bench.runs import Asked, Column, Run, Table

ONE, ALL = list(CONTENDERS)[:2]
_COLUMNS = (
    Column("lines_per_s", "lines/s", "{:,.0f}"),
    Column("seconds", "seconds", "{:.3f}"),
    Column("peak_mb", "peak MB", "{:,.0f}"),
    Column("one_is", "our 1 is", "{:.2f} x"),
    Column("all_is", "our all is", "{:.2f} x"),
)


def check() -> None:
    """Raise UsageError if a rival is not there."""
    missing = [name for name in ("duckdb", "polars") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} not installed: python -m pip install -e '.[bench]'"
        )


def run(asked: Asked) -> Table:
    """Measure all contenders; RaveQuantError if their bars differ."""
    warm = asked.work / "warm.jsonl"
    market.write_trades(warm, 1_000, asked.seed)
    if asked.vault is None:
        path = asked.work / "trades.jsonl"
        market.write_trades(path, asked.lines, asked.seed, swapped=asked.swapped)
    else:
        name, path = market.newest_file(asked.vault, asked.work)
        if name != INST_ID:
            raise UsageError(f"case bars compares {INST_ID} only; {asked.vault} has {name}")
    lines = market.count_lines(path)
    runs = runs_module.in_turns(
        asked.rounds,
        {
            name: lambda name=name: runs_module.measured(  # type: ignore[misc]
                asked.work, "bars", name, str(path), str(warm)
            )
            for name in CONTENDERS
        },
    )
    size = path.stat().st_size
    title = f"bars: {lines:,} lines of {size / lines:.0f} bytes to exact minute bars"
    return Table(title, _COLUMNS, _COLUMNS[0], rows(runs, lines), _notes(asked, lines))


def rows(runs: dict[str, list[Run]], lines: int) -> list[dict[str, Any]]:
    """Return a row each; RaveQuantError if the bars differ."""
    if len({run["digest"] for found in runs.values() for run in found}) != 1:
        names = {name: found[0]["digest"][:8] for name, found in runs.items()}
        raise RaveQuantError(f"the bars differ: {names}; one of them is wrong")
    seconds = {name: runs_module.median(found, "seconds") or 0.0 for name, found in runs.items()}
    return [
        {
            "name": name,
            "lines_per_s": round(lines / seconds[name]),
            "seconds": seconds[name],
            "peak_mb": runs_module.largest(found, "peak_mb"),
            "one_is": seconds[name] / seconds[ONE],
            "all_is": seconds[name] / seconds[ALL],
            "bars": found[0]["bars"],
        }
        for name, found in runs.items()
    ]


def _notes(asked: Asked, lines: int) -> list[str]:
    notes = [
        (
            "peak MB: of the largest process. our 1 is, our all is: how many times as fast ours is "
            "with one process, with one a core."
        )
    ]
    if lines < 8_000_000:
        notes.append("A day of BTC has 1.3 M lines; --lines 8000000 shows what a large file gives.")
    if asked.swapped:
        notes.append("0.3 % of the rows are some ms older than the row before them.")
    return notes
