"""The raw trade record of SPEC section 3: its fields, its line, and the rule that joins fills.

A row of the exchange and a line of a file both become a ``Trade``. Writers encode it with
``TradeEncoder``; readers parse it with ``parse_trade``, which checks every field.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import orjson

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.errors import UsageError, masked, shown

Side = Literal["buy", "sell"]
STAMP: Final = len("2025-12-14T21:34:56.123Z")
DEFAULT_EXCHANGE: Final = "okx"  # where none is named

_INST_ID = re.compile(r"[A-Z0-9_]+(-[A-Z0-9_]+)+")
_COUNTING = re.compile(r"0|[1-9][0-9]{0,17}")
_AHEAD: Final = ("}", ',"ahead":true}')  # the end of a line
_REQUIRED: Final = (
    "timestamp_utc", "exchange", "market", "instId", "symbol_canon", "trade_id",
    "side", "price", "qty_contracts", "ctVal", "ctMult", "ctType",
)  # fmt: skip


class RecordError(ValueError):
    """A line or row that is not a valid record; the message names the field and the reason."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that is not a valid record: its offset in the block, and the reason."""

    offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class Trade:
    """One taker order at one price; its ids are ``trade_id - count + 1 … trade_id``."""

    ts: int  # Unix milliseconds, exchange time
    trade_id: int  # the last id of the record
    side: Side  # the taker's side
    price: str  # as the exchange sent it
    qty: str  # contracts, not coins
    count: int = 1
    source: str = "0"  # "1": retail price improvement, may lie outside the organic book
    ahead: bool = False  # its time lies in the future of the exchange: it counts for no time

    @property
    def first_id(self) -> int:
        """The first id that the record covers."""
        return self.trade_id - self.count + 1


def check_inst_id(inst_id: str) -> str:
    """Return ``inst_id`` if it is a legal instrument name. Raises UsageError otherwise."""
    if _INST_ID.fullmatch(inst_id) is None:
        raise UsageError(
            f"instrument {masked(shown(inst_id))} is not a legal name: expected capitals, digits "
            f"and _ joined by dashes, like BTC-USDT-SWAP{_meant(inst_id)}"
        )
    return inst_id


def _meant(inst_id: str) -> str:
    """Return the question for the name that was probably meant; empty if there is none."""
    names = re.split(r"[,;\s]+", inst_id.upper().strip(" ,;"))
    if len(names) > 9 or not all(map(_INST_ID.fullmatch, names)):
        return ""
    if len(names) > 1:
        return f"; give each a flag of its own: {' '.join(f'--instId {name}' for name in names)}"
    return f"; did you mean {names[0]}?"


def symbol_canon(inst_id: str) -> str:
    """Return ``BTC/USDT`` for ``BTC-USDT-SWAP``, ``BTC/USD_UM`` for ``BTC-USD_UM-SWAP``."""
    return "/".join(inst_id.split("-")[:2])


def positive_decimal(text: Any, field: str, places: int) -> str:
    """Return ``text`` if it is a plain decimal above zero. RecordError names ``field``."""
    if not isinstance(text, str):
        raise RecordError(f"{field}: {shown(text)} is not a string")
    try:
        value = exact.units(text, places)
    except ValueError as error:
        raise RecordError(f"{field}: {error}") from None
    if value == 0:
        raise RecordError(f"{field}: {shown(text)} is not above zero")
    return text


def counting_number(text: Any, field: str) -> int:
    """Return a whole number of at most 18 digits. RecordError names ``field`` otherwise."""
    if not isinstance(text, str) or _COUNTING.fullmatch(text) is None:
        raise RecordError(f"{field}: {shown(text)} is not a whole number in a string")
    return int(text)


def taker_side(text: Any) -> Side:
    """Return ``buy`` or ``sell``. Raises RecordError for any other value."""
    if text == "buy":
        return "buy"
    if text == "sell":
        return "sell"
    raise RecordError(f"side: {shown(text)} is neither buy nor sell")


def contract_of(row: dict[str, Any]) -> Contract:
    """Return the contract of a row with ctVal, ctMult and ctType. Raises RecordError."""
    ct_type = row.get("ctType")
    if ct_type not in ("linear", "inverse"):
        raise RecordError(f"ctType: {shown(ct_type)} is neither linear nor inverse")
    return Contract(
        positive_decimal(row.get("ctVal"), "ctVal", exact.SIZE_PLACES),
        positive_decimal(row.get("ctMult"), "ctMult", exact.SIZE_PLACES),
        ct_type,
    )


def check_whole(block: bytes | memoryview) -> None:
    """Raise ValueError unless a block ends with a newline."""
    if bytes(block[-1:]) != b"\n":
        raise ValueError(f"the block ends in {bytes(block[-20:])!r}: cut it after a newline")


def parse_trade(
    line: bytes, inst_id: str, exchange: str = DEFAULT_EXCHANGE
) -> tuple[Trade, Contract]:
    """Parse a line of a raw trade file.

    Accepts any JSON spelling (order, blanks, unknown fields); ``count``, ``source`` and
    ``ahead`` may be absent. Raises RecordError for every other departure from SPEC section 3, also
    for a repeated key.
    """
    row = json_object(line)
    missing = [field for field in _REQUIRED if field not in row]
    if missing:
        raise RecordError(f"missing {', '.join(missing)}")
    for field, wanted in (("exchange", exchange), ("market", "perp"), ("instId", inst_id)):
        if row[field] != wanted:
            raise RecordError(f"{field}: {shown(row[field])} is not {wanted!r}")
    if not isinstance(row["symbol_canon"], str):
        raise RecordError(f"symbol_canon: {shown(row['symbol_canon'])} is not a string")
    trade = Trade(
        ts=parse_iso_field(row["timestamp_utc"], "timestamp_utc"),
        trade_id=counting_number(row["trade_id"], "trade_id"),
        side=taker_side(row["side"]),
        price=positive_decimal(row["price"], "price", exact.PRICE_PLACES),
        qty=positive_decimal(row["qty_contracts"], "qty_contracts", exact.SIZE_PLACES),
        count=counting_number(row.get("count", "1"), "count"),
        source=str(counting_number(row.get("source", "0"), "source")),
        ahead=_is_ahead(row.get("ahead", False)),
    )
    check_count(trade)
    return trade, contract_of(row)


def _is_ahead(value: Any) -> bool:
    if type(value) is not bool:
        raise RecordError(f"ahead: {shown(value)} is neither true nor false")
    return value


def check_count(trade: Trade) -> None:
    """Raise RecordError unless the record covers at least one id and none below zero."""
    if not 1 <= trade.count <= trade.trade_id + 1:
        raise RecordError(f"count: {trade.count} ids cannot end at {trade.trade_id}")


def parse_iso_field(text: Any, field: str) -> int:
    """Return a time with three decimals as Unix ms. RecordError names ``field`` otherwise."""
    if not isinstance(text, str) or len(text) != STAMP:
        raise RecordError(f"{field}: {shown(text)} is not like 2025-12-14T21:34:56.123Z")
    try:
        return times.parse_iso(text)
    except ValueError as error:
        raise RecordError(f"{field}: {error}") from None


def json_object(line: bytes) -> dict[str, Any]:
    """Return the JSON object of a raw line. Raises RecordError, also if a key is repeated."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RecordError(f"not JSON: {error}") from None
    if not isinstance(row, dict):
        raise RecordError(f"not a JSON object but {type(row).__name__}")
    # Each key and each string value has two quotes, so a line with no further quote repeats no
    # key. Any other line is parsed a second time, as pairs.
    strings = sum(isinstance(value, str) for value in row.values())
    if line.count(b'"') != 2 * (len(row) + strings):
        _refuse_repeated_keys(line)
    return row


def _refuse_repeated_keys(line: bytes) -> None:
    import json  # noqa: PLC0415 - only odd lines pay for it

    def pairs(items: list[tuple[str, Any]]) -> None:
        keys = [key for key, _ in items]
        if len(set(keys)) != len(keys):
            repeated = next(key for key in keys if keys.count(key) > 1)
            raise RecordError(f"{repeated}: the key is repeated")

    try:
        json.loads(line, object_pairs_hook=pairs)
    except RecursionError:
        raise RecordError("nested too deeply") from None


class TradeEncoder:
    """Writes trades of one instrument as canonical lines, in the field order of SPEC section 3."""

    def __init__(self, inst_id: str, contract: Contract, exchange: str = DEFAULT_EXCHANGE) -> None:
        self._middle = (
            f'","exchange":"{exchange}","market":"perp","instId":"{inst_id}",'
            f'"symbol_canon":"{symbol_canon(inst_id)}","trade_id":"'
        )
        self._tail = (
            f'","ctVal":"{contract.ct_val}","ctMult":"{contract.ct_mult}",'
            f'"ctType":"{contract.ct_type}","count":"'
        )

    def line(self, trade: Trade) -> bytes:
        """Return the record as one line, newline included."""
        return (
            f'{{"timestamp_utc":"{times.iso(trade.ts)}{self._middle}{trade.trade_id}",'
            f'"side":"{trade.side}","price":"{trade.price}","qty_contracts":"{trade.qty}'
            f'{self._tail}{trade.count}","source":"{trade.source}"{_AHEAD[trade.ahead]}\n'
        ).encode("ascii")


def same_order(earlier: Trade, later: Trade) -> bool:
    """Return True if two fills with adjacent ids belong to one record (SPEC section 3)."""
    return (
        later.first_id == earlier.trade_id + 1
        and later.ts == earlier.ts
        and later.side == earlier.side
        and later.price == earlier.price
        and later.source == earlier.source
    )


def join(earlier: Trade, later: Trade) -> Trade:
    """Return one record for two that belong together: count and size are summed, exactly."""
    size = exact.units(earlier.qty, exact.SIZE_PLACES) + exact.units(later.qty, exact.SIZE_PLACES)
    return replace(
        later, qty=exact.text(size, exact.SIZE_PLACES), count=earlier.count + later.count
    )


def join_fills(fills: Iterable[Trade]) -> Iterator[Trade]:
    """Yield the records of single fills, which ascend in id."""
    open_record: Trade | None = None
    for fill in fills:
        if open_record is not None and same_order(open_record, fill):
            open_record = join(open_record, fill)
            continue
        if open_record is not None:
            yield open_record
        open_record = fill
    if open_record is not None:
        yield open_record
