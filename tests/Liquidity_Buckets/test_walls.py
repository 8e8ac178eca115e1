"""Both wall machines against models written plainly, and at the exact edges of their times."""

import random
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Liquidity_Buckets.walls import BandWall, Patience, PriceWalls
from ravequant import exact
from tests.support.bucket_oracle import Price, see_price

START = 1_765_748_096_000
PATIENCE = Patience()


def band(*events: tuple[float, Any]) -> list[int | None]:
    """Return the age after each (second, above); above None holds the band."""
    wall, ages = BandWall(PATIENCE), []
    for second, above in events:
        ts = START + round(second * 1000)
        if above is None:
            wall.hold(ts)
        else:
            wall.step(ts, above=above)
        wall = BandWall.restore(PATIENCE, wall.state())
        ages.append(wall.age_s(ts))
    return ages


@pytest.mark.parametrize(
    ("events", "ages"),
    [
        pytest.param([(0, True), (29.999, True)], [None, None], id="29.999 s is tentative"),
        pytest.param([(0, True), (30, True)], [None, 30], id="30 s is young"),
        pytest.param([(0, True), (30.999, True)], [None, 30], id="whole seconds, rounded down"),
        pytest.param(
            [(0, True), (30, True), (3600, True)], [None, 30, 3600], id="3,600 s is young"
        ),
        pytest.param([(0, True), (30, True), (3600.001, True)], [None, 30, None], id="established"),
        pytest.param([(0, True), (4000, True)], [None, None], id="straight to established"),
        pytest.param(
            [(0, True), (29, True), (29.5, False), (30, True), (59, True), (60, True)],
            [None, None, None, None, None, 30],
            id="a flash starts anew",
        ),
        pytest.param(
            [(0, True), (3601, True), (4000, True), (7300, True)], [None] * 4, id="not reborn"
        ),
        pytest.param(
            [(0, True), (3601, True), (3602, False), (3603, True), (3633, True)],
            [None, None, None, None, 30],
            id="young again after having been below",
        ),
        pytest.param(
            [(0, True), (40, True), (50, None), (110, None), (111, True)],
            [None, 40, 50, 110, 111],
            id="held 60 s",
        ),
        pytest.param(
            [(0, True), (40, True), (50, None), (110.001, None), (111, True), (200, True)],
            [None, 40, 50, None, None, None],
            id="held longer: none, and it needs a dip",
        ),
        pytest.param(
            [(0, None), (1, True), (100, True), (101, False), (102, True), (132, True)],
            [None, None, None, None, None, 30],
            id="none before the hold: it needs a dip",
        ),
        pytest.param(
            [(0, True), (10, None), (20, True), (29, True), (30, True)],
            [None, None, None, None, 30],
            id="a tentative one goes on",
        ),
    ],
)
def test_a_band_is_young_from_30_to_3600_seconds(events, ages):
    """The edges are exact to the millisecond; a hold is survived for 60 s and starts nothing."""
    assert band(*events) == ages


def test_the_state_of_a_band_is_written_like_this():
    """Name of the state, crossing, first held snapshot, and whether a dip is wanted first."""
    wall = BandWall(PATIENCE)
    assert wall.state() == ["none", None, None, False]
    wall.step(START, above=True)
    assert wall.state() == ["tentative", START, None, False]
    wall.hold(START + 1_000)
    wall.hold(START + 2_000)
    assert wall.state() == ["tentative", START, START + 1_000, True]
    wall.step(START + 30_000, above=True)
    assert wall.state() == ["young", START, None, False]
    wall.step(START + 3_600_001, above=True)
    assert wall.state() == ["established", START, None, False]
    wall.hold(START + 3_700_000)
    wall.hold(START + 3_760_001)
    assert wall.state() == ["none", None, START + 3_700_000, True]
    wall.step(START + 3_760_002, above=False)
    assert wall.state() == ["none", None, None, False]


steps = st.lists(
    st.tuples(
        st.sampled_from([0.001, 2, 10, 15, 29.999, 30, 59.999, 60, 600, 3540, 3570, 3600.0]),
        st.sampled_from([True, True, True, False, None]),
    ),
    max_size=30,
)


@given(steps)
def test_a_band_is_what_its_history_says(history):
    """Closed form: young while the run of steps at or above the threshold is 30 to 3,600 s old."""
    now, events = 0.0, []
    for passed, above in history:
        now += passed
        events.append((now, above))
    assert band(*events) == [_band_age(events[: n + 1]) for n in range(len(events))]


def _band_age(events: list[tuple[float, Any]]) -> int | None:
    start: float | None = None  # of the run that the last step belongs to
    before: bool | None = None  # what the step before saw
    held: list[float] = []
    last_step = 0.0
    for second, above in events:
        if above is None:
            held.append(second)
            continue
        if not above:
            start = None
        elif not before:  # a run begins, unless something unseen lies before it
            start = None if held else second
        elif held and round(held[-1] * 1000) - round(held[0] * 1000) > 60_000:
            start = None
        before, held, last_step = above, [], second
    if start is None or (held and round(held[-1] * 1000) - round(held[0] * 1000) > 60_000):
        return None
    confirmed = round(last_step * 1000) - round(start * 1000)
    if not 30_000 <= confirmed <= 3_600_000:
        return None
    return (round(events[-1][0] * 1000) - round(start * 1000)) // 1000


@dataclass
class Window:
    """A reach of the book and one of the deep data, in prices from 0 outwards."""

    ws: int
    deep: int

    def source(self, price: int) -> str | None:
        price //= exact.PRICE_ONE
        return "ws" if price <= self.ws else "deep" if price <= self.deep else None


@given(st.integers(0, 2**32))
def test_walls_at_prices_follow_the_plain_model(seed):
    """Windows that shrink and grow, deep data that stall, gaps: age and youth as the model says."""
    chance = random.Random(seed)
    walls, ts = PriceWalls(PATIENCE), START
    model: dict[Fraction, Price] = {}
    before: Window | None = None
    for _ in range(120):
        ts += chance.choice((1, 2_000, 10_000, 29_999, 30_000, 60_000, 60_001, 1_800_000))
        if chance.random() < 0.05:
            walls.reset()
            model, before = {}, None
            continue
        window = Window(chance.choice((2, 4, 6)), chance.choice((0, 5, 9)))
        newer = chance.random() < 0.5
        in_reach = [price for price in range(10) if window.source(price * exact.PRICE_ONE)]
        shown = {price for price in in_reach if chance.random() < 0.7}
        walls.step(ts, window, [price * exact.PRICE_ONE for price in shown], newer_deep=newer)
        for price in {int(known) for known in model} | shown:
            place = window.source(price * exact.PRICE_ONE) or "none"
            was = (before.source(price * exact.PRICE_ONE) if before else None) or "none"
            see_price(model, Fraction(price), ts, place, was, shown=price in shown, newer=newer)
        before = window
        again = PriceWalls(PATIENCE)
        again.restore(walls.state(), before)
        walls = again
        for price in range(10):
            known = model.get(Fraction(price), Price(None))
            age = None if known.start is None else ts - known.start
            young = known.sure and age is not None and age <= 3_600_000
            found = (
                walls.age_ms(ts, price * exact.PRICE_ONE),
                walls.young(ts, price * exact.PRICE_ONE),
            )
            assert found == (age, young)


EVERYTHING = Window(100, 0)
PRICE = 50 * exact.PRICE_ONE


def price(
    *events: tuple[float, bool], window: Window = EVERYTHING
) -> list[tuple[int | None, bool]]:
    """Return (age in ms, young) after each (second, shown)."""
    walls, found = PriceWalls(PATIENCE), []
    walls.step(START - 1, window, [], newer_deep=True)
    for second, shown in events:
        ts = START + round(second * 1000)
        walls.step(ts, window, [PRICE] if shown else [], newer_deep=False)
        found.append((walls.age_ms(ts, PRICE), walls.young(ts, PRICE)))
    return found


def test_a_wall_is_young_from_30_to_3600_seconds():
    """Exact to the millisecond on both edges; an established wall is not reborn."""
    assert price((0, True), (29.999, True)) == [(0, False), (29_999, False)]
    assert price((0, True), (30, True)) == [(0, False), (30_000, True)]
    assert price((0, True), (30, True), (3600, True))[-1] == (3_600_000, True)
    assert price((0, True), (30, True), (3600.001, True))[-1] == (3_600_001, False)
    assert price((0, True), (4000, True), (4030, True))[-1] == (4_030_000, False)
    assert price((0, True), (4000, False), (4030, True))[-2:] == [(None, False), (0, False)]


def test_one_deep_snapshot_makes_no_young_wall():
    """While deep data stall nothing is confirmed: a second deep snapshot must show the wall."""
    walls, far = PriceWalls(PATIENCE), Window(10, 100)
    walls.step(START, far, [], newer_deep=True)
    walls.step(START + 10_000, far, [PRICE], newer_deep=True)
    walls.step(START + 50_000, far, [PRICE], newer_deep=False)
    assert (walls.age_ms(START + 50_000, PRICE), walls.young(START + 50_000, PRICE)) == (
        40_000,
        False,
    )
    walls.step(START + 52_000, far, [PRICE], newer_deep=True)
    assert walls.young(START + 52_000, PRICE)


def test_a_wall_that_comes_into_reach_has_no_age():
    """It may have stood for hours: never young, until it has been away."""
    walls = PriceWalls(PATIENCE)
    walls.step(START, Window(10, 0), [], newer_deep=False)
    for second in (10, 50, 90):
        walls.step(START + second * 1000, EVERYTHING, [PRICE], newer_deep=False)
        assert walls.age_ms(START + second * 1000, PRICE) is None
        assert not walls.young(START + second * 1000, PRICE)


def test_out_of_reach_a_wall_is_kept_for_60_seconds():
    """It comes back with its age within 60 s, and as one of unknown age after that."""
    for away, age in ((60_000, 72_000), (60_001, None)):
        walls, near = PriceWalls(PATIENCE), Window(10, 0)
        walls.step(START, EVERYTHING, [], newer_deep=False)
        walls.step(START, EVERYTHING, [PRICE], newer_deep=False)
        walls.step(START + 10_000, near, [], newer_deep=False)
        walls.step(START + 10_000 + away, near, [], newer_deep=False)
        walls.step(START + 72_000, EVERYTHING, [PRICE], newer_deep=False)
        assert walls.age_ms(START + 72_000, PRICE) == age


def test_it_may_be_out_of_reach_again_and_again():
    """The 60 s count anew each time that its price was within reach in between."""
    walls, near = PriceWalls(PATIENCE), Window(10, 0)
    walls.step(START, EVERYTHING, [], newer_deep=False)
    walls.step(START + 1_000, EVERYTHING, [PRICE], newer_deep=False)
    for second in (10, 70):
        walls.step(START + second * 1000, near, [], newer_deep=False)
        walls.step(START + (second + 50) * 1000, near, [], newer_deep=False)
        assert walls.state() == [["50", START + 1_000, second > 10, START + second * 1000]]
        walls.step(START + (second + 55) * 1000, EVERYTHING, [PRICE], newer_deep=False)
        assert walls.state() == [["50", START + 1_000, True, None]]


def test_the_walls_of_a_first_snapshot_have_no_age():
    """They may have stood before; so may those of the first one after a reset."""
    walls = PriceWalls(PATIENCE)
    walls.step(START, EVERYTHING, [PRICE], newer_deep=True)
    assert walls.state() == [["50", None, False, None]]
    walls.step(START + 1_000, EVERYTHING, [], newer_deep=True)
    walls.reset()
    walls.step(START + 2_000, EVERYTHING, [PRICE], newer_deep=True)
    assert walls.state() == [["50", None, False, None]]


def test_an_old_deep_snapshot_shows_no_new_wall():
    """The book before reached that far and had no such wall; the deep data are older than it."""
    walls, far = PriceWalls(PATIENCE), Window(10, 100)
    walls.step(START, EVERYTHING, [], newer_deep=True)
    walls.step(START + 1_000, far, [PRICE], newer_deep=False)
    assert walls.state() == []
    walls.step(START + 2_000, far, [PRICE], newer_deep=True)
    assert walls.state() == [["50", START + 2_000, False, None]]


def test_the_state_of_walls_goes_through_json_by_price():
    """Price, first seen, confirmed, out of reach since; the lowest price first, as text."""
    state = [
        ["9.5", None, False, None],
        ["10", START, True, None],
        ["11", START - 5_000, True, START + 30_000],
        ["12", START, False, START],
    ]
    walls = PriceWalls(PATIENCE)
    walls.restore([state[n] for n in (2, 0, 3, 1)], EVERYTHING)
    assert walls.state() == state
    new = 20 * exact.PRICE_ONE
    walls.step(START + 31_000, EVERYTHING, [new], newer_deep=False)
    assert walls.state() == [["20", START + 31_000, False, None]]  # the reach before is known
