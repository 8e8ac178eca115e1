"""Tests of ravequant.books.levels: sides of price levels as columns."""

from itertools import pairwise

import numpy as np
import pytest

from ravequant.books import levels
from ravequant.books.levels import Levels
from ravequant.swar_digits import SAFE

BIDS, ASKS = [(1005, 20), (1004, 5)], [(1006, 7), (1010, 1), (1011, 300)]


def rows(of: Levels) -> list[list[tuple[int, int]]]:
    """Return the (price, size) pairs of each side."""
    pairs = list(zip(of.price.tolist(), of.qty.tolist(), strict=True))
    starts = of.starts.tolist()
    return [pairs[a:b] for a, b in pairwise(starts)]


def test_sides_stand_one_after_the_other():
    """An empty one takes no row."""
    made = levels.of_numbers([BIDS, [], ASKS], 1, 2)
    assert rows(made) == [BIDS, [], ASKS]
    assert (made.price_places, made.qty_places, made.price.dtype.name) == (1, 2, "int64")
    assert rows(levels.of_numbers([[], []], 0, 0)) == [[], []]


def test_some_sides_of_many():
    """Their rows begin at 0 again."""
    made = levels.of_numbers([BIDS, ASKS, ASKS, BIDS], 1, 2)
    assert rows(made.sides(1, 3)) == [ASKS, ASKS]
    assert made.sides(1, 3).starts.tolist() == [0, 3, 6]
    assert rows(made.sides(3, 4)) == [BIDS]


def test_finer_units_are_the_same_levels():
    """In int64 where they fit, else in Python integers; the same units give the same object."""
    made = levels.of_numbers([BIDS], 1, 2)
    assert made.scaled(1, 2) is made
    finer = made.scaled(3, 2)
    assert rows(finer) == [[(100_500, 20), (100_400, 5)]]
    assert (finer.price_places, finer.qty_places, finer.price.dtype.name) == (3, 2, "int64")
    wide = made.scaled(20, 10)
    assert wide.price.dtype == object
    assert rows(wide)[0][0] == (1005 * 10**19, 20 * 10**8)


@pytest.mark.parametrize(("largest", "kind"), [(SAFE - 1, "int64"), (SAFE, "object")])
def test_columns_are_int64_up_to_a_bound(largest, kind):
    """Above it they hold Python integers; the other column is not concerned."""
    made = levels.of_numbers([[(largest, 1)]], 0, 0)
    assert (made.price.dtype.name, made.qty.dtype.name) == (kind, "int64")
    assert rows(made) == [[(largest, 1)]]


def test_levels_are_joined_in_the_finest_units_among_them():
    """Sides in their order; a single part is not copied."""
    first, second = levels.of_numbers([BIDS, ASKS], 1, 0), levels.of_numbers([[(5, 6)]], 0, 1)
    joined = levels.join([first, second])
    assert rows(joined) == [
        [(price, qty * 10) for price, qty in BIDS],
        [(price, qty * 10) for price, qty in ASKS],
        [(50, 6)],
    ]
    assert (joined.price_places, joined.qty_places, joined.starts.dtype.name) == (1, 1, "int64")
    assert levels.join([first]) is first


def test_the_largest_of_a_column():
    """0 without any."""
    assert levels.largest(np.array([3, 9, 4])) == 9
    assert levels.largest(np.array([], dtype=np.int64)) == 0
