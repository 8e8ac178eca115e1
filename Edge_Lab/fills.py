"""The life of a resting order at a wick's tip: its clock, its status, and three fill models. Pure.

    touch     the first taker who buys at the tip, or any trade beyond it     first in the queue
    queue     as ``through``, or when the contracts ahead are used up         the verdict's model
    through   the first trade a tick beyond the tip                           last in the queue

The words are those of a SHORT; ``RestingOrder.on`` turns the columns for a LONG.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from Edge_Lab.placebo import Bracket
from Edge_Lab.tape import DayBooks, DayTrades
from ravequant import exact, times
from ravequant.contract import Contract, worth_of
from ravequant.signals.seen import CLOSING_MS

Model = Literal["touch", "queue", "through"]
Status = Literal["gap", "open", "missed", "unfilled", "filled"]
MODELS: Final[tuple[Model, ...]] = ("touch", "queue", "through")
_UNKNOWN: Final = np.iinfo(np.int64).max // 2  # contracts ahead that nobody has shown yet


class OrderClock(NamedTuple):
    """The moments of an order, Unix ms."""

    known: int  # K: the answer of minute A cannot be had sooner
    active: int  # T0: it rests from here
    expires: int  # E: up to here
    horizon: int  # X: no exit comes later


def order_clock(
    tape: DayTrades,
    minute: int,
    birth: int,
    *,
    age_max: int,
    hold_max_min: int,
    latency_ms: int,
    detected_ms: int = 0,
) -> OrderClock | None:
    """Return the clock of a trial of the minute A; None while the trades do not close minute A-1.

    ``birth`` is the wick's (Unix minute), ``detected_ms`` the time at which a live answer came.
    """
    place = tape.first_at(minute * times.MINUTE_MS + CLOSING_MS)
    if place == len(tape):
        return None
    known = tape.ms(place)
    expires = (birth + age_max + 1) * times.MINUTE_MS
    horizon = expires + (hold_max_min + 1) * times.MINUTE_MS
    return OrderClock(known, max(known, detected_ms) + latency_ms, expires, horizon)


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """A post-only order at the tip; prices in the tape's unit, ``size`` in its lots."""

    bracket: Bracket
    clock: OrderClock
    size: int
    tick: int = 1

    def on(self, tape: DayTrades, book: DayBooks | None) -> tuple[int, DayTrades, DayBooks | None]:
        """Return the tip, the tape and the book on which this order is a SHORT's."""
        if self.bracket.side < 0:
            return self.bracket.tip, tape, book
        return -self.bracket.tip, tape.mirrored, None if book is None else book.mirrored


class ModelFill(NamedTuple):
    """The record that filled an order."""

    place: int  # on the tape
    known: bool = True  # the queue was known; False: only a trade beyond the tip could fill


def contracts(size_usd: str, contract: Contract, price: str, lot: str, least: str) -> int:
    """Return the own contracts in lots: ``size_usd`` worth of them, rounded down, at least one.

    ``lot`` and ``least`` are lotSz and minSz of the instrument, all in decimal text.
    """
    worth = worth_of(contract)
    each = worth.factor * exact.units(lot, exact.SIZE_PLACES)  # units of 10**-(places + SIZE)
    money = exact.units(size_usd, exact.NOTIONAL_PLACES)
    if not worth.inverse:
        each *= exact.units(price, exact.PRICE_PLACES)
    shift = exact.NOTIONAL_PLACES - worth.places - exact.SIZE_PLACES
    lots: int = money // (each * 10 ** (shift - (0 if worth.inverse else exact.PRICE_PLACES)))
    smallest = -(-exact.units(least, exact.SIZE_PLACES) // exact.units(lot, exact.SIZE_PLACES))
    return max(lots, smallest, 1)


def hole_minutes(minutes: Sequence[int], gap: Sequence[bool]) -> set[int]:
    """Return the minutes with missing trades: rows marked ``gap``, and those missing before them.

    ``minutes`` are the Unix minutes that have a row, ascending.
    """
    holes: set[int] = set()
    for index, (minute, marked) in enumerate(zip(minutes, gap, strict=True)):
        if marked:
            holes.update(range(minutes[index - 1] + 1 if index else minute, minute + 1))
    return holes


def touches_hole(holes: AbstractSet[int], first_minute: int, horizon_ms: int) -> bool:
    """Return True if a hole lies between the start of the wick's candle and the horizon."""
    last = -(-horizon_ms // times.MINUTE_MS)
    if last - first_minute < len(holes):
        return any(minute in holes for minute in range(first_minute, last))
    return any(first_minute <= minute < last for minute in holes)


def is_missed(tape: DayTrades, order: RestingOrder, minute: int, *, in_contact: bool) -> bool:
    """Return True if price was at the tip before the order could rest: it would be cancelled."""
    if in_contact:
        return True
    tip, view, _ = order.on(tape, None)
    start, stop = view.first_at(minute * times.MINUTE_MS), view.first_at(order.clock.active)
    return view.rises_to(tip, start, stop, rpi=True) is not None


class TapeFate(NamedTuple):
    """The fate of a resting order as far as trades alone decide it."""

    prints: NDArray[np.int64]  # records at exactly the tip that take off the queue, ascending
    beyond: int | None  # the first record a tick or more beyond the tip


def reached(tape: DayTrades, order: RestingOrder) -> TapeFate:
    """Return the records at and beyond the tip while the order rests."""
    tip, view, _ = order.on(tape, None)
    start, stop = view.first_at(order.clock.active), view.first_at(order.clock.expires)
    beyond = view.rises_to(tip + order.tick, start, stop)
    end = stop if beyond is None else beyond
    first = view.rises_to(tip, start, end)
    return TapeFate(view.bought_at(tip, end if first is None else first, end), beyond)


def fills(
    tape: DayTrades, book: DayBooks | None, order: RestingOrder, found: TapeFate | None = None
) -> dict[Model, ModelFill | None]:
    """Return the record that fills the order under each model, None where none does.

    ``found`` is its fate on the tape, if that is known already.
    """
    _, view, shown = order.on(tape, book)
    prints, beyond = reached(tape, order) if found is None else found
    through = None if beyond is None else ModelFill(beyond)
    touch = ModelFill(int(prints[0])) if len(prints) else through
    queue = _used_up(view, shown, order, prints) if len(prints) else None
    if queue is None and beyond is not None:
        queue = ModelFill(beyond, _is_known(view, shown, order, beyond))
    return {"touch": touch, "queue": queue, "through": through}


def _used_up(
    view: DayTrades, book: DayBooks | None, order: RestingOrder, prints: NDArray[np.int64]
) -> ModelFill | None:
    """Return the print that uses up the queue ahead and the own order.

    ahead = least of (shown + bought before the snapshot) - bought so far. A print of a snapshot's
    own millisecond comes before the snapshot.
    """
    moments = view.ts[prints]
    least = _least_ahead(view, book, order, prints, moments)
    bought = np.cumsum(view.qty[prints], dtype=np.int64)
    done = least - bought <= -order.size
    place = int(done.argmax())
    return ModelFill(int(prints[place])) if done[place] else None


def _least_ahead(
    view: DayTrades,
    book: DayBooks | None,
    order: RestingOrder,
    prints: NDArray[np.int64],
    moments: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return, for each moment, the least of shown + bought before over the snapshots before it."""
    unknown = np.full(len(moments), _UNKNOWN, dtype=np.int64)
    if book is None:
        return unknown
    tip = -order.bracket.tip if order.bracket.side > 0 else order.bracket.tip
    newest = book.newest(order.clock.active)
    first = (
        int(book.ts.searchsorted(order.clock.active, side="right")) if newest is None else newest
    )
    last = int(book.ts.searchsorted(moments[-1]))  # up to the last moment, itself left out
    if first >= last:
        return unknown
    bought = np.concatenate(([0], np.cumsum(view.qty[prints], dtype=np.int64)))
    shown = book.shown(tip, first, last)
    before = bought[view.ts[prints].searchsorted(book.ts[first:last], side="right")]
    least = np.minimum.accumulate(np.where(shown < 0, _UNKNOWN, shown + before))
    seen = book.ts[first:last].searchsorted(moments)  # snapshots before each moment
    return np.where(seen > 0, least[np.maximum(seen - 1, 0)], _UNKNOWN)


def _is_known(view: DayTrades, book: DayBooks | None, order: RestingOrder, place: int) -> bool:
    """Return True if a snapshot had shown the queue before a record."""
    none = np.empty(0, dtype=np.int64)
    moment = view.ts[place : place + 1]
    return bool(_least_ahead(view, book, order, none, moment)[0] < _UNKNOWN)


def status_of(
    tape: DayTrades,
    order: RestingOrder,
    minute: int,
    *,
    in_contact: bool,
    in_hole: bool,
    filled: bool,
) -> Status:
    """Return the fate of an order. A gap is decided before all else, and by no outcome."""
    if in_hole:
        return "gap"
    if not len(tape) or tape.ms(len(tape) - 1) < order.clock.horizon:
        return "open"
    if is_missed(tape, order, minute, in_contact=in_contact):
        return "missed"
    return "filled" if filled else "unfilled"
