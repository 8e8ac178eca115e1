"""Normal and Student's t: published tables, closed forms, and symmetry."""

import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from Edge_Lab.distributions import (
    incomplete_beta,
    normal_cdf,
    normal_quantile,
    t_quantile,
    t_tail,
)

# Abramowitz and Stegun, tables 26.10 and 26.1: t with P(T <= t) = p
TABLE = {
    1: {0.95: 6.314, 0.975: 12.706, 0.99: 31.821, 0.995: 63.657, 0.9995: 636.619},
    2: {0.95: 2.920, 0.975: 4.303, 0.99: 6.965, 0.995: 9.925, 0.9995: 31.599},
    3: {0.95: 2.353, 0.975: 3.182, 0.99: 4.541, 0.995: 5.841, 0.9995: 12.924},
    4: {0.95: 2.132, 0.975: 2.776, 0.99: 3.747, 0.995: 4.604, 0.9995: 8.610},
    5: {0.95: 2.015, 0.975: 2.571, 0.99: 3.365, 0.995: 4.032, 0.9995: 6.869},
    10: {0.95: 1.812, 0.975: 2.228, 0.99: 2.764, 0.995: 3.169, 0.9995: 4.587},
    20: {0.95: 1.725, 0.975: 2.086, 0.99: 2.528, 0.995: 2.845, 0.9995: 3.850},
    30: {0.95: 1.697, 0.975: 2.042, 0.99: 2.457, 0.995: 2.750, 0.9995: 3.646},
    60: {0.95: 1.671, 0.975: 2.000, 0.99: 2.390, 0.995: 2.660, 0.9995: 3.460},
    120: {0.95: 1.658, 0.975: 1.980, 0.99: 2.358, 0.995: 2.617, 0.9995: 3.373},
}
CASES = [(degrees, p, t) for degrees, row in TABLE.items() for p, t in row.items()]


@pytest.mark.parametrize(("degrees", "p", "t"), CASES)
def test_student_quantiles_are_those_of_the_table(degrees, p, t):
    """Each published quantile, to its three decimals; and the tail above it, back again."""
    assert t_quantile(p, degrees) == pytest.approx(t, abs=5.1e-4)
    assert t_tail(t_quantile(p, degrees), degrees) == pytest.approx(1 - p, rel=1e-12)


@pytest.mark.parametrize("t", [-40.0, -3.0, -0.7, 0.0, 1e-6, 0.4, 1.0, 2.5, 17.0, 1e4])
def test_student_tails_have_closed_forms(t):
    """With 1, 2, 3 and 4 degrees of freedom the tail is elementary (26.7.3, 26.7.4)."""
    angle = math.atan(t / math.sqrt(3))
    sine, cosine = math.sin(math.atan(t / 2)), math.cos(math.atan(t / 2))
    closed = {
        1: 0.5 - math.atan(t) / math.pi,
        2: 0.5 - t / (2 * math.sqrt(2 + t * t)),
        3: 0.5 - (angle + math.sin(angle) * math.cos(angle)) / math.pi,
        4: 0.5 - sine * (1 + cosine**2 / 2) / 2,
    }
    for degrees, tail in closed.items():
        assert t_tail(t, degrees) == pytest.approx(tail, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("degrees", [2, 30, 234, 3_000])
@pytest.mark.parametrize("t", ["0.5", "1.5", "1.75", "4", "9", "15.25", "40"])
def test_far_tails_keep_their_digits(t, degrees):
    """Against the sum for even degrees (26.7.4), in decimals that lose none."""
    with localcontext() as exact:
        exact.prec = 700
        square = Decimal(t) ** 2
        cosine2 = Decimal(degrees) / (degrees + square)
        term = total = Decimal(1)
        for k in range(2, degrees, 2):
            term *= cosine2 * (k - 1) / k
            total += term
        tail = float((1 - (1 - cosine2).sqrt() * total) / 2)
    assert t_tail(float(t), degrees) == pytest.approx(tail, rel=1e-11, abs=0)


@given(st.floats(-60, 60), st.integers(1, 3_000))
@example(15.25, 233)
def test_the_tails_are_symmetric_and_fall(t, degrees):
    """Both tails make one, and a larger t has a smaller tail."""
    assert t_tail(t, degrees) + t_tail(-t, degrees) == pytest.approx(1, abs=1e-14)
    assert t_tail(t + 0.25, degrees) <= t_tail(t, degrees)


def test_many_degrees_are_normal():
    """With a million degrees of freedom Student's t is the normal distribution."""
    for z in (-2.0, 0.5, 1.0, 1.959964, 3.0):
        assert t_tail(z, 1_000_000) == pytest.approx(1 - normal_cdf(z), rel=1e-4)


@pytest.mark.parametrize(
    ("z", "p"),
    [(0.0, 0.5), (1.0, 0.8413447461), (1.96, 0.9750021049), (3.0, 0.9986501020)],
)
def test_normal_values_are_those_of_the_table(z, p):
    """Table 26.1, to ten decimals, and its inverse."""
    assert normal_cdf(z) == pytest.approx(p, abs=5e-11)
    assert normal_quantile(p) == pytest.approx(z, abs=1e-7)


@given(st.floats(0.001, 0.999), st.integers(1, 40), st.integers(1, 40))
def test_incomplete_beta_of_whole_numbers_is_a_binomial_tail(x, a, b):
    """I_x(a, b) = P(at least a successes of a + b - 1) (26.5.24)."""
    tries = a + b - 1
    tail = math.fsum(
        math.comb(tries, k) * x**k * (1 - x) ** (tries - k) for k in range(a, tries + 1)
    )
    assert incomplete_beta(x, a, b) == pytest.approx(tail, rel=1e-10, abs=1e-14)


def test_the_ends_are_exact():
    """The whole and nothing, the median, and lower quantiles as mirrored upper ones."""
    assert (incomplete_beta(0, 2, 3), incomplete_beta(1, 2, 3)) == (0, 1)
    assert t_quantile(0.5, 7) == 0
    assert t_quantile(0.025, 9) == -t_quantile(0.975, 9)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, 2.0, math.nan])
def test_a_probability_lies_between_0_and_1(p):
    """Both quantiles refuse the ends and all beyond."""
    for quantile in (normal_quantile, lambda p: t_quantile(p, 5)):
        with pytest.raises(ValueError, match="a probability between 0 and 1 is needed"):
            quantile(p)


def test_values_without_meaning_are_refused():
    """No degree of freedom, and a beta function outside of its range."""
    with pytest.raises(ValueError, match="at least 1 degree of freedom, got 0"):
        t_tail(1.0, 0)
    with pytest.raises(ValueError, match=r"needs 0 <= x <= 1 and a, b > 0, got x=1.5, a=1, b=1"):
        incomplete_beta(1.5, 1, 1)
