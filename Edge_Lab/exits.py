"""The end of a filled order and its result: stop, target, time, walk, fees, funding. Pure.

Exits are found among the records after the fill, in the order of their ids; bars know no order and
are used nowhere. Results are integers in units of 10**-PLACES bps, rounded once, half to even.

    net   = gross - maker fee - exit fee x exit / tip + funding
    net R = net in price / (|stop - tip| + maker fee of the entry + taker fee of the stop)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from Edge_Lab.fills import ModelFill, RestingOrder
from Edge_Lab.inference import PLACES
from Edge_Lab.tape import DayBooks, DayTrades
from ravequant import exact, times

BPS: Final = 10_000
RATE_PLACES: Final = 20  # of a funding rate, and of funding in bps
_BPS_ONE: Final = 10**RATE_PLACES
_FINER: Final = 10 ** (RATE_PLACES - exact.SIZE_PLACES)  # from a setting in bps
SETTLED_WITHIN_MS: Final = 60_000  # a settlement takes up to this long
SETTLEMENT_HOURS: Final = (0, 8, 16)  # UTC, where no line says otherwise
ExitKind = Literal["stop", "target", "time"]
Depth = Literal["book", "thin", "none"]


@dataclass(frozen=True, slots=True)
class ExitRules:
    """How a position is left; bps in units of 10**-SIZE_PLACES, as in the settings."""

    stop_arm_ms: int = 500
    stop_latency_ms: int = 100
    hold_max_min: int = 60
    target_order: Literal["taker", "maker"] = "taker"
    maker_bps: int = 2 * exact.SIZE_ONE
    taker_bps: int = 5 * exact.SIZE_ONE
    slippage_bps: int = exact.SIZE_ONE
    funding_bps: int = exact.SIZE_ONE


class FundingRate(NamedTuple):
    """A funding settlement; ``rate`` in units of 10**-RATE_PLACES, None where it is unknown."""

    ms: int
    rate: int | None


class TradeResult(NamedTuple):
    """A finished trade; amounts in units of 10**-PLACES bps of the tip, or of R."""

    fill_place: int
    exit_place: int  # of the record whose price was paid
    fill_ms: int
    exit_ms: int
    exit: ExitKind
    exit_price: int  # units of 10**-PLACES of the tape's price
    gross: int
    net: int
    net_r: int
    mae: int
    mfe: int
    overshoot: int
    funding: int
    depth: Depth | None  # None where no market order was sent

    @property
    def life_ms(self) -> int:
        """From the fill to the exit."""
        return self.exit_ms - self.fill_ms


class _Position(NamedTuple):
    """A filled order as its SHORT: of a LONG prices are negative and sides exchanged."""

    view: DayTrades
    book: DayBooks | None
    order: RestingOrder
    tip: int
    stop: int
    target: int | None
    fill: int  # place of the record that filled it
    rules: ExitRules


class _Trigger(NamedTuple):
    kind: ExitKind
    place: int  # the record that triggers it
    ms: int  # the moment at which it is triggered


class _Paid(NamedTuple):
    """The record of the exit, and its price as a fraction, in the prices of a SHORT."""

    place: int
    price: int
    over: int  # above 0
    depth: Depth | None


def result(
    tape: DayTrades,
    book: DayBooks | None,
    order: RestingOrder,
    fill: ModelFill,
    *,
    rules: ExitRules,
    settlements: Sequence[FundingRate] = (),
) -> TradeResult | None:
    """Return how a filled order ended; None while the tape does not reach its exit."""
    tip, view, shown = order.on(tape, book)
    turn = -order.bracket.side  # 1 for SHORT, whose prices are as they are
    target = None if order.bracket.target is None else turn * order.bracket.target
    stop = turn * order.bracket.stop
    position = _Position(view, shown, order, tip, stop, target, fill.place, rules)
    found = _trigger(position)
    if found is None:
        return None
    if found.kind == "target" and rules.target_order == "maker" and target is not None:
        paid: _Paid | None = _Paid(found.place, target, 1, None)
    else:
        paid = _market_exit(position, found)
    return None if paid is None else _settled(position, found, paid, settlements)


def _trigger(position: _Position) -> _Trigger | None:
    """Return the exit that comes first; when time is up no stop and no target counts any more."""
    view, rules, fill = position.view, position.rules, position.fill
    filled = view.ms(fill)
    due = filled + rules.hold_max_min * times.MINUTE_MS
    end = max(fill + 1, view.first_at(due))
    armed = max(fill + 1, view.first_at(filled + rules.stop_arm_ms))
    stopped = view.rises_to(position.stop, armed, end, rpi=True)
    if position.target is not None:
        beyond = position.order.tick if rules.target_order == "maker" else 0
        last = end if stopped is None else stopped
        reached = view.falls_to(position.target - beyond, fill + 1, last)
        if reached is not None:
            return _Trigger("target", reached, view.ms(reached))
    if stopped is not None:
        return _Trigger("stop", stopped, view.ms(stopped))
    place = view.next_organic(end)
    return None if place is None else _Trigger("time", place, due)


def _market_exit(position: _Position, found: _Trigger) -> _Paid | None:
    """Return the market order's fill: the worse of the limit and a traded price, plus the walk."""
    view, rules = position.view, position.rules
    limit = {"stop": position.stop, "target": position.target, "time": None}[found.kind]
    place: int | None = found.place
    if limit is not None:
        later = view.first_at(found.ms + rules.stop_latency_ms)
        place = view.next_organic(max(found.place, later))
    if place is None:
        return None
    traded = int(view.price[place])
    base = traded if limit is None else max(limit, traded)
    snapshot = None if position.book is None else position.book.newest(found.ms)
    if position.book is not None and snapshot is not None:
        walk = position.book.walk(snapshot, position.order.size)
        if walk is not None:
            return _Paid(place, base * walk.paid, walk.whole, "thin" if walk.thin else "book")
    one = BPS * exact.SIZE_ONE
    return _Paid(place, base * one + abs(base) * rules.slippage_bps, one, "none")


def _settled(
    position: _Position, found: _Trigger, paid: _Paid, settlements: Sequence[FundingRate]
) -> TradeResult:
    """Return the result from the prices of a SHORT."""
    view, tip, fill, rules = position.view, position.tip, position.fill, position.rules
    whole = abs(tip) * paid.over
    move = (tip * paid.over - paid.price) * BPS
    fee = rules.maker_bps if paid.depth is None else rules.taker_bps
    span = view.ms(fill), view.ms(paid.place)
    funding = funding_of(position.order.bracket.side, span, settlements, rules.funding_bps)
    entry = rules.maker_bps * _FINER * whole
    net = move * _BPS_ONE - entry - fee * _FINER * abs(paid.price) + funding * whole
    fees = rules.maker_bps * abs(tip) + rules.taker_bps * abs(position.stop)
    risk = abs(position.stop - tip) * BPS * _BPS_ONE + _FINER * fees
    high, low = view.extremes(fill + 1, found.place + 1)
    return TradeResult(
        fill_place=fill,
        exit_place=paid.place,
        fill_ms=span[0],
        exit_ms=span[1],
        exit=found.kind,
        exit_price=abs(exact.divide(paid.price, paid.over, PLACES)),
        gross=exact.divide(move, whole, PLACES),
        net=exact.divide(net, whole * _BPS_ONE, PLACES),
        net_r=exact.divide(net, paid.over * risk, PLACES),
        mae=max(0, _in_bps(high - tip, tip)),
        mfe=max(0, _in_bps(tip - low, tip)),
        overshoot=_in_bps(int(view.price[fill]) - tip, tip),
        funding=exact.divide(funding, _BPS_ONE, PLACES),
        depth=paid.depth,
    )


def chance_pct(stop_bps: float, target_bps: float) -> float:
    """Return the win rate without any edge (gambler's ruin): the target is met before the stop."""
    return 100 * stop_bps / (stop_bps + target_bps)


def break_even_pct(stop_bps: float, target_bps: float, fees_bps: float = 7) -> float | None:
    """Return the win rate that pays the fees; None, never, if the target does not."""
    if target_bps <= fees_bps:
        return None
    return 100 * (stop_bps + fees_bps) / (stop_bps + target_bps)


def _in_bps(move: int, tip: int) -> int:
    return exact.divide(move * BPS, abs(tip), PLACES)


# --- funding -------------------------------------------------------------------------------------


def settlements_between(
    rates: Mapping[int, int], first_ms: int, last_ms: int
) -> Iterator[FundingRate]:
    """Yield the settlements of a span, oldest first: the recorded ones, and 00, 08, 16 UTC else.

    ``rates`` holds the recorded rate by its time (Unix ms). A usual time without a recorded one
    within a minute is a settlement whose rate is unknown.
    """
    found: dict[int, int | None] = {
        ms: rate for ms, rate in rates.items() if first_ms <= ms <= last_ms
    }
    for day in range(first_ms // times.DAY_MS, last_ms // times.DAY_MS + 1):
        for hour in SETTLEMENT_HOURS:
            usual = day * times.DAY_MS + hour * times.HOUR_MS
            near = any(abs(ms - usual) <= SETTLED_WITHIN_MS for ms in rates)
            if first_ms <= usual <= last_ms and not near:
                found[usual] = None
    yield from (FundingRate(ms, rate) for ms, rate in sorted(found.items()))


def funding_of(
    side: int, span: tuple[int, int], settlements: Sequence[FundingRate], unknown_bps: int
) -> int:
    """Return the funding of a position in units of 10**-RATE_PLACES bps; above 0 it receives.

    ``span`` is fill and exit (Unix ms). The exchange may take a minute: a charge counts if the
    position was open at any time of it, a receipt only if it was open throughout.
    """
    filled, left = span
    total = 0
    for ms, rate in settlements:
        end = ms + SETTLED_WITHIN_MS
        if filled > end or left < ms:
            continue
        paid = -unknown_bps * _FINER if rate is None else -side * rate * BPS
        if paid < 0 or (filled <= ms and left >= end):
            total += paid
    return total
