"""The rules of the query (SPEC section 11): facts in, signals out. Pure.

A signal is an untouched small wick among touched ones. The layers say what speaks for a fade at its
tip, their count makes the conviction; what is stale, over a hole or far away does not count.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import Final, Literal, NamedTuple

from ravequant import exact, times
from ravequant.signals.evidence import CONFLUENCES, Layer, Level, clock, judge, price_text, within
from ravequant.signals.inputs import BOOK_SIDES, VolumeRow, Wick
from ravequant.signals.market_state import Facts, Limits
from ravequant.signals.trade_plan import Plan, plan, same_price

Strength = Literal["VERY_HIGH", "HIGH"]
Conviction = Literal["MAX", "HIGH", "WATCH", "LOW"]
_ONE_EVENT: Final = frozenset({"volume_tier", "absorption"})
_THE_BOOK: Final = frozenset({"wall", "imbalance"})
SIZES: Final = {"MAX": 3, "HIGH": 2, "WATCH": 1, "LOW": 0}


class Query(NamedTuple):
    """What is looked for."""

    age_min: int = 20  # minutes
    age_max: int = 40
    timeframe: str = "1m"
    min_touched: int = 10
    small_only: bool = True


class LastPrice(NamedTuple):
    """Where price is, and who says so."""

    price: int
    source: Literal["mid", "trade"]


class Candidate(NamedTuple):
    """A wick and the wicks around it."""

    wick: Wick
    others: tuple[Wick, ...]  # of its timeframe, both sides, born close to it

    @property
    def touched(self) -> int:
        """How many of those around it were touched."""
        return sum(other.status == "touched" for other in self.others)

    @property
    def twice_median(self) -> int | None:
        """Median of the sizes around it, in half ticks; None if there are none."""
        sizes = sorted(other.size_ticks for other in self.others)
        middle = len(sizes) // 2
        return sizes[middle] + sizes[~middle] if sizes else None

    @property
    def small(self) -> bool:
        """Whether its size is not above the median of those around it."""
        median = self.twice_median
        return median is not None and 2 * self.wick.size_ticks <= median

    @property
    def median_text(self) -> str | None:
        """The median size around it, in ticks."""
        median = self.twice_median
        return None if median is None else exact.text(median * 5, 1)


class Signal(NamedTuple):
    """A level to fade, with all that is known of it."""

    facts: Facts
    candidate: Candidate
    last: LastPrice | None
    in_contact: bool
    strength: Strength
    layers: tuple[Layer, ...]
    conviction: Conviction
    capped: bool  # a volume divergence against the trade took MAX away
    wicks: tuple[Wick, ...]  # of its price on all timeframes, itself among them
    plan: Plan
    tags: tuple[str, ...]

    @property
    def wick(self) -> Wick:
        """The wick that was asked for."""
        return self.candidate.wick

    @property
    def direction(self) -> Literal["SHORT", "LONG"]:
        """The way of the fade."""
        return "SHORT" if self.wick.side == "high" else "LONG"

    @property
    def age_minutes(self) -> int:
        """Minutes from birth to the moment asked for."""
        return self.facts.minute - self.wick.birth

    @property
    def confluences(self) -> int:
        """How many layers of their own are met."""
        return len(_met(self.layers))

    @property
    def score(self) -> int:
        """Sum of the points, for ranking."""
        return sum(layer.points for layer in self.layers)

    @property
    def size(self) -> int:
        """Position size that the conviction stands for."""
        return SIZES[self.conviction]

    @property
    def distance_bps(self) -> str | None:
        """How far the tip is from the last price: + above."""
        if self.last is None:
            return None
        off = exact.divide((self.wick.tip - self.last.price) * 10_000, self.last.price, 2)
        return exact.signed(exact.fixed(off, 2))


class Answer(NamedTuple):
    """Signals, nearest first, and for those who got none: what was missing."""

    facts: Facts
    last: LastPrice | None
    signals: tuple[Signal, ...]
    missing: str | None


def find(facts: Facts, query: Query, limits: Limits) -> Answer:
    """Return the signals of ``query``; with none, the sentence that says which rule failed."""
    last = last_price(facts, limits)
    wicks = [wick for wick in facts.wicks if wick.timeframe == query.timeframe]
    wicks.sort(key=attrgetter("birth", "event_id"))
    aged = [wick for wick in wicks if query.age_min <= facts.minute - wick.birth <= query.age_max]
    untouched = [around(wick, wicks, limits) for wick in aged if wick.status == "untouched"]
    surrounded = [found for found in untouched if found.touched >= query.min_touched]
    small = [found for found in surrounded if found.small or not query.small_only]
    near = [found for found in small if last is None or _reachable(found, last, limits)]
    signals = sorted((_signal(facts, limits, found, last) for found in near), key=_nearness)
    missing = None
    if not signals:
        missing = _missing(facts, query, limits, (aged, untouched, surrounded, small))
    return Answer(facts, last, tuple(signals), missing)


def last_price(facts: Facts, limits: Limits) -> LastPrice | None:
    """Return the mid of the newest snapshot if it is not stale, else the newest trade's price."""
    if facts.book is not None and not _stale_book(facts, limits):
        return LastPrice(facts.book.mid, "mid")
    return None if facts.trade is None else LastPrice(facts.trade.price, "trade")


def _stale_book(facts: Facts, limits: Limits) -> bool:
    return facts.state("buckets", limits) in ("missing", "stale")


def around(wick: Wick, wicks: Sequence[Wick], limits: Limits) -> Candidate:
    """Return ``wick`` with what surrounds it; ``wicks`` of its timeframe in order of birth."""
    span = limits.surrounding_minutes
    start = bisect_left(wicks, wick.birth - span, key=attrgetter("birth"))
    end = bisect_right(wicks, wick.birth + span, key=attrgetter("birth"))
    others = (other for other in wicks[start:end] if other.event_id != wick.event_id)
    return Candidate(wick, tuple(others))


def _reachable(found: Candidate, last: LastPrice, limits: Limits) -> bool:
    return within(found.wick.tip - last.price, limits.reach_bps, last.price)


def _nearness(signal: Signal) -> tuple[int, str]:
    away = 0 if signal.last is None else abs(signal.wick.tip - signal.last.price)
    return away, signal.wick.event_id


def _signal(facts: Facts, limits: Limits, found: Candidate, last: LastPrice | None) -> Signal:
    wick = found.wick
    layers = judge(facts, limits, Level(wick, _around(found), last.price if last else None))
    strength = strength_of(found, limits)
    sure = next(layer.state for layer in layers if layer.name == "wick") == "met"
    full = conviction(_met(layers), very_high=sure and strength == "VERY_HIGH")
    capped = full == "MAX" and _divergence_against(facts, limits, wick)
    contact = in_contact(facts, limits, wick)
    return Signal(
        facts=facts,
        candidate=found,
        last=last,
        in_contact=contact,
        strength=strength,
        layers=layers,
        conviction="HIGH" if capped else full,
        capped=capped,
        wicks=tuple(same_price(facts, wick)),
        plan=Plan() if contact else plan(facts, limits, wick),
        tags=_tags(facts, limits, wick),
    )


def _around(found: Candidate) -> str:
    tip = f"tip {found.wick.tip_strength}" if found.wick.tip_strength else "no tip-to-tip"
    return (
        f"{found.touched} of {len(found.others)} touched, {tip}, size {found.wick.size_ticks} "
        f"(median {found.median_text} ticks)"
    )


def _met(layers: Sequence[Layer]) -> frozenset[str]:
    """Return the layers that are met; young_wall belongs to wall and is none of its own."""
    return frozenset(
        layer.name for layer in layers if layer.state == "met" and layer.name in CONFLUENCES
    )


def strength_of(found: Candidate, limits: Limits) -> Strength:
    """VERY_HIGH with enough touched wicks around and a tip defended to the tick, else HIGH."""
    very = found.touched >= limits.very_high_touched and found.wick.tip_exact
    return "VERY_HIGH" if very else "HIGH"


def conviction(met: AbstractSet[str], *, very_high: bool) -> Conviction:
    """Return what the layers that are met make: three are HIGH, two WATCH; VERY_HIGH is HIGH.

    MAX is three times the size, and rare: four layers that are not one event told twice (an
    absorption is a T4), and with them the resting book, or a VERY_HIGH wick.
    """
    apart = len(met) - (met >= _ONE_EVENT)
    if apart >= 4 and (very_high or met & _THE_BOOK):
        return "MAX"
    if len(met) >= 3 or very_high:
        return "HIGH"
    return "WATCH" if len(met) == 2 else "LOW"


def _newest_volume(facts: Facts, limits: Limits) -> VolumeRow | None:
    fresh = facts.state("volume", limits) not in ("missing", "stale")
    return facts.volume[-1] if fresh else None


def _divergence_against(facts: Facts, limits: Limits, wick: Wick) -> bool:
    row = _newest_volume(facts, limits)
    return row is not None and row.divergence == ("bullish" if wick.side == "high" else "bearish")


def in_contact(facts: Facts, limits: Limits, wick: Wick) -> bool:
    """Say whether price has reached the tip: the newest mid or trade, or a minute since birth.

    The last is for a tracker that lags: it would have called the wick touched.
    """
    highs = [row.high if wick.side == "high" else row.low for row in facts.volume_since(wick.birth)]
    prices = [*highs]
    if facts.book is not None and not _stale_book(facts, limits):
        prices.append(facts.book.mid)
    if facts.trade is not None:
        prices.append(facts.trade.price)
    if wick.side == "high":
        return any(price >= wick.tip for price in prices)
    return any(price <= wick.tip for price in prices)


def _tags(facts: Facts, limits: Limits, wick: Wick) -> tuple[str, ...]:
    tags = []
    row, book = _newest_volume(facts, limits), facts.book
    if row is not None and not row.gap and row.whale_count > limits.whale_count:
        tags += ["whales"] * (row.whale_volume > limits.whale_volume)
    if book is not None and facts.state("buckets", limits) is None:
        band = book.band(wick.tip)
        if band is not None and book.sides[wick.side].significant[band]:
            tags.append(f"{BOOK_SIDES[wick.side]}_delta")
    return tuple(tags)


def _missing(
    facts: Facts,
    query: Query,
    limits: Limits,
    passed: tuple[list[Wick], list[Candidate], list[Candidate], list[Candidate]],
) -> str:
    """Say at which rule the last candidates fell."""
    aged, untouched, surrounded, small = passed
    what = f"{query.timeframe} wick aged {query.age_min} to {query.age_max} min"
    if not facts.wicks:
        return _no_wicks(facts)
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


def _no_wicks(facts: Facts) -> str:
    remedy = "run Untouch_Wick/untouch_wick.py"
    if facts.newest_event is None:
        return f"no wicks are known: {remedy}"
    newest = times.iso_minute(facts.newest_event)
    return f"no wick of the last day is known, the newest event is of {newest}: {remedy}"


def _name(found: Candidate) -> str:
    wick = found.wick
    return f"{wick.side} {price_text(wick.tip)} of {clock(wick.birth)}"
