"""Tests of ravequant.trades.fast_scan: lines of one template in columns, the others handed back."""

import random
import re

import numpy as np
import pytest

from ravequant import exact
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder, parse_trade
from ravequant.trades import fast_scan
from ravequant.trades.fast_scan import Columns
from ravequant.trades.line_template import template_of

INST_ID = "BTC-USDT-SWAP"
START = 29_429_134 * 60_000
ENCODER = TradeEncoder(INST_ID, Contract("0.01", "1", "linear"))


def some(count: int) -> list[Trade]:
    chance = random.Random(9)
    return [
        Trade(
            START + at * 7_777,
            123_456_000 + at,
            chance.choice(["buy", "sell"]),
            chance.choice(["101250.5", "99999", "0.01234", "1234567.25", "123456789.5"]),
            chance.choice(["1", "0.5", "250", "12345.25"]),
            chance.choice([1, 12, 345]),
        )
        for at in range(count)
    ]


def test_trades_become_columns_at_their_common_decimals():
    """In 64 bits where all of them fit, else in Python's own numbers."""
    trades = [Trade(1, 7, "buy", "1.50", "2", 3), Trade(2, 9, "sell", "20", str(2**62), 1)]
    found = fast_scan.columns_of(trades)
    assert (found.ts.tolist(), found.trade_id.tolist()) == ([1, 2], [7, 9])
    assert (found.count.tolist(), found.buy.tolist()) == ([3, 1], [True, False])
    assert (found.price.tolist(), found.price_decimals) == ([15, 200], 1)
    assert (found.qty.tolist(), found.qty_decimals) == ([2, 2**62], 0)
    assert [column.dtype.name for column in (found.price, found.qty)] == ["int64", "object"]


def read(lines: list[bytes]) -> tuple[list[bool], Columns]:
    template = template_of(lines[0], INST_ID, *parse_trade(lines[0], INST_ID))
    assert template is not None
    ends = np.cumsum(list(map(len, lines)))
    starts = np.concatenate(([0], ends[:-1]))
    data = np.frombuffer(b"".join(lines), dtype=np.uint8)
    good, columns = fast_scan.read(template, data, starts, ends)
    return good.tolist(), columns


def test_columns_hold_the_values_of_the_lines():
    """Times, ids, counts, sides; prices and sizes at common decimals."""
    trades = some(200)
    good, columns = read([ENCODER.line(trade) for trade in trades])
    assert all(good)
    assert columns.ts.tolist() == [trade.ts for trade in trades]
    assert columns.trade_id.tolist() == [trade.trade_id for trade in trades]
    assert columns.count.tolist() == [trade.count for trade in trades]
    assert columns.buy.tolist() == [trade.side == "buy" for trade in trades]
    for column, places, name in (
        (columns.price, columns.price_decimals, "price"),
        (columns.qty, columns.qty_decimals, "qty"),
    ):
        wanted = [exact.units(getattr(trade, name), places) for trade in trades]
        assert column.tolist() == wanted


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"side":"buy"', b'"side":"bux"'),
        (b'"exchange":"okx"', b'"exchange":"okz"'),
        (b'"ctVal":"0.01"', b'"ctVal":"0.02"'),
        (b"T21:", b"T25:"),
        (rb":(\d\d)\.(\d)", rb":60.\2"),
        (rb'"price":"\d', rb'"price":"x'),
        (rb'"trade_id":"1', rb'"trade_id":"0'),
        (rb'"trade_id":"12', rb'"trade_id":"1a'),
        (rb'"count":"\d', rb'"count":"0'),
        (b'"source":"0"', b'"source":"2"'),
        (b"}\n", b"]\n"),
    ],
)
def test_a_line_that_differs_in_one_byte_is_handed_back(old, new):
    """And only that one: the columns hold the lines around it."""
    trades = some(9)
    trades[4] = Trade(START + 5 * 7_777, 123_456_004, "buy", "101250.5", "1", 12)
    lines = [ENCODER.line(trade) for trade in trades]
    lines[4] = re.sub(old, new, lines[4], count=1)
    good, columns = read(lines)
    assert good == [True] * 4 + [False] + [True] * 4
    assert columns.trade_id.tolist() == [trades[at].trade_id for at in (0, 1, 2, 3, 5, 6, 7, 8)]


def test_a_count_above_the_id_is_handed_back():
    """Such a record would cover ids below zero."""
    lines = [ENCODER.line(Trade(START, last, "buy", "1", "1", 5)) for last in (9, 4, 3)]
    assert read(lines)[0] == [True, True, False]


def test_rows_can_be_selected_as_columns():
    """By slice, by mask, by place."""
    columns = read([ENCODER.line(trade) for trade in some(10)])[1]
    ids = columns.trade_id.tolist()
    assert columns.select(slice(2, 5)).trade_id.tolist() == ids[2:5]
    assert columns.select(columns.buy).trade_id.tolist() == [
        last for last, buy in zip(ids, columns.buy.tolist(), strict=True) if buy
    ]
    picked = columns.select(np.array([7, 1]))
    assert (len(picked), picked.price_decimals) == (2, columns.price_decimals)
    assert picked.trade_id.tolist() == [ids[7], ids[1]]
