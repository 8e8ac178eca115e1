"""What the seconds after its minute change in an answer: entries, price, and nothing else."""

from dataclasses import replace

import pytest

from ravequant.signals.candidates import LastPrice
from ravequant.signals.inputs import VwapRow, price
from ravequant.signals.rules import Reached
from ravequant.signals.seen import NewestPrice, RawMid, RawTail, RawTrade
from ravequant.signals.since_minute import since_minute, without_entry
from tests.support.made_signals import LIMITS, A, ask, hidden, mirrored, set_up, surrounding, wick

MS = A * 60_000
NEWEST = NewestPrice(MS + 30_000, price("101100"), "trade")


def tail(*trades, mids=()):
    """Return raw lines: (milliseconds after A, price)."""
    found = [RawTrade(MS + ms, n, n, price(text)) for n, (ms, text) in enumerate(trades, 1)]
    return RawTail(tuple(found), tuple(RawMid(MS + ms, price(text)) for ms, text in mids))


def after(facts, lines, newest=NEWEST):
    (signal,) = since_minute(ask(facts), LIMITS, lines, newest).signals
    return signal


def test_price_and_distance_are_the_newest_the_rest_is_the_minutes():
    """Layers, target and conviction stay those of A."""
    before = ask(set_up()).signals[0]
    signal = after(set_up(), tail((1_000, "101249.9"), (29_000, "101060")))
    assert signal.last == LastPrice(price("101100"), "trade")
    assert (before.distance_bps, signal.distance_bps) == ("+19.70", "+14.84")
    assert signal._replace(last=before.last) == before
    assert after(set_up(), tail(), None) == before


@pytest.mark.parametrize("turn", [lambda facts: facts, mirrored])
def test_a_tip_that_a_trade_has_reached_is_no_entry(turn):
    """Equal is a touch; the first in time counts, late as it may stand in the file."""
    facts = turn(set_up())
    tip = facts.book.mid + (price("199.1") if turn is not mirrored else -price("199.1"))
    past = tip + (1 if turn is not mirrored else -1)
    rows = [(20_000, past), (9_000, tip), (30_000, facts.book.mid)]
    lines = RawTail(tuple(RawTrade(MS + ms, n, n, at) for n, (ms, at) in enumerate(rows, 1)))
    signal = after(facts, lines)
    assert (signal.no_trade, signal.size) == ("touched", 0)
    assert signal.reached == Reached(MS + 9_000, tip)
    assert (signal.plan.entry, signal.plan.stop) == (None, None)
    before = ask(facts).signals[0]
    assert (signal.conviction, signal.layers) == (before.conviction, before.layers)


def test_a_trade_before_its_birth_has_not_reached_it():
    """A late line of an earlier candle says nothing of this wick."""
    facts = set_up()
    assert after(facts, tail((-32 * 60_000 - 1, "101250"))).no_trade is None
    assert after(facts, tail((-32 * 60_000, "101250"))).no_trade == "touched"


def test_a_tip_that_only_a_mid_has_passed_is_in_contact():
    """In this answer: nobody has traded there, so it is not touched."""
    lines = tail((9_000, "101249"), mids=[(8_000, "101250"), (10_000, "101240")])
    signal = after(set_up(), lines)
    assert (signal.in_contact, signal.no_trade, signal.size) == (True, None, 0)
    assert signal.plan.entry is None
    assert not after(set_up(), tail(mids=[(8_000, "101249.9")])).in_contact
    both = after(set_up(), tail((9_000, "101250"), mids=[(8_000, "101250")]))
    assert (both.in_contact, both.no_trade) == (False, "touched")


def test_the_nearest_by_the_newest_price_stands_first():
    """And the result has that price too."""
    low = wick(31, "100900", "low")
    facts = set_up()
    facts = replace(facts, wicks=(*facts.wicks, low))
    wanted = {"101240": ["high", "low"], "100910": ["low", "high"]}
    for at, sides in wanted.items():
        newest = NewestPrice(MS + 1, price(at), "mid")
        result = since_minute(ask(facts), LIMITS, tail(), newest)
        assert [signal.wick.side for signal in result.signals] == sides
        assert result.last == LastPrice(price(at), "mid")


def aims(*lows):
    """Return the set-up with untouched lows of these prices, 30, 31 … minutes old."""
    made = [wick(30 + n, at, "low") for n, at in enumerate(lows)]
    far = VwapRow(A - 1, price("101050"), price("100000"), gap=False)
    return set_up([*surrounding(), *made], vwap=(far,))


@pytest.mark.parametrize("turn", [lambda facts: facts, mirrored])
def test_a_target_that_a_trade_has_reached_is_none_any_more(turn):
    """The next one takes its place, and the numbers of the trade with it; then there is none."""
    facts = turn(aims("101100", "101000", "100900"))
    first, second, third = (w.tip for w in facts.wicks[-3:])
    up = 1 if first < second else -1  # towards the later targets is away from price

    def target(*reached):
        rows = tuple(RawTrade(MS + 1 + n, n, n, at) for n, at in enumerate(reached))
        (signal,) = [
            one
            for one in since_minute(ask(facts), LIMITS, RawTail(rows), None).signals
            if one.wick == facts.wicks[0]
        ]
        return signal

    assert target().plan == target(first - up).plan == ask(facts).signals[-1].plan
    assert target().plan.target == first
    at_second = target(first)
    assert (at_second.plan.target, at_second.no_trade) == (second, None)
    assert at_second.plan.target_event_id == facts.wicks[-2].event_id
    assert (at_second.plan.stop, at_second.size) == (target().plan.stop, target().size)
    assert float(at_second.plan.reward_risk) > float(target().plan.reward_risk)
    assert target(second, first).plan.target == third
    none = target(third + up)
    assert (none.plan.target, none.no_trade, none.size) == (None, "target", 0)


def test_a_touched_target_leaves_the_vwap_and_the_level_whole():
    """The VWAP is no level that is used up; the stop still lies beyond each wick of the level."""
    twin = wick(30, "101255")
    facts = set_up([*surrounding(), twin, wick(31, "101100", "low")])
    (before,) = (one for one in ask(facts).signals if one.wick.side == "high")
    assert before.plan.target == price("101100")
    (signal,) = (
        one
        for one in since_minute(ask(facts), LIMITS, tail((1, "101040")), NEWEST).signals
        if one.wick.side == "high"
    )
    assert (signal.plan.target, signal.plan.target_from) == (price("101058"), "vwap_4h")
    assert signal.plan.stop == before.plan.stop == price("101265.2")


def test_a_target_counts_the_trades_since_its_own_birth():
    """Late lines of before say nothing of it; in whatever order the lines stand."""
    facts = aims("101100", "101000")
    born = facts.wicks[-2].birth * 60_000 - MS
    for rows, wanted in (
        ([(born - 1, "101099")], "101100"),
        ([(born, "101100")], "101000"),
        ([(5, "101200"), (born, "101100"), (born - 1, "101050")], "101000"),
        ([(5, "101100"), (born - 1, "101200")], "101000"),
    ):
        found = since_minute(ask(facts), LIMITS, tail(*rows), NEWEST).signals
        (signal,) = (one for one in found if one.wick == hidden())
        assert signal.plan.target == price(wanted), rows


def test_a_plan_that_fees_ate_may_win_with_the_next_target():
    """It is judged anew, as at the minute."""
    facts = aims("101200", "101000")
    assert ask(facts).signals[-1].no_trade == "fees"
    found = since_minute(ask(facts), LIMITS, tail((9, "101199")), NEWEST).signals
    (signal,) = (one for one in found if one.wick == hidden())
    assert (signal.no_trade, signal.plan.target) == (None, price("101000"))


def test_with_a_wrong_clock_nothing_is_an_entry():
    """The evidence stays visible."""
    (signal,) = without_entry(ask(set_up()), "clock").signals
    assert (signal.no_trade, signal.size, signal.plan.entry) == ("clock", 0, None)
    assert signal.conviction == "MAX"
    (late,) = without_entry(ask(set_up(vwap=())), "clock").signals
    assert late.no_trade == "clock"


def test_where_nothing_is_recorded_nothing_is_an_entry():
    """The evidence stays visible, and so does the reason of a signal that is no trade by itself."""
    (signal,) = without_entry(ask(set_up()), "recorder").signals
    assert (signal.no_trade, signal.size, signal.plan.entry) == ("recorder", 0, None)
    assert signal.conviction == "MAX"
    before = ask(set_up(vwap=()))
    assert before.signals[0].no_trade == "target"
    assert without_entry(before, "recorder") == before
