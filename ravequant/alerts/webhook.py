"""The address of the Discord webhook: where it is set, and its form.

Anybody who knows the address can post, so no message, log or ``repr`` shows it.
"""

import os
import re
from typing import Final

from ravequant.errors import UsageError
from ravequant.settings import Settings

WEBHOOK_VARIABLE: Final = "RAVEQUANT_DISCORD_WEBHOOK"
SETTING: Final = "alerts.discord_webhook"
LIKE: Final = "https://discord.com/api/webhooks/NUMBER/TOKEN"
_DISCORD: Final = re.compile(
    r"https://(?:\w+\.)?discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/[0-9]{5,}/[\w-]{20,}",
    re.ASCII,
)
_LOCAL: Final = re.compile(
    r"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?(?:/[\w/-]*)?", re.ASCII
)


class Webhook:
    """An address to post to, without a ``repr`` that shows it."""

    __slots__ = ("local", "url")

    def __init__(self, url: str) -> None:
        self.url = url
        self.local = _LOCAL.fullmatch(url) is not None  # a relay, or a test, on this machine


def well_formed(address: str) -> bool:
    """Return True if an address is a webhook's of Discord or of this machine."""
    return any(form.fullmatch(address) for form in (_DISCORD, _LOCAL))


def find(chosen: Settings) -> tuple[str, str]:
    """Return the address and where it is set; the environment goes before the settings."""
    address = os.environ.get(WEBHOOK_VARIABLE, "").strip()
    return (address, WEBHOOK_VARIABLE) if address else (chosen.alerts.discord_webhook, SETTING)


def needed(chosen: Settings) -> Webhook:
    """Return the webhook; UsageError, without the address, if it is missing or malformed."""
    address, where = find(chosen)
    if not address:
        raise UsageError(
            f"no Discord webhook is set: put its address, like {LIKE}, into the environment "
            f"variable {WEBHOOK_VARIABLE}, or into the settings as {SETTING}"
        )
    if not well_formed(address):
        raise UsageError(
            f"{where} is not like {LIKE}: copy it again from the channel's settings in Discord"
        )
    return Webhook(address)
