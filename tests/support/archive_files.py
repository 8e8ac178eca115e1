"""Archive files in every form that OKX has published, written from the model market's trades."""

import io
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from ravequant import exact
from ravequant.records import Trade
from ravequant.sim.frames import fills
from ravequant.sim.market import ModelMarket

BTC = "BTC-USDT-SWAP"
FORMS = ("english", "source", "chinese", "none")
HEADERS = {
    "english": b"instrument_name,trade_id,side,price,size,created_time\n",
    "source": b"instrument_name,trade_id,side,price,size,created_time,source\n",
    "chinese": "trade_id/撮合id,side/交易方向,size/数量,price/价格,created_time/成交时间\n".encode(
        "gbk"
    ),
    "none": b"",
}


def float_text(text: str) -> str:
    """Return a decimal as OKX's archive writes it: ``38.0``, ``7.98e-05``."""
    return repr(float(text))


def row(trade: Trade, form: str, inst_id: str = BTC) -> bytes:
    """Return a fill as one line of a form."""
    price, size = float_text(trade.price), float_text(trade.qty)
    if form in ("chinese", "none"):
        fields = [str(trade.trade_id), trade.side, size, price, str(trade.ts)]
    else:
        fields = [inst_id, str(trade.trade_id), trade.side, price, size, str(trade.ts)]
        fields += [trade.source] if form == "source" else []
    return ",".join(fields).encode() + b"\n"


def trade_csv(trades: Iterable[Trade], form: str = "english", inst_id: str = BTC) -> bytes:
    """Return the csv of single fills."""
    return HEADERS[form] + b"".join(row(trade, form, inst_id) for trade in trades)


def write_zip(path: Path, data: bytes, member: str = "", **of_info: Any) -> Path:
    """Write a zip with one member, named like the zip unless ``member`` is another name."""
    info = zipfile.ZipInfo(member or path.stem + ".csv", (2025, 1, 31, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    for name, value in of_info.items():
        setattr(info, name, value)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(info, data)
    return path


def write_tar(path: Path, data: bytes, member: str = "", **of_info: Any) -> Path:
    """Write a ``.tar.gz`` with one member, named like it unless ``member`` is another name."""
    info = tarfile.TarInfo(member or path.name.removesuffix(".tar.gz") + ".data")
    info.size = len(data)
    for name, value in of_info.items():
        setattr(info, name, value)
    with tarfile.open(path, "w:gz") as file:
        file.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return path


def trade_file(
    folder: Path,
    label: str,
    trades: Iterable[Trade],
    form: str = "english",
    inst_id: str = BTC,
) -> Path:
    """Write the trade archive of a label."""
    return write_zip(folder / f"{inst_id}-trades-{label}.zip", trade_csv(trades, form, inst_id))


def market_fills(count: int, start_ms: int, seed: int = 1, inst_id: str = BTC) -> list[Trade]:
    """Return single fills of the model market, ids without a hole."""
    market = ModelMarket(seed, (inst_id,), start_ms=start_ms)
    lot = exact.units(market.instruments[inst_id]["lotSz"], exact.SIZE_PLACES)
    found: list[Trade] = []
    until = start_ms
    while len(found) < count:
        until += 60_000
        for _, trade in market.trades(until):
            found += fills(trade, None, lot)
    return list(islice(found, count))


CANDLES = b"instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time,confirm\n"


def candle_rows(
    trades: Iterable[Trade], worth: str = "0.01", inst_id: str = BTC
) -> list[list[str]]:
    """Return a candle row for every minute from the first fill to the last, flat where none is."""
    minutes: dict[int, list[Trade]] = {}
    for trade in trades:
        minutes.setdefault(trade.ts // 60_000, []).append(trade)
    rows, close = [], Decimal(0)
    for minute in range(min(minutes), max(minutes) + 1):
        its = minutes.get(minute, [])
        prices = [Decimal(trade.price) for trade in its] or [close]
        close = prices[-1]
        qty = sum((Decimal(trade.qty) for trade in its), Decimal(0))
        coins = qty * Decimal(worth)
        quote = sum((Decimal(t.price) * Decimal(t.qty) * Decimal(worth) for t in its), Decimal(0))
        values = (prices[0], max(prices), min(prices), close, qty, coins, quote)
        texts = [float_text(str(value)) for value in values]
        rows.append([inst_id, *texts, str(minute * 60_000), "1"])
    return rows


def candle_file(
    folder: Path, label: str, rows: Iterable[Sequence[str]], inst_id: str = BTC
) -> Path:
    """Write the candle archive of a label."""
    data = CANDLES + b"".join(",".join(row).encode() + b"\n" for row in rows)
    return write_zip(folder / f"{inst_id}-candlesticks-{label}.zip", data)
