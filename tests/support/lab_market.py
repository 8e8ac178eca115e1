"""Hours of a recording in a vault, moved in time, with made-up snapshots; calculators run."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from ravequant import times
from ravequant.contract import Contract
from ravequant.records import Side, Trade, TradeEncoder, parse_trade
from ravequant.vault.paths import Vault
from tests.support.book_lines import plain, put, put_metadata, snapshot
from tests.support.notes_market import calculate
from tests.support.quick_disk import without_sync
from tests.support.recordings import BTC, Recording
from tests.support.trade_streams import write_raw


class Listed(NamedTuple):
    """An instrument and what the exchange says of it."""

    inst_id: str
    contract: Contract
    tick: str


LINEAR = Listed(BTC, Contract("0.01", "1", "linear"), "0.1")
INVERSE = Listed("BTC-USD-SWAP", Contract("100", "1", "inverse"), "0.5")
EVERY_MS = 10_000  # from snapshot to snapshot: a longer time is a gap
STEP = 5  # price from level to level: 80 of them reach 40 bps
ROUND = 20  # price of large levels


def trades_of(recording: Recording, shift_ms: int = 0) -> list[Trade]:
    """Return the trades of a recording, moved by a span."""
    trades = (parse_trade(line, recording.inst_id)[0] for line in recording.lines())
    return [replace(trade, ts=trade.ts + shift_ms) for trade in trades]


def snapshots_of(trades: Iterable[Trade], listed: Listed = LINEAR) -> Iterator[dict[str, Any]]:
    """Yield a snapshot each EVERY_MS around the newest trade, with walls at round prices.

    Of each ten minutes two have none, and a few snapshots are over a gap.
    """
    due, mid = 0, None
    for trade in trades:
        while mid is not None and due <= trade.ts:
            number = due // EVERY_MS
            if number // 12 % 5:
                gap = number % 401 == 0
                bids, asks = (_side(mid, sign, number, listed.contract) for sign in (-1, 1))
                yield snapshot(due, bids, asks, inst_id=listed.inst_id, gap=gap)
            due += EVERY_MS
        due = due or -(-trade.ts // EVERY_MS) * EVERY_MS
        mid = Decimal(trade.price)


def _side(mid: Decimal, sign: int, number: int, contract: Contract) -> list[list[str]]:
    """Return 80 levels STEP apart, the round ones with up to 3 M, others with up to 60,000."""
    levels = []
    for step in range(1, 81):
        price = int(mid) // STEP * STEP + sign * step * STEP
        amount = 1_000 * (1 + (number + 7 * price) % 60)
        if price % ROUND == 0:
            amount = 1_000_000 * (1 + (number // 30 + price // ROUND) % 3)
        worth = Decimal(contract.ct_val) * (price if contract.ct_type == "linear" else 1)
        levels.append([str(price), plain(round(amount / worth, 2)), "0", "3"])
    return levels


def put_market(
    vault: Vault, trades: Iterable[Trade], *, books: bool = True, listed: Listed = LINEAR
) -> None:
    """Write trades and the snapshots around them, and bring all calculators up to date."""
    trades = list(trades)
    put_more(vault, trades, snapshots_of(trades, listed) if books else (), listed)


def put_more(
    vault: Vault,
    trades: Iterable[Trade],
    snapshots: Iterable[dict[str, Any]],
    listed: Listed = LINEAR,
) -> None:
    """Append trades and snapshots, and bring all calculators up to date."""
    inst_id, encoder = listed.inst_id, TradeEncoder(listed.inst_id, listed.contract)
    put_metadata(vault, inst_id, listed.contract, tick=listed.tick)
    write_raw(vault, inst_id, map(encoder.line, trades))
    put(vault.snapshots(inst_id), snapshots)
    with without_sync():
        calculate(vault, inst_id)


def sparse(begin: int, end: int, ticks: int = 1) -> Iterator[Trade]:
    """Yield trades of a price that returns to its mean, one in each quarter of a minute.

    Prices are multiples of so many ticks of 0.1.
    """
    chance, now = random.Random(3), 1_000_000
    for number, ts in enumerate(range(begin, end, 15_000), 1):
        now += round(chance.gauss(0, 6) + (1_000_000 - now) * 0.004)
        side: Side = chance.choice(("buy", "sell"))
        made = Trade(ts + chance.randrange(15_000), number, side, "", f"{chance.randrange(1, 400)}")
        price = now // ticks * ticks
        yield replace(made, price=f"{price // 10}.{price % 10}")


def minutes_of(trades: list[Trade]) -> tuple[int, int]:
    """Return the first and last Unix minute of trades."""
    return trades[0].ts // times.MINUTE_MS, trades[-1].ts // times.MINUTE_MS
