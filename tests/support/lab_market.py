"""Hours of a recording in a vault, moved in time, with made-up snapshots; calculators run."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ravequant import times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder, parse_trade
from ravequant.vault.paths import Vault
from tests.support.book_lines import plain, put, put_metadata, snapshot
from tests.support.notes_market import calculate
from tests.support.recordings import BTC, Recording
from tests.support.trade_streams import write_raw

CONTRACT = Contract("0.01", "1", "linear")
EVERY_MS = 10_000  # from snapshot to snapshot: a longer time is a gap
STEP = 5  # price from level to level: 80 of them reach 40 bps
ROUND = 20  # price of large levels


def trades_of(recording: Recording, shift_ms: int = 0) -> list[Trade]:
    """Return the trades of a recording, moved by a span."""
    trades = (parse_trade(line, recording.inst_id)[0] for line in recording.lines())
    return [replace(trade, ts=trade.ts + shift_ms) for trade in trades]


def snapshots_of(trades: Iterable[Trade]) -> Iterator[dict[str, Any]]:
    """Yield a snapshot each EVERY_MS around the newest trade, with walls at round prices.

    Of each ten minutes two have none, and a few snapshots are over a gap.
    """
    due, mid = 0, None
    for trade in trades:
        while mid is not None and due <= trade.ts:
            number = due // EVERY_MS
            if number // 12 % 5:
                gap = number % 401 == 0
                yield snapshot(due, _side(mid, -1, number), _side(mid, 1, number), gap=gap)
            due += EVERY_MS
        due = due or -(-trade.ts // EVERY_MS) * EVERY_MS
        mid = Decimal(trade.price)


def _side(mid: Decimal, sign: int, number: int) -> list[list[str]]:
    """Return 80 levels STEP apart, the round ones with up to 3 M, others with up to 60,000."""
    levels = []
    for step in range(1, 81):
        price = int(mid) // STEP * STEP + sign * step * STEP
        amount = 1_000 * (1 + (number + 7 * price) % 60)
        if price % ROUND == 0:
            amount = 1_000_000 * (1 + (number // 30 + price // ROUND) % 3)
        levels.append([str(price), plain(round(Decimal(amount) / price * 100, 2)), "0", "3"])
    return levels


def put_market(vault: Vault, trades: Iterable[Trade], *, books: bool = True) -> None:
    """Write trades of BTC and the snapshots around them, and bring all calculators up to date."""
    trades = list(trades)
    encoder = TradeEncoder(BTC, CONTRACT)
    put_metadata(vault, BTC, CONTRACT)
    write_raw(vault, BTC, map(encoder.line, trades))
    if books:
        put(vault.snapshots(BTC), snapshots_of(trades))
    calculate(vault)


def minutes_of(trades: list[Trade]) -> tuple[int, int]:
    """Return the first and last Unix minute of trades."""
    return trades[0].ts // times.MINUTE_MS, trades[-1].ts // times.MINUTE_MS
