"""The interface of an exchange: sessions, REST pages, order books, and its own limits.

Each exchange has a folder here and an `Exchange` in it; `ravequant.exchanges.load` returns it by
name. The client, the recorders and the programs know these types and no exchange.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ravequant.errors import FeedError
from ravequant.records import Trade

SNAPSHOT: Final = "snapshot"
UPDATE: Final = "update"


# -- rows and events of a connection


@dataclass(frozen=True, slots=True)
class Channel:
    """A stream of one instrument; ``name`` is the exchange's own word for the stream."""

    name: str
    inst_id: str


@dataclass(frozen=True, slots=True)
class TradeRows:
    """Trades of one message; ``rejected`` gives the reasons why its other rows are left out."""

    channel: Channel
    trades: tuple[Trade, ...]
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChannelData:
    """Rows of any other channel, as they came; ``action`` is snapshot, update or empty."""

    channel: Channel
    action: str
    rows: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The exchange acknowledged a channel."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class Resubscribing:
    """The session subscribes to a channel again: it went silent, or a whole book is wanted."""

    channel: Channel
    silent_s: float
    reason: str = "silent"


@dataclass(frozen=True, slots=True)
class Refused:
    """The exchange refused a channel or a request; the channel may be unknown."""

    channel: Channel | None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class HandOver:
    """The exchange will soon close this connection: open the next connection first."""

    message: str
    announced_by: str  # for the log: the kind of message that said so


@dataclass(frozen=True, slots=True)
class UnknownFrame:
    """A frame that the session does not understand; ``text`` is its beginning, fit for a log."""

    text: str


Rows = TradeRows | ChannelData
SessionEvent = Rows | Subscribed | Resubscribing | Refused | HandOver | UnknownFrame


class Session(Protocol):
    """The protocol of one connection, without I/O.

    Time comes in as a monotonic float of seconds. The client passes frames to `receive`, sends the
    frames of `due`, sleeps until `wake_at`, and closes the connection once `failed` is set.
    """

    failed: str | None  # why the connection is of no use any more

    @property
    def complete(self) -> bool:
        """Return True if every channel is answered: live, or refused for good."""

    @property
    def delivering(self) -> bool:
        """Return True if every live channel has brought a row on this connection."""

    def opened(self, now: float) -> None:
        """Begin: the connection is open."""

    def add(self, channel: Channel, now: float) -> None:
        """Subscribe to one more channel."""

    def drop(self, channel: Channel) -> None:
        """Give a channel up for good."""

    def renew(self, channel: Channel, now: float) -> None:
        """Ask for a whole book of ``channel``; does nothing while a book is on its way."""

    def receive(self, frame: bytes | str, now: float) -> list[SessionEvent]:
        """Take in a frame; return its events."""

    def due(self, now: float) -> tuple[list[str], list[SessionEvent]]:
        """Return the messages to send now, and the events that time alone has brought."""

    def wake_at(self, now: float) -> float:
        """Return the time at which `due` has something to do, as far as is known now."""


# -- answers of REST


class RefusedError(FeedError):
    """The exchange understood the request and said no; asking again will not help."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class UnknownInstrumentError(RefusedError):
    """The exchange has no instrument of this name."""


@dataclass(frozen=True, slots=True)
class TradePage:
    """Single fills of one answer, newest first, and the number of unreadable rows in it."""

    trades: tuple[Trade, ...]
    unreadable: int


@dataclass(frozen=True, slots=True)
class PageLimits:
    """The size of a page of trades, and the reach of pages into the past."""

    rows: int  # fills in a full page
    depth_ms: int  # the age up to which REST surely has every trade


@dataclass(frozen=True, slots=True)
class DeepBook:
    """A book of both sides as REST answered it; a level is [price, contracts, orders]."""

    ts: int  # Unix milliseconds, exchange time
    bids: list[list[str]]  # descending
    asks: list[list[str]]  # ascending


class TradePages(Protocol):
    """Past trades by REST; a failed request raises FeedError."""

    def trades(self, inst_id: str, limit: int = ...) -> TradePage:
        """Return the newest fills."""

    def history_trades(self, inst_id: str, after_id: int) -> TradePage:
        """Return the newest fills with an id below ``after_id``, a page of them."""

    def history_trades_before(self, inst_id: str, ts: int) -> TradePage:
        """Return the newest fills older than ``ts`` (Unix ms), a page of them."""


class RestClient(TradePages, Protocol):
    """A blocking client of one REST address; a failed request raises FeedError."""

    def close(self) -> None:
        """End waits and refuse further requests; callable from any thread."""

    def server_time(self) -> int:
        """Return the exchange's clock in Unix milliseconds."""

    def instrument(self, inst_id: str) -> Mapping[str, Any]:
        """Return the contract's row, in the fields that `vault.instruments` reads.

        Raises RefusedError if the exchange has no such instrument.
        """

    def deep_book(self, inst_id: str) -> DeepBook:
        """Return the deepest book there is; RecordError if the answer is no sound book."""


# -- order books


BookLevel = str  # "price,contracts,0,orders" as the exchange wrote them; a list needs 4 times that
BookSide = dict[int, BookLevel]  # by price, in units of 10**-exact.PRICE_PLACES


@dataclass(frozen=True, slots=True)
class BookState:
    """The book after one message; its sides are never changed again."""

    ts: int  # Unix milliseconds of the message, exchange time
    seq_id: int | None  # None in captures older than the sequence
    prev_seq_id: int | None
    checksum: int
    bids: BookSide
    asks: BookSide
    best_bid: int  # units of 10**-exact.PRICE_PLACES; 0 where the side is empty
    best_ask: int

    @property
    def reset(self) -> bool:
        """Return True if the exchange began its sequence anew: legal, yet a new book is wanted."""
        ids = self.seq_id, self.prev_seq_id
        return ids[0] is not None and ids[1] is not None and ids[0] < ids[1]

    @property
    def crossed(self) -> bool:
        """Return True if the best bid is not below the best ask."""
        return bool(self.bids and self.asks) and self.best_bid >= self.best_ask

    @property
    def consistent(self) -> bool:
        """Return True if both sides have levels and do not cross."""
        return bool(self.bids and self.asks) and self.best_bid < self.best_ask

    def top_bids(self, depth: int) -> list[BookLevel]:
        """Return the best bids, descending."""
        return [self.bids[key] for key in sorted(self.bids, reverse=True)[:depth]]

    def top_asks(self, depth: int) -> list[BookLevel]:
        """Return the best asks, ascending."""
        return [self.asks[key] for key in sorted(self.asks)[:depth]]


def price_of(level: BookLevel) -> str:
    """Return the price of a level."""
    return level.partition(",")[0]


@dataclass(frozen=True, slots=True)
class Broken:
    """The book is unknown from here on, until the exchange sends a new snapshot."""

    reason: str
    ts: int | None  # of the message that showed it; None if that cannot be read


@dataclass(frozen=True, slots=True)
class Dropped:
    """A message without use before the next snapshot; ``reason`` if it was malformed."""

    reason: str = ""


BookOutcome = BookState | Broken | Dropped


@dataclass(slots=True)
class BookCounts:
    """Messages of one book by kind, for the heartbeat and the minute's summary."""

    snapshots: int = 0
    updates: int = 0
    heartbeats: int = 0
    resets: int = 0
    breaks: int = 0
    dropped: int = 0
    rejected: int = 0
    unknown_deletes: int = 0
    checksums: int = 0  # verified and right
    checksum_mismatches: int = 0


class OrderBook(Protocol):
    """The book of one instrument, rebuilt from its messages; pure.

    Every message makes a new state or none, so a state once taken is never torn.
    """

    counts: BookCounts

    @property
    def live(self) -> bool:
        """Return True if a snapshot stands and every message since then was seen."""

    def receive(self, action: str, row: Any) -> BookOutcome:
        """Take in a row of a message; return the new state, or why there is none."""

    def lose(self, reason: str) -> Broken | Dropped:
        """Forget the book: its connection is gone."""


# -- the exchange itself


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange: how its parts are made, and the limits that it sets."""

    name: str  # in vault paths, in records, and of its table in the settings
    trades_channel: str
    books_channel: str  # as it stands in records too
    deep_channel: str  # of deep snapshots by REST, as it stands in records
    # True: ids of an instrument's trades rise by one, so a jump is a gap with known ids. False:
    # continuity shows in time and sequence alone, and a gap in the ledger is a span of time.
    dense_ids: bool
    pages: PageLimits
    connects_per_second: float
    books_per_connection: int
    session: Callable[[Iterable[Channel]], Session]
    rest: Callable[..., RestClient]  # (url, *, attempts, limit_factor)
    order_book: Callable[[], OrderBook]
    book_time: Callable[[Any], int | None]  # of a row of the book (Unix ms)
    socket_url: Callable[[str, str], str]  # (base address, name of the channel)
