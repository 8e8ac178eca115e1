"""The normal and Student's t distribution: tail probabilities and quantiles. Pure.

The t distribution stands on the regularised incomplete beta function, computed by its continued
fraction (DLMF 8.17.22) with the method of Lentz.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
_SMALLEST: Final = 1e-300  # in place of a zero denominator
_PRECISION: Final = 1e-15
_NEAR: Final = 3.0  # t * t from which the fraction of the tail itself converges fast
_MOST_TERMS: Final = 20_000  # about the square root of the largest argument is needed


def normal_cdf(z: float) -> float:
    """Return P(Z <= z) of the standard normal distribution."""
    return _NORMAL.cdf(z)


def normal_quantile(p: float) -> float:
    """Return the z with P(Z <= z) = p. Raises ValueError unless 0 < p < 1."""
    _check_probability(p)
    return _NORMAL.inv_cdf(p)


def incomplete_beta(x: float, a: float, b: float) -> float:
    """Return I_x(a, b), the regularised incomplete beta function, for 0 <= x <= 1."""
    if not (0 <= x <= 1 and a > 0 and b > 0):
        raise ValueError(f"I_x(a, b) needs 0 <= x <= 1 and a, b > 0, got x={x}, a={a}, b={b}")
    if x in {0, 1}:
        return float(x)
    if x > (a + 1) / (a + b + 2):  # there the fraction converges slowly
        return 1 - incomplete_beta(1 - x, b, a)
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    return math.exp(log_front) / a * _continued_fraction(x, a, b)


def t_tail(t: float, degrees: int) -> float:
    """Return P(T >= t) of Student's t distribution, the p-value of the upper side."""
    if degrees < 1:
        raise ValueError(f"Student's t needs at least 1 degree of freedom, got {degrees}")
    square = t * t
    if square < _NEAR:  # the tail is no small number, and the other fraction converges slowly
        half = incomplete_beta(square / (degrees + square), 0.5, degrees / 2) / 2
        return 0.5 - math.copysign(half, t)
    tail = incomplete_beta(degrees / (degrees + square), degrees / 2, 0.5) / 2
    return tail if t > 0 else 1 - tail


@lru_cache(maxsize=1 << 10)  # few degrees of freedom occur, each of them often
def t_quantile(p: float, degrees: int) -> float:
    """Return the t with P(T <= t) = p. Raises ValueError unless 0 < p < 1."""
    _check_probability(p)
    if p < 0.5:
        return -t_quantile(1 - p, degrees)
    if p == 0.5:
        return 0.0
    tail = 1 - p
    high = 1.0
    while t_tail(high, degrees) > tail:
        high *= 2
    return _falling_root(tail, degrees, high)


def _falling_root(tail: float, degrees: int, high: float) -> float:
    """Return where the tail falls to ``tail``, between 0 and ``high``, by bisection."""
    low = 0.0
    while low < (middle := (low + high) / 2) < high:
        if t_tail(middle, degrees) > tail:
            low = middle
        else:
            high = middle
    return high


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of the incomplete beta function."""
    numerator, denominator = 1.0, 1 / _nonzero(1 - (a + b) * x / (a + 1))
    found = denominator
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            denominator = 1 / _nonzero(1 + term * denominator)
            numerator = _nonzero(1 + term / numerator)
            found *= denominator * numerator
        if abs(denominator * numerator - 1) < _PRECISION:
            return found
    raise ArithmeticError(f"I_x(a, b) does not converge at x={x}, a={a}, b={b}")


def _nonzero(value: float) -> float:
    return value if abs(value) > _SMALLEST else _SMALLEST


def _check_probability(p: float) -> None:
    if not 0 < p < 1:
        raise ValueError(f"a probability between 0 and 1 is needed, got {p}")
