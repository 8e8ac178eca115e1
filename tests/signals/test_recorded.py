"""A question about an instrument that a vault does not hold: which it does hold, what to type."""

import pytest

from ravequant.errors import NoDataError
from ravequant.signals.recorded import check_recorded, instruments


@pytest.fixture
def two(vault):
    """Return a vault with raw trades of one instrument, and derived data of another."""
    vault.trades("BTC-USDT-SWAP").mkdir(parents=True)
    vault.derived("vwap", "ETH-USDT-SWAP").mkdir(parents=True)
    return vault


def test_raw_or_derived_data_are_data(two):
    """Each name once, in order; either kind is enough."""
    two.snapshots("BTC-USDT-SWAP").mkdir(parents=True)
    assert instruments(two) == ["BTC-USDT-SWAP", "ETH-USDT-SWAP"]
    check_recorded(two, "BTC-USDT-SWAP")
    check_recorded(two, "ETH-USDT-SWAP")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("BTC-USDT", "type --instId BTC-USDT-SWAP"),
        ("BCH-USDT-SWAP", "start its exporters, or name one of these"),
    ],
)
def test_another_name_is_refused_with_those_that_are_there(two, name, remedy):
    """One of the same asset is the one meant; without one both ways are named."""
    with pytest.raises(NoDataError) as caught:
        check_recorded(two, name)
    assert str(caught.value) == (
        f"no data of {name} in {two.root}, which holds BTC-USDT-SWAP, ETH-USDT-SWAP; {remedy}"
    )


def test_an_empty_vault_says_nothing_here(vault):
    """The question itself says that there is no data."""
    check_recorded(vault, "BTC-USDT-SWAP")
