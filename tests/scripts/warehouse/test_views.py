"""Tests of scripts.warehouse.views: which files a view reads, so that it has each row once."""

import logging

import pytest

from ravequant.vault.paths import Vault
from scripts.warehouse.dataset import ExportedTable, stamps
from scripts.warehouse.schema import TABLES
from scripts.warehouse.views import files_of, recorded

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
DAYS = ("2025-12-13", "2025-12-14")


@pytest.fixture
def filled(vault: Vault) -> Vault:
    """Return a vault with two days of trades and a growing file."""
    for path in (
        *(vault.trades(BTC) / f"{day}.jsonl" for day in DAYS),
        vault.derived("vwap", ETH) / "vwap_1m.jsonl",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
    return vault


def export(vault: Vault, name: str, *days: str) -> ExportedTable:
    """Let days be exported."""
    table = ExportedTable.open(vault.root / "parquet", TABLES[name], BTC)
    for day in days:
        table.part(day).parent.mkdir(parents=True)
        table.part(day).write_bytes(b"rows")
        table.note(day, sources=stamps([vault.trades(BTC) / f"{day}.jsonl"]))
    return table


def read(vault: Vault, name: str, *inst_ids: str):
    """Return the names of the files of a view: lines, and days from Parquet."""
    found = files_of(vault, vault.root / "parquet", TABLES[name], inst_ids or (BTC,))
    return [path.name for path in found.lines], [path.parent.name for path in found.parquet]


def test_instruments_of_any_stream_are_recorded(filled):
    """Raw or derived; a folder whose name is no instrument is passed over."""
    (filled.trades(BTC).parent / "x'); select 1 --").mkdir()
    filled.derived("liquidity_buckets", "XRP-USDT-SWAP").mkdir(parents=True)
    assert recorded(filled) == [BTC, ETH, "XRP-USDT-SWAP"]


def test_a_day_comes_from_parquet_while_it_is_current(filled):
    """Each day from one side; a day whose lines changed comes from them again."""
    assert read(filled, "trades") == ([f"{day}.jsonl" for day in DAYS], [])
    export(filled, "trades", DAYS[0])
    assert read(filled, "trades") == ([f"{DAYS[1]}.jsonl"], [f"day={DAYS[0]}"])
    (filled.trades(BTC) / f"{DAYS[0]}.jsonl").write_text("{}\n{}\n")
    assert read(filled, "trades") == ([f"{day}.jsonl" for day in DAYS], [])


def test_a_day_that_left_the_vault_comes_from_parquet(filled):
    """If its file is whole; else there is nothing."""
    table = export(filled, "trades", DAYS[0])
    (filled.trades(BTC) / f"{DAYS[0]}.jsonl").unlink()
    assert read(filled, "trades") == ([f"{DAYS[1]}.jsonl"], [f"day={DAYS[0]}"])
    table.part(DAYS[0]).write_bytes(b"")
    assert read(filled, "trades") == ([f"{DAYS[1]}.jsonl"], [])


def test_a_growing_file_is_read_from_its_lines(filled):
    """Of the instruments that have it."""
    assert read(filled, "vwap", BTC, ETH) == (["vwap_1m.jsonl"], [])
    assert not files_of(filled, filled.root, TABLES["vwap"], (BTC,))


def test_bars_come_from_parquet_and_tell_if_they_are_behind(filled, caplog):
    """Lines never stand in for them; trades that came since are named with the remedy."""
    assert read(filled, "bars") == ([], [])
    export(filled, "bars", DAYS[0])
    with caplog.at_level(logging.WARNING):
        assert read(filled, "bars") == ([], [f"day={DAYS[0]}"])
    assert f"trades have come since the export, from {DAYS[1]} on" in caplog.text
    caplog.clear()
    export(filled, "bars", DAYS[1])
    assert read(filled, "bars") == ([], [f"day={day}" for day in DAYS])
    assert caplog.text == ""
