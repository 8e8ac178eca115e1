"""How long it takes: the table, the margins of the sequence, and how they hang together."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Edge_Lab.power import (
    ALPHA,
    days_to_see,
    expected_spread,
    forward_day,
    lower_bound,
    margin,
    tuning,
)

EDGES = (0.25, 0.5, 1, 2)
TABLE = {  # s_D: days of a fixed sample, days of the forward test
    0.75: ((71, 18, 5, 2), (92, 25, 20, 20)),
    1.25: ((197, 50, 13, 4), (270, 64, 20, 20)),
    2.5: ((785, 197, 50, 13), (1207, 270, 64, 20)),
    5: ((3140, 785, 197, 50), (5402, 1207, 270, 64)),
}


@pytest.mark.parametrize("spread", TABLE)
def test_the_table_of_days(spread):
    """Every cell of the table, both ways to wait."""
    fixed, forward = TABLE[spread]
    assert tuple(days_to_see(edge, spread) for edge in EDGES) == fixed
    assert tuple(forward_day(edge, spread) for edge in EDGES) == forward


@pytest.mark.parametrize(
    ("alpha", "squared", "margins"),
    [(0.05, 0.105481, (0.6566, 0.3588, 0.1817)), (ALPHA, 0.147614, (0.7413, 0.4111, 0.2072))],
)
def test_the_worked_margins(alpha, squared, margins):
    """The tuning and the margins at days 20, 60 and 250."""
    assert tuning(alpha) == pytest.approx(squared, abs=5e-7)
    assert [margin(day, alpha) for day in (20, 60, 250)] == pytest.approx(margins, abs=5e-5)


def test_the_worked_spread_before_there_is_data():
    """A spread of 5.5 bps a fill, 36 fills a day and a correlation of 0.005 make 1.18 bps."""
    assert expected_spread(5.5, 36, 0.005) == pytest.approx(1.18, abs=5e-3)


@given(st.floats(0.05, 20), st.floats(0.1, 20))
def test_the_forward_day_is_the_first(edge, spread):
    """At that day the bound reaches 0, at the day before it does not, unless that was too early."""
    day = forward_day(edge, spread)
    se = spread / math.sqrt(day)
    assert (lower_bound(edge, se, day) or 0) >= -1e-9
    if day > 20:
        assert (lower_bound(edge, spread / math.sqrt(day - 1), day - 1) or 0) < 0


def test_nothing_is_said_before_the_burn_in():
    """Day 19 has no bound, whatever the estimate; day 20 has."""
    assert lower_bound(100.0, 0.1, 19) is None
    assert lower_bound(1.0, 0.1, 20) == pytest.approx(1 - math.sqrt(20) * 0.1 * 0.74126, abs=1e-4)


def test_the_bound_is_wider_than_one_look_needs():
    """It holds at every look, so it lies below the one-sided bound of a single look."""
    assert all(math.sqrt(day) * margin(day, 0.05) > 1.645 for day in range(20, 400))


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_amounts_are_above_zero(value):
    """An edge, a spread or a number of fills of 0 is no question."""
    for ask in (days_to_see, forward_day):
        with pytest.raises(ValueError, match="edge must be above 0"):
            ask(value, 1.0)
    with pytest.raises(ValueError, match="sigma must be above 0"):
        expected_spread(value, 1.0, 0.0)


def test_the_days_of_the_forward_test_count_from_one():
    """There is no day 0; and a wait of more than ten million days is said to be none."""
    with pytest.raises(ValueError, match="counts from 1, got 0"):
        margin(0)
    with pytest.raises(ValueError, match="beyond 10,000,000 days"):
        forward_day(1e-4, 5.0)
