"""The requests of one client, checked as OKX does: subscriptions, errors, limits; pure."""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from ravequant.sim import frames

REQUESTS_PER_HOUR: Final = 480
_HOUR_S: Final = 3_600
_REQUEST_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_CHANNELS: Final = {"/ws/v5/public": frames.PUBLIC, "/ws/v5/business": frames.BUSINESS}

PATHS: Final = frozenset(_CHANNELS)
INST_TYPES: Final = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS")
Key = tuple[str, str]  # channel, instId; of a type-wide channel the instType


@dataclass(frozen=True, slots=True)
class Subscription:
    """One argument that a client subscribed."""

    channel: str
    inst_id: str
    since_ms: int  # market time since the market started

    @property
    def key(self) -> Key:
        """Return channel and instrument."""
        return self.channel, self.inst_id


@dataclass(frozen=True, slots=True)
class ChannelRequest:
    """A legal argument of a request to subscribe or unsubscribe."""

    op: str
    arg: Mapping[str, str]
    request_id: str | None

    @property
    def key(self) -> Key:
        """Return channel and instrument."""
        return self.arg["channel"], self.arg.get("instId") or self.arg["instType"]


@dataclass(slots=True)
class ClientSession:
    """The state of one connection on the exchange's side."""

    path: str
    connection_id: str
    instruments: frozenset[str]
    subscriptions: dict[Key, Subscription] = field(default_factory=dict)
    _requests: deque[float] = field(default_factory=deque)

    def receive(self, text: str, wall_s: float) -> list[bytes | ChannelRequest]:
        """Return replies (bytes) and legal requests, in the order of the arguments."""
        if text == "ping":
            return [b"pong"]
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            request = None
        if not isinstance(request, dict) or "op" not in request or "args" not in request:
            return [self._error("60012", f"Invalid request: {text}", None)]
        if self._too_many(wall_s):
            return [self._error("60014", "Requests too frequent", None)]
        return self._answers(request)

    def _answers(self, request: dict[str, Any]) -> list[bytes | ChannelRequest]:
        op, args, request_id = request["op"], request["args"], request.get("id")
        if request_id is not None and _REQUEST_ID.fullmatch(str(request_id)) is None:
            return [self._error("60033", "Parameter id error", None)]
        request_id = None if request_id is None else str(request_id)
        if op not in ("subscribe", "unsubscribe"):
            return [self._error("60019", f"Invalid op: {op}", request_id)]
        if not isinstance(args, list) or not args:
            return [
                self._error("60013", f"Invalid args: {orjson.dumps(args).decode()}", request_id)
            ]
        return [self._answer(op, arg, request_id) for arg in args]

    def _answer(self, op: str, arg: Any, request_id: str | None) -> bytes | ChannelRequest:
        legal = isinstance(arg, dict) and all(isinstance(value, str) for value in arg.values())
        if not legal or not arg.get("channel"):
            shown = orjson.dumps(arg).decode()
            return self._error("60013", f"Invalid args: {shown}", request_id)
        channel = arg["channel"]
        wide = channel in frames.BY_TYPE
        inst_id = arg.get("instType" if wide else "instId", "")
        known = INST_TYPES if wide else self.instruments
        if channel in frames.LOGIN_ONLY:
            return self._error("60011", "Please log in", request_id)
        if channel not in _CHANNELS[self.path] or inst_id not in known:
            message = (
                f"Wrong URL or channel:{channel},instId:{inst_id} doesn't exist. Please use the "
                "correct URL, channel and parameters referring to API document."
            )
            return self._error("60018", message, request_id)
        return ChannelRequest(op, arg, request_id)

    def _error(self, code: str, message: str, request_id: str | None) -> bytes:
        return frames.error(code, message, self.connection_id, request_id)

    def _too_many(self, wall_s: float) -> bool:
        """Count a request; refused ones do not count."""
        while self._requests and self._requests[0] <= wall_s - _HOUR_S:
            self._requests.popleft()
        if len(self._requests) >= REQUESTS_PER_HOUR:
            return True
        self._requests.append(wall_s)
        return False
