"""Case import: a published file of trades to records of the vault, compared with polars.

Each contender reads the same zip of single fills (six columns, one UTC day, prices to 0.1, sizes to
0.01, ids in order) in a process of its own, on one core, and must give the same records. polars may
rely on that form, and checks nothing; ours relies on nothing, checks the order of ids and the
container, and sums up each minute. A figure is processor time; start-up, imports and the first use
of memory are not counted.
"""

import gc
import hashlib
import importlib
import importlib.util
import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.errors import RaveQuantError, UsageError
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.sim.market import START_MS
from scripts.bench import market, runs
from scripts.bench.runs import PLAIN_GC, Comparison, Figure, Measurement, Sizes

FIGURES: Final = (
    Figure("rows_per_s", "rows/s", "{:,.0f}"),
    Figure("seconds", "seconds", "{:.3f}"),
    Figure("peak_mb", "peak MB", "{:,.0f}"),
    Figure("ours_is", "ours is", "{:.2f} x"),
)
CONTRACT: Final = Contract("0.01", "1", "linear")
DAY: Final = times.day(START_MS)

Record = tuple[int, int, bool, int, int, int]  # time, id, buy, price, size (both scaled), count


def check() -> None:
    """Raise UsageError if polars is not installed."""
    if importlib.util.find_spec("polars") is None:
        raise UsageError("polars not installed: python -m pip install -e '.[bench]'")


def run(sizes: Sizes) -> Comparison:
    """Measure all contenders; RaveQuantError if their records differ."""
    path = market.write_fills(sizes.work, sizes.lines, sizes.seed)
    found = runs.in_turns(
        sizes.rounds,
        {name: partial(runs.contender, sizes, "archive", name, str(path)) for name in CONTENDERS},
    )
    with zipfile.ZipFile(path) as file:
        size = file.infolist()[0].file_size / sizes.lines
    title = f"import: {sizes.lines:,} rows of {size:.0f} bytes in a zip to joined records, one core"
    note = (
        "ours is: how many times as fast ours is, with records as columns or as the vault's lines. "
        "unzip alone: Python's zipfile, with its checksum; no contender can be faster. peak MB: "
        "with all records, which are compared; the importer keeps none, and stays below 70 MB."
    )
    return Comparison(title, FIGURES, rows(found, sizes.lines), [note])


def rows(found: dict[str, list[Measurement]], lines: int) -> list[dict[str, Any]]:
    """Return a row for each contender; RaveQuantError if their records differ."""
    digests = {name: its_runs[0]["digest"] for name, its_runs in found.items()}
    if len({digest for digest in digests.values() if digest}) != 1:
        raise RaveQuantError(f"the records differ: {digests}; one of them is wrong")
    seconds = {name: runs.median(its_runs, "seconds") or 0.0 for name, its_runs in found.items()}
    return [
        {
            "name": name,
            "rows_per_s": round(lines / seconds[name]),
            "seconds": seconds[name],
            "peak_mb": runs.largest(its_runs, "peak_mb"),
            "ours_is": round(runs.ratio(its_runs, found[OURS[name]], "seconds"), 2),
        }
        for name, its_runs in found.items()
    ]


def measure(name: str, path: str) -> Measurement:
    """Run a contender here; return its processor seconds and a hash of its records."""
    read, records = CONTENDERS[name]
    if not name.startswith("ravequant"):
        gc.set_threshold(*PLAIN_GC)
    read(Path(path))  # imports, tables and the first use of memory are not counted
    began = time.process_time()
    found = read(Path(path))
    seconds = time.process_time() - began
    digest = (
        hashlib.sha256(json.dumps(list(records(found))).encode()).hexdigest() if records else ""
    )
    return {"seconds": seconds, "digest": digest}


def _ours(path: Path) -> list[Any]:
    """Return the lines of the day, as the importer writes them."""
    trade_day = importlib.import_module(f"ravequant.exchanges.{DEFAULT_EXCHANGE}.archive.trade_day")
    day = trade_day.TradeDay([path], market.BTC, DAY, CONTRACT)
    return [block.lines for block in day.blocks()]


def _our_columns(path: Path) -> list[Any]:
    """Return the records of the day as columns, all else as the importer does it."""
    trade_day = importlib.import_module(f"ravequant.exchanges.{DEFAULT_EXCHANGE}.archive.trade_day")
    day = trade_day.TradeDay([path], market.BTC, DAY, CONTRACT)
    return list(day.columns())


def _polars(path: Path, *, lines: bool) -> list[Any]:
    os.environ["POLARS_MAX_THREADS"] = "1"  # read when it is loaded
    import polars as pl  # noqa: PLC0415 - an extra, loaded for this contender only

    col = pl.col
    with zipfile.ZipFile(path) as file:
        data = file.read(file.namelist()[0])
    names = ["trade_id", "side", "price", "size", "created_time"]
    fills = pl.read_csv(data, columns=names).select(
        "trade_id",
        col("created_time").alias("ts"),
        (col("side") == "buy").alias("buy"),
        (col("price") * 10).round().cast(pl.Int64).alias("price"),
        (col("size") * 100).round().cast(pl.Int64).alias("size"),
    )
    same = [col(name) == col(name).shift() for name in ("ts", "buy", "price")]
    new = ~pl.all_horizontal(*same, col("trade_id").diff() == 1).fill_null(value=False)
    records = (
        fills.with_columns(new.cum_sum().alias("record"))
        .group_by("record", maintain_order=True)
        .agg(
            col("ts").last(),
            col("trade_id").last(),
            col("buy").last(),
            col("price").last(),
            col("size").sum(),
            pl.len().alias("count"),
        )
    )
    return [_polars_lines(pl, records) if lines else records]


def _polars_lines(pl: Any, records: Any) -> bytes:
    """Return the records as the vault's lines."""
    col = pl.col
    texts = records.select(
        pl.from_epoch("ts", time_unit="ms")
        .dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .alias("timestamp_utc"),
        pl.lit(DEFAULT_EXCHANGE).alias("exchange"),
        pl.lit("perp").alias("market"),
        pl.lit(market.BTC).alias("instId"),
        pl.lit("BTC/USDT").alias("symbol_canon"),
        col("trade_id").cast(pl.String),
        pl.when("buy").then(pl.lit("buy")).otherwise(pl.lit("sell")).alias("side"),
        _polars_decimal(pl, "price", 1).alias("price"),
        _polars_decimal(pl, "size", 2).alias("qty_contracts"),
        pl.lit(CONTRACT.ct_val).alias("ctVal"),
        pl.lit(CONTRACT.ct_mult).alias("ctMult"),
        pl.lit(CONTRACT.ct_type).alias("ctType"),
        col("count").cast(pl.String),
        pl.lit("0").alias("source"),
    )
    out = io.BytesIO()
    texts.write_ndjson(out)
    return out.getvalue()


def _polars_decimal(pl: Any, name: str, places: int) -> Any:
    one, number = 10**places, pl.col(name)
    rest = (number % one).cast(pl.String).str.zfill(places)
    text = pl.concat_str(number // one, pl.lit("."), rest)
    return text.str.strip_chars_end("0").str.strip_suffix(".")


def _unzip(path: Path) -> list[Any]:
    with zipfile.ZipFile(path) as file, file.open(file.namelist()[0]) as member:
        while member.read(1 << 19):
            pass
    return []


def _of_lines(found: Sequence[bytes]) -> Iterable[Record]:
    for block in found:
        for line in block.splitlines():
            row = orjson.loads(line)
            yield (
                times.parse_iso(row["timestamp_utc"]),
                int(row["trade_id"]),
                row["side"] == "buy",
                exact.units(row["price"], 1),
                exact.units(row["qty_contracts"], 2),
                int(row["count"]),
            )


def _of_columns(found: Sequence[Any]) -> Iterable[Record]:
    for records in found:
        of = records.columns
        price, qty = 10 ** (1 - of.price_decimals), 10 ** (2 - of.qty_decimals)
        columns = (of.ts, of.trade_id, of.buy, of.price * price, of.qty * qty, of.count)
        yield from zip(*(column.tolist() for column in columns), strict=True)


def _of_frames(found: Sequence[Any]) -> Iterable[Record]:
    for frame in found:
        yield from frame.select("ts", "trade_id", "buy", "price", "size", "count").rows()


# reads a file; gives its records, if the contender makes any
Contender = tuple[Callable[[Path], list[Any]], Callable[[Sequence[Any]], Iterable[Record]] | None]

CONTENDERS: Final[dict[str, Contender]] = {
    "ravequant, columns": (_our_columns, _of_columns),
    "polars, columns": (partial(_polars, lines=False), _of_frames),
    "ravequant, lines": (_ours, _of_lines),
    "polars, lines": (partial(_polars, lines=True), _of_lines),
    "unzip alone": (_unzip, None),
}
OURS: Final = {name: f"ravequant, {name.split(', ')[-1]}" for name in CONTENDERS} | {
    "unzip alone": "ravequant, lines"
}
