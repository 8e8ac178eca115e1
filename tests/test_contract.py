"""Tests of ravequant.contract: one size and price, and columns of them, are worth the same."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import contract, exact
from ravequant.contract import Contract, Scale, Worth, worth_of

SIZES = st.decimals("0.0000000001", 10**6, places=10).map(lambda value: f"{value:f}")
PRICES = st.decimals("0.00000001", 10**7, places=8).map(lambda value: f"{value:f}")
KINDS = st.sampled_from(["linear", "inverse"])
ROWS = st.lists(st.tuples(PRICES, SIZES), min_size=1, max_size=5)


def rounded(value: Fraction, places: int) -> Fraction:
    """Return ``value`` at ``places`` decimals, half to even."""
    return Fraction(round(value * 10**places), 10**places)


def worked_out(kind: str, worth: Fraction, price: Fraction, qty: Fraction) -> tuple[Fraction, ...]:
    """Return base and notional by the formulas of SPEC section 2, in fractions."""
    if kind == "linear":
        return qty * worth, qty * worth * price
    return rounded(qty * worth / price, 12), qty * worth


@given(KINDS, SIZES, SIZES, PRICES, SIZES)
def test_amounts_are_those_of_the_formulas(kind, ct_val, ct_mult, price, qty):
    """Base and notional are exact; only the division of an inverse contract rounds."""
    made = Contract(ct_val, ct_mult, kind)
    base, notional = contract.amounts(
        made, exact.units(price, exact.PRICE_PLACES), exact.units(qty, exact.SIZE_PLACES)
    )
    worth = Fraction(ct_val) * Fraction(ct_mult)
    wanted = worked_out(kind, worth, Fraction(price), Fraction(qty))
    found = Fraction(base, exact.BASE_ONE), Fraction(notional, exact.NOTIONAL_ONE)
    assert found == wanted


@pytest.mark.parametrize(
    ("price", "base"), [("8", "12.5"), ("3", "33.333333333333"), ("7", "14.285714285714")]
)
def test_the_base_of_an_inverse_contract_has_12_places(price, base):
    """100 USD a contract: at 3 USD that is 33.333333333333 coins, not a digit more."""
    made = Contract("100", "1", "inverse")
    found, notional = contract.amounts(made, exact.units(price, exact.PRICE_PLACES), exact.SIZE_ONE)
    assert exact.text(found, exact.BASE_PLACES) == base
    assert notional == 100 * exact.NOTIONAL_ONE


@pytest.mark.parametrize(
    ("ct_val", "base"),
    [("0.0000000005", "0"), ("0.0000000015", "0.000000000002"), ("0.0000000025", "0.000000000002")],
)
def test_a_tie_goes_to_the_even_digit(ct_val, base):
    """Half a unit of the twelfth place."""
    made = Contract(ct_val, "1", "inverse")
    found, _ = contract.amounts(made, 1_000 * exact.PRICE_ONE, exact.SIZE_ONE)
    assert exact.text(found, exact.BASE_PLACES) == base


@given(KINDS, SIZES, SIZES, ROWS)
def test_columns_hold_what_single_amounts_are(kind, ct_val, ct_mult, rows):
    """Times their factors they are the amounts of each row, in the finest and the coarsest unit."""
    made = Contract(ct_val, ct_mult, kind)
    worth = worth_of(made)
    price = np.array([exact.units(text, 8) for text, _ in rows], dtype=object)
    qty = np.array([exact.units(text, 10) for _, text in rows], dtype=object)
    notional = worth.notional(price, qty)
    base = qty
    if worth.inverse:
        base = np.array(worth.inverse_base(price, qty, 8, 10), dtype=object)
    for scale in (contract.FINEST, worth.scale(8, 10)):
        by_notional, by_base = worth.factors(8, 10, scale)
        found = [
            (
                Fraction(int(coins) * by_base, 10**scale.base),
                Fraction(int(usd) * by_notional, 10**scale.notional),
            )
            for coins, usd in zip(base, notional, strict=True)
        ]
        single = (
            contract.amounts(made, exact.units(at, exact.PRICE_PLACES), exact.units(size, 10))
            for at, size in rows
        )
        assert found == [
            (Fraction(coins, exact.BASE_ONE), Fraction(usd, exact.NOTIONAL_ONE))
            for coins, usd in single
        ]


def test_the_coarsest_units_are_as_coarse_as_they_can_be():
    """No trailing zero is carried along, so columns of int64 hold as much as possible."""
    assert worth_of(Contract("0.0100", "10", "linear")) == Worth(inverse=False, factor=1, places=1)
    assert worth_of(Contract("100", "1", "inverse")) == Worth(inverse=True, factor=100, places=0)
    assert worth_of(Contract("0.01", "1", "linear")).scale(1, 2) == Scale(5, 4)
    assert worth_of(Contract("0.5", "1", "inverse")).scale(1, 2) == Scale(3, 12)


def test_spelling_makes_no_difference():
    """Contracts that are worth the same are equal as numbers, so snapshots of both go together."""
    plain, padded = Contract("0.01", "1", "linear"), Contract("0.010", "1.0", "linear")
    assert plain != padded
    assert worth_of(plain) == worth_of(padded)
