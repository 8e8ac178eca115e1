"""Defended prices: walls that all can see, and tips that are bought or sold again.

A wall shows its size and stands until it is filled, or is pulled before price arrives. A defended
tip shows nothing: a hidden order at the extreme of an earlier minute, which fills every taker.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from ravequant.sim.instruments import Listing
from ravequant.sim.regime import SLOTS_PER_MINUTE

BID: Final = 0
ASK: Final = 1

_WALLS_A_SIDE: Final = 4
_TIPS_A_SIDE: Final = 5
_FARTHEST_BPS: Final = 320
_APART_TICKS: Final = 20  # two defended prices of opposite sides never stand closer


@dataclass(slots=True)
class Barrier:
    """One defended price."""

    side: int
    tick: int
    holds: int  # how often it can be pressed before it gives way
    until_slot: int
    visible: bool = False
    pulled_within: int = 0  # ticks from the best price at which it is withdrawn; 0: it stands


class WallAct(NamedTuple):
    """A change of a visible wall by its owner or by takers."""

    side: int
    tick: int
    how: str  # placed, taken or pulled
    lots: int  # so many
    left: int


class Barriers:
    """The defended prices of one instrument."""

    def __init__(self, rng: random.Random, listing: Listing) -> None:
        self._rng = rng
        self._listing = listing
        self._all: list[Barrier] = []
        self._walls: tuple[Mapping[int, int], Mapping[int, int]] = ({}, {})
        self.acts: list[WallAct] = []  # since the last slot

    @property
    def walls(self) -> tuple[Mapping[int, int], Mapping[int, int]]:
        """Visible walls, tick to lots, bids and asks; replaced when they change, never altered."""
        return self._walls

    def nearest(self, side: int, bid: int, ask: int) -> Barrier | None:
        """Return the first defended price to that side, the best price included."""
        if side == ASK:
            above = (b for b in self._all if b.side == ASK and b.tick >= ask)
            return min(above, key=lambda b: b.tick, default=None)
        below = (b for b in self._all if b.side == BID and b.tick <= bid)
        return max(below, key=lambda b: b.tick, default=None)

    def add(self, barrier: Barrier, lots: int = 0) -> None:
        """Add a defended price; ``lots`` is the visible size of a wall."""
        self._all.append(barrier)
        if lots:
            self.set_wall(barrier.side, barrier.tick, lots)

    def set_wall(self, side: int, tick: int, lots: int, *, taken: bool = False) -> None:
        """Set the visible size of a wall; 0 removes it, and its defender.

        ``taken``: takers made it smaller, not its owner.
        """
        before = self._walls[side].get(tick, 0)
        how = "placed" if lots > before else "taken" if taken else "pulled"
        self.acts.append(WallAct(side, tick, how, abs(lots - before), lots))
        changed = {**self._walls[side], tick: lots}
        if not lots:
            del changed[tick]
            self._all = [b for b in self._all if not (b.visible and b.tick == tick)]
        bids, asks = self._walls
        self._walls = (changed, asks) if side == BID else (bids, changed)

    def remove(self, barrier: Barrier) -> None:
        """Take a defended price away."""
        if barrier.visible and barrier.tick in self._walls[barrier.side]:
            self.set_wall(barrier.side, barrier.tick, 0)
        else:
            self._all = [b for b in self._all if b is not barrier]

    def clear(self, tick: int) -> None:
        """Remove all defended prices within 100 bps of a price."""
        for barrier in list(self._all):
            if abs(barrier.tick - tick) * 100 < tick:
                self.remove(barrier)

    def prune(self, slot: int, bid: int, ask: int) -> None:
        """Remove barriers that have expired, were passed, are too far off, or are pulled."""
        farthest = bid * _FARTHEST_BPS // 10_000
        for barrier in list(self._all):
            ahead = barrier.tick - ask if barrier.side == ASK else bid - barrier.tick
            gone = slot >= barrier.until_slot or not 0 <= ahead <= farthest
            if gone or ahead < barrier.pulled_within:
                self.remove(barrier)

    def minute(
        self, slot: int, bid: int, ask: int, low: int | None = None, high: int | None = None
    ) -> None:
        """Add walls far out, and defenders at the extremes of the minute that has ended."""
        low, high = low or bid, high or ask
        for side in (BID, ASK):
            best, tip = (ask, high) if side == ASK else (bid, low)
            standing = [b for b in self._all if b.side == side]
            walls = sum(b.visible for b in standing)
            if walls < _WALLS_A_SIDE and self._rng.random() < 0.5:
                self._build_wall(side, best, slot)
            behind = tip - best if side == ASK else best - tip
            if behind > 3 and len(standing) - walls < _TIPS_A_SIDE and self._rng.random() < 0.25:
                self._defend(side, tip, slot)

    def _build_wall(self, side: int, best: int, slot: int) -> None:
        rng = self._rng
        away = best * (50 + int(150 * rng.random())) // 10_000
        tick = best + away if side == ASK else best - away
        tick -= tick % 10  # people like round prices
        if self._crowded(tick):
            return
        usd = 1_000_000 + 4_000_000 * rng.random() * rng.random()
        pulled = int(tick * (15 + 30 * rng.random()) / 10_000) if rng.random() < 0.5 else 0
        life = int((2 + 58 * rng.random()) * SLOTS_PER_MINUTE)
        barrier = Barrier(side, tick, 9, slot + life, visible=True, pulled_within=pulled)
        self.add(barrier, self._listing.lots(usd, tick))

    def _defend(self, side: int, tip: int, slot: int) -> None:
        if not self._crowded(tip):
            life = int((5 + 70 * self._rng.random()) * SLOTS_PER_MINUTE)
            self.add(Barrier(side, tip, 1 + int(3 * self._rng.random()), slot + life))

    def _crowded(self, tick: int) -> bool:
        return any(abs(b.tick - tick) < _APART_TICKS for b in self._all)
