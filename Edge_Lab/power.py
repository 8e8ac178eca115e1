"""How long it takes: days until an edge can be seen, and a bound that holds at every look. Pure.

A fixed sample of n days sees an edge of x with n = (z_0.975 + z_0.80)**2 * s_D**2 / x**2. The
forward test is looked at every day, so its bound is a confidence sequence: the normal mixture of
Robbins, asymptotic with a burn-in (Waudby-Smith et al., Annals of Statistics 52, 2024).
"""

import math
from typing import Final

from Edge_Lab.distributions import normal_quantile

FEWEST_DAYS: Final = 30
FEWEST_FILLS: Final = 200
BURN_IN: Final = 20  # days before the first look
SHARPEST_AT: Final = 60  # the day for which the sequence is tuned
HYPOTHESES: Final = 3
ALPHA: Final = 0.05 / HYPOTHESES
_SHIFTED_COST: Final = 1.4  # 20 shifted placebos a trial add this to the variance (measured)
_LONGEST: Final = 10_000_000  # days; nobody waits longer


def days_to_see(edge: float, spread: float, power: float = 0.8, level: float = 0.025) -> int:
    """Return the days until an edge in bps is seen with ``power`` at a ``level`` of one side.

    ``spread`` is s_D, the spread of a day in bps.
    """
    _check_positive(edge=edge, spread=spread)
    reach = normal_quantile(1 - level) + normal_quantile(power)
    return math.ceil((reach * spread / edge) ** 2)


def expected_spread(sigma: float, fills_a_day: float, correlation: float) -> float:
    """Return s_D before there is one: from the spread of a fill and the correlation in a day."""
    _check_positive(sigma=sigma, fills_a_day=fills_a_day)
    each = sigma**2 / fills_a_day
    return math.sqrt(each * (1 + (fills_a_day - 1) * correlation) * _SHIFTED_COST)


def tuning(alpha: float = ALPHA) -> float:
    """Return the squared rho that makes the sequence narrowest at day SHARPEST_AT."""
    level = 2 * alpha
    return (-2 * math.log(level) + math.log(1 - 2 * math.log(level))) / SHARPEST_AT


def margin(day: int, alpha: float = ALPHA) -> float:
    """Return m(t): the distance of the bound from the estimate after t days, in spreads s_D."""
    if day < 1:
        raise ValueError(f"a day of the forward test counts from 1, got {day}")
    scaled = day * tuning(alpha)
    inner = math.log1p(math.sqrt(scaled + 1) / (2 * alpha))
    return math.sqrt(2 * (scaled + 1) / (day * scaled) * inner)


def lower_bound(value: float, se: float, day: int, alpha: float = ALPHA) -> float | None:
    """Return the lower bound of the sequence at a day; None before the burn-in is over."""
    if day < BURN_IN:
        return None
    return value - math.sqrt(day) * se * margin(day, alpha)


def forward_day(edge: float, spread: float, alpha: float = ALPHA) -> int:
    """Return the first day at which the sequence excludes 0 if the estimate is ``edge``."""
    _check_positive(edge=edge, spread=spread)
    low, high = BURN_IN - 1, BURN_IN
    while spread * margin(high, alpha) > edge:
        low, high = high, 2 * high
        if high > _LONGEST:
            raise ValueError(f"{edge} bps at a spread of {spread} is beyond {_LONGEST:,} days")
    while high - low > 1:
        middle = (low + high) // 2
        if spread * margin(middle, alpha) > edge:
            low = middle
        else:
            high = middle
    return high


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be above 0, got {value}")
