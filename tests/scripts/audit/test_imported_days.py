"""Imported days in the certificate: their provenance, and lines that the import did not write."""

from typing import Any

import pytest

from ravequant.vault.paths import Vault
from scripts import verify_vault
from tests.scripts.test_verify_vault import DAY, START, certify, put, trades
from tests.support.imported import hash_of, note
from tests.support.trades_box import BTC

SAID = "source: OKX archive, personal use: 30 lines of X-trades-2025-12-14.zip; proof candles"
LINES = trades(1, 50)


def imported(vault: Vault, **facts: Any) -> None:
    """Put a day into the vault of which an import wrote the lines 11 to 40."""
    put(vault, LINES)
    mine = LINES[10:40]
    note(
        vault, BTC, records=30, spans=((11, 40),), sha256=hash_of(LINES),
        records_sha256=hash_of(mine), **facts,
    )  # fmt: skip


def test_an_imported_day_says_its_source_and_its_proof(vault, capsys):
    """In the table and in JSON; it is as complete as any other."""
    imported(vault)
    code, days = certify(vault, capsys)
    day = days[f"trades {DAY}"]
    assert (code, day["problems"], day["notes"]) == (0, [], [f"{SAID}; contract candles"])
    assert day["provenance"]["source"] == "OKX archive, personal use"
    assert day["provenance"]["spans"] == [["11", "40"]]
    assert verify_vault.main(["--vault", str(vault.root)]) == 0
    assert f"{BTC} trades {DAY}: {SAID}" in capsys.readouterr().out
    put(vault, trades(51, 5, START + 86_400_000), "2025-12-15")
    assert certify(vault, capsys)[1]["trades 2025-12-15"]["provenance"] is None


def test_a_day_that_is_not_proved_says_by_how_many_minutes(vault, capsys):
    """It is complete all the same: its ids are there."""
    imported(vault, proof="unproved", differing_minutes=3)
    code, days = certify(vault, capsys)
    assert code == 0
    (said,) = days[f"trades {DAY}"]["notes"]
    assert "proof unproved; 3 minutes differ from their candles; contract candles" in said


@pytest.mark.parametrize("changed", [10, 25, 39])
def test_an_imported_line_that_was_changed_makes_the_day_wrong(vault, capsys, changed):
    """Also where no earlier run has noted the file."""
    imported(vault)
    line = LINES[changed].replace(b"101250.5", b"101250.6")
    path = put(vault, [*LINES[:changed], line, *LINES[changed + 1 :]])
    code, days = certify(vault, capsys)
    assert code == 1
    (said,) = days[f"trades {DAY}"]["problems"]
    assert said == (
        f"{path}: its imported lines are not those that the import wrote; put a good copy back, "
        "or import the day again"
    )


def test_a_repair_after_the_import_is_said_and_no_fault(vault, capsys):
    """The lines of the import are as they were."""
    lines = [line for line in LINES if line not in LINES[44:46]]
    put(vault, lines)
    note(vault, BTC, records=30, spans=((11, 40),), sha256=hash_of(lines),
         records_sha256=hash_of(LINES[10:40]))  # fmt: skip
    assert certify(vault, capsys)[0] == 1  # two ids lack
    put(vault, LINES)
    code, days = certify(vault, capsys)
    assert (code, days[f"trades {DAY}"]["problems"]) == (0, [])
    assert "lines were put in since the import" in days[f"trades {DAY}"]["notes"][1]


@pytest.mark.parametrize("again", [False, True])
def test_an_import_into_a_noted_day_is_no_change_of_its_lines(vault, capsys, again):
    """Lines put in before, between and behind the recorded ones; a changed one is still told."""
    if again:  # an earlier import had put in some of them, and then the day was noted
        put(vault, LINES[20:30])
        note(vault, BTC, records=5, spans=((26, 30),), sha256=hash_of(LINES[20:30]),
             records_sha256=hash_of(LINES[25:30]))  # fmt: skip
    else:
        put(vault, LINES[20:30])
    assert certify(vault, capsys)[0] == 0
    noted = vault.state("verify", BTC).read_bytes()
    put(vault, LINES)
    note(vault, BTC, records=40, spans=((1, 20), (31, 50)), sha256=hash_of(LINES),
         records_sha256=hash_of(LINES[:20] + LINES[30:]))  # fmt: skip
    assert certify(vault, capsys)[0] == 0
    vault.state("verify", BTC).write_bytes(noted)
    put(vault, [*LINES[:24], LINES[24].replace(b"101250.5", b"101250.6"), *LINES[25:]])
    code, days = certify(vault, capsys)
    assert code == 1
    assert "are not those of an earlier run" in days[f"trades {DAY}"]["problems"][0]


def test_damaged_provenance_is_a_fault_and_stops_nothing(vault, capsys):
    """The days are judged all the same."""
    put(vault, LINES)
    vault.imports(BTC).parent.mkdir(parents=True)
    vault.imports(BTC).write_bytes(b"{}\n")
    code, days = certify(vault, capsys)
    assert (code, days[f"trades {DAY}"]["problems"]) == (1, [])
    assert "line 1 is no provenance" in days["imports "]["problems"][0]
