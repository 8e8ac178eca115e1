"""What tests of find_signals share."""

import pytest

from ravequant.vault.paths import Vault
from tests.support.notes_market import Market, record


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """Return a vault with the notes' set-up, all calculators run."""
    vault = Vault(tmp_path_factory.mktemp("notes"))
    record(vault, Market())
    return vault
