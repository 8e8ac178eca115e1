"""The webhook's address: where it is set, which form it has, and that it is shown nowhere."""

import pytest

from ravequant.alerts import webhook
from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.errors import UsageError
from ravequant.settings import Alerts, Settings
from tests.support.alert_cases import SECRET

GOOD = f"https://discord.com/api/webhooks/123456789012345678/{SECRET}"


def test_the_environment_goes_before_the_settings(monkeypatch):
    """And neither stands in a repr."""
    chosen = Settings(alerts=Alerts(discord_webhook=GOOD))
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)
    assert SECRET not in repr(chosen)
    assert SECRET not in repr(webhook.needed(chosen))
    assert webhook.needed(chosen).url == GOOD
    monkeypatch.setenv(WEBHOOK_VARIABLE, f" {GOOD}x ")
    assert webhook.needed(chosen).url == f"{GOOD}x"


@pytest.mark.parametrize(
    "address",
    [
        GOOD,
        "https://ptb.discord.com/api/v10/webhooks/123456789/" + "a" * 68,
        "https://discordapp.com/api/webhooks/123456789/" + "a" * 20,
        "http://127.0.0.1:8080/a-relay",
        "http://[::1]",
        f"{GOOD}?thread_id=987654321098765432",
        f"{GOOD}?wait=true",
        f"{GOOD}?wait=true&thread_id=987654321098765432",
        "http://127.0.0.1:8080/a-relay?thread_id=98765",
    ],
)
def test_addresses_of_discord_and_of_this_machine(address):
    """Discord's own forms, and a relay here; only the latter is local."""
    assert webhook.well_formed(address)
    assert webhook.Webhook(address).local == address.startswith("http://")


@pytest.mark.parametrize(
    "address",
    [
        SECRET, f"http://discord.com/api/webhooks/123456789/{SECRET}",
        f"https://discord.com.evil.example/api/webhooks/123456789/{SECRET}",
        f"http://127.0.0.1@evil.example/{SECRET}", f"http://evil.example/{SECRET}",
        f"{GOOD}\n", f"{GOOD}?thread_id=1", f"{GOOD}?thread_id=", f"{GOOD}?",
        f"{GOOD}?thread_id=98765&", f"{GOOD}?thread_id=98765&x=1", f"{GOOD}?thread_id=98765#x",
        f"{GOOD}?thread_name=alerts", f"ftp://127.0.0.1/{SECRET}",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(monkeypatch, address):
    """Neither another host nor a part more than Discord gives; the message hides the address."""
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)
    assert not webhook.well_formed(address)
    with pytest.raises(UsageError, match="copy it again") as caught:
        webhook.needed(Settings(alerts=Alerts(discord_webhook=address)))
    assert SECRET not in str(caught.value)


def test_the_secret_is_taken_out_of_a_text():
    """Of the address without its thread; a relay without a path has none."""
    hook = webhook.Webhook(f"{GOOD}?thread_id=98765")
    assert (hook.url, hook.params) == (GOOD, {"wait": "true", "thread_id": "98765"})
    assert hook.without_secret(f"no {SECRET}!") == "no ...!"
    for local in ("http://[::1]", "http://127.0.0.1:8797/hook"):
        assert webhook.Webhook(local).without_secret("no / webhooks") == "no / webhooks"


def test_without_an_address(monkeypatch):
    """The message says where to put it."""
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)
    with pytest.raises(UsageError) as caught:
        webhook.needed(Settings())
    assert str(caught.value) == (
        f"no Discord webhook is set: put its address, like {webhook.LIKE}, into the environment "
        "variable RAVEQUANT_DISCORD_WEBHOOK, or into the settings as alerts.discord_webhook"
    )
