"""Tests of read.follow: the records that come live are those of a later read."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType
from typing import Any

import orjson
import pytest

from Liquidity_Buckets import l2_bucketizer
from ravequant import read
from ravequant.errors import VaultError
from ravequant.vault import gap_ledger
from ravequant.vault.paths import Vault
from tests.support import l2_box, recordings, trades_box
from tests.support.recordings import BTC, Recording
from tests.support.sql_vault import trade_lines
from tests.support.trade_streams import write_raw
from VWAP import vwap_calculator

SINCE, UNTIL = "01:30", "06:00"


def collected(tables: Iterator[read.Table]) -> list[dict[str, Any]]:
    return [row for table in tables for row in table.rows()]


def live_rows(name: Any, span: tuple[str, str], vault: Vault) -> Iterator[read.Table]:
    """Follow a span; a fault must not make the test wait for ever."""
    patience = float(trades_box.LIMIT_S)
    return read.follow(name, BTC, *span, vault=vault.root, every_s=0.02, idle_s=patience)


def calculate(vault: Vault, calculator: ModuleType = vwap_calculator) -> None:
    """Bring a calculator up to date; at first there may be nothing, or no metadata yet."""
    words = ["--vault", str(vault.root), "--instId", BTC, "--log-level", "error"]
    calculator.main(words)


@recordings.each(*recordings.EIGHT_HOURS)
def test_followed_live_is_read_later(tmp_path, recording: Recording):
    """A real exporter and calculator write, three readers follow: each gets the span, once."""
    vault, day = Vault(tmp_path / "vault"), recording.days[0][:10]
    span = f"{day} {SINCE}", f"{day} {UNTIL}"
    names: tuple[Any, ...] = ("trades", "minutes", "vwap")
    options = (*trades_box.replay(*recording.trade_files), "--speed", "max")
    with ThreadPoolExecutor() as pool, trades_box.exchange(tmp_path, *options) as there:
        live: dict[str, Future[list[dict[str, Any]]]] = {
            name: pool.submit(collected, live_rows(name, span, vault)) for name in names
        }
        exporter = trades_box.start(vault, *there, "--instId", BTC, "--stop-when-idle", "2")
        while exporter.poll() is None:
            calculate(vault)
        exporter.communicate()
        calculate(vault)
        met = {name: future.result(trades_box.LIMIT_S) for name, future in live.items()}
    for name in names:
        wanted = list(getattr(read, name)(BTC, *span, vault=vault.root).rows())
        assert len(wanted) > 200, name
        assert met[name] == wanted, name


@recordings.each(recordings.MIDNIGHT[0])
def test_followed_books_are_read_later(tmp_path, recording: Recording):
    """Snapshots and their buckets over midnight, from hour to hour and from day to day."""
    vault, (before, after) = Vault(tmp_path / "vault"), recording.days
    span = f"{before} 23:58:30", f"{after} 00:00:50"
    names: tuple[Any, ...] = ("books", "buckets")
    box = ("--books", recording.book_file, "--speed", "max")
    with ThreadPoolExecutor() as pool, l2_box.exchange(tmp_path, *box) as there:
        live: dict[str, Future[list[dict[str, Any]]]] = {
            name: pool.submit(collected, live_rows(name, span, vault)) for name in names
        }
        words = ("--instId", BTC, "--deep-every", 0, "--stop-when-idle", 1)
        exporter = l2_box.started(vault, there, *words)
        while exporter.poll() is None:
            calculate(vault, l2_bucketizer)
        exporter.communicate()
        calculate(vault, l2_bucketizer)
        met = {name: future.result(trades_box.LIMIT_S) for name, future in live.items()}
    for name in names:
        wanted = list(getattr(read, name)(BTC, *span, vault=vault.root).rows())
        assert len(wanted) > 50, name
        assert met[name] == wanted, name


def test_latest_begins_with_records_to_come(tmp_path):
    """Those on disk are passed over; a torn line is not read before it is whole."""
    vault, lines = Vault(tmp_path / "vault"), trade_lines(minutes=60)
    write_raw(vault, BTC, lines[:50])
    tables = read.follow("trades", BTC, vault=vault.root, every_s=0.01, idle_s=0.05)
    write_raw(vault, BTC, lines[50:60])
    assert len(next(tables)) == 10
    (path,) = vault.trades(BTC).iterdir()
    with path.open("ab") as out:
        out.write(lines[60][:40])
    assert list(tables) == []  # nothing whole came: it ended by itself
    again = read.follow("trades", BTC, vault=vault.root, every_s=0.01, idle_s=0.05)
    with path.open("ab") as out:
        out.write(lines[60][40:])
    (row,) = collected(again)
    assert str(row["trade_id"]) == orjson.loads(lines[60])["trade_id"]


def test_a_repair_behind_the_reader_is_said(tmp_path):
    """Rows put in where it has read already cannot follow: it ends with the remedy."""
    vault, lines = Vault(tmp_path / "vault"), trade_lines(minutes=60)
    write_raw(vault, BTC, lines)
    tables = read.follow("trades", BTC, None, vault=vault.root, every_s=0.01, idle_s=5)
    assert len(next(tables)) > 0
    gap_ledger.raise_generation(vault.generation(BTC))
    with pytest.raises(VaultError, match=r"missing trades were put in; read the span again"):
        next(tables)


def test_a_replaced_file_is_said(tmp_path):
    """Other bytes where it has read: it ends with file and remedy."""
    vault, lines = Vault(tmp_path / "vault"), trade_lines(minutes=60)
    write_raw(vault, BTC, lines[:50])
    tables = read.follow("trades", BTC, None, vault=vault.root, every_s=0.01, idle_s=5)
    assert len(next(tables)) > 0
    (path,) = vault.trades(BTC).iterdir()
    path.write_bytes(b"".join(lines[1:60]))
    with pytest.raises(VaultError, match=rf"{path.name} does not hold .* read the span again"):
        next(tables)


def test_records_cut_off_by_a_crash_are_awaited(tmp_path):
    """A calculator that was killed cuts its file and writes the same again: nothing comes twice."""
    vault, lines = Vault(tmp_path / "vault"), trade_lines(minutes=60)
    write_raw(vault, BTC, lines)
    calculate(vault)
    path = vault.derived("vwap", BTC) / "vwap_1m.jsonl"
    whole = path.read_bytes()
    cut = whole[: whole.rfind(b"\n", 0, -1) + 1]
    tables = read.follow("vwap", BTC, None, vault=vault.root, every_s=0.01, idle_s=0.05)
    first = next(tables)
    path.write_bytes(cut)
    assert list(tables) == []
    tables = read.follow("vwap", BTC, None, vault=vault.root, every_s=0.01, idle_s=5)
    assert len(next(tables)) == len(first) - 1
    path.write_bytes(whole)
    assert len(next(tables)) == 1
