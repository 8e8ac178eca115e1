"""The form of published files, as importers know it."""

from ravequant.contract import Contract
from ravequant.exchanges.archive.base import contract_with


def test_a_contract_that_was_worth_something_else():
    """The worth takes the place of ctVal, and nothing multiplies it."""
    now = Contract("0.01", "1", "linear")
    assert contract_with(now, None) is now
    assert contract_with(now, "0.1") == Contract("0.1", "1", "linear")
