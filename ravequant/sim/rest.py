"""The REST side of the local exchange: the answer to each request, from the running market."""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import orjson

from ravequant.sim import chain, frames, funding, statistics
from ravequant.sim.archive import FILES, LISTING, PublishedFolder
from ravequant.sim.coinalyze import BASE, CoinalyzeDesk
from ravequant.sim.context import FUNDING, INTEREST, MARK
from ravequant.sim.faults import Fault
from ravequant.sim.feed import BookChange
from ravequant.sim.history import TradeHistory
from ravequant.sim.replies import NO_HEADERS, HttpAnswer, RestError, envelope, too_many
from ravequant.sim.sessions import INST_TYPES
from ravequant.sim.trading import Trading

_WINDOW_S: Final = 2.0
_LIMITS: Final = {  # requests in 2 seconds
    "/api/v5/market/trades": 100,
    "/api/v5/market/history-trades": 20,
    "/api/v5/market/books": 40,
    "/api/v5/market/books-full": 10,
    "/api/v5/public/instruments": 20,
    "/api/v5/public/time": 10,
    LISTING: 1,  # measured; the reference says 5
    **dict.fromkeys(statistics.PATHS, 5),
    chain.PREFIX: 2,  # of all its paths together; not published
}
_LEVELS: Final = {
    "/api/v5/public/open-interest": INTEREST,
    "/api/v5/public/mark-price": MARK,
    "/api/v5/public/funding-rate": FUNDING,
}
_TOO_MANY: Final = 429
_NOT_FOUND: Final = {
    "code": 404, "data": {}, "detailMsg": "", "error_code": "404",
    "error_message": "Not Found", "msg": "Not Found",
}  # fmt: skip
_HTML: Final = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"


class RateLimits:
    """Requests per path in the last two seconds of wall time, ``factor`` times OKX's."""

    def __init__(self, factor: float = 1.0) -> None:
        self._factor = factor
        self._requests: dict[str, deque[float]] = defaultdict(deque)

    def refuses(self, path: str, wall_s: float) -> bool:
        """Count a request; return True if it exceeds the limit."""
        requests = self._requests[path]
        while requests and requests[0] <= wall_s - _WINDOW_S:
            requests.popleft()
        if len(requests) >= _LIMITS.get(path, 20) * self._factor:
            return True
        requests.append(wall_s)
        return False


class RestApi:
    """Answers GET requests from the market."""

    def __init__(
        self,
        market: Trading,
        limits: RateLimits,
        archive: PublishedFolder | None = None,
        coinalyze: CoinalyzeDesk | None = None,
    ) -> None:
        self._market = market
        self._limits = limits
        self._archive = archive
        self._coinalyze = coinalyze
        self._last: dict[
            str, HttpAnswer
        ] = {}  # the previous page of each path, for the fault that repeats it
        self._paths: dict[str, Callable[[Mapping[str, str]], HttpAnswer]] = {
            "/api/v5/market/trades": self._trades,
            "/api/v5/market/history-trades": self._history_trades,
            "/api/v5/market/books": self._books,
            "/api/v5/market/books-full": self._books_full,
            "/api/v5/public/instruments": self._instruments,
            "/api/v5/public/time": self._time,
            "/api/v5/public/funding-rate-history": self._funding_history,
            **{path: partial(self._level, channel) for path, channel in _LEVELS.items()},
            **{path: partial(self._statistics, path) for path in statistics.PATHS},
        }
        if archive is not None:
            self._paths[LISTING] = archive.listing

    def answer(
        self,
        path: str,
        query: Mapping[str, str],
        wall_s: float,
        fault: Fault | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> HttpAnswer:
        """Return the answer to ``GET path?query``, spoiled by the fault if there is one."""
        if path not in self._paths:
            spoiled = None if fault is None else _spoiled(fault, None)
            return self._of_others(path, query, wall_s, spoiled, headers)
        if self._limits.refuses(path, wall_s):
            return too_many(_TOO_MANY)
        if fault is not None and (spoiled := _spoiled(fault, self._last.get(path))):
            return spoiled
        try:
            answer = self._paths[path](query)
        except RestError as error:
            return error.answer
        self._last[path] = answer
        return corrupt(answer, fault) if fault is not None else answer

    def _of_others(
        self,
        path: str,
        query: Mapping[str, str],
        wall_s: float,
        spoiled: HttpAnswer | None,
        headers: Mapping[str, str],
    ) -> HttpAnswer:
        """Return the answer of the archive, of Coinalyze or of the chain, unless it is spoiled."""
        if self._archive is not None and path.startswith(FILES):
            return spoiled or self._archive.file(path, headers)
        if self._coinalyze is not None and path.startswith(BASE):
            key, now = headers.get("api_key", ""), self._market.now_ms
            found = spoiled or self._coinalyze.answer(path, query, key, now, wall_s)
        elif path.startswith(chain.PREFIX):
            refused = self._limits.refuses(chain.PREFIX, wall_s)
            busy = HttpAnswer(_TOO_MANY, b"Too Many Requests", "text/plain")
            found = busy if refused else spoiled or chain.answer(path, self._market.now_ms)
        else:
            return HttpAnswer(404, orjson.dumps(_NOT_FOUND))
        waits = found.status == _TOO_MANY and not found.headers
        return found._replace(headers={"Retry-After": "2"}) if waits else found

    def _trades(self, query: Mapping[str, str]) -> HttpAnswer:
        inst_id, history = self._history(query)
        limit = min(_whole(query, "limit", 100), 500)
        fills = history.newest(limit, self._market.split(inst_id))
        return envelope([frames.fill_row(inst_id, fill) for fill in fills])

    def _history_trades(self, query: Mapping[str, str]) -> HttpAnswer:
        inst_id, history = self._history(query)
        limit = min(_whole(query, "limit", 100), 100)
        after = _whole(query, "after", None)
        before = _whole(query, "before", None)
        split = self._market.split(inst_id)
        match query.get("type", "1"):
            case "1":
                fills = history.by_id(after, before, limit, split)
            case "2" if before is not None:
                raise RestError("50039", "Before and timestamp can not be used together")
            case "2":
                fills = history.by_time(after, limit, split)
            case _:
                raise RestError("51000", "Parameter type error")
        return envelope([frames.fill_row(inst_id, fill) for fill in fills])

    def _books(self, query: Mapping[str, str]) -> HttpAnswer:
        book = self._book(query, 400)
        if book is None:
            return envelope([])
        row = {"asks": frames.levels(book.asks), "bids": frames.levels(book.bids)}
        return envelope([{**row, "ts": str(book.ts), "seqId": book.seq_id}])

    def _books_full(self, query: Mapping[str, str]) -> HttpAnswer:
        book = self._book(query, 5000)
        if book is None:
            return envelope([])
        return envelope([{"asks": book.asks, "bids": book.bids, "ts": str(book.ts)}])

    def _book(self, query: Mapping[str, str], most: int) -> BookChange | None:
        inst_id, _ = self._history(query)
        depth = _whole(query, "sz", 1)
        if not 1 <= depth <= most:
            raise RestError("51000", "Parameter sz error")
        return self._market.book(inst_id, depth)

    def _instruments(self, query: Mapping[str, str]) -> HttpAnswer:
        inst_type, inst_id = query.get("instType"), query.get("instId")
        if not inst_type:
            raise RestError("50014", "Parameter instType can not be empty.", 400)
        if inst_type not in INST_TYPES:
            raise RestError("51000", "Parameter instType error")
        rows = [row for row in self._market.instrument_rows() if row["instType"] == inst_type]
        if inst_id:
            rows = [row for row in rows if row["instId"] == inst_id]
            if not rows:
                raise _no_instrument()
        return envelope(rows)

    def _level(self, channel: str, query: Mapping[str, str]) -> HttpAnswer:
        """Return the newest row of an instrument; of all with ``instId=ANY`` or none."""
        asked = query.get("instId", "")
        names = [row["instId"] for row in self._market.instrument_rows()]
        if asked not in ("", "ANY"):
            self._history(query)
            names = [asked]
        rows = (self._market.context.row(channel, name, self._market.now_ms) for name in names)
        return envelope([row for row in rows if row is not None])

    def _funding_history(self, query: Mapping[str, str]) -> HttpAnswer:
        inst_id, _ = self._history(query)
        limit = min(_whole(query, "limit", 100), 100)  # 100 though 400 may be asked for
        before, after = _whole(query, "before", None), _whole(query, "after", None)
        return envelope(funding.history(inst_id, self._market.now_ms, before, after, limit))

    def _statistics(self, path: str, query: Mapping[str, str]) -> HttpAnswer:
        if "support-coin" not in path:
            self._history(query)
        return envelope(statistics.rows(path, query, self._market.now_ms))

    def _time(self, _query: Mapping[str, str]) -> HttpAnswer:
        return envelope([{"ts": str(self._market.now_ms)}])

    def _history(self, query: Mapping[str, str]) -> tuple[str, TradeHistory]:
        inst_id = query.get("instId", "")
        if not inst_id:
            raise RestError("50014", "Parameter instId can not be empty.", 400)
        history = self._market.history(inst_id)
        if history is None:
            raise _no_instrument()
        return inst_id, history


def _no_instrument() -> RestError:
    return RestError("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


def _whole(query: Mapping[str, str], name: str, default: Any) -> Any:
    """Return a whole number of the query, the default where it is absent or empty."""
    text = query.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise RestError("51000", f"Parameter {name} error")
    return int(text)


def corrupt(answer: HttpAnswer, fault: Fault) -> HttpAnswer:
    """Return an answer with a field of its first row as the fault has it; others as they are."""
    message = orjson.loads(answer.body)
    if fault.kind != "rest-corrupt" or not message["data"]:
        return answer
    message["data"][0][fault.field] = fault.value
    return answer._replace(body=orjson.dumps(message))


def _spoiled(fault: Fault, before: HttpAnswer | None) -> HttpAnswer | None:
    """Return the answer of a fault; None if the fault only delays."""
    match fault.kind:
        case "rest-status":
            code = {429: "50011", 503: "50001", 504: "50004"}.get(fault.status, "50026")
            plain = envelope([], code, "System error. Try again later", fault.status)
            return plain if fault.body is None else plain._replace(body=fault.body.encode())
        case "rest-limit":
            return too_many(200)
        case "rest-html":
            return HttpAnswer(200, _HTML, "text/html; charset=utf-8")
        case "rest-empty":
            return envelope([])
        case "rest-repeat":
            return before
    return None
