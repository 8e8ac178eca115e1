"""A few minutes of made-up books with everything that the heat meets: breaks, silence, walls."""

import random
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from ravequant.contract import Contract
from ravequant.settings import L2, Settings
from ravequant.vault.paths import Vault
from tests.support import book_lines
from tests.support.book_lines import plain

BTC = "BTC-USDT-SWAP"
LINEAR = Contract("0.01", "1", "linear")
START = 1_765_756_740_000  # 2025-12-14T23:59:00Z, so that a day turns
DEPTH = 12  # levels of a side; books with fewer are whole
SETTINGS = Settings()._replace(l2=L2()._replace(depth_levels=DEPTH))
EVERY_MS, DEEP_MS = 10_000, 30_000
BROKEN, SILENT, WHOLE = 3, 5, 7  # minutes after START with a break, without a book, and shallow


def market(seed: int, minutes: int = 10) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the snapshots and the deep snapshots of some minutes, oldest first."""
    chance = random.Random(seed)
    mid, own, deep = Decimal(97_000), [], []
    for ts in range(START, START + minutes * 60_000, EVERY_MS):
        minute = (ts - START) // 60_000
        mid += Decimal(chance.randint(-400, 400)) / 10
        if minute == SILENT:
            continue
        moment = ts + chance.randint(0, 900)
        depth = DEPTH - 2 if minute == WHOLE else DEPTH
        sides = _sides(chance, mid, depth, 40)
        last = ts % 60_000 == 60_000 - EVERY_MS
        gap = minute == BROKEN and last
        own.append(book_lines.snapshot(moment, *sides, inst_id=BTC, gap=gap))
        if ts % DEEP_MS == 0:
            bids, asks = _sides(chance, mid, 150, 200)
            deep.append(
                book_lines.deep(moment + chance.randint(-300, 5_000), moment, bids, asks, BTC)
            )
    return own, deep


def _sides(chance: random.Random, mid: Decimal, depth: int, most: int) -> list[list[list[str]]]:
    """Return bids and asks of ``depth`` levels, at most ``most`` ticks apart, some large."""
    sides = []
    for sign in (-1, 1):
        price, side = mid, []
        for _ in range(depth):
            price += sign * Decimal(chance.randint(1, most)) / 10
            size = Decimal(chance.choice((1, 30, 400, 9_000))) * chance.randint(1, 99) / 10
            side.append([plain(price), plain(size), "0", "1"])
        sides.append(side)
    return sides


def put(vault: Vault, own: Iterable[dict[str, Any]], deep: Iterable[dict[str, Any]]) -> Path:
    """Write a market into a vault, with the metadata; return the folder of raw files."""
    book_lines.put_metadata(vault, BTC, LINEAR)
    book_lines.put(vault.snapshots(BTC), own)
    book_lines.put(vault.deep_snapshots(BTC), deep)
    return vault.snapshots(BTC).parents[1]
