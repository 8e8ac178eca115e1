"""A vault of books with two walls near the mid, and of takers that press on them."""

import random
from typing import Any

from Liquidity_Buckets import book_flow
from ravequant.contract import Contract
from ravequant.vault.paths import Vault
from tests.support import book_lines
from tests.support.flow_markets import trade
from tests.support.trade_streams import write_raw

BTC = "BTC-USDT-SWAP"
START = 1_765_748_096_000  # 2025-12-14T21:34:56.000Z
LINEAR = Contract("0.01", "1", "linear")
Rows = list[dict[str, Any]]


def pressed(count: int, seed: int) -> tuple[Rows, Rows]:
    """Return books with two walls near the mid, and takers that press on them."""
    chance = random.Random(seed)
    snapshots, trades, number = [], [], 1_000
    sizes = {"101240": 2_000, "101260": 3_000}
    for place in range(count):
        ts = START + 2_000 * place
        for price, side in (("101260", "buy"), ("101240", "sell")):
            for _ in range(chance.choice((0, 1, 2))):
                number += 1
                qty = chance.choice((10, 150, 900))
                sizes[price] -= min(qty, sizes[price])
                moment = ts - chance.randint(1, 1_999)
                trades.append((moment, number, side, price, str(qty)))
            if sizes[price] < 300 or chance.random() < 0.1:
                sizes[price] = chance.choice((0, 1_500, 3_000))
        bids = [["101249", "5", "0", "1"], ["101240", str(sizes["101240"]), "0", "1"]]
        asks = [["101251", "5", "0", "1"], ["101260", str(sizes["101260"]), "0", "1"]]
        bids, asks = ([level for level in side if level[1] != "0"] for side in (bids, asks))
        snapshots.append(book_lines.snapshot(ts, bids, asks))
    ordered = sorted(trades, key=lambda row: row[0])
    made = [
        trade(ts, 1_000 + n, side, price, qty)
        for n, (ts, _, side, price, qty) in enumerate(ordered)
    ]
    made.append(trade(START + 2_000 * count + 6_000, 5_000_000, "buy", "101251", "1", count=1))
    made[-1]["trade_id"] = str(1_000 + len(made) - 1)
    return snapshots, made


def filled(vault: Vault, *, count: int = 70) -> Vault:
    """Return a vault with metadata, books and trades."""
    snapshots, trades = pressed(count, 3)
    book_lines.put_metadata(vault, BTC, LINEAR)
    book_lines.put(vault.snapshots(BTC), snapshots)
    write_raw(vault, BTC, [book_lines.lines([row]) for row in trades])
    return vault


def run(vault: Vault, *options: str) -> int:
    words = ["--vault", str(vault.root), "--instId", BTC, "--log-level", "error", *options]
    return book_flow.main(words)


def states(vault: Vault) -> dict[str, bytes]:
    """Return the states of both calculators."""
    names = ("book_flow", "liquidity_buckets")
    return {name: vault.state(name, BTC).read_bytes() for name in names}


def outputs(vault: Vault) -> dict[str, bytes]:
    folders = (vault.derived(name, BTC) for name in ("book_flow", "liquidity_buckets"))
    return {
        f"{path.parent.parent.parent.parent.name}/{path.name}": path.read_bytes()
        for folder in folders
        for path in sorted(folder.glob("*"))
    }
