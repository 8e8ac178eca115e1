"""The signals of a live watch, held against the trials of the backtest. Pure.

Compared are the registered families over the minutes that the watch has answered. A level that
price had reached before the watch could show it is left out: price decided there, and no rule.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from Edge_Lab.families import REGISTERED
from Edge_Lab.fills import MODELS
from Edge_Lab.live_trials import LiveTrial
from Edge_Lab.trials import SIDES
from Edge_Lab.verdict import Agreement
from ravequant import exact, times

Word = Literal["same", "shifted", "only_live", "only_backtest", "differs", "reached", "unasked"]
MOST_SHIFTED: Final = 2  # minutes: minute A-1 may not have closed when it was asked
DIFFERING: Final[tuple[Word, ...]] = ("only_live", "only_backtest", "differs")
COMPARED: Final[tuple[Word, ...]] = ("same", "shifted", *DIFFERING)
Line = Mapping[str, Any]
Pair = tuple[str, str]  # event_id, family
Plan = tuple[int, int | None, int | None]  # entry, stop, target
Outcome = Mapping[str, Any]  # status and the three models of a trial, None where one has no fill


class AnsweredMarket(Protocol):
    """The market of an instrument as far as a comparison asks for it."""

    def reached(self, price: int, start_ms: int, end_ms: int, *, rising: bool) -> bool:
        """Return True if a trade of [start, end) was at a price or beyond it, going up or down."""

    def plan_at(self, event_id: str, minute: int) -> Plan | None:
        """Return the plan that a question to a minute gives for a wick, None if it is no signal."""


@dataclass(frozen=True, slots=True)
class WatchedDays:
    """An instrument's trials of both kinds, ``past`` of the days that were judged."""

    live: Sequence[LiveTrial]
    past: Sequence[Line]
    days: AbstractSet[str]  # UTC, judged
    covered: Mapping[int, int]  # minute: when it was first seen, Unix ms
    outcomes: Mapping[tuple[str, int], Outcome]  # of judged paper trials, by event_id and A


@dataclass(slots=True)
class AgreementCheck:
    """The pairs of event and family by their word, and unequal outcomes."""

    pairs: dict[Word, list[Pair]] = field(default_factory=dict)
    unequal: list[str] = field(default_factory=list)  # event_ids

    def add(self, other: "AgreementCheck") -> None:
        """Take the pairs of another instrument."""
        for word, found in other.pairs.items():
            self.pairs.setdefault(word, []).extend(found)
        self.unequal += other.unequal

    def count(self, *words: Word) -> int:
        """Return the number of pairs of some words."""
        return sum(len(self.pairs.get(word, ())) for word in words)

    @property
    def agreement(self) -> Agreement:
        """The counts that the verdict asks for."""
        return Agreement(self.count(*COMPARED), self.count(*DIFFERING), len(self.unequal))


def compare(watched: WatchedDays, market: AnsweredMarket) -> AgreementCheck:
    """Return the word of each pair of the days that were judged."""
    live = dict(_live_pairs(watched.live))
    past = dict(_past_pairs(watched.past))
    found = AgreementCheck()
    unequal = dict[str, None]()
    for pair in sorted(live.keys() | past.keys()):
        shown, line = live.get(pair), past.get(pair)
        if _waits(shown, line, watched.days):
            continue
        word = _word(shown, line, watched, market)
        found.pairs.setdefault(word, []).append(pair)
        if word == "same" and shown is not None and line is not None:
            outcome = watched.outcomes.get((shown.event_id, shown.minute))
            if outcome is not None and outcome != outcome_of(line):
                unequal[shown.event_id] = None
    found.unequal += unequal
    return found


def _waits(shown: LiveTrial | None, line: Line | None, days: AbstractSet[str]) -> bool:
    """Return True if a pair is not decided yet.

    An open line is not, nor a signal alone while its line may be one of a day that is not judged:
    near midnight the two may stand on neighbouring days.
    """
    if line is not None or shown is None:
        return line is not None and line["status"] == "open"
    near = (shown.minute + shift for shift in (-MOST_SHIFTED, 0, MOST_SHIFTED))
    return not all(times.day(minute * times.MINUTE_MS) in days for minute in near)


def outcome_of(line: Line) -> dict[str, Any]:
    """Return the part of a line that must be equal: the status, and the result of each model."""
    return {name: line[name] for name in ("status", *MODELS)}


def _live_pairs(trials: Sequence[LiveTrial]) -> Iterator[tuple[Pair, LiveTrial]]:
    for trial in trials:
        yield from (((trial.event_id, name), trial) for name in trial.families)


def _past_pairs(lines: Sequence[Line]) -> Iterator[tuple[Pair, Line]]:
    for line in lines:
        for name in line["families"]:
            if name in REGISTERED:
                yield (line["event_id"], name), line


def _word(
    shown: LiveTrial | None, line: Line | None, watched: WatchedDays, market: AnsweredMarket
) -> Word:
    if shown is not None and shown.in_contact:
        return "reached"
    if line is None:
        return "only_live" if shown is not None and shown.minute in watched.covered else "unasked"
    seen_ms = watched.covered.get(_minute(line))
    if shown is not None:
        return _of_both(shown, line, market, asked=seen_ms is not None)
    if seen_ms is None:
        return "unasked"
    return "reached" if _gone(line, seen_ms, market) else "only_backtest"


def _of_both(shown: LiveTrial, line: Line, market: AnsweredMarket, *, asked: bool) -> Word:
    """Return the word of a trial that both have; ``asked``: the backtest's minute was answered."""
    shift = abs(shown.minute - _minute(line))
    if shift > MOST_SHIFTED:  # not asked: the watch began when the backtest had its trial already
        return "differs" if asked else "unasked"
    wanted = market.plan_at(shown.event_id, shown.minute) if shift else _plan(line)
    if wanted == (shown.tip, shown.stop, shown.target):
        return "shifted" if shift else "same"
    if wanted is not None and wanted[:2] == (shown.tip, shown.stop) and wanted[2] is not None:
        start = shown.minute * times.MINUTE_MS
        rising = shown.side > 0  # to the target
        if market.reached(wanted[2], start, shown.detected_ms, rising=rising):
            return "reached"  # a wick that was reached since A is no target any more
    return "differs"


def _gone(line: Line, seen_ms: int, market: AnsweredMarket) -> bool:
    """Return True if price was at the tip before the watch could show it."""
    if line["status"] == "missed":
        return True
    start, rising = _minute(line) * times.MINUTE_MS, line["side"] == SIDES[-1]  # to the tip
    return market.reached(_plan(line)[0], start, seen_ms, rising=rising)


def _minute(line: Line) -> int:
    return times.parse_iso(line["A_utc"]) // times.MINUTE_MS


def _plan(line: Line) -> Plan:
    texts = (line[name] for name in ("stop", "target"))
    stop, target = (None if text is None else _units(text) for text in texts)
    return _units(line["entry"]), stop, target


def _units(text: str) -> int:
    return exact.units(text, exact.PRICE_PLACES)
