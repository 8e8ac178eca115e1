"""Tests of ravequant.trades.price_levels: the trades of a minute by price, and their delta."""

from functools import reduce

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import exact
from ravequant.trades import price_levels
from ravequant.trades.price_levels import PriceLevels, joined, levels_of

HEIGHT = 10
records = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 10**40), st.booleans()), min_size=1, max_size=20
)


def of(trades) -> PriceLevels:
    """Return the levels of some records (price, notional, buy), joined one by one."""
    return reduce(both, [levels_of(p, n, HEIGHT, buy=buy) for p, n, buy in trades])


def both(earlier: PriceLevels, later: PriceLevels) -> PriceLevels:
    """Join levels that are there."""
    found = joined(earlier, later)
    assert found is not None
    return found


def plain(trades):
    """Return buckets, delta and extremes by their definition."""
    numbers = sorted({price // HEIGHT for price, _, _ in trades})
    sides = [
        [sum(n for p, n, buy in trades if p // HEIGHT == at and buy is side) for at in numbers]
        for side in (True, False)
    ]
    counts = [sum(p // HEIGHT == at for p, _, _ in trades) for at in numbers]
    running = [
        sum(n if buy else -n for _, n, buy in trades[:end]) for end in range(len(trades) + 1)
    ]
    return numbers, *sides, counts, running[-1], max(running), min(running)


def shown(levels):
    """Return levels as ``plain`` has them."""
    columns = map(list, levels[1:5])
    return *columns, levels.delta, levels.highest, levels.lowest


@given(trades=records)
def test_levels_are_sums_by_bucket_and_a_running_delta(trades):
    """The start of the minute counts as 0: a minute of sales alone has a highest of 0."""
    assert shown(of(trades)) == plain(trades)


@given(trades=records, cut=st.integers(1, 19))
def test_levels_join_at_any_cut(trades, cut):
    """In any grouping, and in whatever units the parts are counted."""
    cut = min(cut, len(trades) - 1)
    if cut:
        parts = of(trades[:cut]), of(trades[cut:])
        assert shown(both(*parts)) == plain(trades)
        finer = both(parts[0].at(53), parts[1])
        assert finer == both(*parts).at(53)


def test_levels_in_finer_units_are_the_same_amounts():
    """Every amount is multiplied; numbers and counts are not."""
    levels = PriceLevels(2, [7], [300], [100], [5], 250, -20)
    assert levels.at(2) is levels
    assert levels.at(4) == PriceLevels(4, [7], [30_000], [10_000], [5], 25_000, -2_000)


def test_nobody_asked():
    """Levels that one of two parts lacks are lacking."""
    known = levels_of(5, 1, HEIGHT, buy=True)
    assert joined(known, None) is joined(None, known) is joined(None, None) is None


@given(trades=records)
def test_a_state_holds_all(trades):
    """Through JSON and back, and the same text in whatever units the levels were counted."""
    levels = of(trades)
    state = orjson.loads(orjson.dumps(price_levels.packed(levels)))
    again = price_levels.unpacked(state)
    assert (shown(again), again.places) == (shown(levels), exact.NOTIONAL_PLACES)
    one = 10**48
    coarse = PriceLevels(2, [7], [300], [100], [5], 250, -20)
    fine = coarse._replace(places=50, bought=[300 * one], sold=[100 * one])._replace(
        highest=250 * one, lowest=-20 * one
    )
    assert price_levels.packed(coarse) == price_levels.packed(fine)
    assert price_levels.packed(coarse) == ["25e49", "-2e49", [7, "3e50", "1e50", 5]]


@pytest.mark.parametrize("state", [[], ["1"], ["1", "0", [1, "x", "0", 1]], ["1", "0", [1, "2"]]])
def test_a_state_that_is_none_is_refused(state):
    """ValueError, which the loop explains."""
    with pytest.raises(ValueError, match=r"."):
        price_levels.unpacked(state)
