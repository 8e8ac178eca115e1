"""Exact sums of the six distance bands, of many snapshots at once (SPEC section 10).

    d = |price - mid| / mid x 10,000      band i: previous edge < d <= edge, the first from 0

Nothing is divided. With twice the mid as ``m`` and twice the distance as ``x``, both in units of
the price, a level lies within an edge if ``x x 10,000 <= edge x m``, so if ``x`` is at most
``edge x m // 10,000``. Levels stand from the mid outwards, so a band is a stretch of rows: one
search finds the edges of all snapshots, one call sums up all stretches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravequant import exact
from ravequant.books.levels import Levels, largest
from ravequant.books.snapshot_reader import Books, Deep, Head
from ravequant.contract import Scale, Worth
from ravequant.swar_digits import SAFE, Ints

BANDS_BPS: Final = (10, 25, 50, 100, 200, 500)
FARTHEST_BPS: Final = BANDS_BPS[-1]
BPS: Final = 10_000
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class WeighedLevels:
    """Levels with their weights; the sums of all rows fit their columns."""

    levels: Levels
    weight: Ints  # times a factor it is the notional
    coins: Ints  # times a factor they are coins
    middles: dict[tuple[int, int], int] = field(default_factory=dict)  # medians worked out so far

    @classmethod
    def of(cls, levels: Levels, worth: Worth) -> "WeighedLevels":
        """Return the levels weighed by the worth of a contract."""
        price, qty = levels.price, levels.qty
        if largest(price) * largest(qty) >= SAFE:
            price, qty = price.astype(object), qty.astype(object)
        weight, coins = worth.notional(price, qty), qty
        if worth.inverse:
            found = worth.inverse_base(price, qty, levels.price_places, levels.qty_places)
            coins = np.array(found, np.int64 if max(found, default=0) < SAFE else object)
        return cls(levels, _summable(weight), _summable(coins))


def _summable(values: Ints) -> Ints:
    fits = values.dtype == object or largest(values) * len(values) < SAFE
    return values if fits else values.astype(object)


def _sums(values: Ints, rows: Rows) -> Ints:
    """Return the sums of ``values`` between neighbours in each line of ``rows``."""
    padded = np.append(values, 0)  # a stretch may end where the column does
    found: Ints = np.add.reduceat(padded, rows.ravel()).reshape(rows.shape)[:, :-1]
    found[rows[:, :-1] == rows[:, 1:]] = 0  # reduceat gives the row itself
    return found


class SnapshotRun(NamedTuple):
    """Consecutive snapshots, and the deep snapshot in use for each."""

    books: Books
    numbers: range
    deeps: Sequence[Deep | None]

    @property
    def heads(self) -> list[Head]:
        """Return the facts of each snapshot, its levels apart."""
        return self.books.heads[self.numbers.start : self.numbers.stop]

    def places(self) -> tuple[int, int]:
        """Return decimals that hold every price, half-way mid and size."""
        met = [self.books.levels, *(deep.levels for deep in self.deeps if deep is not None)]
        mids = max(head.mid_places for head in self.books.heads)
        price_places = max(mids, *(levels.price_places for levels in met))
        return price_places, max(levels.qty_places for levels in met)


class BandSums(NamedTuple):
    """The amounts of the bands of each side, in the units asked for; bids and asks in turn."""

    notional: list[list[int]]
    base: list[list[int]]
    money: int  # a level's weight x this is its notional
    near: "OwnBands"
    beyond: "list[DeepBands | None]"  # of each snapshot


class BandMeasure:
    """Adds up the bands of consecutive snapshots."""

    def __init__(self, depth_levels: int) -> None:
        self._depth_levels = depth_levels
        self._sheets: dict[str, tuple[Levels, Worth, tuple[int, int], WeighedLevels]] = {}

    def scale(self, part: SnapshotRun, worth: Worth) -> Scale:
        """Return the coarsest units that hold the sums."""
        return worth.scale(*part.places())

    def sums(self, part: SnapshotRun, worth: Worth, wanted: Scale) -> "BandSums":
        """Return the amounts of the bands, in units at least as fine as ``scale``."""
        places = part.places()
        money, coins = worth.factors(*places, wanted)
        near = OwnBands(
            self._sheet("near", part.books.levels, places, worth), part, self._depth_levels
        )
        weight, base = _sums(near.sheet.weight, near.rows), _sums(near.sheet.coins, near.rows)
        beyond: list[DeepBands | None] = []
        for deep, group in groupby(part.deeps):
            first, last = len(beyond), len(beyond) + len(list(group))
            found = None
            if deep is not None:
                sheet = self._sheet("deep", deep.levels, places, worth)
                found = DeepBands(sheet, near, 2 * first, 2 * last)
                weight = _added(weight, 2 * first, _sums(sheet.weight, found.rows))
                base = _added(base, 2 * first, _sums(sheet.coins, found.rows))
            beyond += [found] * (last - first)
        return BandSums(_times(weight, money), _times(base, coins), money, near, beyond)

    def _sheet(
        self, use: str, levels: Levels, places: tuple[int, int], worth: Worth
    ) -> WeighedLevels:
        kept = self._sheets.get(use)
        if kept is None or kept[0] is not levels or kept[1:3] != (worth, places):
            kept = levels, worth, places, WeighedLevels.of(levels.scaled(*places), worth)
            self._sheets[use] = kept
        return kept[3]


def _added(sums: Ints, first: int, more: Ints) -> Ints:
    """Add to the sums of the sides from ``first`` on; both are below SAFE, so the sum fits."""
    if more.dtype == object:
        sums = sums.astype(object)
    sums[first : first + len(more)] += more
    return sums


def _times(sums: Ints, factor: int) -> list[list[int]]:
    fits = sums.dtype != object and max(largest(sums), 1) * factor < SAFE
    found: list[list[int]] = ((sums if fits else sums.astype(object)) * factor).tolist()
    return found


class OwnBands:
    """The bands of consecutive snapshots, within the reach of their own levels.

    Arrays have a line for each side. The distance of a level, which is twice that of its price from
    the mid, is ``sign x (2 x price - m)``: ``sign x 2 x price`` and an offset.
    """

    def __init__(self, sheet: WeighedLevels, part: SnapshotRun, depth_levels: int) -> None:
        heads, price, first = part.heads, sheet.levels.price, 2 * part.numbers.start
        self.sheet, self.first = sheet, 0
        self.unit = 10 ** (exact.PRICE_PLACES - sheet.levels.price_places)  # to 10**-PRICE_PLACES
        self.whole = [n < depth_levels for head in heads for n in head.entries]
        self.twice_mids = [head.twice_mid // self.unit for head in heads for _ in "ba"]
        farthest = max(self.twice_mids)
        room = 2 * (2 * largest(price) + farthest + 1)  # more than any distance takes up
        fits = max((len(heads) + 1) * 2 * room, FARTHEST_BPS * farthest) < SAFE
        kind = np.int64 if fits else object
        mids = np.array(self.twice_mids, dtype=kind)
        self.signs = np.tile(np.array([-1, 1], dtype=kind), len(heads))
        self.offsets = -self.signs * mids
        self.edges = np.full((len(mids), 1 + len(BANDS_BPS)), -1, dtype=kind)
        self.edges[:, 1:] = mids[:, None] * np.array(BANDS_BPS, dtype=kind) // BPS
        starts = sheet.levels.starts[first : first + len(mids) + 1]
        self.far = _away(self, price, starts[:-1], starts[1:])  # of the last level of each side
        self.rows = self._search(price, starts, room)
        self.used = _away(self, price, self.rows[:, 0], self.rows[:, -1])  # in a band

    def _search(self, price: Ints, starts: Rows, room: int) -> Rows:
        """Return the row at which each band of each side begins, then the end of the last band.

        All sides are searched at once: the distances of side ``s`` are moved out by ``s x room``.
        """
        moved = np.arange(len(self.signs)).astype(self.signs.dtype) * room
        lengths = np.diff(starts)
        keys = price[starts[0] : starts[-1]] * np.repeat(2 * self.signs, lengths)
        keys += np.repeat(moved + self.offsets, lengths)
        found = np.searchsorted(keys, (moved[:, None] + self.edges).ravel(), side="right")
        rows: Rows = found.reshape(self.edges.shape) + starts[0]
        return rows


class DeepBands:
    """The levels that a deep snapshot adds to some sides, beyond the last level of their own."""

    def __init__(self, sheet: WeighedLevels, near: OwnBands, first: int, last: int) -> None:
        self.sheet, self.first = sheet, first
        self.signs, self.offsets = near.signs[first:last], near.offsets[first:last]
        price, starts = sheet.levels.price, sheet.levels.starts
        wanted = np.maximum(near.edges[first:last], near.far[first:last, None])
        wanted -= self.offsets[:, None]
        self.rows = np.empty(wanted.shape, dtype=np.int64)
        for side in (0, 1):
            own = price[starts[side] : starts[side + 1]] * (2 if side else -2)
            found = np.searchsorted(own, wanted[side::2].ravel(), side="right")
            self.rows[side::2] = found.reshape(-1, wanted.shape[1]) + starts[side]
        whole = near.whole[first:last]
        self.rows[whole] = self.rows[whole, :1]  # nothing is beyond a whole side
        begin, end = (np.tile(starts[n : n + 2], (last - first) // 2) for n in (0, 1))
        self.far = _away(self, price, begin, end)  # of the last level of the deep side
        self.used = _away(self, price, self.rows[:, 0], self.rows[:, -1])  # in a band


def _away(sides: OwnBands | DeepBands, price: Ints, begin: Rows, end: Rows) -> Ints:
    """Return the distance of the last of some rows of each side; -1 without any."""
    if not len(price):
        return np.full(len(begin), -1)
    lasts = price[np.maximum(end, 1) - 1]
    return np.where(begin < end, 2 * sides.signs * lasts + sides.offsets, -1)
