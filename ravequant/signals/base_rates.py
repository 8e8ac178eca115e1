"""Base rates: how often each layer was met over the last 24 h (SPEC section 11). Pure.

A layer that is nearly always met says nothing. The condition of each layer (`evidence`) is asked
again for a level as far from price then as this tip is from price now: at the end of each minute
with trades, or at the end of each BOOK_STEP with a snapshot. `gap` and `stale` do not count as met.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ravequant import exact, times
from ravequant.signals.candidates import Query, around
from ravequant.signals.evidence import (
    State,
    absorption,
    cvd,
    imbalance,
    touch_gap,
    volume_tier,
    vwap_state,
    wall,
    young_wall,
)
from ravequant.signals.inputs import CvdRow, Side, VolumeRow, WickAsOf
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import BOOK_STEP, MarketState
from ravequant.signals.rules import Signal

LEAST_MOMENTS: Final = 30  # with fewer there is no share
_MOST_SIDES: Final = 32  # whose rates are kept: the answers of a minute share them


class Rate(NamedTuple):
    """The moments in which a layer was met, out of those counted."""

    met: int
    moments: int

    @property
    def percent(self) -> str | None:
        """The share in percent, one place; None with too few moments to say."""
        if self.moments < LEAST_MOMENTS:
            return None
        return exact.fixed(exact.divide(100 * self.met, self.moments, 1), 1)

    @property
    def words(self) -> str:
        """The rate in words."""
        if self.percent is None:
            plural = "s" * (self.moments != 1)
            return f"too few to say: {self.moments} moment{plural} in 24 h"
        return f"true at {self.percent}% of {self.moments} moments in 24 h"


Rates = Mapping[str, Rate | None]  # by layer; None: there was no moment to count


class _SideFacts(NamedTuple):
    """All but the query that the rates of a side are made of."""

    volume: Sequence[VolumeRow]
    cvd: Sequence[CvdRow]
    wicks: Sequence[WickAsOf]
    minute: int
    reach: int | None
    gap_since: bool
    limits: SignalLimits


_of_sides: Final[dict[tuple[str, Query, Side], tuple[_SideFacts, Rates]]] = {}


def base_rates(signals: Sequence[Signal], query: Query, limits: SignalLimits) -> list[Rates]:
    """Return the base rate of each layer of each signal; all signals are of one result."""
    of_sides = {
        side: _side_rates(signals[0].state, query, limits, side)
        for side in {signal.wick.side for signal in signals}
    }
    return [{**of_sides[signal.wick.side], **_level_rates(signal, limits)} for signal in signals]


def _side_rates(state: MarketState, query: Query, limits: SignalLimits, side: Side) -> Rates:
    """Return the rates of the layers that are the same for every level of a side."""
    facts = _SideFacts(
        state.volume, state.cvd, state.wicks, state.minute, state.wicks_reach, state.gap_since,
        limits,
    )  # fmt: skip
    place = state.inst_id, query, side
    known = _of_sides.get(place)
    if known is not None and known[0] == facts:  # tuples that are the same object are soon equal
        return known[1]
    short = side == "high"
    tape = [*_windows(_last_day(state), limits.tape_minutes)]
    rates = {
        "wick": _rate(_wick_states(state, query, limits, side)),
        "volume_tier": _rate(volume_tier(recent).state for recent in tape),
        "absorption": _rate(absorption(recent, short=short).state for recent in tape),
        "cvd": _rate(cvd(row, short=short).state for row in state.cvd),
    }
    if len(_of_sides) >= _MOST_SIDES:
        _of_sides.clear()
    _of_sides[place] = facts, rates
    return rates


def _level_rates(signal: Signal, limits: SignalLimits) -> Rates:
    """Return the rates of the layers that depend on the distance of the level."""
    state, side, tip = signal.state, signal.wick.side, signal.wick.tip
    last = signal.last.price if signal.last else None
    rows = [] if last is None else [(row, tip * row.close // last) for row in state.vwap]
    books = [] if last is None else [(row, tip * row.mid // last) for row in state.past_books]
    short, oldest = side == "high", limits.buckets_stale_s * times.SECOND_MS
    fresh = [_book_age_ms(state, row.ts) <= oldest for row, _ in books]
    rates = {"vwap": _rate(vwap_state(row, limits, level, short=short) for row, level in rows)}
    for name, condition in (("wall", wall), ("imbalance", imbalance), ("young_wall", young_wall)):
        rates[name] = _rate(
            condition(row, limits, side, level).state if counts else "stale"
            for (row, level), counts in zip(books, fresh, strict=True)
        )
    return rates


def _rate(states: Iterable[State]) -> Rate | None:
    met = [state == "met" for state in states]
    return Rate(sum(met), len(met)) if met else None


def _last_day(state: MarketState) -> Sequence[VolumeRow]:
    return state.volume_since(state.minute - times.DAY_MINUTES)


def _windows(rows: Sequence[VolumeRow], minutes: int) -> Iterator[Sequence[VolumeRow]]:
    """Yield, for the end of each row's minute, the rows of the last minutes."""
    start = 0
    for end, row in enumerate(rows, 1):
        while rows[start].minute <= row.minute - minutes:
            start += 1
        yield rows[start:end]


def _book_age_ms(state: MarketState, ts: int) -> int:
    """Return the age of a past snapshot at the end of its step."""
    return (state.ms - ts) % (BOOK_STEP * times.MINUTE_MS)


def _wick_states(
    state: MarketState, query: Query, limits: SignalLimits, side: Side
) -> Iterator[State]:
    """Yield, for the end of each minute with trades, whether a wick of a side met its layer.

    The wicks around a wick are taken as they are known now; their touches count from the minute at
    which they were known. A minute that the tracker has not reached by now counts as stale.
    """
    wicks = sorted(
        (wick for wick in state.wicks if wick.timeframe == query.timeframe),
        key=lambda wick: wick.birth,
    )
    gaps, since = state.gap_minutes, state.minute - times.DAY_MINUTES
    met: set[int] = set()
    for wick in wicks:
        if wick.side == side:
            hidden = _while_hidden(wick, wicks, query, limits)
            gap = touch_gap(wick, gaps) if hidden else None
            met.update(range(max(hidden.start, since), min(hidden.stop, gap or hidden.stop)))
    reached = (state.wicks_reach or 0) + limits.wicks_stale_s * times.SECOND_MS // times.MINUTE_MS
    for row in _last_day(state):
        minute = row.minute + 1
        yield "not_met" if minute not in met else "met" if minute <= reached else "stale"


def _while_hidden(
    wick: WickAsOf, wicks: Sequence[WickAsOf], query: Query, limits: SignalLimits
) -> range:
    """Return the minutes at which a wick passed rules 1 to 3."""
    end = wick.birth + query.age_max
    end = min(end, end if wick.ended is None else wick.ended - 1)
    if end < wick.birth + query.age_min:
        return range(0)  # touched so early, as most wicks are
    found = around(wick, wicks, limits)
    touches = sorted(
        other.ended
        for other in found.others
        if other.status == "touched" and other.ended is not None
    )
    if len(touches) < query.min_touched or (query.small_only and not found.small):
        return range(0)
    start = wick.birth + query.age_min
    if query.min_touched:
        start = max(start, touches[query.min_touched - 1])
    return range(start, end + 1)
