"""Tests of ravequant.trades.level_columns: levels of many minutes at once are those one by one."""

from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import exact
from ravequant.contract import Contract, amounts
from ravequant.records import Trade
from ravequant.trades import level_columns
from ravequant.trades.level_columns import levels_of_runs
from ravequant.trades.minute_bar import record_of
from ravequant.trades.price_levels import levels_of
from tests.trades.test_bar_columns import START, columns
from tests.trades.test_price_levels import both

LINEAR, INVERSE = Contract("0.01", "1", "linear"), Contract("100", "1", "inverse")
TEN = 10 * exact.PRICE_ONE
rows = st.lists(
    st.tuples(
        st.sampled_from(["101250", "101259.9", "101260", "99999.95", "0.00000074573", "7"]),
        st.sampled_from(["45", "0.01", "1234.56", "100000", "3000000000000"]),
        st.sampled_from(["buy", "sell"]),
        st.booleans(),  # a new run begins
    ),
    min_size=1,
    max_size=40,
)
heights = st.sampled_from(["10", "0.5", "0.3", "2.5", "1000000", "0.00000000000000000001"])
kinds = st.sampled_from([LINEAR, INVERSE, Contract("0.001", "10", "linear")])


def read(trades, contract):
    """Return trades as the scanner reads them."""
    made = [
        Trade(START + at, 100 + at, side, price, qty)
        for at, (price, qty, side) in enumerate(trades)
    ]
    return made, columns(made, contract)


def one_by_one(trades, contract, height):
    """Return the levels of a run, joined record by record, in the finest units."""
    parts = []
    for trade in trades:
        record = record_of(trade, contract)
        notional = amounts(contract, record.price, record.qty)[1]
        parts.append(levels_of(record.price, notional, height, buy=record.buy))
    return reduce(both, parts)


def same(found, wanted):
    """Compare levels: the amounts, not the kind of their lists."""
    fine = found.at(exact.NOTIONAL_PLACES)
    return [list(part) if isinstance(part, list | tuple) else part for part in fine] == [
        list(part) if isinstance(part, list | tuple) else part for part in wanted
    ]


@given(rows=rows, height=heights, contract=kinds)
def test_levels_of_many_runs_are_those_of_the_records(rows, height, contract):
    """In int64, beyond it, and with prices too far apart; whatever one contract is worth."""
    units = exact.units(height, exact.PRICE_PLACES)
    trades, found = read([row[:3] for row in rows], contract)
    firsts = [at for at, row in enumerate(rows) if row[3] or not at]
    made = levels_of_runs(found, np.array(firsts), units)
    ends = [*firsts[1:], len(rows)]
    for levels, first, end in zip(made, firsts, ends, strict=True):
        assert same(levels, one_by_one(trades[first:end], contract, units))


def spy(monkeypatch):
    """Return the list in which each call of the slow path is noted."""
    calls, slow = list[int](), level_columns._one_by_one

    def noted(*args):
        calls.append(1)
        return slow(*args)

    monkeypatch.setattr(level_columns, "_one_by_one", noted)
    return calls


def levels_and_path(monkeypatch, trades, contract=LINEAR, height=TEN):
    """Return the only run's levels, and whether they were made record by record."""
    calls = spy(monkeypatch)
    _, found = read(trades, contract)
    (levels,) = levels_of_runs(found, np.array([0]), height)
    return levels, bool(calls)


@pytest.mark.parametrize(
    ("trades", "height", "slow"),
    [
        ([("101250", "45", "buy")] * 3, TEN, False),
        ([("101250", "90000000000000", "buy")] * 3, TEN, True),  # 3 x 9.1e18 in units of a dollar
        ([("101250", "45", "buy")] * 3, 1, True),  # 2e25 units of height: no int64
        ([("5", "1", "buy"), ("500000", "1", "sell")], exact.PRICE_ONE, True),  # 499,996 buckets
        ([("5", "1", "buy"), ("4000", "1", "sell")], exact.PRICE_ONE, False),
    ],
)
def test_what_does_not_fit_is_read_record_by_record(monkeypatch, trades, height, slow):
    """Sums of more than 62 bits, numbers of buckets too, and prices too far apart."""
    levels, was_slow = levels_and_path(monkeypatch, trades, height=height)
    assert was_slow is slow
    monkeypatch.undo()
    made, _ = read(trades, LINEAR)
    assert same(levels, one_by_one(made, LINEAR, height))


def test_columns_of_python_integers_are_read_record_by_record(monkeypatch):
    """A price that needs more than 64 bits."""
    calls = spy(monkeypatch)
    _, found = read([("7", "1", "buy")], LINEAR)
    wide = replace(found, price=found.price.astype(object))
    levels_of_runs(wide, np.array([0]), TEN)
    assert calls


def test_the_largest_sums_that_fit():
    """Just below 2**62 all is exact in int64; the sum and the delta together need one bit more."""
    price, qty = "4611686018427387903", "100"  # x 0.01
    _, found = read([(price, qty, "buy")], Contract("0.01", "1", "linear"))
    (levels,) = levels_of_runs(found, np.array([0]), 10**19 * exact.PRICE_ONE)
    assert levels.at(50).bought == [int(price) * exact.NOTIONAL_ONE]
    assert levels.at(50).sold == [0]
