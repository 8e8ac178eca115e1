"""Tests of ravequant.read.json_columns: each kind of field, and values that are of another."""

import re
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant.read.json_columns import column_of, many_decimals
from ravequant.vault.fields import Field

READ = {"price": 101200, "notional": 2500000, "age_s": 45, "young": True, "ratio": Decimal("8.2")}
WALL = {"price": "101200", "notional": "2500000", "age_s": 45, "young": True, "ratio": "8.20"}


@pytest.mark.parametrize(
    ("kind", "values", "rows"),
    [
        ("price", ["101250.5", "0.00000074573"], [Decimal("101250.5"), Decimal("0.00000074573")]),
        ("amount", ["+150000", "-0.5", "0", None], [Decimal(150000), Decimal("-0.5"), 0, None]),
        ("ratio", ["0.00", "-12.30"], [0, Decimal("-12.3")]),
        ("count", [4, None], [4, None]),
        ("flag", [True, False, None], [True, False, None]),
        ("text", ["buy", None], ["buy", None]),
        ("time", ["2025-12-14T21:34:00Z", None], [datetime(2025, 12, 14, 21, 34), None]),  # noqa: DTZ001
        ("amounts", [["1", "2.5"], []], [[1, Decimal("2.5")], []]),
        ("ratios", [["+0.57", None]], [[Decimal("0.57"), None]]),
        ("json", [{"a": [1]}, None], [{"a": [1]}, None]),
        ("walls", [[WALL], []], [[READ], []]),
    ],
)  # fmt: skip
def test_each_kind_keeps_its_values(kind, values, rows):
    """Numbers exactly, with their sign; null is None."""
    column = column_of(Field("name", kind), values)
    assert column.rows() == rows
    assert len(column) == len(values)


written = st.from_regex(r"[+-]?(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?", fullmatch=True)
odd = st.text("0123456789.+-e \0\u0660", max_size=12)


@given(st.lists(written, min_size=1, max_size=30), st.lists(odd, max_size=1))
def test_many_decimals_are_those_read_one_by_one(texts, others):
    """The same numbers; and one text that is no decimal makes all of them read by themselves."""
    found = many_decimals(texts)
    assert found is not None
    values, places = found
    assert [Decimal(int(value)).scaleb(-places) for value in values] == list(map(Decimal, texts))
    for other in others:
        if not re.fullmatch(r"[+-]?(0|[1-9][0-9]*)(\.[0-9]+)?", other, re.ASCII):
            assert many_decimals([*texts, other]) is None


@pytest.mark.parametrize(
    "text",
    ["1234567890123456789", "0.1234567890123456789", "9" * 40, "", "-", ".", "1.", ".5", "+-1",
     "01", "-01", "1.2.3", "1\0", "\u0661"],
)  # fmt: skip
def test_what_is_not_read_at_once(text):
    """Too many digits, or another spelling."""
    assert many_decimals(["1", text]) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("price", 101250.5), ("price", "1e5"), ("price", "--1"), ("price", ""), ("count", "4"),
        ("count", True), ("count", 1 << 63), ("flag", 1), ("text", 5), ("time", "2025-12-14 21:34"),
        ("amounts", "1"), ("walls", [{"price": "1"}]), ("walls", [7]),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused(kind, value):
    """A float for a price, a text for a count, a wall without its notional: no column."""
    with pytest.raises((ValueError, KeyError, TypeError, OverflowError)):
        column_of(Field("name", kind), [value])
