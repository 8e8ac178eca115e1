"""Tests of ravequant.read.columns: exact values in every form, nulls, lists."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import exact
from ravequant.read import columns
from ravequant.read.columns import Column
from ravequant.vault.fields import Field

PRICE = Field("price", "price")
numbers = st.integers(-(10**24), 10**24)


@given(st.lists(numbers, max_size=8), st.integers(0, 25))
def test_decimals_keep_their_value_in_the_fewest_places(values, places):
    """Units as coarse as all values permit, int64 where they fit; every form has the same value."""
    column = columns.decimals(PRICE, values, places)
    wanted = [Fraction(value, 10**places) for value in values]
    assert [Fraction(int(value), 10**column.places) for value in column.values] == wanted
    assert [Fraction(value) for value in column.decimal()] == wanted
    assert [Fraction(text) for text in column.text()] == wanted
    assert column.float().tolist() == [float(value) for value in wanted]  # rounded once
    assert not column.places or any(value % 10 for value in column.values.tolist())
    small = all(abs(int(value)) < 1 << 62 for value in column.values)
    assert (column.values.dtype == np.int64) == small


def test_fewest_is_the_same_for_a_column_of_integers():
    """Zeros at the end go, also where only the first rows have them."""
    values, places = columns.fewest(np.array([1000, 2500, 30], dtype=np.int64), 3)
    assert (values.tolist(), places) == ([100, 250, 3], 2)
    values, places = columns.fewest(np.array([10] * 100 + [11], dtype=np.int64), 1)
    assert (values[-1], places) == (11, 1)
    values, places = columns.fewest(np.array([0, 0], dtype=np.int64), 2)
    assert (values.tolist(), places) == ([0, 0], 0)


def test_null_is_none_or_nan():
    """A null has no value in any form."""
    column = Column(PRICE, np.array([5, 0], np.int64), 1, np.array([True, False]))
    assert column.decimal().tolist() == [Decimal("0.5"), None]
    assert column.text().tolist() == ["0.5", None]
    assert np.isnan(column.float()).tolist() == [False, True]
    assert column.rows() == [Decimal("0.5"), None]


def test_only_decimals_are_decimals():
    """A text asked for its decimals says so."""
    side = Column(Field("side", "text"), columns.objects(["buy"]))
    with pytest.raises(TypeError, match="column side holds text, no decimals: take its values"):
        side.decimal()


@given(st.lists(st.lists(numbers, min_size=1, max_size=4), min_size=1, max_size=4))
def test_joined_columns_are_one_after_the_other(parts):
    """Whatever the places and the width of each."""
    made = [columns.decimals(PRICE, part, at) for at, part in enumerate(parts)]
    joined = columns.join(made)
    wanted = [Fraction(value, 10**at) for at, part in enumerate(parts) for value in part]
    assert [Fraction(text) for text in joined.text()] == wanted


def test_joined_lists_keep_their_rows():
    """Items and parts of lists go with their row; a null among columns without nulls stays."""
    one = columns.Column(
        Field("walls", "counts"), np.array([1, 2]), offsets=np.array([0, 2, 2]),
    )  # fmt: skip
    two = columns.Column(
        Field("walls", "counts"), np.array([3]), valid=np.array([False]), offsets=np.array([0, 1]),
    )  # fmt: skip
    assert columns.join([one, two]).rows() == [[1, 2], [], [None]]


def test_text_is_canonical():
    """Plain notation, no exponent, no zeros at the end, as the files write it."""
    column = Column(PRICE, columns.objects([10**30, 7]), 20)
    assert column.text().tolist() == [exact.text(10**30, 20), "0.00000000000000000007"]
