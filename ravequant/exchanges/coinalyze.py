"""Coinalyze's REST API v1: markets, and the history of two series; nothing that arrives is trusted.

Blocking. The key goes in a header and nowhere else: no address, error or ``repr`` shows it. A
number of an answer is kept as the text that it was.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from ravequant.errors import FeedError, shown
from ravequant.exchanges.base import RefusedError
from ravequant.exchanges.context_feeds import PeriodRow
from ravequant.exchanges.paced_http import HttpReply, PacedHttp, PassingError, sound_rows
from ravequant.records import RecordError
from ravequant.times import MINUTE_MS, SECOND_MS

ADDRESS: Final = "https://api.coinalyze.net/v1"
MARKETS: Final = "/future-markets"
PATHS: Final = {
    "long_short": "/long-short-ratio-history",
    "liquidations": "/liquidation-history",
}
FIELDS: Final = {  # of a row of each series, in the order of its values
    "long_short": ("r", "l", "s"),  # longs / shorts; longs and shorts in percent of accounts
    "liquidations": ("l", "s"),  # longs and shorts that were liquidated, in coins
}
INTERVAL: Final = "5min"
INTERVAL_MS: Final = 5 * MINUTE_MS
DEPTH_MS: Final = 2_000 * INTERVAL_MS  # so far its answers reach back
_PER_MINUTE: Final = 40  # calls, and each symbol of a call is one
_PACE: Final = "calls"  # of all paths together
_ATTEMPTS: Final = 3
_USUAL_WAIT_S: Final = 60.0  # after 429 without a time that can be read
_LONGEST_WAIT_S: Final = 300.0
R = TypeVar("R")
_FIRST_S: Final = 1_262_304_000  # 2010: an earlier time is none
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
_SECONDS: Final = re.compile(r"[1-9][0-9]{0,9}")
_WAIT: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,9})?")


class Number(str):
    """A JSON number, as it was written."""

    __slots__ = ()


class Key:
    """A key of the API; only ``Key.value`` shows it."""

    __slots__ = ("value",)
    FORM: Final = re.compile(r"[A-Za-z0-9_-]{8,100}")

    def __init__(self, value: str) -> None:
        self.value = value

    def hidden_in(self, text: str) -> str:
        """Return text without the key."""
        return text.replace(self.value, "...")


class CoinMarket(NamedTuple):
    """A perpetual of Coinalyze."""

    symbol: str
    base: str
    quote: str
    has_ratio: bool  # of longs and shorts; never true of OKX's markets


class CoinalyzeRest:
    """A client of one address; ``close`` ends its waits, from any thread.

    Raises FeedError once all attempts have failed, and RefusedError at once where asking again
    will not help (the key, a parameter).
    """

    def __init__(self, url: str, key: Key, *, limit_factor: float = 1.0) -> None:
        self._key = key
        rates = {_PACE: _PER_MINUTE / 60 * limit_factor}
        self._http = PacedHttp(url, rates, "--url", attempts=_ATTEMPTS)

    def close(self) -> None:
        """End waits and refuse further requests."""
        self._http.close()

    def markets(self) -> list[CoinMarket]:
        """Return the perpetuals that it knows; rows of another form are left out."""
        return self._ask(MARKETS, {}, _markets)

    def history(self, series: str, symbol: str, from_ms: int, to_ms: int) -> list[PeriodRow]:
        """Return the rows that begin in a span (Unix ms), both ends too, newest first.

        The newest row of all is of the period that is not over. It is no error if the span lies
        outside what Coinalyze keeps: then there are none. A row of another form is left out and
        logged.
        """
        query = {
            "symbols": symbol,
            "interval": INTERVAL,
            "from": str(from_ms // SECOND_MS),
            "to": str(to_ms // SECOND_MS),
        }
        return self._ask(PATHS[series], query, lambda answer: _rows(answer, series, symbol))

    def _ask(self, path: str, query: Mapping[str, str], read: Callable[[list[Any]], R]) -> R:
        key = self._key.value.encode()

        def believed(reply: HttpReply) -> R:
            return read(_answer(reply._replace(body=reply.body.replace(key, b"..."))))

        headers = {"api_key": self._key.value}
        try:
            return self._http.ask(path, query, believed, pace=_PACE, headers=headers)
        except RefusedError as error:
            raise RefusedError(self._key.hidden_in(str(error)), error.code) from None
        except FeedError as error:
            raise FeedError(self._key.hidden_in(str(error))) from None


def _answer(reply: HttpReply) -> list[Any]:
    """Return the list of an answer; PassingError where waiting may help, else RefusedError."""
    said = f"{reply.where}: HTTP {reply.status}: {reply.body[:80]!r}"
    match reply.status:
        case 200:
            return _parsed(reply)
        case 429:
            passing = PassingError(f"{reply.where}: HTTP 429: too many calls")
            passing.wait_s = _retry_after(reply.headers.get("Retry-After", ""))
            raise passing
        case 401 | 403:
            raise RefusedError(f"{reply.where}: HTTP {reply.status}: the key is refused", "key")
        case status if status >= 500:
            raise PassingError(said)
    raise RefusedError(f"{said}; expected HTTP 200. Check --url", str(reply.status))


def _parsed(reply: HttpReply) -> list[Any]:
    try:
        found = json.loads(
            reply.body, parse_float=Number, parse_int=Number, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        raise PassingError(f"{reply.where}: no JSON: {reply.body[:80]!r}") from None
    if not isinstance(found, list):
        raise PassingError(f"{reply.where}: expected a list, not {shown(found):.120}")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _retry_after(text: str) -> float:
    """Return the seconds that an answer asks to wait, within bounds."""
    return min(float(text), _LONGEST_WAIT_S) if _WAIT.fullmatch(text) else _USUAL_WAIT_S


def _markets(answer: list[Any]) -> list[CoinMarket]:
    rows = (row for row in answer if isinstance(row, dict) and row.get("is_perpetual") is True)
    return [
        CoinMarket(
            row["symbol"],
            row["base_asset"],
            row["quote_asset"],
            row.get("has_long_short_ratio_data") is True,
        )
        for row in rows
        if all(isinstance(row.get(name), str) for name in ("symbol", "base_asset", "quote_asset"))
    ]


def _rows(answer: list[Any], series: str, symbol: str) -> list[PeriodRow]:
    """Return the rows of a symbol, newest first; of two of one time the later in the answer."""
    found: dict[int, PeriodRow] = {}
    for item in answer:
        own = isinstance(item, dict) and item.get("symbol") == symbol
        history = item.get("history") if own else None
        rows = history if isinstance(history, list) else []
        for row in sound_rows(PATHS[series], rows, lambda row: period_row(row, series)):
            found[row.start] = row
    return [found[start] for start in sorted(found, reverse=True)]


def period_row(row: Any, series: str) -> PeriodRow:
    """Return a row of a series; RecordError if it is none."""
    if not isinstance(row, dict):
        raise RecordError(f"{series}: a row is a JSON object, not {shown(row):.120}")
    seconds = row.get("t")
    if not isinstance(seconds, Number) or _SECONDS.fullmatch(seconds) is None:
        raise RecordError(f"{series}: t: {shown(seconds)} is no time in Unix seconds")
    start = int(seconds) * SECOND_MS
    if int(seconds) < _FIRST_S or start % INTERVAL_MS:
        raise RecordError(f"{series}: t: {seconds} is no start of a period, in Unix seconds")
    return PeriodRow(start, tuple(_number(row.get(name), series, name) for name in FIELDS[series]))


def _number(value: Any, series: str, name: str) -> str:
    if isinstance(value, Number) and _NUMBER.fullmatch(value):
        return str(value)
    raise RecordError(f"{series}: {name}: {shown(value):.80} is no number of 0 or more")
