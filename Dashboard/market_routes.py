"""The routes that read a market: its picture, answer, heat, days, health, and the lab's verdict."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.routing import Route

from Dashboard import answer, days, heat_columns, market_view, watch
from Dashboard.app import Site, get, inst_id_of, number_of, vault_of
from Dashboard.heat_columns import HeatColumns
from Dashboard.market_view import PictureMoment, asked
from Dashboard.view import MOST_MINUTES
from ravequant import times
from ravequant.checks.health import health
from ravequant.errors import NoDataError
from ravequant.signals import as_of, lab_verdict
from ravequant.vault.paths import Vault

_LAST_MINUTE: Final = times.DAY_MINUTES * 366 * 200  # of a number of minutes that is no slip
Seen = Callable[[str, dict[str, Any]], None]  # takes each live picture that was answered


def market_routes(site: Site, heat: HeatColumns, seen: Seen) -> list[Route]:
    """Return the routes; ``seen`` is given the instrument and the picture of each live one."""

    def view(request: Request) -> dict[str, Any]:
        vault, inst_id = vault_of(site, request), inst_id_of(request)
        question = moment_of(site, vault, request)
        minutes = number_of(request, "minutes", times.DAY_MINUTES, MOST_MINUTES)
        timeframe = request.query_params.get("tf", "1m")
        live = question.mode == "live"
        stood = watch.standing(vault, inst_id) if live else ""  # before the rows are read
        found = market_view.view(vault, inst_id, question, minutes, timeframe)
        found["health"] = health_of(site, vault, [inst_id])
        if live:
            found["rows"] = stood
            seen(inst_id, found)
        return found

    def signals(request: Request) -> dict[str, Any]:
        vault, inst_id = vault_of(site, request), inst_id_of(request)
        question = moment_of(site, vault, request)
        timeframe = request.query_params.get("timeframe", "1m")
        return answer.answer(
            vault,
            inst_id,
            question.when,
            timeframe,
            now=question.now,
            wall_ms=question.wall_ms,
        )

    def heat_of(request: Request) -> dict[str, Any]:
        vault, inst_id = vault_of(site, request), inst_id_of(request)
        until_ms = _end_of(vault, inst_id, moment_of(site, vault, request))
        minute = until_ms // times.MINUTE_MS
        first = number_of(request, "from", minute, _LAST_MINUTE)
        last = number_of(request, "to", minute, _LAST_MINUTE)
        every = number_of(request, "every", 1, times.DAY_MINUTES)
        return heat.answer(heat_columns.Asked(inst_id, first, last, every, until_ms))

    def days_of(request: Request) -> list[dict[str, Any]]:
        return days.days(vault_of(site, request), inst_id_of(request))

    return [
        get(site, "view/{inst_id}", view),
        get(site, "signals/{inst_id}", signals),
        get(site, "heat/{inst_id}", heat_of),
        get(site, "days/{inst_id}", days_of),
        get(site, "verdict", lambda request: verdict(vault_of(site, request))),
        get(site, "health", lambda _: health_of(site, site.vault, site.instruments())),
    ]


def moment_of(site: Site, vault: Vault, request: Request) -> PictureMoment:
    """Return the moment that a request asks for; UsageError for none."""
    at = request.query_params.get("at", "now")
    return asked(vault, at, site.clock.now(), times.utc_now_ms())


def verdict(vault: Vault) -> dict[str, Any] | None:
    """Return the lab's newest verdict as it stands in its file; None without a sound one."""
    if lab_verdict.read_verdict(vault) is None:
        return None
    found: dict[str, Any] = orjson.loads(lab_verdict.verdict_file(vault).read_bytes())
    return found


def health_of(site: Site, vault: Vault, inst_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the health of a recording, without the paths of this computer."""
    found = health(vault, inst_ids, times.utc_now_ms())
    for row in found:
        for name in ("words", "remedy"):
            row[name] = site.public((row[name] or "").replace(vault.option, ""))
    return found


def newest_heat(heat: HeatColumns, inst_id: str, minutes: range, until_ms: int) -> dict[str, Any]:
    """Return the heat of these Unix minutes, of books up to a moment (Unix ms)."""
    return heat.answer(heat_columns.Asked(inst_id, minutes[0], minutes[-1], 1, until_ms))


def _end_of(vault: Vault, inst_id: str, question: PictureMoment) -> int:
    """Return the moment (Unix ms) up to which books may be shown. Raises NoDataError."""
    instant, minute = question.when.instant_ms, question.when.minute
    if instant is not None:
        return instant
    if minute is None:
        minute = as_of.latest(vault, inst_id)
    if minute is None:
        raise NoDataError(f"no data of {inst_id}; start its exporters and the calculators")
    return minute * times.MINUTE_MS
