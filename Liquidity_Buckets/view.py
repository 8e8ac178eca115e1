"""What one snapshot shows: how far it was seen, what its bands hold, and the walls in them."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from ravequant.ladder import Ints
from ravequant.snapshots import Head

BANDS_BPS: Final = (10, 25, 50, 100, 200, 500)
FARTHEST_BPS: Final = BANDS_BPS[-1]
BPS: Final = 10_000
WS, DEEP, PARTIAL = "ws", "deep", "partial"


@dataclass(frozen=True, slots=True)
class Wall:
    """A level that is large enough."""

    price: int  # units of 10**-PRICE_PLACES
    weight: int
    band: int


@dataclass(frozen=True, slots=True)
class Reach:
    """How far from the mid one side was seen; twice the distance, units of 10**-PRICE_PLACES."""

    bid: bool
    twice_mid: int
    ws: int | None  # None: the whole side was seen
    deep: int  # -1 without deep data

    def source(self, price: int) -> str | None:
        """Return where a level at ``price`` would have been seen; None beyond reach or 500 bps."""
        away = self.twice_mid - 2 * price if self.bid else 2 * price - self.twice_mid
        if away * BPS > FARTHEST_BPS * self.twice_mid:
            return None
        if self.ws is None or away <= self.ws:
            return WS
        return DEEP if away <= self.deep else None

    def state(self) -> list[Any]:
        """Return the reach, JSON-able: the numbers are wider than 64 bits."""
        ws = None if self.ws is None else str(self.ws)
        return [self.bid, str(self.twice_mid), ws, str(self.deep)]

    @classmethod
    def restore(cls, state: list[Any]) -> "Reach":
        """Return the reach whose state this was."""
        bid, twice_mid, ws, deep = state
        return cls(bid, int(twice_mid), None if ws is None else int(ws), int(deep))


class Stretch(NamedTuple):
    """The rows of one side in one table of levels."""

    weight: Ints  # of all levels of the table
    middles: dict[tuple[int, ...], int]  # of stretches of it that were asked for before
    rows: list[int]  # where each band begins, and where the last one ends

    def weights(self, band: int) -> Ints:
        """Return the weights of a band."""
        return self.weight[self.rows[band] : self.rows[band + 1]]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One side of one snapshot."""

    notional: list[int]  # of each band, in the units asked for
    base: list[int]
    depth_bps: str | None  # farthest level used; None without any
    reach: Reach
    walls: list[Wall]  # largest first; of equals the nearest
    money: int  # a wall's weight x this is its notional
    stretches: list[Stretch]  # its own levels, and the deep ones beyond them

    def middle_pair(self, band: int) -> int:
        """Return the sum of the two middle weights of a band: twice the median."""
        parts = [
            stretch for stretch in self.stretches if stretch.rows[band] < stretch.rows[band + 1]
        ]
        if len(parts) > 1:
            return _middle_pair(np.concatenate([stretch.weights(band) for stretch in parts]))
        known, key = parts[0].middles, tuple(parts[0].rows[band : band + 2])
        if key not in known:
            known[key] = _middle_pair(parts[0].weights(band))
        return known[key]


def _middle_pair(values: Ints) -> int:
    low, high = (len(values) - 1) // 2, len(values) // 2
    ranked = np.sort(values) if values.dtype == object else np.partition(values, (low, high))
    return int(ranked[low]) + int(ranked[high])


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What one snapshot shows, together with the deep one in use."""

    head: Head
    deep_ts: int | None
    bid: Side
    ask: Side
    source: list[str]  # of each band: ws, deep or partial
