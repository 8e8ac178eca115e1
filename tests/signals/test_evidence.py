"""Each layer alone, on hand-made facts: met or not, and every reason why it cannot be judged."""

from dataclasses import replace

import pytest

from ravequant.signals.evidence import mean_text, signed_amount
from ravequant.signals.inputs import CvdRow, LastTrade, VwapRow, price
from tests.support.made_signals import (
    LAYERS,
    MINUTE,
    A,
    absorbing,
    book,
    differs,
    hidden,
    only,
    set_up,
    side,
    states,
    volume,
    wall,
)

VWAP_ROW = VwapRow(A - 1, price("101050"), price("101058"), gap=False)

# --- each layer, one fact wrong at a time -----------------------------------------------------


def test_without_t4_absorption_goes_too():
    """A quiet tape takes two layers: an absorption is T4 by its own rule."""
    facts = set_up(volume=tuple(volume(ago) for ago in range(60, -1, -1)))
    assert differs(facts) == {"volume_tier": "not_met", "absorption": "not_met"}


@pytest.mark.parametrize(("ago", "state"), [(0, "met"), (4, "met"), (5, "not_met")])
def test_the_tape_is_read_five_minutes_back(ago, state):
    """Minutes A-5 to A-1 count, A-6 does not."""
    rows = tuple(absorbing(n) if n == ago else volume(n) for n in range(60, -1, -1))
    found = states(set_up(volume=rows))
    assert (found["volume_tier"], found["absorption"]) == (state, state)


def test_absorbed_sells_speak_against_a_short():
    """The absorbed side must be the one that the trade fades."""
    rows = (*set_up().volume[:-2], absorbing(absorbed_side="sell"), volume(0))
    assert differs(set_up(volume=rows)) == {"absorption": "not_met"}


def test_a_wall_spread_over_neighbours_is_no_wall():
    """2.5 M in pieces of less than 2 M each, in a band young for too long: both wall layers go."""
    pieces = tuple(wall(f"10125{n}", 800_000) for n in range(3))
    asks = side(walls=pieces, young_age_s=(None, 301, None, None, None, None))
    assert differs(set_up(book=book(asks))) == {"wall": "not_met", "young_wall": "not_met"}


def test_without_a_wall_a_young_band_is_a_young_wall():
    """The band's own age stands in for the wall's, below 300 s."""
    for age, state in ((299, "met"), (300, "not_met")):
        asks = side(young_age_s=(None, age, None, None, None, None))
        assert states(set_up(book=book(asks)))["young_wall"] == state
    assert states(set_up(book=book(asks)))["wall"] == "not_met"


@pytest.mark.parametrize(
    ("at", "state"), [("101270.2", "met"), ("101270.3", "not_met"), ("101229.8", "met")]
)
def test_a_wall_stands_within_two_bps_of_the_tip(at, state):
    """2 bps of 101250 are 20.25; equality of 2.0 M is enough."""
    found = states(set_up(book=book(side(walls=(wall(at, 2_000_000),)))))
    assert found["wall"] == state


def test_a_wall_on_the_other_side_is_none():
    """A bid wall at the tip of a high wick is nothing to lean on."""
    row = book(side(), sides={"high": side(), "low": side(walls=(wall(),))})
    assert states(set_up(book=row))["wall"] == "not_met"


def test_a_wall_of_unknown_age_is_not_young():
    """Nobody knows how long it has stood: the wall counts, its youth does not."""
    found = states(set_up(book=book(side(walls=(wall(age_s=None),)))))
    assert (found["wall"], found["young_wall"]) == ("met", "not_met")


@pytest.mark.parametrize(("age_s", "state"), [(299, "met"), (300, "not_met"), (None, "not_met")])
def test_a_wall_is_young_below_300_seconds(age_s, state):
    """At 300 s it is a wall like any other."""
    assert states(set_up(book=book(side(walls=(wall(age_s=age_s),)))))["young_wall"] == state


@pytest.mark.parametrize(("tip", "state"), [("100100", "met"), ("100100.1", "not_met")])
def test_a_band_ends_with_its_edge(tip, state):
    """A tip exactly 10 bps from mid is in the first band, a tick farther it is in the second."""
    row = book(mid=price("100000"), imbalance=(-70, 0, 0, 0, 0, 0))
    assert states(set_up(the_wick=hidden(tip=price(tip)), book=row))["imbalance"] == state


def test_a_book_that_does_not_reach_the_tip_says_so():
    """No wall seen is not no wall."""
    found = states(set_up(book=book(side(depth=1_200))))
    assert found["wall"] == "missing"


@pytest.mark.parametrize(
    ("hundredths", "state"), [(-70, "met"), (-69, "not_met"), (78, "not_met"), (None, "missing")]
)
def test_imbalance_of_the_tips_band(hundredths, state):
    """-0.70 is enough for a SHORT; a partial band says nothing."""
    row = book(imbalance=(0, hundredths, 0, 0, 0, 0))
    assert states(set_up(book=row))["imbalance"] == state


@pytest.mark.parametrize(
    ("delta", "state"), [("-0.01", "met"), ("0", "not_met"), ("+1", "not_met")]
)
def test_cvd_must_go_the_way_of_the_trade(delta, state):
    """Negative for a SHORT; zero is neither."""
    assert states(set_up(cvd=(CvdRow(A - 1, delta, gap=False),)))["cvd"] == state


@pytest.mark.parametrize(("vwap", "state"), [("100000", "met"), ("100000.1", "not_met")])
def test_the_tip_is_ten_bps_beyond_vwap(vwap, state):
    """Exactly 10 bps is enough, a hair less is not."""
    row = (VwapRow(A - 1, price("100090"), price(vwap), gap=False),)
    facts = set_up(
        the_wick=hidden(tip=price("100100")), vwap=row, book=book(mid=price("100090")),
        trade=LastTrade(A * MINUTE, price("100090")),
    )  # fmt: skip
    assert states(facts)["vwap"] == state


def test_a_vwap_of_a_part_of_its_window_is_no_evidence():
    """It is `partial` and says how much it covers; a gap or its age say more."""
    part = (VWAP_ROW._replace(traded=64, whole=False),)
    (layer,) = (one for one in only(set_up(vwap=part)).layers if one.name == "vwap")
    assert (layer.state, layer.points, layer.value) == ("partial", 0, "only 64 of 240 min")
    assert states(set_up(vwap=(part[0]._replace(gap=True),)))["vwap"] == "gap"
    assert states(set_up(vwap=(part[0]._replace(minute=A - 30),)))["vwap"] == "stale"
    assert states(set_up(vwap=(VWAP_ROW._replace(traded=64),)))["vwap"] == "met"


# --- stale, gap, far, missing --------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "limit"),
    [(("volume_tier", "absorption"), 3), (("cvd",), 3), (("vwap",), 20)],
)
def test_minute_rows_go_stale(layers, limit):
    """A row that ended exactly at the limit counts, a minute older is stale."""
    full = set_up()
    for minutes, state in ((limit, "met"), (limit + 1, "stale")):
        ended = A - 1 - minutes
        facts = replace(
            full,
            volume=tuple(
                absorbing(A - 1 - row.minute) if row.minute == ended else row
                for row in full.volume if row.minute <= ended or "volume_tier" not in layers
            ) if "volume_tier" in layers else full.volume,
            cvd=(full.cvd[0]._replace(minute=ended),) if "cvd" in layers else full.cvd,
            vwap=(full.vwap[0]._replace(minute=ended),) if "vwap" in layers else full.vwap,
        )  # fmt: skip
        found = states(facts)
        assert {found[name] for name in layers} == {state}, minutes
        assert len(differs(facts)) == (len(layers) if state == "stale" else 0)


def test_a_snapshot_goes_stale_after_two_minutes():
    """At 120 s it counts, a millisecond older it does not; then the trade is the last price."""
    fresh = set_up(book=book(ts=A * MINUTE - 120_000))
    assert differs(fresh) == {}
    stale = set_up(book=book(ts=A * MINUTE - 120_001))
    assert differs(stale) == dict.fromkeys(("wall", "imbalance", "young_wall"), "stale")
    assert only(stale).last == (price("101050.5"), "trade")


def test_a_hole_takes_its_layers():
    """Over a hole nothing counts, and the word says why."""
    full = set_up()
    rows = (*full.volume[:-1], volume(0, gap=True))
    assert differs(set_up(cvd=(full.cvd[0]._replace(gap=True),))) == {"cvd": "gap"}
    assert differs(set_up(vwap=(full.vwap[0]._replace(gap=True),))) == {"vwap": "gap"}
    assert differs(set_up(book=book(gap=True))) == dict.fromkeys(
        ("wall", "imbalance", "young_wall"), "gap"
    )
    assert differs(set_up(volume=rows)) == dict.fromkeys(
        ("wick", "volume_tier", "absorption"), "gap"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [("-1229500.23882", "-1.23M"), ("+2600000", "+2.60M"), ("-999500", "-1.00M"),
     ("+999499.9", "+999k"), ("-125000", "-125k"), ("+499.5", "+500"), ("-0.4", "-0"), ("0", "0")],
)  # fmt: skip
def test_amounts_are_written_alike(text, shown):
    """In a few characters, whatever their size."""
    assert signed_amount(text) == shown


@pytest.mark.parametrize(
    ("vwap", "shown"),
    [
        ("101058", "101058.00"),
        ("3512.123456", "3512.12"),
        ("1000", "1000.00"),
        ("999.999499", "999.999"),
        ("2.05128", "2.05128"),
        ("0.0000002345500107", "0.000000234550"),
    ],
)
def test_a_mean_shows_six_digits_and_at_least_two_places(vwap, shown):
    """A price that begins at the seventh place is no 0.00."""
    assert mean_text(price(vwap)) == shown


def test_a_t4_over_a_hole_is_no_evidence():
    """The newest minute is sound, the one that shows T4 is not: `gap`, not `met`."""
    rows = (*set_up().volume[:-2], absorbing(gap=True), volume(0))
    found = states(set_up(volume=rows))
    assert (found["volume_tier"], found["absorption"]) == ("gap", "gap")


def test_a_touch_may_hide_in_a_hole():
    """A hole in its candle or since its birth takes the wick's points and its way to MAX."""
    for facts in (
        set_up(the_wick=hidden(gap=True)),
        set_up(volume=(volume(20, gap=True), *set_up().volume[-20:])),
    ):
        assert differs(facts) == {"wick": "gap"}
        assert only(facts).confluences == 6
    bare = set_up(the_wick=hidden(gap=True), volume=(), cvd=(), vwap=(), book=None)
    assert (only(bare).strength, only(bare).conviction) == ("VERY_HIGH", "LOW")


def test_far_from_the_tip_the_tape_says_nothing():
    """25 bps away it counts, a little farther T4, absorption and cvd are `far`."""
    vwap = (VwapRow(A - 1, price("99900"), price("99900"), gap=False),)
    tape = ("volume_tier", "absorption", "cvd")
    for tip, wanted in (("100250", {}), ("100250.1", dict.fromkeys(tape, "far"))):
        row = book(side(walls=(wall(tip),)), mid=price("100000"), imbalance=(-78,) * 6)
        facts = set_up(the_wick=hidden(tip=price(tip)), book=row, vwap=vwap)
        assert differs(facts) == wanted


def test_what_is_missing_is_said_and_stops_nothing():
    """A signal stands on its wick alone; every other layer says that it has nothing to read."""
    facts = set_up(volume=(), cvd=(), vwap=(), book=None)
    assert differs(facts) == dict.fromkeys(LAYERS[1:], "missing")
    signal = only(facts)
    assert (signal.confluences, signal.conviction, signal.capped_by) == (1, "WATCH", "book")
    assert (signal.readings.uncapped, signal.conviction_notes) == ("HIGH", "MAX")  # VERY_HIGH
    nothing = set_up(volume=(), cvd=(), vwap=(), book=None, trade=None, tick=None)
    assert (only(nothing).distance_bps, only(nothing).plan.stop) == (None, None)


def test_a_tracker_that_lags_is_stale():
    """What it has committed says how far it is, not what the candles look like."""
    late = set_up(newest_event=A - 30, tracked=A - 4)
    assert differs(late) == {"wick": "stale"}
    assert only(late).confluences == 6
    assert "wick" not in differs(set_up(newest_event=A - 30, tracked=A - 3))
    calm = set_up(newest_event=A - 30, tracked=A)
    assert "wick" not in differs(calm)  # it has seen all: there was nothing to say
    assert differs(set_up(newest_event=A - 30)) == {"wick": "stale"}  # nobody knows


def test_over_a_gap_an_absorption_is_shown_only_where_there_was_one():
    """The newest minute has a gap: the state says so, the value is of all minutes."""
    rows = tuple(volume(ago, gap=ago == 0) for ago in range(60, -1, -1))
    by_name = {layer.name: layer for layer in only(set_up(volume=rows)).layers}
    tier, absorbed = by_name["volume_tier"], by_name["absorption"]
    assert (absorbed.state, absorbed.value) == ("gap", "no buys absorbed")
    assert (tier.state, tier.value) == ("gap", "T2 at 21:34, 0.80 x median")


def test_over_a_gap_a_book_shows_what_it_held():
    """A book with a gap does not count; its values stay the same."""
    for asks in (side(walls=(wall(),)), side(), side(depth=1_200)):
        sound, gap = (
            {layer.name: layer for layer in only(set_up(book=book(asks, gap=flag))).layers}
            for flag in (False, True)
        )
        for name in ("wall", "imbalance", "young_wall"):
            assert (gap[name].state, gap[name].value) == ("gap", sound[name].value)
