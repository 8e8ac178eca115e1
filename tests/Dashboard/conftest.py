"""The vaults that tests of the page's reads share; no test writes into them."""

import pytest

from ravequant.vault.paths import Vault
from tests.support.holed_market import HoledMarket
from tests.support.notes_market import Market, record


@pytest.fixture(scope="session")
def notes(tmp_path_factory):
    """Return a vault with the notes' set-up, all calculators run."""
    vault = Vault(tmp_path_factory.mktemp("notes"))
    record(vault, Market())
    return vault


@pytest.fixture(scope="session")
def holed(tmp_path_factory):
    """Return a vault of three hours in which trades and books are missing."""
    vault = Vault(tmp_path_factory.mktemp("holed"))
    HoledMarket().put(vault)
    return vault
