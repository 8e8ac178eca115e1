"""The view of one snapshot: its reach, the amounts of its bands, and the walls in them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from Liquidity_Buckets.bands import (
    BANDS_BPS,
    BPS,
    FARTHEST_BPS,
    BandSums,
    DeepBands,
    OwnBands,
    SnapshotRun,
    WeighedLevels,
)
from ravequant import exact
from ravequant.books.snapshot_reader import Head
from ravequant.swar_digits import Ints

WS, DEEP, PARTIAL = "ws", "deep", "partial"


class Wall(NamedTuple):
    """A level that is large enough."""

    price: int  # units of 10**-PRICE_PLACES
    weight: int
    band: int


class Reach(NamedTuple):
    """The reach of a side: twice the distance from the mid, in units of 10**-PRICE_PLACES."""

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

    def faces(self, price: int) -> bool:
        """Return True for a price on this side of the mid."""
        return self.bid == (2 * price < self.twice_mid) or 2 * price == self.twice_mid

    def bands(self) -> tuple[int, int]:
        """Return how many bands the snapshot's own levels reach the end of, and any levels."""
        if self.ws is None:
            return len(BANDS_BPS), len(BANDS_BPS)
        own = bisect_right(BANDS_BPS, self.ws * BPS // self.twice_mid)
        if self.deep <= self.ws:
            return own, own
        return own, bisect_right(BANDS_BPS, self.deep * BPS // self.twice_mid)

    def state(self) -> list[Any]:
        """Return the reach, JSON-able: the numbers are wider than 64 bits."""
        ws = None if self.ws is None else str(self.ws)
        return [self.bid, str(self.twice_mid), ws, str(self.deep)]

    @classmethod
    def restore(cls, state: list[Any]) -> "Reach":
        """Return the reach of a state that ``state()`` returned."""
        bid, twice_mid, ws, deep = state
        return cls(bid, int(twice_mid), None if ws is None else int(ws), int(deep))


class SideRows(NamedTuple):
    """The rows of one side in one table of levels."""

    weight: Ints  # of all levels of the table
    middles: dict[tuple[int, int], int]  # of stretches of it that were asked for before
    rows: list[int]  # the start of each band, and the end of the last band

    def weights(self, band: int) -> Ints:
        """Return the weights of a band."""
        return self.weight[self.rows[band] : self.rows[band + 1]]


class SideView(NamedTuple):
    """One side of one snapshot."""

    notional: list[int]  # of each band, in the units asked for
    base: list[int]
    depth_bps: str | None  # farthest level used; None without any
    reach: Reach
    walls: list[Wall]  # largest first; of equals the nearest
    money: int  # a wall's weight x this is its notional
    stretches: list[SideRows]  # its own levels, and the deep ones beyond them

    def middle_pair(self, band: int) -> int:
        """Return the sum of the two middle weights of a band: twice the median."""
        own, *deep = (
            stretch for stretch in self.stretches if stretch.rows[band] < stretch.rows[band + 1]
        )
        if deep:
            return _middle_pair(np.concatenate([own.weights(band), deep[0].weights(band)]))
        key = own.rows[band], own.rows[band + 1]
        if key not in own.middles:
            own.middles[key] = _middle_pair(own.weights(band).copy())
        return own.middles[key]


def _middle_pair(values: Ints) -> int:
    """Return the sum of the two middle values, which is twice the median; they are reordered."""
    high = len(values) // 2
    if values.dtype == object:
        values.sort()
    else:
        values.partition(high)
    low = values[high] if len(values) & 1 else np.maximum.reduce(values[:high])
    return int(low) + int(values[high])


class BookView(NamedTuple):
    """One snapshot, together with the deep snapshot in use."""

    head: Head
    deep_ts: int | None
    bid: SideView
    ask: SideView
    source: list[str]  # of each band: ws, deep or partial


class _Large:
    """The levels of a table that are large enough for a wall."""

    def __init__(self, sheet: WeighedLevels, least: int, unit: int) -> None:
        found = np.flatnonzero(sheet.weight >= least)
        self._rows: list[int] = found.tolist()
        self._prices = [price * unit for price in sheet.levels.price[found].tolist()]
        self._weights: list[int] = sheet.weight[found].tolist()

    def walls(self, rows: list[int]) -> list[Wall]:
        """Return those in the bands that begin at ``rows``."""
        first, last = bisect_left(self._rows, rows[0]), bisect_left(self._rows, rows[-1])
        return [
            Wall(self._prices[n], self._weights[n], bisect_right(rows, self._rows[n]) - 1)
            for n in range(first, last)
        ]


class _Table:
    """The sides of snapshots in one table of levels, as Python numbers."""

    def __init__(self, bands: OwnBands | DeepBands, least: int, unit: int) -> None:
        self.sheet, self.first = bands.sheet, bands.first
        self.large = _Large(bands.sheet, least, unit)
        self.rows: list[list[int]] = bands.rows.tolist()
        self.used: list[int] = bands.used.tolist()
        self.far = [far * unit for far in bands.far.tolist()]

    def stretch(self, side: int) -> SideRows:
        """Return the rows of one side."""
        return SideRows(self.sheet.weight, self.sheet.middles, self.rows[side - self.first])


def views(part: SnapshotRun, sums: BandSums, wall_notional: int) -> Iterator[BookView]:
    """Yield the view of each snapshot; ``wall_notional`` is in the units of ``sums``."""
    least, unit = -(-wall_notional // sums.money), sums.near.unit
    own, known, deep = _Table(sums.near, least, unit), None, None
    for number, head in enumerate(part.heads):
        beyond, used = sums.beyond[number], part.deeps[number]
        if beyond is not known:
            known, deep = beyond, None if beyond is None else _Table(beyond, least, unit)
        bid, ask = (_side(head, 2 * number + side, sums, own, deep) for side in (0, 1))
        yield BookView(head, None if used is None else used.ts, bid, ask, _sources(bid, ask))


def _side(head: Head, number: int, sums: BandSums, own: _Table, deep: _Table | None) -> SideView:
    """Return one side of a snapshot, deep levels included."""
    near = sums.near
    stretches, used, deep_far = [own.stretch(number)], own.used[number], -near.unit
    walls = own.large.walls(stretches[0].rows)
    if deep is not None:
        beyond, deep_far = deep.stretch(number), deep.far[number - deep.first]
        if beyond.rows[0] < beyond.rows[-1]:
            stretches.append(beyond)
            walls += deep.large.walls(beyond.rows)
            used = deep.used[number - deep.first]
    if len(walls) > 1:
        walls.sort(key=lambda wall: -wall.weight)
    ws = None if near.whole[number] else own.far[number]
    reach = Reach(number & 1 == 0, head.twice_mid, ws, deep_far)
    depth = None
    if used >= 0:
        depth = exact.fixed(exact.divide(used * BPS, near.twice_mids[number], 2), 2)
    notional, base = sums.notional[number], sums.base[number]
    return SideView(notional, base, depth, reach, walls, sums.money, stretches)


def _sources(bid: SideView, ask: SideView) -> list[str]:
    """Return which levels reach the end of each band on both sides: ws, deep or partial."""
    (bid_own, bid_any), (ask_own, ask_any) = bid.reach.bands(), ask.reach.bands()
    own, seen = min(bid_own, ask_own), min(bid_any, ask_any)
    return [WS] * own + [DEEP] * (seen - own) + [PARTIAL] * (len(BANDS_BPS) - seen)
