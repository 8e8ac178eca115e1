"""A trial: a candidate of the query put through the engine with its placebos, as one line. Pure.

The line holds the trade under all three fill models, and its placebos as exact sums by kind, model
and bin of distance: ``[bin, made, fills, sum of net, sum of net squared]``, net in units of
10**-PLACES bps. Placebos rest where their trade rests: over a gap, while the end is not known and
after a missed order there are none, so both are seen in the same minutes.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from Edge_Lab.exits import ExitRules, FundingRate, TradeResult, result
from Edge_Lab.fills import (
    MODELS,
    Model,
    ModelFill,
    OrderClock,
    RestingOrder,
    Status,
    TapeFate,
    fills,
    order_clock,
    reached,
    status_of,
    touches_hole,
)
from Edge_Lab.inference import PLACES
from Edge_Lab.placebo import BPS, KINDS, Bracket, Kind, Placebo, PlaceboMarket, bin_of, placebos
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
    filters: Sequence[str] = ()
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
    kinds: tuple[Kind, ...] = KINDS  # of placebos
    exits: ExitRules = field(default_factory=ExitRules)


class PlacedOrder(NamedTuple):
    """An order, and its fate on the tape."""

    order: RestingOrder
    reached: TapeFate


Answers = MutableMapping[Any, Any]  # of the tape and the book, shared by the executions of a trial


@dataclass(frozen=True, slots=True, eq=False)
class PlacedTrial:
    """A trial as far as trades alone decide it: books are read once its orders are known."""

    plan: TrialPlan
    rules: TrialRules
    clock: OrderClock
    status: Status  # that of ``touch``: the most that can be filled
    own: PlacedOrder
    fakes: Mapping[Kind, Sequence[tuple[Placebo, PlacedOrder]]]

    def asking(self) -> Iterator[PlacedOrder]:
        """Yield the orders whose fate depends on the queue at their tip."""
        if self.status == "filled":
            yield self.own
        for made in self.fakes.values():
            yield from (fake for _, fake in made if len(fake.reached.prints))


def line_of(
    plan: TrialPlan, market: TrialMarket, rules: TrialRules, detected_ms: int = 0
) -> dict[str, Any] | None:
    """Return the line of a trial; None while the trades do not even close the minute before A.

    ``detected_ms`` is the time at which a live answer came (Unix ms).
    """
    trial = placed(plan, market, rules, detected_ms)
    return None if trial is None else written(trial, market)


def plan_clock(
    plan: TrialPlan, market: TrialMarket, rules: TrialRules, detected_ms: int = 0
) -> OrderClock | None:
    """Return the times of a plan's order; None while the trades do not close the minute before A.

    ``detected_ms`` is the time at which a live answer came (Unix ms).
    """
    return order_clock(
        market.trades,
        plan.minute,
        plan.birth,
        age_max=rules.age_max,
        hold_max_min=rules.exits.hold_max_min,
        latency_ms=rules.latency_ms,
        detected_ms=detected_ms,
    )


def placed(
    plan: TrialPlan,
    market: TrialMarket,
    rules: TrialRules,
    detected_ms: int = 0,
    answers: Answers | None = None,
) -> PlacedTrial | None:
    """Return a trial and its placebos as far as trades alone decide them; None as ``line_of``."""
    clock = plan_clock(plan, market, rules, detected_ms)
    if clock is None:
        return None
    answers = {} if answers is None else answers
    own = _placed_order(plan.bracket, plan, market, clock, answers)
    status = status_of(
        market.trades,
        own.order,
        plan.minute,
        in_contact=plan.in_contact,
        in_hole=touches_hole(market.holes, plan.candle_start, clock.horizon),
        filled=bool(len(own.reached.prints)) or own.reached.beyond is not None,
    )
    fakes: dict[Kind, list[tuple[Placebo, PlacedOrder]]] = {}
    if status in {"filled", "unfilled"}:
        around = _around(plan, market, clock, rules)
        for kind in rules.kinds:
            made = placebos(plan.event_id, kind, plan.bracket, around, rules.placebos)
            fakes[kind] = [
                (fake, _placed_order(fake.bracket, plan, market, clock, answers)) for fake in made
            ]
    return PlacedTrial(plan, rules, clock, status, own, fakes)


def _placed_order(
    bracket: Bracket, plan: TrialPlan, market: TrialMarket, clock: OrderClock, answers: Answers
) -> PlacedOrder:
    order = RestingOrder(bracket, clock, plan.size, market.tick)
    key = "tape", bracket.side, bracket.tip, clock
    if key not in answers:
        answers[key] = reached(market.trades, order)
    return PlacedOrder(order, answers[key])


def written(
    trial: PlacedTrial, market: TrialMarket, answers: Answers | None = None
) -> dict[str, Any]:
    """Return the line of a trial, for whose orders the books of ``market`` hold the levels."""
    plan, rules = trial.plan, trial.rules
    answers = {} if answers is None else answers
    line = _head(plan, market, trial.clock, rules) | {
        "status": trial.status,
        "families": list(plan.families),
        "filters": list(plan.filters),
        "facts": dict(plan.facts or {}),
    }
    outcomes: dict[Model, TradeResult | None] = {}
    known = True
    if trial.status == "filled":
        found = _filled(trial.own, market, answers)
        queue = found["queue"]
        known = queue is None or queue.known
        outcomes = results(market, trial.own.order, found, rules.exits)
    for model in MODELS:
        outcome = outcomes.get(model)
        sure = known or model != "queue"
        line[model] = None if outcome is None else _written(outcome, market, known=sure)
    return line | {"placebo": _placebo_part(trial, market, answers)}


def _filled(
    placed_order: PlacedOrder, market: TrialMarket, answers: Answers
) -> Mapping[Model, ModelFill | None]:
    order = placed_order.order
    key = "book", order.bracket.side, order.bracket.tip, order.clock
    if key not in answers:
        answers[key] = fills(market.trades, market.books, order, placed_order.reached)
    found: Mapping[Model, ModelFill | None] = answers[key]
    return found


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


def _placebo_part(trial: PlacedTrial, market: TrialMarket, answers: Answers) -> dict[str, Any]:
    """Return the sums of each kind, and the single results of the random levels."""
    part: dict[str, Any] = {}
    for kind, fakes in trial.fakes.items():
        ended = [
            results(market, fake.order, _filled(fake, market, answers), trial.rules.exits)
            for _, fake in fakes
        ]
        part[kind] = summed([made for made, _ in fakes], ended)
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


def _head(
    plan: TrialPlan, market: TrialMarket, clock: OrderClock, rules: TrialRules
) -> dict[str, Any]:
    bracket, last = plan.bracket, plan.last
    distance = exact.divide((bracket.tip - last) * BPS, last, PLACES)
    target = bracket.target
    return {
        "event_id": plan.event_id,
        "A_utc": times.iso_minute(plan.minute),
        "age_max": rules.age_max,
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
