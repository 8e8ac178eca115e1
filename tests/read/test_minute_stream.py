"""Tests of ravequant.read.minute_stream: minutes are those of the calculators."""

import gzip

import orjson
import pytest

from ravequant import read, times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.paths import Vault
from tests.support.sql_vault import BTC, canonical

SAME = ("open", "high", "low", "close", "trade_count", "gap")


def test_minutes_are_those_of_the_volume_analyzer(filled):
    """Every minute it has written, with the same prices, counts, amounts and gaps."""
    path = filled.derived("volume", BTC) / "volume_1m.jsonl"
    written = [orjson.loads(text) for text in path.read_bytes().splitlines()]
    met = list(read.minutes(BTC, vault=filled.root).rows())
    for row, line in zip(met, written, strict=True):
        assert f"{row['timestamp_utc'].isoformat()}Z" == line["timestamp_utc"]
        for name in SAME:
            value = row[name]
            assert canonical(str(value) if name in SAME[:4] else value) == canonical(line[name])
        assert canonical(f"{row['notional']:f}") == canonical(line["total_volume"])
        assert row["notional"] == row["buy_notional"] + row["sell_notional"]


def test_any_vwap_is_made_of_the_sums(filled):
    """The session's VWAP of the last minute, from the sums of price x notional since midnight."""
    minutes = read.minutes(BTC, "2025-12-15 00:00", vault=filled.root)
    total = sum(minutes["price_notional"].decimal()) / sum(minutes["notional"].decimal())
    wanted = read.vwap(BTC, "latest", vault=filled.root)["vwap_session"].decimal()[0]
    assert round(total, 8) == wanted


def test_a_span_is_complete_once_its_last_minute_has_closed(filled):
    """Before that more of it may come."""
    assert read.minutes(BTC, "2025-12-14 20:00", "2025-12-14 21:00", vault=filled.root).complete
    assert not read.minutes(BTC, "2025-12-14 20:00", "2025-12-15 02:00", vault=filled.root).complete


@pytest.mark.parametrize("gz", [False, True], ids=["plain", "packed"])
def test_a_gap_before_the_first_trade_of_a_day_marks_its_minute(tmp_path, gz):
    """Ids are missing over midnight, and nothing traded for minutes: the day before says it."""
    vault, encoder = Vault(tmp_path), TradeEncoder(BTC, Contract("0.01", "1", "linear"))
    folder, midnight = vault.trades(BTC), times.day_start_ms("2025-12-15")
    folder.mkdir(parents=True)
    before = encoder.line(Trade(midnight - 600_000, 10, "buy", "101", "45"))
    after = [
        encoder.line(Trade(midnight + ms, trade_id, "buy", "101", "45"))
        for ms, trade_id in ((150_000, 20), (300_000, 21))
    ]
    if gz:
        (folder / "2025-12-14.jsonl.gz").write_bytes(gzip.compress(before))
    else:
        (folder / "2025-12-14.jsonl").write_bytes(before)
    (folder / "2025-12-15.jsonl").write_bytes(b"".join(after))
    met = read.minutes(BTC, "2025-12-15 00:02", vault=tmp_path)
    assert met["gap"].values.tolist() == [True]
