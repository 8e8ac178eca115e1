"""Exact sums of the six distance bands, of many snapshots at once (SPEC section 10).

    d = |price - mid| / mid x 10,000      band i: previous edge < d <= edge, the first from 0

Nothing is divided. With twice the mid as ``m`` and twice the distance as ``x``, both in units of
the price, a level lies within an edge if ``x x 10,000 <= edge x m``, so if ``x`` is at most
``edge x m // 10,000``. Levels stand from the mid outwards, so a band is a stretch of rows, and its
sum the difference of two running sums.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import add
from typing import Final

import numpy as np
from numpy.typing import NDArray

from Liquidity_Buckets.view import (
    BANDS_BPS,
    BPS,
    DEEP,
    PARTIAL,
    WS,
    Reach,
    Side,
    Stretch,
    View,
    Wall,
)
from ravequant import exact
from ravequant.ladder import SAFE, Ints, Levels, largest
from ravequant.records import Contract
from ravequant.snapshots import Books, Deep, Head

BASE_INVERSE_PLACES: Final = 12  # SPEC section 2: base of an inverse contract, level by level


@dataclass(frozen=True, slots=True)
class Worth:
    """What turns sums of columns into money and coins: ``factor`` in units of ``10**-places``."""

    inverse: bool
    factor: int
    places: int


@lru_cache(maxsize=16)
def worth_of(contract: Contract) -> Worth:
    """Return the worth of one contract: ctVal x ctMult."""
    factor, places = 1, 2 * exact.SIZE_PLACES
    for text in (contract.ct_val, contract.ct_mult):
        factor *= exact.units(text, exact.SIZE_PLACES)
    while places and factor % 10 == 0:
        factor, places = factor // 10, places - 1
    return Worth(contract.ct_type == "inverse", factor, places)


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """Levels with what they weigh; sums run over all rows, with a 0 in front."""

    levels: Levels
    weight: Ints  # x Worth.factor is the notional
    notional: Ints  # running sum of weight
    base: Ints  # running sum of what x Worth.factor (inverse: as it is) makes coins
    middles: dict[tuple[int, ...], int] = field(default_factory=dict)  # medians worked out so far

    @classmethod
    def of(cls, levels: Levels, worth: Worth) -> "_Sheet":
        if worth.inverse:
            return cls(levels, levels.qty, _running(levels.qty), _running(_coins(levels, worth)))
        weight = _product(levels.price, levels.qty)
        return cls(levels, weight, _running(weight), _running(levels.qty))


def _product(price: Ints, qty: Ints) -> Ints:
    if largest(price) * largest(qty) < SAFE:
        return price * qty
    product: Ints = price.astype(object) * qty.astype(object)
    return product


def _running(values: Ints) -> Ints:
    if values.dtype != object and largest(values) * len(values) >= SAFE:
        values = values.astype(object)
    sums = np.zeros(len(values) + 1, dtype=values.dtype)
    np.cumsum(values, out=sums[1:])
    return sums


def _coins(levels: Levels, worth: Worth) -> Ints:
    """Return notional / price of each level, rounded half-even to 12 places (inverse contracts)."""
    above = worth.factor * 10**levels.price_places
    below = 10 ** (levels.qty_places + worth.places)
    coins = [
        exact.divide(qty * above, price * below, BASE_INVERSE_PLACES)
        for price, qty in zip(levels.price.tolist(), levels.qty.tolist(), strict=True)
    ]
    return np.array(coins, dtype=np.int64 if max(coins, default=0) < SAFE else object)


@dataclass(frozen=True, slots=True)
class Scale:
    """Units of the sums that come out: ``10**-notional`` and ``10**-base``."""

    notional: int
    base: int


class Measure:
    """Turns stretches of snapshots into what their bands hold."""

    def __init__(self, depth_levels: int) -> None:
        self._depth_levels = depth_levels
        self._sheets: dict[str, tuple[Levels, Worth, tuple[int, int], _Sheet]] = {}

    def scale(self, books: Books, deep: Deep | None, worth: Worth) -> Scale:
        """Return the coarsest units that hold the sums."""
        price_places, qty_places = _places(books, deep)
        base = BASE_INVERSE_PLACES if worth.inverse else qty_places + worth.places
        return Scale((0 if worth.inverse else price_places) + qty_places + worth.places, base)

    def views(
        self,
        books: Books,
        numbers: range,
        deep: Deep | None,
        worth: Worth,
        *,
        wanted: Scale,
        wall_notional: int,
    ) -> Iterator[View]:
        """Measure some snapshots of ``books``, all with the same ``deep`` one.

        ``wanted`` are units at least as fine as ``scale`` says, ``wall_notional`` is in them.
        """
        natural, places = self.scale(books, deep, worth), _places(books, deep)
        money = worth.factor * 10 ** (wanted.notional - natural.notional)
        coins = (1 if worth.inverse else worth.factor) * 10 ** (wanted.base - natural.base)
        wall = -(-wall_notional // money)
        heads = books.heads[numbers.start : numbers.stop]
        sheet = self._sheet("near", books.levels, places, worth)
        near = _Near(sheet, 2 * numbers.start, heads, wall, self._depth_levels)
        beyond = None
        if deep is not None:
            beyond = _Beyond(self._sheet("deep", deep.levels, places, worth), near, wall)
        for number, head in enumerate(heads):
            bid, ask = (near.side(2 * number + s, head, money, coins, beyond) for s in (0, 1))
            source = [_source(end * head.twice_mid, bid.reach, ask.reach) for end in BANDS_BPS]
            yield View(head, None if deep is None else deep.ts, bid, ask, source)

    def _sheet(self, use: str, levels: Levels, places: tuple[int, int], worth: Worth) -> _Sheet:
        kept = self._sheets.get(use)
        if kept is None or kept[0] is not levels or kept[1:3] != (worth, places):
            kept = levels, worth, places, _Sheet.of(levels.scaled(*places), worth)
            self._sheets[use] = kept
        return kept[3]


def _places(books: Books, deep: Deep | None) -> tuple[int, int]:
    """Return decimals that hold every price, half-way mid and size."""
    price_places = max(books.levels.price_places, *(head.mid_places for head in books.heads))
    qty_places = books.levels.qty_places
    if deep is not None:
        price_places = max(price_places, deep.levels.price_places)
        qty_places = max(qty_places, deep.levels.qty_places)
    return price_places, qty_places


def _source(end: int, bid: Reach, ask: Reach) -> str:
    """Say whose levels reach the end of a band (twice the distance x BPS) on both sides."""
    found = WS
    for side in (bid, ask):
        if side.ws is None or side.ws * BPS >= end:
            continue
        if side.deep * BPS < end:
            return PARTIAL
        found = DEEP
    return found


class _Near:
    """The bands of consecutive snapshots, as far as their own levels go."""

    def __init__(
        self, sheet: _Sheet, first: int, heads: Sequence[Head], wall: int, depth_levels: int
    ) -> None:
        levels = sheet.levels
        self.sheet = sheet
        self.unit = 10 ** (exact.PRICE_PLACES - levels.price_places)  # to 10**-PRICE_PLACES
        self.twice_mids = [head.twice_mid // self.unit for head in heads]
        self.edges = [[-1, *(edge * mid // BPS for edge in BANDS_BPS)] for mid in self.twice_mids]
        starts = levels.starts[first : first + 2 * len(heads) + 1]
        rows = _rows(levels.price, starts, self.twice_mids, self.edges)
        self.rows: list[list[int]] = rows.tolist()
        self.notional: list[list[int]] = np.diff(sheet.notional[rows]).tolist()
        self.base: list[list[int]] = np.diff(sheet.base[rows]).tolist()
        ends = starts.tolist()
        lasts = levels.price[np.maximum(starts[1:] - 1, 0)].tolist()
        self.far = [  # twice the distance of each side's last level; -1 without levels
            -1 if begin == end else _away(side, price, self.twice_mids[side // 2])
            for side, (begin, end, price) in enumerate(zip(ends, ends[1:], lasts, strict=False))
        ]
        self.whole = [n < depth_levels for head in heads for n in head.entries]
        begin = ends[0]
        large = np.flatnonzero(sheet.weight[begin : ends[-1]] >= wall) + begin
        self.large: list[int] = large.tolist()

    def side(
        self, number: int, head: Head, money: int, coins: int, beyond: "_Beyond | None"
    ) -> Side:
        """Return one side of a snapshot, deep levels included."""
        rows = self.rows[number]
        notional, base = self.notional[number], self.base[number]
        stretches = [Stretch(self.sheet.weight, self.sheet.middles, rows)]
        deep_far, used = -1, rows[-1] > rows[0]
        farthest = self._away(number, rows[-1] - 1) if used else -1
        walls = self._walls(self.sheet, self.large, rows)
        if beyond is not None:
            deep_far = beyond.far(number)
            if not self.whole[number] and deep_far > self.far[number]:
                deep_rows = beyond.rows[number]
                notional = [*map(add, notional, beyond.notional[number])]
                base = [*map(add, base, beyond.base[number])]
                stretches.append(Stretch(beyond.sheet.weight, beyond.sheet.middles, deep_rows))
                walls += self._walls(beyond.sheet, beyond.large, deep_rows)
                if deep_rows[-1] > deep_rows[0]:
                    farthest = beyond.away(number, deep_rows[-1] - 1)
        walls.sort(key=lambda wall: -wall.weight)
        reach = Reach(
            bid=number & 1 == 0,
            twice_mid=head.twice_mid,
            ws=None if self.whole[number] else self.far[number] * self.unit,
            deep=deep_far * self.unit,
        )
        mid = self.twice_mids[number // 2]
        depth = exact.fixed(exact.divide(farthest * BPS, mid, 2), 2) if farthest >= 0 else None
        return Side(
            [value * money for value in notional],
            [value * coins for value in base],
            depth,
            reach,
            walls,
            money,
            stretches,
        )

    def _away(self, number: int, row: int) -> int:
        return _away(number, int(self.sheet.levels.price[row]), self.twice_mids[number // 2])

    def _walls(self, sheet: _Sheet, large: list[int], rows: list[int]) -> list[Wall]:
        chosen = large[bisect_left(large, rows[0]) : bisect_left(large, rows[-1])]
        return [
            Wall(
                int(sheet.levels.price[row]) * self.unit,
                int(sheet.weight[row]),
                bisect_right(rows, row) - 1,
            )
            for row in chosen
        ]


def _away(number: int, price: int, twice_mid: int) -> int:
    """Return twice the distance from the mid, outwards; bids have even numbers."""
    return 2 * price - twice_mid if number & 1 else twice_mid - 2 * price


def _rows(
    price: Ints, starts: NDArray[np.int64], twice_mids: list[int], edges: list[list[int]]
) -> NDArray[np.int64]:
    """Return of each side the rows where its bands begin, and where the last one ends.

    All sides are searched at once: side ``s`` has the keys ``s x room + twice the distance``.
    """
    begin, end = int(starts[0]), int(starts[-1])
    column = price[begin:end]
    widest = 2 * largest(column) + max(twice_mids) + 1
    room = 2 * widest
    kind = np.int64 if (len(starts) + 1) * room < SAFE else object
    offsets = [
        side * room + _away(side, 0, twice_mids[side // 2]) for side in range(len(starts) - 1)
    ]
    lengths = np.diff(starts)
    signs = np.tile(np.array([-2, 2], dtype=kind), len(twice_mids))
    keys = column * np.repeat(signs, lengths)
    keys += np.repeat(np.array(offsets, dtype=kind), lengths)
    wanted = [side * room + edge for side in range(len(starts) - 1) for edge in edges[side // 2]]
    found = np.searchsorted(keys, np.array(wanted, dtype=kind), side="right")
    rows: NDArray[np.int64] = found.reshape(len(starts) - 1, -1) + begin
    return rows


class _Beyond:
    """What a deep snapshot adds to each band, beyond the last level of the snapshots' own sides."""

    def __init__(self, sheet: _Sheet, near: _Near, wall: int) -> None:
        self.sheet = sheet
        self._near = near
        self._starts: list[int] = sheet.levels.starts.tolist()
        self.rows: list[list[int]] = [[]] * len(near.far)
        self.notional: list[list[int]] = [[]] * len(near.far)
        self.base: list[list[int]] = [[]] * len(near.far)
        self.large: list[int] = np.flatnonzero(sheet.weight >= wall).tolist()
        for side in (0, 1):
            self._fill(side)

    def _fill(self, side: int) -> None:
        near, levels = self._near, self.sheet.levels
        begin, end = self._starts[side : side + 2]
        outwards = levels.price[begin:end] * (2 if side else -2)
        wanted = []
        for number in range(side, len(near.far), 2):
            mid, seen = near.twice_mids[number // 2], near.far[number]
            base = mid if side else -mid
            wanted += [base + max(edge, seen) for edge in near.edges[number // 2]]
        kind = np.int64 if levels.price.dtype != object and max(map(abs, wanted)) < SAFE else object
        found = np.searchsorted(outwards, np.array(wanted, dtype=kind), side="right") + begin
        rows = found.reshape(-1, len(BANDS_BPS) + 1)
        self.rows[side::2] = rows.tolist()
        self.notional[side::2] = np.diff(self.sheet.notional[rows]).tolist()
        self.base[side::2] = np.diff(self.sheet.base[rows]).tolist()

    def far(self, number: int) -> int:
        """Return twice the distance of the last deep level of a side; -1 without levels."""
        begin, end = self._starts[number & 1 : (number & 1) + 2]
        return -1 if begin == end else self.away(number, end - 1)

    def away(self, number: int, row: int) -> int:
        """Return twice the distance of a deep level from the mid of a snapshot."""
        price = int(self.sheet.levels.price[row])
        return _away(number, price, self._near.twice_mids[number // 2])
