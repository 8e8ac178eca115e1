"""The heat of a recorded book: bytes for the money that rests in a row of prices. Pure.

    row    (base + r) x step <= price < (base + r + 1) x step,  r = 0 … 99, the mid in row 50
    byte   0 not seen, else round(32 x log2(USD / 16,000)), at least 1 and at most 255

A cell is the sum of a row, of both sides; a peak is the largest level in it. Nearly each row of BTC
sums up to more than a wall, a single level does not: peaks show the walls. Amounts are exact; the
bytes are for pixels alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravequant import exact
from ravequant.books.levels import Levels, largest
from ravequant.books.snapshot_reader import Head
from ravequant.contract import Worth
from ravequant.swar_digits import SAFE, Ints

ROWS: Final = 100
WS, DEEP, BANDS, NONE, BROKEN = "ws", "deep", "bands", "none", "broken"
_UNIT_USD: Final = 16_000
_PER_OCTAVE: Final = 32
_MID_IN_STEPS: Final = 5_000  # a step is near 2 bps
_BPS: Final = 10_000
_PARTIAL: Final = "partial"


class HeatColumn(NamedTuple):
    """A column: its rows begin at ``base`` steps, with a byte a row, the lowest first."""

    base: int
    cells: bytes
    peaks: bytes
    source: str  # ws, deep with levels beyond its own, bands of buckets; not seen: none or broken


EMPTY: Final = HeatColumn(0, bytes(ROWS), bytes(ROWS), NONE)
GAP: Final = EMPTY._replace(source=BROKEN)


def shown_source(column: HeatColumn) -> str:
    """Return the source of a column as the page is told it: of a broken book nothing is seen."""
    return NONE if column.source == BROKEN else column.source


def step_of(twice_mid: int) -> int:
    """Return the step for a mid, in units of ``10**-PRICE_PLACES``.

    It is the 1-2-5 number nearest to 2 bps of the mid, of two as near the smaller.
    """
    power: int = 10 ** (len(str(max(1, twice_mid // (2 * _MID_IN_STEPS)))) - 1)
    steps = [power * digit for digit in (1, 2, 5, 10)]
    return min(steps, key=lambda step: (abs(2 * _MID_IN_STEPS * step - twice_mid), step))


def base_of(twice_mid: int, step: int) -> int:
    """Return the lowest row, in steps, of a column that has this mid in its middle."""
    return twice_mid // (2 * step) - ROWS // 2


class HeatBook(NamedTuple):
    """A snapshot, and the deep one that counts for it; sides are bids and asks."""

    head: Head
    own: Levels
    deep: Levels | None


def column_of(shown: HeatBook, worth: Worth, step: int, depth_levels: int) -> HeatColumn:
    """Return the column of a snapshot: its own levels, and deep ones that lie beyond them.

    A side of fewer than ``depth_levels`` entries is whole. Of other sides the rows that begin
    beyond the farthest level are not seen. A book that was broken shows nothing.
    """
    head = shown.head
    if head.gap_detected:
        return GAP
    sheet = _Sheet.of(shown, worth, step)
    base = base_of(head.twice_mid, step)
    edges = sheet.edges(base)
    sums: Ints = np.zeros(ROWS, dtype=sheet.kind)
    peaks = sums.copy()
    seen, source = [0, ROWS - 1], WS
    for number, near in enumerate(sheet.own):
        side = near.from_mid(sheet.twice_mid)
        sums += side.sums(edges)
        peaks = np.maximum(peaks, side.peaks(edges))
        if head.entries[number] >= depth_levels:
            far = side.far
            if sheet.deep is not None:
                beyond = sheet.deep[number].beyond(far)
                if len(beyond.price):
                    sums += beyond.sums(edges)
                    peaks = np.maximum(peaks, beyond.peaks(edges))
                    far, source = beyond.far, DEEP
            seen[number] = far // sheet.step - base
    rows = np.stack([sums, peaks]).astype(np.float64) * sheet.money
    cells = _bytes_of(rows)
    cells[:, : max(0, seen[0])] = 0
    cells[:, max(0, seen[1] + 1) :] = 0
    return HeatColumn(base, cells[0].tobytes(), cells[1].tobytes(), source)


class _HeatSide(NamedTuple):
    """Levels of a side by rising price, and the weight of each."""

    bid: bool
    price: Ints
    weight: Ints
    near: int  # the price at which the side begins

    @property
    def far(self) -> int:
        """The price of the level farthest from the mid; where there is none, the begin."""
        if not len(self.price):
            return self.near
        return int(self.price[0 if self.bid else -1])

    def from_mid(self, twice_mid: int) -> "_HeatSide":
        """Return the levels on their own side of the mid."""
        nearest = twice_mid // 2 if self.bid else -(-twice_mid // 2)
        return self._outwards(nearest, "right" if self.bid else "left")

    def beyond(self, price: int) -> "_HeatSide":
        """Return the levels farther from the mid than ``price``."""
        return self._outwards(price, "left" if self.bid else "right")

    def _outwards(self, near: int, side: Any) -> "_HeatSide":
        place = int(np.searchsorted(self.price, near, side=side))
        rows = slice(None, place) if self.bid else slice(place, None)
        return _HeatSide(self.bid, self.price[rows], self.weight[rows], near)

    def sums(self, edges: Ints) -> Ints:
        """Return the sum of the weights between each two neighbours of ``edges``."""
        totals = np.concatenate([np.zeros(1, dtype=self.weight.dtype), np.cumsum(self.weight)])
        found: Ints = np.diff(totals[np.searchsorted(self.price, edges)])
        return found

    def peaks(self, edges: Ints) -> Ints:
        """Return the largest weight between each two neighbours of ``edges``, 0 without any."""
        rows = np.searchsorted(self.price, edges)
        found: Ints = np.maximum.reduceat(np.append(self.weight, 0), rows)[:-1]
        found[rows[:-1] == rows[1:]] = 0  # reduceat gives the row itself
        return found


class _Sheet(NamedTuple):
    """A snapshot in units that hold all its prices and sizes."""

    own: tuple[_HeatSide, _HeatSide]
    deep: tuple[_HeatSide, _HeatSide] | None
    twice_mid: int
    step: int
    money: float  # a weight times this is USD
    kind: type

    @classmethod
    def of(cls, shown: HeatBook, worth: Worth, step: int) -> "_Sheet":
        head = shown.head
        met = [shown.own] if shown.deep is None else [shown.own, shown.deep]
        digits = len(str(step).rstrip("0"))
        step_places = max(0, exact.PRICE_PLACES - (len(str(step)) - digits))
        places = max(step_places, head.mid_places, *(levels.price_places for levels in met))
        qty_places = max(levels.qty_places for levels in met)
        met = [levels.scaled(places, qty_places) for levels in met]
        kind = np.int64 if all(_fits(levels) for levels in met) else object
        sides = [(_side(levels, 0, worth, kind), _side(levels, 1, worth, kind)) for levels in met]
        unit = 10 ** (exact.PRICE_PLACES - places)
        scale = worth.scale(places, qty_places)
        money = worth.factors(places, qty_places, scale)[0] / 10**scale.notional
        beyond = sides[1] if len(sides) > 1 else None
        return cls(sides[0], beyond, head.twice_mid // unit, step // unit, money, kind)

    def edges(self, base: int) -> Ints:
        """Return the prices between the rows."""
        values = [(base + row) * self.step for row in range(ROWS + 1)]
        return np.array(values, dtype=np.int64 if values[-1] < SAFE else object)


def _fits(levels: Levels) -> bool:
    return largest(levels.price) * largest(levels.qty) * max(1, len(levels.price)) < SAFE


def _side(levels: Levels, number: int, worth: Worth, kind: type) -> _HeatSide:
    begin, end = levels.starts[number : number + 2]
    order = slice(None, None, 1 if number else -1)
    price: Ints = levels.price[begin:end].astype(kind)[order]
    qty: Ints = levels.qty[begin:end].astype(kind)[order]
    return _HeatSide(number == 0, price, worth.notional(price, qty), 0)


def _bytes_of(usd: NDArray[np.float64]) -> NDArray[np.uint8]:
    with np.errstate(divide="ignore"):
        found = np.rint(_PER_OCTAVE * np.log2(usd / _UNIT_USD))
    cells: NDArray[np.uint8] = np.clip(found, 1, 255).astype(np.uint8)
    return cells


def bands_column(row: Mapping[str, Any], step: int) -> HeatColumn:
    """Return the column of a line of the buckets, whose book is gone: two times six blocks.

    The notional of a band is spread over its rows, whose peaks are not known. Of a band that was
    seen in part the part up to the depth counts. A row with a gap shows nothing. Raises ValueError,
    KeyError or TypeError for another line.
    """
    if row["gap"]:
        return GAP
    twice_mid = twice_mid_of(row)
    base = base_of(twice_mid, step)
    middles = (2 * (base + np.arange(ROWS, dtype=object)) + 1) * step  # twice that of each row
    away = ((middles - twice_mid) / twice_mid * _BPS).astype(np.float64)
    width = 2 * step / twice_mid * _BPS
    usd = np.full(ROWS, -1.0)
    for name, distance in (("bid", -away), ("ask", away)):
        inner = 0
        for outer, upper, notional in _blocks(row, name):
            inside = (distance >= 0 if inner == 0 else distance > inner) & (distance <= upper)
            if inside.any():
                usd[inside] = notional * width / (upper - inner)
            inner = outer
    cells = np.where(usd < 0, 0, _bytes_of(np.maximum(usd, 0))).astype(np.uint8).tobytes()
    return HeatColumn(base, cells, cells, BANDS)


def _blocks(row: Mapping[str, Any], name: str) -> Iterator[tuple[int, float, float]]:
    """Yield the outer edge of each band (bps), how far it was seen, and its notional (USD)."""
    depth = exact.units(row[f"{name}_depth_bps"] or "0", 2) / 100
    bands = zip(row["bands_bps"], row[f"{name}_notional"], row["band_source"], strict=True)
    for edge, text, source in bands:
        upper = min(edge, depth) if source == _PARTIAL else edge
        yield int(edge), upper, exact.units(text, exact.NOTIONAL_PLACES) / exact.NOTIONAL_ONE


def twice_mid_of(row: Mapping[str, Any]) -> int:
    """Return twice the mid of a line of the buckets, in units of ``10**-PRICE_PLACES``.

    Raises ValueError, KeyError or TypeError without one.
    """
    found = exact.units(row["mid_price"], exact.PRICE_PLACES + 1) // 5
    if not found:
        raise ValueError("a mid of 0 is no price")
    return found
