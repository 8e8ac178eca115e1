"""Tests of ravequant.read.table: names, rows, counts of tables joined."""

import pytest

from ravequant.read import columns
from ravequant.read.table import Counts, Table, join_tables
from ravequant.vault.fields import Field

PRICE = Field("price", "price")


def test_an_unknown_column_names_the_others():
    """A slip in a name shows the names there are."""
    table = Table("trades", "BTC-USDT-SWAP", {"price": columns.empty(PRICE)})
    with pytest.raises(KeyError, match="prize: trades has the columns price"):
        table["prize"]
    assert repr(table) == "<0 trades of BTC-USDT-SWAP: price>"


def test_tables_add_their_counts():
    """The joined table has the sum of the counts, and is complete if the last one is."""
    first = Table("vwap", "X-Y", {"price": columns.empty(PRICE)}, Counts(lines=3, late=1), ("a",))
    last = Table("vwap", "X-Y", {"price": columns.empty(PRICE)}, Counts(lines=2), ("b",), True)  # noqa: FBT003
    joined = join_tables([first, last])
    assert (joined.counts, joined.rejected, joined.complete) == (
        Counts(lines=5, late=1), ("a", "b"), True,
    )  # fmt: skip
