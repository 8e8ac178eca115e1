"""The background fill: newest first, gently, and through errors."""

import threading

import pytest

from Dashboard import heat, heat_columns, heat_fill
from Dashboard.heat_columns import Asked, HeatColumns
from Dashboard.heat_fill import HeatFill
from ravequant.vault.paths import Vault
from tests.support import book_lines, heat_market
from tests.support.alert_cases import until
from tests.support.heat_market import BTC, SETTINGS, START

FIRST = START // 60_000


@pytest.fixture
def vault(tmp_path):
    made = Vault(tmp_path)
    heat_market.put(made, *heat_market.market(0))
    return made


def test_a_round_reads_what_is_over_newest_first(vault, monkeypatch):
    """After it an answer reads the newest minute alone."""
    monkeypatch.setattr(heat_columns, "AT_ONCE", 4)
    wanted = HeatColumns(vault, SETTINGS).answer(Asked(BTC, FIRST, FIRST + 9, 1, 1 << 60))
    columns = HeatColumns(vault, SETTINGS)
    read: list[int] = []
    made = heat.column_of

    def counted(shown, *rest):
        read.append(shown.head.ts // 60_000 - FIRST)
        return made(shown, *rest)

    monkeypatch.setattr(heat, "column_of", counted)
    for _ in HeatFill(columns, lambda: [BTC], minutes=7).round():
        pass
    assert read == [6, 7, 8, 2, 3, 4]  # minute 5 has no book, 9 is not over
    read.clear()
    assert columns.answer(Asked(BTC, FIRST, FIRST + 9, 1, 1 << 60)) == wanted
    assert read == [0, 1, 9]


def test_a_further_round_reads_new_minutes_alone(vault, monkeypatch):
    """At rest the background costs nothing; what was forgotten is read again."""
    columns = HeatColumns(vault, SETTINGS)
    fill = HeatFill(columns, lambda: [BTC])
    passes = len(list(fill.round()))
    assert passes > 2
    assert len(list(fill.round())) == 1  # the end alone
    row = heat_market.market(0, minutes=11)[0][-1]
    book_lines.put(vault.snapshots(BTC), [row])
    assert len(list(fill.round())) == 2
    columns.forget(BTC)
    assert len(list(fill.round())) == passes


def test_it_rests_four_times_as_long_as_it_works(vault, monkeypatch):
    """A fifth of a core: after each pass it waits for four times the time that this took."""
    clock = iter(range(100))
    monkeypatch.setattr(heat_fill, "thread_time", lambda: next(clock))
    fill = HeatFill(HeatColumns(vault, SETTINGS), lambda: [BTC])
    rests: list[float] = []
    monkeypatch.setattr(fill._stopped, "wait", rests.append)
    assert len(list(fill.round())) == len(rests)
    assert set(rests) == {4.0}


def test_an_instrument_that_cannot_be_read_stops_no_other(vault, caplog):
    """It is named once; the others are filled."""
    bad = "NONE-USDT-SWAP"
    folder = vault.snapshots(bad) / "2025-12-15"
    folder.mkdir(parents=True)
    source = vault.snapshots(BTC) / "2025-12-15" / "00.jsonl"
    (folder / "00.jsonl").write_bytes(source.read_bytes().replace(BTC.encode(), bad.encode()))
    columns = HeatColumns(vault, SETTINGS)
    fill = HeatFill(columns, lambda: [bad, BTC])
    for _ in range(2):
        assert list(fill.round())
    assert caplog.text.count("no metadata of NONE-USDT-SWAP") == 1
    assert (BTC, FIRST + 2, 20 * 10**20) in columns._kept


def test_the_thread_ends_when_it_is_told_to(vault):
    """Also in the pause between two rounds."""
    asked = threading.Event()

    def inst_ids():
        asked.set()
        return [BTC]

    fill = HeatFill(HeatColumns(vault, SETTINGS), inst_ids)
    fill.start()
    assert asked.wait(10)
    fill.stop()
    assert not fill._thread.is_alive()


def test_no_round_is_the_last(vault, monkeypatch, caplog):
    """An error that nobody expected is logged, and the next round begins."""
    monkeypatch.setattr(heat_fill, "_PAUSE_S", 0.01)
    asked = []

    def inst_ids():
        asked.append(1)
        raise PermissionError("not now")

    fill = HeatFill(HeatColumns(vault, SETTINGS), inst_ids)
    fill.start()
    until(lambda: len(asked) > 2)
    fill.stop()
    assert "the heat of the past is not kept" in caplog.text
