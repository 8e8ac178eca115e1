"""Case books: snapshot lines to liquidity buckets, compared with orjson that merely decodes them.

Each contender reads the same generated vault in a process of its own; the band sums must be those
of the records. A figure is processor time, so that other work on the machine weighs less; start-up,
imports, files and commits are not counted. orjson runs in Python as it comes, and once more with
the rare garbage collection of our programs: the collector took a third of its time.
"""

import gc
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from Liquidity_Buckets.bands import BandMeasure, SnapshotRun
from Liquidity_Buckets.l2_bucketizer import BucketFold
from ravequant import exact
from ravequant.books.snapshot_reader import Books, SnapshotReader
from ravequant.contract import worth_of
from ravequant.errors import RaveQuantError, UsageError
from ravequant.settings import Settings
from ravequant.vault import tail
from ravequant.vault.instruments import InstrumentHistory
from ravequant.vault.paths import Vault, book_files
from ravequant.vault.side_input import SideInput
from scripts.bench import market, runs
from scripts.bench.runs import PLAIN_GC, Comparison, Figure, Measurement, Sizes

FIGURES: Final = (
    Figure("snapshots_per_s", "snapshots/s", "{:,.0f}"),
    Figure("us_per_snapshot", "us each", "{:,.1f}"),
    Figure("times_orjson", "x orjson", "{:.2f} x"),
)

# bids and asks of each band, notional and base: canonical decimal text
BandSums = list[str]


def run(sizes: Sizes) -> Comparison:
    """Measure all contenders, without and with deep snapshots."""
    title = (
        f"books: {sizes.snapshots:,} snapshots of {market.DEPTH} levels a side to liquidity buckets"
    )
    comparison = Comparison(title, FIGURES)
    for deep, kind in ((False, ""), (True, ", deep")):
        vault = Vault(sizes.work / f"deep{deep}")
        found = market.snapshots(vault, sizes.seed, deep=deep)
        market.append_snapshots(found, sizes.snapshots)
        measured = runs.in_turns(
            sizes.rounds,
            {
                name: partial(runs.contender, sizes, "books", name, str(vault.root))
                for name in CONTENDERS
            },
        )
        comparison.rows += rows(measured, sizes.snapshots, kind)
    comparison.notes.append(
        f"deep: with a deep snapshot of {market.DEEP_DEPTH:,} levels a side each 30 s. Processor "
        "time; files and commits are not measured. x orjson: how many times the speed of orjson in "
        "Python as it comes; little gc: with the garbage collection of our programs."
    )
    return comparison


def rows(found: dict[str, list[Measurement]], snapshots: int, kind: str) -> list[dict[str, Any]]:
    """Return a row for each contender; RaveQuantError if their sums differ."""
    digests = {run["digest"] for its_runs in found.values() for run in its_runs} - {None}
    if len(digests) != 1:
        raise RaveQuantError("the sums of the records are not those of the bands; one is wrong")
    seconds = {name: runs.median(its_runs, "seconds") or 0.0 for name, its_runs in found.items()}
    return [
        {
            "name": f"{name}{kind}",
            "snapshots_per_s": round(snapshots / seconds[name]),
            "us_per_snapshot": round(seconds[name] / snapshots * 1e6, 1),
            "times_orjson": round(runs.ratio(found[FLOOR], its_runs, "seconds"), 2),
        }
        for name, its_runs in found.items()
    ]


def measure(name: str, root: str) -> Measurement:
    """Run a contender here; return its processor seconds and a hash of its sums, if it has any."""
    read, sums = CONTENDERS[name]
    if name == FLOOR:
        gc.set_threshold(*PLAIN_GC)
    vault = Vault(Path(root))
    read(vault)  # imports, tables and the first use of memory are not counted
    began = time.process_time()
    found = read(vault)
    seconds = time.process_time() - began
    if sums is None:
        return {"seconds": seconds, "digest": None}
    return {
        "seconds": seconds,
        "digest": hashlib.sha256(json.dumps(sums(found)).encode()).hexdigest(),
    }


def _batches(vault: Vault) -> Iterator[list[Books]]:
    """Yield the books of each block of lines, as the bucketizer reads them."""

    def refuse(offset: int, reason: str) -> None:
        raise UsageError(f"{vault.root}: line at {offset}: {reason}")

    folder, deep_folder = vault.snapshots(market.BTC), vault.deep_snapshots(market.BTC)
    reader = SnapshotReader(market.BTC, SideInput(lambda: book_files(deep_folder)), refuse)
    for block in tail.Tail(lambda: book_files(folder), None, 0).blocks():
        yield reader.read(block.data)


def whole(vault: Vault) -> list[bytes]:
    """Return the lines that the bucketizer writes."""
    fold = BucketFold(market.BTC, Settings(), InstrumentHistory(vault, market.BTC))
    return [orjson.dumps(row) for batch in _batches(vault) for row in fold.update(batch)]


def bands(vault: Vault) -> list[Any]:
    """Return the exact sums of all bands, in whole units, and these units."""
    measures, contracts = BandMeasure(market.DEPTH), InstrumentHistory(vault, market.BTC)
    found = []
    for batch in _batches(vault):
        for books in batch:
            part = SnapshotRun(books, range(len(books.heads)), books.deeps)
            worth = worth_of(contracts.at(books.heads[0].ts).contract)
            scale = measures.scale(part, worth)
            sums = measures.sums(part, worth, scale)
            found.append((sums.notional, sums.base, scale))
    return found


def decode(vault: Vault) -> list[Any]:
    """Decode every line with orjson, and do nothing with it."""
    for folder in (vault.snapshots(market.BTC), vault.deep_snapshots(market.BTC)):
        for _, path in book_files(folder):
            with path.open("rb") as file:
                for line in file:
                    orjson.loads(line)
    return []


def _sums_of_records(lines: list[bytes]) -> list[BandSums]:
    names = ("bid_notional", "ask_notional", "bid_base", "ask_base")
    return [[text for name in names for text in orjson.loads(line)[name]] for line in lines]


def _sums_of_bands(found: list[Any]) -> list[BandSums]:
    result = []
    for notional, base, scale in found:
        tables = (notional, scale.notional), (base, scale.base)
        result += [
            [
                exact.text(value, places)
                for sums, places in tables
                for values in sums[bids : bids + 2]
                for value in values
            ]
            for bids in range(0, len(notional), 2)
        ]
    return result


FLOOR: Final = "orjson decode alone"
Contender = tuple[Callable[[Vault], list[Any]], Callable[[list[Any]], list[BandSums]] | None]
CONTENDERS: Final[dict[str, Contender]] = {
    "bucketizer, whole": (whole, _sums_of_records),
    "band sums alone": (bands, _sums_of_bands),
    FLOOR: (decode, None),
    "orjson, little gc": (decode, None),
}
