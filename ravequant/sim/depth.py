"""The resting depth of the model book: the size at any price and time, computed on request.

Nothing is stored for a book without readers. A price's size is a draw from a table, chosen by its
tick and by the slot (100 ms) in which it was last renewed; in every slot one price out of each
block of 64 is renewed. So hours of history cost nothing, and any moment's book can be had.
"""

import random
from collections.abc import Mapping
from typing import Final

Levels = list[tuple[int, int]]  # (tick, lots), best first

_BLOCK: Final = 64
_TABLE: Final = 1 << 14
_SPREAD: Final = 0x9E3779B1  # Weyl steps: neighbours land far apart in the table
_RENEW: Final = 0x85EBCA6B
_CACHED_BLOCKS: Final = 2_000


def size_table(rng: random.Random, fill: float, mean_lots: float) -> list[int]:
    """Return sizes of which ``1 - fill`` are 0 and whose mean over all is ``mean_lots``."""
    raw = [_raw_size(rng, fill) for _ in range(_TABLE)]
    scale = mean_lots * _TABLE / sum(raw)
    return [max(1, int(size * scale)) if size else 0 for size in raw]


def _raw_size(rng: random.Random, fill: float) -> float:
    """Return a size: many tiny, some medium, few large."""
    if rng.random() >= fill:
        return 0.0
    kind, part = rng.random(), rng.random()
    if kind < 0.5:
        return 1 + 19 * part
    if kind < 0.9:
        return 20 + 280 * part
    return 300 + 1400 * part


class Depth:
    """One side's resting sizes behind the best price."""

    def __init__(self, rng: random.Random, table: list[int]) -> None:
        self._table = table
        self._salt = rng.getrandbits(48)
        self._order = list(range(_BLOCK))
        rng.shuffle(self._order)
        self._rank = sorted(range(_BLOCK), key=self._order.__getitem__)
        self._lean = [1000, 1000]
        self._cache: dict[int, tuple[int, list[int]]] = {}

    def lean(self, per_mille: int) -> None:
        """Set how full the side is for the prices renewed in the next 64 slots."""
        self._lean.append(per_mille)

    def lots(self, tick: int, slot: int) -> int:
        """Return the size at one price."""
        phase = _phase(tick >> 6)
        return self._draw(tick, slot - ((slot + phase - self._rank[tick & 63]) & 63))

    def levels(
        self, touch: tuple[int, int], step: int, slot: int, walls: Mapping[int, int], count: int
    ) -> Levels:
        """Return the best ``count`` levels from ``touch`` on; ``step``: -1 for bids, 1 for asks."""
        found = [touch]
        tick = touch[0] + step
        while len(found) < count and tick > 0:
            first = tick & ~63
            sizes = self._block(tick >> 6, slot, walls)
            last = first - 1 if step < 0 else first + _BLOCK
            found += [(at, size) for at in range(tick, last, step) if (size := sizes[at & 63])]
            tick = last
        del found[count:]
        return found

    def _block(self, block: int, slot: int, walls: Mapping[int, int]) -> list[int]:
        sizes = self._renewed(block, slot)
        inside = [tick for tick in walls if tick >> 6 == block]
        if inside:
            sizes = sizes.copy()
            for tick in inside:
                sizes[tick & 63] = walls[tick]
        return sizes

    def _renewed(self, block: int, slot: int) -> list[int]:
        """Return the block as of ``slot``: prices renewed since the last request are drawn anew."""
        known_slot, sizes = self._cache.get(block) or (slot - _BLOCK, [0] * _BLOCK)
        if known_slot > slot or known_slot < slot - _BLOCK:
            known_slot = slot - _BLOCK
        phase, first = _phase(block), block * _BLOCK
        for renewed in range(known_slot + 1, slot + 1):
            place = self._order[(renewed + phase) & 63]
            sizes[place] = self._draw(first + place, renewed)
        if len(self._cache) > _CACHED_BLOCKS:
            self._cache.clear()
        self._cache[block] = (slot, sizes)
        return sizes

    def _draw(self, tick: int, renewed: int) -> int:
        index = (tick * _SPREAD + renewed * _RENEW + self._salt) >> 12
        return self._table[index & (_TABLE - 1)] * self._lean[(renewed >> 6) + 1] // 1000


def _phase(block: int) -> int:
    return (block * _SPREAD >> 7) & 63
