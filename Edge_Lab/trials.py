"""A trial: a candidate of the query put through the engine with its placebos, as one line. Pure.

The line holds the trade under all three fill models, and its placebos as exact sums by kind, model
and bin of distance: ``[bin, made, fills, sum of net, sum of net squared]``, net in units of
10**-PLACES bps. Placebos rest where their trade rests: over a gap, while the end is not known and
after a missed order there are none, so both are seen in the same minutes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from Edge_Lab.exits import ExitRules, FundingRate, TradeResult, result
from Edge_Lab.fills import (
    MODELS,
    Model,
    ModelFill,
    OrderClock,
    RestingOrder,
    fills,
    order_clock,
    status_of,
    touches_hole,
)
from Edge_Lab.inference import PLACES
from Edge_Lab.placebo import BPS, KINDS, Bracket, Placebo, PlaceboMarket, bin_of, placebos
from Edge_Lab.tape import DayBooks, DayTrades
from ravequant import exact, times

SIDES: Final = {1: "LONG", -1: "SHORT"}
_LIFE_PLACES: Final = 3  # of seconds
Sums = dict[str, list[list[int]]]


@dataclass(frozen=True, slots=True, eq=False)
class TrialMarket:
    """An instrument's market around its trials; prices in units of 10**-price_places.

    The trades reach back to the births of the wicks.
    """

    inst_id: str
    trades: DayTrades
    books: DayBooks | None
    price_places: int
    tick: int
    holes: frozenset[int] = frozenset()  # Unix minutes in which trades are missing
    funding: Sequence[FundingRate] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TrialPlan:
    """A level that the query returned as of the minute A, and its plan."""

    event_id: str
    minute: int  # A, Unix minute
    birth: int  # Unix minute
    candle_start: int  # Unix minute at which the wick's candle began
    bracket: Bracket
    size: int  # own contracts in the tape's lots
    last: int  # last price as of A
    in_contact: bool
    tips: Sequence[int]  # of the untouched wicks of every timeframe and side, ascending
    families: Sequence[str] = ()
    facts: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        touch = [name for name in self.facts or {} if name.startswith("touch_")]
        if touch:
            raise TypeError(f"{touch[0]} is a fact of the touch, which nobody knows at A")


@dataclass(frozen=True, slots=True)
class TrialRules:
    """The settings of an exec_id that bear on a trial's outcome."""

    age_max: int = 40  # minutes
    latency_ms: int = 10_000
    reach_bps: int = 500 * exact.SIZE_ONE
    placebos: int = 20  # a kind
    exits: ExitRules = field(default_factory=ExitRules)


def line_of(plan: TrialPlan, market: TrialMarket, rules: TrialRules) -> dict[str, Any] | None:
    """Return the line of a trial; None while the trades do not even close the minute before A."""
    clock = order_clock(
        market.trades,
        plan.minute,
        plan.birth,
        age_max=rules.age_max,
        hold_max_min=rules.exits.hold_max_min,
        latency_ms=rules.latency_ms,
    )
    if clock is None:
        return None
    order = RestingOrder(plan.bracket, clock, plan.size, market.tick)
    found = fills(market.trades, market.books, order)
    status = status_of(
        market.trades,
        order,
        plan.minute,
        in_contact=plan.in_contact,
        in_hole=touches_hole(market.holes, plan.candle_start, clock.horizon),
        found=found,
        model="touch",  # the most that can be filled; a model without a fill is null
    )
    line = _head(plan, market, clock) | {
        "status": status,
        "families": list(plan.families),
        "facts": dict(plan.facts or {}),
    }
    rested = status in {"filled", "unfilled"}
    outcomes = results(market, order, found, rules.exits) if status == "filled" else {}
    for model in MODELS:
        outcome = outcomes.get(model)
        known = found["queue"] is None or found["queue"].known or model != "queue"
        line[model] = None if outcome is None else _written(outcome, market, known=known)
    return line | {"placebo": _placebo_part(plan, market, clock, rules) if rested else {}}


def results(
    market: TrialMarket,
    order: RestingOrder,
    found: Mapping[Model, ModelFill | None],
    rules: ExitRules,
) -> dict[Model, TradeResult | None]:
    """Return how an order ended after its fill under each model; equal fills are followed once."""
    done: dict[int, TradeResult | None] = {}
    made: dict[Model, TradeResult | None] = {}
    for model, fill in found.items():
        if fill is None:
            made[model] = None
            continue
        if fill.place not in done:
            done[fill.place] = result(
                market.trades, market.books, order, fill, rules=rules, settlements=market.funding
            )
        made[model] = done[fill.place]
    return made


def _placebo_part(
    plan: TrialPlan, market: TrialMarket, clock: OrderClock, rules: TrialRules
) -> dict[str, Any]:
    """Return the sums of each kind, and the single results of the random levels."""
    around = _around(plan, market, clock, rules)
    part: dict[str, Any] = {}
    for kind in KINDS:
        made = placebos(plan.event_id, kind, plan.bracket, around, rules.placebos)
        ended = []
        for fake in made:
            order = RestingOrder(fake.bracket, clock, plan.size, market.tick)
            found = fills(market.trades, market.books, order)
            ended.append(results(market, order, found, rules.exits))
        part[kind] = summed(made, ended)
        if kind == "random":  # the sets of Osler's test are drawn from single levels
            nets = (outcomes["queue"] for outcomes in ended)
            part["random_queue"] = [None if outcome is None else outcome.net for outcome in nets]
    return part


def _around(
    plan: TrialPlan, market: TrialMarket, clock: OrderClock, rules: TrialRules
) -> PlaceboMarket:
    """Return the market as of A, with the extremes of all trades from the birth up to T0."""
    first = market.trades.first_at(plan.birth * times.MINUTE_MS)
    end = market.trades.first_at(clock.active)
    high = low = plan.last
    if first < end:
        high, low = market.trades.extremes(first, end)
    return PlaceboMarket(plan.last, market.tick, plan.tips, high, low, rules.reach_bps)


def summed(made: Sequence[Placebo], ended: Sequence[Mapping[Model, TradeResult | None]]) -> Sums:
    """Return [bin, made, fills, sum of net, sum of net squared] of each model, by bin."""
    sums: Sums = {}
    for model in MODELS:
        rows: dict[int, list[int]] = {}
        for fake, found in zip(made, ended, strict=True):
            row = rows.setdefault(fake.bin, [fake.bin, 0, 0, 0, 0])
            row[1] += 1
            outcome = found[model]
            if outcome is not None:
                row[2] += 1
                row[3] += outcome.net
                row[4] += outcome.net**2
        sums[model] = [rows[number] for number in sorted(rows)]
    return sums


def _head(plan: TrialPlan, market: TrialMarket, clock: OrderClock) -> dict[str, Any]:
    bracket, last = plan.bracket, plan.last
    distance = exact.divide((bracket.tip - last) * BPS, last, PLACES)
    target = bracket.target
    return {
        "event_id": plan.event_id,
        "A_utc": times.iso_minute(plan.minute),
        "K_utc": times.iso(clock.known),
        "T0_utc": times.iso(clock.active),
        "X_utc": times.iso(clock.horizon),
        "instId": market.inst_id,
        "side": SIDES[bracket.side],
        "entry": exact.text(bracket.tip, market.price_places),
        "stop": exact.text(bracket.stop, market.price_places),
        "target": None if target is None else exact.text(target, market.price_places),
        "distance_bps": exact.fixed(distance, PLACES),
        "bin": bin_of(bracket.tip, last),
    }


def _written(found: TradeResult, market: TrialMarket, *, known: bool) -> dict[str, Any]:
    """Return a result as the line holds it."""
    amounts = {
        "gross_bps": found.gross,
        "net_bps": found.net,
        "net_r": found.net_r,
        "mae_bps": found.mae,
        "mfe_bps": found.mfe,
        "overshoot_bps": found.overshoot,
        "funding_bps": found.funding,
    }
    return {
        "fill_utc": times.iso(found.fill_ms),
        "exit_utc": times.iso(found.exit_ms),
        "exit": found.exit,
        "exit_price": exact.text(found.exit_price, market.price_places + PLACES),
        **{name: exact.fixed(value, PLACES) for name, value in amounts.items()},
        "life_s": exact.fixed(found.life_ms, _LIFE_PLACES),
        "depth": found.depth,
        "queue_known": known,
    }


def rate_of(written: str) -> int:
    """Return a signed funding rate in decimal text as an integer for ``FundingRate``."""
    sign = -1 if written.startswith("-") else 1
    return sign * exact.units(written.removeprefix("-"), exact.PRICE_PLACES)
