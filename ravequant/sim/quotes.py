"""The best prices of one model instrument: their sizes, their moves, the prices that hold them.

They follow a fair price. At a defended price the fair price stays in front of it for some seconds
and falls back, or breaks through; a taker who empties a level moves on to the next level.
"""

import random
from typing import Final

from ravequant.sim.barriers import ASK, BID, Barrier, Barriers
from ravequant.sim.depth import Depth, size_table
from ravequant.sim.instruments import Listing
from ravequant.sim.regime import NORMAL, growth

STEP: Final = (-1, 1)  # away from the other side: bids down, asks up

_REFILL: Final = 0.35  # chance that an emptied best price is filled again at once
_TOUCH_SIZE: Final = tuple(growth(min(1.0, NORMAL[i * 4 + 2] * 0.8 - 0.25)) for i in range(1024))
_GAP: Final = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3)  # ticks beyond the least spread


class Quotes:
    """Best bid and ask, the fair price behind them, and the depth behind those."""

    def __init__(self, rng: random.Random, listing: Listing) -> None:
        self._rng = rng
        self._listing = listing
        self.slot = 0
        self.barriers = Barriers(rng, listing)
        self.depth = _depth(rng, listing)
        self.fair = listing.first_tick + 0.5
        self.tick = [listing.first_tick, listing.first_tick + 1]  # best bid, best ask
        self.lots = [self._touch_lots(BID), self._touch_lots(ASK)]
        self.press = 0  # 1 while a defended price is pressed from below, -1 from above
        self._pin = 0  # slots it will still be
        self._quoted, self._gap = listing.first_tick, 0
        self._held: list[Barrier | None] = [None, None]  # the defended price next on each side

    def look_ahead(self) -> None:
        """Note the defended prices that come next."""
        self._held = [self.barriers.nearest(side, *self.tick) for side in (BID, ASK)]

    def play(self, lid: int) -> None:
        """Follow a script for this second: nothing is defended but its lid."""
        self._pin = self.press = 0
        self._held = [None, Barrier(ASK, lid, 1, 0)]

    def move(self, sigma: float, direction: int) -> None:
        """Move the fair price by a slot; ``sigma`` in ticks, a burst's direction 1, -1 or 0."""
        bits = self._rng.getrandbits(13)
        if self._pin:
            self._stay(sigma * (1 + 5 * bits / 8192))
            return
        if bits & 1:
            self.fair += sigma * NORMAL[bits >> 1]
        self.fair += 0.15 * sigma * direction
        low, high = self._held
        if high is not None and self.fair >= high.tick:
            self._meet(high)
        elif low is not None and self.fair < low.tick:
            self._meet(low)

    def _stay(self, retreat: float) -> None:
        """Hold the fair price at the defended price; at the end of the press, fall back."""
        held = self._held[ASK if self.press > 0 else BID]
        if held is None:
            self._pin = self.press = 0
            return
        self.fair = _in_front_of(held)
        self._pin -= 1
        if not self._pin:
            self.fair -= self.press * retreat
            self.press = 0

    def _meet(self, barrier: Barrier) -> None:
        """Come to a defended price: it holds and is pressed for a while, or it gives way."""
        side = barrier.side
        if barrier.holds:
            barrier.holds -= 1
            self.press = STEP[side]
            self._pin = 4 + int(36 * self._rng.random())
            self.fair = _in_front_of(barrier)
            return
        self.barriers.remove(barrier)
        bid = int(self.fair)
        self._held[side] = self.barriers.nearest(side, bid, bid + 1)

    def take(self, side: int, taken: int) -> None:
        """Take from the best price; an empty level is filled again or gives way to the next."""
        tick, left = self.tick[side], self.lots[side] - taken
        self.lots[side] = left
        if tick in self.barriers.walls[side]:
            self.barriers.set_wall(side, tick, left, taken=True)
            if not left:
                self._pin = self.press = 0
                self.look_ahead()
        if left:
            return
        held = self._held[side]
        if not (held is not None and held.tick == tick) and self._rng.random() >= _REFILL:
            self.tick[side] = self._next_level(side, tick)
        self.lots[side] = self._touch_lots(side)

    def _next_level(self, side: int, tick: int) -> int:
        step, depth, held = STEP[side], self.depth[side], self._held[side]
        last = held.tick if held is not None else tick + 100 * step
        tick += step
        while tick != last and not depth.lots(tick, self.slot):
            tick += step
        return tick

    def quote(self) -> None:
        """End the slot: put both best prices around the fair price."""
        bid = int(self.fair)
        if bid != self._quoted:
            self._quoted = bid
            self._gap = _GAP[(bid * 7 + self.slot) & 15]
        ask = bid + 1 + self._gap
        held = self._held[ASK]
        if held is not None and ask > held.tick:
            ask = max(bid + 1, held.tick)
        for side, tick in ((BID, bid), (ASK, ask)):
            if self.tick[side] != tick:
                self.tick[side] = tick
                self.lots[side] = self._touch_lots(side)
            elif self.slot & 3 == side and tick not in self.barriers.walls[side]:
                self.lots[side] = (self.lots[side] + self._touch_lots(side) + 1) // 2
        self.slot += 1

    def _touch_lots(self, side: int) -> int:
        """Return the size at the best price of a side: the wall's, if there is one, else a draw."""
        tick = self.tick[side]
        wall = self.barriers.walls[side].get(tick)
        if wall:
            return wall
        draw = _TOUCH_SIZE[(tick * 0x9E3779B1 + self.slot * 0x85EBCA6B + side * 977 >> 9) & 1023]
        return self._listing.lots(self._listing.touch_usd * draw, tick)


def _in_front_of(barrier: Barrier) -> float:
    return barrier.tick - 0.5 if barrier.side == ASK else barrier.tick + 0.5


def _depth(rng: random.Random, listing: Listing) -> tuple[Depth, Depth]:
    tick = listing.first_tick
    behind_touch = listing.band_usd - listing.touch_usd
    mean_lots = behind_touch / (listing.usd_per_lot_tick * tick) / (tick / 1000)
    table = size_table(rng, listing.fill, mean_lots)
    return Depth(rng, table), Depth(rng, table)
