"""Trading statistics of the model market, as OKX's ``rubik`` endpoints answer them; pure.

A row has the time at which its period *begins*; the newest row is of the period that is not over,
and changes until it is.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ravequant.sim.funding import chance
from ravequant.sim.replies import RestError
from ravequant.times import DAY_MS, HOUR_MS, MINUTE_MS

BASE: Final = "/api/v5/rubik/stat"
_CONTRACT: Final = f"{BASE}/contracts"
_PERIODS: Final = {  # name -> length; how far its answers reach back; shift of its grid
    "5m": (5 * MINUTE_MS, 3 * DAY_MS, 0),
    "1H": (HOUR_MS, 5 * DAY_MS, 0),
    "1D": (DAY_MS, 100 * DAY_MS, 8 * HOUR_MS),  # opens at midnight UTC+8
    "1Dutc": (DAY_MS, 100 * DAY_MS, 0),
}
_FORMING_MS: Final = 10_000  # the forming row changes so often
_PAGE: Final = 100


def _ratio(number: int) -> list[str]:
    return [f"{0.5 + number % 20_000 / 10_000:.4f}"]


def _interest(number: int) -> list[str]:
    contracts = 2_900_000 + number % 10_000_000 / 100
    return [f"{contracts:.2f}", f"{contracts / 100:.4f}", f"{contracts * 970:.3f}"]


def _volumes(number: int) -> list[str]:
    sell, buy = 1_000 + number % 900_000 / 100, 1_000 + number // 7 % 900_000 / 100
    return [f"{sell:.2f}", f"{buy:.2f}"]


_OF_INSTRUMENT: Final[Mapping[str, Callable[[int], list[str]]]] = {
    f"{_CONTRACT}/long-short-account-ratio-contract": _ratio,
    f"{_CONTRACT}/long-short-account-ratio-contract-top-trader": _ratio,
    f"{_CONTRACT}/long-short-position-ratio-contract-top-trader": _ratio,
    f"{_CONTRACT}/open-interest-history": _interest,
    f"{BASE}/taker-volume-contract": _volumes,
}
_SUPPORT: Final = f"{BASE}/trading-data/support-coin"
PATHS: Final = (*_OF_INSTRUMENT, _SUPPORT)


def final_values(path: str, inst_id: str, start: int) -> list[str]:
    """Return the values of a period that is over, by its start (Unix ms)."""
    return _OF_INSTRUMENT[path](chance(path, inst_id, start))


def rows(path: str, query: Mapping[str, str], now: int) -> Any:
    """Return ``data`` of an answer: rows, newest first, or the object of the coins.

    Raises RestError for a wrong parameter.
    """
    if path == _SUPPORT:
        return {"contract": ["BTC", "ETH"], "option": ["BTC"], "spot": ["BTC", "ETH"]}
    if query.get("period", "5m") not in _PERIODS:
        raise RestError("51000", "Parameter period error")
    length, depth, shift = _PERIODS[query.get("period", "5m")]
    inst_id, forming = query["instId"], (now + shift) // length * length - shift
    begin, end = _moment(query, "begin", 0), _moment(query, "end", now + 1)
    limit = min(_moment(query, "limit", _PAGE), _PAGE)
    last = (end - 1 + shift) // length * length - shift
    found: list[list[str]] = []
    start = min(forming, last)
    while len(found) < limit and start > begin and start >= now - depth:
        values = final_values(path, inst_id, start)
        if start == forming:
            values = _OF_INSTRUMENT[path](chance(path, inst_id, start, now // _FORMING_MS))
        found.append([str(start), *values])
        start -= length
    return found


def _moment(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise RestError("51000", f"Parameter {name} error")
    return int(text)
