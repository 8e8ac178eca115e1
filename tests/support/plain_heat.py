"""The heat as anybody would read it off the books: decimals, every line of every file, no index.

It shares no code with the dashboard or the scanner of books.
"""

import gzip
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from ravequant.contract import Contract

MINUTE = 60_000
DAY = 86_400_000
Side = list[tuple[Decimal, Decimal]]


class PlainBook(NamedTuple):
    """A line of either stream."""

    ts: int
    since: int  # of a deep one
    bids: Side
    asks: Side
    mid: Decimal
    broken: bool
    entries: tuple[int, int]


class PlainColumn(NamedTuple):
    """A column of one minute."""

    step: str
    base: int
    cells: list[int]
    peaks: list[int]
    source: str


def ms(text: str) -> int:
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000)


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of all whole lines of a folder that are JSON."""
    for path in sorted(folder.rglob("*.jsonl*")):
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        for line in data.split(b"\n")[:-1]:
            try:
                yield json.loads(line)
            except ValueError:
                continue


def side(levels: list[list[str]]) -> Side:
    return [(Decimal(price), Decimal(size)) for price, size, *_ in levels]


class PlainHeat:
    """The books of an instrument, all in memory."""

    def __init__(self, raw: Path, inst_id: str, contract: Contract, depth: int) -> None:
        self.contract, self.depth = contract, depth
        self.own = [
            PlainBook(
                ms(row["timestamp_utc"]), 0, side(row["bids_top400"]), side(row["asks_top400"]),
                Decimal(row["mid_price"]), row["gap_detected"],
                (len(row["bids_top400"]), len(row["asks_top400"])),
            )
            for row in rows(raw / "l2_perps" / inst_id)
        ]  # fmt: skip
        self.deep = [
            PlainBook(
                ms(row["timestamp_utc"]), ms(row["from_utc"]), side(row["bids"]), side(row["asks"]),
                Decimal(0), False, (0, 0),  # noqa: FBT003
            )
            for row in rows(raw / "l2_deep_perps" / inst_id)
        ]  # fmt: skip

    def step(self, minutes: range, until: int) -> Decimal:
        """Return the step for columns of these minutes."""
        known = [book for book in self.own if book.ts <= until]
        last = min(until, (minutes[-1] + 1) * MINUTE - 1)
        newest_day = max(book.ts // DAY for book in known if book.ts // DAY <= last // DAY)
        first = min((book for book in known if book.ts // DAY == newest_day), key=lambda b: b.ts)
        wanted = first.mid / 5_000
        steps = [
            Decimal(digit) * Decimal(10) ** power for power in range(-12, 8) for digit in (1, 2, 5)
        ]
        return min(steps, key=lambda step: (abs(step - wanted), step))

    def column(self, minute: int, step: Decimal, until: int) -> PlainColumn:
        """Return a column of one minute."""
        last = min((minute + 1) * MINUTE - 1, until)
        inside = [book for book in self.own if minute * MINUTE <= book.ts <= last]
        if not inside or max(inside, key=lambda book: book.ts).broken:
            return PlainColumn(str(step), 0, [0] * 100, [0] * 100, "none")
        book = max(inside, key=lambda book: book.ts)
        counting = [
            deep
            for deep in self.deep
            if deep.since < book.ts and deep.ts <= last and book.ts - deep.ts <= MINUTE
        ]
        deep = max(counting, key=lambda deep: deep.ts, default=None)
        base = math.floor(book.mid / step) - 50
        bids, low, bid_source = self.reach(book.bids, deep and deep.bids, book.entries[0], -1)
        asks, high, ask_source = self.reach(book.asks, deep and deep.asks, book.entries[1], 1)
        cells, peaks = [], []
        for row in range(base, base + 100):
            levels = [one for one in bids + asks if row * step <= one[0] < (row + 1) * step]
            worths = [self.usd(*level) for level in levels] or [Decimal(0)]
            unseen = (low is not None and (row + 1) * step <= low) or (
                high is not None and row * step > high
            )
            cells.append(0 if unseen else byte(sum(worths, Decimal(0))))
            peaks.append(0 if unseen else byte(max(worths)))
        source = "deep" if "deep" in (bid_source, ask_source) else "ws"
        return PlainColumn(str(step), base, cells, peaks, source)

    def reach(
        self, own: Side, deep: Side | None, entries: int, sign: int
    ) -> tuple[Side, Decimal | None, str]:
        """Return the levels of a side, the farthest price that was seen, and from where."""
        if entries < self.depth:
            return own, None, "ws"
        far = max((price * sign for price, _ in own))
        beyond = [level for level in deep or [] if level[0] * sign > far]
        if not beyond:
            return own, far * sign, "ws"
        return own + beyond, max(price * sign for price, _ in beyond) * sign, "deep"

    def usd(self, price: Decimal, contracts: Decimal) -> Decimal:
        worth = contracts * Decimal(self.contract.ct_val) * Decimal(self.contract.ct_mult)
        return worth if self.contract.ct_type == "inverse" else worth * price


def byte(usd: Decimal) -> int:
    if usd == 0:
        return 1
    return min(255, max(1, round(32 * math.log2(usd / 16_000))))
