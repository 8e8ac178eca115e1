"""Settled funding: each settlement once, in order, lines that are there unchanged."""

import pytest

from ravequant import exchanges
from ravequant.errors import VaultError
from tests.support.archive_files import write_zip
from Trades_Bot.funding_import import import_funding

OKX = exchanges.load_archive("okx")
BTC = "BTC-USDT-SWAP"
HOURS8 = 8 * 3_600_000
START = 1_735_689_600_000  # 2025-01-01


def month(folder, label: str, *numbers: int):
    rows = "".join(f"{BTC},0.000{n},{START + n * HOURS8}\n" for n in numbers)
    data = f"instrument_name,funding_rate,funding_time\n{rows}".encode()
    return write_zip(folder / f"{BTC}-fundingrates-{label}.zip", data)


def test_settlements_are_added_in_their_places(vault, tmp_path):
    """The later month first, then the earlier one, then both again."""
    later, earlier = month(tmp_path, "2025-02", 3, 4), month(tmp_path, "2025-01", 1, 2)
    assert import_funding(vault, BTC, OKX, [later]) == 2
    before = vault.settled_funding(BTC).read_bytes()
    assert import_funding(vault, BTC, OKX, [earlier]) == 2
    lines = vault.settled_funding(BTC).read_bytes()
    assert lines.endswith(before)
    assert [line.count(b'"via":"archive"') for line in lines.splitlines()] == [1] * 4
    assert import_funding(vault, BTC, OKX, [earlier, later]) == 0
    assert vault.settled_funding(BTC).read_bytes() == lines


def test_a_damaged_file_is_refused(vault, tmp_path):
    """By the number of its line; it is not rewritten."""
    path = vault.settled_funding(BTC)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}\n")
    with pytest.raises(VaultError, match="line 1 is no settlement"):
        import_funding(vault, BTC, OKX, [month(tmp_path, "2025-01", 1)])
    assert path.read_bytes() == b"{}\n"
