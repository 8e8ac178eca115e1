"""Case footprint: the cost of footprints and profiles, in minute bars of the same raw trades.

The tape is that of the model market, busy (60 trades a second) and quiet (2). Each contender reads
the same file in a process of its own, as blocks in memory; a figure is processor time, start-up and
imports are not counted. The text of the records is included.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant.pipeline.job import Fold
from ravequant.pipeline.level_source import PriceBuckets
from ravequant.settings import Settings
from ravequant.trades.bar_builder import Closed
from ravequant.trades.bar_reader import BarReader
from ravequant.vault.tail import Tail
from scripts.bench import market, runs
from scripts.bench.runs import Comparison, Figure, Measurement, Sizes
from Volume_Analyzer.footprint import FootprintFold
from Volume_Analyzer.profile import ProfileFold

TAPES: Final = {"busy": 60.0, "quiet": 2.0}  # trades a second
BARS = "bars"
FOLDS: Final[dict[str, Callable[[PriceBuckets], Fold[Closed]]]] = {
    "footprints": lambda buckets: FootprintFold(market.BTC, Settings().footprint, buckets),
    "profiles": lambda buckets: ProfileFold(market.BTC, buckets),
}
NAMES: Final = (BARS, *FOLDS)
FIGURES: Final = (
    Figure("us_per_minute", "us a minute", "{:,.1f}"),
    Figure("times_bars", "times the bars", "{:.2f} x"),
)
_AGAIN: Final = 5  # readings, of which the quickest counts


def run(sizes: Sizes) -> Comparison:
    """Measure the contenders on both tapes."""
    comparison = Comparison(f"footprint: {sizes.lines:,} trades, busy and quiet", FIGURES)
    for tape, rate in TAPES.items():
        path = sizes.work / f"{tape}.jsonl"
        market.write_trades(path, sizes.lines, sizes.seed, rate)
        contenders = {
            name: partial(runs.contender, sizes, "footprint", name, str(path)) for name in NAMES
        }
        comparison.rows += rows(runs.in_turns(sizes.rounds, contenders), tape)
    comparison.notes.append("Processor time; the text of the records is included.")
    return comparison


def rows(found: dict[str, list[Measurement]], tape: str) -> list[dict[str, Any]]:
    """Return a row for each contender."""
    return [
        {
            "name": f"{name}, {tape}",
            "us_per_minute": round((runs.median(its, "seconds") or 0) / its[0]["minutes"] * 1e6, 1),
            "times_bars": round(runs.ratio(its, found[BARS], "seconds"), 2),
        }
        for name, its in found.items()
    ]


def measure(name: str, path: str) -> Measurement:
    """Read a file here, some times over; return the processor seconds of the quickest time."""
    chosen = Settings()
    height = int(chosen.footprint.bucket.of(market.BTC)) if name in FOLDS else 0
    taken = []
    for _ in range(_AGAIN):
        written = partial(_lines, FOLDS[name](PriceBuckets(height))) if height else _bars
        began = time.process_time()
        minutes = _read(Path(path), chosen, height, written)
        taken.append(time.process_time() - began)
    return {"seconds": min(taken), "minutes": minutes}


def _read(path: Path, chosen: Settings, height: int, written: Callable[[Closed], int]) -> int:
    """Pass the closed minutes of a file on; return how many they are."""
    whale = chosen.bars.whale_notional
    reader = BarReader(
        market.BTC, whale, lambda *_: True, lambda *_: None, few_bytes=0, bucket=height
    )
    blocks = Tail(lambda: iter([(path.stem, path)]), None, 0).blocks()
    return sum(written(reader.read(block.data)) for block in blocks)


def _bars(closed: Closed) -> int:
    return len(closed.bars)


def _lines(fold: Fold[Closed], closed: Closed) -> int:
    lines = [orjson.dumps(row, None, orjson.OPT_APPEND_NEWLINE) for row in fold.update(closed)]
    b"".join(lines)
    return len(closed.bars)
