"""The webhook of the tests of alerts, and what holds in each of them."""

import pytest

from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from tests.support.alert_cases import SECRET, hook


@pytest.fixture
def there(monkeypatch):
    """Run a webhook, and have the environment name it."""
    with hook() as found:
        monkeypatch.setenv(WEBHOOK_VARIABLE, found.url)
        yield found


@pytest.fixture(autouse=True)
def _log_shows_no_address(caplog):
    """Whatever is logged in any of these tests: the address is not in it."""
    caplog.set_level("DEBUG", logger="find_signals")
    yield
    assert SECRET not in caplog.text
    assert "/api/webhooks/" not in caplog.text
