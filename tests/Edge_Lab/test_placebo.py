"""Fake levels: the worked draw, exact levels, what is accepted, bins, and the rank among sets."""

import hashlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Edge_Lab.placebo import (
    BIN_EDGES,
    KINDS,
    Bracket,
    Draw,
    PlaceboMarket,
    bin_of,
    chosen_in_sets,
    draw,
    is_acceptable,
    mirror,
    placebos,
    random,
    rank_among,
    shifted,
)
from ravequant import exact

EVENT = "BTC-USDT-SWAP|1m|2025-12-14T21:03:00Z|high"
ONE = 1 << 64
# prices in tenths: a tick of 0.5 is 5
SHORT = Bracket(-1, 1_012_500, 1_012_605, 1_009_005)
CALM = PlaceboMarket(last=1_011_000, tick=5, tips=(), high=1_011_200, low=1_010_800)

sides = st.sampled_from([1, -1])
prices = st.integers(20_000, 3_000_000)


@st.composite
def trades(draw_value):
    """Draw a bracket and a market around it: prices in tenths, a tick of 1, 5 or 10."""
    side, last = draw_value(sides), draw_value(prices)
    tick = draw_value(st.sampled_from([1, 5, 10]))
    tip = (last - side * draw_value(st.integers(last // 5_000, last // 50))) // tick * tick
    risk = draw_value(st.integers(1, 40)) * tick
    reward = draw_value(st.none() | st.integers(1, 400))
    target = None if reward is None else tip + side * reward
    tips = sorted(
        draw_value(st.lists(st.integers(last * 98 // 100, last * 102 // 100), max_size=8))
    )
    spread = draw_value(st.integers(0, last // 1_000))
    around = PlaceboMarket(last, tick, tips, last + spread, last - spread)
    return Bracket(side, tip, tip - side * risk, target), around


def test_the_worked_draw():
    """u, m and level of the example: 3.1521357 bps below a tip of 101250 is 101218.0."""
    drawn = draw(EVENT, "shifted", 0, 0)
    assert drawn.first / ONE == pytest.approx(0.0253559502, abs=5e-11)
    assert drawn.second / ONE == pytest.approx(0.6471277495, abs=5e-11)
    assert 3 + 6 * drawn.first / ONE == pytest.approx(3.1521357, abs=5e-8)
    assert shifted(SHORT, CALM.last, 5, drawn) == 1_012_180


def test_a_draw_is_two_words_of_sha_256():
    """Bytes 0 to 7 and 8 to 15 of the digest of the four words."""
    digest = hashlib.sha256(b"a|random|19|49").digest()
    assert draw("a", "random", 19, 49) == (
        int.from_bytes(digest[:8], "big"),
        int.from_bytes(digest[8:16], "big"),
    )


def plain_level(kind, trade, last, drawn):
    """Return the level in fractions, before it goes to a tick."""
    first, second = Fraction(drawn.first, ONE), Fraction(drawn.second, ONE)
    if kind == "shifted":
        risk_bps = Fraction(abs(trade.stop - trade.tip), trade.tip) * 10_000
        bps = max(Fraction(3), Fraction(3, 2) * risk_bps) + 6 * first
        return trade.tip * (1 + (bps if second < Fraction(1, 2) else -bps) / 10_000)
    if kind == "mirror":
        return 2 * last - trade.tip + (2 * first - 1) * abs(trade.stop - trade.tip)
    return last * (1 - trade.side * (1 + 49 * first) / 10_000)


@given(trades(), st.sampled_from(KINDS), st.integers(0, ONE - 1), st.integers(0, ONE - 1))
def test_levels_are_those_of_the_formulas(made, kind, first, second):
    """Each level is the formula's, at the nearest tick, half way to the even one."""
    trade, around = made
    drawn = Draw(first, second)
    level = {"shifted": shifted, "mirror": mirror, "random": random}[kind]
    plain = plain_level(kind, trade, around.last, drawn)
    nearest = round(plain / around.tick) * around.tick  # Fraction rounds half to even
    assert level(trade, around.last, around.tick, drawn) == nearest


@given(trades(), st.sampled_from(KINDS))
def test_each_placebo_could_have_been_a_trade(made, kind):
    """Side, distance, survival, the wicks around, the tick, and the bracket: all as the rule says.

    Mirrors stand on the other side; the others on the trade's own.
    """
    trade, around = made
    found = placebos(EVENT, kind, trade, around, count=4)
    for bracket, number in found:
        assert bracket.side == (-trade.side if kind == "mirror" else trade.side)
        away = bracket.side * (around.last - bracket.tip)
        assert Fraction(1) <= Fraction(away * 10_000, around.last) <= 500
        if bracket.side > 0:
            assert around.low > bracket.tip
        else:
            assert around.high < bracket.tip
        apart = max(3 * around.tick, abs(trade.stop - trade.tip))
        assert all(abs(tip - bracket.tip) > apart for tip in around.tips)
        assert bracket.tip % around.tick == 0
        assert bracket.side * (bracket.tip - bracket.stop) == abs(trade.tip - trade.stop)
        if trade.target is None or bracket.target is None:
            assert bracket.target is trade.target
        else:
            gain = bracket.side * (bracket.target - bracket.tip)
            assert gain == trade.side * (trade.target - trade.tip)
        assert number == bin_of(bracket.tip, around.last)
    assert found == placebos(EVENT, kind, trade, around, count=4)


@given(trades(), st.sampled_from(KINDS))
def test_the_first_good_try_is_taken(made, kind):
    """Placebo k is the first of its 50 tries that is acceptable; without one it is left out."""
    trade, around = made
    side = -trade.side if kind == "mirror" else trade.side
    level = {"shifted": shifted, "mirror": mirror, "random": random}[kind]
    expected = []
    for number in range(3):
        tries = (
            level(trade, around.last, around.tick, draw(EVENT, kind, number, attempt))
            for attempt in range(50)
        )
        good = [price for price in tries if is_acceptable(price, side, trade.risk, around)]
        expected += good[:1]
    assert [made.bracket.tip for made in placebos(EVENT, kind, trade, around, 3)] == expected


def test_limits_of_acceptance():
    """1 bp counts and less does not; the reach counts; reached and near a wick's tip do not."""
    around = PlaceboMarket(1_000_000, 5, (1_003_000,), high=1_000_200, low=999_000)
    sell = [
        is_acceptable(price, -1, 60, around)
        for price in (1_000_099, 1_000_200, 1_000_205, 1_002_940, 1_002_935, 1_050_000, 1_050_005)
    ]
    assert sell == [False, False, True, False, True, True, False]
    near = PlaceboMarket(1_000_000, 5, (), high=1_000_000, low=1_000_000)
    assert [is_acceptable(1_000_000 + d, -1, 60, near) for d in (99, 100)] == [False, True]
    assert [is_acceptable(1_000_000 - d, 1, 60, near) for d in (99, 100)] == [False, True]
    ticks = PlaceboMarket(1_000_000, 5, (1_003_000,), 1_000_000, 1_000_000, 20 * exact.SIZE_ONE)
    assert [is_acceptable(p, -1, 1, ticks) for p in (1_001_995, 1_002_005)] == [True, False]
    wide = PlaceboMarket(1_000_000, 5, (1_003_000,), 1_000_000, 1_000_000)
    assert [is_acceptable(p, -1, 1, wide) for p in (1_003_015, 1_003_020)] == [False, True]


def test_fewer_are_found_where_there_is_no_room():
    """A market full of untouched tips leaves no place for a fake level."""
    full = PlaceboMarket(1_011_000, 5, range(1_000_000, 1_030_000, 10), 1_011_000, 1_011_000)
    assert placebos(EVENT, "shifted", SHORT, full) == []
    assert len(placebos(EVENT, "shifted", SHORT, CALM)) == 20


@pytest.mark.parametrize(("free", "taken"), [(0, True), (49, True), (50, False)])
def test_the_fiftieth_try_is_the_last(free, taken):
    """Tips block the levels of all other tries: the 50th is taken, a 51st never."""
    tight = Bracket(-1, SHORT.tip, SHORT.tip + 5)
    for event in (f"{EVENT}|{number}" for number in range(99)):
        levels = [shifted(tight, CALM.last, 5, draw(event, "shifted", 0, t)) for t in range(51)]
        tips = sorted(level for level in levels if abs(level - levels[free]) > 15)
        if len(tips) == 50:  # no other level is near the free one
            break
    around = PlaceboMarket(CALM.last, 5, tips, CALM.high, CALM.low)
    found = placebos(event, "shifted", tight, around, count=1)
    assert [made.bracket.tip for made in found] == [levels[free]] * taken


def test_an_edge_begins_its_bin():
    """0, 5, 10, 15, 20, 30, 40 and 60 bps on both sides, compared exactly."""
    for number, edge in enumerate(BIN_EDGES):
        for sign in (1, -1):
            price = 1_000_000 + sign * edge * 100
            assert bin_of(price, 1_000_000) == number
            if edge:
                assert bin_of(price - sign, 1_000_000) == number - 1
    assert bin_of(2_000_000, 1_000_000) == 7


def test_a_bracket_is_turned_over_as_a_whole():
    """Moved to the other side, stop and target change sides too."""
    moved = SHORT.moved_to(1_000_000, 1)
    assert (moved.stop, moved.target) == (999_895, 1_003_495)
    assert SHORT.moved_to(1_000_000, -1).stop == 1_000_105
    assert moved.moved_to(1_012_500, -1) == SHORT


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((-1, 100, 99), "the stop 99 is not beyond the tip 100"),
        ((1, 100, 100), "the stop 100 is not beyond"),
        ((1, 0, -1), "is not beyond the tip 0"),
        ((1, 100, 99, 100), "the target 100 is not in the trade's way from 100"),
        ((-1, 100, 101, 102), "the target 102 is not in the trade's way"),
    ],
)
def test_a_bracket_that_is_none_is_refused(values, message):
    """A stop on the wrong side, a target on the wrong side, a price of nothing."""
    with pytest.raises(ValueError, match=message):
        Bracket(*values)


def test_tips_must_ascend():
    """A list out of order would be searched in vain."""
    with pytest.raises(ValueError, match="not in ascending order"):
        PlaceboMarket(100, 1, (3, 2), 100, 100)


def test_sets_are_drawn_by_name_and_the_rank_counts_the_real_ones():
    """999 sets of one level a trade: even shares, and p of at least 1 in 1000."""
    digest = hashlib.sha256(f"{EVENT}|set|7".encode()).hexdigest()
    chosen = chosen_in_sets(EVENT, 20)
    assert chosen[7] == int(digest, 16) % 20
    assert len(chosen) == 999
    assert min(chosen.count(number) for number in range(20)) > 20
    assert rank_among(1.0, [0.5] * 999) == 0.001
    assert rank_among(1.0, [1.0] * 9 + [0.0] * 990) == 0.01
