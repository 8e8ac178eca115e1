"""The terms of an instrument at any moment, while its history grows."""

import pytest

from ravequant.errors import VaultError
from ravequant.vault.terms import Terms
from tests.support.wick_vault import BTC, START, tick_size


def test_terms_change_for_records_later_than_the_change(vault):
    """A record of the very millisecond still has the old ones."""
    tick_size(vault, "0.1")
    tick_size(vault, "0.5", START)
    terms = Terms(vault, BTC)
    found = [terms.at(START + ms).tick_sz for ms in (-1, 0, 1)]
    assert found == ["0.1", "0.1", "0.5"]


def test_a_line_of_history_that_is_added_counts_after_refresh(vault):
    """Not before: one answer holds from refresh to refresh."""
    tick_size(vault, "0.1")
    terms = Terms(vault, BTC)
    tick_size(vault, "0.5", START)
    assert terms.at(START + 1).tick_sz == "0.1"
    terms.refresh()
    assert terms.at(START + 1).tick_sz == "0.5"


def test_without_a_history_the_metadata_hold_for_all_time(vault):
    """An older vault has only the one file."""
    tick_size(vault, "0.1")
    vault.metadata_history(BTC).unlink()
    assert Terms(vault, BTC).at(0).tick_sz == "0.1"


def test_without_either_it_says_the_remedy(vault):
    """A tick size is never guessed."""
    with pytest.raises(VaultError) as error:
        Terms(vault, BTC)
    assert str(error.value) == (
        f"{vault.metadata(BTC)}: there is no metadata of {BTC}; start the trade exporter once, it "
        "fetches the metadata"
    )
