"""The public REST side of OKX: instruments, trades and deep books, paced, checked and retried.

Blocking; a program with an event loop calls it from a thread. Every answer is checked (HTTP 200
and code "0") before its rows are used, and a request is repeated where waiting may help.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from ravequant.errors import FeedError
from ravequant.exchanges.base import (
    DeepBook,
    PageLimits,
    RefusedError,
    TradePage,
    UnknownInstrumentError,
)
from ravequant.exchanges.context_feeds import PeriodRow, SettledRow
from ravequant.exchanges.lean_http import requests
from ravequant.exchanges.okx.context_rows import period_row, settled_row
from ravequant.exchanges.okx.messages import as_text, moment, parse_deep_book, parse_trades
from ravequant.exchanges.paced_http import SAFETY, PacedHttp, PassingError, sound_rows
from ravequant.records import RecordError
from ravequant.times import DAY_MS

INSTRUMENTS: Final = "/api/v5/public/instruments"
TRADES: Final = "/api/v5/market/trades"
HISTORY_TRADES: Final = "/api/v5/market/history-trades"
BOOKS_FULL: Final = "/api/v5/market/books-full"
TIME: Final = "/api/v5/public/time"
DATA_HISTORY: Final = "/api/v5/public/market-data-history"
FUNDING_HISTORY: Final = "/api/v5/public/funding-rate-history"
_RUBIK: Final = "/api/v5/rubik/stat"
STATISTICS: Final = {
    "ls_accounts": f"{_RUBIK}/contracts/long-short-account-ratio-contract",
    "ls_top_accounts": f"{_RUBIK}/contracts/long-short-account-ratio-contract-top-trader",
    "ls_top_positions": f"{_RUBIK}/contracts/long-short-position-ratio-contract-top-trader",
    "oi": f"{_RUBIK}/contracts/open-interest-history",
    "taker": f"{_RUBIK}/taker-volume-contract",
}
PAGES: Final = PageLimits(rows=100, depth_ms=80 * DAY_MS)  # three months, a little less is sure
DEEP_LEVELS: Final = 5000  # a side, the most that books-full gives

_PER_SECOND: Final = {
    INSTRUMENTS: 10.0,
    TRADES: 50.0,
    HISTORY_TRADES: 10.0,
    BOOKS_FULL: 5.0,
    TIME: 5.0,
    FUNDING_HISTORY: 5.0,
    **dict.fromkeys(STATISTICS.values(), 2.5),
    DATA_HISTORY: 0.4 / SAFETY,  # 2.5 s apart: more often than the reference says is refused
}
_PASSING: Final = frozenset({"50001", "50004", "50011", "50013", "50026"})
_UNKNOWN: Final = frozenset({"51001"})
_ATTEMPTS: Final = 5
_log = logging.getLogger(__name__)


class OkxRest:
    """A client of one REST address; ``close`` ends its waits, from any thread.

    Raises FeedError once all attempts have failed, and RefusedError at once where asking again
    will not help (an unknown instrument, a wrong parameter).
    """

    def __init__(
        self,
        url: str,
        *,
        attempts: int = _ATTEMPTS,
        limit_factor: float = 1.0,  # times OKX's limits: an exchange in a box may allow more
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        rates = {path: rate * limit_factor for path, rate in _PER_SECOND.items()}
        setting = "okx.rest_url or okx.region"
        self._http = PacedHttp(url, rates, setting, attempts=attempts, clock=clock)
        self._url = self._http.url

    def close(self) -> None:
        """End waits and refuse further requests."""
        self._http.close()

    def instrument(self, inst_id: str) -> Mapping[str, Any]:
        """Return the metadata row of one perpetual."""
        rows = self._rows(INSTRUMENTS, {"instType": "SWAP", "instId": inst_id})
        for row in rows:
            if isinstance(row, dict) and row.get("instId") == inst_id:
                return row
        raise FeedError(f"{self._url}{INSTRUMENTS}: no row of {inst_id} in the answer; try again")

    def server_time(self) -> int:
        """Return the exchange's clock in Unix milliseconds."""
        rows = self._rows(TIME, {})
        try:
            return moment(rows[0].get("ts") if rows and isinstance(rows[0], dict) else None)
        except RecordError as error:
            raise FeedError(
                f"{self._url}{TIME}: no time in the answer: {error}; try again"
            ) from None

    def trades(self, inst_id: str, limit: int = 500) -> TradePage:
        """Return the newest fills, at most 500, newest first."""
        return self._page(TRADES, inst_id, {"limit": str(limit)})

    def history_trades(self, inst_id: str, after_id: int) -> TradePage:
        """Return the newest 100 fills with an id below ``after_id``, newest first."""
        return self._page(HISTORY_TRADES, inst_id, {"type": "1", "after": str(after_id)})

    def history_trades_before(self, inst_id: str, ts: int) -> TradePage:
        """Return the newest 100 fills older than ``ts`` (Unix ms), newest first."""
        return self._page(HISTORY_TRADES, inst_id, {"type": "2", "after": str(ts)})

    def deep_book(self, inst_id: str) -> DeepBook:
        """Return the book down to 5000 levels a side; RecordError if it is no sound book."""
        rows = self._rows(BOOKS_FULL, {"instId": inst_id, "sz": str(DEEP_LEVELS)})
        if not rows:
            raise FeedError(
                f"{self._url}{BOOKS_FULL}: no book of {inst_id} in the answer; try again"
            )
        return parse_deep_book(rows[0])

    def market_data_history(self, query: Mapping[str, str]) -> list[Any]:
        """Return the rows of the archive's listing."""
        return self._rows(DATA_HISTORY, query)

    def settlements(self, inst_id: str, before_ms: int | None) -> list[SettledRow]:
        """Return at most 100 settlements older than a moment, newest first."""
        query = {"instId": inst_id, "limit": "100"}
        if before_ms is not None:
            query["after"] = str(before_ms)
        rows = self._rows(FUNDING_HISTORY, query)
        return sound_rows(FUNDING_HISTORY, rows, lambda row: settled_row(row, inst_id))

    def statistic(self, series: str, inst_id: str, before_ms: int | None) -> list[PeriodRow]:
        """Return at most 100 rows of a statistic that begin before a moment, newest first."""
        query = {"instId": inst_id, "period": "5m", "limit": "100"}
        if before_ms is not None:
            query["end"] = str(before_ms)
        path = STATISTICS[series]
        return sound_rows(path, self._rows(path, query), lambda row: period_row(row, series))

    def _page(self, path: str, inst_id: str, query: dict[str, str]) -> TradePage:
        rows = self._rows(path, {"instId": inst_id, "limit": "100", **query})
        trades, rejected = parse_trades(rows, inst_id)
        if rejected:
            _log.warning(
                "%s of %s: %d rows rejected: %s", path, inst_id, len(rejected), rejected[0]
            )
        return TradePage(trades, len(rejected))

    def _rows(self, path: str, query: Mapping[str, str]) -> list[Any]:
        return self._http.ask(
            path, query, lambda reply: _believed(reply.body, reply.status, reply.where)
        )


def _believed(body: bytes, status: int, where: str) -> list[Any]:
    """Return the rows of an envelope; PassingError where waiting may help, else RefusedError."""
    code, message, data = _envelope(body)
    if status == requests.codes.ok and code == "0" and isinstance(data, list):
        return data
    said = f"{where}: HTTP {status}, code {code or 'none'}: {message or repr(body[:80])}"
    if code in _PASSING or status == requests.codes.too_many or status >= 500:
        raise PassingError(said)
    if code in _UNKNOWN:
        raise UnknownInstrumentError(f"{said}; expected code 0", code)
    if code.startswith("5"):
        raise RefusedError(f"{said}; expected code 0", code)
    if status in (requests.codes.not_found, requests.codes.forbidden):
        raise RefusedError(
            f"{said}; expected HTTP 200. Check okx.rest_url and okx.region, and that this network "
            "may reach the exchange",
            code or str(status),
        )
    raise PassingError(said)


def _envelope(body: bytes) -> tuple[str, str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", "", None
    if not isinstance(answer, dict):
        return "", "", None
    return as_text(answer.get("code"))[:20], as_text(answer.get("msg")), answer.get("data")
