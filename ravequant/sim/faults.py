"""Scripted faults of the local exchange: their kind, place and time; pure and seeded.

A fault file is JSON::

    {"seed": 7, "faults": [
      {"kind": "drop", "channel": "trades", "instId": "BTC-USDT-SWAP", "probability": 0.01},
      {"kind": "gap", "channel": "books", "at": [50], "length": 20},
      {"kind": "disconnect", "every": 500, "how": "close"},
      {"kind": "rest-status", "path": "history-trades", "status": 429, "at": [1, 2]},
      {"kind": "outage", "after": "60s", "for": "6h"}]}

*Where* (all optional): ``channel``, ``instId``, ``connection`` (from 1), ``path`` (part of a
REST path). *When*: ``at`` (a list of counts, from 1, over all that *where* selects),
``every`` (n), ``probability``; ``after`` and ``until``: market time since the market started, as a
duration like ``10s``; ``times``: how often at most. Without ``at``, ``every`` and
``probability`` a fault strikes each time, ``disconnect`` and ``notice`` once at ``after``.

================ ===========================================================================
kind             effect (own keys, default first)
================ ===========================================================================
drop             the frame is lost
duplicate        the frame is sent twice
reorder          the frame comes after the next ``length`` (1) frames of its subscription
gap              ``length`` (10) frames of the subscription in a row are lost
stall            frames are lost from ``after`` for ``for``; ``"until_subscribe": true``: until
                 the client subscribes anew
corrupt          ``how``: ``json`` (cut in half), ``missing`` (``field`` is taken out), ``number``
                 (``field`` is a number, not a string), ``text`` (``field`` becomes ``value``),
                 ``unknown`` (a field more)
disconnect       ``how``: ``drop`` (no close frame), ``reset``, ``close`` (with ``code`` 1000),
                 ``half-open`` (silent, but not closed); the frame that struck is lost
notice           64008, then the connection is closed after ``delay`` (5s)
ack-missing      subscribed, but not acknowledged
ack-delay        the ack comes ``delay`` (1s) late, after data
subscribe-error  not subscribed: ``code`` (63999), ``msg``
unknown-event    an unknown event comes before the ack
rest-status      HTTP ``status`` (500) with ``body`` (an error envelope)
rest-limit       50011 in an HTTP 200
rest-html        an HTML page in an HTTP 200
rest-empty       a page without rows
rest-repeat      the page before, again
rest-corrupt     ``field`` of the first row of the answer becomes ``value``
rest-slow        the answer comes ``delay`` (3s) late
rest-timeout     no answer; the connection is dropped after ``delay`` (60s)
archive          a published file, ``path`` a part of its name, ``how``: ``missing`` (404), ``cut``
                 (after ``length`` bytes, by default half), ``crc``, ``bomb`` (``length`` 64 MB),
                 ``member`` (named ``value``), ``falls`` (an id), ``rewritten`` (the same lines),
                 ``changed`` (a line less), ``capitals`` (in the ETag), and in the listing
                 ``unlisted``, ``small`` (sizeMB 0), ``part`` (of the list, ``length`` 1)
instrument       REST shows the instrument with ``set``, an object of fields (``after``, ``until``)
book_lag         each push of a book shows it as it was up to ``delay`` (400 market ms, at random)
                 before, with the time of the push; REST is not late
outage           connections are cut at ``after``, and refused for ``for``
================ ===========================================================================

``delay`` is wall time, but for ``book_lag``; everything else is market time. If several faults
could strike a thing, only the first in the list does; the others do not count that thing. An outage
needs ``after`` above 0.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from ravequant import times
from ravequant.errors import UsageError

FRAME_KINDS: Final = (
    "drop",
    "duplicate",
    "reorder",
    "gap",
    "stall",
    "corrupt",
    "disconnect",
    "notice",
)
ACK_KINDS: Final = ("ack-missing", "ack-delay", "subscribe-error", "unknown-event")
REST_KINDS: Final = (
    "rest-status",
    "rest-limit",
    "rest-html",
    "rest-empty",
    "rest-repeat",
    "rest-corrupt",
    "rest-slow",
    "rest-timeout",
)
KINDS: Final = (
    *FRAME_KINDS,
    *ACK_KINDS,
    *REST_KINDS,
    "archive",
    "instrument",
    "book_lag",
    "outage",
)
_DELAYS_MS: Final = {
    "notice": 5_000,
    "ack-delay": 1_000,
    "rest-slow": 3_000,
    "rest-timeout": 60_000,
    "book_lag": 400,
}
_ARCHIVE_HOWS: Final = (
    "missing cut crc bomb member falls rewritten changed capitals unlisted small part"
)
_HOWS: Final[Mapping[str, tuple[str, ...]]] = {
    "corrupt": ("json", "missing", "number", "text", "unknown"),
    "disconnect": ("drop", "reset", "close", "half-open"),
    "archive": tuple(_ARCHIVE_HOWS.split()),
}
_DURATIONS: Final = {"after": "after_ms", "until": "until_ms", "for": "for_ms", "delay": "delay_ms"}
_PLAIN: Final[Mapping[str, type | tuple[type, ...]]] = {
    "kind": str, "channel": str, "instId": str, "connection": int, "path": str, "at": list,
    "every": int, "probability": (int, float), "times": int, "length": int,
    "until_subscribe": bool, "how": str, "field": str, "value": str, "code": int, "msg": str,
    "status": int, "body": str, "set": dict,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of the script; durations in milliseconds. The keys are those of the file."""

    kind: str
    channel: str | None = None
    inst_id: str | None = None
    connection: int | None = None
    path: str | None = None
    at: tuple[int, ...] = ()
    every: int = 0
    probability: float = 0.0
    after_ms: int = 0
    until_ms: int | None = None
    for_ms: int | None = None
    times: int | None = None
    length: int = 0
    until_subscribe: bool = False
    how: str = ""
    field: str = "px"
    value: str = "NaN"
    code: int = 0
    msg: str = "Internal system error, please try again later"
    status: int = 500
    body: str | None = None
    delay_ms: int = 0
    set: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def counted(self) -> bool:
        """Return True if it strikes by count or chance, not by time alone."""
        return bool(self.at or self.every or self.probability)

    @property
    def end_ms(self) -> int | None:
        """Return the market time since the start at which it is over; None: never."""
        return self.until_ms if self.for_ms is None else self.after_ms + self.for_ms

    def in_time(self, elapsed_ms: int) -> bool:
        """Return True if the market time since the start lies in its window."""
        return self.after_ms <= elapsed_ms and (self.end_ms is None or elapsed_ms < self.end_ms)


def parse(text: bytes, name: str) -> tuple[list[Fault], int]:
    """Return the faults of a fault file and its seed; UsageError names file, fault and key."""
    try:
        table = orjson.loads(text)
        faults, seed = table["faults"], table.get("seed", 0)
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f'{name}: no fault script ({error!r}); expected {{"seed": 7, "faults": [...]}}'
        ) from None
    return [_fault(row, f"{name}: fault {i}") for i, row in enumerate(faults, 1)], seed


def _fault(row: Mapping[str, Any], where: str) -> Fault:
    if row.get("kind") not in KINDS:
        raise UsageError(f"{where}: kind {row.get('kind')!r} is none of {', '.join(KINDS)}")
    values: dict[str, Any] = {}
    for key, value in row.items():
        if key in _DURATIONS:
            values[_DURATIONS[key]] = _duration(value, f"{where}: {key}")
        elif key not in _PLAIN or not isinstance(value, _PLAIN[key]):
            raise UsageError(f"{where}: {key} = {value!r} is unknown or of the wrong type")
        else:
            values["inst_id" if key == "instId" else key] = value
    values["at"] = tuple(row.get("at", ()))
    fault = Fault(**values)
    _check(fault, where)
    default = _DELAYS_MS.get(fault.kind, 0)
    return fault if "delay" in row else replace(fault, delay_ms=default)


def _check(fault: Fault, where: str) -> None:
    hows = _HOWS.get(fault.kind, ())
    if fault.how and fault.how not in hows:
        raise UsageError(f"{where}: how {fault.how!r} is none of {', '.join(hows) or 'this kind'}")
    if fault.kind == "archive" and not fault.how:
        raise UsageError(f"{where}: how is lacking: one of {', '.join(hows)}")
    if fault.kind == "outage" and (fault.end_ms is None or fault.after_ms == 0):
        raise UsageError(f"{where}: an outage needs after (above 0) and for, like 10s and 30s")


def _duration(value: Any, where: str) -> int:
    try:
        return 0 if value in ("0s", 0) else times.parse_duration(value)
    except (ValueError, TypeError):
        raise UsageError(f"{where} = {value!r} is not a duration like 10s, 500ms or 2h") from None
