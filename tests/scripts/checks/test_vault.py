"""Checks of a vault: heartbeats, ages, gaps, torn and bad lines, long silences."""

import os

import orjson
import pytest

from ravequant import times
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from ravequant.vault.lock import writer_lock
from scripts.checks import vault as checks
from tests.scripts.test_doctor import put_books
from tests.support.trades_box import BTC

NOW = times.parse_iso("2025-12-14T21:34:00.000Z")


def put_beat(vault, name: str, ms: int, **facts) -> None:
    """Write a heartbeat of a moment."""
    path = vault.health(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps({"pid": 77, "heartbeat_utc": times.iso(ms), **facts}))


@pytest.mark.parametrize(
    ("age_ms", "facts", "lives"),
    [
        (0, {}, True),
        (30_000, {}, True),
        (30_001, {}, False),
        (-30_000, {}, True),
        (-30_001, {}, False),
        (0, {"stopped": True}, False),
    ],
)
def test_a_heartbeat_lives_for_half_a_minute(vault, age_ms, facts, lives):
    """One of the future is none, beyond what two clocks may differ; nor is the last one."""
    put_beat(vault, "l2_exporter", NOW - age_ms, **facts)
    assert checks.alive(checks.heartbeat(vault, "l2_exporter"), NOW) is lives


def test_an_exporter_is_well_dead_unconnected_or_refused_by_the_disk(vault):
    """Each has its own level and remedy."""

    def found() -> list[tuple[str, str]]:
        return [(check.level, check.text) for check in checks.exporters(vault, NOW)]

    assert found() == [("FAIL", "has never run on this vault")] * 2
    put_beat(vault, "trades_exporter", NOW, connections=1)
    put_beat(vault, "l2_exporter", NOW - 3_600_000 * 5, stopped=True)
    assert found() == [("PASS", "lives (pid 77)"), ("FAIL", "was stopped 5 h ago (pid 77)")]
    put_beat(vault, "trades_exporter", NOW)
    put_beat(vault, "l2_exporter", NOW, instruments={BTC: {"disk_refuses": True}})
    assert found() == [
        ("WARN", "lives, but has no connection"),
        ("FAIL", f"the disk refuses {BTC}"),
    ]
    put_beat(vault, "trades_exporter", NOW, connections=1)
    with writer_lock(vault, "trades_perps", BTC):
        assert found()[0] == ("FAIL", f"a second one runs: pid 77 and {os.getpid()}")
    assert found()[0] == ("PASS", "lives (pid 77)")


def test_only_open_gaps_are_a_failure(vault):
    """What was repaired, lost, or never was, is no reason to fetch."""
    ledger = GapLedger(vault.gap_ledger(BTC), BTC)
    for first, status in ((1, "repaired"), (11, "id_hole"), (21, "unrecoverable")):
        ledger.append(LedgerEntry(Gap(first, first + 9), status, "", NOW))  # type: ignore[arg-type]
    assert checks.open_gaps(vault, BTC).level == "PASS"
    ledger.append(LedgerEntry(Gap(5, 12), "open", "", NOW))
    found = checks.open_gaps(vault, BTC)
    assert (found.level, found.remedy) == ("FAIL", "python scripts/repair_gaps.py")
    assert found.text == "8 trades are missing and may still be had"


def test_a_span_without_books_of_more_than_ten_minutes_is_a_silence(vault):
    """Ten minutes are none; a day later nobody asks any more."""
    minute = times.MINUTE_MS
    put_books(vault, range(NOW - 130 * minute, NOW - 125 * minute, 2_000))
    put_books(vault, range(NOW - 60 * minute, NOW, 2_000))
    found = checks.asleep(vault, BTC, NOW)
    assert found.level == "WARN"
    assert found.text.startswith("no book 2025-12-14T19:28Z to 2025-12-14T20:34Z: asleep or off?")
    assert checks.asleep(vault, BTC, NOW + 2 * times.DAY_MS).level == "PASS"
