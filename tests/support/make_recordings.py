"""Writes the recordings of ``tests/data/recordings``: the model market in another writer's JSON.

``python -m tests.support.make_recordings`` makes the same files again. They have the form of
recordings of the exchange: single fills with spaces after the colons, without ``count`` and
``source``, a day a file; and the frames of the ``books`` channel as they were received, with a
chain of sequence ids and a checksum each. One trade id of the midnight recording is missing.
"""

import gzip
import json
import random
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import orjson

from ravequant import exact, times
from ravequant.records import Trade
from ravequant.sim import frames
from ravequant.sim.feed import BookChange
from ravequant.sim.market import ModelMarket
from tests.support.plain_book import PlainBook
from tests.support.recordings import MADE

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
Fills = dict[str, list[Trade]]  # by instrument, ascending in id


def main() -> None:
    """Write all recordings."""
    eight_hours()
    midnight()
    evening()


def eight_hours() -> None:
    """Write eight hours of trades, a few a minute."""
    begin = times.parse_iso("2025-12-01T00:00:00Z")
    market = ModelMarket(12, (BTC,), start_ms=begin, rows_per_second=0.04)
    write_trades(market, fills_until(market, begin + 8 * times.HOUR_MS))


def midnight() -> None:
    """Write trades and books of five minutes around midnight; a trade id is missing."""
    begin = times.parse_iso("2025-12-02T23:58:20Z")
    market = ModelMarket(23, (BTC,), start_ms=begin, rows_per_second=4)
    fills: Fills = {}
    moments = [*range(begin, begin + 60_000, 100), *range(begin + 60_000, begin + 160_000, 2_000)]
    write_books(f"{BTC}.2025-12-02_03", followed(market, moments, fills))
    add(fills, fills_until(market, begin + 300_000))
    single = next(
        place
        for place in range(len(fills[BTC]) // 4, len(fills[BTC]))
        if len({fill.ts for fill in fills[BTC][place - 1 : place + 2]}) == 3
    )
    del fills[BTC][single]
    write_trades(market, fills)


def evening() -> None:
    """Write trades of two instruments and the last minutes of their books, before midnight."""
    begin = times.parse_iso("2025-12-04T23:54:00Z")
    market = ModelMarket(58, (BTC, ETH), start_ms=begin, rows_per_second=2)
    fills = fills_until(market, begin + 3 * times.MINUTE_MS)
    moments = range(begin + 3 * times.MINUTE_MS, begin + 330_000, 2_000)
    changes = list(followed(market, moments, fills))
    for inst_id in (BTC, ETH):
        own = (change for change in changes if change.inst_id == inst_id)
        write_books(f"{inst_id}.2025-12-04", own)
    end = begin + 6 * times.MINUTE_MS
    add(fills, fills_until(market, end + 4_000))
    fills[BTC] = [fill for fill in fills[BTC] if fill.ts < end]
    write_trades(market, fills)


def fills_until(market: ModelMarket, until_ms: int) -> Fills:
    """Return the single fills of the records before a moment; their times never go back."""
    found: Fills = {}
    latest: dict[str, int] = {}
    for inst_id, trade in market.trades(until_ms):
        latest[inst_id] = max(latest.get(inst_id, 0), trade.ts)
        lot = exact.units(market.instruments[inst_id]["lotSz"], exact.SIZE_PLACES)
        found.setdefault(inst_id, []).extend(split(replace(trade, ts=latest[inst_id]), lot))
    return found


def add(fills: Fills, more: Fills) -> None:
    """Append the later fills of each instrument."""
    for inst_id, later in more.items():
        fills.setdefault(inst_id, []).extend(later)


def split(trade: Trade, lot: int) -> list[Trade]:
    """Return the fills of a record, of uneven sizes where it has lots enough for that."""
    lots = exact.units(trade.qty, exact.SIZE_PLACES) // lot
    if lots < trade.count:
        return frames.fills(trade, None, lot)
    chance = random.Random(trade.trade_id)
    cuts = [0, *sorted(chance.sample(range(1, lots), trade.count - 1)), lots]
    sizes = [exact.text((b - a) * lot, exact.SIZE_PLACES) for a, b in pairwise(cuts)]
    return frames.fills(trade, sizes, lot)


def followed(market: ModelMarket, moments: Iterable[int], fills: Fills) -> Iterator[BookChange]:
    """Yield the changes of the books up to each moment; the trades until then go to ``fills``."""
    for moment in moments:
        add(fills, fills_until(market, moment))
        yield from market.books(moment)


def write_trades(market: ModelMarket, fills: Fills) -> None:
    """Write a file for each instrument and UTC day."""
    for inst_id, found in fills.items():
        about = market.instruments[inst_id]
        days: dict[str, list[str]] = {}
        for fill in found:
            row = {
                "timestamp_utc": times.iso(fill.ts), "exchange": "okx", "market": "perp",
                "instId": inst_id, "symbol_canon": "/".join(inst_id.split("-")[:2]),
                "trade_id": str(fill.trade_id), "side": fill.side, "price": fill.price,
                "qty_contracts": fill.qty, "ctVal": about["ctVal"], "ctMult": about["ctMult"],
                "ctType": about["ctType"],
            }  # fmt: skip
            days.setdefault(times.day(fill.ts), []).append(json.dumps(row) + "\n")
        for day, lines in days.items():
            write(MADE / "trades" / inst_id / f"{day}.jsonl.gz", "".join(lines).encode())


def write_books(name: str, changes: Iterable[BookChange]) -> None:
    """Write a file of frames."""
    book, lines = PlainBook(), []
    for change in changes:
        frame = orjson.loads(frames.books(change))
        (row,) = frame["data"]
        book.apply(frame["action"], row)
        row["checksum"] = checksum(*book.both())
        lines.append(orjson.dumps({"recv_ts": change.ts / 1_000 + 0.037, "frame": frame}) + b"\n")
    write(MADE / "books" / f"{name}.books.frames.jsonl.gz", b"".join(lines))


def checksum(bids: list[list[str]], asks: list[list[str]]) -> int:
    """Return the signed CRC32 of the best 25 levels, bid and ask in turn (OKX, ``books``)."""
    levels = [level for pair in zip(bids[:25], asks[:25], strict=True) for level in pair]
    value = zlib.crc32(":".join(":".join(level[:2]) for level in levels).encode())
    return value - (1 << 32) if value >= 1 << 31 else value


def write(path: Path, data: bytes) -> None:
    """Write a compressed file that has no time in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    main()
