"""Tests of ravequant.books.snapshot_json: the rules of a valid book line, in any spelling."""

import json

import pytest

from ravequant import exact
from ravequant.books import snapshot_json
from ravequant.records import RecordError

ROW = {"exchange": "okx", "market": "perp", "channel": "books", "instId": "BTC-USDT-SWAP"}


def test_a_line_of_the_channel_and_instrument_is_an_object():
    """Blanks, order and more keys change nothing."""
    line = json.dumps({"more": 1, **ROW}, indent=1).replace("\n", " ").encode()
    assert snapshot_json.parse(line, "books", "BTC-USDT-SWAP") == {"more": 1, **ROW}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exchange": "binance"}, "exchange: 'binance' is not 'okx'"),
        ({"market": None}, "market: None is not 'perp'"),
        ({"channel": "books-full"}, "channel: 'books-full' is not 'books'"),
        ({"instId": "ETH-USDT-SWAP"}, "instId: 'ETH-USDT-SWAP' is not 'BTC-USDT-SWAP'"),
    ],
)
def test_another_line_is_rejected(changes, message):
    """By the field that differs."""
    with pytest.raises(RecordError) as caught:
        snapshot_json.parse(json.dumps({**ROW, **changes}).encode(), "books", "BTC-USDT-SWAP")
    assert str(caught.value) == message


def test_the_mid_is_exactly_between_the_best_prices():
    """Twice the mid in units of a price, and the decimals of the two; zeros at the end are none."""
    assert snapshot_json.mid_of("100.5", "100.60", "100.55") == (2_011 * 10**19, 1)
    assert snapshot_json.mid_of("1", "2", "1.5") == (3 * exact.PRICE_ONE, 0)
    smallest = "0." + "0" * 19
    assert snapshot_json.mid_of(f"{smallest}1", f"{smallest}2", f"{smallest}15") == (3, 20)


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        (("1", "2", "1.6"), "mid_price: '1.6' is not between '1' and '2'"),
        (("0", "2", "1"), "best_bid: '0' is not above zero"),
        (("1", 2, "1.5"), "best_ask: 2 is not a string"),
        (("1", "2", "1e0"), "mid_price: '1e0' is not a plain decimal"),
        (("1." + "1" * 21, "2", "1.5"), "best_bid: "),
    ],
)
def test_prices_that_make_no_mid_are_rejected(prices, message):
    """By the field and the value met."""
    with pytest.raises(RecordError) as caught:
        snapshot_json.mid_of(*prices)
    assert str(caught.value).startswith(message)


def test_levels_are_put_in_order_from_the_mid_outwards():
    """At the decimals of the finest of them; orders and the third string are not looked at."""
    found, malformed = snapshot_json.levels_of(
        [["99.5", "1", "0", "2"], ["100", "2.50"]], [["101.25", "3"], ["101", "4"], ["103", "1"]]
    )
    assert malformed == 0
    assert (found.price_places, found.qty_places) == (2, 1)
    assert found.price.tolist() == [10_000, 9_950, 10_100, 10_125, 10_300]
    assert found.qty.tolist() == [25, 10, 40, 30, 10]
    assert found.starts.tolist() == [0, 2, 5]


@pytest.mark.parametrize(
    "bad",
    [
        "100", {}, [], ["100"], [100, "1"], ["100", 1], ["0", "1"], ["100", "0"], ["1e2", "1"],
        ["-1", "1"], ["99", "7"], None,
    ],
)  # fmt: skip
def test_a_malformed_level_is_counted_and_left_out(bad):
    """So is a price that the side has shown before; its first size counts."""
    found, malformed = snapshot_json.levels_of([["99", "5"], bad], [["101", "1"]])
    assert malformed == 1
    assert (found.price.tolist(), found.qty.tolist()) == ([99, 101], [5, 1])


@pytest.mark.parametrize(("bids", "asks"), [([], [["1", "1"]]), ([["1", "1"]], None), ("x", "y")])
def test_a_side_that_is_no_list_or_empty_is_rejected(bids, asks):
    """A snapshot has two sides."""
    with pytest.raises(RecordError, match="not a list of levels"):
        snapshot_json.levels_of(bids, asks)
