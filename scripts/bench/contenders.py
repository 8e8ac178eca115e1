"""The contenders of the first case: raw trade lines to exact minute bars, in eight ways.

Each takes a file of canonical lines (linear, prices to 0.1, sizes to 0.01, ctVal 0.01, ids in
order) and returns its rows; written as text, which is not measured, they are the same. The other
engines may rely on that; ours relies on nothing.
"""

import json
import os
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import exact, times
from ravequant.errors import UsageError
from ravequant.settings import Settings, exactly
from ravequant.trades.bar_reader import BarReader
from ravequant.trades.minute_bar import MinuteBar
from ravequant.trades.parallel_scan import read_ahead
from ravequant.vault.tail import Span, Tail

INST_ID: Final = "BTC-USDT-SWAP"
WHALE: Final = Settings().bars.whale_notional

# minute, open, high, low, close, records, base, notional, bought notional, sum of price x notional,
# whales: amounts as canonical decimal text
Bar = tuple[str, ...]
_PLACES: Final = (0, 1, 1, 1, 1, 0, 4, 5, 5, 6, 0)  # of the contenders that count in integers


def ours(path: Path, *, all_cores: bool) -> list[MinuteBar]:
    """Read as the calculators do: the tail, the scan, the bars."""

    def refuse(offset: int, reason: str) -> None:
        raise UsageError(f"{path}: line at {offset}: {reason}")

    whale = exactly(Settings(), "bars.whale_notional")
    reader = BarReader(INST_ID, whale, lambda *_: True, refuse)
    tail = Tail(lambda: iter([(path.stem, path)]), None, 0)
    bars = []
    for piece, found in read_ahead(INST_ID, whale, tail.pieces() if all_cores else tail.blocks()):
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
    import duckdb  # noqa: PLC0415 - an extra, and only this contender's process pays for it

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
    import polars as pl  # noqa: PLC0415 - an extra, and only this contender's process pays for it

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
    """What one writes first: a line, its JSON, integers, a dictionary."""
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


def decimal_loop(path: Path) -> list[Any]:
    """The same with what Python brings along: json and Decimal."""
    whale = Decimal(WHALE)
    bars: dict[int, list[Any]] = {}
    with path.open("rb") as file, localcontext() as context:
        context.prec = 60  # nothing is rounded
        for line in file:
            row = json.loads(line)
            price = Decimal(row["price"])
            base = Decimal(row["qty_contracts"]) * Decimal(row["ctVal"]) * Decimal(row["ctMult"])
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


Contender = tuple[Callable[[Path], list[Any]], Callable[[Any], Bar]]  # to rows; a row as text

CONTENDERS: Final[dict[str, Contender]] = {
    "ravequant, 1 process": (partial(ours, all_cores=False), _minute_bar),
    "ravequant, all cores": (partial(ours, all_cores=True), _minute_bar),
    "duckdb, 1 thread": (partial(_duckdb, threads=1), _plain),
    "duckdb, all threads": (partial(_duckdb, threads=None), _plain),
    "polars, 1 thread": (partial(_polars, threads=1), _bar),
    "polars, all threads": (partial(_polars, threads=None), _bar),
    "orjson loop": (orjson_loop, _bar),
    "json + Decimal loop": (decimal_loop, _plain),
}
