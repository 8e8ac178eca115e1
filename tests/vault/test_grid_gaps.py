"""The ledger of missing settlements and periods: a line for each change of status."""

from ravequant import times
from ravequant.vault import grid_gaps
from ravequant.vault.grid_gaps import GridGap

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T00:00:00.000Z")
GAP = GridGap("rubik", "oi", START, START + 900_000, 2, "open", "no answer")


def test_a_status_is_noted_once(vault):
    """Until it changes; the newest line about a stretch counts."""
    assert grid_gaps.newest(vault, BTC) == {}
    assert grid_gaps.note(vault, BTC, GAP)
    assert not grid_gaps.note(vault, BTC, GAP)
    assert grid_gaps.open_gaps(vault, BTC, "rubik") == [GAP[2:4]]
    assert grid_gaps.open_gaps(vault, BTC, "funding-settled") == []
    assert grid_gaps.note(vault, BTC, GAP._replace(status="repaired"))
    assert grid_gaps.open_gaps(vault, BTC, "rubik") == []
    assert len(vault.grid_gaps(BTC).read_bytes().splitlines()) == 2


def test_the_line_has_the_fields_of_the_contract(vault):
    """Times of the two lines around the hole, and the number of steps between them."""
    grid_gaps.note(vault, BTC, GAP)
    line = vault.grid_gaps(BTC).read_bytes()
    assert line.partition(b'","channel"')[2] == (
        b':"rubik","instId":"BTC-USDT-SWAP","series":"oi",'
        b'"from_utc":"2025-12-14T00:00:00.000Z","to_utc":"2025-12-14T00:15:00.000Z",'
        b'"missing":2,"status":"open","reason":"no answer"}\n'
    )


def test_a_damaged_line_is_passed_over(vault):
    """The others count."""
    grid_gaps.note(vault, BTC, GAP)
    path = vault.grid_gaps(BTC)
    path.write_bytes(b"{}\nnot json\n" + path.read_bytes())
    assert grid_gaps.open_gaps(vault, BTC, "rubik") == [GAP[2:4]]
