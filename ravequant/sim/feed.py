"""The interface from a market to the exchange that serves it: trades, book changes, snapshots.

Pure types. A seeded model and a recording both are a Feed; the exchange knows nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ravequant.records import Trade

Level = tuple[str, str, str]  # price, size in contracts (absolute; "0" deletes), number of orders


@dataclass(frozen=True, slots=True)
class BookChange:
    """A snapshot of a book, or the levels that changed since the message before it."""

    inst_id: str
    ts: int  # Unix milliseconds of the book, exchange time
    snapshot: bool
    bids: tuple[Level, ...]  # snapshots: descending; updates: any order
    asks: tuple[Level, ...]  # snapshots: ascending; updates: any order
    seq_id: int
    prev_seq_id: int  # -1 on a snapshot
    checksum: int = 0  # always 0 since June 2026; recordings older than that carry their own


class Feed(Protocol):
    """A market that yields its events in steps of event time."""

    instruments: Mapping[str, Mapping[str, Any]]  # instId -> the exchange's REST row
    start_ms: int  # first moment
    end_ms: int | None  # nothing happens at or after it; None: endless

    def trades(self, until_ms: int) -> list[tuple[str, Trade]]:
        """Return (instId, record) with ts < ``until_ms`` not handed out before, in time order.

        Records are joined (SPEC section 3); ids strictly increase per instrument, without gaps
        except those that a recording has.
        """

    def books(self, until_ms: int) -> list[BookChange]:
        """Return the changes of the 400-level windows since the last call.

        100 ms batches while called every 100 ms; one change per instrument is enough when called
        after a long while.
        """

    def snapshot(self, inst_id: str, depth: int) -> BookChange | None:
        """Return the book as of the last ``until_ms``, at most ``depth`` levels a side.

        None while there is no book. The depth is 400 for ``books``, 5000 for ``books-full``.
        """


@dataclass(frozen=True, slots=True)
class WallChange:
    """A change of a large resting order, as its market knows it."""

    ts: int  # Unix milliseconds of the first book that shows it
    side: str  # bid or ask
    price: str
    how: str  # placed, taken or pulled
    size: str  # contracts that came or went
    left: str  # contracts that rest afterwards


@runtime_checkable
class KnowsWalls(Protocol):
    """A feed that also knows who changed a wall (a model market does)."""

    def wall_changes(self) -> list[tuple[str, WallChange]]:
        """Return (instId, change) of the changes that were not handed out before."""


@runtime_checkable
class KnowsFills(Protocol):
    """A feed that also knows the single fills of a record (a recording of fills does)."""

    def fill_sizes(self, inst_id: str, trade_id: int) -> tuple[str, ...] | None:
        """Return the sizes of the record's fills, ascending in id; None if they are not known."""
