"""Tests of ravequant.read.trade_stream: gaps by the ledger, records very late or ahead."""

import json

import numpy as np

from ravequant import read, times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from ravequant.vault.paths import Vault
from tests.support.trade_streams import BTC, START, write_raw

ENCODER = TradeEncoder(BTC, Contract("0.01", "1", "linear"))


def trade(second: int, trade_id: int, price: str = "101250.5", **fields) -> bytes:
    return ENCODER.line(Trade(START + 1_000 * second, trade_id, "buy", price, "45", **fields))


def ids(table: read.Table) -> list[int]:
    found: list[int] = table["trade_id"].values.tolist()
    return found


def test_only_gaps_of_the_span_count(tmp_path):
    """A jump of ids is a gap unless the ledger calls it a hole; one before the span is not its."""
    vault = Vault(tmp_path)
    write_raw(vault, BTC, [trade(0, 10), trade(1, 15), trade(2, 20), trade(3, 30, count=2)])
    GapLedger(vault.gap_ledger(BTC), BTC).append(LedgerEntry(Gap(16, 19), "id_hole", "", 0))
    assert read.trades(BTC, vault=tmp_path).counts.gaps == 2
    assert read.trades(BTC, times.iso(START + 1_000), vault=tmp_path).counts.gaps == 1


def test_a_record_without_a_time_to_believe_stands_where_it_was_written(tmp_path):
    """One that is ahead and one that is very late belong to the record before them."""
    late = json.loads(trade(100, 12)) | {"timestamp_utc": times.iso(START - times.HOUR_MS)}
    lines = [
        trade(0, 10), trade(400, 11), json.dumps(late).encode() + b"\n",
        trade(9_999_999, 13, ahead=True), trade(101, 14),
    ]  # fmt: skip
    vault = Vault(tmp_path)
    for one in lines:
        vault.trades(BTC).mkdir(parents=True, exist_ok=True)
        with (vault.trades(BTC) / "2025-12-14.jsonl").open("ab") as out:
            out.write(one)

    def span(begin: int, end: int) -> read.Table:
        moments = (times.iso(START + ms) for ms in (begin, end))
        return read.trades(BTC, *moments, vault=vault.root)

    around = span(400_000, 400_001)
    assert ids(around) == [11, 12, 13]
    assert around["ahead"].values.tolist() == [False, False, True]
    assert (around.counts.late, around.counts.ahead) == (1, 1)
    assert ids(span(100_000, 200_000)) == [14]
    own = np.datetime64(late["timestamp_utc"].removesuffix("Z"))
    assert around["timestamp_utc"].values[1] == own


def test_amounts_that_pass_a_word_are_exact(tmp_path):
    """Price times size of 30 digits: Python integers, in the same columns."""
    write_raw(Vault(tmp_path), BTC, [trade(0, 10, "12345678901.123456789"), trade(1, 11, "0.1")])
    table = read.trades(BTC, vault=tmp_path)
    assert table["notional"].text().tolist() == ["5555555505.50555555505", "0.045"]
    assert table["base"].text().tolist() == ["0.45", "0.45"]


def test_an_id_of_the_day_before_is_no_new_record(tmp_path):
    """The first line of a day repeats the last of the day before: it is dropped."""
    vault = Vault(tmp_path)
    vault.trades(BTC).mkdir(parents=True)
    for day, lines in (("14", [trade(0, 10)]), ("15", [trade(9_000, 10), trade(9_001, 11)])):
        (vault.trades(BTC) / f"2025-12-{day}.jsonl").write_bytes(b"".join(lines))
    assert ids(read.trades(BTC, "2025-12-15", vault=tmp_path)) == [11]
