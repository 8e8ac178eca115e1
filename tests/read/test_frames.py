"""Tests of ravequant.read.frames: Arrow, pandas and polars hold the exact values."""

import sys
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from ravequant import read
from ravequant.errors import UsageError
from ravequant.read import columns
from ravequant.read.columns import Column
from ravequant.read.table import Table
from ravequant.vault.fields import Field
from tests.support.sql_vault import BTC, USD

NAMES = ("trades", "minutes", "books", "vwap", "cvd", "volume", "wicks", "buckets", "signals")


def arrow() -> Any:
    return pytest.importorskip("pyarrow", reason="pyarrow is not installed: it is an extra")


def without_zone(value: Any) -> Any:
    return value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value


@pytest.mark.parametrize("name", NAMES)
def test_arrow_holds_the_same_values(filled, name):
    """Each cell of the Arrow table is the value of the column, to the last digit."""
    arrow()
    table = getattr(read, name)(BTC, vault=filled.root)
    met = table.to_arrow()
    for key, column in table.columns.items():
        if column.kind != "json":
            assert [without_zone(cell) for cell in met[key].to_pylist()] == column.rows(), key
    assert met.schema.metadata == {b"instId": BTC.encode(), b"data_set": table.name.encode()}


def test_the_schema_does_not_depend_on_the_span(filled):
    """Decimals have the places of the Parquet files, whatever the values need."""
    arrow()
    some, whole = (
        read.trades(BTC, *span, vault=filled.root).to_arrow()
        for span in ((), ("2025-12-14 19:00", "2025-12-14 19:02"))
    )
    assert some.schema == whole.schema
    assert str(whole.schema.field("price").type) == "decimal128(38, 12)"
    assert str(whole.schema.field("timestamp_utc").type) == "timestamp[ms, tz=UTC]"


@pytest.mark.parametrize("value", [10**37, -(10**37), 1 << 63, -(1 << 64), 0])
def test_numbers_wider_than_a_word_are_exact(value):
    """A decimal of up to 38 digits goes over as it is."""
    arrow()
    column = Column(Field("cvd", "amount"), columns.objects([value]), 12)
    met = Table("cvd", BTC, {"cvd": column}).to_arrow()
    assert met["cvd"].to_pylist() == [Decimal(value).scaleb(-12)]


@pytest.mark.parametrize(("value", "places"), [(10**38, 12), (10**36, 0)])
def test_a_number_too_wide_for_arrow_is_refused(value, places):
    """More than 38 digits are not rounded: the message names the column and the way round."""
    arrow()
    column = Column(Field("cvd", "amount"), columns.objects([value]), places)
    said = r"column cvd holds a number of over 38 digits.*decimal\(\)"
    with pytest.raises(UsageError, match=said):
        Table("cvd", BTC, {"cvd": column}).to_arrow()


def test_pandas_sums_exactly(filled):
    """Decimals stay decimals; with floats they are float64; times are in UTC."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed: it is an extra")
    arrow()
    table = read.trades(USD, vault=filled.root)
    frame = table.to_pandas()
    assert frame["notional"].sum() == sum(table["notional"].decimal())
    assert frame["base"].iloc[0] == table["base"].decimal()[0]
    assert isinstance(frame["timestamp_utc"].dtype, pandas.DatetimeTZDtype)
    floats = table.to_pandas(floats=True)
    assert floats["price"].dtype == np.float64
    assert floats["price"].tolist() == table["price"].float().tolist()
    assert read.buckets(BTC, vault=filled.root).to_pandas()["bid_walls"].notna().all()


def test_polars_sums_exactly(filled):
    """Decimals stay decimals, lists stay lists."""
    polars = pytest.importorskip("polars", reason="polars is not installed: it is an extra")
    arrow()
    table = read.trades(USD, vault=filled.root)
    frame = table.to_polars()
    assert frame["notional"].sum() == sum(table["notional"].decimal())
    assert frame["price"].dtype == polars.Decimal(38, 12)
    assert read.books(BTC, vault=filled.root).to_polars()["bids"].list.len().to_list()[0] > 1


def test_duckdb_reads_a_table_as_it_is(filled):
    """A query names the variable, as it would a frame."""
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: it is an extra")
    arrow()
    trades = read.trades(USD, vault=filled.root)
    met = duckdb.sql("SELECT sum(notional) FROM trades").fetchall()[0][0]
    assert met == sum(trades["notional"].decimal())


@pytest.mark.parametrize("library", ["pyarrow", "pandas", "polars"])
def test_a_library_that_is_not_there_is_named(filled, monkeypatch, library):
    """The message gives the words that install it."""
    monkeypatch.setitem(sys.modules, library, None)
    made = {"pyarrow": "to_arrow", "pandas": "to_pandas", "polars": "to_polars"}[library]
    with pytest.raises(UsageError, match=rf"{library} is not installed .*\.\[frames\]"):
        getattr(read.vwap(BTC, vault=filled.root), made)()
