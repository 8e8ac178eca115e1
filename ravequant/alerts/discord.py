"""Posts one message to a Discord webhook, and says what became of it.

Nothing here shows the address: it is a secret, so an error is told by its kind alone, and the
library's own log is shut. Discord confirms a message (`wait=true`) before it counts as accepted.
"""

import logging
import time
from contextlib import suppress
from enum import Enum, auto
from typing import Any, Final, NamedTuple

import orjson
import requests
from urllib3.exceptions import HTTPError

from ravequant.alerts.webhook import Webhook

_TIMEOUTS_S: Final = (5.0, 10.0)  # to connect, between two bytes
_WHOLE_ANSWER_S: Final = 15.0
_MOST_BYTES: Final = 1 << 18
_LEAST_WAIT_S, _MOST_WAIT_S, _USUAL_WAIT_S = 0.1, 900.0, 5.0
_GONE: Final = {401, 403, 404, 405, 410}  # no such webhook: asking again will not help


class Became(Enum):
    """What became of a message."""

    ACCEPTED = auto()
    REFUSED = auto()  # this message: it will never be taken
    LATER = auto()  # not now
    OFF = auto()  # nothing will ever be taken at this address


class Outcome(NamedTuple):
    """What became of a message, why, and how long Discord asks to be left alone."""

    became: Became
    why: str = ""
    wait_s: float | None = None  # None: it did not say


class Discord:
    """A client of one webhook; used by one thread."""

    def __init__(self, webhook: Webhook) -> None:
        logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)  # it logs whole addresses
        self._webhook = webhook
        self._http = requests.Session()
        self._http.trust_env = not webhook.local  # a proxy of the environment is for the internet
        self._http.headers["User-Agent"] = "ravequant"

    def post(self, message: dict[str, Any]) -> Outcome:
        """Post a message; nothing is raised."""
        try:
            with self._http.post(
                self._webhook.url,
                params={"wait": "true"},
                data=orjson.dumps(message),
                headers={"Content-Type": "application/json"},
                timeout=_TIMEOUTS_S,
                allow_redirects=False,
                stream=True,
            ) as response:
                status, header = response.status_code, response.headers.get("Retry-After", "")
                body = _bounded(response) if status == requests.codes.too_many else b""
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            return Outcome(Became.LATER, type(error).__name__)
        return judged(status, header, body)


def judged(status: int, header: str, body: bytes) -> Outcome:
    """Return what an answer means; of its words only the wait is read."""
    why = f"HTTP {status}"
    if 200 <= status < 300:
        return Outcome(Became.ACCEPTED)
    if status == requests.codes.too_many:
        return Outcome(Became.LATER, why, _wait(header, body))
    if status >= 500 or status == requests.codes.request_timeout:
        return Outcome(Became.LATER, why)
    if 300 <= status < 400:
        return Outcome(Became.OFF, f"{why}, a redirection, which is not followed")
    return Outcome(Became.OFF if status in _GONE else Became.REFUSED, why)


def _wait(header: str, body: bytes) -> float:
    """Return the longer of the two waits that a 429 names, within reason."""
    named = [_seconds(header)]
    try:
        answer = orjson.loads(body)
        named.append(_seconds(answer.get("retry_after")))
    except (orjson.JSONDecodeError, AttributeError):
        pass
    found = [wait for wait in named if wait is not None]
    return min(max([*found, _LEAST_WAIT_S]), _MOST_WAIT_S) if found else _USUAL_WAIT_S


def _seconds(value: Any) -> float | None:
    try:
        wait = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return wait if 0 <= wait < float("inf") else None


def _bounded(response: requests.Response) -> bytes:
    """Return what comes of a body in good time; the rest does not matter."""
    body, began = bytearray(), time.monotonic()
    with suppress(requests.RequestException, HTTPError, OSError):
        while block := response.raw.read1(1 << 12, decode_content=True):
            body += block
            if len(body) > _MOST_BYTES or time.monotonic() - began > _WHOLE_ANSWER_S:
                break
    return bytes(body)
