"""The rules of the query on hand-made facts: rules 1 to 3, conviction, contact, the order."""

import pytest

from ravequant.signals.inputs import LastTrade, VwapRow, price
from ravequant.signals.rules import Query, conviction
from tests.support.made_signals import (
    LAYERS,
    LIMITS,
    MINUTE,
    A,
    absorbing,
    ask,
    book,
    differs,
    hidden,
    mirrored,
    only,
    points,
    set_up,
    side,
    surrounding,
    touched,
    volume,
    wall,
    wick,
)


def test_the_set_up_of_the_notes():
    """Seven confluences, all points, SHORT, three times the size: what the notes describe."""
    signal = only(set_up())
    assert [layer.name for layer in signal.layers] == LAYERS
    assert [layer.points for layer in signal.layers] == [20, 15, 15, 15, 10, 10, 10, 5]
    assert (signal.direction, signal.confluences, signal.score) == ("SHORT", 7, 100)
    assert (signal.conviction, signal.size, signal.strength) == ("MAX", 3, "VERY_HIGH")
    assert (signal.age_minutes, signal.candidate.touched, signal.candidate.small) == (32, 16, True)
    assert (signal.distance_bps, signal.in_contact) == ("+19.70", False)


def test_the_set_up_upside_down_is_a_long():
    """A low wick below price is judged as its mirror image."""
    signal = only(mirrored(set_up()))
    assert (signal.direction, signal.confluences, signal.score) == ("LONG", 7, 100)
    assert signal.distance_bps == "-19.70"


def test_the_literal_prices_of_the_notes():
    """Mid and vwap_4h at 101230 are 1.98 bps away: band 0 leans the other way, no room to vwap."""
    vwap = (VwapRow(A - 1, price("101230"), price("101230"), gap=False),)
    facts = set_up(book=book(mid=price("101230")), vwap=vwap)
    assert differs(facts) == {"imbalance": "not_met", "vwap": "not_met"}
    assert only(facts).distance_bps == "+1.98"


# --- rules 1 to 3 ----------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "found"), [(19, 0), (20, 1), (40, 1), (41, 0)])
def test_age_bounds_are_included(age, found):
    """A wick counts from 20 to 40 minutes after its birth, both ends included."""
    around = [touched(age - 1 - n // 2, ("high", "low")[n % 2]) for n in range(16)]
    assert len(ask(set_up(around, wick(age, "101250"))).signals) == found


def test_a_touched_wick_is_no_signal():
    """What has been touched is no level any more, and the answer says so."""
    answer = ask(set_up(the_wick=hidden(status="touched", ended=A - 1)))
    assert answer.signals == ()
    assert answer.missing == ("rule 1: no untouched 1m wick aged 20 to 40 min; all 17 were touched")


def test_no_wick_of_that_age():
    """Without a wick of that age the first rule has failed."""
    answer = ask(set_up([], wick(60, "101250")))
    assert answer.missing == "rule 1: no 1m wick aged 20 to 40 min"


def test_too_few_touched_around():
    """Nine touched wicks within ten minutes are too few; the answer names the best one."""
    answer = ask(set_up(surrounding(9)))
    assert answer.missing == (
        "rule 2: no untouched 1m wick aged 20 to 40 min has 10 touched wicks within 10 min; best "
        "is high 101250 of 21:03 with 9 of 9"
    )
    assert len(ask(set_up(surrounding(10))).signals) == 1


def test_surrounding_ends_ten_minutes_away():
    """A wick born 10 minutes before or after is around it, one 11 minutes away is not."""
    near = [touched(42), touched(22), touched(42, "high"), touched(22, "high")]
    far = [touched(43), touched(21)]
    signal = only(set_up([*near, *far, *surrounding(6)]))
    assert (signal.candidate.touched, len(signal.candidate.others)) == (10, 10)


def test_only_its_own_timeframe_surrounds_it():
    """Wicks of other timeframes are not around a 1m wick, whatever their number."""
    others = [touched(30 + n % 5, timeframe="5m", event_id=f"5m {n}") for n in range(20)]
    assert ask(set_up(others)).signals == ()


def test_the_other_wick_of_its_own_candle_is_around_it():
    """A candle with two wicks gives each of them to the other's surroundings."""
    signal = only(set_up([touched(32, "low"), *surrounding(9)]))
    assert signal.candidate.touched == 10


def test_small_means_not_above_the_median():
    """A size equal to the median is small; half a tick more than an even median is not."""
    assert only(set_up(the_wick=hidden(size_ticks=15))).candidate.small
    answer = ask(set_up(the_wick=hidden(size_ticks=16)))
    assert answer.missing == (
        "rule 3: no surrounded untouched 1m wick aged 20 to 40 min is small; high 101250 of 21:03 "
        "has 16 ticks, the median around it is 15; --all-sizes takes it"
    )
    signal = only(set_up(the_wick=hidden(size_ticks=16)), Query(small_only=False))
    assert not signal.candidate.small


def test_an_even_median_is_the_mean_of_the_middle_pair():
    """Ten sizes, 11 and 14 in the middle: 12 ticks are small, 13 are not."""
    around = surrounding(10)
    sized = [w._replace(size_ticks=11 if n < 5 else 14) for n, w in enumerate(around)]
    assert only(set_up(sized)).candidate.median_text == "12.5"
    assert ask(set_up(sized, hidden(size_ticks=13))).signals == ()


def test_a_tip_beyond_500_bps_is_no_signal():
    """At exactly 500 bps it is one, a tick farther it is not."""
    at = [hidden(tip=price("105000")), hidden(tip=price("105000.1"))]
    found = [ask(set_up(the_wick=w, book=book(mid=price("100000")))) for w in at]
    assert [len(answer.signals) for answer in found] == [1, 0]
    assert found[1].missing == "rule 3: beyond 500 bps from price: high 105000.1 of 21:03"


def test_no_wicks_at_all():
    """An empty tracker is not the same as no signal, and says what to run."""
    answer = ask(set_up(wicks=(), newest_event=None))
    assert answer.missing == "no wicks are known: run Untouch_Wick/untouch_wick.py"


def test_wicks_of_long_ago_are_not_called_unknown():
    """A tracker that stopped days ago: its newest event is named, not denied."""
    answer = ask(set_up(wicks=(), newest_event=A - 3 * 1_440))
    assert answer.missing == (
        "no wick of the last day is known, the newest event is of 2025-12-11T21:35:00Z: "
        "run Untouch_Wick/untouch_wick.py"
    )


# --- strength and conviction ---------------------------------------------------------------


def test_strength_needs_fifteen_touched_and_an_exact_tip():
    """VERY_HIGH only with both; a tip that is not exact also costs half the wick's points."""
    assert only(set_up(surrounding(15))).strength == "VERY_HIGH"
    assert only(set_up(surrounding(14))).strength == "HIGH"
    near = set_up(the_wick=hidden(tip_exact=False, tip_strength="NEAR"))
    assert (only(near).strength, points(near)["wick"], only(near).score) == ("HIGH", 10, 90)


@pytest.mark.parametrize(
    ("met", "very_high", "wanted"),
    [
        ("wick volume_tier absorption wall imbalance cvd vwap", False, "MAX"),
        ("wick wall cvd vwap", False, "MAX"),  # the four of the notes
        ("wick imbalance cvd vwap", False, "MAX"),
        ("wick volume_tier absorption wall", False, "HIGH"),  # three facts, one told twice
        ("wick volume_tier absorption wall imbalance", False, "MAX"),
        ("wick volume_tier absorption cvd vwap", False, "HIGH"),  # nothing rests there
        ("wick volume_tier absorption cvd vwap", True, "MAX"),
        ("wick volume_tier absorption cvd", True, "HIGH"),
        ("wick volume_tier cvd vwap", True, "MAX"),
        ("wick wall cvd", False, "HIGH"),
        ("wick", True, "HIGH"),
        ("wick cvd", False, "WATCH"),
        ("wick", False, "LOW"),
        ("", False, "LOW"),
    ],
)
def test_conviction_of_what_is_met(met, very_high, wanted):
    """MAX wants four that are not one event told twice, with the book or a VERY_HIGH wick."""
    assert conviction(frozenset(met.split()), very_high=very_high) == wanted


def test_a_divergence_against_the_trade_caps_at_high():
    """Bullish for a SHORT takes MAX away, bearish does not; neither adds anything."""
    rows = set_up().volume
    against = set_up(volume=(*rows[:-1], volume(0, divergence="bullish")))
    with_it = set_up(volume=(*rows[:-1], volume(0, divergence="bearish")))
    assert (only(against).conviction, only(against).size, only(against).capped) == ("HIGH", 2, True)
    assert (only(with_it).conviction, only(with_it).capped) == ("MAX", False)
    older = set_up(volume=(*rows[:-2], absorbing(divergence="bullish"), volume(0)))
    assert only(older).conviction == "MAX"


def test_young_wall_belongs_to_wall():
    """It gives points but is no confluence of its own."""
    signal = only(set_up(book=book(side(walls=(wall(age_s=301),)))))
    assert (signal.confluences, signal.score) == (7, 90)


# --- price in contact, tags, order ---------------------------------------


def test_a_tip_that_price_has_reached_is_no_entry():
    """Mid or trade at the tip: shown, without entry, stop and target; a stale mid says nothing."""
    at_tip = book(mid=price("101250"))
    for facts in (
        set_up(book=at_tip),
        set_up(trade=LastTrade(A * MINUTE, price("101250"))),
    ):
        assert only(facts).in_contact
        assert (only(facts).plan.entry, only(facts).plan.stop) == (None, None)
    old = at_tip._replace(ts=A * MINUTE - 121_000)
    assert not only(set_up(book=old)).in_contact


def test_a_minute_that_reached_the_tip_is_contact():
    """The tracker lags, the volume file does not: the wick is no entry any more."""
    rows = (*set_up().volume[:-1], volume(0, high=price("101250")))
    assert only(set_up(volume=rows, newest_event=A - 1)).in_contact


def test_the_nearest_signal_comes_first():
    """Order is distance from price, whatever the score."""
    far = wick(33, "101300")
    answer = ask(set_up([*surrounding(), far]))
    assert [found.wick.tip for found in answer.signals] == [price("101250"), price("101300")]


def test_tags_are_information_only():
    """Whales in the newest minute, and a significant change of the tip's band."""
    rows = (*set_up().volume[:-1], volume(0, whale_count=11, whale_volume=LIMITS.whale_volume + 1))
    asks = side(walls=(wall(),), significant=(False, True, False, False, False, False))
    signal = only(set_up(volume=rows, book=book(asks)))
    assert (signal.tags, signal.score) == (("whales", "ask_delta"), 100)
    edge = (*set_up().volume[:-1], volume(0, whale_count=11, whale_volume=LIMITS.whale_volume))
    assert only(set_up(volume=edge)).tags == ()
