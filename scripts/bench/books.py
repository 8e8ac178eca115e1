"""Measure snapshot lines to liquidity buckets: whole, the band sums alone, orjson merely decoding.

All read one generated vault in turns, each time in a process of its own; the sums must be those of
the records. A figure is the median over the rounds, in seconds of processor time, so that other
work on the machine weighs less. Start-up and imports are not counted. orjson runs in Python as it
comes, and once more with as little garbage collection as the house has: that was a third of it.
"""

try:
    from ravequant import cli
except (
    ModuleNotFoundError
):  # started with a Python outside .venv: hand over to it, or say the remedy
    import runpy
    from pathlib import Path

    runpy.run_path(
        str(Path(__file__).resolve().parents[2] / "scripts" / "handover.py"), run_name="handover"
    )

import argparse
import gc
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from L2_Bot import deep_snapshot as deep_book
from L2_Bot.snapshot_writer import SnapshotRecorder
from Liquidity_Buckets.bands import Measure, Part, worth_of
from Liquidity_Buckets.l2_bucketizer import BucketFold
from Liquidity_Buckets.terms import ContractHistory
from ravequant import PLAIN_GC, exact, times
from ravequant.books.snapshot_reader import Books, SnapshotReader
from ravequant.errors import RaveQuantError, UsageError
from ravequant.settings import Settings
from ravequant.sim.market import ModelMarket
from ravequant.vault import instruments, tail
from ravequant.vault.paths import Vault, book_files
from ravequant.vault.side_input import Lines

INST_ID: Final = "BTC-USDT-SWAP"
CADENCE_MS: Final = 2_000
DEEP_EVERY: Final = 15  # snapshots
DEPTH, DEEP_DEPTH = 400, 5_000

# bids and asks of each band, notional and base: canonical decimal text
Sums = list[str]


def generate(vault: Vault, snapshots: int, seed: int, *, deep: bool) -> None:
    """Write a book of the model market, a line each two seconds."""
    market = ModelMarket(seed, (INST_ID,), rows_per_second=5)
    recorder = SnapshotRecorder(INST_ID, cadence_ms=CADENCE_MS, depth=DEPTH)
    instruments.save(vault, instruments.parse_instrument(market.instruments[INST_ID]), None)
    written = 0
    for moment in range(1, 2 * snapshots + 100):
        for _ in market.trades(market.start_ms + moment * CADENCE_MS):
            pass  # they move the book
        with_deep = deep and written % DEEP_EVERY == 0
        book = market.snapshot(INST_ID, DEEP_DEPTH if with_deep else DEPTH)
        if book is None:
            continue
        row = {
            "ts": str(book.ts), "seqId": book.seq_id, "prevSeqId": -1, "checksum": 0,
            "bids": [[price, size, "0", count] for price, size, count in book.bids],
            "asks": [[price, size, "0", count] for price, size, count in book.asks],
        }  # fmt: skip
        taken = recorder.receive("snapshot", row).snapshot
        if taken is None:
            continue
        written += 1
        hour = times.iso(taken.ts)[:13].replace("T", "/") + ".jsonl"
        _append(vault.snapshots(INST_ID) / hour, taken.line)
        if with_deep:
            far = deep_book.DeepSnapshot(
                book.ts, list(map(list, book.bids)), list(map(list, book.asks))
            )
            _append(vault.deep_snapshots(INST_ID) / hour, far.line(INST_ID, taken.ts))
        if written == snapshots:
            return


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(line)


def _batches(vault: Vault) -> Iterator[list[Books]]:
    """Yield what the reader makes of each block, as the bucketizer asks for it."""

    def refuse(offset: int, reason: str) -> None:
        raise UsageError(f"{vault.root}: line at {offset}: {reason}")

    folder, deep_folder = vault.snapshots(INST_ID), vault.deep_snapshots(INST_ID)
    reader = SnapshotReader(INST_ID, Lines(lambda: book_files(deep_folder)), refuse)
    for block in tail.Tail(lambda: book_files(folder), None, 0).blocks():
        yield reader.read(block.data)


def whole(vault: Vault) -> list[bytes]:
    """Return the lines that the bucketizer writes; files and commits are not measured."""
    fold = BucketFold(INST_ID, Settings(), ContractHistory(vault, INST_ID))
    return [orjson.dumps(row) for batch in _batches(vault) for row in fold.update(batch)]


def bands(vault: Vault) -> list[Any]:
    """Return the exact sums of all bands, in whole units, and these units."""
    measure, contracts = Measure(DEPTH), ContractHistory(vault, INST_ID)
    found = []
    for batch in _batches(vault):
        for books in batch:
            part = Part(books, range(len(books.heads)), books.deeps)
            worth = worth_of(contracts.at(books.heads[0].ts))
            scale = measure.scale(part, worth)
            sums = measure.sums(part, worth, scale)
            found.append((sums.notional, sums.base, scale))
    return found


def decode(vault: Vault) -> list[Any]:
    """Let orjson decode every line, and do nothing with it."""
    for folder in (vault.snapshots(INST_ID), vault.deep_snapshots(INST_ID)):
        for _, path in book_files(folder):
            with path.open("rb") as file:
                for line in file:
                    orjson.loads(line)
    return []


def _sums_of_records(lines: list[bytes]) -> list[Sums]:
    names = ("bid_notional", "ask_notional", "bid_base", "ask_base")
    return [[text for name in names for text in orjson.loads(line)[name]] for line in lines]


def _sums_of_bands(found: list[Any]) -> list[Sums]:
    rows = []
    for notional, base, scale in found:
        tables = (notional, scale.notional), (base, scale.base)
        rows += [
            [
                exact.text(value, places)
                for sums, places in tables
                for values in sums[bids : bids + 2]
                for value in values
            ]
            for bids in range(0, len(notional), 2)
        ]
    return rows


FLOOR: Final = "orjson decode alone"
CONTENDERS: Final[dict[str, tuple[Callable[[Vault], Any], Callable[[Any], list[Sums]] | None]]] = {
    "bucketizer, whole": (whole, _sums_of_records),
    "band sums alone": (bands, _sums_of_bands),
    FLOOR: (decode, None),
    "orjson, little gc": (decode, None),
}


def measure(name: str, root: Path) -> dict[str, Any]:
    """Run one contender here; return its processor seconds and a hash of its sums."""
    run, sums = CONTENDERS[name]
    if name == FLOOR:
        gc.set_threshold(*PLAIN_GC)
    run(Vault(root))  # imports, tables and the first use of memory are not what we measure
    start = time.process_time()
    found = run(Vault(root))
    seconds = time.process_time() - start
    text = json.dumps(sums(found)).encode() if sums else b""
    return {"seconds": seconds, "digest": hashlib.sha256(text).hexdigest() if text else None}


def _measure_apart(name: str, root: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--contender", name, "--root", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise RaveQuantError(f"{name} failed: {done.stderr.strip()[-400:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def compare(root: Path, snapshots: int, rounds: int) -> list[dict[str, Any]]:
    """Run all contenders in turns; return a row each, RaveQuantError if their sums differ."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, found in runs.items():
            found.append(_measure_apart(name, root))
    digests = {run["digest"] for found in runs.values() for run in found} - {None}
    if len(digests) != 1:
        raise RaveQuantError("the sums of the records are not those of the bands; one is wrong")
    floor = [run["seconds"] for run in runs[FLOOR]]
    rows = []
    for name, found in runs.items():
        seconds = [run["seconds"] for run in found]
        middle = statistics.median(seconds)
        rows.append(
            {
                "contender": name,
                "snapshots_per_s": round(snapshots / middle),
                "us_per_snapshot": round(middle / snapshots * 1e6, 1),
                "times_orjson": round(
                    statistics.median(a / b for a, b in zip(floor, seconds, strict=True)), 2
                ),
            }
        )
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows for people, with each speed as a multiple of orjson's."""
    lines = [f"{'':22}{'snapshots/s':>12}{'us each':>10}{'x orjson':>10}"]
    lines += [
        f"{row['contender']:22}{row['snapshots_per_s']:>12,}{row['us_per_snapshot']:>10.1f}"
        f"{row['times_orjson']:>10.2f}"
        for row in rows
    ]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    made = argparse.ArgumentParser(
        prog="bench/books.py", description="snapshot lines to liquidity buckets, beside orjson"
    )
    made.add_argument("--snapshots", type=int, default=1_800, help="default: 1800 (an hour, 40 MB)")
    made.add_argument("--deep", action="store_true", help="with a deep snapshot every 30 s")
    made.add_argument("--rounds", type=int, default=5, help="runs of each, in turns (default: 5)")
    made.add_argument("--seed", type=int, default=1, help="which market is made up (default: 1)")
    made.add_argument("--json", action="store_true", help="machine-readable result on stdout")
    made.add_argument("--log-level", choices=("info",), default="info", help=argparse.SUPPRESS)
    made.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    made.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    return made


def body(args: argparse.Namespace) -> int:
    """Measure one contender (in a child process) or compare all."""
    if args.contender:
        print(json.dumps(measure(args.contender, args.root)))
        return 0
    if args.snapshots < 1 or args.rounds < 1:
        raise UsageError(f"--snapshots {args.snapshots} --rounds {args.rounds}: not above 0")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        generate(Vault(root), args.snapshots, args.seed, deep=args.deep)
        rows = compare(root, args.snapshots, args.rounds)
    if args.json:
        facts = {name: getattr(args, name) for name in ("snapshots", "deep", "rounds", "seed")}
        print(json.dumps({**facts, "results": rows}))
        return 0
    deep = ", deep snapshots beside them" if args.deep else ""
    print(f"{args.snapshots:,} snapshots of {DEPTH} levels a side{deep}; {args.rounds} rounds")
    print(table(rows))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
