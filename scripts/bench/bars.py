"""Case bars: raw trades to exact minute bars, compared with duckdb, polars and an orjson loop.

Each contender reads the same file of canonical lines (linear, prices to 0.1, sizes to 0.01, ctVal
0.01, ids in order) in a process of its own and must give the same bars. The others may rely on that
form; ours relies on nothing. Start-up and imports are not counted: each first reads 1,000 lines.
"""

import gc
import hashlib
import importlib.util
import json
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import exact, times
from ravequant.errors import RaveQuantError, UsageError
from ravequant.settings import Settings
from ravequant.trades.bar_reader import BarReader
from ravequant.trades.minute_bar import MinuteBar
from ravequant.trades.parallel_scan import read_ahead
from ravequant.vault.tail import Span, Tail
from scripts.bench import market, runs
from scripts.bench.runs import PLAIN_GC, Comparison, Figure, Measurement, Sizes

WHALE: Final = Settings().bars.whale_notional.text
FIGURES: Final = (
    Figure("lines_per_s", "lines/s", "{:,.0f}"),
    Figure("seconds", "seconds", "{:.3f}"),
    Figure("peak_mb", "peak MB", "{:,.0f}"),
    Figure("one_is", "our 1 is", "{:.2f} x"),
    Figure("all_is", "our all is", "{:.2f} x"),
)
LARGE: Final = 8_000_000  # lines

# minute, open, high, low, close, records, base, notional, bought notional, sum of price x notional,
# whales: amounts as canonical decimal text
Bar = tuple[str, ...]
_PLACES: Final = (0, 1, 1, 1, 1, 0, 4, 5, 5, 6, 0)  # of the contenders that count in integers


def check() -> None:
    """Raise UsageError if an engine is not installed."""
    missing = [name for name in ("duckdb", "polars") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} not installed: python -m pip install -e '.[bench]'"
        )


def run(sizes: Sizes) -> Comparison:
    """Measure all contenders; RaveQuantError if their bars differ."""
    warm, path = sizes.work / "warm.jsonl", sizes.work / "trades.jsonl"
    market.write_trades(warm, 1_000, sizes.seed)
    market.write_trades(path, sizes.lines, sizes.seed)
    found = runs.in_turns(
        sizes.rounds,
        {
            name: partial(runs.contender, sizes, "bars", name, str(path), str(warm))
            for name in CONTENDERS
        },
    )
    size = path.stat().st_size / sizes.lines
    legend = (
        "peak MB: of the largest process. our 1 is, our all is: how many times as fast ours is "
        "with one process, with one a core."
    )
    notes = [legend]
    if sizes.lines < LARGE:
        notes.append(f"A day of BTC has 1.3 M lines; --lines {LARGE} shows a large file.")
    title = f"bars: {sizes.lines:,} lines of {size:.0f} bytes to exact minute bars"
    return Comparison(title, FIGURES, rows(found, sizes.lines), notes)


def rows(found: dict[str, list[Measurement]], lines: int) -> list[dict[str, Any]]:
    """Return a row for each contender; RaveQuantError if their bars differ."""
    if len({run["digest"] for its_runs in found.values() for run in its_runs}) != 1:
        names = {name: its_runs[0]["digest"][:8] for name, its_runs in found.items()}
        raise RaveQuantError(f"the bars differ: {names}; one of them is wrong")
    seconds = {name: runs.median(its_runs, "seconds") or 0.0 for name, its_runs in found.items()}
    one, all_cores = list(CONTENDERS)[:2]
    return [
        {
            "name": name,
            "lines_per_s": round(lines / seconds[name]),
            "seconds": seconds[name],
            "peak_mb": runs.largest(its_runs, "peak_mb"),
            "one_is": seconds[name] / seconds[one],
            "all_is": seconds[name] / seconds[all_cores],
            "bars": its_runs[0]["bars"],
        }
        for name, its_runs in found.items()
    ]


def measure(name: str, path: str, warm: str) -> Measurement:
    """Run a contender here; return its seconds, its number of bars and a hash of them."""
    read, text = CONTENDERS[name]
    if not name.startswith("ravequant"):
        gc.set_threshold(*PLAIN_GC)  # the others find Python as it comes
    read(Path(warm))
    began = time.perf_counter()
    bars = read(Path(path))
    seconds = time.perf_counter() - began
    digest = hashlib.sha256(json.dumps([text(bar) for bar in bars]).encode()).hexdigest()
    return {"seconds": seconds, "bars": len(bars), "digest": digest}


def ours(path: Path, *, all_cores: bool) -> list[MinuteBar]:
    """Read as the calculators do: tail, scan, bars."""

    def refuse(offset: int, reason: str) -> None:
        raise UsageError(f"{path}: line at {offset}: {reason}")

    whale = Settings().bars.whale_notional
    reader = BarReader(market.BTC, whale, lambda *_: True, refuse)
    tail = Tail(lambda: iter([(path.stem, path)]), None, 0)
    bars = []
    for piece, found in read_ahead(
        market.BTC, whale, tail.pieces() if all_cores else tail.blocks()
    ):
        closed = found.add_to(reader) if found is not None else None
        if closed is not None:
            bars += closed.bars
            continue
        for block in tail.again(piece) if isinstance(piece, Span) else (piece,):
            bars += reader.read(block.data).bars
    return bars + reader.builder.open_bars


def _minute_bar(bar: MinuteBar) -> Bar:
    return (
        str(bar.minute),
        *(exact.text(p, exact.PRICE_PLACES) for p in (bar.open, bar.high, bar.low, bar.close)),
        str(bar.trade_count),
        exact.text(bar.base, exact.BASE_PLACES),
        exact.text(bar.notional, exact.NOTIONAL_PLACES),
        exact.text(bar.buy_notional, exact.NOTIONAL_PLACES),
        exact.text(bar.price_notional, exact.PRICE_PLACES + exact.NOTIONAL_PLACES),
        str(bar.whale_count),
    )


def _bar(row: Sequence[int]) -> Bar:
    return tuple(exact.text(int(v), p) for v, p in zip(row, _PLACES, strict=True))


def _plain(row: Sequence[Any]) -> Bar:
    """Return numbers and Decimals as canonical text."""
    return tuple(exact.text(exact.units(f"{value:f}", 30), 30) for value in row)


def _duckdb(path: Path, threads: int | None) -> list[Any]:
    import duckdb  # noqa: PLC0415 - an extra, loaded for this contender only

    connection = duckdb.connect()
    if threads:
        connection.execute(f"SET threads = {threads}")
    rows: list[Any] = connection.execute(
        """
        WITH trade AS (
            SELECT epoch_ms(timestamp_utc) // 60000 AS minute, trade_id, side, price,
                   qty_contracts * ctVal * ctMult AS base,
                   (price * base)::DECIMAL(24, 5) AS notional
            FROM read_json(?, format = 'newline_delimited', columns = {
                timestamp_utc: 'TIMESTAMP', instId: 'VARCHAR', trade_id: 'BIGINT', side: 'VARCHAR',
                price: 'DECIMAL(9, 1)', qty_contracts: 'DECIMAL(9, 2)', ctVal: 'DECIMAL(4, 2)',
                ctMult: 'DECIMAL(2, 0)'}))
        SELECT minute, arg_min(price, trade_id), max(price), min(price), arg_max(price, trade_id),
               count(*), sum(base), sum(notional),
               coalesce(sum(notional) FILTER (side = 'buy'), 0),
               sum(price * notional), count(*) FILTER (notional >= ?)
        FROM trade GROUP BY minute ORDER BY minute
        """,
        [str(path), int(WHALE)],
    ).fetchall()
    return rows


def _polars(path: Path, threads: int | None) -> list[Any]:
    if threads:
        os.environ["POLARS_MAX_THREADS"] = str(threads)  # read when it is loaded
    import polars as pl  # noqa: PLC0415 - an extra, loaded for this contender only

    names = ("timestamp_utc", "trade_id", "side", "price", "qty_contracts", "ctVal", "ctMult")
    wide = pl.Decimal(38, 4)  # a product has the larger scale of its factors
    lines = pl.scan_ndjson(path, schema=dict.fromkeys(names, pl.String))
    moment = pl.col("timestamp_utc").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms")
    price = pl.col("price").cast(pl.Decimal(38, 1))
    base = pl.col("qty_contracts").cast(wide) * pl.col("ctVal").cast(wide)
    trades = lines.select(
        (moment.cast(pl.Int64) // times.MINUTE_MS).alias("minute"),
        pl.col("trade_id").cast(pl.Int64),
        (pl.col("side") == "buy").alias("buy"),
        (price * 10).cast(pl.Int64).alias("price"),
        (base * 10_000).cast(pl.Int64).alias("base"),
    ).with_columns((pl.col("price") * pl.col("base")).alias("notional"))
    rows: list[Any] = (
        trades.group_by("minute")
        .agg(
            pl.col("price").sort_by("trade_id").first().alias("open"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("price").sort_by("trade_id").last().alias("close"),
            pl.len().alias("records"),
            pl.col("base").sum().alias("sum_base"),
            pl.col("notional").sum().alias("sum_notional"),
            pl.col("notional").filter(pl.col("buy")).sum().alias("bought"),
            (pl.col("notional").cast(pl.Int128) * pl.col("price")).sum().alias("squares"),
            (pl.col("notional") >= int(WHALE) * 100_000).sum().alias("whales"),
        )
        .sort("minute")
        .collect(engine="streaming")
        .rows()
    )
    return rows


def orjson_loop(path: Path) -> list[Any]:
    """Read line by line: JSON, integers, a dictionary of minutes."""
    whale = int(WHALE) * 10**5
    bars: dict[int, list[int]] = {}
    with path.open("rb") as file:
        for line in file:
            row = orjson.loads(line)
            whole, _, tenth = row["price"].partition(".")
            price = int(whole + (tenth or "0"))
            whole, _, part = row["qty_contracts"].partition(".")
            base = int(whole + part.ljust(2, "0")) * int(row["ctVal"].replace(".", ""))
            notional = price * base
            minute = times.parse_iso(row["timestamp_utc"]) // times.MINUTE_MS
            bar = bars.get(minute)
            if bar is None:
                bar = bars[minute] = [price, price, price, price, 0, 0, 0, 0, 0, 0]
            bar[1] = max(bar[1], price)
            bar[2] = min(bar[2], price)
            bar[3] = price
            bar[4] += 1
            bar[5] += base
            bar[6] += notional
            bar[7] += notional if row["side"] == "buy" else 0
            bar[8] += price * notional
            bar[9] += notional >= whale
    return [(minute, *bars[minute]) for minute in sorted(bars)]


# reads a file to rows; gives a row as text
Contender = tuple[Callable[[Path], list[Any]], Callable[[Any], Bar]]

CONTENDERS: Final[dict[str, Contender]] = {
    "ravequant, 1 process": (partial(ours, all_cores=False), _minute_bar),
    "ravequant, all cores": (partial(ours, all_cores=True), _minute_bar),
    "duckdb, 1 thread": (partial(_duckdb, threads=1), _plain),
    "duckdb, all threads": (partial(_duckdb, threads=None), _plain),
    "polars, 1 thread": (partial(_polars, threads=1), _bar),
    "polars, all threads": (partial(_polars, threads=None), _bar),
    "orjson loop": (orjson_loop, _bar),
}
