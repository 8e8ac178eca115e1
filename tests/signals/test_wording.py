"""What a signal says in words: its worth, both readings, why it is no trade, its level."""

from dataclasses import replace

import pytest

from ravequant.alerts import discord_embed
from ravequant.signals import wording
from ravequant.signals.candidates import LastPrice
from ravequant.signals.inputs import CvdRow, LastTrade, VwapRow, price
from ravequant.signals.rules import Reached
from ravequant.signals.seen import Instant, Seen
from tests.support.alert_cases import as_text
from tests.support.made_signals import (
    LIMITS,
    A,
    book,
    hidden,
    limits_of,
    only,
    set_up,
    side,
    surrounding,
    volume,
    wick,
)


def vwap_at(text):
    return (VwapRow(A - 1, price("101050"), price(text), gap=False),)


def said(facts, limits=LIMITS):
    """Return the worth of the only signal, and its notes."""
    signal = only(facts, limits)
    return wording.worth(signal), wording.notes(signal, limits)


DEFENDED = wording.DEFENDED


def test_a_young_recording_shows_how_much_its_vwap_covers():
    """Beside its age, in the first line; and at its layer, in a word."""
    (row,) = vwap_at("101058")
    signal = only(set_up(vwap=(row._replace(traded=64, whole=False),)))
    words = wording.age_line(signal.state, LIMITS).replace(wording.JOINT, " ")
    assert words.endswith("wicks volume cvd 0s, vwap 0s, 64 of 240 min")
    assert "vwap PARTIAL" in wording.evidence(signal, LIMITS)[0].replace(wording.JOINT, " ")


@pytest.mark.parametrize(
    ("facts", "worth", "why"),
    [
        (set_up(vwap=vwap_at("101200")), "NO TRADE: fees", "fees eat the reward"),
        (
            set_up(vwap=vwap_at("101150")),
            "NO TRADE: break-even",
            "73.54% must win, more than 60%",
        ),
        (set_up(vwap=()), "NO TRADE: no target", "no target within 60 bps"),
        (set_up(tick=None), "NO TRADE: break-even", "no stop: the tick size is unknown"),
        (
            set_up(trade=LastTrade(A * 60_000, price("101250"))),
            "NO ENTRY: in contact",
            "price is at the tip: too late to enter",
        ),
        (
            set_up(vwap=vwap_at("101150"), trade=LastTrade(A * 60_000, price("101250"))),
            "NO TRADE: break-even",
            "more than 60% must win",
        ),
    ],
)
def test_no_trade_says_why(facts, worth, why):
    """In the place of conviction and size; what the evidence alone would make stands after it."""
    assert said(facts) == (worth, [why, "the evidence alone: MAX", DEFENDED])


def test_touched_and_a_wrong_clock_are_no_trade():
    """What others find out has its words too."""
    signal = only(set_up())
    touched = signal._replace(
        no_trade="touched", reached=Reached(A * 60_000 + 20_500, price("101251"))
    )
    assert wording.worth(touched) == "NO TRADE: touched"
    assert wording.notes(touched, LIMITS)[0] == "touched at 21:35:20 UTC at 101251"
    assert wording.notes(signal._replace(no_trade="touched"), LIMITS)[0] == "touched"
    since = replace(touched.state, instant=Instant(A * 60_000 + 62_499, Seen()))
    said = wording.notes(touched._replace(state=since), LIMITS)[0]
    assert said == "touched 41s ago at 21:35:20 UTC at 101251"
    late = signal._replace(no_trade="clock")
    assert wording.worth(late) == "NO TRADE: clock"
    assert wording.notes(late, LIMITS)[0] == "the clock of this computer is wrong"
    stands = signal._replace(no_trade="recorder")
    assert wording.worth(stands) == "NO TRADE: not recording"
    assert wording.notes(stands, LIMITS)[0] == "not recording: price may be elsewhere by now"


def test_both_readings_are_told_where_they_differ():
    """In words, whichever of them decides; where they agree there is nothing to say."""
    rows = tuple(volume(ago) for ago in range(60, -1, -1))
    facts = set_up(volume=rows, cvd=(CvdRow(A - 1, "+1", gap=False),), book=book(side()))
    assert said(facts) == ("HIGH x2", ["MAX by the notes", DEFENDED])
    by_notes = said(facts, limits_of(max_rule="notes"))
    assert by_notes == ("MAX x3", ["HIGH by the strict rule", DEFENDED])
    assert said(set_up()) == ("MAX x3", [DEFENDED])
    far = replace(facts, vwap=vwap_at("100000"))
    assert said(far)[1][1:3] == ["the evidence alone: HIGH", "MAX by the notes"]


def test_a_cap_is_told():
    """What is not whole, and what the evidence would make with it."""
    assert said(set_up(book=None)) == (
        "WATCH x1",
        ["MAX by the notes", "book not whole: WATCH at most, else MAX", DEFENDED],
    )
    assert "tape not whole: WATCH at most, else MAX" in said(set_up(cvd=()))[1]
    signal = only(set_up(book=None), LIMITS)
    weak = signal._replace(readings=signal.readings._replace(uncapped="WATCH"))
    assert "book not whole: WATCH at most" in wording.notes(weak, LIMITS)


def test_only_very_high_is_shown():
    """The strength below it has no word: three things were called HIGH."""
    assert DEFENDED not in said(set_up(the_wick=hidden(tip_exact=False)))[1]


def test_far_is_said_with_its_minute_where_price_is_near_now():
    """The layers are those of the minute, the distance is that of the newest price."""
    far = only(replace(set_up(), book=book(mid=price("100990"))))
    line = wording.evidence(far, LIMITS)[0].replace(wording.JOINT, " ")
    assert "cvd FAR" in line
    assert "FAR at" not in line
    near = far._replace(last=LastPrice(price("101240"), "trade"))
    line = wording.evidence(near, LIMITS)[0].replace(wording.JOINT, " ")
    assert line.count("FAR at 21:35") == 3
    assert "cvd  FAR at 21:35: " in as_text(discord_embed.embed(near, LIMITS, A * 60_000))


def test_what_else_is_at_its_level():
    """Other timeframes of its price, near twins by their prices."""
    frames = [wick(30, "101250", timeframe="5m"), wick(90, "101250", timeframe="1h")]
    twins = [wick(30, "101258"), wick(29, "101245")]
    assert said(set_up([*surrounding(), *frames]))[1] == [DEFENDED, "on 1m, 5m, 1h"]
    assert said(set_up([*surrounding(), *twins]))[1] == [
        DEFENDED,
        "one level with 101245, 101258",
    ]
    both = said(set_up([*surrounding(), *frames, *twins]))[1]
    assert both == [DEFENDED, "on 1m, 5m, 1h, one level with 101245, 101258"]
