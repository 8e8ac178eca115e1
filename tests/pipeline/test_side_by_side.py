"""Calculators that take turns: each as if alone, and none stops another."""

from types import SimpleNamespace
from typing import Any

import pytest

from Liquidity_Buckets.book_flow import CALCULATOR as FLOW
from Liquidity_Buckets.l2_bucketizer import CALCULATOR as BUCKETS
from ravequant.pipeline import side_by_side
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault
from tests.support.flow_vault import BTC, filled, outputs
from VWAP.vwap_calculator import CALCULATOR as VWAP

PLAIN: Any = SimpleNamespace(since=None, rebuild=False, json=False)


def test_a_calculator_that_another_program_holds_stops_no_other(vault, capsys, caplog):
    """It is reported with its exit code; the other is up to date."""
    filled(vault, count=40)
    with writer_lock(vault, "liquidity_buckets", BTC):
        assert side_by_side.run((BUCKETS, FLOW), vault, BTC, PLAIN) == 4
    assert [record.name for record in caplog.records] == ["liquidity_buckets"]
    assert capsys.readouterr().out.startswith("book_flow BTC-USDT-SWAP: ")
    assert side_by_side.run((BUCKETS, FLOW), vault, BTC, PLAIN) == 0
    assert len(outputs(vault)) == 2


def test_without_raw_data_both_say_so(vault, caplog):
    """Exit code 3, as for each alone."""
    assert side_by_side.run((BUCKETS, FLOW), vault, BTC, PLAIN) == 3
    assert [record.name for record in caplog.records] == ["liquidity_buckets", "book_flow"]


def test_only_readers_of_books_take_turns(tmp_path):
    """A calculator of trades shares nothing with them."""
    with pytest.raises(TypeError, match="vwap reads no books"):
        side_by_side.run((VWAP, FLOW), Vault(tmp_path), BTC, PLAIN)
