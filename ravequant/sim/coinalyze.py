"""The desk of Coinalyze in the local exchange: API v1, from time alone; pure.

A row has the time, in seconds, at which its period begins; the newest row is of the period that is
not over. Answers are written by hand, since a number is kept as it is written: ``0.50``, ``2e-3``.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

import orjson

from ravequant.sim.funding import chance
from ravequant.sim.replies import HttpAnswer
from ravequant.times import HOUR_MS, MINUTE_MS, SECOND_MS

BASE: Final = "/v1/"
KEY: Final = "key-of-the-box-0123456789"
_INTERVALS: Final = {
    "1min": MINUTE_MS, "5min": 5 * MINUTE_MS, "15min": 15 * MINUTE_MS, "30min": 30 * MINUTE_MS,
    "1hour": HOUR_MS, "2hour": 2 * HOUR_MS, "4hour": 4 * HOUR_MS, "6hour": 6 * HOUR_MS,
    "12hour": 12 * HOUR_MS, "daily": 24 * HOUR_MS,
}  # fmt: skip
_ROWS: Final = 2_000  # that it keeps of each interval
_FORMING_MS: Final = 10_000  # the forming row changes so often
_CALLS: Final = 40  # in a minute; each symbol is one
_MOST_SYMBOLS: Final = 20
_WINDOW_S: Final = 60.0
_LONG_SHORT, _LIQUIDATIONS = "long-short-ratio-history", "liquidation-history"
_VENUES: Final = {"_PERP.3": "3", "_PERP.A": "A", ".6": "6"}  # end of a symbol -> its exchange
_WITHOUT_RATIO: Final = "3"  # OKX


class CoinalyzeDesk:
    """Answers the requests of those who know the key, as many a minute as it allows."""

    def __init__(self, inst_ids: tuple[str, ...], factor: float = 1.0) -> None:
        self._most = _CALLS * factor
        self._calls: deque[float] = deque()
        self._markets = {
            f"{base}{quote}{end}": (base, quote, venue)
            for base, quote, *_ in (inst_id.split("-") for inst_id in inst_ids)
            for end, venue in _VENUES.items()
        }

    def answer(
        self, path: str, query: Mapping[str, str], key: str, now: int, wall_s: float
    ) -> HttpAnswer:
        """Return the answer to ``GET path?query`` with a key, at ``now`` of the market."""
        if key != KEY:
            return _refusal(401, "Invalid API key")
        symbols = query.get("symbols", "").split(",")
        if (wait := self._wait(wall_s, len(symbols))) > 0:
            headers = {"Retry-After": f"{wait:.3f}"}
            return _refusal(429, "Too Many Requests")._replace(headers=headers)
        name = path.removeprefix(BASE)
        if name not in (_LONG_SHORT, _LIQUIDATIONS):
            return self._listed() if name == "future-markets" else _refusal(404, "Not Found")
        length = _INTERVALS.get(query.get("interval", ""))
        begin, end = query.get("from", ""), query.get("to", "")
        sound = begin.isdecimal() and end.isdecimal() and len(symbols) <= _MOST_SYMBOLS
        if length is None or not sound:
            return _refusal(400, "Invalid parameter")
        span = int(begin) * SECOND_MS, int(end) * SECOND_MS
        found = {
            symbol: history(name, symbol, length, span, now)
            for symbol in symbols
            if symbol in self._markets and (name == _LIQUIDATIONS or self._has_ratio(symbol))
        }
        parts = [
            f'{{"symbol":"{symbol}","history":[{",".join(rows)}]}}'
            for symbol, rows in found.items()
            if rows
        ]
        body = f"[{','.join(parts)}]".encode()
        return HttpAnswer(200, body, rows=sum(map(len, found.values())))

    def _wait(self, wall_s: float, calls: int) -> float:
        """Count calls; return the seconds to wait if they are too many."""
        while self._calls and self._calls[0] <= wall_s - _WINDOW_S:
            self._calls.popleft()
        if len(self._calls) + calls > self._most:
            return self._calls[0] + _WINDOW_S - wall_s if self._calls else _WINDOW_S
        self._calls.extend([wall_s] * calls)
        return 0.0

    def _has_ratio(self, symbol: str) -> bool:
        return self._markets[symbol][2] != _WITHOUT_RATIO

    def _listed(self) -> HttpAnswer:
        rows = [
            {
                "symbol": symbol,
                "exchange": venue,
                "symbol_on_exchange": f"{base}{quote}",
                "base_asset": base,
                "quote_asset": quote,
                "expire_at": None,
                "has_buy_sell_data": True,
                "is_perpetual": True,
                "margined": "STABLE" if quote.startswith("USD") and quote != "USD" else "COIN",
                "oi_lq_vol_denominated_in": "BASE_ASSET",
                "has_long_short_ratio_data": self._has_ratio(symbol),
                "has_ohlcv_data": True,
            }
            for symbol, (base, quote, venue) in self._markets.items()
        ]
        return HttpAnswer(200, orjson.dumps(rows), rows=len(rows))


def history(path: str, symbol: str, length: int, span: tuple[int, int], now: int) -> list[str]:
    """Return the rows of a span (Unix ms, both ends too), oldest first, as JSON."""
    forming = now - now % length
    begin, end = max(span[0], forming - (_ROWS - 1) * length), min(span[1], forming)
    first = -(-begin // length) * length
    return [
        _row(path, start, values(path, symbol, start, now if start == forming else None))
        for start in range(first, end + 1, length)
    ]


def values(path: str, symbol: str, start: int, now: int | None = None) -> tuple[str, ...]:
    """Return the values of a period as texts; with ``now`` those of a period that is not over."""
    state = () if now is None else (now // _FORMING_MS,)
    number = chance(path, symbol, start, *state)
    if path == _LONG_SHORT:
        longs = 3_000 + number % 4_000
        ratio = longs / (10_000 - longs)
        return f"{ratio:.4f}", f"{longs / 100:.2f}", f"{100 - longs / 100:.2f}"
    shorts = "0" if number % 3 == 0 else f"{number % 7 + 1}e-3"
    return f"{number % 90_000 / 1_000:.3f}", shorts


def _row(path: str, start: int, found: tuple[str, ...]) -> str:
    names = ("r", "l", "s") if path == _LONG_SHORT else ("l", "s")
    fields = ",".join(f'"{name}":{value}' for name, value in zip(names, found, strict=True))
    return f'{{"t":{start // SECOND_MS},{fields}}}'


def _refusal(status: int, message: str) -> HttpAnswer:
    return HttpAnswer(status, orjson.dumps({"message": message}))
