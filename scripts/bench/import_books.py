"""Case import_books: a published file of books to the packed hours of snapshots.

The file is that of the model market, in steps of 10 ms, as the exchange in a box publishes it. Each
contender reads it in a process of its own. A figure is processor time, so that other work on the
machine weighs less; start-up and imports are not counted. orjson only decodes the lines.
"""

import gc
import hashlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson

from L2_Bot.imported_day import DayBuilder
from ravequant import exchanges, times
from ravequant.errors import RaveQuantError
from ravequant.exchanges.archive.book_days import books_of
from ravequant.exchanges.archive.container import blocks, open_member
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.settings import L2
from ravequant.sim import archive_books, archive_files
from ravequant.sim.market import ModelMarket
from ravequant.vault.imports.book_hours import part_of
from ravequant.vault.line_file import lines_forward
from scripts.bench import market, runs
from scripts.bench.runs import PLAIN_GC, Comparison, Figure, Measurement, Sizes

FIGURES: Final = (
    Figure("messages_per_s", "messages/s", "{:,.0f}"),
    Figure("us_per_message", "us each", "{:,.1f}"),
    Figure("times_orjson", "x orjson", "{:.2f} x"),
    Figure("peak_mb", "peak MB", "{:,.0f}"),
)
_FOREVER: Final = 1 << 60
Shown = tuple[str, str, str]  # time, bids, asks


def run(sizes: Sizes) -> Comparison:
    """Measure the whole import, the rebuilding alone, and orjson."""
    path, size = published(sizes.work, sizes.seed, sizes.messages)
    comparison = Comparison(
        f"import_books: {sizes.messages:,} messages of {size:,.0f} bytes each to packed hours",
        FIGURES,
    )
    measured = runs.in_turns(
        sizes.rounds,
        {
            name: partial(runs.contender, sizes, "import_books", name, str(path))
            for name in CONTENDERS
        },
    )
    comparison.rows += rows(measured, sizes.messages)
    comparison.notes.append(
        "Whole: unpacked, checked, rebuilt, cut to 400 levels, written and packed. Rebuilt: "
        "without the lines. Processor time of one core."
    )
    return comparison


def published(folder: Path, seed: int, messages: int) -> tuple[Path, float]:
    """Write the file of so many messages; return it, and the bytes of a message."""
    source = ModelMarket(seed, (market.BTC,), rows_per_second=5)
    changes = islice(archive_books.book_messages(source, _FOREVER), messages)
    [path] = archive_files.write_messages(folder, changes, archive_files.ArchiveForm())
    with open_member(path, ".data") as member:
        size = sum(map(len, blocks(member)))
    return path, size / messages


def rows(found: dict[str, list[Measurement]], messages: int) -> list[dict[str, Any]]:
    """Return a row for each contender; RaveQuantError if their books differ."""
    digests = {run["digest"] for its_runs in found.values() for run in its_runs} - {None}
    if len(digests) != 1:
        raise RaveQuantError("the books on disk are not those that were rebuilt; one is wrong")
    seconds = {name: runs.median(its_runs, "seconds") or 0.0 for name, its_runs in found.items()}
    return [
        {
            "name": name,
            "messages_per_s": round(messages / seconds[name]),
            "us_per_message": round(seconds[name] / messages * 1e6, 2),
            "times_orjson": round(runs.ratio(found[FLOOR], its_runs, "seconds"), 2),
            "peak_mb": runs.largest(its_runs, "peak_mb"),
        }
        for name, its_runs in found.items()
    ]


def measure(name: str, path: str) -> Measurement:
    """Run a contender here; return its processor seconds and a hash of its books, if any."""
    read, books = CONTENDERS[name]
    if name == FLOOR:
        gc.set_threshold(*PLAIN_GC)
    began = time.process_time()
    found = read(Path(path))
    seconds = time.process_time() - began
    if books is None:
        return {"seconds": seconds, "digest": None}
    digest = hashlib.sha256(orjson.dumps(list(books(found))))
    return {"seconds": seconds, "digest": digest.hexdigest()}


def whole(path: Path) -> Path:
    """Import as the program does; return the folder of the hours' parts."""
    archive = exchanges.load_archived_books(DEFAULT_EXCHANGE)
    name = archive.parse_name(path.name)
    if name is None:
        raise RaveQuantError(f"{path}: no file of books by its name")
    folder = path.parent / "hours"
    shutil.rmtree(folder, ignore_errors=True)  # of the round before
    builder = DayBuilder(exchanges.load(DEFAULT_EXCHANGE), archive, market.BTC, L2())
    builder.books(path, name.label, folder)
    return folder


def rebuilt(path: Path) -> list[Shown]:
    """Rebuild the books; return those that are shown."""
    archive = exchanges.load_archived_books(DEFAULT_EXCHANGE)
    name = archive.parse_name(path.name)
    day = "" if name is None else name.label
    chosen = L2()
    replay = archive.replay(
        market.BTC, day, cadence_ms=chosen.cadence_ms, depth=chosen.depth_levels
    )
    return [
        (times.iso(book.ts), " ".join(book.bids), " ".join(book.asks))
        for book in books_of(path, archive.suffix, replay)
    ]


def decode(path: Path) -> None:
    """Decode every line with orjson, and do nothing with it."""
    with open_member(path, ".data") as member:
        for block in blocks(member):
            for line in block.splitlines():
                orjson.loads(line)


def _on_disk(folder: Path) -> Iterator[Shown]:
    for day in sorted(folder.iterdir()):
        for hour in range(24):
            part = part_of(folder, day.name, f"{hour:02}")
            if part.exists():
                packed = part.rename(part.with_name(f"{hour:02}.jsonl.gz"))
                for line in lines_forward(packed):
                    row = orjson.loads(line)
                    sides = (_joined(row[f"{side}_top400"]) for side in ("bids", "asks"))
                    yield row["timestamp_utc"], *sides


def _joined(levels: Iterable[list[str]]) -> str:
    return " ".join(map(",".join, levels))


FLOOR: Final = "orjson decode alone"
Contender = tuple[Callable[[Path], Any], Callable[[Any], Iterable[Shown]] | None]
CONTENDERS: Final[dict[str, Contender]] = {
    "import, whole": (whole, _on_disk),
    "rebuilt": (rebuilt, iter),
    FLOOR: (decode, None),
}
