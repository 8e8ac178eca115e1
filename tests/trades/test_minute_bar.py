"""Tests of ravequant.trades.minute_bar: the bar of one record, and two bars of a minute as one."""

import pytest

from ravequant import exact
from ravequant.contract import Contract
from ravequant.records import Trade
from ravequant.trades.minute_bar import MinuteBar, Record, bar_of, merge, record_of, with_gap

LINEAR = Contract("0.01", "1", "linear")
INVERSE = Contract("100", "1", "inverse")
PRICE, SIZE, USD = exact.PRICE_ONE, exact.SIZE_ONE, exact.NOTIONAL_ONE
WHALE = 1_000 * USD
AMOUNTS = (*MinuteBar._fields[5:17], "square_notional")  # trade_count to whale_sell_notional


def record(ts: int, last: int, price: int, qty: int, *, buy: bool = True, ids: int = 1) -> Record:
    return Record(ts, last, ids, buy, price * PRICE, qty * SIZE, LINEAR)


def test_a_trade_becomes_exact_numbers():
    """Text to units; the ids that it covers end at its own."""
    found = record_of(Trade(90_000, 105, "sell", "101250.5", "0.25", 3), INVERSE)
    assert found == Record(
        ts=90_000,
        trade_id=105,
        ids=3,
        buy=False,
        price=1_012_505 * PRICE // 10,
        qty=SIZE // 4,
        contract=INVERSE,
    )
    assert (found.minute, found.first_id) == (1, 103)
    assert record_of(Trade(90_000, 105, "buy", "101250.5", "0.25"), INVERSE).buy


def test_the_bar_of_a_buy_and_of_a_sale():
    """200 contracts of 0.01 coins at 300 are 2 coins and 600 USD, on the taker's side."""
    buy = bar_of(record(61_000, 7, 300, 200, ids=2), WHALE)
    assert (buy.minute, buy.open, buy.high, buy.low, buy.close) == (1, *[300 * PRICE] * 4)
    assert (buy.base, buy.buy_base, buy.sell_base) == (2 * exact.BASE_ONE, 2 * exact.BASE_ONE, 0)
    assert (buy.notional, buy.buy_notional, buy.sell_notional) == (600 * USD, 600 * USD, 0)
    assert buy.price_notional == 300 * 600 * PRICE * USD
    assert buy.price_base == 300 * 2 * PRICE * exact.BASE_ONE
    assert (buy.trade_count, buy.first_id, buy.last_id, buy.gap) == (1, 6, 7, False)
    sale = bar_of(record(61_000, 7, 300, 200, buy=False), WHALE)
    assert (sale.buy_base, sale.sell_base) == (0, 2 * exact.BASE_ONE)
    assert (sale.buy_notional, sale.sell_notional) == (0, 600 * USD)


@pytest.mark.parametrize(("threshold", "whales"), [(600 * USD, 1), (600 * USD + 1, 0)])
def test_a_whale_is_at_or_above_the_threshold(threshold, whales):
    """Counted and summed on its side; one unit of 10**-50 less makes none."""
    for buy in (True, False):
        bar = bar_of(record(0, 1, 300, 200, buy=buy), threshold)
        amounts = [600 * USD * whales * buy, 600 * USD * whales * (not buy)]
        assert bar.whale_count == whales
        assert [bar.whale_buy_notional, bar.whale_sell_notional] == amounts


def test_two_bars_of_a_minute_are_one():
    """Sums add up, the open is of the earlier, the close of the later, extremes of both."""
    first, second = bar_of(record(0, 10, 300, 200), WHALE), bar_of(record(9, 12, 250, 400), WHALE)
    third = bar_of(record(20, 13, 280, 100, buy=False), WHALE)
    whole = merge(merge(first, second), third)
    assert whole == merge(first, merge(second, third))
    assert [price // PRICE for price in whole[1:5]] == [300, 300, 250, 280]
    assert (whole.trade_count, whole.first_id, whole.last_id) == (3, 10, 13)
    assert (whole.notional, whole.sell_notional) == (1_880 * USD, 280 * USD)
    assert (whole.whale_count, whole.whale_buy_notional) == (1, 1_000 * USD)
    for name in ("base", "buy_base", "sell_base", "price_notional", "price_base"):
        assert getattr(whole, name) == sum(getattr(bar, name) for bar in (first, second, third))


def test_each_amount_of_two_bars_is_the_sum_of_the_same_amount():
    """Of bars in which no two amounts are alike, so that none can stand for another."""
    numbers = range(1, MinuteBar._fields.index("gap"))
    first = MinuteBar(7, *[10**at for at in numbers])._replace(square_notional=10**40)
    second = MinuteBar(7, *[3 * 10**at for at in numbers])._replace(square_notional=3 * 10**40)
    sums = {name: 4 * value for name, value in first._asdict().items() if name in AMOUNTS}
    assert merge(first, second) == MinuteBar(
        minute=7,
        open=first.open,
        high=second.high,
        low=first.low,
        close=second.close,
        first_id=first.first_id,
        last_id=second.last_id,
        **sums,
    )


def test_squares_that_are_not_known_stay_unknown():
    """Whichever of the two bars lacks them; 0 is a sum like others."""
    bar = bar_of(record(0, 10, 300, 1), WHALE)
    assert bar.square_notional == bar.open * bar.price_notional
    lacking = bar._replace(square_notional=None)
    assert merge(bar, lacking).square_notional is None
    assert merge(lacking, bar).square_notional is None
    nothing = bar._replace(square_notional=0)
    assert merge(bar, nothing).square_notional == bar.square_notional


def test_a_late_record_moves_no_price():
    """Its amounts count; open, high, low and close stay."""
    bar, late = bar_of(record(0, 10, 300, 1), WHALE), bar_of(record(0, 11, 999, 1), WHALE)
    found = merge(bar, late, late=True)
    assert found[1:5] == bar[1:5]
    assert (found.notional, found.last_id) == (bar.notional + late.notional, 11)
    assert merge(bar, bar_of(record(0, 9, 1, 1), WHALE), late=True).last_id == 10


def test_a_gap_stays_in_the_merged_bar():
    """Whichever of the two has it."""
    bar = bar_of(record(0, 10, 300, 1), WHALE)
    assert with_gap(bar) == bar._replace(gap=True)
    assert merge(with_gap(bar), bar).gap
    assert merge(bar, with_gap(bar)).gap
    assert not merge(bar, bar).gap
