"""Messages of one instrument's book in, snapshot lines out, by exchange time; pure, no I/O.

The same messages give the same lines at any speed (SPEC section 9). One `SnapshotRecorder` per
instrument; what it hands out is to be written in this order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ravequant import exact, times
from ravequant.exchanges.okx.messages import BOOKS
from ravequant.exchanges.okx.order_book import (
    SNAPSHOT,
    Book,
    BookState,
    Broken,
    Dropped,
    Level,
    price_of,
)

MOST_LEVELS: Final = 400  # what the `books` channel carries
_NEVER: Final = -1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One line for the hour file of its time."""

    ts: int  # Unix milliseconds, exchange time
    line: bytes
    gap: bool  # the last book before a break


@dataclass(frozen=True, slots=True)
class Taken:
    """What a message led to."""

    snapshot: Snapshot | None = None
    broken: str = ""  # why the book is unknown now: ask for a new one
    rejected: str = ""  # why a message was no use while the book waits for a new one
    reset: bool = False  # the exchange began its sequence anew: ask for a new book when idle
    checksum_mismatch: bool = False
    behind_ms: int = 0  # a whole book so much older than the newest line on disk


class SnapshotRecorder:
    """The book of one instrument and the lines that it becomes.

    ``newest_ts`` is the time of the newest line on disk, ``newest_regular_ts`` that of the newest
    one without ``gap_detected``: the boundaries go on from there. Each connection has a number that
    rises; the book follows the newest one that has sent a whole book, so a second connection takes
    over without a break.
    """

    def __init__(
        self,
        inst_id: str,
        *,
        cadence_ms: int,
        depth: int,
        newest_ts: int = _NEVER,
        newest_regular_ts: int = _NEVER,
    ) -> None:
        self.inst_id = inst_id
        self.book = Book()
        self.newest_ts = newest_ts
        self.superseded = 0  # messages of a connection that another one has followed
        self._cadence_ms = cadence_ms
        self._depth = depth
        self._boundary = newest_regular_ts // cadence_ms
        self._consistent: BookState | None = None  # the last one since the exchange's snapshot
        self._applied_ts = _NEVER
        self._followed = _NEVER

    def receive(self, action: str, row: Any, connection: int = 0) -> Taken:
        """Take in one row of a message of the `books` channel."""
        if connection != self._followed:
            if connection < self._followed or (action != SNAPSHOT and self.book.live):
                self.superseded += 1
                return Taken()
            self._followed = connection
        mismatches = self.book.counts.checksum_mismatches
        outcome = self.book.receive(action, row)
        if not isinstance(outcome, BookState):
            return self._not_applied(outcome)
        self._applied_ts = outcome.ts
        return Taken(
            self._regular(outcome),
            reset=outcome.reset,
            checksum_mismatch=self.book.counts.checksum_mismatches > mismatches,
            behind_ms=max(0, self.newest_ts - outcome.ts) if action == SNAPSHOT else 0,
        )

    def lose(self, connection: int = 0, reason: str = "connection lost") -> Taken:
        """Say that a connection is gone; a break only if the book followed it."""
        if connection != self._followed:
            return Taken()
        return self._not_applied(self.book.lose(reason))

    def _not_applied(self, outcome: Broken | Dropped) -> Taken:
        if isinstance(outcome, Dropped):
            return Taken(rejected=outcome.reason)
        last, self._consistent = self._consistent, None
        if last is None:
            return Taken(broken=outcome.reason)
        shown = self._applied_ts + 1 if outcome.ts is None else outcome.ts
        return Taken(self._snapshot(last, max(shown, self.newest_ts + 1), gap=True), outcome.reason)

    def _regular(self, state: BookState) -> Snapshot | None:
        """Return the line of the first consistent book at or past a boundary."""
        if not state.consistent:
            return None
        self._consistent = state
        boundary = state.ts // self._cadence_ms
        if boundary <= self._boundary or state.ts <= self.newest_ts:
            return None
        self._boundary = boundary
        return self._snapshot(state, state.ts, gap=False)

    def _snapshot(self, state: BookState, ts: int, *, gap: bool) -> Snapshot:
        self.newest_ts = ts
        return Snapshot(ts, encode(self.inst_id, state, ts, self._depth, gap=gap), gap)


def encode(inst_id: str, state: BookState, ts: int, depth: int, *, gap: bool) -> bytes:
    """Return a book with levels on both sides as one line of SPEC section 9, newline included."""
    bids, asks = state.top_bids(depth), state.top_asks(depth)
    middle = 5 * (state.best_bid + state.best_ask)  # half of it, with one place more
    fields = {
        "timestamp_utc": times.iso(ts),
        "exchange": "okx",
        "market": "perp",
        "channel": BOOKS,
        "instId": inst_id,
        "bids_top400": _array(bids),
        "asks_top400": _array(asks),
        "best_bid": price_of(bids[0]),
        "best_ask": price_of(asks[0]),
        "mid_price": exact.text(middle, exact.PRICE_PLACES + 1),
        "checksum": state.checksum,
        "seqId": state.seq_id,
        "prevSeqId": state.prev_seq_id,
        "gap_detected": gap,
    }
    return orjson.dumps(fields) + b"\n"


def _array(levels: Sequence[Level]) -> orjson.Fragment:
    """Return levels as a JSON array of arrays of strings: they are digits, points and commas."""
    rows = "\n".join(levels).replace(",", '","').replace("\n", '"],["')
    return orjson.Fragment(f'[["{rows}"]]')
