"""The interface of an exchange's context feeds: mark price, open interest, funding, liquidations.

Each exchange that has them brings a `ContextFeeds`; ``ravequant.exchanges.load_context`` returns it
by name. Decimals are texts as the exchange wrote them, times Unix milliseconds of the exchange.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from ravequant.exchanges.base import Channel


class LiquidationRow(NamedTuple):
    """One liquidation: an order that closed a position, at its bankruptcy price."""

    inst_id: str
    ts: int
    side: Literal["buy", "sell"]  # of the liquidating order: sell closes a long
    pos_side: str
    px: str  # near the mark price, and no trade on the book
    qty: str  # contracts
    loss: str  # beyond the margin

    @property
    def liquidated(self) -> str:
        """The side of the position: by the order alone, since a position may be `net`."""
        return "long" if self.side == "sell" else "short"


class MarkRow(NamedTuple):
    """A mark price."""

    ts: int
    px: str


class InterestRow(NamedTuple):
    """Open interest of both sides together, counted once."""

    ts: int
    contracts: str
    coins: str
    usd: str


class FundingRow(NamedTuple):
    """The running estimate of the coming settlement, and the rate of the last settlement."""

    ts: int
    rate: str  # a fraction per interval; longs pay it if it is positive
    coming: int
    after: int  # the settlement after the coming one
    before: int | None  # the last settlement
    settled_rate: str  # charged at `before`, once `state` says settled; may be empty
    state: str
    premium: str

    @property
    def settled(self) -> "SettledRow | None":
        """The last settlement, if its rate is known."""
        if self.before is None or self.state != "settled" or not self.settled_rate:
            return None
        return SettledRow(self.before, self.settled_rate)


class SettledRow(NamedTuple):
    """A settlement of funding and the rate that was charged."""

    ts: int
    rate: str


class PeriodRow(NamedTuple):
    """A row of a statistic; ``start`` is where its period begins."""

    start: int
    values: tuple[str, ...]


class ContextRest(Protocol):
    """The context side of REST; a failed request raises FeedError."""

    def settlements(self, inst_id: str, before_ms: int | None) -> list[SettledRow]:
        """Return settlements older than a moment (None: the newest), newest first, a page."""

    def statistic(self, series: str, inst_id: str, before_ms: int | None) -> list[PeriodRow]:
        """Return rows that begin before a moment (None: the newest), newest first, a page.

        The newest row of all is of the period that is not over.
        """


@dataclass(frozen=True, slots=True)
class ContextFeeds:
    """The feeds of an exchange: channels, and how their rows are read (RecordError if not)."""

    liquidations: Channel  # of all instruments of the type
    mark: str
    interest: str
    funding: str
    liquidation_rows: Callable[[Any], tuple[list[LiquidationRow], list[str]]]  # and faults
    mark_row: Callable[[Any, str], MarkRow]
    interest_row: Callable[[Any, str], InterestRow]
    funding_row: Callable[[Any, str], FundingRow]
    newest_time: Callable[[Any], int | None]  # of any row, as far as it has one
    series: Mapping[str, int]  # statistics by name -> values in a row
    period: str  # of the statistics, as the exchange names it
    period_ms: int
