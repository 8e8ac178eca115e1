"""The file of settlements: rising, each once, whoever writes it."""

import pytest

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault import settled_funding
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import SETTLED_FUNDING

BTC = "BTC-USDT-SWAP"
HOURS8 = 8 * times.HOUR_MS
START = times.parse_iso("2025-12-14T00:00:00.000Z")


def lines(*numbers: int):
    def made(number: int):
        ts = START + number * HOURS8

        def line(before: int | None) -> bytes:
            since = "null" if before is None else (ts - before) // HOURS8
            return f'{{"timestamp_utc":"{times.iso(ts)}","since":{since}}}\n'.encode()

        return ts, line

    return dict(map(made, numbers))


def since(vault) -> list[bytes]:
    data = vault.settled_funding(BTC).read_bytes()
    return [line.partition(b'"since":')[2].rstrip(b"}") for line in data.splitlines()]


def test_later_settlements_are_appended(vault):
    """Each knows the one before it; those that are there are passed over."""
    assert len(settled_funding.add(vault, BTC, lines(1, 2))) == 2
    before = vault.settled_funding(BTC).read_bytes()
    assert settled_funding.add(vault, BTC, lines(2, 3)) == [START + 3 * HOURS8]
    assert vault.settled_funding(BTC).read_bytes().startswith(before)
    assert since(vault) == [b"null", b"1", b"1"]
    assert settled_funding.add(vault, BTC, lines(1, 2, 3)) == []


def test_an_earlier_settlement_is_put_in_its_place(vault):
    """The lines around it stay as they are."""
    settled_funding.add(vault, BTC, lines(1, 4))
    settled_funding.add(vault, BTC, lines(2))
    assert since(vault) == [b"null", b"1", b"3"]


def test_a_torn_line_is_cut_off(vault):
    """And kept aside; the next settlement does not stick to it."""
    settled_funding.add(vault, BTC, lines(1))
    path = vault.settled_funding(BTC)
    path.write_bytes(path.read_bytes() + b'{"timestamp')
    settled_funding.add(vault, BTC, lines(2))
    assert since(vault) == [b"null", b"1"]
    assert path.with_name(f"{path.name}.torn").read_bytes() == b'{"timestamp'


def test_a_damaged_file_is_refused(vault):
    """By the number of its line."""
    path = vault.settled_funding(BTC)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}\n")
    with pytest.raises(VaultError, match="line 1 is no settlement"):
        settled_funding.add(vault, BTC, lines(1))


def test_two_writers_take_turns(vault, monkeypatch):
    """Recorder and importer write the same file; one that waits in vain says so."""
    monkeypatch.setattr("ravequant.vault.lock._TURN_S", 0.1)
    with writer_lock(vault, SETTLED_FUNDING, BTC), pytest.raises(VaultError, match="has been held"):
        settled_funding.add(vault, BTC, lines(1))
