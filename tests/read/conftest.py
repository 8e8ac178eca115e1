"""A vault in which everything was recorded and computed, for the tests of reading."""

import pytest

from ravequant.vault.paths import Vault
from tests.support.sql_vault import make


@pytest.fixture(scope="session")
def filled(tmp_path_factory) -> Vault:
    """Return a vault of three instruments over midnight; nobody writes to it."""
    vault = Vault(tmp_path_factory.mktemp("read") / "vault")
    make(vault, Vault(tmp_path_factory.mktemp("notes") / "vault"))
    return vault
