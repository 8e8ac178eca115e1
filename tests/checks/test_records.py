"""Checks of the ages of records, raw and computed."""

from ravequant import times
from ravequant.checks import records as checks
from ravequant.contract import Contract
from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.lock import writer_lock
from tests.scripts.test_doctor import put_trades
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
