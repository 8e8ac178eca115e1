"""The rules of the query (SPEC section 11): a market state in, signals out. Pure.

A signal is a small untouched wick among touched wicks. The layers are the evidence for a fade at
its tip; the number of layers that are met makes the conviction.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import Final, Literal, NamedTuple

from ravequant import exact, times
from ravequant.signals.evidence import (
    CONFLUENCES,
    Evidence,
    FadeSetup,
    clock,
    judge,
    price_text,
    within,
)
from ravequant.signals.inputs import BOOK_SIDES, VolumeRow, WickAsOf
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState
from ravequant.signals.trade_plan import TradePlan, plan, same_price

Strength = Literal["VERY_HIGH", "HIGH"]
Conviction = Literal["MAX", "HIGH", "WATCH", "LOW"]
_ONE_EVENT: Final = frozenset({"volume_tier", "absorption"})
_THE_BOOK: Final = frozenset({"wall", "imbalance"})
SIZES: Final = {"MAX": 3, "HIGH": 2, "WATCH": 1, "LOW": 0}


class Query(NamedTuple):
    """The arguments of the query."""

    age_min: int = 20  # minutes
    age_max: int = 40
    timeframe: str = "1m"
    min_touched: int = 10
    small_only: bool = True


class LastPrice(NamedTuple):
    """The last price and its source."""

    price: int
    source: Literal["mid", "trade"]


class Candidate(NamedTuple):
    """A wick and the wicks around it."""

    wick: WickAsOf
    others: tuple[WickAsOf, ...]  # of its timeframe, both sides, born close to it

    @property
    def touched(self) -> int:
        """The number of wicks around it that were touched."""
        return sum(other.status == "touched" for other in self.others)

    @property
    def twice_median(self) -> int | None:
        """The median size around it in half ticks; None if there is no wick around it."""
        sizes = sorted(other.size_ticks for other in self.others)
        middle = len(sizes) // 2
        return sizes[middle] + sizes[~middle] if sizes else None

    @property
    def small(self) -> bool:
        """True if its size is at most the median size around it."""
        median = self.twice_median
        return median is not None and 2 * self.wick.size_ticks <= median

    @property
    def median_text(self) -> str | None:
        """The median size around it, in ticks."""
        median = self.twice_median
        return None if median is None else exact.text(median * 5, 1)


class Signal(NamedTuple):
    """A wick to fade, with its evidence and its trade."""

    state: MarketState
    candidate: Candidate
    last: LastPrice | None
    in_contact: bool
    strength: Strength
    layers: tuple[Evidence, ...]
    conviction: Conviction
    capped: bool  # a volume divergence against the trade took MAX away
    wicks: tuple[WickAsOf, ...]  # of its price on all timeframes, itself among them
    plan: TradePlan
    tags: tuple[str, ...]

    @property
    def wick(self) -> WickAsOf:
        """The wick to fade."""
        return self.candidate.wick

    @property
    def direction(self) -> Literal["SHORT", "LONG"]:
        """The direction of the trade."""
        return "SHORT" if self.wick.side == "high" else "LONG"

    @property
    def age_minutes(self) -> int:
        """Minutes from the birth of the wick to the minute of the state."""
        return self.state.minute - self.wick.birth

    @property
    def confluences(self) -> int:
        """The number of layers that are met, without young_wall."""
        return len(_met(self.layers))

    @property
    def score(self) -> int:
        """Sum of the points, for ranking."""
        return sum(layer.points for layer in self.layers)

    @property
    def size(self) -> int:
        """The position size that the conviction stands for."""
        return SIZES[self.conviction]

    @property
    def distance_bps(self) -> str | None:
        """The distance of the tip from the last price; + above it."""
        if self.last is None:
            return None
        off = exact.divide((self.wick.tip - self.last.price) * 10_000, self.last.price, 2)
        return exact.signed(exact.fixed(off, 2))


class QueryResult(NamedTuple):
    """The signals, nearest first; without any, the reason in words."""

    state: MarketState
    last: LastPrice | None
    signals: tuple[Signal, ...]
    missing: str | None


def find(state: MarketState, query: Query, limits: SignalLimits) -> QueryResult:
    """Return the signals of ``query``; if there are none, a sentence names the rule that failed."""
    last = last_price(state, limits)
    wicks = [wick for wick in state.wicks if wick.timeframe == query.timeframe]
    wicks.sort(key=attrgetter("birth", "event_id"))
    aged = [wick for wick in wicks if query.age_min <= state.minute - wick.birth <= query.age_max]
    untouched = [around(wick, wicks, limits) for wick in aged if wick.status == "untouched"]
    surrounded = [found for found in untouched if found.touched >= query.min_touched]
    small = [found for found in surrounded if found.small or not query.small_only]
    near = [found for found in small if last is None or _reachable(found, last, limits)]
    signals = sorted((_signal(state, limits, found, last) for found in near), key=_nearness)
    missing = None
    if not signals:
        missing = _missing(state, query, limits, (aged, untouched, surrounded, small))
    return QueryResult(state, last, tuple(signals), missing)


def last_price(state: MarketState, limits: SignalLimits) -> LastPrice | None:
    """Return the mid of the newest snapshot if it is not stale, else the newest trade's price."""
    if state.book is not None and not _stale_book(state, limits):
        return LastPrice(state.book.mid, "mid")
    return None if state.trade is None else LastPrice(state.trade.price, "trade")


def _stale_book(state: MarketState, limits: SignalLimits) -> bool:
    return state.defect("buckets", limits) in ("missing", "stale")


def around(wick: WickAsOf, wicks: Sequence[WickAsOf], limits: SignalLimits) -> Candidate:
    """Return ``wick`` with the wicks around it; ``wicks`` of its timeframe in order of birth."""
    span = limits.surrounding_minutes
    start = bisect_left(wicks, wick.birth - span, key=attrgetter("birth"))
    end = bisect_right(wicks, wick.birth + span, key=attrgetter("birth"))
    others = (other for other in wicks[start:end] if other.event_id != wick.event_id)
    return Candidate(wick, tuple(others))


def _reachable(found: Candidate, last: LastPrice, limits: SignalLimits) -> bool:
    return within(found.wick.tip - last.price, limits.reach_bps, last.price)


def _nearness(signal: Signal) -> tuple[int, str]:
    away = 0 if signal.last is None else abs(signal.wick.tip - signal.last.price)
    return away, signal.wick.event_id


def _signal(
    state: MarketState, limits: SignalLimits, found: Candidate, last: LastPrice | None
) -> Signal:
    wick = found.wick
    layers = judge(state, limits, FadeSetup(wick, _around(found), last.price if last else None))
    strength = strength_of(found, limits)
    sure = next(layer.state for layer in layers if layer.name == "wick") == "met"
    full = conviction(_met(layers), very_high=sure and strength == "VERY_HIGH")
    capped = full == "MAX" and _divergence_against(state, limits, wick)
    contact = in_contact(state, limits, wick)
    return Signal(
        state=state,
        candidate=found,
        last=last,
        in_contact=contact,
        strength=strength,
        layers=layers,
        conviction="HIGH" if capped else full,
        capped=capped,
        wicks=tuple(same_price(state, wick)),
        plan=TradePlan() if contact else plan(state, limits, wick),
        tags=_tags(state, limits, wick),
    )


def _around(found: Candidate) -> str:
    tip = f"tip {found.wick.tip_strength}" if found.wick.tip_strength else "no tip-to-tip"
    return (
        f"{found.touched} of {len(found.others)} touched, {tip}, size {found.wick.size_ticks} "
        f"(median {found.median_text} ticks)"
    )


def _met(layers: Sequence[Evidence]) -> frozenset[str]:
    """Return the names of the confluences that are met."""
    return frozenset(
        layer.name for layer in layers if layer.state == "met" and layer.name in CONFLUENCES
    )


def strength_of(found: Candidate, limits: SignalLimits) -> Strength:
    """Return VERY_HIGH for an exact tip with enough touched wicks around it, else HIGH."""
    very = found.touched >= limits.very_high_touched and found.wick.tip_exact
    return "VERY_HIGH" if very else "HIGH"


def conviction(met: AbstractSet[str], *, very_high: bool) -> Conviction:
    """Return the conviction: three layers make HIGH, two WATCH; VERY_HIGH alone makes HIGH.

    MAX is three times the size and rare. It takes four layers, of which volume_tier and absorption
    together count once (an absorption is a T4), and the resting book or a VERY_HIGH wick.
    """
    apart = len(met) - (met >= _ONE_EVENT)
    if apart >= 4 and (very_high or met & _THE_BOOK):
        return "MAX"
    if len(met) >= 3 or very_high:
        return "HIGH"
    return "WATCH" if len(met) == 2 else "LOW"


def _newest_volume(state: MarketState, limits: SignalLimits) -> VolumeRow | None:
    fresh = state.defect("volume", limits) not in ("missing", "stale")
    return state.volume[-1] if fresh else None


def _divergence_against(state: MarketState, limits: SignalLimits, wick: WickAsOf) -> bool:
    row = _newest_volume(state, limits)
    return row is not None and row.divergence == ("bullish" if wick.side == "high" else "bearish")


def in_contact(state: MarketState, limits: SignalLimits, wick: WickAsOf) -> bool:
    """Return True if the newest mid or trade, or a minute since its birth, reached the tip.

    Such a minute without a touch means that the wick tracker lags.
    """
    prices = [
        row.high if wick.side == "high" else row.low for row in state.volume_since(wick.birth)
    ]
    if state.book is not None and not _stale_book(state, limits):
        prices.append(state.book.mid)
    if state.trade is not None:
        prices.append(state.trade.price)
    if wick.side == "high":
        return any(price >= wick.tip for price in prices)
    return any(price <= wick.tip for price in prices)


def _tags(state: MarketState, limits: SignalLimits, wick: WickAsOf) -> tuple[str, ...]:
    tags = []
    row, book = _newest_volume(state, limits), state.book
    if row is not None and not row.gap and row.whale_count > limits.whale_count:
        tags += ["whales"] * (row.whale_volume > limits.whale_volume)
    if book is not None and state.defect("buckets", limits) is None:
        band = book.band(wick.tip)
        if band is not None and book.sides[wick.side].significant[band]:
            tags.append(f"{BOOK_SIDES[wick.side]}_delta")
    return tuple(tags)


def _missing(
    state: MarketState,
    query: Query,
    limits: SignalLimits,
    passed: tuple[list[WickAsOf], list[Candidate], list[Candidate], list[Candidate]],
) -> str:
    """Return the sentence about the rule at which the last candidates failed."""
    aged, untouched, surrounded, small = passed
    what = f"{query.timeframe} wick aged {query.age_min} to {query.age_max} min"
    if not state.wicks:
        return _no_wicks(state)
    if not aged:
        return f"rule 1: no {what}"
    if not untouched:
        return f"rule 1: no untouched {what}; all {len(aged)} were touched"
    if not surrounded:
        best = max(untouched, key=lambda found: (found.touched, found.wick.birth))
        return (
            f"rule 2: no untouched {what} has {query.min_touched} touched wicks within "
            f"{limits.surrounding_minutes} min; best is {_name(best)} with {best.touched} of "
            f"{len(best.others)}"
        )
    if not small:
        best = min(surrounded, key=lambda found: (found.wick.size_ticks, -found.wick.birth))
        return (
            f"rule 3: no surrounded untouched {what} is small; {_name(best)} has "
            f"{best.wick.size_ticks} ticks, the median around it is {best.median_text}; "
            "--all-sizes takes it"
        )
    far = ", ".join(map(_name, small))
    return f"rule 3: beyond {exact.text(limits.reach_bps, exact.SIZE_PLACES)} bps from price: {far}"


def _no_wicks(state: MarketState) -> str:
    remedy = "run Untouch_Wick/untouch_wick.py"
    if state.newest_event is None:
        return f"no wicks are known: {remedy}"
    newest = times.iso_minute(state.newest_event)
    return f"no wick of the last day is known, the newest event is of {newest}: {remedy}"


def _name(found: Candidate) -> str:
    wick = found.wick
    return f"{wick.side} {price_text(wick.tip)} of {clock(wick.birth)}"
