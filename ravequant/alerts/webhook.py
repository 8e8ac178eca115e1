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
_SECRET: Final = 16  # letters; a shorter end of an address is a word
LIKE: Final = "https://discord.com/api/webhooks/NUMBER/TOKEN"
_QUERY: Final = r"(?:\?(?:(?:thread_id=[0-9]{5,20}|wait=true)(?:&(?!$)|$))+)?"
_DISCORD: Final = re.compile(
    r"https://(?:\w+\.)?discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/[0-9]{5,}/[\w-]{20,}"
    + _QUERY,
    re.ASCII,
)
_LOCAL: Final = re.compile(
    r"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?(?:/[\w/-]*)?" + _QUERY, re.ASCII
)


class Webhook:
    """An address to post to, perhaps in a thread, without a ``repr`` that shows it."""

    __slots__ = ("local", "params", "url")

    def __init__(self, address: str) -> None:
        self.local = _LOCAL.fullmatch(address) is not None  # a relay, or a test, on this machine
        self.url, _, query = address.partition("?")
        threads = [part for part in query.split("&") if part.startswith("thread_id=")]
        # wait: Discord answers when the message stands in the channel
        self.params = {"wait": "true"} | dict(part.split("=", 1) for part in threads)

    def without_secret(self, text: str) -> str:
        """Return text without the last part of the address, which is the secret."""
        secret = self.url.rpartition("/")[2]
        return text.replace(secret, "...") if len(secret) >= _SECRET else text


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
            f"{where} is not like {LIKE}: copy it again from the channel's settings in Discord; "
            "for a thread, or a post of a forum, it may end in ?thread_id=NUMBER"
        )
    return Webhook(address)
