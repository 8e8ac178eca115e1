"""The profile of a session: sums, half hours, the value area by pairs, and how its ends look."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import exact
from ravequant.trades.price_levels import PriceLevels
from tests.support import level_oracle
from tests.support.trade_streams import MINUTE, bar
from Volume_Analyzer.session_profile import SessionProfile, ValueArea, end_of, value_area

DAY = MINUTE // 1440
HEIGHT = 10 * exact.PRICE_ONE


@pytest.mark.parametrize(
    ("totals", "poc", "lowest", "highest"),
    [
        ({5: 7, 6: 3}, 5, 5, 5),  # 70 % is enough
        ({5: 69, 6: 31}, 5, 5, 6),
        ({1: 10, 2: 5, 3: 40, 4: 10, 5: 5, 6: 8}, 3, 3, 5),  # of equal pairs the upper
        ({1: 10, 2: 6, 3: 40, 4: 10, 5: 5, 6: 8}, 3, 1, 3),
        ({1: 1, 2: 1, 3: 40, 4: 10, 5: 30, 6: 1}, 3, 3, 5),  # the pair is added whole
        ({3: 40, 5: 30, 9: 30}, 3, 3, 5),  # a bucket that did not trade is in a pair
        ({3: 50, 4: 0, 9: 50}, 3, 3, 9),
        ({1: 50, 9: 50}, 9, 1, 9),  # empty pairs below, nothing above: down to the end
        ({1: 50, 9: 50}, 1, 1, 9),
        ({1: 60, 2: 40}, 1, 1, 2),  # beyond the range there is nothing
        ({2: 30, 3: 40, 4: 30}, 3, 3, 4),
        ({1: 50, 10**15: 49, 10**15 + 1: 1}, 1, 1, 10**15 + 1),  # far apart: no step each
        ({1: 50, 10**15: 49, 10**15 + 1: 1}, 10**15, 1, 10**15 + 1),
        ({1: 1, 2: 50, 10**15: 49}, 10**15, 2, 10**15),
    ],
)
def test_the_value_area_grows_by_pairs(totals, poc, lowest, highest):
    """Until it holds 70 % of all, exactly."""
    assert value_area(totals, poc) == ValueArea(poc, lowest, highest)


@given(
    totals=st.dictionaries(st.integers(0, 40), st.integers(1, 50), min_size=1, max_size=20),
    chosen=st.integers(0, 19),
)
def test_a_value_area_is_that_of_the_plain_rule(totals, chosen):
    """Whatever is between the buckets."""
    poc = sorted(totals)[chosen % len(totals)]
    bottom, top = min(totals), max(totals)
    listed = [totals.get(at, 0) for at in range(bottom, top + 1)]
    low, high = level_oracle.area_of(listed, poc - bottom)
    found = value_area(totals, poc)
    assert found == ValueArea(poc, bottom + low, bottom + high)
    inside = sum(amount for at, amount in totals.items() if found.lowest <= at <= found.highest)
    assert 10 * inside >= 7 * sum(totals.values())


@pytest.mark.parametrize(
    ("tpos", "high", "low"),
    [
        ({1: 1, 2: 1, 3: 4, 4: 2}, "poor", "excess"),
        ({1: 2, 2: 9, 3: 1, 4: 1}, "excess", "poor"),
        ({1: 1, 2: 2}, "poor", "plain"),
        ({2: 2, 3: 1}, "plain", "poor"),
        ({1: 1, 3: 1}, "plain", "plain"),  # the bucket between them did not trade
        ({1: 1}, "plain", "plain"),
        ({1: 2}, "poor", "poor"),
    ],
)
def test_an_end_is_poor_excess_or_plain(tpos, high, low):
    """By the half hours in the last bucket, and in the one before it."""
    assert end_of(tpos, max(tpos), -1) == high
    assert end_of(tpos, min(tpos), 1) == low


def minute(at, cells, prices):
    """Return a minute of the day with buys and sells by bucket, in dollars."""
    numbers = sorted(cells)
    bought, sold = ([cells[number][side] for number in numbers] for side in (0, 1))
    known = PriceLevels(0, numbers, bought, sold, [1] * len(numbers), 0, 0)
    return bar(at - MINUTE + DAY * 1440, prices)._replace(levels=known)


def test_a_session_sums_its_minutes():
    """Amounts, extremes and half hours; in whatever units a minute counts."""
    session = SessionProfile(DAY, whole=True)
    session.add(minute(0, {2: (5, 1)}, ["25", "29", "21", "22"]))
    fine = minute(29, {2: (1, 0), 3: (0, 4)}, ["31"])
    assert fine.levels is not None
    session.add(fine._replace(levels=fine.levels.at(3)))
    finer = minute(30, {2: (2, 2), 4: (1, 1)}, ["28"])
    assert finer.levels is not None
    session.add(finer._replace(levels=finer.levels.at(5)))
    assert session.minutes == 3
    prices = (session.high, session.low, session.close)
    assert [price // exact.PRICE_ONE for price in prices] == [31, 21, 28]
    one = 10**session.places
    assert session.buckets == {
        2: (8 * one, 3 * one, 0b11), 3: (0, 4 * one, 0b01), 4: (one, one, 0b10),
    }  # fmt: skip
    assert (session.start, session.end) == (DAY * 1440, DAY * 1440 + 1440)
    again = SessionProfile.restore(orjson.loads(orjson.dumps(session.state())))
    assert again.state() == session.state()
    assert again.buckets[3] == (0, 4 * 10**exact.NOTIONAL_PLACES, 0b01)
    assert again.value_area(HEIGHT) == session.value_area(HEIGHT)
    assert again.ends() == session.ends() == ("excess", "poor")


@pytest.mark.parametrize(
    ("cells", "ends"),
    [
        ({2: (1, 0), 3: (1, 0)}, ("excess", "excess")),
        ({1: (1, 0), 3: (1, 0), 4: (1, 0)}, ("excess", "plain")),
        ({1: (1, 0), 2: (1, 0), 4: (1, 0)}, ("plain", "excess")),
    ],
)
def test_each_end_is_judged_from_outside_inwards(cells, ends):
    """The high by the bucket below it, the low by the one above."""
    session = SessionProfile(DAY, whole=True)
    session.add(minute(0, cells, ["25"]))
    assert session.ends() == ends


def test_a_session_that_was_not_seen_whole_has_no_ends():
    """Nobody knows what traded before."""
    session = SessionProfile(DAY, whole=False)
    session.add(minute(700, {2: (5, 1)}, ["25"]))
    session.add(minute(800, {2: (5, 1)}, ["25"]))
    assert session.ends() == (None, None)


@pytest.mark.parametrize(("prices", "poc"), [(["29", "31"], 2), (["21", "40"], 3), (["30"], 2)])
def test_of_equal_buckets_the_poc_is_nearest_the_middle_then_the_lower(prices, poc):
    """The middle of the session's prices, and that of the bucket."""
    session = SessionProfile(DAY, whole=True)
    session.add(minute(0, {2: (5, 1), 3: (1, 5), 1: (1, 1)}, prices))
    assert session.value_area(HEIGHT).poc == poc
