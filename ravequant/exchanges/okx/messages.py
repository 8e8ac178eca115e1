"""Frames and REST rows of OKX v5, parsed into types; nothing that arrives is trusted.

A frame becomes one `Message`. A row that does not have the documented form is rejected with a
reason; the other rows of its frame are kept.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from ravequant import exact
from ravequant.errors import shown
from ravequant.exchanges.base import Channel, ChannelData, DeepBook, Rows, TradeRows, UnknownFrame
from ravequant.records import (
    RecordError,
    Trade,
    check_count,
    counting_number,
    positive_decimal,
    taker_side,
)

TRADES: Final = "trades"
BOOKS: Final = "books"
BOOKS_FULL: Final = "books-full"
LIQUIDATIONS: Final = "liquidation-orders"
_BY_TYPE: Final = frozenset((LIQUIDATIONS,))  # subscribed by instType instead of instId
_SPORADIC: Final = frozenset((LIQUIDATIONS,))  # silent for as long as nothing happens
_PATIENCE_S: Final = {"funding-rate": 300.0, "open-interest": 120.0}  # pushed each 90 s, each 3 s
_BEGIN_WHOLE: Final = frozenset(("books", "books-l2-tbt", "books50-l2-tbt"))
_TRADE_FIELDS: Final = ("instId", "tradeId", "px", "sz", "side", "ts")
BOOK_FIELDS: Final = ("asks", "bids", "ts")
_WHOLE: Final = r"(?:0|[1-9][0-9]{0,19})"
PRICE_FORM: Final = rf"{_WHOLE}(?:\.[0-9]{{1,{exact.PRICE_PLACES}}})?"
SIZE_FORM: Final = rf"{_WHOLE}(?:\.[0-9]{{1,{exact.SIZE_PLACES}}})?"
_DEEP_LEVEL: Final = re.compile(rf"{PRICE_FORM},{SIZE_FORM},[0-9]{{1,18}}")
EARLIEST_MS: Final = 1_262_304_000_000  # 2010: seconds taken for milliseconds lie far below
LATEST_MS: Final = (
    4_102_444_800_000  # 2100: a wrong time far ahead would hold the day file for good
)
_EXCERPT: Final = 200  # characters of a strange frame worth logging


@dataclass(frozen=True, slots=True)
class Ack:
    """The exchange accepted one argument of a request."""

    op: Literal["subscribe", "unsubscribe"]
    channel: Channel


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """The exchange refused something; channel and request id may be absent."""

    code: str
    message: str
    channel: Channel | None
    request_id: str


@dataclass(frozen=True, slots=True)
class Notice:
    """An announcement; code 64008 says that this connection will soon be closed."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a text ping: the socket works; its channels may be silent all the same."""


Message = Rows | Ack | ErrorEvent | Notice | Pong | UnknownFrame
_PONG: Final = Pong()


def parse_frame(frame: bytes | str) -> Message:  # noqa: PLR0911 - a return for each kind of frame
    """Return the content of a WebSocket message; never raises."""
    if frame in (b"pong", "pong"):
        return _PONG
    try:
        message = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return _unknown(frame)
    if not isinstance(message, dict):
        return _unknown(frame)
    if "event" in message:
        return _control(message) or _unknown(frame)
    channel = _channel(message.get("arg"))
    rows = message.get("data")
    if channel is None or not isinstance(rows, list):
        return _unknown(frame)
    if channel.name == TRADES:
        trades, rejected = parse_trades(rows, channel.inst_id)
        return TradeRows(channel, trades, rejected)
    return ChannelData(channel, as_text(message.get("action")), tuple(rows))


def parse_trades(rows: Sequence[Any], inst_id: str) -> tuple[tuple[Trade, ...], tuple[str, ...]]:
    """Return the valid trades among rows of socket or REST, and why the others were rejected."""
    trades: list[Trade] = []
    rejected: list[str] = []
    for row in rows:
        try:
            trades.append(parse_trade_row(row, inst_id))
        except RecordError as error:
            rejected.append(str(error)[:_EXCERPT])
    return tuple(trades), tuple(rejected)


def parse_trade_row(row: Any, inst_id: str) -> Trade:
    """Return one row as a Trade; RecordError says which field and why."""
    if not isinstance(row, dict):
        raise RecordError(f"a trade row is a JSON object, not {type(row).__name__}")
    check_fields(row, _TRADE_FIELDS)
    if row["instId"] != inst_id:
        raise RecordError(f"instId: {shown(row['instId'])} is not {inst_id!r}")
    trade = Trade(
        moment(row["ts"]),
        counting_number(row["tradeId"], "tradeId"),
        taker_side(row["side"]),
        positive_decimal(row["px"], "px", exact.PRICE_PLACES),
        positive_decimal(row["sz"], "sz", exact.SIZE_PLACES),
        counting_number(row.get("count", "1"), "count"),
        str(counting_number(row.get("source", "0"), "source")),
    )
    check_count(trade)
    return trade


def check_fields(row: dict[str, Any], required: Sequence[str]) -> None:
    """Raise RecordError if a row lacks fields."""
    missing = [field for field in required if field not in row]
    if missing:
        raise RecordError(f"BUILD_FAIL: Missing required fields: {', '.join(missing)}")


def parse_deep_book(row: Any) -> DeepBook:
    """Return a row of ``books-full``, its levels in order of price.

    Raises RecordError if a side is empty, a level has another form, or the sides cross.
    """
    if not isinstance(row, dict):
        raise RecordError(f"a deep book is a JSON object, not {type(row).__name__}")
    check_fields(row, BOOK_FIELDS)
    bids, asks = _deep_side(row["bids"], "bids"), _deep_side(row["asks"], "asks")
    best_bid, best_ask = max(bids), min(asks)
    if best_bid >= best_ask:
        raise RecordError(
            f"crossed book: best bid {bids[best_bid][0]}, best ask {asks[best_ask][0]}"
        )
    return DeepBook(
        moment(row["ts"]),
        [bids[key] for key in sorted(bids, reverse=True)],
        [asks[key] for key in sorted(asks)],
    )


def _deep_side(levels: Any, name: str) -> dict[int, list[str]]:
    if not isinstance(levels, list) or not levels:
        raise RecordError(f"{name}: expected a list of levels with something in it")
    return {_deep_price(level): level for level in levels}


def _deep_price(level: Any) -> int:
    """Return the price of a level [price, size, orders] in units of exact.PRICE_PLACES."""
    try:
        if type(level) is list and len(level) == 3 and _DEEP_LEVEL.fullmatch(",".join(level)):
            key = exact.units(level[0], exact.PRICE_PLACES)
            if key and level[1].strip("0."):
                return key
    except TypeError:
        pass
    raise RecordError(f"a deep level is [price, size, orders] in strings, not {level!r:.120}")


def moment(text: Any) -> int:
    """Return a ``ts`` of the exchange in Unix milliseconds; RecordError if it cannot be one."""
    ts = counting_number(text, "ts")
    if not EARLIEST_MS <= ts < LATEST_MS:
        raise RecordError(f"ts: {ts} is not a time in Unix milliseconds")
    return ts


def book_time(row: Any) -> int | None:
    """Return the time of a message of the book in Unix milliseconds; None if it has none."""
    try:
        return moment(row["ts"])
    except (RecordError, KeyError, TypeError):
        return None


def begins_whole(channel: Channel) -> bool:
    """Return True if a subscription brings a snapshot first, then changes of it."""
    return channel.name in _BEGIN_WHOLE


def is_sporadic(channel: Channel) -> bool:
    """Return True if a channel's silence says nothing about it."""
    return channel.name in _SPORADIC


def patience_s(channel: Channel, usual: float) -> float:
    """Return the seconds of silence after which a channel may count as stale."""
    return _PATIENCE_S.get(channel.name, usual)


def argument(channel: Channel) -> dict[str, str]:
    """Return a channel as an argument of a request."""
    key = "instType" if channel.name in _BY_TYPE else "instId"
    return {"channel": channel.name, key: channel.inst_id}


def request(op: Literal["subscribe", "unsubscribe"], request_id: str, of: list[Channel]) -> str:
    """Return a request for several channels at once; the answer repeats ``request_id``."""
    message = {"id": request_id, "op": op, "args": [argument(channel) for channel in of]}
    return orjson.dumps(message).decode()


def _control(message: dict[str, Any]) -> Message | None:
    event = message["event"]
    channel = _channel(message.get("arg"))
    code, text = as_text(message.get("code")), as_text(message.get("msg"))
    if event in ("subscribe", "unsubscribe") and channel is not None:
        return Ack(event, channel)
    if event == "error":
        return ErrorEvent(code, text, channel, as_text(message.get("id")))
    return Notice(code, text) if event == "notice" else None


def _channel(arg: Any) -> Channel | None:
    if not isinstance(arg, dict):
        return None
    name = arg.get("channel")
    if not isinstance(name, str):
        return None
    inst_id = arg.get("instType" if name in _BY_TYPE else "instId", "")
    if not isinstance(inst_id, str):
        return None
    return Channel(name, inst_id)


def as_text(value: Any) -> str:
    """Return a code or message as short text: OKX sends strings, now and then a number."""
    if isinstance(value, str):
        return value[:_EXCERPT]
    return "" if value is None else shown(value)


def _unknown(frame: bytes | str) -> UnknownFrame:
    beginning = frame[:_EXCERPT]
    return UnknownFrame(
        beginning if isinstance(beginning, str) else beginning.decode("utf-8", "replace")
    )
