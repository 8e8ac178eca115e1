"""Price levels as exact columns; their units are powers of ten."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravequant.swar_digits import Ints, fits, scale_up


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Levels of many sides, one side after the other, each from the mid outwards.

    ``price`` and ``qty`` (contracts) are integers in units of ``10**-places``. Side ``s`` has the
    rows ``starts[s]`` up to ``starts[s + 1]``.
    """

    price: Ints
    qty: Ints
    price_places: int
    qty_places: int
    starts: NDArray[np.int64]

    def sides(self, first: int, last: int) -> "Levels":
        """Return the sides ``first`` up to ``last`` (not included)."""
        begin, end = int(self.starts[first]), int(self.starts[last])
        return Levels(
            self.price[begin:end],
            self.qty[begin:end],
            self.price_places,
            self.qty_places,
            self.starts[first : last + 1] - begin,
        )

    def scaled(self, price_places: int, qty_places: int) -> "Levels":
        """Return the same levels in finer units."""
        if (price_places, qty_places) == (self.price_places, self.qty_places):
            return self
        return Levels(
            scale_up(self.price, price_places - self.price_places),
            scale_up(self.qty, qty_places - self.qty_places),
            price_places,
            qty_places,
            self.starts,
        )


def largest(values: Ints) -> int:
    """Return the largest of values that are not negative; 0 if there are none."""
    return int(values.max()) if len(values) else 0


def of_numbers(
    sides: Sequence[Sequence[tuple[int, int]]], price_places: int, qty_places: int
) -> Levels:
    """Return levels from (price, size) Python integers that already have these places."""
    starts = np.cumsum([0, *map(len, sides)], dtype=np.int64)
    prices = [price for side in sides for price, _ in side]
    sizes = [size for side in sides for _, size in side]
    return Levels(_column(prices), _column(sizes), price_places, qty_places, starts)


def _column(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64 if fits(max(values, default=0)) else object)


def join(parts: Sequence[Levels]) -> Levels:
    """Put levels one after the other, in the finest units among them."""
    if len(parts) == 1:
        return parts[0]
    price_places = max(part.price_places for part in parts)
    qty_places = max(part.qty_places for part in parts)
    parts = [part.scaled(price_places, qty_places) for part in parts]
    lengths = np.concatenate([np.diff(part.starts) for part in parts])
    return Levels(
        np.concatenate([part.price for part in parts]),
        np.concatenate([part.qty for part in parts]),
        price_places,
        qty_places,
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )
