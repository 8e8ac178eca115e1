"""The lines of a watch about its signals: each, its growth, its return, its end; once."""

from dataclasses import replace

import pytest

from ravequant.alerts.ends import RoundAnswer
from ravequant.alerts.signal_lines import HEADS, SignalLines
from ravequant.signals.candidates import Query
from ravequant.signals.inputs import CvdRow, LastTrade, VwapRow, price
from ravequant.signals.proof import not_tested
from ravequant.signals.serialize import as_json
from tests.support.made_signals import (
    LIMITS,
    WORTH,
    A,
    ask,
    book,
    hidden,
    limits_of,
    made_verdict,
    set_up,
    side,
    surrounding,
    volume,
    wick,
)

NOW = A * 60_000 + 30_000
HEAD = "SHORT BTC-USDT-SWAP at 101250: "


def a_round(lines, *states, min_score=0, limits=LIMITS):
    """Return the lines of a round with these answers."""
    for state in states:
        result = ask(state, limits=limits)
        told = RoundAnswer(result, Query(), limits, min_score)
        lines.add(told, [as_json(signal, limits, {}) for signal in told.standing])
    return lines.lines(NOW)


def test_a_new_signal_is_one_line_once():
    """With its worth, and the trade."""
    lines = SignalLines()
    assert a_round(lines, set_up()) == [
        (
            f"SIGNAL {HEAD}MAX x3, score 100, +19.70 bps away, stop 101260.2, target 101058, "
            "net R/R 1.50"
        )
    ]
    assert a_round(lines, set_up()) == a_round(lines) == []


def test_it_grows_is_withdrawn_is_back_and_is_reached():
    """One line for each, the end with its reason; then nothing more."""
    lines, small = SignalLines(), set_up(book=None)
    touched = set_up(the_wick=hidden(status="touched", ended=A))
    found = [
        line.partition(", score")[0]
        for state in (small, set_up(), small, set_up(vwap=()), set_up(), touched, set_up())
        for line in a_round(lines, state)
    ]
    assert found == [
        f"SIGNAL {HEAD}WATCH x1, MAX by the notes",
        f"GROWN {HEAD}MAX x3",
        f"SHRUNK {HEAD}WATCH x1, MAX by the notes",
        f"WITHDRAWN {HEAD}no trade any more: no target within 60 bps",
        f"BACK {HEAD}MAX x3",
        f"REACHED {HEAD}touched in the minute 21:34 UTC",
    ]
    assert {line.partition(" ")[0] for line in found} == {*HEADS}


LOW = set_up(  # an entry of size 0: nothing but an inexact wick is met
    [*surrounding(), wick(30, "101000", "low")],
    hidden(tip_exact=False, tip_strength=None),
    volume=tuple(volume(ago) for ago in range(60, -1, -1)),
    cvd=(CvdRow(A - 1, "0", gap=False),),
    book=book(side(), imbalance=(10, 5, 5, 0, 3, None)),
    vwap=(VwapRow(A - 1, price("101050"), price("101300"), gap=False),),
)


def test_a_signal_of_size_0_has_no_line_until_it_grows():
    """Discord gets it without --min-score; the window is for what is worth a trade."""
    assert [(one.size, one.no_trade) for one in ask(LOW).signals if one.wick.side == "high"] == [
        (0, None)
    ]
    lines = SignalLines()
    assert [line for line in a_round(lines, LOW) if "SHORT" in line] == []
    assert [line.partition(" ")[0] for line in a_round(lines, set_up())] == ["SIGNAL"]
    gone = [line for _ in range(2) for line in a_round(lines, LOW) if "SHORT" in line]
    assert gone == [f"WITHDRAWN {HEAD}it has no size any more"]
    assert [line.partition(" ")[0] for line in a_round(lines, set_up())] == ["BACK"]


@pytest.mark.parametrize(
    ("state", "min_score"),
    [
        (set_up(), 101),
        (set_up(vwap=()), 0),
        (set_up(trade=LastTrade(A * 60_000, price("101250"))), 0),
    ],
)
def test_a_signal_without_a_size_or_below_the_score_has_no_line(state, min_score):
    """Nor has the end of one that was not shown."""
    lines = SignalLines()
    assert a_round(lines, state, min_score=min_score) == []
    assert a_round(lines, set_up(the_wick=hidden(status="touched", ended=A))) == []


@pytest.mark.parametrize(
    ("rule", "words"),
    [("strict", "HIGH x2, MAX by the notes, s"), ("notes", "MAX x3, HIGH by the strict rule, s")],
)
def test_where_the_readings_differ_both_are_there(rule, words):
    """The one that decides has the size."""
    rows = tuple(volume(ago) for ago in range(60, -1, -1))
    facts = set_up(volume=rows, cvd=(CvdRow(A - 1, "+1", gap=False),), book=book(side()))
    (line,) = a_round(SignalLines(), facts, limits=limits_of(max_rule=rule))
    assert line.startswith(f"SIGNAL {HEAD}{words}")


@pytest.mark.parametrize(("word", "worth"), WORTH.items())
def test_each_verdict_in_a_line(word, worth):
    """A size that is no go stands in brackets; the second line of the card follows an x0."""
    (line,) = a_round(SignalLines(), set_up(verdict=made_verdict(word)))
    assert line.startswith(f"SIGNAL {HEAD}{worth}, score ")
    stop = f"; {word}: Stop trading this as it is." if "x0" in worth else ""
    assert line.endswith(f", net R/R 1.50{stop}")


def test_without_a_verdict_a_line_says_so():
    """And not with the setting off."""
    (line,) = a_round(SignalLines(), set_up(verdict=not_tested()))
    assert line.startswith(f"SIGNAL {HEAD}MAX (x3, not tested), score ")


def test_a_new_verdict_is_no_news_of_a_signal():
    """Whatever it leaves of the size: nothing grows, is withdrawn, or is back."""
    lines = SignalLines()
    words = ("LOSES", "PROVEN", "PROMISING", "LAB BROKEN", "PROVEN")
    found = [line for word in words for line in a_round(lines, set_up(verdict=made_verdict(word)))]
    assert len(found) == 1


def test_what_is_not_known_has_its_sign():
    """No tick size, no stop: then it is no trade at all; no target neither."""
    lines = SignalLines()
    assert a_round(lines, replace(set_up(), tick=None)) == []
    assert a_round(lines, set_up())[0].endswith("net R/R 1.50")
