"""Measure raw trades to exact minute bars: ours, duckdb, polars and a plain orjson loop.

All read one generated file in turns, each time in a process of its own, and must give the same
bars. A figure is the median over the rounds; start-up and imports are not counted.
"""

try:
    from ravequant import cli
except (
    ModuleNotFoundError
):  # started with a Python outside .venv: hand over to it, or say the remedy
    import runpy
    from pathlib import Path

    runpy.run_path(
        str(Path(__file__).resolve().parents[1] / "scripts" / "handover.py"), run_name="handover"
    )

import argparse
import hashlib
import importlib.util
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ravequant import exact
from ravequant.errors import RaveQuantError, UsageError
from ravequant.records import Contract, Side, Trade, TradeEncoder
from scripts.benchmark_contenders import CONTENDERS, INST_ID

START_MS: Final = 1_765_670_400_000
SIDES: Final[tuple[Side, Side]] = ("buy", "sell")


def market(records: int, seed: int) -> Iterator[bytes]:
    """Yield canonical lines of a made-up market: some 20 records a second, prices to 0.1."""
    chance = random.Random(seed)  # noqa: S311 - seeded on purpose
    encoder = TradeEncoder(INST_ID, Contract("0.01", "1", "linear"))
    ts, trade_id, tick = START_MS, 1_234_567_890, 1_012_505
    for _ in range(records):
        ts += int(chance.expovariate(0.02))
        count = 1 if chance.random() < 0.8 else chance.randrange(2, 40)
        trade_id += count
        tick += chance.choice((-1, 0, 0, 0, 1))
        size = min(int(chance.paretovariate(1.1) * 20), 5_000_000)
        price, qty = exact.text(tick, 1), exact.text(size, 2)
        yield encoder.line(Trade(ts, trade_id, chance.choice(SIDES), price, qty, count))


def generate(path: Path, records: int, seed: int) -> None:
    """Write a file of canonical lines."""
    with path.open("wb") as file:
        file.writelines(market(records, seed))


def measure(name: str, path: Path) -> dict[str, Any]:
    """Run one contender here; return seconds, bars (hashed), peak memory."""
    CONTENDERS[name](path.with_name("warm.jsonl"))  # imports and caches are not what we measure
    start = time.perf_counter()
    bars = CONTENDERS[name](path)
    seconds = time.perf_counter() - start
    digest = hashlib.sha256(json.dumps(bars).encode()).hexdigest()
    return {"seconds": seconds, "bars": len(bars), "digest": digest, "peak_mb": _peak_mb()}


def _peak_mb() -> float | None:
    """Return the largest resident memory of this process so far; None where nobody tells."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(text for text in status.read_text("ascii").splitlines() if "VmHWM" in text)
    return int(line.split()[1]) / 1024


def _measure_apart(name: str, path: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--contender", name, "--file", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise RaveQuantError(f"{name} failed: {done.stderr.strip()[-400:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def compare(path: Path, records: int, rounds: int) -> list[dict[str, Any]]:
    """Run all contenders in turns; return a row each, RaveQuantError if their bars differ."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, found in runs.items():
            found.append(_measure_apart(name, path))
    digests = {run["digest"] for found in runs.values() for run in found}
    if len(digests) != 1:
        names = {name: found[0]["digest"][:8] for name, found in runs.items()}
        raise RaveQuantError(f"the bars differ: {names}; one of them is wrong")
    rows = []
    for name, found in runs.items():
        seconds = statistics.median(run["seconds"] for run in found)
        peaks = [run["peak_mb"] for run in found if run["peak_mb"] is not None]
        rows.append(
            {
                "contender": name,
                "lines_per_s": round(records / seconds),
                "seconds": round(seconds, 3),
                "peak_mb": round(max(peaks), 1) if peaks else None,
                "bars": found[0]["bars"],
            }
        )
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows for people, with each speed as a multiple of ours."""
    first = rows[0]["lines_per_s"]
    lines = [f"{'':22}{'lines/s':>12}{'seconds':>10}{'peak MB':>10}{'ours is':>10}"]
    for row in rows:
        peak = "-" if row["peak_mb"] is None else f"{row['peak_mb']:.0f}"
        times_ours = f"{first / row['lines_per_s']:.2f} x"
        lines.append(
            f"{row['contender']:22}{row['lines_per_s']:>12,}{row['seconds']:>10.3f}"
            f"{peak:>10}{times_ours:>10}"
        )
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    made = argparse.ArgumentParser(
        prog="benchmark.py", description="raw trades to exact minute bars, ours beside others"
    )
    made.add_argument("--lines", type=int, default=2_000_000, help="default: 2000000 (550 MB)")
    made.add_argument("--rounds", type=int, default=5, help="runs of each, in turns (default: 5)")
    made.add_argument("--seed", type=int, default=1, help="which market is made up (default: 1)")
    made.add_argument("--json", action="store_true", help="machine-readable result on stdout")
    made.add_argument("--log-level", choices=("info",), default="info", help=argparse.SUPPRESS)
    made.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    made.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return made


def body(args: argparse.Namespace) -> int:
    """Measure one contender (in a child process) or compare all."""
    if args.contender:
        print(json.dumps(measure(args.contender, args.file)))
        return 0
    if args.lines < 1 or args.rounds < 1:
        raise UsageError(f"--lines {args.lines} --rounds {args.rounds}: both must be above 0")
    missing = [name for name in ("duckdb", "polars") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} not installed: python -m pip install -e '.[bench]'"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trades.jsonl"
        generate(path, args.lines, args.seed)
        generate(path.with_name("warm.jsonl"), 1_000, args.seed)
        size = path.stat().st_size
        rows = compare(path, args.lines, args.rounds)
    facts = {"lines": args.lines, "bytes": size, "rounds": args.rounds, "seed": args.seed}
    if args.json:
        print(json.dumps({**facts, "results": rows}))
        return 0
    print(f"{args.lines:,} lines of {size / args.lines:.0f} bytes, medians of {args.rounds} runs")
    print(table(rows))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
