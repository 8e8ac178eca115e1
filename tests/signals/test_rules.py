"""The rules of the query on hand-made facts: both readings, size, contact, groups, the order."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import exact
from ravequant.signals import rules
from ravequant.signals.candidates import LastPrice, Query
from ravequant.signals.evidence import judge
from ravequant.signals.inputs import CvdRow, LastTrade, VwapRow, price
from ravequant.signals.rules import JudgedMinute, find
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
    limits_of,
    mirrored,
    only,
    points,
    set_up,
    side,
    surrounding,
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


# --- strength and conviction ---------------------------------------------------------------


def test_strength_needs_fifteen_touched_and_an_exact_tip():
    """VERY_HIGH only with both; a tip that is not exact also costs half the wick's points."""
    assert only(set_up(surrounding(15))).strength == "VERY_HIGH"
    assert only(set_up(surrounding(14))).strength == "HIGH"
    near = set_up(the_wick=hidden(tip_exact=False, tip_strength="NEAR"))
    assert (only(near).strength, points(near)["wick"], only(near).score) == ("HIGH", 10, 90)


def test_a_divergence_against_the_trade_caps_at_high():
    """Bullish for a SHORT takes MAX away, bearish does not; neither adds anything."""
    rows = set_up().volume
    against = set_up(volume=(*rows[:-1], volume(0, divergence="bullish")))
    with_it = set_up(volume=(*rows[:-1], volume(0, divergence="bearish")))
    older = set_up(volume=(*rows[:-2], absorbing(divergence="bullish"), volume(0)))
    for facts, worth, size, diverges in (
        (against, "HIGH", 2, True),
        (with_it, "MAX", 3, False),
        (older, "MAX", 3, False),
    ):
        signal = only(facts)
        assert (signal.conviction, signal.conviction_notes, signal.size) == (worth, worth, size)
        assert signal.readings.diverges == diverges


def test_young_wall_belongs_to_wall():
    """It gives points but is no confluence of its own."""
    signal = only(set_up(book=book(side(walls=(wall(age_s=301),)))))
    assert (signal.confluences, signal.score) == (7, 90)


@pytest.mark.parametrize(("rule", "size"), [("strict", 2), ("notes", 3)])
def test_one_reading_decides_and_both_are_there(rule, size):
    """VERY_HIGH alone: HIGH by the strict rule, MAX by the notes; the setting says which counts."""
    rows = tuple(volume(ago) for ago in range(60, -1, -1))
    facts = set_up(volume=rows, cvd=(CvdRow(A - 1, "+1", gap=False),), book=book(side()))
    signal = only(facts, limits_of(max_rule=rule))
    assert (signal.confluences, signal.conviction, signal.conviction_notes) == (3, "HIGH", "MAX")
    assert (signal.deciding, signal.size) == (SIZE_NAMES[size], size)


SIZE_NAMES = {2: "HIGH", 3: "MAX"}


@pytest.mark.parametrize("rule", ["strict", "notes"])
def test_no_size_goes_past_a_cap(rule):
    """Without book or tape the notes still say MAX, and the size is that of WATCH."""
    for facts in (set_up(book=None), set_up(cvd=())):
        signal = only(facts, limits_of(max_rule=rule))
        assert (signal.conviction_notes, signal.size) == ("MAX", 1)
        assert signal.conviction == "WATCH"


# --- near twins ------------------------------------------------------------------------------


def twin(minutes_ago, at, **other):
    """A high wick that passes the rules, weaker than the notes' own."""
    return wick(minutes_ago, at, size_ticks=12, **other)


def levels(*wicks, **other):
    """Return (tip, tips of its group) of each signal, nearest first."""
    facts = set_up([*surrounding(), *wicks], **other)
    return [
        (exact.text(found.wick.tip, exact.PRICE_PLACES),
         [exact.text(other.tip, exact.PRICE_PLACES) for other in found.wicks])
        for found in ask(facts).signals
    ]  # fmt: skip


def test_near_twins_are_one_level():
    """Within 1 bp of the strongest, 10.125 here; a tick farther is a level of its own."""
    assert levels(twin(30, "101260.1"), twin(29, "101239.9")) == [
        ("101250", ["101250", "101260.1", "101239.9"])
    ]
    assert levels(twin(30, "101260.2"), twin(29, "101239.8")) == [
        ("101239.8", ["101239.8"]), ("101250", ["101250"]), ("101260.2", ["101260.2"]),
    ]  # fmt: skip


def test_there_are_no_chains():
    """A twin of a twin alone is a level of its own."""
    found = levels(twin(30, "101258"), twin(29, "101266"))
    assert found == [("101250", ["101250", "101258"]), ("101266", ["101266"])]


def test_the_strongest_leads():
    """The higher score, then the older wick: an exact tip is worth more than age."""
    weak = hidden(tip_exact=False, tip_strength=None)
    exact_tip = {"tip_exact": True, "tip_strength": "EXACT"}
    at_26 = twin(26, "101255", **exact_tip)
    assert [lead for lead, _ in levels(at_26, the_wick=weak)] == ["101255"]
    assert [lead for lead, _ in levels(twin(26, "101255"), the_wick=weak)] == ["101250"]
    assert [lead for lead, _ in levels(twin(33, "101255"), the_wick=weak)] == ["101255"]


def test_the_other_side_is_no_twin():
    """A low wick at the same price is another trade."""
    low = wick(30, "101250", "low")
    facts = set_up([*surrounding(), low], book=None, trade=None, volume=())
    assert [found.wick.side for found in ask(facts).signals] == ["high", "low"]


def test_the_stop_lies_beyond_the_whole_group():
    """1 bp beyond its farthest tip, whichever wick leads; the entry stays at the leader's."""
    plan = only(set_up([*surrounding(), twin(30, "101258"), twin(29, "101245")])).plan
    assert (plan.entry, plan.stop) == (price("101250"), price("101268.2"))
    assert only(set_up([*surrounding(), twin(30, "101245")])).plan.stop == price("101260.2")
    upside_down = mirrored(set_up([*surrounding(), twin(30, "101258"), twin(29, "101245")]))
    plan = only(upside_down).plan
    assert plan.entry - plan.stop == price("18.1")  # 101250 - 18.2: to the next tick below


@given(st.lists(st.tuples(st.integers(20, 40), st.integers(0, 400)), min_size=1, max_size=12))
def test_groups_of_any_wicks(drawn):
    """Each wick in one group, within 1 bp of its leader; no two leaders are twins."""
    wicks = {
        ago: wick(ago, exact.text((1_012_500 + ticks) * 10, 2), tip_exact=ticks % 3 == 0)
        for ago, ticks in drawn
    }
    around = [w._replace(event_id=f"{n}") for n, w in enumerate(surrounding(20))]
    state = set_up(around, wick(60, "101200"), tracked=A)
    found = ask(replace(state, wicks=(*state.wicks, *wicks.values())), Query(min_touched=0)).signals
    members = [other for signal in found for other in signal.wicks]
    assert sorted(members) == sorted(
        w for w in wicks.values() if any(w in signal.wicks for signal in found)
    )
    leaders = [signal.wick for signal in found]
    for signal in found:
        tip = signal.wick.tip
        assert all(abs(other.tip - tip) * 10_000 <= tip for other in signal.wicks)
        assert all(signal.plan.stop > other.tip for other in signal.wicks)
    for one in leaders:
        for other in leaders:
            assert one == other or abs(one.tip - other.tip) * 10_000 > min(one.tip, other.tip)


# --- price in contact, tags, order ---------------------------------------


def test_a_tip_that_price_has_reached_is_no_entry():
    """Mid or trade at the tip: shown, without entry, stop, target and size; a stale mid is none."""
    at_tip = book(mid=price("101250"))
    for facts in (
        set_up(book=at_tip),
        set_up(trade=LastTrade(A * MINUTE, price("101250"))),
    ):
        assert only(facts).in_contact
        assert (only(facts).plan.entry, only(facts).plan.stop) == (None, None)
        assert (only(facts).size, only(facts).conviction, only(facts).no_trade) == (0, "MAX", None)
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


def test_whales_and_a_change_of_the_band_are_told_apart():
    """More than ten whales with more than 2 M; neither over a gap, nor while the book is stale."""
    more = {"whale_count": 11, "whale_volume": LIMITS.whale_volume + 1}
    asks = side(walls=(wall(),), significant=(False, True, False, False, False, False))
    rows = set_up().volume[:-1]

    def tags(book_=None, **other):
        facts = set_up(volume=(*rows, volume(0, **more | other)), book=book_ or book(asks))
        return only(facts).tags

    assert tags() == ("whales", "ask_delta")
    assert tags(whale_count=10) == tags(whale_volume=LIMITS.whale_volume) == ("ask_delta",)
    assert tags(gap=True) == ("ask_delta",)
    assert tags(book(asks, gap=True)) == ("whales",)
    assert tags(book(side(walls=(wall(),)))) == ("whales",)
    assert only(set_up(book=None)).tags == ()


# --- the answer ----------------------------------------------------------------------------------


def test_the_last_price_and_its_source():
    """The mid while the book is not stale, else the newest trade, else none."""
    facts = set_up()
    assert ask(facts).state is facts
    assert ask(facts).last == only(facts).last == LastPrice(price("101050.9"), "mid")
    old = replace(facts, book=book(ts=A * MINUTE - 121_000))
    for without in (old, replace(facts, book=None)):
        assert ask(without).last == LastPrice(price("101050.5"), "trade")
        assert ask(replace(without, trade=None)).last is None
    gap = replace(facts, book=book(gap=True))
    assert ask(gap).last == LastPrice(price("101050.9"), "mid")


def test_a_mid_gives_way_to_a_trade_that_is_10_s_newer():
    """The book stood still while trades went on: distance and near evidence are of the trade."""
    newest = LastTrade(A * MINUTE - 1_000, price("100000"))
    for older_ms, last in (
        (10_000, LastPrice(price("101050.9"), "mid")),
        (10_001, LastPrice(price("100000"), "trade")),
    ):
        facts = set_up(trade=newest, book=book(ts=newest.ts - older_ms))
        signal = only(facts)
        assert ask(facts).last == signal.last == last
        far = {layer.name for layer in signal.layers if layer.state == "far"}
        assert far == (set() if last.source == "mid" else {"volume_tier", "absorption", "cvd"})


def test_without_a_price_the_order_is_that_of_the_names():
    """Nothing is near or far."""
    wicks = [wick(33, "101300", event_id="a"), wick(34, "101200", event_id="c")]
    facts = set_up([*surrounding(), *wicks], hidden(event_id="b"), book=None, trade=None)
    assert [found.wick.event_id for found in ask(facts).signals] == ["a", "b", "c"]


def test_the_nearest_is_nearest_on_either_side():
    """A LONG below price and a SHORT above it are ordered by their distance alone."""
    low = wick(25, "100900.5", "low", size_ticks=9)
    facts = set_up([*surrounding(), low, wick(33, "101150")])
    assert [found.distance_bps for found in ask(facts).signals] == ["+9.81", "-14.88", "+19.70"]


def test_the_wick_says_what_is_around_it():
    """Touched of all, the tip, size and median."""
    exact_tip, none = only(set_up()), only(set_up(the_wick=hidden(tip_strength=None)))
    assert exact_tip.layers[0].value == ("16 of 16 touched, tip EXACT, size 12 (median 15 ticks)")
    assert none.layers[0].value == ("16 of 16 touched, no tip-to-tip, size 12 (median 15 ticks)")


def test_very_high_counts_only_with_its_layer():
    """A wick that may have been touched, and one that is not VERY_HIGH: HIGH needs three layers."""
    nothing: dict[str, Any] = {
        "volume": tuple(volume(ago) for ago in range(60, -1, -1)),
        "cvd": (CvdRow(A - 1, "+1", gap=False),),
        "vwap": (),
        "book": book(side(), imbalance=(0,) * 6),
    }
    sure = only(set_up(**nothing))
    assert (sure.confluences, sure.conviction, sure.no_trade) == (1, "HIGH", "target")
    doubtful = only(set_up(the_wick=hidden(gap=True), **nothing))
    assert (doubtful.readings.uncapped, doubtful.conviction_notes) == ("LOW", "LOW")
    plain = only(set_up(the_wick=hidden(tip_exact=False), **nothing))
    assert (plain.conviction, plain.conviction_notes) == ("LOW", "LOW")


def test_a_divergence_against_a_long_is_bearish():
    """Bullish takes nothing from it; one of long ago neither."""
    for kind, diverges in (("bearish", True), ("bullish", False)):
        facts = mirrored(set_up(volume=(*set_up().volume[:-1], volume(0, divergence=kind))))
        assert only(facts).readings.diverges == diverges
    stale = set_up(volume=(absorbing(6), volume(5, divergence="bullish")))
    assert not only(stale).readings.diverges
    gap = set_up(volume=(*set_up().volume[:-1], volume(0, divergence="bullish", gap=True)))
    assert only(gap).readings.diverges


@pytest.mark.parametrize(
    ("low", "contact"), [("100851.8", True), ("100851.9", False), ("100851.7", True)]
)
def test_a_long_is_in_contact_from_above(low, contact):
    """A trade, a mid or a minute's low at its tip or below."""
    state = mirrored(set_up())
    at = price(low)
    quiet = tuple(row._replace(high=price("101060"), low=price("101040")) for row in state.volume)
    state = replace(state, volume=quiet)
    reached = quiet[-1]._replace(low=at, high=price("101200"))
    for other in (
        replace(state, trade=LastTrade(A * MINUTE, at)),
        replace(state, volume=(*quiet[:-1], reached), newest_event=A - 1),
    ):
        assert only(other).in_contact == contact


def test_queries_of_one_minute_share_their_judgement(monkeypatch):
    """Each query of a minute has the signals that it has alone; each wick is judged once."""
    chance, judged = random.Random(3), Counter[str]()

    def counting(state, limits, setup):
        judged[setup.wick.event_id] += 1
        return judge(state, limits, setup)

    tips = [f"101{chance.randrange(100, 400)}.{n}" for n in range(20)]
    wicks = [wick(20 + n, tip, size_ticks=n // 2) for n, tip in enumerate(tips)]
    facts = set_up([*surrounding(), *wicks])
    queries = [
        (Query(*ages, min_touched=touched), limits_of(reach_bps=reach))
        for ages in ((20, 30), (20, 60))
        for touched in (5, 10)
        for reach in ("20", "500")
    ]
    alone = [find(facts, *asked).signals for asked in queries]
    assert len({len(signals) for signals in alone}) > 2
    monkeypatch.setattr(rules, "judge", counting)
    minute = JudgedMinute(facts, LIMITS)
    for asked, wanted in zip(queries, alone, strict=True):
        levels, _ = minute.levels(*asked)
        found = {level.wick.event_id: minute.signal(level) for level in levels}
        assert found == {signal.wick.event_id: signal for signal in wanted}
    assert set(judged.values()) == {1}


def test_a_level_of_one_leader_has_the_group_of_its_query():
    """A twin that only the second query takes is in its signal, and not in that of the first."""
    twin = wick(31, "101251", tip_exact=False)
    facts = set_up([*surrounding(), twin])
    minute = JudgedMinute(facts, LIMITS)
    groups = []
    for query in (Query(32, 40), Query(20, 40)):
        (level,) = minute.levels(query, LIMITS)[0]
        signal = minute.signal(level)
        assert signal == find(facts, query, LIMITS).signals[0]
        groups.append([one.event_id for one in signal.wicks])
    assert groups == [[hidden().event_id], [hidden().event_id, twin.event_id]]
