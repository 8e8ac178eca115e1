"""Checks of a vault: gaps, torn and bad lines, long silences, the lab's verdict."""

from ravequant import times
from ravequant.checks.check import Check
from ravequant.signals.lab_verdict import verdict_file, write_verdict
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from scripts.checks import vault as checks
from tests.scripts.test_doctor import put_books
from tests.signals.test_lab_verdict import ROW as VERDICT
from tests.support.trades_box import BTC

NOW = times.parse_iso("2025-12-14T21:34:00.000Z")


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


def test_a_record_ahead_is_not_the_beginning_of_the_newest_hour(tmp_path):
    """The lines before it are looked at, too."""
    path = tmp_path / "2025-12-14.jsonl"
    good = b'{"timestamp_utc":"2025-12-14T21:00:00.000Z"}\n'
    ahead = b'{"timestamp_utc":"2025-12-14T23:59:00.000Z","ahead":true}\n'
    path.write_bytes(good * 3 + ahead)
    assert list(checks._newest_hour([("2025-12-14", path)])) == [ahead, good, good, good]


def test_the_verdict_of_the_lab_has_a_line(vault):
    """Its word and age; without a lab the way to one; a damaged or broken one warns."""
    now = times.parse_iso(VERDICT["made_utc"]) + 3 * times.HOUR_MS
    assert checks.lab(vault, now) == Check(
        "lab", "PASS", "not tested; python Edge_Lab/edge_lab.py judge, then verdict"
    )
    write_verdict(vault, VERDICT)
    assert checks.lab(vault, now) == Check("lab", "PASS", f"{VERDICT['short']}, 3 h old")
    old = checks.lab(vault, now + 7 * times.DAY_MS)
    assert (old.level, old.remedy) == ("WARN", "python Edge_Lab/edge_lab.py judge, then verdict")
    assert old.text == f"{VERDICT['short']}, 7 d old: the answers say `not tested`"
    write_verdict(vault, {**VERDICT, "word": "LAB BROKEN", "short": "LAB BROKEN"})
    found = checks.lab(vault, now)
    assert (found.level, found.text) == ("WARN", "LAB BROKEN, 3 h old")
    verdict_file(vault).write_bytes(b"{}")
    found = checks.lab(vault, now)
    assert (found.level, found.remedy) == ("WARN", "python Edge_Lab/edge_lab.py verdict")
    assert "'version' is missing" in found.text
