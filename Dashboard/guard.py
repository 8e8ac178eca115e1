"""Who may ask: each request, sockets too, must be of this page at this address, and small.

A page of the internet cannot reach the server: its requests bear a foreign Origin, and one that
resolves its own name to this address (DNS rebinding) bears a foreign Host. Nothing can be changed
by a request, so there is nothing to forge.
"""

import hashlib
import hmac
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ravequant.errors import UsageError

TOKEN_VARIABLE: Final = "RAVEQUANT_DASHBOARD_TOKEN"  # noqa: S105 - its name
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
MOST_BYTES: Final = 8_192  # of the headers of a request, its query, and its body
COOKIE: Final = "ravequant_session"
_LEAST_TOKEN: Final = 32  # characters
_WRONG_A_MINUTE: Final = 10
_SESSIONS: Final = 64  # the oldest ends when another begins
_REFUSED_SOCKET: Final = 1008  # policy violation
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_OPEN: Final = ("/", "/api/v1/session")  # without a session: the page, its parts, and the form
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def host_name(text: str) -> str:
    """Return a name that a Host header may bear. Raises UsageError for anything else."""
    if not _HOST_NAME.fullmatch(text):
        raise UsageError(
            f"--allow-host {text!r}: expected the name or address that the browser asks for, "
            "without scheme and port, like rave.lan"
        )
    return text.lower()


def error(
    status: int, code: str, message: str, remedy: str = "", *, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Return an error as the page reads it."""
    content = {"error": {"code": code, "message": message, "remedy": remedy}}
    return JSONResponse(content, status, headers)


@dataclass(slots=True)
class Sessions:
    """The sessions of a server that asks for a token; ``now`` is a monotonic clock in seconds."""

    token: str
    now: Callable[[], float]
    _begun: deque[bytes] = field(default_factory=lambda: deque(maxlen=_SESSIONS))
    _wrong: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        if len(self.token) < _LEAST_TOKEN:
            raise UsageError(
                f"{TOKEN_VARIABLE} has {len(self.token)} characters, expected at least "
                f"{_LEAST_TOKEN}; remove the variable, then a token is made at each start"
            )

    @property
    def waits_s(self) -> int:
        """The seconds until a token may be tried again; 0 at once."""
        now = self.now()
        while self._wrong and self._wrong[0] <= now - 60:
            self._wrong.popleft()
        if len(self._wrong) < _WRONG_A_MINUTE:
            return 0
        return max(1, round(self._wrong[0] + 60 - now))

    def begin(self, token: str) -> str | None:
        """Return the secret of a new session; None for a wrong token, which is counted."""
        if not hmac.compare_digest(_digest(token), _digest(self.token)):
            self._wrong.append(self.now())
            return None
        secret = secrets.token_urlsafe(32)
        self._begun.append(_digest(secret))
        return secret

    def holds(self, headers: Headers) -> bool:
        """Return True if a request bears the cookie of a session."""
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        digest = _digest("" if cookie is None else cookie.value)
        return sum(hmac.compare_digest(digest, begun) for begun in self._begun) > 0


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class Guard:
    """Refuses a stranger before any route hears of it; adds the headers to answers.

    ``hosts`` are the values that a Host header may have, port and all; ``sessions`` is None for a
    server of this computer alone, which needs no token.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], sessions: Sessions | None) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of this page; refuse any other."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refusal(scope, headers)
        if scope["type"] == "websocket":
            if refused is None:
                await self._app(scope, receive, send)
            else:
                await receive()  # the handshake; closed before it is accepted: an answer 403
                await send({"type": "websocket.close", "code": _REFUSED_SOCKET})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                mutable = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    mutable[name] = value
                mutable.setdefault("Cache-Control", "no-store")
            await send(message)

        await (refused or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        socket = scope["type"] == "websocket"
        refused = self._stranger(headers, socket=socket) or _oversized(scope, headers)
        return refused or (None if socket else _method(scope)) or self._unknown(scope, headers)

    def _stranger(self, headers: Headers, *, socket: bool) -> Response | None:
        hosts, origin = headers.getlist("host"), headers.get("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            remedy = "open the address that it printed, or start it with --allow-host NAME"
            return error(421, "wrong_host", "this server answers to other names alone", remedy)
        if origin is None and socket:
            return error(403, "wrong_origin", "a socket without an Origin is none of the page's")
        if origin is not None and origin.lower() != f"http://{hosts[0].lower()}":
            return error(403, "wrong_origin", "the request comes from another page")
        return None

    def _unknown(self, scope: Scope, headers: Headers) -> Response | None:
        path = scope["path"]
        if self._sessions is None or path in _OPEN or path.startswith("/static/"):
            return None
        if self._sessions.holds(headers):
            return None
        return error(401, "no_session", "this screen asks for its token", "open / and type it in")


def _oversized(scope: Scope, headers: Headers) -> Response | None:
    length = headers.get("content-length", "0")
    small = length.isascii() and length.isdecimal() and len(length) <= 9
    head = sum(len(name) + len(value) for name, value in scope["headers"])
    if small and max(int(length), head, len(scope["query_string"])) <= MOST_BYTES:
        return None
    return error(413, "too_large", f"a request has at most {MOST_BYTES} bytes")


def _method(scope: Scope) -> Response | None:
    allowed = ("POST",) if scope["path"] == "/api/v1/session" else ("GET", "HEAD")
    if scope["method"] in allowed:
        return None
    given = {"Allow": ", ".join(allowed)}
    return error(405, "method", f"expected {given['Allow']}", headers=given)
