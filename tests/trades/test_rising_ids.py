"""Ids that rise: repetitions are left out, and the largest id goes on."""

import pytest

from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.trades.rising_ids import NO_ID, largest_id, rising
from ravequant.trades.scanner import Scanner

BTC = "BTC-USDT-SWAP"
ENCODER = TradeEncoder(BTC, Contract("0.01", "1", "linear"))


def line(trade_id, *, ahead=False):
    """Return the line of a trade."""
    return ENCODER.line(Trade(1_765_670_400_000 + trade_id, trade_id, "buy", "1", "1", ahead=ahead))


@pytest.mark.parametrize(
    ("ids", "after", "kept", "largest"),
    [
        ([1, 2, 3], NO_ID, [1, 2, 3], 3), ([5, 4, 5, 6], 4, [5, 6], 6),
        ([1, 2], 7, [], 7), ([9, 1], NO_ID, [9], 9),
    ],
)  # fmt: skip
def test_a_record_that_does_not_rise_is_a_repetition(ids, after, kept, largest):
    """Its id is not above ``after``, or not above one before it."""
    (trades,) = Scanner(BTC).scan(b"".join(map(line, ids))).stretches
    found, last = rising(trades, after)
    assert (found.trade_id.tolist(), last) == (kept, largest)


def test_the_largest_id_is_that_of_a_valid_line():
    """In any order; of lines ahead only if they count."""
    lines = [line(3), line(9), b"no trade\n", line(12, ahead=True)]
    assert largest_id(lines, BTC) == 12
    assert largest_id(lines, BTC, ahead=False) == 9
    assert largest_id([b"{}\n"], BTC) == NO_ID
