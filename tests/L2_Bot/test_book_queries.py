"""The four questions: exact answers on made books."""

import pytest

from L2_Bot import book_queries
from ravequant import exact
from ravequant.contract import Contract
from ravequant.records import RecordError
from tests.support.query_lines import BTC, line

LINEAR = Contract("0.01", "1", "linear")


def test_walls_are_levels_above_n_contracts_with_coins_and_usd():
    """1000 contracts are not above 1000; 1000.1 contracts of 0.01 BTC are 10.001 BTC."""
    answer = book_queries.walls(book_queries.parse(line(), BTC), LINEAR, exact.units("1000", 10))
    assert answer == {
        "above_contracts": "1000",
        "bids": [
            {"price": "101249.5", "contracts": "1000.1", "base": "10.001",
             "notional": "1012596.2495", "distance_bps": "0.10"},
            {"price": "101100", "contracts": "2500", "base": "25", "notional": "2527500",
             "distance_bps": "14.86"},
        ],
        "asks": [
            {"price": "101300", "contracts": "1500", "base": "15", "notional": "1519500",
             "distance_bps": "4.89"},
        ],
    }  # fmt: skip


def test_an_inverse_contract_is_worth_usd_and_its_coins_follow_from_the_price():
    """100 USD a contract; the coins are rounded half-even to 12 places (SPEC section 2)."""
    inverse = Contract("100", "1", "inverse")
    level = book_queries.PriceLevel(exact.units("30000", 20), exact.units("7", 10))
    base, notional = book_queries.total(inverse, [level]) or (0, 0)
    assert exact.text(notional, exact.NOTIONAL_PLACES) == "700"
    assert exact.text(base, exact.BASE_PLACES) == "0.023333333333"


def test_zones_gather_levels_and_the_largest_five_are_shown():
    """A zone begins at a multiple of its width; contracts decide, each side by itself."""
    bids = [[str(700 - 50 * n), str(10 + n), "0", "1"] for n in range(12)]
    answer = book_queries.zones(
        book_queries.parse(line(bids, [["701", "1", "0", "1"]]), BTC), None, exact.units("100", 20)
    )
    assert [(zone["from"], zone["contracts"], zone["levels"]) for zone in answer["bids"]] == [
        ("200", "39", 2), ("300", "35", 2), ("400", "31", 2), ("500", "27", 2), ("600", "23", 2),
    ]  # fmt: skip
    assert answer["bids"][0]["base"] is None
    assert answer["asks"] == [
        {"from": "700", "contracts": "1", "base": None, "notional": None, "levels": 1}
    ]


@pytest.mark.parametrize(
    ("best_ask", "bps", "wide"),
    [("100.1", "10.00", False), ("100.10001", "10.00", True), ("100.00004", "0.00", False)],
)
def test_a_spread_above_ten_bps_is_wide(best_ask, bps, wide):
    """Measured on the bid, compared before it is rounded."""
    book = book_queries.parse(line([["100", "1", "0", "1"]], [[best_ask, "1", "0", "1"]]), BTC)
    answer = book_queries.spread(book)
    assert (answer["spread_bps"], answer["wide"]) == (bps, wide)


@pytest.mark.parametrize(
    ("bid", "ask_size", "imbalance", "pressure"),
    [
        ("65", "35", "+0.30", None),
        ("65.1", "34.9", "+0.30", "BUY PRESSURE"),
        ("35", "65", "-0.30", None),
        ("34.9", "65.1", "-0.30", "SELL PRESSURE"),
        ("5", "5", "0.00", None),
    ],
)
def test_beyond_three_tenths_one_side_presses(bid, ask_size, imbalance, pressure):
    """Exactly 0.3 is not beyond it, whatever the rounded figure shows."""
    book = book_queries.parse(line([["100", bid, "0", "1"]], [["101", ask_size, "0", "1"]]), BTC)
    answer = book_queries.imbalance(book)
    assert (answer["imbalance"], answer["pressure"]) == (imbalance, pressure)


def test_imbalance_looks_at_the_best_ten_levels():
    """What rests deeper does not count."""
    bids = [[str(1000 - n), "1", "0", "1"] for n in range(10)] + [["5", "9999", "0", "1"]]
    answer = book_queries.imbalance(book_queries.parse(line(bids, [["1001", "30", "0", "1"]]), BTC))
    assert answer == {
        "levels": 10, "bid_contracts": "10", "ask_contracts": "30", "imbalance": "-0.50",
        "pressure": "SELL PRESSURE",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (line(inst_id="ETH-USDT-SWAP"), "ETH-USDT-SWAP"),
        (line().replace(b'"books"', b'"books-full"'), "books-full"),
        (b"[1]", "not a JSON object but list"),
    ],
)
def test_a_line_of_another_kind_is_no_book(damaged, reason):
    """Another instrument, another channel, another form: RecordError, which names the value."""
    with pytest.raises(RecordError, match=reason):
        book_queries.parse(damaged, BTC)
