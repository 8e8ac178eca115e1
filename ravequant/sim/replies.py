"""Answers of the local exchange's REST side: envelopes, refusals and files; pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson

JSON: Final = "application/json"
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class HttpAnswer(NamedTuple):
    """An HTTP answer; ``rows`` is for the frame log."""

    status: int
    body: bytes
    content_type: str = JSON
    rows: int = 0
    headers: Mapping[str, str] = NO_HEADERS  # further ones; a Content-Length here counts


class RestError(Exception):
    """A refused request: code, message, HTTP status."""

    def __init__(self, code: str, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.answer = envelope([], code, message, status)


def envelope(data: Any, code: str = "0", message: str = "", status: int = 200) -> HttpAnswer:
    """Return the usual answer around ``data``."""
    body = orjson.dumps({"code": code, "msg": message, "data": data})
    return HttpAnswer(status, body, rows=len(data))


def too_many(status: int) -> HttpAnswer:
    """Return the rate limit's answer, in its own shape without ``data``."""
    return HttpAnswer(status, orjson.dumps({"msg": "Too Many Requests", "code": "50011"}))
