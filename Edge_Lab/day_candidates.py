"""The candidates of a day: each level of the grids that the query returned, at its first minutes.

One line of a day's trials comes of each (SPEC section 17). The rules are those of the query: every
minute is asked with the queries of all filters, and the wicks of a minute are judged once.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from Edge_Lab.families import FAMILIES, FILTERS, WickFilter, default_filter, name_of
from Edge_Lab.trial_facts import Fact, facts_at
from ravequant import times
from ravequant.settings import BPS, Settings
from ravequant.signals.day_states import DayStates
from ravequant.signals.evidence import shown
from ravequant.signals.inputs import TIMEFRAMES
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState
from ravequant.signals.rules import JudgedMinute, Level, Signal
from ravequant.signals.trade_plan import farthest, plan, recent_untouched
from ravequant.vault.paths import Vault

_OLDEST: Final = max(each.age_max for each in FILTERS)  # minutes
WARM_MINUTES: Final = 2 * _OLDEST  # before the day, in which earlier trials are looked for
_NAMES: Final = [name_of(each) for each in FILTERS]


@dataclass(frozen=True, slots=True)
class DayCandidate:
    """A level and its plan as of the first minute at which families or filters took it.

    Prices are in units of exact.PRICE_PLACES, times in Unix minutes.
    """

    event_id: str
    minute: int  # A
    age_max: int  # minutes, of the filters that took it: the order rests up to this age
    birth: int
    candle_start: int  # at which the wick's candle began
    side: Literal[1, -1]  # LONG, SHORT
    entry: int
    stop: int
    farthest: int  # tip of its group beyond which the stop lies
    target: int | None
    last: int  # last price as of A
    in_contact: bool
    tips: tuple[int, ...]  # of the untouched wicks of every timeframe and side, ascending
    families: tuple[str, ...]  # of the default filter, whose first minute for this event is A
    filters: tuple[str, ...]  # the names of those whose first minute for this event is A
    wicks: tuple[str, ...]  # event ids of its group
    facts: Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class CandidatesOfDay:
    """The candidates of a day by (minute, event_id, age_max), and how many levels had no plan."""

    candidates: tuple[DayCandidate, ...]
    no_plan: int


def day_candidates(vault: Vault, inst_id: str, day: str, chosen: Settings) -> CandidatesOfDay:
    """Return the candidates whose A lies in a UTC day.

    The walk begins WARM_MINUTES before it: a level that was first taken then is no trial of the
    day. Raises VaultError for a file that cannot be read.
    """
    start = times.day_start_ms(day) // times.MINUTE_MS
    first, last = start - WARM_MINUTES, start + times.DAY_MINUTES - 1
    grid = GridWalk(SignalLimits.of(inst_id, chosen), limits_by_reach(inst_id, chosen))
    back = _OLDEST + chosen.signals.surrounding_minutes
    states = DayStates(vault, inst_id, first, last, back=back)
    made: list[DayCandidate] = []
    no_plan = 0
    for minute in range(first, last + 1):
        found, without = grid.take(states.at(minute))
        if minute >= start:
            made += found
            no_plan += without
    return CandidatesOfDay(tuple(made), no_plan)


def limits_by_reach(inst_id: str, chosen: Settings) -> dict[int, SignalLimits]:
    """Return the limits with each reach of the filters."""
    made = {}
    for reach in sorted({each.reach_bps for each in FILTERS}):
        signals = chosen.signals._replace(reach_bps=BPS.default(shown(reach)))
        made[reach] = SignalLimits.of(inst_id, chosen._replace(signals=signals))
    return made


@dataclass(slots=True)
class _Taking:
    """The families and filters of one age that take an event for the first time at a minute."""

    age_max: int
    level: Level
    families: list[str] = field(default_factory=list)
    filters: list[str] = field(default_factory=list)


class GridWalk:
    """Walks over minutes, and knows which events each family and filter has taken before.

    With a trial all wicks of its group are taken: none of them is a trial there again.
    """

    def __init__(self, limits: SignalLimits, by_reach: Mapping[int, SignalLimits]) -> None:
        self._limits, self._by_reach = limits, by_reach
        self._taken: dict[str, set[str]] = defaultdict(set)  # by "family f" and name of a filter

    def take(self, state: MarketState) -> tuple[list[DayCandidate], int]:
        """Return the candidates of a minute by event, and how many levels have no plan."""
        asked = JudgedMinute(state, self._limits)
        found: dict[tuple[str, int], _Taking] = {}
        default = default_filter(self._limits.reach_bps)  # the first: its group makes the plan
        for level in asked.levels(default.query, self._limits)[0]:
            families = list(self._families(asked.signal(level)))
            if families:
                key = level.wick.event_id, default.age_max
                found[key] = _Taking(default.age_max, level, families)
        for wick_filter, name, level in self._levels(asked):
            event_id, age_max = level.wick.event_id, wick_filter.age_max
            if event_id in self._taken[name]:
                continue
            if wick_filter.takes(state, level.wick, self._limits):
                self._take(name, asked.signal(level))
                taking = found.setdefault((event_id, age_max), _Taking(age_max, level))
                taking.filters.append(name)
        made = [self._candidate(asked, found[key]) for key in sorted(found)]
        whole = [candidate for candidate in made if candidate is not None]
        return whole, len(made) - len(whole)

    def _levels(self, asked: JudgedMinute) -> Iterator[tuple[WickFilter, str, Level]]:
        """Yield the levels of each filter."""
        known: dict[WickFilter, list[Level]] = {}
        for wick_filter, name in zip(FILTERS, _NAMES, strict=True):
            bare = wick_filter._replace(wall=False)
            if bare not in known:
                known[bare], _ = asked.levels(bare.query, self._by_reach[bare.reach_bps])
            for level in known[bare]:
                yield wick_filter, name, level

    def _families(self, signal: Signal) -> Iterator[str]:
        """Take a signal for the families that it comes to for the first time, and yield them."""
        for family, takes in FAMILIES.items():
            name = f"family {family}"
            if signal.wick.event_id not in self._taken[name] and takes(signal):
                self._take(name, signal)
                yield family

    def _take(self, name: str, signal: Signal) -> None:
        self._taken[name].add(signal.wick.event_id)
        self._taken[name].update(wick.event_id for wick in signal.wicks)

    def _candidate(self, asked: JudgedMinute, taking: _Taking) -> DayCandidate | None:
        """Return the candidate, None without a stop or a last price."""
        signal, state, last = asked.signal(taking.level), asked.state, asked.last
        wick = signal.wick
        group = [member.wick for member in taking.level.members]
        trade = plan(state, self._limits, wick, group)  # in contact it has its prices too
        if trade.entry is None or trade.stop is None or last is None:
            return None
        return DayCandidate(
            event_id=wick.event_id,
            minute=state.minute,
            age_max=taking.age_max,
            birth=wick.birth,
            candle_start=wick.birth - TIMEFRAMES[wick.timeframe],
            side=-1 if wick.side == "high" else 1,
            entry=trade.entry,
            stop=trade.stop,
            farthest=farthest(wick, group).tip,
            target=trade.target,
            last=last.price,
            in_contact=signal.in_contact,
            tips=tuple(sorted({other.tip for other in recent_untouched(state)})),
            families=tuple(taking.families),
            filters=tuple(taking.filters),
            wicks=tuple(other.event_id for other in signal.wicks),
            facts=facts_at(state, self._limits, signal.candidate, last),
        )
