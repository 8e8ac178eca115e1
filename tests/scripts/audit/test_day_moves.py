"""A day file that a record ahead of its time opened gives its records back to their days."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from ravequant import times
from ravequant.records import Trade
from ravequant.sim.instruments import swap_row
from ravequant.vault import instruments
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.paths import Vault
from scripts import verify_vault
from tests.scripts.test_repair_gaps import (
    ENCODER,
    LINEAR,
    MARKET,
    NOON,
    calculate,
    derived,
    note_id_hole,
    put,
    raw,
    repair,
)
from tests.support.trades_box import BTC

NOBODY = ("--rest-url", "http://127.0.0.1:9")  # nothing is missing, so nothing is asked


def opened_early(at: int, by_ms: int, count: int = 1) -> tuple[list[Trade], list[Trade]]:
    """Return the market with records ahead: as an older exporter took them, and as they are."""
    rows = [
        replace(trade, ts=trade.ts + by_ms) if at <= number < at + count else trade
        for number, trade in enumerate(MARKET)
    ]
    named = [replace(row, ahead=row != trade) for row, trade in zip(rows, MARKET, strict=True)]
    return rows, named


def put_named(vault: Vault, trades: Iterable[Trade]) -> Vault:
    """Write trades by the file rule of SPEC section 3, those ahead into the file of the others."""
    vault.trades(BTC).mkdir(parents=True)
    day = times.day(NOON)
    for trade in trades:
        day = day if trade.ahead else max(day, times.day(trade.ts))
        with (vault.trades(BTC) / f"{day}.jsonl").open("ab") as file:
            file.write(ENCODER.line(trade))
    return vault


YEARS, HOURS = 70 * 365 * times.DAY_MS, 14 * times.HOUR_MS


@pytest.mark.parametrize("ahead", [(40, YEARS, 1), (40, YEARS, 3), (0, YEARS, 1), (10, HOURS, 2)])
def test_what_a_record_ahead_opened_is_moved_to_the_files_of_its_days(
    tmp_path, vault, capsys, ahead
):
    """Files, minutes and certificate are then those of a vault that knew it at once."""
    taken, named = opened_early(*ahead)
    put(vault, taken)
    whole = put_named(Vault(tmp_path / "whole"), named)
    for one in (vault, whole):
        note_id_hole(one)
        meta = instruments.parse_instrument(swap_row(BTC, LINEAR, "0.1", "0.01"))
        instruments.save(one, meta, None)
        calculate(one)
    assert raw(vault) != raw(whole)
    assert derived(vault) != derived(whole)
    assert verify_vault.main(["--vault", str(vault.root)]) == 1
    assert "belong into another day's file: run scripts/repair_gaps.py" in capsys.readouterr().out
    assert repair(vault, NOBODY) == 0
    assert raw(vault) == raw(whole)
    assert "a record ahead of its time had opened the file of" in capsys.readouterr().err
    calculate(vault)
    assert derived(vault) == derived(whole)
    capsys.readouterr()
    assert verify_vault.main(["--vault", str(vault.root)]) == 0
    assert f"{ahead[-1]} records ahead of the exchange's time" in capsys.readouterr().out
    generation = read_generation(vault.generation(BTC))
    assert repair(vault, NOBODY) == 0  # nothing more to do
    assert read_generation(vault.generation(BTC)) == generation == 1
