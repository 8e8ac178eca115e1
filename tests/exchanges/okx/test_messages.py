"""Frames of the exchange, real ones and hostile ones, as typed events."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant.exchanges.base import Channel, ChannelData, TradeRows, UnknownFrame
from ravequant.exchanges.okx.messages import (
    Ack,
    ErrorEvent,
    Notice,
    Pong,
    argument,
    parse_deep_book,
    parse_frame,
    parse_trades,
    request,
)
from ravequant.records import RecordError, Trade

BTC = Channel("trades", "BTC-USDT-SWAP")
ROW = {
    "instId": "BTC-USDT-SWAP", "tradeId": "2832749645", "px": "63913.4", "sz": "34.95",
    "side": "sell", "ts": "1786540436090", "count": "10", "source": "0", "seqId": 333793118093,
}  # fmt: skip
TRADE = Trade(1786540436090, 2832749645, "sell", "63913.4", "34.95", 10, "0")
TS = 1_700_000_000_123
DEEP = {
    "bids": [["100.0", "5", "2"], ["99", "7.5", "1"]],
    "asks": [["101", "6", "1"], ["102.5", "1", "9"]],
    "ts": str(TS),
}
DEEP_LEVEL = "a deep level is [price, size, orders] in strings"


def frame(*rows, channel=BTC):
    return orjson.dumps({"arg": argument(channel), "data": rows})


def changed(**fields):
    return {key: value for key, value in {**ROW, **fields}.items() if value is not ...}


def test_a_recorded_trade_frame_becomes_a_trade(shared_data):
    """Frames received in August 2026: an ack, then two rows, contiguous through their counts."""
    path = shared_data / "okx_payloads/recorded/ws_trades_BTC-USDT-SWAP_20260812.jsonl"
    ack, first, second = map(parse_frame, path.read_bytes().splitlines())
    assert ack == Ack("subscribe", BTC)
    assert isinstance(first, TradeRows)
    assert second == TradeRows(BTC, (TRADE,))
    assert TRADE.first_id == first.trades[-1].trade_id + 1


def test_older_frames_without_count_and_source_are_single_organic_fills():
    """Captures of 2022 lack both fields."""
    event = parse_frame(frame(changed(count=..., source=..., seqId=...)))
    assert isinstance(event, TradeRows)
    assert (event.trades[0].count, event.trades[0].source) == (1, "0")


def test_a_bad_row_is_rejected_and_the_others_go_on():
    """One row of three lacks two fields: two trades, and the line that a trader greps for."""
    event = parse_frame(frame(ROW, changed(px=..., sz=...), ROW))
    assert event == TradeRows(BTC, (TRADE, TRADE), ("BUILD_FAIL: Missing required fields: px, sz",))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"px": 63913.4}, "px: 63913.4 is not a string"),
        ({"px": "0"}, "px: '0' is not above zero"),
        ({"px": "-1"}, "px: '-1' is not a plain decimal"),
        ({"px": "1e5"}, "px: '1e5' is not a plain decimal"),
        ({"px": "NaN"}, "px: 'NaN' is not a plain decimal"),
        ({"sz": ""}, "sz: '' is not a plain decimal"),
        ({"sz": None}, "sz: None is not a string"),
        ({"side": "Buy"}, "side: 'Buy' is neither buy nor sell"),
        ({"tradeId": 5}, "tradeId: 5 is not a whole number in a string"),
        ({"tradeId": "9" * 19}, f"tradeId: '{'9' * 19}' is not a whole number in a string"),
        ({"count": "0"}, "count: 0 ids cannot end at 2832749645"),
        ({"source": "x"}, "source: 'x' is not a whole number in a string"),
        ({"ts": "1786540436"}, "ts: 1786540436 is not a time in Unix milliseconds"),
        ({"instId": "ETH-USDT-SWAP"}, "instId: 'ETH-USDT-SWAP' is not 'BTC-USDT-SWAP'"),
    ],
)
def test_a_row_of_another_form_is_rejected_by_name(fields, reason):
    """Each departure names the field, the value met and the value wanted."""
    assert parse_trades([changed(**fields)], BTC.inst_id) == ((), (reason,))


def test_a_reason_is_never_longer_than_a_log_line():
    """A megabyte in a field does not become a megabyte in the log."""
    _, rejected = parse_trades([changed(px="1" * 1_000_000)], BTC.inst_id)
    assert len(rejected[0]) <= 200


def test_a_value_nested_deeply_is_no_harm():
    """Neither in a row nor where an error has its code: it is named, and the stream goes on."""
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]
    _, rejected = parse_trades([changed(px=deep), changed(instId=deep)], BTC.inst_id)
    assert rejected[0] == "px: [[[...]]] is not a string"
    nest = "[" * 1_010 + "]" * 1_010
    frame = f'{{"event":"error","code":{nest},"msg":{nest}}}'
    assert parse_frame(frame) == ErrorEvent("[[[...]]]", "[[[...]]]", None, "")


def test_control_frames_become_what_they_say():
    """Acks, errors with and without id, notices, pongs; unknown events are not errors."""
    arg = '"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"}'
    assert parse_frame('{"id":"1","event":"unsubscribe",' + arg + "}") == Ack("unsubscribe", BTC)
    assert parse_frame(b'{"event":"error","msg":"Requests too frequent","code":"60014"}') == (
        ErrorEvent("60014", "Requests too frequent", None, "")
    )
    assert parse_frame('{"id":"s3","event":"error","code":60018,' + arg + "}") == (
        ErrorEvent("60018", "", BTC, "s3")
    )
    assert parse_frame('{"event":"notice","code":"64008","msg":"soon"}') == Notice("64008", "soon")
    assert parse_frame("pong") == parse_frame(b"pong") == Pong()
    assert isinstance(parse_frame('{"event":"channel-conn-count","channel":"x"}'), UnknownFrame)


def test_other_channels_pass_through_as_they_came():
    """Book frames keep their rows and their action for whoever knows them."""
    event = parse_frame(
        b'{"arg":{"channel":"books","instId":"X-Y"},"action":"update","data":[{"seqId":1}]}'
    )
    assert event == ChannelData(Channel("books", "X-Y"), "update", ({"seqId": 1},))


def test_a_request_names_all_its_channels():
    """One request may carry many arguments; its id is echoed."""
    eth = Channel("trades", "ETH-USDT-SWAP")
    assert json.loads(request("subscribe", "s1", [BTC, eth])) == {
        "id": "s1", "op": "subscribe", "args": [argument(BTC), argument(eth)],
    }  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["arg", "data", "event", "channel", "instId", "code", "px", "id"]),
            inner,
        )
    ),
)


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60), JSON.map(json.dumps)))
def test_no_frame_raises(sent):
    """Whatever arrives is an event; the connection does not depend on it."""
    parse_frame(sent)


@given(st.dictionaries(st.sampled_from(sorted(ROW)), JSON))
def test_every_accepted_row_is_a_valid_record(fields):
    """A row with any field replaced by anything is either rejected or a trade within bounds."""
    trades, rejected = parse_trades([{**ROW, **fields}], BTC.inst_id)
    assert len(trades) + len(rejected) == 1
    for trade in trades:
        assert trade.first_id >= 0
        assert trade.count >= 1


def test_a_deep_book_is_returned_as_it_came():
    """Prices and sizes keep their text; unknown fields are no fault."""
    found = parse_deep_book(DEEP | {"news": 1})
    assert (found.ts, found.bids, found.asks) == (TS, DEEP["bids"], DEEP["asks"])


def test_levels_of_a_deep_book_are_put_in_order():
    """Bids descending, asks ascending as numbers, whatever order they came in."""
    found = parse_deep_book({
        "bids": [["9.5", "1", "1"], ["10.25", "1", "1"]],
        "asks": [["100", "1", "1"], ["11", "1", "1"]],
        "ts": str(TS),
    })  # fmt: skip
    assert [level[0] for level in found.bids] == ["10.25", "9.5"]
    assert [level[0] for level in found.asks] == ["11", "100"]


@pytest.mark.parametrize(
    ("book", "reason"),
    [
        ([], "a deep book is a JSON object, not list"),
        ({"bids": []}, "BUILD_FAIL: Missing required fields: asks, ts"),
        (DEEP | {"bids": []}, "bids: expected a list of levels with something in it"),
        (DEEP | {"asks": None}, "asks: expected a list of levels with something in it"),
        (DEEP | {"ts": 5}, "ts: 5 is not a whole number in a string"),
        (DEEP | {"bids": [["101", "1", "1"]]}, "crossed book: best bid 101, best ask 101"),
        *(
            (DEEP | {"bids": [bad]}, f"{DEEP_LEVEL}, not {bad!r}")
            for bad in (
                ["100", "5", "0", "2"], ["100", "5"], ["100", 5, "2"], [100, "5", "2"], None,
                ["1e2", "5", "2"], ["100", "0", "0"], ["0", "5", "2"], ["100", "5", "x"], "abc",
            )
        ),
    ],
)  # fmt: skip
def test_an_inconsistent_deep_book_is_refused(book: Any, reason: str):
    """Nothing of such an answer is used; the reason names the bad value."""
    with pytest.raises(RecordError) as caught:
        parse_deep_book(book)
    assert str(caught.value) == reason
