"""The data of the benchmark: trades and books of the model market, as lines of a vault.

A day of trades is made once and repeated with other dates and ids, so that 30 days cost little more
than one. In recordings of the exchange no trade is older than the trade before it, in some rows of
the model market it is; here their times are put in order.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from L2_Bot.snapshot_writer import SnapshotWriter, encode_deep
from ravequant import exchanges, times
from ravequant.exchanges.base import DeepBook
from ravequant.records import Trade, TradeEncoder
from ravequant.sim.archive_files import fills_of, pack_zip
from ravequant.sim.archive_rows import NAMED, trade_header, trade_row
from ravequant.sim.market import DEFAULT_ROWS, START_MS, ModelMarket
from ravequant.vault import instruments
from ravequant.vault.paths import Vault

BTC: Final = "BTC-USDT-SWAP"
CADENCE_MS: Final = 2_000  # of snapshots
DEEP_EVERY: Final = 15  # snapshots
DEPTH, DEEP_DEPTH = 400, 5_000  # levels a side
_BUSY_SECONDS: Final = 36_000  # in which a published day's fills fall, at the least
_FOREVER: Final = 1 << 60
_PORTION_MS: Final = 5 * times.MINUTE_MS  # of market time that is made at once

SnapshotLines = list[tuple[Path, bytes]]  # the lines of one snapshot, each with its file


def write_trades(path: Path, count: int, seed: int, rate: float = DEFAULT_ROWS) -> None:
    """Write ``count`` trades of BTC, ``rate`` a second on average, into one file."""
    market = ModelMarket(seed, (BTC,), rows_per_second=rate)
    encoder = _encoder(market)
    with path.open("wb") as file:
        file.writelines(map(encoder.line, islice(_trades(market, _FOREVER), count)))


def write_fills(folder: Path, count: int, seed: int) -> Path:
    """Write ``count`` single fills of BTC, all of one UTC day, as a month's published file."""
    rate = max(DEFAULT_ROWS, count / _BUSY_SECONDS)
    market = ModelMarket(seed, (BTC,), rows_per_second=rate)
    fills = islice(fills_of(market, START_MS + times.DAY_MS), count)
    path = folder / f"{BTC}-trades-{times.day(START_MS)[:7]}.zip"
    text = path.with_suffix(".csv")
    with text.open("wb") as file:
        file.write(trade_header(NAMED))
        newest = 0
        for inst_id, fill in fills:
            newest = max(newest, fill.ts)
            file.write(trade_row(NAMED, inst_id, replace(fill, ts=newest, source="0")))
    pack_zip(path, text.name, text)
    text.unlink()
    return path


def _encoder(market: ModelMarket) -> TradeEncoder:
    return TradeEncoder(BTC, instruments.parse_instrument(market.instruments[BTC]).contract)


def _trades(market: ModelMarket, end_ms: int) -> Iterator[Trade]:
    newest, until = 0, market.start_ms
    while until < end_ms:
        until = min(until + _PORTION_MS, end_ms)
        for _, trade in market.trades(until):
            newest = max(newest, trade.ts)
            yield replace(trade, ts=newest)


class RepeatedDay:
    """A day of trades that is written as often as wanted: day 0 ends at START_MS."""

    def __init__(self, seed: int, rate: float, inst_id: str = BTC) -> None:
        begin = START_MS - times.DAY_MS
        market = ModelMarket(seed, (inst_id,), start_ms=begin, rows_per_second=rate)
        self._inst_id = inst_id
        self._metadata = instruments.parse_instrument(market.instruments[inst_id])
        self._encoder = TradeEncoder(inst_id, self._metadata.contract)
        self._trades = list(_trades(market, START_MS))
        self._ids = self._trades[-1].trade_id - self._trades[0].first_id + 1

    def append(self, vault: Vault, day: int, first_ms: int = 0, until_ms: int = _FOREVER) -> int:
        """Append the trades of a day from ``first_ms`` to before ``until_ms``; return the bytes."""
        instruments.save(vault, self._metadata, None)
        shift, ids = day * times.DAY_MS, day * self._ids
        moved = (
            replace(trade, ts=trade.ts + shift, trade_id=trade.trade_id + ids)
            for trade in self._trades
            if first_ms <= trade.ts + shift < until_ms
        )
        name = f"{times.day(START_MS - times.DAY_MS + shift)}.jsonl"
        return _append(vault.trades(self._inst_id) / name, b"".join(map(self._encoder.line, moved)))


def snapshots(
    vault: Vault, seed: int, *, deep: bool, rows_per_second: float = 5, trades: bool = False
) -> Iterator[SnapshotLines]:
    """Yield the snapshots of BTC's book from START_MS on, one every two seconds, without end.

    With ``deep`` each fifteenth comes with a deep snapshot of 5,000 levels a side, with ``trades``
    each with the trades since the snapshot before.
    """
    market = ModelMarket(seed, (BTC,), rows_per_second=rows_per_second)
    encoder = _encoder(market)
    exchange = exchanges.load(vault.exchange)
    writer = SnapshotWriter(exchange, BTC, cadence_ms=CADENCE_MS, depth=DEPTH)
    instruments.save(vault, instruments.parse_instrument(market.instruments[BTC]), None)
    now, number = market.start_ms, 0
    while True:
        now += CADENCE_MS
        traded = [encoder.line(trade) for _, trade in market.trades(now)]
        with_deep = deep and number % DEEP_EVERY == 0
        book = market.snapshot(BTC, DEEP_DEPTH if with_deep else DEPTH)
        if book is None:
            continue
        row = {"ts": str(book.ts), "seqId": book.seq_id, "prevSeqId": -1, "checksum": 0}
        sides = {
            side: [[price, size, "0", count] for price, size, count in levels]
            for side, levels in (("bids", book.bids), ("asks", book.asks))
        }
        taken = writer.receive("snapshot", row | sides).snapshot
        if taken is None:
            continue
        number += 1
        hour = times.iso(taken.ts)[:13].replace("T", "/") + ".jsonl"
        lines = [(vault.snapshots(BTC) / hour, taken.line)]
        if trades:
            lines.append((vault.trades(BTC) / f"{hour[:10]}.jsonl", b"".join(traded)))
        if with_deep:
            far = DeepBook(book.ts, list(map(list, book.bids)), list(map(list, book.asks)))
            line = encode_deep(exchange, BTC, far, taken.ts)
            lines.append((vault.deep_snapshots(BTC) / hour, line))
        yield lines


def append_snapshots(found: Iterator[SnapshotLines], count: int) -> int:
    """Append the next ``count`` snapshots to their files; return their bytes."""
    return sum(_append(path, line) for lines in islice(found, count) for path, line in lines)


def _append(path: Path, data: bytes) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        return file.write(data)
