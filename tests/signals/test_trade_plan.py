"""The trade at a tip: entry, stop to the tick, target, what fees leave of it, and no trade."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import exact
from ravequant.signals.inputs import VwapRow, price
from ravequant.signals.trade_plan import plan, stop_at
from tests.support.made_signals import (
    LIMITS,
    A,
    ask,
    book,
    hidden,
    limits_of,
    mirrored,
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


def test_a_wick_that_price_has_touched_since_is_no_target():
    """The next one is; the names of others change nothing."""
    near, far = wick(90, "101120.5", "low"), wick(91, "101100", "low")
    facts = set_up([*surrounding(), near, far], vwap=())
    one = hidden()
    assert plan(facts, LIMITS, one, (), {far.event_id, one.event_id}).target == near.tip
    assert plan(facts, LIMITS, one, (), {near.event_id}).target == far.tip
    none = plan(facts, LIMITS, one, (), {near.event_id, far.event_id})
    assert (none.target, none.no_trade) == (None, "target")


def vwap_at(text, ago=1, *, whole=True):
    return (VwapRow(A - ago, price("101050"), price(text), gap=False, whole=whole),)


@pytest.mark.parametrize(
    ("low", "vwap", "target", "target_from"),
    [
        ("101100", vwap_at("101058"), "101100", "wick"),  # the nearer of the two
        ("101000", vwap_at("101058"), "101058", "vwap_4h"),
        ("101058", vwap_at("101058"), "101058", "wick"),
        (None, vwap_at("101058"), "101058", "vwap_4h"),
        ("101000", (), "101000", "wick"),
        ("101000", vwap_at("101251"), "101000", "wick"),  # not in the trade's way
        ("101000", vwap_at("101058", ago=30), "101000", "wick"),  # stale
        ("101000", vwap_at("101058", whole=False), "101000", "wick"),
        (None, vwap_at("101058", whole=False), None, None),
        ("100642.5", (), "100642.5", "wick"),  # 60 bps away
        ("100642.4", (), None, None),  # a tick more
        ("100600", vwap_at("101058"), "101058", "vwap_4h"),
        ("101000", vwap_at("100600"), "101000", "wick"),
        (None, vwap_at("100642.5"), "100642.5", "vwap_4h"),
        (None, vwap_at("100642.49999999"), None, None),
        (None, (), None, None),
        ("101250", (), None, None),  # at the entry
        (None, vwap_at("101250"), None, None),
    ],
)
def test_the_target_is_the_nearest_within_reach(low, vwap, target, target_from):
    """Of the next untouched wick and the 4 h VWAP; farther than 60 bps away there is none."""
    lows = [wick(90, low, "low")] if low else []
    signal = only(set_up([*surrounding(), *lows], vwap=vwap))
    plan = signal.plan
    assert (plan.target, plan.target_from) == (target and price(target), target_from)
    assert plan.target_event_id == (lows[0].event_id if target_from == "wick" else None)
    assert (signal.no_trade == "target") == (target is None)
    if target is None:
        assert (plan.reward_risk, plan.reward_risk_net, plan.break_even_pct) == (None, None, None)
        assert (plan.entry, plan.stop) == (price("101250"), price("101260.2"))
        assert (signal.size, signal.conviction) == (0, "MAX")


def long_plan(highs, vwap=()):
    """Return the plan of a LONG at 100900.5 among these highs."""
    low = wick(25, "100900.5", "low", size_ticks=9)
    facts = set_up([*surrounding(), low, *highs], wick(60, "110000"), vwap=vwap)
    (signal,) = ask(facts).signals
    assert signal.direction == "LONG"
    return signal.plan


@pytest.mark.parametrize(
    ("high", "vwap", "target"),
    [
        ("101000", (), "101000"),
        ("100800", (), None),  # behind it
        ("100900.5", (), None),
        ("100800", vwap_at("101010"), "101010"),
        ("101000", vwap_at("100800"), "101000"),
        ("101500", vwap_at("100900.5"), "101500"),
    ],
)
def test_the_target_of_a_long_lies_above(high, vwap, target):
    """High wicks and the VWAP, above the entry alone."""
    assert long_plan([wick(50, high)], vwap).target == (target and price(target))


def test_of_several_wicks_the_nearest_is_the_target():
    """Whatever their ages and names; of equally near ones the older, then the lower name."""
    highs = [wick(50, "101100"), wick(45, "101000"), wick(60, "101200")]
    assert long_plan(highs).target == price("101000")
    same = [wick(ago, "101000", event_id=name) for ago, name in ((44, "a"), (45, "c"), (45, "b"))]
    assert long_plan(same).target_event_id == "b"


@pytest.mark.parametrize(
    ("stop_bps", "fees", "target", "no_trade"),
    [
        ("0.3", "0", "99998", None),  # risks 3 for 2: 60 % exactly
        ("0.3", "0", "99998.01", "break-even"),
        ("0.3", "0", "100000", "target"),
    ],
)
def test_a_share_at_the_limit_may_be_traded(stop_bps, fees, target, no_trade):
    """More than break_even_max_pct is too much, not that itself."""
    limits = limits_of(stop_bps=stop_bps, maker_bps=fees, taker_bps=fees)
    facts = set_up(
        the_wick=hidden(tip=price("100000")), vwap=vwap_at(target), tick=price("1"),
        book=book(mid=price("99900")), trade=None, volume=(),
    )  # fmt: skip
    (signal,) = ask(facts, limits=limits).signals
    assert (signal.plan.stop, signal.no_trade) == (price("100003"), no_trade)


@pytest.mark.parametrize("tick", [price("1"), None])
def test_fees_that_leave_nothing_are_fees(tick):
    """A reward of exactly the fees: 10 for 1 bp of 100000."""
    limits = limits_of(maker_bps="0", taker_bps="1")
    facts = set_up(
        the_wick=hidden(tip=price("100010")), vwap=vwap_at("100000"), tick=tick,
        book=book(mid=price("99900")), trade=None, volume=(),
    )  # fmt: skip
    assert only(facts, limits).no_trade == "fees"


@pytest.mark.parametrize(
    ("target", "share", "no_trade"),
    [
        # net risk 81.0801; what it leaves at 60 %: 54.0534
        ("101125.13", "60.00", None),
        ("101125.14", "60.00", "break-even"),  # 60.001 %, compared before it is rounded
        ("101179.14", "99.97", "break-even"),
        ("101179.21", None, "fees"),  # not a cent is left
        ("101200", None, "fees"),
    ],
)
def test_a_plan_that_cannot_win_has_no_size(target, share, no_trade):
    """Fees that eat the reward, or a win rate that nobody has: no size under either rule."""
    for rule in ("strict", "notes"):
        limits = limits_of(max_rule=rule)
        (signal,) = ask(set_up(vwap=vwap_at(target)), limits=limits).signals
        assert (signal.plan.break_even_pct, signal.no_trade) == (share, no_trade)
        assert signal.size == (0 if no_trade else 3)
        assert (signal.conviction, signal.conviction_notes) == ("MAX", "MAX")


def test_the_limits_of_a_plan_are_settings():
    """How far a target may lie, and how often the trade must win."""
    near = set_up(vwap=vwap_at("101148.7"))
    assert only(near).no_trade == "break-even"
    assert only(near, limits_of(break_even_max_pct="72.69")).no_trade is None
    assert only(near, limits_of(break_even_max_pct="72.67")).no_trade == "break-even"
    assert only(set_up(), limits_of(target_max_bps="18")).no_trade == "target"


def test_without_a_tick_nobody_knows_the_stop():
    """No stop, no size; fees are still known."""
    for target, no_trade in (("101058", "break-even"), ("101200", "fees")):
        signal = only(set_up(tick=None, vwap=vwap_at(target)))
        assert (signal.plan.stop, signal.plan.target) == (None, price(target))
        assert (signal.no_trade, signal.size) == (no_trade, 0)


@given(
    st.integers(1, 200), st.integers(0, 20), st.integers(0, 20), st.integers(1, 20), st.booleans()
)
def test_size_wants_a_plan_that_can_win(away, maker, taker, stop, low):
    """Whatever target, fees and stop: the refusal is the one that fractions give."""
    limits = limits_of(
        maker_bps=str(maker), taker_bps=str(taker), stop_bps=str(stop), target_max_bps="100"
    )
    tip = 101250
    target = Fraction(tip * (10_000 - away), 10_000)
    facts = set_up(vwap=vwap_at(str(float(target))))
    (signal,) = ask(mirrored(facts) if low else facts, limits=limits).signals
    entry, to = (
        Fraction(p, exact.PRICE_ONE) for p in (signal.wick.tip, signal.state.vwap[0].vwap_4h)
    )
    wanted: str | None = "target"
    if abs(entry - to) * 10_000 <= 100 * entry:
        stop_price = Fraction(signal.plan.stop or 0, exact.PRICE_ONE)
        reward = abs(entry - to) - (entry * maker + to * taker) / 10_000
        risk = abs(entry - stop_price) + (entry * maker + stop_price * taker) / 10_000
        wanted = "fees"
        if reward > 0:
            wanted = "break-even" if risk / (risk + reward) > Fraction(60, 100) else None
    assert signal.no_trade == wanted
    assert (signal.size == 0) == (wanted is not None)


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
