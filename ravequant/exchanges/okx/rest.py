"""The public REST side of OKX: instruments, trades and deep books, paced, checked and retried.

Blocking; a program with an event loop calls it from a thread. Every answer is checked (HTTP 200
and code "0") before its rows are used, and a request is repeated where waiting may help.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import orjson
from urllib3.exceptions import HTTPError

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
from ravequant.exchanges.url import USER_AGENT, check_url
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

_SAFETY: Final = 0.9  # of the exchange's limit
_PER_SECOND: Final = {
    INSTRUMENTS: 10.0,
    TRADES: 50.0,
    HISTORY_TRADES: 10.0,
    BOOKS_FULL: 5.0,
    TIME: 5.0,
    FUNDING_HISTORY: 5.0,
    **dict.fromkeys(STATISTICS.values(), 2.5),
    DATA_HISTORY: 0.4 / _SAFETY,  # 2.5 s apart: more often than the reference says is refused
}
_BURST: Final = 1
_TIMEOUTS_S: Final = (5.0, 10.0)  # to connect, between two bytes
_WHOLE_ANSWER_S: Final = 20.0
_MOST_BYTES: Final = 16 << 20  # all swaps' metadata is about 1 MB
_PASSING: Final = frozenset({"50001", "50004", "50011", "50013", "50026"})
_UNKNOWN: Final = frozenset({"51001"})
_ATTEMPTS: Final = 5
_log = logging.getLogger(__name__)
R = TypeVar("R")


class _PassingError(FeedError):
    """A failure that may be over in a moment: the request is repeated."""


class TokenBucket:
    """Paces the requests of one path; safe to use from several threads."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._step = 1 / per_second
        self._burst = burst
        self._clock = clock
        self._next = clock()
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Reserve the next request; return the seconds to wait for it."""
        with self._lock:
            now = self._clock()
            self._next = max(self._next, now - self._burst * self._step) + self._step
            return max(0.0, self._next - now)


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
        self._url = url.rstrip("/")
        self._attempts = attempts
        self._closed = threading.Event()
        self._buckets = {
            path: TokenBucket(rate * limit_factor * _SAFETY, _BURST, clock)
            for path, rate in _PER_SECOND.items()
        }
        self._http = requests.Session()
        self._http.headers["User-Agent"] = USER_AGENT
        self._http.trust_env = not check_url(url, "https", "http")

    def close(self) -> None:
        """End waits and refuse further requests."""
        self._closed.set()
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
        return _sound(FUNDING_HISTORY, rows, lambda row: settled_row(row, inst_id))

    def statistic(self, series: str, inst_id: str, before_ms: int | None) -> list[PeriodRow]:
        """Return at most 100 rows of a statistic that begin before a moment, newest first."""
        query = {"instId": inst_id, "period": "5m", "limit": "100"}
        if before_ms is not None:
            query["end"] = str(before_ms)
        path = STATISTICS[series]
        return _sound(path, self._rows(path, query), lambda row: period_row(row, series))

    def _page(self, path: str, inst_id: str, query: dict[str, str]) -> TradePage:
        rows = self._rows(path, {"instId": inst_id, "limit": "100", **query})
        trades, rejected = parse_trades(rows, inst_id)
        if rejected:
            _log.warning(
                "%s of %s: %d rows rejected: %s", path, inst_id, len(rejected), rejected[0]
            )
        return TradePage(trades, len(rejected))

    def _rows(self, path: str, query: Mapping[str, str]) -> list[Any]:
        for attempt in range(1, self._attempts + 1):
            self._pause(self._buckets[path].reserve())
            try:
                return self._ask(path, query)
            except _PassingError as error:
                if attempt == self._attempts:
                    raise FeedError(f"{error} (asked {attempt} times)") from None
                wait = random.uniform(0.1, min(8.0, 0.5 * 2**attempt))  # noqa: S311 - jitter
                _log.info("%s; attempt %d in %.1f s", error, attempt + 1, wait)
                self._pause(wait)
        raise AssertionError

    def _pause(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise FeedError(f"{self._url}: the client was closed")

    def _ask(self, path: str, query: Mapping[str, str]) -> list[Any]:
        where = f"{self._url}{path}"
        try:
            with self._http.get(
                where,
                params=dict(query),
                timeout=_TIMEOUTS_S,
                stream=True,
                allow_redirects=False,
            ) as response:
                if response.is_redirect or response.is_permanent_redirect:
                    raise RefusedError(
                        f"{where}: redirected to {response.headers.get('Location')!r:.100}; "
                        "expected an answer. Set okx.rest_url or okx.region to the right address",
                        "redirect",
                    )
                body = _bounded(response, where)
        except (requests.RequestException, HTTPError) as error:
            raise _PassingError(f"{where}: {type(error).__name__}: {_reason(error):.200}") from None
        return _believed(body, response.status_code, where)


def _sound(path: str, rows: list[Any], read: Callable[[Any], R]) -> list[R]:
    """Return the rows that can be read; the others are logged."""
    found, faults = [], []
    for row in rows:
        try:
            found.append(read(row))
        except RecordError as error:
            faults.append(str(error))
    if faults:
        _log.warning("%s: %d rows rejected: %s", path, len(faults), faults[0])
    return found


def _reason(error: Exception) -> str:
    """Return the innermost reason of a library's error, without the texts wrapped around it."""
    inner: Any = error.args[0] if error.args else None
    while isinstance(reason := getattr(inner, "reason", None), Exception):
        inner = reason
    said = str(error if inner is None else inner)
    return said.partition("): ")[2] or said  # behind the name of the connection


def _bounded(response: requests.Response, where: str) -> bytes:
    body, began = bytearray(), time.monotonic()
    # read1 returns the bytes that have come: with read(65536) a slow answer escaped both limits
    while block := response.raw.read1(1 << 16, decode_content=True):
        body += block
        if len(body) > _MOST_BYTES:
            raise _PassingError(f"{where}: the answer is longer than {_MOST_BYTES} bytes")
        if time.monotonic() - began > _WHOLE_ANSWER_S:
            raise _PassingError(f"{where}: the answer took longer than {_WHOLE_ANSWER_S:g} s")
    return bytes(body)


def _believed(body: bytes, status: int, where: str) -> list[Any]:
    """Return the rows of an envelope; _PassingError where waiting may help, else RefusedError."""
    code, message, data = _envelope(body)
    if status == requests.codes.ok and code == "0" and isinstance(data, list):
        return data
    said = f"{where}: HTTP {status}, code {code or 'none'}: {message or repr(body[:80])}"
    if code in _PASSING or status == requests.codes.too_many or status >= 500:
        raise _PassingError(said)
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
    raise _PassingError(said)


def _envelope(body: bytes) -> tuple[str, str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", "", None
    if not isinstance(answer, dict):
        return "", "", None
    return as_text(answer.get("code"))[:20], as_text(answer.get("msg")), answer.get("data")
