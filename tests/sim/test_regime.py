"""Activity of the model market: the table of growth, the mean rate, bursts and their direction."""

import math
import random
import statistics

from ravequant.sim.regime import NORMAL, Regime, growth


def test_growth_is_e_to_the_exponent_within_its_table():
    """Within 2 % from -3 to 3, and constant beyond."""
    for exponent in (-2.9, -1.0, 0.0, 0.7, 2.9):
        assert math.isclose(growth(exponent), math.exp(exponent), rel_tol=0.02)
    assert growth(-50) == growth(-3)
    assert growth(50) == growth(3)


def test_the_normal_table_is_standard():
    """Mean 0, standard deviation 1, symmetric."""
    assert math.isclose(statistics.fmean(NORMAL), 0.0, abs_tol=1e-9)
    assert math.isclose(statistics.pstdev(NORMAL), 1.0, rel_tol=0.01)
    assert NORMAL[0] == -NORMAL[-1]


def test_the_mean_of_rows_is_near_the_rate_asked_for():
    """Over a day, bursts and quiet hours together."""
    regime, rows = Regime(random.Random(1)), []
    for second in range(24 * 3600):
        if second % 60 == 0:
            regime.minute()
        rows.append(regime.second(10.0))
    assert 6 < statistics.fmean(rows) < 16
    assert min(rows) > 0
    assert max(rows) > 60


def test_a_rate_above_the_limit_is_a_steady_load():
    """Such a market is for measurements: within a tenth of the rate."""
    regime = Regime(random.Random(1))
    rows = [regime.second(1_000.0) for _ in range(2_000)]
    assert min(rows) >= 900
    assert max(rows) <= 1_100


def test_a_burst_has_a_direction_and_ends():
    """Up or down while it lasts, none outside of it."""
    regime, directions = Regime(random.Random(1)), []
    for _ in range(5_000):
        regime.second(10.0)
        directions.append(regime.direction)
        assert (regime.direction == 0) == (regime._burst_force == 0.0)
    assert set(directions) == {-1, 0, 1}
    assert directions.count(0) > 4_000
