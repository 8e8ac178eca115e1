"""What the layers say: their conditions and values in words, and which record they speak of."""

import pytest

from ravequant.signals.evidence import touch_gap
from ravequant.signals.inputs import BookSide, RestingWall, price
from tests.support.made_signals import (
    NOTIONAL,
    absorbing,
    book,
    hidden,
    mirrored,
    only,
    set_up,
    side,
    volume,
    wall,
    wick,
)


def layer(facts, name):
    """Return a layer of the only signal."""
    return next(found for found in only(facts).layers if found.name == name)


def wanted(minutes, lean, passed, way):
    """Return (points in full, condition, stream, age) of each layer."""
    return {
        "wick": (20, "rules 1 to 3 passed; half the points without an exact tip", "wicks", 0),
        "volume_tier": (15, "a T4 in the last 5 minutes", "volume", 0),
        "absorption": (15, f"{minutes} absorbed in the last 5 minutes", "volume", 0),
        "wall": (15, f"{passed} wall of 2.00M or more within 2 bps of the tip", "buckets", 1_000),
        "imbalance": (10, f"{lean} in the tip's band", "buckets", 1_000),
        "young_wall": (
            10,
            "that wall is young, 30 to 299 s; without one, the tip's band is",
            "buckets",
            1_000,
        ),
        "cvd": (10, f"cvd_1m {way[0]}", "cvd", 0),
        "vwap": (5, f"tip 10 bps or more {way[1]} vwap_4h", "vwap", 0),
    }


SHORT = wanted("buys", "-0.70 or less", "ask", ("negative", "above"))
LONG = wanted("sells", "+0.70 or more", "bid", ("positive", "below"))


@pytest.mark.parametrize(
    ("facts", "layers", "values"),
    [
        (
            set_up(),
            SHORT,
            ["2.50M at 101250, 95 s", "-0.78 in 10-25 bps", "-125k at 21:34",
             "tip +19.00 bps from 101058.00"],
        ),
        (
            mirrored(set_up()),
            LONG,
            ["2.50M at 100851.8, 95 s", "+0.78 in 10-25 bps", "+125k at 21:34",
             "tip -19.00 bps from 101043.80"],
        ),
    ],
)  # fmt: skip
def test_a_layer_in_words(facts, layers, values):
    """What each wants of a SHORT and of a LONG, what it sees, from which stream, how old."""
    found = {one.name: one for one in only(facts).layers}
    assert [(one.state, one.points) for one in found.values()] == [
        ("met", points) for points in (20, 15, 15, 15, 10, 10, 10, 5)
    ]
    assert {
        name: (one.most, one.condition, one.stream, one.age_ms) for name, one in found.items()
    } == layers
    assert [found[name].value for name in ("wall", "imbalance", "cvd", "vwap")] == values
    assert found["wick"].value == "16 of 16 touched, tip EXACT, size 12 (median 15 ticks)"
    assert found["volume_tier"].value == found["absorption"].value == "T4 at 21:33, 2.60 x median"
    assert found["young_wall"].value == "the wall: 95 s, young"


def test_half_the_points_are_a_whole_number():
    """Ten of twenty, for the score and for JSON; what is not met has none."""
    bare = layer(set_up(book=book(side())), "wall")
    assert (bare.state, bare.points) == ("not_met", 0)
    points = layer(set_up(the_wick=hidden(tip_exact=False)), "wick").points
    assert (points, type(points)) == (10, int)


OLD_WALL = RestingWall(price("101250"), 2_500_000 * NOTIONAL, 4_000, young=False)


@pytest.mark.parametrize(
    ("asks", "values"),
    [
        (
            side(walls=(wall(age_s=None),)),
            ("2.50M at 101250, age unknown", "the wall: age unknown, not young"),
        ),
        (
            side(walls=(OLD_WALL,)),
            ("2.50M at 101250, 4000 s", "the wall: 4000 s, not young after 3600 s"),
        ),
        (
            side(walls=(OLD_WALL._replace(age_s=29),)),
            ("2.50M at 101250, 29 s", "the wall: 29 s, not young before 30 s"),
        ),
        (
            side(walls=(OLD_WALL._replace(age_s=34),)),
            (
                "2.50M at 101250, 34 s",
                "the wall: 34 s, not young: not seen again since it was 30 s old",
            ),
        ),
        (
            side(walls=(wall(age_s=300),)),
            ("2.50M at 101250, 300 s", "the wall: 300 s, young, not under 300 s"),
        ),
        (side(), ("no such wall on the ask side", "no young wall in 10-25 bps")),
        (
            side(young_age_s=(None, 95, None, None, None, None)),
            ("no such wall on the ask side", "band 10-25 bps: 95 s"),
        ),
        (
            side(depth=1_200),
            ("the book was seen to 12.00 bps only", "no young wall in 10-25 bps"),
        ),
    ],
)
def test_what_rests_at_the_tip_in_words(asks, values):
    """A wall, its age, whether it is young; without one, what the band or the reach says."""
    facts = set_up(book=book(asks))
    assert (layer(facts, "wall").value, layer(facts, "young_wall").value) == values


def test_a_wall_that_is_not_young_is_not_fresh():
    """Whatever its age says."""
    young = OLD_WALL._replace(age_s=10)
    assert layer(set_up(book=book(side(walls=(young,)))), "young_wall").state == "not_met"


def test_the_largest_wall_counts_then_the_nearest():
    """Of several at the tip."""
    at = {name: wall(name) for name in ("101248", "101250", "101255")}
    large = wall("101245", notional=3_000_000)
    for walls, wanted_price in (
        ((*at.values(), large), "3.00M at 101245"),
        (tuple(at.values()), "2.50M at 101250"),
        (tuple(reversed(at.values())), "2.50M at 101250"),
        ((at["101255"], at["101248"]), "2.50M at 101248"),
    ):
        assert str(layer(set_up(book=book(side(walls=walls))), "wall").value).startswith(
            wanted_price
        )


@pytest.mark.parametrize(
    ("tip", "name"),
    [
        ("101051", "0-10 bps"),
        ("101100", "0-10 bps"),
        ("101250", "10-25 bps"),
        ("101400", "25-50 bps"),
        ("102000", "50-100 bps"),
        ("103000", "100-200 bps"),
        ("106000", "200-500 bps"),
    ],
)
def test_the_band_of_a_tip_has_a_name(tip, name):
    """From the inner edge to the outer one; the first begins at 0."""
    row = book(side(), imbalance=(5,) * 6)
    facts = set_up(the_wick=hidden(tip=price(tip)), book=row, trade=None, volume=())
    assert layer(facts, "imbalance").value == f"+0.05 in {name}"


def test_beyond_the_last_band_nothing_is_known():
    """A tip that is still no more than 500 bps away, but beyond the bands of an older file."""
    narrow = book(
        BookSide((), (None,) * 3, (False,) * 3, 41_235), bands_bps=(5, 8, 12), imbalance=(0,) * 3
    )
    narrow = narrow._replace(sides={**narrow.sides, "low": narrow.sides["high"]})
    facts = set_up(book=narrow)
    assert (layer(facts, "imbalance").state, layer(facts, "imbalance").value) == (
        "missing", "not known in beyond 12 bps"
    )  # fmt: skip
    young = layer(facts, "young_wall")
    assert (young.state, young.value) == ("not_met", "no young wall in beyond 12 bps")


@pytest.mark.parametrize(("depth", "state"), [(1970, "missing"), (1971, "not_met")])
def test_a_book_that_reaches_the_tip_has_no_wall_there(depth, state):
    """19.70 bps and a little are not seen to 19.70."""
    asks = side(depth=depth)
    assert layer(set_up(book=book(asks)), "wall").state == state


def test_a_book_that_ends_at_the_tip_was_seen_so_far():
    """At the very depth it counts as seen."""
    row = book(side(depth=2_000), mid=price("100000"))
    at_the_end = set_up(the_wick=hidden(tip=price("100200")), book=row, trade=None, volume=())
    beyond = set_up(the_wick=hidden(tip=price("100200.1")), book=row, trade=None, volume=())
    assert [layer(facts, "wall").state for facts in (at_the_end, beyond)] == ["not_met", "missing"]


def test_a_tape_without_a_tier_says_so():
    """The first minutes of a vault have none, and no ratio."""
    rows = tuple(volume(ago, tier=None, ratio=None) for ago in range(10, -1, -1))
    assert layer(set_up(volume=rows), "volume_tier").value == "no tier at 21:34, ? x median"
    none = set_up(volume=(volume(90),))
    assert (layer(none, "volume_tier").value, layer(none, "absorption").value) == (
        None, "no buys absorbed"
    )  # fmt: skip


def test_of_several_t4_the_newest_sound_one_is_shown():
    """One over a gap is shown only where there is no other."""
    older, newer = absorbing(3, ratio="3.00"), absorbing(2, ratio="4.00", gap=True)
    rows = (*(volume(ago) for ago in range(60, 3, -1)), older, newer, volume(1), volume(0))
    assert layer(set_up(volume=rows), "volume_tier").value == "T4 at 21:31, 3.00 x median"
    alone = (*rows[:-4], volume(3), newer, volume(1), volume(0))
    found = layer(set_up(volume=alone), "volume_tier")
    assert (found.state, found.value) == ("gap", "T4 at 21:32, 4.00 x median")


def test_a_gap_may_have_touched_a_wick_from_the_end_of_its_minute():
    """Its birth, if the gap is in its own candle; a gap before its birth is none."""
    own = wick(32, "101250", gap=True)
    plain = wick(32, "101250")
    assert touch_gap(own, []) == own.birth
    assert touch_gap(plain, []) is None
    gaps = [plain.birth - 1, plain.birth, plain.birth + 5]
    assert touch_gap(plain, gaps) == plain.birth + 1
    assert touch_gap(plain, gaps[2:]) == plain.birth + 6
    assert touch_gap(plain, gaps[:1]) is None
