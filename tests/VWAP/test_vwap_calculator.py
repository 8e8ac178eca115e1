"""VWAP against fractions, on made-up and on recorded trades; and as a program that is killed."""

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant import exact
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.paths import Vault
from tests.support import oracle, recordings
from tests.support import trade_streams as shared
from VWAP import vwap_calculator

ROOM = shared.Room(vwap_calculator, "vwap", "vwap_1m.jsonl", oracle.vwap_rows)


def test_the_example_of_the_book_comes_out():
    """The fields of SPEC 5, in order, with its close, VWAP and deviation."""
    sums = vwap_calculator.VwapSums(
        price_notional=exact.units("101231.12345678", exact.PRICE_PLACES + exact.NOTIONAL_PLACES),
        notional=exact.NOTIONAL_ONE,
    )
    assert sums.vwap() == "101231.12345678"
    assert sums.deviation_bps(exact.units("101260", exact.PRICE_PLACES)) == "+2.85"


def test_a_record_has_the_fields_of_the_book_in_order(vault):
    """Names and order of the output line are a contract with those who tail the file."""
    encoder = TradeEncoder(shared.BTC, Contract("0.01", "1", "linear"))
    trades = [Trade(shared.START + ms, ms, "buy", "101260", "1") for ms in (1, 65_001)]
    shared.write_raw(vault, shared.BTC, [encoder.line(trade) for trade in trades])
    ROOM.run(vault)
    row = json.loads(ROOM.lines(vault))
    assert " ".join(row) == (
        "timestamp_utc instId exchange market close vwap_1h vwap_4h vwap_session vwap_base_1h "
        "vwap_base_4h vwap_base_session deviation_bps_1h deviation_bps_4h deviation_bps_session "
        "extended cross minutes_1h minutes_4h minutes_session trade_count_1h trade_count_4h gap"
    )
    assert row["timestamp_utc"] == "2025-12-14T21:34:00Z"
    assert (row["close"], row["vwap_1h"], row["deviation_bps_1h"]) == ("101260", "101260", "0.00")


def test_inverse_base_too_small_to_show_has_no_vwap(vault):
    """Twelve places hold nothing of it, so nothing can be divided by it; the run goes on."""
    encoder = TradeEncoder(shared.BTC, Contract("0.0000000001", "1", "inverse"))
    trades = [Trade(shared.START + ms, ms, "buy", "99999999999", "0.01") for ms in (1, 65_001)]
    shared.write_raw(vault, shared.BTC, [encoder.line(trade) for trade in trades])
    ROOM.run(vault)
    row = json.loads(ROOM.lines(vault))
    assert (row["vwap_4h"], row["vwap_base_4h"]) == ("99999999999", None)


def test_without_a_hole_there_is_no_gap_whatever_the_date(vault):
    """Windows that would begin before 1970 begin with it."""
    encoder = TradeEncoder(shared.BTC, Contract("0.01", "1", "linear"))
    trades = [Trade(ms, ms // 65_000, "buy", "101260", "1") for ms in (1, 65_001)]
    shared.write_raw(vault, shared.BTC, [encoder.line(trade) for trade in trades])
    ROOM.run(vault)
    assert json.loads(ROOM.lines(vault))["gap"] is False


@settings(max_examples=60)
@given(lines=shared.streams(), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_any_stream_in_any_number_of_runs_equals_the_plain_computation(
    tmp_path_factory, lines, cuts
):
    """Late, out-of-order and repeated lines, holes, inverse contracts: every byte, run by run."""
    shared.check_runs(ROOM, Vault(tmp_path_factory.mktemp("vault")), lines, cuts)


# without the eight hours: every window summed afresh would take minutes
@recordings.each(*recordings.MIDNIGHT, *recordings.EVENING, *recordings.EVENING_ETH)
def test_recorded_trades_equal_the_plain_computation(vault, recording):
    """The recordings, read as they are (another writer's JSON, .gz), every digit of every row."""
    assert shared.check_recording(ROOM, vault, recording).count(b"\n") > 3


@recordings.each(*recordings.EVENING)
def test_fifty_runs_over_a_growing_file_give_the_bytes_of_one(vault, tmp_path, recording):
    """The file is cut at any byte, in mid-line too; each run takes what is whole."""
    shared.check_fifty_runs(ROOM, vault, Vault(tmp_path / "grown"), recording.lines())


@recordings.each(*recordings.MIDNIGHT)
def test_killed_before_any_step_in_many_runs_the_file_is_the_same(vault, tmp_path, recording):
    """Real processes, really killed, over a file that grows in between."""
    shared.check_kills(ROOM, vault, Vault(tmp_path / "cut"), recording.lines())


@recordings.each(*recordings.EIGHT_HOURS)
def test_no_row_knows_what_comes_after_it(tmp_path, recording):
    """Rows up to a random minute are those of input that ends there."""
    first = shared.recorded_minutes(recording)[0].start
    begin = int(first.timestamp()) // 60
    minutes = random.Random(5).sample(range(begin + 5, begin + 478), 4)
    shared.check_no_look_ahead(ROOM, tmp_path, recording.lines(), minutes)
