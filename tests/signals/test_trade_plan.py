"""The trade at a tip: entry, stop to the tick, target, what fees leave of it."""

import pytest

from ravequant.signals.inputs import VwapRow, price
from ravequant.signals.trade_plan import stop_at
from tests.support.made_signals import (
    LIMITS,
    A,
    only,
    set_up,
    surrounding,
    touched,
    wick,
)


def test_entry_stop_and_target():
    """Stop 1 bp beyond the tip to the next tick; target the nearest untouched low of 24 h."""
    lows = [wick(90, "101100", "low"), wick(100, "101120.5", "low"), wick(9, "101251", "low"),
            wick(1441, "101200", "low"), wick(50, "101210", "low", timeframe="5m"),
            touched(50, "low", tip=price("101230"))]  # fmt: skip
    plan = only(set_up([*surrounding(), *lows])).plan
    assert (plan.entry, plan.stop, plan.target) == tuple(
        map(price, ("101250", "101260.2", "101120.5"))
    )
    assert plan.target_from == "wick"


@pytest.mark.parametrize(
    ("wick_side", "tip", "stop"),
    [("high", "101250", "101260.2"), ("high", "101000", "101010.1"), ("low", "101000", "100989.9"),
     ("low", "100851.8", "100841.7")],
)  # fmt: skip
def test_a_stop_goes_to_the_next_tick(wick_side, tip, stop):
    """Away from the trade; where 1 bp beyond the tip is a tick, it is that one."""
    bps = LIMITS.stop_bps
    assert stop_at(wick(32, tip, wick_side), price("0.1"), bps) == price(stop)


def test_without_a_wick_the_vwap_is_the_target():
    """If it lies in the trade's way, and only while it can be trusted; else there is none."""
    plan = only(set_up()).plan
    assert (plan.target, plan.target_from) == (price("101058"), "vwap_4h")
    above = (VwapRow(A - 1, price("101050"), price("101251"), gap=False),)
    stale = (VwapRow(A - 30, price("101050"), price("101058"), gap=False),)
    for vwap in (above, stale):
        plan = only(set_up(vwap=vwap)).plan
        assert (plan.target, plan.reward_risk, plan.break_even_pct) == (None, None, None)
        assert plan.stop == price("101260.2")


def test_reward_risk_before_and_after_fees():
    """192 for 10.2 gross; 2 bps in and 5 bps out leave 121.221 for 81.0801: 40.08 % must win."""
    plan = only(set_up()).plan
    assert (plan.reward_risk, plan.reward_risk_net) == ("18.82", "1.50")
    assert plan.break_even_pct == "40.08"


def test_fees_may_eat_the_reward():
    """A target closer than the fees can never win: no break-even is given."""
    vwap = (VwapRow(A - 1, price("101050"), price("101200"), gap=False),)
    plan = only(set_up(vwap=vwap)).plan
    assert (plan.reward_risk, plan.reward_risk_net, plan.break_even_pct) == ("4.90", "-0.26", None)


def test_one_price_on_several_timeframes_is_one_signal():
    """The untouched wicks of its price and side, born within 24 h, are listed with it."""
    same = [wick(30, "101250", timeframe="5m"), wick(1440, "101250", timeframe="1h"),
            wick(1441, "101250", timeframe="4h"), wick(30, "101250", "low", timeframe="15m"),
            wick(35, "101250.1", timeframe="15m")]  # fmt: skip
    signal = only(set_up([*surrounding(), *same]))
    assert [found.timeframe for found in signal.wicks] == ["1m", "5m", "1h"]
