"""Tests of scripts.warehouse.schema: columns follow the files, fingerprints those exported."""

import json
from dataclasses import replace

from ravequant.vault.paths import Vault
from scripts.warehouse.schema import ADDED, TABLES, TRADES, SqlColumn, mean_places
from tests.support.sql_vault import BTC, ETH, USD, trade_lines
from tests.support.wick_vault import tick_size

# what the manifests of days that were exported long ago hold
EXPORTED = {
    "trades": "5783a2a887e262da",
    "bars": "c2362d9a7e1b5a2f",
    "book": "7aa905fa207a2d14",
    "vwap": "cc08034b5ef04d6d",
    "cvd": "51a98af93e33f7b2",
    "volume": "558f2d6fcf9bbf00",
    "wicks": "c617475dbc140c64",
    "buckets": "b8498839ed15fecd",
    "book_flow": "30c0713e065e2118",
    "footprint": "f770888e532db8fc",
    "profile": "ff2d34e219db1491",
    "liquidations": "5ee6dd3fc6b3dc92",
    "marks": "40ef1c64d7a9acfc",
    "open_interest": "ad1df14a6f50a87e",
    "funding_estimates": "d75971a5930240c4",
    "ls_accounts": "5d1758e390a732d0",
    "ls_top_accounts": "5d1758e390a732d0",
    "ls_top_positions": "5d1758e390a732d0",
    "interest_5m": "5d1758e390a732d0",
    "taker_5m": "5d1758e390a732d0",
    "long_short_binance": "31c574e6d17e5bca",
    "long_short_bybit": "31c574e6d17e5bca",
    "liquidated_okx": "31c574e6d17e5bca",
    "liquidated_binance": "31c574e6d17e5bca",
    "liquidated_bybit": "31c574e6d17e5bca",
    "btc_transfers": "939e24e138f5514b",
    "liquidations_1m": "4a4a7c6600684296",
    "signals": "b23bd76c3114e011",  # since an answer says how far it read
}


def test_exported_days_stay_as_they_are():
    """The fingerprint of each table is that of the days exported so far."""
    assert {name: table.fingerprint for name, table in TABLES.items()} == EXPORTED


def test_columns_that_were_added_make_no_day_anew():
    """The records of those days have no such value, so their files say the same without it."""
    assert {name: sum(table == name for table, _ in ADDED) for name, _ in ADDED} == {
        "trades": 1,
        "vwap": 3,
        "signals": 5,
    }
    for name, column in ADDED:
        table = TABLES[name]
        there = [one for one in table.columns if one.name == column]
        assert len(there) == 1
        less = replace(table, columns=tuple(one for one in table.columns if one not in there))
        assert less.fingerprint == table.fingerprint


def test_another_column_is_another_fingerprint():
    """A changed name, kind or unit of any column, or a column less, makes all days again."""
    table = TABLES["vwap"]
    first, *others = table.columns
    changed = [
        replace(table, columns=(column, *others))
        for column in (
            replace(first, name="other"),
            replace(first, kind="text"),
            replace(first, unit="s"),
        )
    ]
    changed.append(replace(table, columns=tuple(others)))
    assert len({table.fingerprint, *(one.fingerprint for one in changed)}) == 5


def test_trades_have_the_fields_of_a_raw_line():
    """Every field, two columns that are computed, and the mark of few records."""
    fields = json.loads(trade_lines(minutes=3)[0]).keys()
    names = {column.name for column in TRADES.columns}
    assert names - fields == {"base", "notional", "ahead"}
    assert fields <= names


def test_a_table_knows_its_data_set():
    """Which column gives the day, and what makes the rows; bars are made by the export alone."""
    assert (TABLES["wicks"].time, TABLES["vwap"].time) == ("known_utc", "timestamp_utc")
    assert TABLES["signals"].made_by == "Untouch_Wick/find_signals.py --record"
    bars = TABLES["bars"]
    assert (bars.data, bars.time, bars.made_by) == (
        None, "timestamp_utc", "scripts/export_parquet.py",
    )  # fmt: skip


def test_kinds_become_types():
    """Decimals are read as text and cast exactly, in lists and walls too."""
    price, ages = SqlColumn("close", "price"), SqlColumn("ages", "counts")
    assert (price.read_as, price.exact) == ("VARCHAR", 'exact_price("close") AS "close"')
    assert (ages.read_as, ages.exact) == ("BIGINT[]", '"ages" AS "ages"')
    walls = SqlColumn("bid_walls", "walls")
    assert walls.read_as.startswith("STRUCT(price VARCHAR, notional VARCHAR, age_s BIGINT")
    assert "price := exact_price(w.price)" in walls.exact
    assert SqlColumn('a"b', "time").exact == '"a""b"::TIMESTAMP AS "a""b"'


def test_a_mean_of_prices_has_six_places_more_than_the_tick(tmp_path):
    """And at least those of a price: by the finest tick that any of the instruments ever had."""
    vault = Vault(tmp_path)
    tick_size(vault, "0.1", inst_id=BTC)
    tick_size(vault, "0.0000000001", inst_id=ETH)
    tick_size(vault, "0.01", since=1, inst_id=ETH)
    assert mean_places(vault, [BTC, USD]) == 12  # of the latter nothing is known
    assert mean_places(vault, [BTC, ETH]) == 16
    vault.metadata_history(ETH).unlink()
    assert mean_places(vault, [ETH]) == 12
    tick_size(vault, "0.0000001", inst_id=USD)
    vault.metadata_history(USD).unlink()
    assert mean_places(vault, [USD]) == 13
    vault.metadata(USD).write_bytes(b"damaged")
    assert mean_places(vault, [USD]) == 12


def test_only_means_become_wide():
    """And only where they need it: all other columns, tables and fingerprints stay."""
    assert {name for name, table in TABLES.items() if table.wide(16) is not table} == {
        "vwap", "signals"
    }  # fmt: skip
    vwap = TABLES["vwap"]
    assert vwap.wide(12) == vwap
    wide = vwap.wide(16)
    changed = [one.name for one, was in zip(wide.columns, vwap.columns, strict=True) if one != was]
    assert changed == [
        "vwap_1h", "vwap_4h", "vwap_session", "vwap_base_1h", "vwap_base_4h", "vwap_base_session",
        "sd_1h", "sd_4h", "sd_session",
    ]  # fmt: skip
    assert wide.columns[5].exact == 'exact_mean16("vwap_1h") AS "vwap_1h"'
    assert len({vwap.fingerprint, wide.fingerprint, vwap.wide(17).fingerprint}) == 3
