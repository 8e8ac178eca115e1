"""Judges a recorded day: its candidates put through the engine in all 18 executions, in one pass.

Trades come first: they say which orders depend on their queue. Then the books are read, once, for
those alone, and the lines are written.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from Edge_Lab.day_candidates import CandidatesOfDay, DayCandidate
from Edge_Lab.day_market import MarketSpan, RecordedMarket, recorded_market, with_books
from Edge_Lab.executions import Execution, executions
from Edge_Lab.families import EXITS, ExitChoice
from Edge_Lab.placebo import Bracket
from Edge_Lab.trial_files import DayNote
from Edge_Lab.trial_ledger import data_id
from Edge_Lab.trials import Answers, PlacedTrial, TrialMarket, TrialPlan, placed, written
from ravequant import exact, times
from ravequant.settings import Settings
from ravequant.signals.trade_plan import moved
from ravequant.vault.paths import Vault

UNTIL_MIN: Final = 180  # of the day after: the horizon of each trial, with the usual settings
_OLDEST: Final = 120  # minutes: the largest age of the filters
Candidates = Callable[[Vault, str, str, Settings], CandidatesOfDay]


@dataclass(frozen=True, slots=True)
class JudgedDay:
    """The trials of a day by execution, and the note without their files."""

    note: DayNote
    made: tuple[tuple[Execution, list[dict[str, Any]]], ...]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The trials of the default execution."""
        return self.made[0][1]


def needed_until(day: str, hold_max_min: int) -> int:
    """Return the time (Unix ms) that trades and books of a UTC day must reach: 03:00 or later."""
    minutes = max(UNTIL_MIN, _OLDEST + hold_max_min)
    return times.day_start_ms(day) + times.DAY_MS + minutes * times.MINUTE_MS


def judge_day(
    vault: Vault,
    inst_id: str,
    day: str,
    chosen: Settings,
    *,
    until_ms: int,
    candidates_of: Candidates,
) -> JudgedDay:
    """Return the trials of a UTC day. Raises VaultError, and NoDataError without its trades.

    ``until_ms`` (Unix ms) is how far the trades reach, as the note will say; ``candidates_of``
    finds the levels that the query returned.
    """
    found = candidates_of(vault, inst_id, day, chosen)
    candidates = sorted(found.candidates, key=lambda one: (one.minute, one.event_id, one.age_max))
    span = span_of(candidates, day, chosen.edge.hold_max_min)
    recorded = recorded_market(vault, inst_id, day, span, prices_of(candidates))
    ways = executions(chosen)
    trials: list[tuple[int, PlacedTrial, Answers]] = []
    for candidate in candidates:
        answers: Answers = {}
        placed_ones = _placed(candidate, recorded, chosen, ways, answers)
        trials += [(number, trial, answers) for number, trial in placed_ones]
    market, books = with_books(
        vault,
        day,
        recorded,
        (order for _, trial, _ in trials for order in trial.asking()),
        max((trial.plan.size for _, trial, _ in trials), default=1),
        depth_levels=chosen.l2.depth_levels,
        until_ms=span.until,
    )
    inputs = (*recorded.inputs, *books)
    note = DayNote(
        data_id(inputs),
        {one.name: [one.crc32, one.length] for one in inputs},
        books=bool(books),
        until_utc=times.iso(until_ms),
        no_plan=found.no_plan,
    )
    return JudgedDay(note, _lines(trials, market, ways))


def _lines(
    trials: Sequence[tuple[int, PlacedTrial, Answers]],
    market: TrialMarket,
    ways: Sequence[Execution],
) -> tuple[tuple[Execution, list[dict[str, Any]]], ...]:
    lines: list[list[dict[str, Any]]] = [[] for _ in ways]
    for number, trial, answers in trials:
        lines[number].append(written(trial, market, answers))
    return tuple(zip(ways, lines, strict=True))


def _placed(
    candidate: DayCandidate,
    recorded: RecordedMarket,
    chosen: Settings,
    ways: Sequence[Execution],
    answers: Answers,
) -> Iterator[tuple[int, PlacedTrial]]:
    """Yield the trials of a candidate, each with the number of its execution."""
    for number, way in enumerate(ways):
        if way.default or candidate.families:
            plan = plan_of(candidate, recorded, chosen, way)
            rules = replace(way.rules, age_max=candidate.age_max)
            if not way.default:
                rules = replace(rules, kinds=("shifted",))
            trial = placed(plan, recorded.market, rules, answers=answers)
            if trial is not None:
                yield number, trial


def plan_of(
    candidate: DayCandidate, recorded: RecordedMarket, chosen: Settings, way: Execution
) -> TrialPlan:
    """Return the plan of a candidate under an execution, in the tape's units."""
    units = recorded.units
    stop, target = _exits(candidate, recorded, way.exit)
    return TrialPlan(
        event_id=candidate.event_id,
        minute=candidate.minute,
        birth=candidate.birth,
        candle_start=candidate.candle_start,
        bracket=Bracket(candidate.side, units(candidate.entry), stop, target),
        size=recorded.size(chosen.edge.size_usd.text, candidate.entry),
        last=units(candidate.last),
        in_contact=candidate.in_contact,
        tips=[units(tip) for tip in candidate.tips],
        families=candidate.families,
        filters=candidate.filters if way.default else (),
        facts=candidate.facts if way.default else None,
    )


def _exits(
    candidate: DayCandidate, recorded: RecordedMarket, choice: ExitChoice
) -> tuple[int, int | None]:
    """Return stop and target in the tape's units.

    Each is moved by its bps, then away from the entry to the next tick; the stop lies beyond the
    farthest tip of the group, as that of the plan does.
    """
    units, tick, side = recorded.units, recorded.market.tick, candidate.side
    target = None if candidate.target is None else units(candidate.target)
    if choice == EXITS[0]:
        return units(candidate.stop), target
    stop_bps = exact.units(choice.stop_bps, exact.SIZE_PLACES)
    stop = moved(units(candidate.farthest), tick, -side * stop_bps)
    if choice.target_bps is not None:
        target_bps = exact.units(choice.target_bps, exact.SIZE_PLACES)
        target = moved(units(candidate.entry), tick, side * target_bps)
    return stop, target


def prices_of(candidates: Sequence[DayCandidate]) -> Iterator[int]:
    """Yield the prices that the tape of these candidates must hold exactly."""
    for one in candidates:
        yield from (one.entry, one.stop, one.farthest, one.last, *one.tips)
        if one.target is not None:
            yield one.target


def span_of(candidates: Sequence[DayCandidate], day: str, hold_max_min: int) -> MarketSpan:
    """Return the time from the first birth or candle to the last horizon, at least the day."""
    start = times.day_start_ms(day)
    first = min((min(one.birth, one.candle_start) for one in candidates), default=None)
    horizons = (one.birth + one.age_max + 2 + hold_max_min for one in candidates)
    return MarketSpan(
        start if first is None else min(start, first * times.MINUTE_MS),
        max([start + times.DAY_MS, *(end * times.MINUTE_MS for end in horizons)]),
    )
