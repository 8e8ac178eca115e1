"""OKX's files as the importers get them."""

import pytest

from ravequant import exchanges
from ravequant.errors import UsageError
from ravequant.exchanges.okx.archive.forms import ARCHIVE


def test_the_registry_hands_it_out():
    """By the name of the exchange; another exchange publishes nothing."""
    assert exchanges.load_archive("okx") is ARCHIVE
    with pytest.raises(UsageError, match="publishes no files"):
        exchanges.load_archive("elsewhere")
    for load in (exchanges.load_archived_books, exchanges.load_publisher):
        with pytest.raises(UsageError, match="elsewhere publishes no files"):
            load("elsewhere")
    assert ARCHIVE.labels_of("trades", "2025-01-31") == ("2025-01-31", "2025-02-01")
    name = ARCHIVE.parse_name("BTC-USDT-SWAP-trades-2025-01-31.zip")
    assert name is not None
    assert (name.stream, name.inst_id, name.label) == ("trades", "BTC-USDT-SWAP", "2025-01-31")
