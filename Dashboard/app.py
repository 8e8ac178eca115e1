"""The routes of the dashboard: the page, and JSON of the vault (SPEC section 18)."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import ravequant
from Dashboard.guard import COOKIE, MOST_BYTES, Sessions, error
from Dashboard.market_view import PROTO
from Dashboard.reads import RETRY_S, BusyError, Reads
from Dashboard.server_clock import ServerClock
from Dashboard.static_files import PAGE, StaticFiles
from ravequant import settings
from ravequant.errors import NoDataError, RaveQuantError, UsageError
from ravequant.exact import NOTIONAL_PLACES
from ravequant.records import check_inst_id
from ravequant.signals.limits import SignalLimits
from ravequant.vault.paths import CHECKOUT, Vault

JSON: Final = "application/json"
_log = logging.getLogger("dashboard")
_ROUTES: Final = "/api/v1"
Read = Callable[[Request], Any]


@dataclass(slots=True)
class Site:
    """All that the routes work with. ``inst_ids`` empty: the instruments of the settings."""

    vault: Vault
    inst_ids: Sequence[str] = ()
    clock: ServerClock = field(default_factory=ServerClock)
    static: StaticFiles = field(default_factory=StaticFiles)
    reads: Reads = field(default_factory=Reads)
    sessions: Sessions | None = None

    def instruments(self) -> list[str]:
        """Return the instruments of the page."""
        return list(self.inst_ids or settings.load().instruments)

    def public(self, text: str) -> str:
        """Return a message without the paths of this computer."""
        places = {str(self.vault.root): "the vault", str(CHECKOUT): ".", str(Path.home()): "~"}
        for place, word in places.items():
            text = text.replace(place, word)
        return text


def routes(site: Site) -> list[Route]:
    """Return all routes but that of the socket."""
    return [
        Route("/", partial(_static, site, PAGE), methods=["GET"]),
        Route("/static/{name:path}", partial(_static, site, ""), methods=["GET"]),
        Route(f"{_ROUTES}/session", partial(_session, site), methods=["POST"]),
        get(site, "status", lambda _: status(site)),
    ]


def get(site: Site, path: str, read: Read) -> Route:
    """Return the route of a path below ``/api/v1/`` that answers the result of ``read``."""
    return Route(f"{_ROUTES}/{path}", _answering(site, read), methods=["GET"])


def application(site: Site, more: Sequence[Any] = ()) -> Starlette:
    """Return the application, without its guard; ``more`` are further routes."""
    handlers: Mapping[Any, Any] = {HTTPException: _refused, Exception: _broken}
    return Starlette(routes=[*routes(site), *more], exception_handlers=handlers)


def status(site: Site) -> dict[str, Any]:
    """Return the facts that hold for the whole page."""
    chosen = settings.load()
    limits = {name: SignalLimits.of(name, chosen) for name in site.instruments()}
    return {
        "proto": PROTO,
        "version": ravequant.__version__,
        "page": site.static.page_hash,
        "exchange": site.vault.exchange,
        "instruments": list(limits),
        "now_ms": site.clock.now().ms,
        "rate": site.clock.rate,
        "thresholds": {
            name: {
                "wall_usd": limit.least_wall // 10**NOTIONAL_PLACES,
                "approach_bps": chosen.alerts.approach_bps.text,
            }
            for name, limit in limits.items()
        },
    }


def inst_id_of(request: Request) -> str:
    """Return the instrument of a path. Raises HTTPException 404 for a name that none can have."""
    try:
        return check_inst_id(request.path_params["inst_id"])
    except UsageError as refused:
        raise HTTPException(404, str(refused)) from None


def vault_of(site: Site, request: Request) -> Vault:
    """Return the vault of a request, which may name an exchange. Raises UsageError."""
    named = request.query_params.get("exchange", site.vault.exchange)
    if named != site.vault.exchange:
        raise UsageError(f"exchange {named!r}: expected {site.vault.exchange}, which is shown here")
    return site.vault


def number_of(request: Request, name: str, standing: int, most: int) -> int:
    """Return a whole number of the query, from 1 to ``most``. Raises UsageError."""
    text = request.query_params.get(name, str(standing))
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and 1 <= int(text) <= most):
        raise UsageError(f"{name}={text[:40]!r}: expected a whole number from 1 to {most}")
    return int(text)


def _answering(site: Site, read: Read) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that reads in a thread and answers JSON, an error too."""

    async def endpoint(request: Request) -> Response:
        try:
            found = await site.reads.run(lambda: orjson.dumps(read(request)))
        except RaveQuantError as failed:
            return _error_of(site, failed)
        return Response(found, media_type=JSON)

    return endpoint


def _error_of(site: Site, failed: RaveQuantError) -> Response:
    message, _, remedy = site.public(str(failed)).rpartition("; ")
    words = (message, remedy) if message else (remedy, "")
    if isinstance(failed, BusyError):
        return error(503, "busy", *words, headers={"Retry-After": str(RETRY_S)})
    if isinstance(failed, NoDataError):
        return error(200, "no_data", *words)  # the question is right; a browser logs each 404
    if isinstance(failed, UsageError):
        return error(400, "bad_request", *words)
    return error(500, "failed", *words)


def _refused(_request: Request, refused: Exception) -> Response:
    """Answer a request that Starlette itself refuses, as a path without a route."""
    assert isinstance(refused, HTTPException)  # noqa: S101 - registered for it alone
    code = "not_found" if refused.status_code == 404 else "refused"
    return error(refused.status_code, code, refused.detail, headers=dict(refused.headers or {}))


def _broken(request: Request, failed: Exception) -> Response:
    """Answer a defect of ours with an id; its details stand in the log alone."""
    name = secrets.token_hex(4)
    _log.error("%s: %s", name, request.url.path, exc_info=failed)
    return error(500, name, f"this is a defect: {name}", "its details stand in the log")


async def _static(site: Site, name: str, request: Request) -> Response:
    asked = name or request.path_params["name"]
    version = request.query_params.get("v", "")
    found = site.static.answer(asked, request.headers, version)
    return found or error(404, "not_found", "no such file of the page")


async def _session(site: Site, request: Request) -> Response:
    """Answer the form: a cookie for the right token."""
    if site.sessions is None:
        return error(404, "not_found", "this server asks for no token")
    if waits := site.sessions.waits_s:
        text = f"too many wrong tokens; try again in {waits} s"
        return error(429, "wait", text, headers={"Retry-After": str(waits)})
    token = await _token(request)
    if token is None:
        return error(400, "bad_request", f'expected {{"token": "…"}} as {JSON}')
    secret = site.sessions.begin(token)
    if secret is None:
        return error(401, "wrong_token", "this is not the token", "it stands where it started")
    answer = Response(status_code=204)
    answer.set_cookie(COOKIE, secret, httponly=True, samesite="strict", path="/")
    return answer


async def _token(request: Request) -> str | None:
    """Return the token of a form; None if it is none, or larger than any request may be."""
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            return None
    try:
        token = orjson.loads(content)["token"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return token if isinstance(token, str) and request.headers.get("content-type") == JSON else None
