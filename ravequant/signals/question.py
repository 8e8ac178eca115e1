"""A question: an instrument, the rules of the query, and the moment (SPEC section 11)."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from ravequant import cli, times
from ravequant.errors import NoDataError, UsageError
from ravequant.signals import as_of, clock, lab_verdict, live
from ravequant.signals.base_rates import Rates, base_rates
from ravequant.signals.candidates import Query
from ravequant.signals.context.block import with_context
from ravequant.signals.inputs import TIMEFRAMES
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState
from ravequant.signals.proof import START, LabVerdict, counting, not_tested
from ravequant.signals.query_id import query_id
from ravequant.signals.rules import QueryResult, Signal, find
from ravequant.signals.seen import NoEntry, Seen, parse_seen
from ravequant.signals.serialize import as_json, shown_fields
from ravequant.signals.since_minute import since_minute, without_entry
from ravequant.vault.paths import Vault

OLDEST: Final = 168 * 60  # minutes; the age at which a wick expires
_OF_TODAY: Final = re.compile(r"\s*[0-9]{2}:")  # a time without a date: the clock gives it
_log = logging.getLogger("find_signals")


def query_of(
    age_min: int, age_max: int, timeframe: str, min_touched: int, *, small_only: bool
) -> Query:
    """Return the query of these arguments. Raises UsageError for one that can find nothing."""
    if timeframe not in TIMEFRAMES:
        raise UsageError(f"timeframe {timeframe!r} is unknown: one of {', '.join(TIMEFRAMES)}")
    if not 0 <= age_min <= age_max <= OLDEST:
        raise UsageError(
            f"ages {age_min} to {age_max} min: expected 0 <= --age-min <= --age-max <= {OLDEST}, "
            "at which a wick expires"
        )
    if min_touched < 0:
        raise UsageError(f"--min-touched {min_touched}: expected 0 or more")
    return Query(age_min, age_max, timeframe, min_touched, small_only)


class When(NamedTuple):
    """The moment of a question: a minute, or an instant; neither: the newest minute of all."""

    minute: int | None = None
    instant_ms: int | None = None
    live: bool = False  # an instant of now: all lines on disk are read
    seen: Seen | None = None


def when(vault: Vault, at: str | datetime | None, seen: str | None = None) -> When:
    """Return the moment of ``at``, None being now; with ``seen`` a question to the instant.

    Raises UsageError, and FeedError if the clock of a local exchange cannot be asked.
    """
    if at is None:
        if seen is not None:
            raise UsageError("--seen repeats an answer: give the time of that answer with --at")
        return When(instant_ms=clock.now().ms, live=True)
    moment = cli.asked(vault, at)
    if moment == times.LATEST:
        if seen is not None:
            raise UsageError(f"--seen is of an instant, not of {times.LATEST}: give it with --at")
        return When()
    if isinstance(at, str) and _OF_TODAY.match(at):
        wrong = clock.problem(vault, clock.Clock(times.utc_now_ms()))
        if wrong:
            _log.warning("%s is taken for %s: %s", at, times.iso(moment.ms), wrong)
    if seen is None and moment.ms % times.MINUTE_MS == 0:
        return When(moment.ms // times.MINUTE_MS)
    return When(instant_ms=moment.ms, seen=None if seen is None else parse_seen(seen))


class Request(NamedTuple):
    """One question about one instrument."""

    vault: Vault
    inst_id: str
    query: Query
    limits: SignalLimits
    when: When = When()
    clock_wrong: bool = False
    not_recorded: str = ""  # of a question of now: why trades or books do not come
    again: Callable[[], None] | None = None  # brings the calculators up to date once more

    def find(self, *, past: bool) -> QueryResult:
        """Read the market state and judge it; NoDataError if there are no records at all.

        ``past``: the result will be asked for base rates.
        """
        if self.when.instant_ms is None:
            return with_context(self._to_the_minute(past=past), self.vault, self.limits)
        result = self._to_the_instant(self.when.instant_ms, past=past)
        if self._no_entry:
            result = without_entry(result, self._no_entry)
        return with_context(result, self.vault, self.limits)

    @property
    def _no_entry(self) -> NoEntry | None:
        """The reason why no signal can be traded; that of an answer given before is in ``seen``."""
        if self.when.seen is not None:
            return self.when.seen.no_entry
        if self.clock_wrong:
            return "clock"
        return "recorder" if self.not_recorded else None

    def _to_the_minute(self, *, past: bool) -> QueryResult:
        minute = self.when.minute
        if minute is None:
            minute = as_of.latest(self.vault, self.inst_id)
        if minute is None:
            raise self._no_data("")
        state = as_of.read(self.vault, self.inst_id, minute, back=self._back, past=past)
        if not _has_data(state):
            raise self._no_data(f" by {times.iso_minute(minute)}")
        return find(self._with_verdict(state), self.query, self.limits)

    def _to_the_instant(self, ms: int, *, past: bool) -> QueryResult:
        asked = live.InstantQuestion(
            self.vault, self.inst_id, ms, live=self.when.live, seen=self.when.seen
        )
        state, tail = live.read(
            asked, back=self._back, age_max=self.query.age_max, past=past, again=self.again
        )
        if state.instant is None or (not _has_data(state) and state.instant.newest is None):
            raise self._no_data(f" by {times.iso(ms)}")
        seen = state.instant.seen._replace(no_entry=self._no_entry)
        instant = state.instant._replace(seen=seen)
        state = replace(state, instant=instant)
        unsure = "" if self.when.live else live.unsure(asked, instant)
        if unsure:
            _log.info("%s: an answer given then may have lacked %s", self.inst_id, unsure)
        found = find(self._with_verdict(state), self.query, self.limits)
        return since_minute(found, self.limits, tail, instant.newest)

    def _with_verdict(self, state: MarketState) -> MarketState:
        """Return a state with the lab's verdict; that of an answer given before is in ``seen``."""
        if not self.limits.size_by_verdict:
            return state
        verdict, instant = self._verdict(state), state.instant
        if instant is not None:
            seen = instant.seen._replace(verdict_ms=verdict.made_ms)
            instant = instant._replace(seen=seen)
        return replace(state, verdict=verdict, instant=instant)

    def _verdict(self, state: MarketState) -> LabVerdict:
        ms = state.asked_ms
        if self.when.live:
            found = lab_verdict.read_verdict(self.vault)
        elif self.when.seen is None:
            found = lab_verdict.verdict_by(self.vault, ms)
        else:
            made_ms = self.when.seen.verdict_ms
            found = lab_verdict.verdict_of(self.vault, made_ms) if made_ms else None
        if found is None:
            return not_tested()
        if self.inst_id not in found.instruments:
            return not_tested(f" on {self.inst_id}; {START}")._replace(made_ms=found.made_ms)
        mine = query_id(self.query, self.limits) if found.query_id else ""
        if mine != found.query_id or (not mine and self.query != Query()):
            return not_tested(" with these options")._replace(made_ms=found.made_ms)
        return counting(found, ms)

    @property
    def _back(self) -> int:
        return self.query.age_max + self.limits.surrounding_minutes

    def _no_data(self, when: str) -> NoDataError:
        return NoDataError(
            f"no data of {self.inst_id}{when} in {self.vault.root}; start its exporters and the "
            "calculators, or name another vault with --vault"
        )

    def rates(self, signals: Sequence[Signal]) -> list[Rates]:
        """Return the base rates of the layers of signals of one result."""
        return base_rates(signals, self.query, self.limits)

    def source(self, minute: int) -> str:
        """Return the line about imported data in the 24 h before ``minute``; empty without any."""
        from ravequant.vault.imports.archive_source import source_line  # noqa: PLC0415 - --explain

        end = minute * times.MINUTE_MS
        days = times.day(end - times.DAY_MS), times.day(end)
        return source_line(self.vault, self.inst_id, *days)

    def rows(self, signals: Sequence[Signal], *, aged: bool = True) -> list[dict[str, Any]]:
        """Return signals as JSON objects.

        ``aged``: as they are shown, with the age of their minute at the instant and with what the
        lab's verdict leaves of their size; not as they are recorded.
        """
        rated = zip(signals, self.rates(signals), strict=True)
        if not aged:
            return [as_json(signal, self.limits, rates) for signal, rates in rated]
        return [
            as_json(signal, self.limits, rates, _instant_ms(signal)) | shown_fields(signal)
            for signal, rates in rated
        ]


def _instant_ms(signal: Signal) -> int | None:
    instant = signal.state.instant
    return None if instant is None else instant.ms


def _has_data(state: MarketState) -> bool:
    rows = state.wicks or state.volume or state.cvd or state.vwap
    return bool(rows or state.newest_event is not None or state.book or state.trade)
