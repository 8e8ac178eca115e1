"""Checks of a vault: ages, exclusions, gaps, torn and bad lines, long silences."""

from ravequant import times
from ravequant.contract import Contract
from ravequant.signals.lab_verdict import verdict_file, write_verdict
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.lock import writer_lock
from scripts.checks import vault as checks
from scripts.checks.computer import Check
from tests.scripts.test_doctor import put_books, put_trades
from tests.signals.test_lab_verdict import ROW as VERDICT
from tests.support.trades_box import BTC

NOW = times.parse_iso("2025-12-14T21:34:00.000Z")


def test_an_old_record_is_explained_by_its_recorder(vault):
    """A back-fill, an exclusion, a broken network: each in its own words, with its own remedy."""
    now = times.utc_now_ms()
    put_trades(
        vault, Contract("0.01", "1", "linear"), range(now - 7_200_000, now - 6_000_000, 60_000)
    )
    beat = Heartbeat(vault, "trades_exporter")

    def trades(**facts) -> tuple[str, str, str]:
        beat.write({"connections": 1, **facts})
        found = next(iter(checks.records(vault, BTC, now)))
        assert found.name == f"trades {BTC}"
        return found.level, found.text, found.remedy

    filling = {"at_utc": "2025-12-14T20:09:00.000Z", "until_utc": "2025-12-14T21:38:00.000Z",
               "left_s": 350.0}  # fmt: skip
    level, text, remedy = trades(instruments={BTC: {"filling": filling}})
    assert (level, remedy) == ("WARN", "wait, it ends by itself; then the signals are up to date")
    assert text == "fetching past trades: at 20:09 UTC, 1h29m to go, about 6 min"
    later = next(iter(checks.records(vault, "X-Y", now)))
    assert later.text == "no record at all, though trades_exporter lives"
    level, text, remedy = trades(instruments={BTC: {"left_out": "its ids begin lower; run x.py"}})
    assert (level, text, remedy) == ("FAIL", "left out: its ids begin lower", "run x.py")
    level, text, remedy = trades(problem="cannot reach openapi.okx.com: name not known")
    assert (level, remedy) == ("FAIL", "see whether the network is up; it goes on by itself")
    assert text == "newest record is 101 min old: cannot reach openapi.okx.com: name not known"
    level, text, remedy = trades()
    assert text == "newest record is 101 min old, though trades_exporter lives"
    assert remedy == "look for its last words: python scripts/peek.py log trades_exporter"


def test_an_exporter_that_holds_its_log_is_not_to_be_started(vault):
    """Its heartbeat is old, as on a full disk: the line of the exporter has the remedy."""
    now = times.utc_now_ms()
    Heartbeat(vault, "l2_exporter").write({"heartbeat_utc": times.iso(now - 600_000)})

    def remedy() -> str:
        return next(check.remedy for check in checks.records(vault, BTC, now) if "l2" in check.name)

    assert remedy() == "start it: python L2_Bot/l2_exporter.py"
    with writer_lock(vault, "l2_perps", BTC):
        assert remedy() == "see l2_exporter above"


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


def test_a_trade_file_of_a_day_to_come_is_named(vault):
    """An earlier version let a trade ahead of its time open it; tomorrow's may be there already."""
    folder = vault.trades(BTC)
    folder.mkdir(parents=True)

    def named() -> list[tuple[str, str]]:
        found = checks.records(vault, BTC, NOW)
        return [(one.text, one.remedy) for one in found if one.name == f"trade days {BTC}"]

    (folder / "2025-12-15.jsonl").write_bytes(b"")
    assert named() == []
    (folder / "2098-01-01.jsonl").write_bytes(b"")
    assert named() == [
        (
            "2098-01-01.jsonl, of a day to come, was opened by a trade ahead of its time",
            "stop the trade exporter, then: python scripts/repair_gaps.py",
        )
    ]


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
