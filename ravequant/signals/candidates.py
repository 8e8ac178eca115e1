"""Rules 1 to 3 of the query: which wicks are levels at all (SPEC section 11). Pure.

A candidate is an untouched small wick of the right age among touched wicks.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Literal, NamedTuple

from ravequant import exact, times
from ravequant.exact import price_text
from ravequant.signals.evidence import clock, within
from ravequant.signals.inputs import WickAsOf
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState


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


@dataclass(frozen=True)
class Candidate:
    """A wick and the wicks around it."""

    wick: WickAsOf
    others: tuple[WickAsOf, ...]  # of its timeframe, both sides, born close to it

    @cached_property
    def touched(self) -> int:
        """The number of wicks around it that were touched."""
        return sum(other.status == "touched" for other in self.others)

    @property
    def twice_median(self) -> int | None:
        """The median size around it in half ticks; None if there is no wick around it."""
        sizes = sorted(other.size_ticks for other in self.others)
        middle = len(sizes) // 2
        return sizes[middle] + sizes[~middle] if sizes else None

    @cached_property
    def small(self) -> bool:
        """True if its size is at most the median size around it."""
        median = self.twice_median
        return median is not None and 2 * self.wick.size_ticks <= median

    @property
    def median_text(self) -> str | None:
        """The median size around it, in ticks."""
        median = self.twice_median
        return None if median is None else exact.text(median * 5, 1)


class MinuteWicks:
    """The wicks of a timeframe as of a minute; those around a wick are looked up once."""

    def __init__(self, state: MarketState, timeframe: str, limits: SignalLimits) -> None:
        wicks = [wick for wick in state.wicks if wick.timeframe == timeframe]
        self._wicks = sorted(wicks, key=attrgetter("birth"))
        self._minute, self._limits = state.minute, limits
        self._found: dict[str, Candidate] = {}

    def aged(self, age_min: int, age_max: int) -> list[WickAsOf]:
        """Return the wicks of an age in minutes, the oldest first."""
        start = bisect_left(self._wicks, self._minute - age_max, key=attrgetter("birth"))
        end = bisect_right(self._wicks, self._minute - age_min, key=attrgetter("birth"))
        return self._wicks[start:end]

    def around(self, wick: WickAsOf) -> Candidate:
        """Return one of the wicks with the wicks around it."""
        found = self._found.get(wick.event_id)
        if found is None:
            found = self._found[wick.event_id] = around(wick, self._wicks, self._limits)
        return found


def candidates(
    state: MarketState,
    query: Query,
    limits: SignalLimits,
    last: LastPrice | None,
    wicks: MinuteWicks,
) -> tuple[list[Candidate], str | None]:
    """Return the candidates; if there are none, a sentence names the rule that failed.

    ``wicks`` are those of the query's timeframe.
    """
    aged = wicks.aged(query.age_min, query.age_max)
    untouched = [wicks.around(wick) for wick in aged if wick.status == "untouched"]
    surrounded = [found for found in untouched if found.touched >= query.min_touched]
    small = [found for found in surrounded if found.small or not query.small_only]
    near = [found for found in small if last is None or _reachable(found, last, limits)]
    if near:
        return near, None
    return [], _missing(state, query, limits, (aged, untouched, surrounded, small))


def around(wick: WickAsOf, wicks: Sequence[WickAsOf], limits: SignalLimits) -> Candidate:
    """Return ``wick`` with the wicks around it; ``wicks`` of its timeframe in order of birth."""
    span = limits.surrounding_minutes
    start = bisect_left(wicks, wick.birth - span, key=attrgetter("birth"))
    end = bisect_right(wicks, wick.birth + span, key=attrgetter("birth"))
    others = (other for other in wicks[start:end] if other.event_id != wick.event_id)
    return Candidate(wick, tuple(others))


def _reachable(found: Candidate, last: LastPrice, limits: SignalLimits) -> bool:
    return within(found.wick.tip - last.price, limits.reach_bps, last.price)


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
