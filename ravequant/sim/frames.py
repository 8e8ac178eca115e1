"""The exchange's side of the v5 protocol in bytes: acks, errors, trades, books; pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from ravequant import exact
from ravequant.records import Trade
from ravequant.sim.feed import BookChange, Level

LIQUIDATIONS = "liquidation-orders"
CONTEXT = frozenset({LIQUIDATIONS, "open-interest", "funding-rate", "mark-price"})
PUBLIC = frozenset({"trades", "books", "books5", "bbo-tbt"}) | CONTEXT
BY_TYPE = frozenset({LIQUIDATIONS})  # channels of a whole instType instead of an instId
BUSINESS = frozenset({"trades-all"})
LOGIN_ONLY = frozenset({"books-l2-tbt", "books50-l2-tbt"})
BOOK_DEPTHS = {"bbo-tbt": 1, "books5": 5}  # channels that push whole small books; others: changes


def event(name: str, arg: Mapping[str, str], connection_id: str, request_id: str | None) -> bytes:
    """Return the ack of one argument."""
    identity = {} if request_id is None else {"id": request_id}
    return orjson.dumps({**identity, "event": name, "arg": arg, "connId": connection_id})


def error(code: str, message: str, connection_id: str, request_id: str | None = None) -> bytes:
    """Return an error event."""
    identity = {} if request_id is None else {"id": request_id}
    row = {**identity, "event": "error", "code": code, "msg": message, "connId": connection_id}
    return orjson.dumps(row)


def notice(connection_id: str) -> bytes:
    """Return notice 64008: this connection will be closed soon."""
    message = "The connection will soon be closed for a service upgrade. Please reconnect."
    row = {"event": "notice", "code": "64008", "msg": message, "connId": connection_id}
    return orjson.dumps(row)


def unknown_event(connection_id: str) -> bytes:
    """Return an event of a kind that clients of public data do not know."""
    row = {"event": "channel-conn-count", "channel": "orders", "connCount": "2"}
    return orjson.dumps({**row, "connId": connection_id})


def trades(inst_id: str, trade: Trade, seq_id: int) -> bytes:
    """Return the ``trades`` message of one record."""
    return (
        f'{{"arg":{{"channel":"trades","instId":"{inst_id}"}},"data":[{{"instId":"{inst_id}",'
        f'"tradeId":"{trade.trade_id}","px":"{trade.price}","sz":"{trade.qty}",'
        f'"side":"{trade.side}","ts":"{trade.ts}","count":"{trade.count}",'
        f'"source":"{trade.source}","seqId":{seq_id}}}]}}'
    ).encode()


def trades_all(inst_id: str, fill: Trade) -> bytes:
    """Return the ``trades-all`` message of one single fill: no count, no seqId."""
    arg = {"channel": "trades-all", "instId": inst_id}
    row = {
        "instId": inst_id,
        "tradeId": str(fill.trade_id),
        "px": fill.price,
        "sz": fill.qty,
        "side": fill.side,
        "source": fill.source,
        "ts": str(fill.ts),
    }
    return orjson.dumps({"arg": arg, "data": [row]})


def fill_row(inst_id: str, fill: Trade) -> dict[str, str]:
    """Return one row of ``market/trades`` and ``market/history-trades``."""
    return {
        "instId": inst_id,
        "side": fill.side,
        "sz": fill.qty,
        "source": fill.source,
        "px": fill.price,
        "tradeId": str(fill.trade_id),
        "ts": str(fill.ts),
    }


def levels(rows: Iterable[Level]) -> list[list[str]]:
    """Return levels as the books channels write them: price, size, "0", orders."""
    return [[price, size, "0", orders] for price, size, orders in rows]


def books(change: BookChange) -> bytes:
    """Return the ``books`` message of a snapshot or an update."""
    row = {
        "asks": levels(change.asks),
        "bids": levels(change.bids),
        "ts": str(change.ts),
        "checksum": change.checksum,
        "seqId": change.seq_id,
        "prevSeqId": change.prev_seq_id,
    }
    action = "snapshot" if change.snapshot else "update"
    arg = {"channel": "books", "instId": change.inst_id}
    return orjson.dumps({"arg": arg, "action": action, "data": [row]})


def heartbeat(inst_id: str, ts: int, seq_id: int) -> BookChange:
    """Return the empty update of a quiet book."""
    return BookChange(inst_id, ts, False, (), (), seq_id, seq_id)  # noqa: FBT003 - an update


def small_book(channel: str, book: BookChange) -> bytes:
    """Return the ``books5`` or ``bbo-tbt`` message of a book cut to its depth."""
    row: dict[str, Any] = {"asks": levels(book.asks), "bids": levels(book.bids)}
    if channel == "books5":
        row["instId"] = book.inst_id
    row |= {"ts": str(book.ts), "seqId": book.seq_id}
    return orjson.dumps({"arg": {"channel": channel, "instId": book.inst_id}, "data": [row]})


def fills(trade: Trade, sizes: Sequence[str] | None, lot: int) -> list[Trade]:
    """Return the single fills of a record, ascending in id; their sizes sum to the record's.

    Where the sizes are not known they are whole lots (``lot`` in units of SIZE_PLACES), the rest
    on the last fill, or finer when there are more fills than lots.
    """
    if trade.count == 1:
        return [trade]
    if sizes is None:
        total = exact.units(trade.qty, exact.SIZE_PLACES)
        unit = lot if total >= lot * trade.count else 1
        each = total // unit // trade.count * unit
        parts = [each] * (trade.count - 1) + [total - each * (trade.count - 1)]
        sizes = [exact.text(part, exact.SIZE_PLACES) for part in parts]
    return [
        Trade(trade.ts, trade.first_id + i, trade.side, trade.price, size, 1, trade.source)
        for i, size in enumerate(sizes)
    ]
