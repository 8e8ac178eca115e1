"""The rows of health: those of doctor, few, cheap, and never an error."""

import pytest

from ravequant import times
from ravequant.checks import disk, health, programs, records
from ravequant.contract import Contract
from ravequant.errors import VaultError
from ravequant.settings import Settings
from ravequant.vault.paths import VAULT_VARIABLE
from ravequant.vault.retention.survey import survey
from tests.checks.test_programs import put_beat
from tests.scripts.test_doctor import put_trades
from tests.support.trades_box import BTC

NOW = times.parse_iso("2025-12-14T21:34:00.000Z")
ROWS = ["trades_exporter", "l2_exporter"]


@pytest.fixture(autouse=True)
def _measured_anew():
    """Forget the sizes of the vaults of other tests."""
    health._surveyed.cache_clear()


def put_working(vault) -> None:
    """Write the heartbeats of a recording in which all is well."""
    for name in ("trades_exporter", "l2_exporter"):
        put_beat(vault, name, NOW, instruments={BTC: {"gaps": 0}})
    put_beat(vault, "run_all", NOW, tasks={f"cvd.{BTC}": {"every_s": 60}})


def test_the_rows_are_those_of_doctor(vault, monkeypatch):
    """Name, level, words and remedy: recorders, calculators, disk, in this order."""
    monkeypatch.setenv(VAULT_VARIABLE, str(vault.root))
    vault.root.mkdir()
    put_working(vault)
    checks = [
        *programs.exporters(vault, NOW),
        *programs.run_all(vault, NOW),
        disk.disk(vault, Settings(), NOW),
    ]
    found = health.health(vault, [BTC], NOW)
    assert [row["name"] for row in found] == [*ROWS, "run_all", "disk"]
    assert [tuple(row.values()) for row in found[:3]] == [
        (check.name, check.level, check.text, check.remedy) for check in checks[:3]
    ]
    assert found[2]["words"] == "calculators every 1 min"
    assert found[3]["words"].partition(" free")[1:] == checks[3].text.partition(" free")[1:]


def test_a_calculator_that_stands_takes_the_place_of_the_others(vault):
    """With its remedy, which names the vault; the first of several, as doctor lists them."""
    put_working(vault)
    put_trades(vault, Contract("0.01", "1", "linear"), range(NOW - 60_000, NOW, 10_000))
    worst = next(check for check in records.calculators(vault, BTC, NOW) if check.level == "FAIL")
    row = health.health(vault, [BTC], NOW)[2]
    assert (row["name"], row["level"], row["words"]) == (worst.name, "FAIL", worst.text)
    assert row["remedy"] == (
        f"run the calculators every few minutes: python scripts/run_all.py{vault.option}"
    )


def test_calculators_that_run_without_run_all_are_counted(vault):
    """As its window counts them."""
    put_working(vault)
    vault.health("run_all").unlink()
    row = health.health(vault, [BTC], NOW)[2]
    assert (row["name"], row["words"]) == ("calculators", "5 up to date")


def test_a_vault_that_cannot_be_measured_is_a_row(vault, monkeypatch):
    """The others stand; no error reaches the screen."""

    def broken(*_):
        raise VaultError("/v: gone")

    monkeypatch.setattr(disk, "survey", broken)
    row = health.health(vault, [BTC], NOW)[-1]
    assert (row["name"], row["level"], row["words"]) == ("disk", "FAIL", "/v: gone")


def test_the_files_are_measured_once_in_ten_minutes(vault, monkeypatch):
    """A vault of months has many; its free space is asked each time."""
    measured = []

    def counting(where):
        measured.append(where)
        return survey(where)

    monkeypatch.setattr(disk, "survey", counting)
    for seconds in (0, 2, 300, 599):
        health.health(vault, [BTC], NOW // 600_000 * 600_000 + seconds * 1_000)
    assert len(measured) == 1
    health.health(vault, [BTC], NOW // 600_000 * 600_000 + 600_000)
    assert len(measured) == 2


def test_settings_that_cannot_be_read_leave_the_disk_its_row(vault, monkeypatch, settings_file):
    """The rules of the defaults hold meanwhile."""
    monkeypatch.setenv("RAVEQUANT_SETTINGS", str(settings_file("retention = 5\n")))
    assert health.health(vault, [BTC], NOW)[-1]["name"] == "disk"
