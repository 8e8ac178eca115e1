"""The newest raw record that is not ahead, in any vault that a disk may hold."""

import gzip
from pathlib import Path

import pytest

from ravequant import catalog, times
from ravequant.vault import tail
from ravequant.vault.line_file import record_time
from ravequant.vault.newest import newest_of_all, newest_record
from ravequant.vault.paths import Vault, day_files

BTC = "BTC-USDT-SWAP"
NOON = "2025-12-14T12:00:00.000Z"


def line(moment: str, more: str = "") -> bytes:
    return f'{{"timestamp_utc":"{moment}","trade_id":"7"{more}}}\n'.encode()


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def trades(vault: Vault, name: str, data: bytes) -> None:
    write(vault.trades(BTC) / name, data)


def newest(vault: Vault) -> str | None:
    found = newest_record(vault, catalog.TRADES, BTC)
    return None if found is None else times.iso(found)


def test_a_vault_without_records_has_no_newest_one(tmp_path):
    """An absent folder, a folder without files and a file without a time are all empty."""
    vault = Vault(tmp_path)
    assert newest_of_all(vault) is None
    vault.trades(BTC).mkdir(parents=True)
    assert newest(vault) is None
    trades(vault, "2025-12-14.jsonl", b"{}\nno time\n")
    assert newest(vault) is None
    assert newest_of_all(vault) is None


@pytest.mark.parametrize("spelling", [',"ahead":true', ', "ahead" : true'])
@pytest.mark.parametrize("name", ["2025-12-14.jsonl", "2025-12-14.jsonl.gz"])
def test_a_record_that_says_it_is_ahead_is_none(tmp_path, name, spelling):
    """It does not count in its own day either."""
    vault = Vault(tmp_path)
    trades(vault, name, line(NOON) + line("2025-12-14T15:00:00.000Z", spelling))
    assert newest(vault) == NOON


def test_a_record_of_a_date_later_than_its_file_is_ahead(tmp_path):
    """Files that do not name such records hold them all the same."""
    vault = Vault(tmp_path)
    trades(vault, "2025-12-14.jsonl", line(NOON) + line("2098-01-01T10:53:59.932Z"))
    assert newest(vault) == NOON


def test_of_the_newest_lines_the_largest_time_counts(tmp_path):
    """One record from the past at the end makes no vault old."""
    vault = Vault(tmp_path)
    trades(vault, "2025-12-14.jsonl", line(NOON) + line("1970-01-01T00:00:00.001Z"))
    assert newest(vault) == NOON


def test_of_long_lines_three_are_enough(tmp_path, monkeypatch):
    """A deep book of 300 KB a line is not read 64 lines back for each question."""
    vault, read = Vault(tmp_path), list[bytes]()
    levels = f',"bids":"{"9" * 300_000}"'
    rows = [line(f"2025-12-14T12:{minute:02}:00.000Z", levels) for minute in range(8)]
    write(vault.deep_snapshots(BTC) / "2025-12-14" / "12.jsonl", b"".join(rows))

    def noted(one: bytes, key: str) -> int | None:
        read.append(one)
        return record_time(one, key)

    monkeypatch.setattr("ravequant.vault.line_file.record_time", noted)
    found = newest_record(vault, catalog.DEEP, BTC)
    assert found is not None
    assert times.iso(found) == "2025-12-14T12:07:00.000Z"
    assert len(read) == 3


def test_what_cannot_be_read_is_passed_over(tmp_path):
    """Torn and spoiled lines, a damaged packed day, a folder named like a file, odd folders."""
    vault = Vault(tmp_path)
    trades(vault, "2025-12-14.jsonl", line(NOON) + b"\0\0\0\nspoiled\n" + line(NOON)[:30])
    packed = vault.trades(BTC) / "2025-12-15.jsonl.gz"
    write(packed, line("2025-12-15T12:00:00.000Z"))
    packed.write_bytes(packed.read_bytes()[:-6])
    (vault.trades(BTC) / "2025-12-16.jsonl").mkdir()
    trades(vault, "2025-02-31.jsonl", line("2025-02-28T00:00:00.000Z"))
    write(vault.trades(BTC).parent / "btc-usdt-swap" / "2025-12-17.jsonl", line(NOON))
    write(vault.trades(BTC).parent / "lost+found" / "2025-12-17.jsonl", line(NOON))
    write(vault.trades(BTC).parent / "README.txt", b"no folder")
    assert newest(vault) == NOON
    assert newest_of_all(vault) == times.parse_iso(NOON)


def test_every_stream_counts_books_in_hours_and_in_flat_days(tmp_path):
    """Newest of all is the newest of trades, books and deep books of any instrument."""
    vault = Vault(tmp_path)
    trades(vault, "2025-12-14.jsonl", line(NOON))
    flat, deep = "2025-12-15T01:00:00.000Z", "2025-12-15T02:00:00.500Z"
    write(vault.snapshots("ETH-USDT-SWAP") / "2025-12-15.jsonl", line(flat))
    assert newest_of_all(vault) == times.parse_iso(flat)
    assert newest_record(vault, catalog.BOOK, "ETH-USDT-SWAP") == times.parse_iso(flat)
    write(vault.deep_snapshots("SOL-USDT-SWAP") / "2025-12-15/02.jsonl.gz", line(deep))
    assert newest_of_all(vault) == times.parse_iso(deep)


def test_no_beginning_and_no_place_is_taken_from_a_record_ahead(tmp_path):
    """The first time, the newest time and the place of a time pass over it."""
    folder = tmp_path / "trades"
    ahead, first = line("2025-12-14T23:00:00.000Z", ',"ahead":true'), line(NOON)
    later = line("2025-12-14T12:05:00.000Z")
    write(folder / "2025-12-14.jsonl", ahead + first + ahead + later + ahead)

    def files():
        return day_files(folder)

    assert tail.first_time(files) == times.parse_iso(NOON)
    assert tail.newest_time(files) == times.parse_iso("2025-12-14T12:05:00.000Z")
    cursor = tail.cursor_at(files, times.parse_iso("2025-12-14T12:05:00.000Z"), 0)
    assert cursor is not None
    assert cursor.offset == len(ahead + first + ahead)
    assert record_time(ahead, "2025-12-14") is None
