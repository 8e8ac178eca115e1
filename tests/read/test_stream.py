"""Tests of ravequant.read.stream: open sides of a span, the newest time, an empty table."""

import numpy as np

from ravequant import catalog, times
from ravequant.read.record_stream import RecordStream
from ravequant.read.trade_stream import TradeStream
from ravequant.vault.paths import Vault
from tests.support.sql_vault import BTC, rows_of


def test_the_newest_time_is_one_to_believe(filled, tmp_path):
    """Of trades, and of records by their own key; none of an empty vault."""
    newest = RecordStream(catalog.WICKS, filled, BTC).newest()
    assert newest == times.parse_iso(rows_of(filled, "wicks", BTC)[-1]["known_utc"])
    assert TradeStream(Vault(tmp_path), BTC).newest() is None


def test_a_table_without_records_has_its_columns(filled):
    """Their types are those of a table with records; decimals, times and lists alike."""
    for data in (catalog.VWAP, catalog.BUCKETS):
        stream = RecordStream(data, filled, BTC)
        stream.open(None, None)
        (full,), none = list(stream.tables()), stream.none()
        assert len(none) == 0
        assert none.columns.keys() == full.columns.keys()
        for name, column in none.columns.items():
            assert column.kind == full[name].kind
            assert (column.offsets is None) == (full[name].offsets is None)
            if column.kind == "time":
                assert column.values.dtype == np.dtype("datetime64[ms]")


def test_the_folder_is_that_of_the_instrument(filled):
    """Of files by day the place itself, of a single file its folder."""
    assert TradeStream(filled, BTC).folder("A-B") == filled.trades("A-B")
    assert RecordStream(catalog.VWAP, filled, BTC).folder("A-B") == filled.derived("vwap", "A-B")
