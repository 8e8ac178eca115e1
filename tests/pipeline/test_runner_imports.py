"""A run while imported days are being put in their places: on the old data, and it says so."""

import logging

import pytest

from ravequant import exchanges
from ravequant.errors import LockedError, VaultError
from ravequant.pipeline import runner
from ravequant.settings import Settings
from ravequant.vault import tail
from ravequant.vault.gap_ledger import raise_generation
from ravequant.vault.imports import under_way
from tests.support.import_market import BTC, WHOLE, archive, of_days, put, raw
from Trades_Bot.archive_files import ArchiveFolder
from Trades_Bot.day_import import DayOptions, TradeDayBuilder
from VWAP.vwap_calculator import CALCULATOR

OKX = exchanges.load_archive("okx")


def run(vault):
    return runner.run(CALCULATOR.job(vault, BTC, Settings()))


def noted(vault, folder, days):
    """Build days and note them, as far as an import goes before its first rename."""
    from ravequant.vault import instruments

    contract = instruments.load(vault, BTC).contract
    builder = TradeDayBuilder(vault, BTC, OKX, contract, DayOptions())
    there = ArchiveFolder(folder, OKX)
    for day in days:
        assert builder.build(there.day(BTC, day)).outcome == "built"
    under_way.note(vault, BTC, days)


def test_it_ends_on_the_old_data_and_the_next_run_computes_anew(vault, tmp_path, caplog):
    """The note is named; once the generation has risen everything is rebuilt, and said."""
    put(vault, of_days(WHOLE[1]) + of_days(WHOLE[2])[:300])
    run(vault)
    noted(vault, archive(tmp_path / "a"), WHOLE[:1])
    with caplog.at_level(logging.INFO):
        assert run(vault).rebuilt is None
    assert "this run ends on the data as they were" in caplog.text
    under_way.finish(vault, BTC)
    summary = run(vault)
    assert summary.rebuilt == "repaired"
    whole = put(type(vault)(tmp_path / "whole"), of_days(*WHOLE[:2]) + of_days(WHOLE[2])[:300])
    run(whole)
    made = [one.derived("vwap", BTC) / "vwap_1m.jsonl" for one in (vault, whole)]
    assert made[0].read_bytes() == made[1].read_bytes()


def test_a_file_replaced_under_it_is_no_damage(vault, tmp_path):
    """Exit code 4 while the note stands: the next run computes anew."""
    records = of_days(WHOLE[1])
    put(vault, records[len(records) // 2 :])
    run(vault)
    noted(vault, archive(tmp_path / "a"), WHOLE[1:2])
    path = vault.trades(BTC) / f"{WHOLE[1]}.jsonl"
    path.write_bytes(raw(vault)[WHOLE[1]][5_000:].partition(b"\n")[2])
    with pytest.raises(LockedError, match="That is no damage"):
        run(vault)
    vault.import_note(BTC).unlink()
    with pytest.raises(VaultError, match="run again with --rebuild") as caught:
        run(vault)
    assert not isinstance(caught.value, LockedError)


def test_a_generation_that_rises_under_it_is_named_too(vault, monkeypatch):
    """The note may be gone by the time that the run meets the other file."""
    put(vault, of_days(WHOLE[1]))

    def finished(*_):
        raise_generation(vault.generation(BTC))
        raise VaultError("replaced")

    monkeypatch.setattr(tail.Tail, "blocks", finished)
    monkeypatch.setattr(tail.Tail, "pieces", finished)
    with pytest.raises(LockedError, match=r"replaced\. That is no damage"):
        run(vault)
