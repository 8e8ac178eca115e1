"""The meaning of a refusal of Discord: its own code decides, else the HTTP status. Pure.

The codes are those of Discord's reference (developers/docs/topics/opcodes-and-status-codes) that a
webhook can meet. Each says whether another try helps, and names the remedy.
"""

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Any, Final, NamedTuple

import orjson

_LONGEST: Final = 160  # characters of Discord's own words
_DEEPEST: Final = 8  # levels of an answer that are looked into
_NEW_WEBHOOK: Final = "make a new webhook in the channel's settings and start again"
_THREAD: Final = (
    "end the webhook's address in ?thread_id=NUMBER, the last number of the link of a thread or "
    "post of that channel, and start again"
)
_CHANNEL: Final = "make the webhook in a text channel, or in a thread of it, and start again"
_RIGHTS: Final = "let webhooks write in that channel, or make a new webhook, and start again"


class DeliveryStatus(Enum):
    """The fate of a message."""

    ACCEPTED = auto()
    REFUSED = auto()  # this message will never be accepted
    LATER = auto()  # not now
    OFF = auto()  # no message will be accepted at this address until somebody mends it


class Refusal(NamedTuple):
    """The fate of a refused message, the reason, and the remedy."""

    status: DeliveryStatus
    why: str
    remedy: str = ""


_OFF: Final[Mapping[int, str]] = {
    10003: _THREAD,  # unknown channel: the thread is gone, or of another channel
    10015: _NEW_WEBHOOK,  # unknown webhook
    10016: _NEW_WEBHOOK,
    40001: _NEW_WEBHOOK,
    40058: _THREAD,  # no message directly in a forum
    40067: _THREAD,  # a new post of that forum needs a tag
    50001: _RIGHTS,  # missing access
    50008: _CHANNEL,  # no text channel
    50013: _RIGHTS,  # missing permission
    50014: _NEW_WEBHOOK,
    50024: _CHANNEL,
    50027: _NEW_WEBHOOK,  # invalid webhook token
    50083: "open the archived thread again, or " + _THREAD,
    160005: "unlock the thread, or " + _THREAD,
    220001: _THREAD,  # a forum or media channel wants a thread
    220002: _THREAD,
    220003: _CHANNEL,
    220004: _CHANNEL,
}
_LATER: Final = frozenset(
    {
        20016,  # slow mode
        20028,  # the channel's, and the server's, limit of writes
        20029,
        40004,  # sending is switched off for a time
        40006,
        40062,
        40333,  # Cloudflare blocks for a time
        110001,
        130000,  # overloaded
    }
)
_FORM_BODY: Final = 50035  # a field that is not valid
_THIS_MESSAGE: Final = frozenset(
    {
        20009,
        40005,  # too large
        50006,  # empty
        _FORM_BODY,
        50109,
        200000,  # blocked by the server's moderation
        200001,
        240000,  # a link of it is blocked
    }
)
_GONE: Final = frozenset({401, 403, 404, 405, 410})  # there is no such webhook: no retry will help


def refusal(status: int, body: bytes) -> Refusal:
    """Return the meaning of an answer that is neither a success nor a request for a pause."""
    if 300 <= status < 400:
        return Refusal(
            DeliveryStatus.OFF,
            f"HTTP {status}, a redirection, which is not followed",
            "copy the address again from the channel's settings and start again",
        )
    code, words = _read(body)
    why = f"HTTP {status}" + f", code {code}" * bool(code) + f": {words}" * bool(words)
    remedy = _remedy(status, code, words)
    if remedy is not None:
        return Refusal(DeliveryStatus.OFF, why, remedy)
    passing = code in _LATER or (code not in _THIS_MESSAGE and (status >= 500 or status == 408))
    return Refusal(DeliveryStatus.LATER if passing else DeliveryStatus.REFUSED, why)


def _remedy(status: int, code: int, words: str) -> str | None:
    """Return the remedy without which no message is accepted; None if there is none."""
    if code in _OFF:
        return _OFF[code]
    if code == _FORM_BODY and "thread_id" in words:
        return _THREAD
    known = code in _LATER or code in _THIS_MESSAGE
    return _NEW_WEBHOOK if status in _GONE and not known else None


def _read(body: bytes) -> tuple[int, str]:
    """Return Discord's code (0 for none) and its words, which name the field at fault."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return 0, ""
    if not isinstance(answer, dict):
        return 0, ""
    code = answer.get("code")
    words = [str(answer.get("message", "")), *_faults(answer.get("errors"), ())]
    text = "; ".join(word for word in words if word)
    seen = "".join(letter if letter.isprintable() else " " for letter in text)
    return code if type(code) is int else 0, seen[:_LONGEST]


def _faults(errors: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Yield ``field: reason`` of each fault of a form body."""
    if not isinstance(errors, dict) or len(path) > _DEEPEST:
        return
    for name, inner in errors.items():
        if name == "_errors" and isinstance(inner, list):
            for fault in inner:
                if isinstance(fault, dict):
                    yield f"{'.'.join(path)}: {fault.get('message', '')}"
        else:
            yield from _faults(inner, (*path, name))
