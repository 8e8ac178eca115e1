"""The tape of one model instrument: fills become records (SPEC section 3) with ids in a row."""

import random
from dataclasses import dataclass
from typing import Final

from ravequant.records import Side, Trade
from ravequant.sim.instruments import Listing, Steps

_SIDES: Final[tuple[Side, Side]] = ("sell", "buy")  # the taker who hits that side of the book
_SWAPPED: Final = 0.003  # share of rows stamped some ms before the row ahead of them


@dataclass(slots=True)
class OpenRecord:
    """A record in the making."""

    ts: int
    side: int  # of the book that was hit: 0 bids, 1 asks
    tick: int
    lots: int
    count: int
    source: str


class Tape:
    """The trades not yet handed out, and the extremes since their last reset."""

    def __init__(self, rng: random.Random, listing: Listing) -> None:
        self.trades: list[Trade] = []
        self.last_id = listing.first_trade_id - 1
        self.low = self.high = listing.first_tick
        self._rng = rng
        self._rows: list[OpenRecord] = []  # of this slot; its neighbours may still join
        self._price_text, self._size_text = Steps(listing.tick), Steps(listing.lot)

    def __len__(self) -> int:
        return len(self._rows)

    def fill(self, ts: int, side: int, tick: int, lots: int, source: str) -> None:
        """Add the fill of one order at one price."""
        rng, rows = self._rng, self._rows
        count = 1
        if lots > 3 and rng.random() < 0.4:
            count = 2 + int(rng.random() * rng.random() * min(lots - 1, 14))
        if rows:
            last = rows[-1]
            if rng.random() < _SWAPPED:
                ts = last.ts - 1 - int(6 * rng.random())
            if (last.ts, last.side, last.tick, last.source) == (ts, side, tick, source):
                last.lots += lots
                last.count += count
                return
        rows.append(OpenRecord(ts, side, tick, lots, count, source))
        self.low, self.high = min(self.low, tick), max(self.high, tick)

    def publish(self) -> None:
        """End the slot: its rows are records now."""
        for row in self._rows:
            self.last_id += row.count
            price, qty = self._price_text(row.tick), self._size_text(row.lots)
            side = _SIDES[row.side]
            self.trades.append(Trade(row.ts, self.last_id, side, price, qty, row.count, row.source))
        self._rows.clear()
