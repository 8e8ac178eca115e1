"""Makes snapshot lines from the messages of one book, by exchange time; pure, no I/O.

The same messages give the same lines at any speed (SPEC section 9). One `SnapshotWriter` per
instrument; its lines are to be written in the order in which it returns them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ravequant import exact, times
from ravequant.exchanges.base import (
    SNAPSHOT,
    BookLevel,
    BookState,
    Broken,
    DeepBook,
    Dropped,
    Exchange,
    price_of,
)
from ravequant.exchanges.exchange_time import TOLERANCE_MS

MOST_LEVELS: Final = 400  # a side of a record; the `books` channel of OKX has as many
_NEVER: Final = -1


@dataclass(frozen=True, slots=True)
class SnapshotLine:
    """One line for the hour file of its time."""

    ts: int  # Unix milliseconds, exchange time
    line: bytes


@dataclass(frozen=True, slots=True)
class BookStep:
    """The effects of one message."""

    snapshot: SnapshotLine | None = None
    broken: str = ""  # why the book is unknown now: ask for a new book
    rejected: str = ""  # why a message was useless to a book that waits for a snapshot
    reset: bool = False  # the exchange began its sequence anew: ask for a new book when idle
    checksum_mismatch: bool = False


class SnapshotWriter:
    """The book of one instrument and the lines made from it.

    ``newest_ts`` is the time of the newest line on disk, ``newest_regular_ts`` that of the newest
    line without ``gap_detected``: the boundaries go on from there. Connections have rising numbers;
    the book follows the newest connection that has sent a whole book, so a second connection takes
    over without a break.
    """

    def __init__(
        self,
        exchange: Exchange,
        inst_id: str,
        *,
        cadence_ms: int,
        depth: int,
        newest_ts: int = _NEVER,
        newest_regular_ts: int = _NEVER,
    ) -> None:
        self.inst_id = inst_id
        self.book = exchange.order_book()
        self._exchange = exchange
        self.newest_ts = newest_ts
        self.superseded = 0  # messages of a connection that the book follows no more
        self._cadence_ms = cadence_ms
        self._depth = depth
        self._boundary = newest_regular_ts // cadence_ms
        self._consistent: BookState | None = None  # the last state since the exchange's snapshot
        self._applied_ts = _NEVER
        self._followed = _NEVER

    def receive(self, action: str, row: Any, connection: int = 0, time_fault: str = "") -> BookStep:
        """Take in one row of a message of the book; a ``time_fault`` of it breaks the book."""
        if connection != self._followed:
            if connection < self._followed or (action != SNAPSHOT and self.book.live):
                self.superseded += 1
                return BookStep()
            self._followed = connection
        fault = time_fault or self._too_old(self._exchange.book_time(row))
        if fault:
            return self._not_applied(self.book.lose(fault))
        mismatches = self.book.counts.checksum_mismatches
        outcome = self.book.receive(action, row)
        if not isinstance(outcome, BookState):
            return self._not_applied(outcome)
        self._applied_ts = outcome.ts
        return BookStep(
            self._regular(outcome),
            reset=outcome.reset,
            checksum_mismatch=self.book.counts.checksum_mismatches > mismatches,
        )

    def lose(self, connection: int = 0, reason: str = "connection lost") -> BookStep:
        """Take in that a connection is gone: a break only if the book followed it."""
        if connection != self._followed:
            return BookStep()
        return self._not_applied(self.book.lose(reason))

    def _too_old(self, ts: int | None) -> str:
        """Return why a message cannot follow on the newest line; empty if it can."""
        if ts is None or ts >= self.newest_ts - TOLERANCE_MS:
            return ""
        return (
            f"its time {times.iso(ts)} lies before the newest line of {times.iso(self.newest_ts)}"
        )

    def _not_applied(self, outcome: Broken | Dropped) -> BookStep:
        if isinstance(outcome, Dropped):
            return BookStep(rejected=outcome.reason)
        last, self._consistent = self._consistent, None
        if last is None:
            return BookStep(broken=outcome.reason)
        shown = self._applied_ts + 1 if outcome.ts is None else outcome.ts
        return BookStep(
            self._snapshot(last, max(shown, self.newest_ts + 1), gap=True), outcome.reason
        )

    def _regular(self, state: BookState) -> SnapshotLine | None:
        """Return the line of the first consistent book at or past a boundary."""
        if not state.consistent:
            return None
        self._consistent = state
        boundary = state.ts // self._cadence_ms
        if boundary <= self._boundary or state.ts <= self.newest_ts:
            return None
        self._boundary = boundary
        return self._snapshot(state, state.ts, gap=False)

    def _snapshot(self, state: BookState, ts: int, *, gap: bool) -> SnapshotLine:
        self.newest_ts = ts
        line = encode(self._exchange, self.inst_id, state, ts, self._depth, gap=gap)
        return SnapshotLine(ts, line)


def encode(
    exchange: Exchange, inst_id: str, state: BookState, ts: int, depth: int, *, gap: bool
) -> bytes:
    """Return a book with levels on both sides as one line of SPEC section 9, newline included."""
    sides = state.top_bids(depth), state.top_asks(depth)
    chain = {
        "checksum": state.checksum,
        "seqId": state.seq_id,
        "prevSeqId": state.prev_seq_id,
    }
    twice_mid = state.best_bid + state.best_ask
    return line_of(exchange, inst_id, ts, sides, twice_mid=twice_mid, chain=chain, gap=gap)


def line_of(
    exchange: Exchange,
    inst_id: str,
    ts: int,
    sides: tuple[list[BookLevel], list[BookLevel]],
    *,
    twice_mid: int,
    chain: dict[str, int | None],
    gap: bool,
) -> bytes:
    """Return the line of bids and asks, best first, with its ``checksum`` and sequence numbers.

    ``twice_mid`` is best bid + best ask in units of ``10**-exact.PRICE_PLACES``.
    """
    bids, asks = sides
    middle = 5 * twice_mid  # half of it, in units of one place more
    fields = {
        "timestamp_utc": times.iso(ts),
        "exchange": exchange.name,
        "market": "perp",
        "channel": exchange.books_channel,
        "instId": inst_id,
        "bids_top400": _array(bids),
        "asks_top400": _array(asks),
        "best_bid": price_of(bids[0]),
        "best_ask": price_of(asks[0]),
        "mid_price": exact.text(middle, exact.PRICE_PLACES + 1),
        **chain,
        "gap_detected": gap,
    }
    return orjson.dumps(fields) + b"\n"


def encode_deep(exchange: Exchange, inst_id: str, deep: DeepBook, from_ts: int) -> bytes:
    """Return a deep book as one line of SPEC section 9, newline included.

    ``from_ts`` is the time of the newest snapshot line on disk (Unix ms).
    """
    fields = {
        "timestamp_utc": times.iso(deep.ts),
        "exchange": exchange.name,
        "market": "perp",
        "channel": exchange.deep_channel,
        "instId": inst_id,
        "from_utc": times.iso(from_ts),
        "bids": deep.bids,
        "asks": deep.asks,
    }
    return orjson.dumps(fields) + b"\n"


def _array(levels: Sequence[BookLevel]) -> orjson.Fragment:
    """Return levels as a JSON array of arrays of strings: they are digits, points and commas."""
    rows = "\n".join(levels).replace(",", '","').replace("\n", '"],["')
    return orjson.Fragment(f'[["{rows}"]]')
