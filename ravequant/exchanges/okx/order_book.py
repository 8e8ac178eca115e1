"""One order book rebuilt from the messages of the `books` channel: never torn, never guessed.

Every message makes a new `BookState` or none. A state may be kept, so the last consistent book is
still there when a message breaks the sequence (SPEC section 9).
"""

import re
import zlib
from heapq import nlargest, nsmallest
from itertools import zip_longest
from typing import Any, Final

from ravequant import exact
from ravequant.errors import shown
from ravequant.exchanges.base import (
    SNAPSHOT,
    UPDATE,
    BookCounts,
    BookLevel,
    BookOutcome,
    BookSide,
    BookState,
    Broken,
    Dropped,
    price_of,
)
from ravequant.exchanges.okx.messages import (
    BOOK_FIELDS,
    PRICE_FORM,
    SIZE_FORM,
    book_time,
    check_fields,
    moment,
)
from ravequant.records import RecordError

# price, contracts, a field out of use, number of orders
_LEVEL: Final = re.compile(rf"{PRICE_FORM},{SIZE_FORM},{SIZE_FORM},[0-9]{{1,18}}")
_CHECKED_LEVELS: Final = 25
_PRICES_BEYOND: Final = 512  # kept besides those in the book; with more, they are dropped
_NO_CHECKSUM: Final = 0  # sent by the exchange since June 2026
_EMPTY: Final = BookState(0, None, None, 0, {}, {}, 0, 0)


class OkxOrderBook:
    """The book of one instrument, and the sequence of its messages.

    A message is applied whole or not at all, and only after the chain is checked. After a break
    updates are dropped, silently: they belong to the old chain.
    """

    def __init__(self) -> None:
        self.state: BookState | None = None  # None: waiting for a snapshot
        self.counts = BookCounts()
        self._known: dict[str, int] = {}  # price text -> key

    @property
    def live(self) -> bool:
        """Return True if a snapshot stands and every message since then was seen."""
        return self.state is not None

    def receive(self, action: str, row: Any) -> BookOutcome:
        """Take in a row of a message; return the new state, or why there is none."""
        try:
            return self._receive(action, row)
        except RecordError as error:
            self.counts.rejected += 1
            return self._broken(str(error), book_time(row))

    def lose(self, reason: str) -> Broken | Dropped:
        """Forget the book: its connection is gone."""
        return self._broken(reason, None)

    def _receive(self, action: str, row: Any) -> BookOutcome:
        if not isinstance(row, dict):
            raise RecordError(f"a book row is a JSON object, not {type(row).__name__}")
        check_fields(row, BOOK_FIELDS)
        if action == SNAPSHOT:
            return self._accept(_EMPTY, row)
        if action != UPDATE:
            raise RecordError(f"action: {shown(action)} is neither snapshot nor update")
        if self.state is None:
            return self._dropped()
        fault = _chain_fault(self.state, row)
        if fault:
            return self._broken(fault, moment(row["ts"]))
        return self._accept(self.state, row)

    def _accept(self, before: BookState, row: dict[str, Any]) -> BookOutcome:
        bids, asks = self._merged(before.bids, row["bids"]), self._merged(before.asks, row["asks"])
        checksum = row.get("checksum")
        after = BookState(
            ts=moment(row["ts"]),
            seq_id=_sequence(row, "seqId"),
            prev_seq_id=_sequence(row, "prevSeqId"),
            checksum=checksum if type(checksum) is int else _NO_CHECKSUM,
            bids=bids,
            asks=asks,
            best_bid=max(bids, default=0),
            best_ask=min(asks, default=0),
        )
        if after.crossed:
            bid, ask = price_of(bids[after.best_bid]), price_of(asks[after.best_ask])
            return self._broken(f"crossed book: best bid {bid}, best ask {ask}", after.ts)
        self._count(before, after)
        self.state = after
        return after

    def _merged(self, side: BookSide, levels: Any) -> BookSide:
        """Return ``side`` with ``levels`` in it, as a copy: sizes are absolute, 0 deletes."""
        if type(levels) is not list:
            raise RecordError(f"a side is a list of levels, not {type(levels).__name__}")
        if not levels:
            return side
        merged, known = side.copy(), self._known
        for sent in levels:
            level, price, size = _checked(sent), sent[0], sent[1]
            key = known.get(price) or self._key(price)
            if size != "0" and size.strip("0."):
                merged[key] = level
            elif merged.pop(key, None) is None:
                self.counts.unknown_deletes += 1
        return merged

    def _key(self, price: str) -> int:
        key = exact.units(price, exact.PRICE_PLACES)
        if not key:
            raise RecordError(f"price: {shown(price)} is not above zero")
        book = self.state or _EMPTY
        if len(self._known) >= len(book.bids) + len(book.asks) + _PRICES_BEYOND:
            self._known.clear()
            for side in (book.bids, book.asks):
                self._known.update((price_of(level), its) for its, level in side.items())
        self._known[price] = key
        return key

    def _count(self, before: BookState, after: BookState) -> None:
        counts = self.counts
        if before is _EMPTY:
            counts.snapshots += 1
        elif after.bids is before.bids and after.asks is before.asks:
            counts.heartbeats += 1
        else:
            counts.updates += 1
        counts.resets += after.reset
        if after.checksum != _NO_CHECKSUM:
            right = checksum(after) == after.checksum
            counts.checksums += right
            counts.checksum_mismatches += not right

    def _dropped(self, reason: str = "") -> Dropped:
        self.counts.dropped += 1
        return Dropped(reason)

    def _broken(self, reason: str, ts: int | None) -> Broken | Dropped:
        if self.state is None:
            return self._dropped(reason)
        self.state = None
        self.counts.breaks += 1
        return Broken(reason, ts)


def checksum(state: BookState) -> int:
    """Return the signed CRC32 of the best 25 levels a side, of their text as it came.

    Bid and ask take turns, price and size of each, joined by colons, as in the reference of v5.
    """
    bids = [state.bids[key] for key in nlargest(_CHECKED_LEVELS, state.bids)]
    asks = [state.asks[key] for key in nsmallest(_CHECKED_LEVELS, state.asks)]
    parts: list[str] = []
    for bid, ask in zip_longest(bids, asks, fillvalue=""):
        parts += bid.split(",")[:2] if bid else ()
        parts += ask.split(",")[:2] if ask else ()
    crc = zlib.crc32(":".join(parts).encode("ascii"))
    return crc - (1 << 32) if crc >> 31 else crc


def _chain_fault(before: BookState, row: dict[str, Any]) -> str:
    """Return why an update does not follow on ``before``; empty if it does.

    In captures older than the sequence neither has ids: absent follows on absent.
    """
    if before.seq_id is None:
        return "" if "prevSeqId" not in row else "prevSeqId came after a message without seqId"
    missing = [field for field in ("seqId", "prevSeqId") if field not in row]
    if missing:
        return f"BUILD_FAIL: Missing required fields: {', '.join(missing)}"
    previous = _sequence(row, "prevSeqId")
    return "" if previous == before.seq_id else f"prevSeqId {previous} after seqId {before.seq_id}"


def _sequence(row: dict[str, Any], field: str) -> int | None:
    value = row.get(field)
    if value is not None and type(value) is not int:
        raise RecordError(f"{field}: {shown(value)} is not a whole number")
    return value


def _checked(level: Any) -> BookLevel:
    """Return the text of four items that are strings of the right form; later ones are left out."""
    if type(level) is list:
        first: list[Any] = level if len(level) == 4 else level[:4]
        try:  # four items and three commas: so no item has a comma inside
            if len(first) == 4 and _LEVEL.fullmatch(text := ",".join(first)):
                return text
        except TypeError:
            pass
    raise RecordError(f"a level is [price, size, number, orders] in strings, not {shown(level)}")
