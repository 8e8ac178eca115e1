"""Tests of ravequant.read.json_columns: each kind of field, and values that are of another."""

from datetime import datetime
from decimal import Decimal

import pytest

from ravequant.read.json_columns import column_of
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
