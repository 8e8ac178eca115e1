"""Which addresses we talk to: TLS everywhere, plain text only to this machine itself."""

import re
from typing import Final
from urllib.parse import urlsplit

from ravequant.errors import UsageError

USER_AGENT: Final = "ravequant"  # an exchange may refuse a client without one
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_LOGIN = re.compile(r"^([^@/]*//)?.*@", re.DOTALL)


def check_url(url: str, secure: str, plain: str) -> bool:
    """Refuse an address that is neither ``secure`` nor ``plain`` to this machine; UsageError.

    Returns whether the address is this machine's own. A user name or password in it is refused
    too, and never shown: addresses stand in logs, and the public data ask for neither.
    """
    if "@" in url:
        raise UsageError(
            f"address {_LOGIN.sub(_hidden, url)!r}: holds a user name or password, expected none; "
            "correct --ws-url, --rest-url or the settings"
        )
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname
        named = parts.port is not None or not parts.netloc.endswith(":")
    except ValueError:  # a port that is none, too
        scheme, host, named = "", None, False
    local = host in _LOOPBACK
    if host and named and (scheme == secure or (scheme == plain and local)):
        return local
    raise UsageError(
        f"address {url!r}: expected {secure}://… ({plain}:// only to this machine itself); "
        "correct --ws-url, --rest-url or the settings"
    )


def _hidden(login: re.Match[str]) -> str:
    return f"{login[1] or ''}…@"


def unreachable(url: str, reason: str) -> str:
    """Return the sentence for an address that gives no answer, short enough for a screen."""
    known = next((short for sign, short in _REASONS.items() if sign in reason), reason)
    return f"cannot reach {urlsplit(url).hostname}: {known:.120}"


_REASONS: Final = {  # signs of a reason in the words of the systems, and the same in short
    "Name or service not known": "name not known",
    "nodename nor servname": "name not known",
    "getaddrinfo failed": "name not known",
    "name resolution": "name not known",
    "onnection refused": "connection refused",
    "actively refused": "connection refused",
    "onnect call failed": "connection refused",
    "imed out": "no answer in time",
}
