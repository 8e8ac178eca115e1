"""How a signal that was told ends: by its wick's events and by the answer of the round."""

from dataclasses import replace

import pytest

from ravequant.alerts.ends import RoundAnswer, ends
from ravequant.signals.candidates import Query
from ravequant.signals.inputs import CvdRow, LastTrade, VwapRow, price
from ravequant.signals.rules import Reached
from tests.alerts.test_signal_lines import LOW
from tests.support.made_signals import LIMITS, A, ask, hidden, set_up, surrounding, wick

KEY = hidden().event_id
LINE = "BTC-USDT-SWAP SHORT 101250"


def found(state, min_score=60, told=(KEY,), query=Query(), change=lambda signal: signal):  # noqa: B008
    """Return (kind, line, why) of each end of a signal that was told by these names."""
    result = ask(state, query)
    result = result._replace(signals=tuple(map(change, result.signals)))
    answer = RoundAnswer(result, query, LIMITS, min_score)
    return [(end.kind, end.line, end.detail) for end in ends({told[0]: told}, answer)]


def test_what_stands_goes_on():
    """A candidate with a trade and its score, also at the tip, has no end."""
    assert found(set_up()) == []
    assert found(set_up(), min_score=100) == []
    assert found(set_up(trade=LastTrade(A * 60_000, price("101250")))) == []


def test_touched_is_reached():
    """The price of the level, and the minute of the touch, as soon as it is known."""
    state = set_up(the_wick=hidden(status="touched", ended=A - 2))
    assert found(state) == [("reached", LINE, "touched in the minute 21:32 UTC")]
    (end,) = ends({KEY: [KEY]}, RoundAnswer(ask(state), Query(), LIMITS, 0))
    assert (end.price, end.at_ms, end.key) == ("101250", (A - 2) * 60_000, KEY)


def test_a_trade_since_the_minute_is_reached():
    """With its own price and time."""
    touch = Reached(A * 60_000 + 20_500, price("101251"))
    change = {"no_trade": "touched", "reached": touch}
    assert found(set_up(), change=lambda signal: signal._replace(**change)) == [
        ("reached", LINE, "a trade at 101251 at 21:35:20 UTC")
    ]


@pytest.mark.parametrize(
    ("state", "min_score", "why"),
    [
        (set_up(), 101, "its score is 100 now, below 101"),
        (set_up(cvd=(CvdRow(A - 1, "+1", gap=False),)), 91, "its score is 90 now, below 91"),
        (set_up(vwap=()), 0, "no trade any more: no target within 60 bps"),
        (
            set_up(vwap=(VwapRow(A - 1, price("101050"), price("101200"), gap=False),)),
            60,
            "no trade any more: fees eat the reward",
        ),
        (set_up(surrounding(9)), 60, "it does not pass the rules any more"),
    ],
)
def test_what_lost_its_place_is_withdrawn(state, min_score, why):
    """Below the score, without a plan, or no candidate, each in words."""
    assert found(state, min_score) == [("withdrawn", LINE, why)]


def test_an_entry_without_a_size_is_withdrawn_for_its_size():
    """The policy knows whether it ever had one."""
    (end,) = ends({KEY: [KEY]}, RoundAnswer(ask(LOW), Query(), LIMITS, 0))
    assert (end.kind, end.detail, end.for_size) == ("withdrawn", "it has no size any more", True)
    (end,) = ends({KEY: [KEY]}, RoundAnswer(ask(LOW), Query(), LIMITS, 101))
    assert not end.for_size


def test_ageing_out_has_no_words():
    """At 41 minutes it is no candidate, for its age alone; an expired wick too."""
    later = replace(set_up(), minute=A + 9, newest_event=A + 9)
    assert found(later) == [("aged", LINE, "")]
    assert found(replace(later, minute=A + 8, newest_event=A + 8), min_score=0) == []
    expired = set_up(the_wick=hidden(status="expired", ended=A))
    assert found(expired) == [("aged", LINE, "")]


def test_what_is_not_known_goes_on():
    """Another instrument, another timeframe, no wicks at all, a wrong clock: nothing is said."""
    assert found(set_up(), told=("ETH-USDT-SWAP|1m|2025-12-14T21:03:00Z|high",)) == []
    assert found(replace(set_up(), wicks=())) == []
    assert found(set_up(surrounding(9)), query=Query(timeframe="5m")) == []
    assert found(set_up(vwap=()), change=lambda signal: signal._replace(no_trade="clock")) == []


def test_a_group_ends_with_the_wick_that_led_it():
    """A stronger twin that leads now keeps it open; the touch of its own tip ends it."""
    twin = wick(31, "101255", tip_exact=True, tip_strength="EXACT")
    weaker = hidden(tip_exact=False, tip_strength=None)
    grown = set_up([*surrounding(), twin], weaker)
    assert ask(grown).signals[0].wick == twin
    assert found(grown, told=(KEY, twin.event_id)) == []
    assert found(grown) == []
    beyond = hidden(status="touched", ended=A)
    assert found(set_up([*surrounding(), twin], beyond), told=(KEY, twin.event_id)) == [
        ("reached", LINE, "touched in the minute 21:34 UTC")
    ]


def test_a_long_ends_as_a_short_does():
    """Its line names the direction."""
    low = wick(30, "100900.5", "low", status="touched", ended=A)
    assert found(set_up([*surrounding(), low]), told=(low.event_id,)) == [
        ("reached", "BTC-USDT-SWAP LONG 100900.5", "touched in the minute 21:34 UTC")
    ]
