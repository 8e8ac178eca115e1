"""Tests of ravequant.vault.imports.archive_source: imported days, and the words about them."""

from ravequant.vault.imports.archive_source import imported_days, source_line, source_text
from ravequant.vault.paths import Vault
from tests.support.imported import note

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


def test_the_words_name_the_exchange(tmp_path):
    """They go with the data of any exchange."""
    assert source_text(Vault(tmp_path)) == "OKX archive, personal use"
    assert source_text(Vault(tmp_path, "binance")) == "BINANCE archive, personal use"


def test_the_days_of_each_stream_into_which_lines_were_written(vault):
    """Ascending, each once; not those of another instrument, nor those that gave no line."""
    for day in ("2025-12-15", "2025-12-14", "2025-12-15", "2025-12-17"):
        note(vault, BTC, day=day)
    note(vault, BTC, day="2025-12-15", stream="books")
    note(vault, BTC, day="2025-12-18", records=0)
    note(vault, ETH, day="2025-12-19")
    assert imported_days(vault, BTC) == {
        "books": ["2025-12-15"],
        "trades": ["2025-12-14", "2025-12-15", "2025-12-17"],
    }
    assert imported_days(vault, BTC, "2025-12-15", "2025-12-16") == {
        "books": ["2025-12-15"],
        "trades": ["2025-12-15"],
    }
    assert imported_days(vault, "SOL-USDT-SWAP") == {}


def test_a_line_says_it_or_nothing(vault):
    """Of the days that are asked for, both included; provenance that is damaged is named."""
    note(vault, BTC, day="2025-12-14")
    assert source_line(vault, BTC, "2025-12-15", "2025-12-16") == ""
    wanted = "source: OKX archive, personal use (trades of 2025-12-14)"
    assert source_line(vault, BTC, "2025-12-14", "2025-12-15") == wanted
    note(vault, BTC, day="2025-12-15")
    note(vault, BTC, day="2025-12-15", stream="books")
    assert source_line(vault, BTC, "2025-12-14", "2025-12-15") == (
        "source: OKX archive, personal use (books of 2025-12-15, trades of 2025-12-14 to "
        "2025-12-15)"
    )
    vault.imports(BTC).write_bytes(b"{}\n")
    found = source_line(vault, BTC, "2025-12-14", "2025-12-15")
    assert found.startswith(f"source: cannot be told: {vault.imports(BTC)}: line 1 is no ")
