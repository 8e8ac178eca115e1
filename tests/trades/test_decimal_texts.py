"""Integers to text in columns: exact.text, whatever the widths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import exact
from ravequant.trades.decimal_texts import Texts, decimal_texts, eight_digits, whole_texts


def written(texts: Texts | None) -> list[str]:
    """Return the texts of a column."""
    assert texts is not None
    rows = texts.words.reshape(len(texts.length), -1)
    return [
        row.tobytes()[:length].decode()
        for row, length in zip(rows, texts.length.tolist(), strict=True)
    ]


def column(values: list[int]) -> np.ndarray:
    """Return the values as int64."""
    return np.array(values, dtype=np.int64)


values = st.integers(0, 10**8 - 1) | st.integers(0, 10_001) | st.sampled_from([0, 10, 9_999, 10**7])


@given(st.lists(values, min_size=1, max_size=30), st.integers(0, 7))
def test_texts_are_canonical(whole, places):
    """Those of exact.text: with one word, with two, with no decimals left."""
    scaled = [value * 10**places + (value * 7 + 3) % 10**places for value in whole]
    for numbers in (scaled, whole, [value * 10**places for value in whole]):
        wanted = [exact.text(number, places) for number in numbers]
        assert written(decimal_texts(column(numbers), places)) == wanted


@given(st.lists(values, min_size=1, max_size=30))
def test_whole_numbers_have_no_decimals(whole):
    """And eight digits with leading zeros where that is asked for."""
    assert written(whole_texts(column(whole))) == [str(value) for value in whole]
    words = eight_digits(column(whole))
    assert [word.tobytes().decode() for word in words] == [f"{value:08}" for value in whole]


@pytest.mark.parametrize(
    ("numbers", "places"), [([10**8], 0), ([1, 10**10], 2), ([5], 8), ([-1], 0), ([1, -5], 2)]
)
def test_wider_numbers_are_left_to_others(numbers, places):
    """Nine digits before the point, eight behind it, a sign, and Python's integers."""
    assert decimal_texts(column(numbers), places) is None
    assert decimal_texts(np.array([5], dtype=object), 2) is None
    assert whole_texts(np.array([5], dtype=object)) is None
