"""Messages of the exchange in bytes: the forms of the reference, and fills that sum up."""

import orjson
import pytest

from ravequant import exact
from ravequant.records import Trade
from ravequant.sim import frames
from ravequant.sim.feed import BookChange

BTC = "BTC-USDT-SWAP"
TRADE = Trade(1_700_000_000_123, 1_000, "buy", "100.5", "7", 3, "0")
BOOK = BookChange(BTC, 5, True, (("99", "1", "2"),), (("101", "3", "4"),), 11, -1)  # noqa: FBT003 - a snapshot


def test_a_trade_message_has_strings_but_for_its_sequence():
    """The aggregated record with its count."""
    assert frames.trades(BTC, TRADE, 42) == (
        b'{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP",'
        b'"tradeId":"1000","px":"100.5","sz":"7","side":"buy","ts":"1700000000123","count":"3",'
        b'"source":"0","seqId":42}]}'
    )


def test_a_single_fill_has_neither_count_nor_sequence():
    """As channel trades-all and REST show it."""
    row = orjson.loads(frames.trades_all(BTC, TRADE))["data"][0]
    assert row == frames.fill_row(BTC, TRADE)
    assert set(row) == {"instId", "tradeId", "px", "sz", "side", "source", "ts"}


def test_a_book_message_has_four_items_a_level():
    """Price, size, a field out of use, orders; the action says whether it is whole."""
    message = orjson.loads(frames.books(BOOK))
    assert message["action"] == "snapshot"
    assert message["data"][0] == {
        "asks": [["101", "3", "0", "4"]], "bids": [["99", "1", "0", "2"]], "ts": "5",
        "checksum": 0, "seqId": 11, "prevSeqId": -1,
    }  # fmt: skip
    beat = frames.heartbeat(BTC, 6, 11)
    assert orjson.loads(frames.books(beat))["action"] == "update"
    assert (beat.bids, beat.seq_id, beat.prev_seq_id) == ((), 11, 11)


@pytest.mark.parametrize(("channel", "named"), [("books5", True), ("bbo-tbt", False)])
def test_small_books_have_no_action(channel, named):
    """Only books5 names the instrument in its row."""
    message = orjson.loads(frames.small_book(channel, BOOK))
    assert "action" not in message
    assert ("instId" in message["data"][0]) is named


@pytest.mark.parametrize(("request_id", "shown"), [(None, {}), ("a1", {"id": "a1"})])
def test_acks_and_errors_repeat_the_id_of_the_request(request_id, shown):
    """Where the request had none, neither has the answer."""
    arg = {"channel": "trades", "instId": BTC}
    ack = orjson.loads(frames.event("subscribe", arg, "c1", request_id))
    assert ack == {**shown, "event": "subscribe", "arg": arg, "connId": "c1"}
    error = orjson.loads(frames.error("60012", "no", "c1", request_id))
    assert error == {**shown, "event": "error", "code": "60012", "msg": "no", "connId": "c1"}


def test_a_notice_has_the_code_of_a_hand_over():
    """64008: the connection will soon be closed."""
    notice = orjson.loads(frames.notice("c1"))
    assert (notice["event"], notice["code"]) == ("notice", "64008")


@pytest.mark.parametrize("sizes", [None, ("1", "2", "4")])
def test_fills_of_a_record_sum_up_and_end_at_its_id(sizes):
    """Ids ascend without a hole; known sizes are kept, others are whole lots."""
    lot = exact.units("1", exact.SIZE_PLACES)
    fills = frames.fills(TRADE, sizes, lot)
    assert [fill.trade_id for fill in fills] == [998, 999, 1_000]
    assert [fill.qty for fill in fills] == (["2", "2", "3"] if sizes is None else list(sizes))
    assert {fill.count for fill in fills} == {1}


def test_more_fills_than_lots_are_split_finer():
    """No fill is empty, and the sum is exact."""
    small = Trade(1, 10, "sell", "1", "0.02", 4)
    fills = frames.fills(small, None, exact.units("0.01", exact.SIZE_PLACES))
    sizes = [exact.units(fill.qty, exact.SIZE_PLACES) for fill in fills]
    assert min(sizes) > 0
    assert sum(sizes) == exact.units("0.02", exact.SIZE_PLACES)


def test_a_record_of_one_fill_is_its_fill():
    """Nothing is split."""
    single = Trade(1, 10, "sell", "1", "2", 1)
    assert frames.fills(single, None, 1) == [single]
