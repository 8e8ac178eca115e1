"""Exact numbers against fractions.Fraction, which shares nothing with them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import exact

numerators = st.integers(-(10**60), 10**60)
denominators = st.integers(-(10**40), 10**40).filter(bool)
small = st.integers(-2000, 2000)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (-7, "-7"),
        (10, "1e1"),
        (-1200, "-12e2"),
        (10**70 + 10**20, f"1{'0' * 49}1e20"),
    ],
)
def test_packed(value, text):
    """Zeros at the end become an exponent."""
    assert exact.packed(value) == text
    assert exact.unpacked(text) == value


@given(st.integers(-(10**90), 10**90), st.integers(0, 90))
def test_packed_comes_back(value, zeros):
    """Any integer; the digits as they are are read too."""
    value *= 10**zeros
    assert exact.unpacked(exact.packed(value)) == exact.unpacked(str(value)) == value


@pytest.mark.parametrize(
    "text", ["", "e5", "1e", "1e-5", "1.5", " 1", "1e9999", "0x1", "1_0", "\u0661"]
)
def test_unpacked_refuses_other_text(text):
    with pytest.raises(ValueError, match="is not a whole number like 12e40"):
        exact.unpacked(text)


@pytest.mark.parametrize(
    ("text", "places", "value"),
    [
        ("101250.5", 2, 10_125_050),
        ("0", 20, 0),
        ("0.000", 1, 0),
        ("1.50", 1, 15),
        ("0.00000001", 8, 1),
        ("99999999999999999999", 0, 99_999_999_999_999_999_999),
        ("0." + "1" * 30, 30, int("1" * 30)),
    ],
)
def test_units(text, places, value):
    """Plain decimals become whole numbers of units; zeros at the end need no places."""
    assert exact.units(text, places) == value


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "1\n", "+1", "-1", "1e5", "1E5", ".5", "5.", "01", "00", "1,5", "1_000", "NaN",
     "Infinity", "0x1", "\u0661", "1.\u0661", "1" * 21, "0." + "0" * 31],
)  # fmt: skip
def test_units_refuses_what_is_not_a_plain_decimal(text):
    """No sign, exponent, blank, leading zero, foreign digit, or absurd width."""
    with pytest.raises(ValueError, match="is not a plain decimal") as caught:
        exact.units(text, 20)
    assert str(caught.value) == f"{text!r} is not a plain decimal"


def test_units_never_rounds():
    """A digit that has no place is an error."""
    with pytest.raises(ValueError, match="decimals") as caught:
        exact.units("0.125", 2)
    assert str(caught.value) == "'0.125' has more than 2 decimals"


@pytest.mark.parametrize(
    ("value", "places", "canonical", "fixed"),
    [
        (0, 2, "0", "0.00"),
        (-5, 1, "-0.5", "-0.5"),
        (10_125_000, 2, "101250", "101250.00"),
        (10_125_050, 2, "101250.5", "101250.50"),
        (12_300, 2, "123", "123.00"),
        (-100, 2, "-1", "-1.00"),
        (1, 8, "0.00000001", "0.00000001"),
    ],
)
def test_text_forms(value, places, canonical, fixed):
    """Canonical: no exponent, no zeros at the end, no -0. Fixed: all places."""
    assert exact.text(value, places) == canonical
    assert exact.fixed(value, places) == fixed


def test_text_without_places():
    """Whole numbers keep the zeros that are theirs."""
    assert exact.text(100, 0) == "100"


@given(st.integers(0, 10**40 - 1), st.integers(20, 30))
def test_units_and_text_are_each_others_inverse(value, places):
    """Every value in canonical or fixed form reads back as itself."""
    assert exact.units(exact.text(value, places), places) == value
    assert exact.units(exact.fixed(value, places), places) == value


@given(numerators, st.integers(1, 60))
def test_text_says_the_value(value, places):
    """The text, read by another reader, is the very number."""
    assert Fraction(exact.text(value, places)) == Fraction(value, 10**places)
    assert Fraction(exact.fixed(value, places)) == Fraction(value, 10**places)


@pytest.mark.parametrize(
    ("written", "said"),
    [("150000", "+150000"), ("-0.55", "-0.55"), ("0", "0"), ("0.00", "0.00"), ("0.01", "+0.01")],
)
def test_signed(written, said):
    """The sign of the value as written: SPEC section 2's examples and its neighbours."""
    assert exact.signed(written) == said


@given(st.integers(-(10**25), 10**25), st.integers(1, 20))
def test_signed_forms_are_the_forms_with_their_sign(value, places):
    """A sign stands before what is above zero, and before nothing else that had none."""
    assert exact.signed_text(value, places) == exact.signed(exact.text(value, places))
    assert exact.signed_fixed(value, places) == exact.signed(exact.fixed(value, places))


@given(numerators.map(abs), denominators.map(abs), st.integers(0, 30))
def test_ratio_text_is_text_of_divide(numerator, denominator, places):
    """The short way writes what the long way writes, below 1 and at a half too."""
    for above, below in ((numerator, denominator), (2 * numerator + 1, 2 * 10**places)):
        wanted = exact.text(exact.divide(above, below, places), places)
        assert exact.ratio_text(above, below, places) == wanted


def test_price_text_is_text_at_the_places_of_a_price():
    """A price may be asked for many times, and reads the same."""
    assert [exact.price_text(97_137_3 * 10**19) for _ in range(2)] == ["97137.3"] * 2


@given(numerators, denominators, st.integers(0, 30))
def test_divide_is_half_even(numerator, denominator, places):
    """The one rounding agrees with Fraction, whose round is half-even."""
    wanted = round(Fraction(numerator, denominator) * 10**places)
    assert exact.divide(numerator, denominator, places) == wanted


@given(small, small.filter(bool), st.integers(0, 2))
def test_divide_meets_ties(numerator, denominator, places):
    """As above with small numbers, where half is met often."""
    wanted = round(Fraction(numerator, denominator) * 10**places)
    assert exact.divide(numerator, denominator, places) == wanted


@pytest.mark.parametrize(
    ("numerator", "wanted"), [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2), (-5, -2)]
)
def test_divide_by_two(numerator, wanted):
    """Halves go to the even neighbour, below zero too."""
    assert exact.divide(numerator, 2, 0) == wanted
    assert exact.divide(-numerator, -2, 0) == wanted


def test_divide_by_zero_is_an_error():
    """No ratio without a denominator."""
    with pytest.raises(ZeroDivisionError):
        exact.divide(1, 0, 2)


@given(st.integers(0, 10**60), st.integers(1, 10**40), st.integers(0, 12))
def test_root_is_the_nearest(numerator, denominator, places):
    """No other number of these places is as near: half a unit down and half up enclose the root."""
    found = exact.root(numerator, denominator, places)
    value, unit = Fraction(numerator, denominator), Fraction(1, 10**places)
    assert value <= ((found + Fraction(1, 2)) * unit) ** 2
    assert found == 0 or value >= ((found - Fraction(1, 2)) * unit) ** 2


@given(st.integers(0, 400), st.integers(1, 9), st.integers(0, 2))
def test_root_meets_ties(numerator, denominator, places):
    """Of squares, where half is met often, the root is rounded half to even."""
    wanted = round(Fraction(numerator, denominator) * 10**places)
    assert exact.root(numerator**2, denominator**2, places) == wanted


@pytest.mark.parametrize(
    ("numerator", "wanted"), [(0, 0), (1, 0), (2, 1), (9, 2), (10, 2), (24, 2), (25, 2), (26, 3)]
)
def test_root_of_quarters(numerator, wanted):
    """Of n / 4 to whole numbers: 0.5 and 2.5 go to the even neighbour, 1.5 too."""
    assert exact.root(numerator, 4, 0) == wanted


def test_the_places_are_those_of_every_state():
    """States hold counts of units: with other places, old vaults would mean other numbers."""
    places = (exact.PRICE_PLACES, exact.SIZE_PLACES, exact.BASE_PLACES, exact.NOTIONAL_PLACES)
    assert places == (20, 10, 30, 50)
    assert exact.MEAN_PLACES == 26  # six more than those of a price
    ones = (exact.PRICE_ONE, exact.SIZE_ONE, exact.BASE_ONE, exact.NOTIONAL_ONE)
    assert ones == (10**20, 10**10, 10**30, 10**50)


def test_the_places_fit_together():
    """Base = size x ctVal x ctMult and notional = base x price need no change of scale."""
    assert exact.BASE_PLACES == 3 * exact.SIZE_PLACES
    assert exact.NOTIONAL_PLACES == exact.BASE_PLACES + exact.PRICE_PLACES
    qty, ct_val = exact.units("45", exact.SIZE_PLACES), exact.units("0.01", exact.SIZE_PLACES)
    base = qty * ct_val * exact.units("1", exact.SIZE_PLACES)
    notional = base * exact.units("101250.5", exact.PRICE_PLACES)
    assert exact.text(base, exact.BASE_PLACES) == "0.45"
    assert exact.text(notional, exact.NOTIONAL_PLACES) == "45562.725"
