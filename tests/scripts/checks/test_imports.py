"""Tests of scripts.checks.imports: imported days, those not proved, an import under way."""

import pytest

from ravequant.errors import VaultError
from ravequant.vault.imports import under_way
from scripts.checks.imports import imports
from tests.support.imported import note

BTC = "BTC-USDT-SWAP"


def found(vault):
    """Return level, text and remedy of the one check there is."""
    (check,) = imports(vault, BTC)
    assert check.name == f"imports {BTC}"
    return check.level, check.text, check.remedy


def test_without_an_import_there_is_no_line(vault):
    """Most vaults have none."""
    assert list(imports(vault, BTC)) == []


def test_days_that_are_proved_pass(vault):
    """By candles or by ids; the newest line of a day counts."""
    note(vault, BTC, day="2025-12-14", proof="unproved", differing_minutes=2)
    note(vault, BTC, day="2025-12-14", proof="candles")
    note(vault, BTC, day="2025-12-15", proof="ids")
    note(vault, BTC, day="2025-12-15", stream="books", proof="none")
    assert found(vault) == ("PASS", "1 day of books, 2 days of trades", "")


def test_days_that_are_not_proved_are_named(vault):
    """Three of them, with the reason, and the number of the others."""
    note(vault, BTC, day="2025-12-14", proof="unproved", differing_minutes=1_234)
    for day in range(15, 20):
        note(vault, BTC, day=f"2025-12-{day}", proof="partial" if day == 15 else "none")
    level, text, remedy = found(vault)
    assert level == "WARN"
    assert text == (
        "6 days of trades; 6 days not proved: 2025-12-14 (1,234 minutes differ from their "
        "candles), 2025-12-15 (partial), 2025-12-16 (none) and 3 more"
    )
    assert "import_trades.py" in remedy


def test_an_import_under_way_says_how_to_complete_it(vault):
    """Also before anything else of it is there."""
    under_way.note(vault, BTC, ["2025-12-14", "2025-12-15"])
    level, text, remedy = found(vault)
    assert level == "WARN"
    assert text.startswith("2 days are being put in their places since 20")
    assert "python scripts/run_all.py" in remedy
    note(vault, BTC, day="2025-12-14")
    assert found(vault)[1].endswith("Z; 1 day of trades")


def test_damaged_provenance_is_named(vault):
    """The doctor makes a failure of it."""
    vault.imports(BTC).parent.mkdir(parents=True)
    vault.imports(BTC).write_bytes(b"no line\n")
    with pytest.raises(VaultError, match="line 1 is no provenance"):
        list(imports(vault, BTC))
