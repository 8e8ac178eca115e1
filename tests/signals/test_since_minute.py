"""What the seconds after its minute change in an answer: entries, price, and nothing else."""

from dataclasses import replace

import pytest

from ravequant.signals.candidates import LastPrice
from ravequant.signals.inputs import price
from ravequant.signals.rules import Reached
from ravequant.signals.seen import NewestPrice, RawMid, RawTail, RawTrade
from ravequant.signals.since_minute import since_minute, without_entry
from tests.support.made_signals import A, ask, mirrored, set_up, wick

MS = A * 60_000
NEWEST = NewestPrice(MS + 30_000, price("101100"), "trade")


def tail(*trades, mids=()):
    """Return raw lines: (milliseconds after A, price)."""
    found = [RawTrade(MS + ms, n, n, price(text)) for n, (ms, text) in enumerate(trades, 1)]
    return RawTail(tuple(found), tuple(RawMid(MS + ms, price(text)) for ms, text in mids))


def after(facts, lines, newest=NEWEST):
    (signal,) = since_minute(ask(facts), lines, newest).signals
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
        result = since_minute(ask(facts), tail(), newest)
        assert [signal.wick.side for signal in result.signals] == sides
        assert result.last == LastPrice(price(at), "mid")


def test_with_a_wrong_clock_nothing_is_an_entry():
    """The evidence stays visible."""
    (signal,) = without_entry(ask(set_up())).signals
    assert (signal.no_trade, signal.size, signal.plan.entry) == ("clock", 0, None)
    assert signal.conviction == "MAX"
