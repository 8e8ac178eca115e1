"""The paper ledger: each live trial, judged by the engine of the backtest after its day.

``paper.jsonl`` is append-only and chained. A line is that of a trial, and says which registration
it is of, when its signal was seen, and how it would have ended without the delay of the watch:
the backtest's outcome is held against ``undelayed``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any, Final, NamedTuple

import orjson

from Edge_Lab.agreement import Plan, outcome_of
from Edge_Lab.day_candidates import DayCandidate
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.live_trials import LiveRecord, LiveTrial, covered, live_trials
from Edge_Lab.registered import Registration
from Edge_Lab.trial_files import read_note
from Edge_Lab.trial_ledger import ChainedLog
from ravequant import catalog, exact, read, times
from ravequant.catalog import DataSet
from ravequant.errors import NoDataError
from ravequant.settings import Settings
from ravequant.signals import as_of, rules
from ravequant.signals.candidates import Query
from ravequant.signals.inputs import WickAsOf
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState
from ravequant.signals.trade_plan import plan, recent_untouched
from ravequant.vault.line_file import LineFile, is_there
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault

Request = tuple[DayCandidate, int]  # and the moment at which its answer came, Unix ms
# Returns the lines of the requests of a UTC day, by the execution of the settings; None: the trades
# do not reach the minute.
Engine = Callable[[str, Sequence[Request]], "Sequence[Mapping[str, Any] | None]"]
_BEFORE_MS: Final = times.HOUR_MS  # of day 0: a signal that was shown before it is no new trial
_END_MS: Final = 1 << 62
_MINUTE_MS: Final = times.MINUTE_MS


class LiveAnswers(NamedTuple):
    """The answers of a watch about an instrument since a registration."""

    record: LiveRecord
    covered: dict[int, int]  # minutes that it answered, and when (Unix ms)


def answers(vault: Vault, inst_id: str, found: Registration) -> LiveAnswers:
    """Return the trials of a watch, and the minutes it answered."""
    since = found.registered_ms
    read_from = partial(_rows, vault, inst_id, since_ms=since - _BEFORE_MS)
    asked = found.about.query_id
    return LiveAnswers(
        live_trials(read_from(catalog.SIGNALS), asked, since),
        covered(read_from(catalog.ASKED), asked, since),
    )


def _rows(vault: Vault, inst_id: str, data: DataSet, since_ms: int) -> Iterator[Any]:
    """Yield the lines from a moment on as objects; None in place of one that is no JSON."""
    path = data.place(vault, inst_id)
    if not is_there(path):
        return
    with LineFile(path, data.key) as file:
        for line in file.between(since_ms - 1, _END_MS):
            try:
                yield orjson.loads(line)
            except ValueError:
                yield None


def paper_rows(vault: Vault, inst_id: str, found: Registration) -> list[dict[str, Any]]:
    """Return the judged trials of a registration. VaultError if the chain is broken."""
    rows = ChainedLog(LabPaths(vault).paper(inst_id)).rows()
    return [row for row in rows if row.get("registered") == found.number]


def judge(vault: Vault, inst_id: str, found: Registration, chosen: Settings, engine: Engine) -> int:
    """Judge the live trials of judged days whose end is known, and append them; return how many.

    So the books of a day are read once more, and not at each look. Raises LockedError while
    another program judges them.
    """
    if not _waiting(vault, inst_id, found):
        return 0
    market = PaperMarket(vault, inst_id, SignalLimits.of(inst_id, chosen))
    count = 0
    with writer_lock(vault, "paper", inst_id):  # another look may have judged them by now
        waiting = _waiting(vault, inst_id, found)
        for day, trials in groupby(waiting, lambda trial: times.day(trial.minute * _MINUTE_MS)):
            lines = _judged(day, list(trials), market, engine)
            if lines:
                bodies = [{"registered": found.number, **line} for line in lines]
                ChainedLog(LabPaths(vault).paper(inst_id)).append(bodies)
                count += len(bodies)
    return count


def _waiting(vault: Vault, inst_id: str, found: Registration) -> list[LiveTrial]:
    """Return the trials of judged days that have no line yet."""
    done = {(row["event_id"], row["A_utc"]) for row in paper_rows(vault, inst_id, found)}
    noted: dict[str, bool] = {}
    waiting = []
    for trial in answers(vault, inst_id, found).record.trials:
        day = times.day(trial.minute * _MINUTE_MS)
        if day not in noted:
            noted[day] = read_note(vault, inst_id, day) is not None
        if noted[day] and (trial.event_id, times.iso_minute(trial.minute)) not in done:
            waiting.append(trial)
    return waiting


def _judged(
    day: str, trials: Sequence[LiveTrial], market: "PaperMarket", engine: Engine
) -> list[dict[str, Any]]:
    """Return the lines of the trials of a day whose end is known."""
    made = [(trial, market.candidate(trial)) for trial in trials]
    there = [(trial, candidate) for trial, candidate in made if candidate is not None]
    if not there:
        return []
    requests = [
        request
        for trial, candidate in there
        for request in (
            (replace(candidate, in_contact=trial.in_contact), trial.detected_ms),
            (candidate, 0),
        )
    ]
    answered = iter(engine(day, requests))
    lines = []
    for (trial, _), line, undelayed in zip(there, answered, answered, strict=True):
        if line is None or undelayed is None or "open" in {line["status"], undelayed["status"]}:
            continue
        seen = {"detected_utc": times.iso(trial.detected_ms), "undelayed": outcome_of(undelayed)}
        lines.append({**line, **seen})
    return lines


class PaperMarket:
    """The market of an instrument around its live trials, read from the vault."""

    def __init__(self, vault: Vault, inst_id: str, limits: SignalLimits) -> None:
        self._vault, self._inst_id, self._limits = vault, inst_id, limits

    def candidate(self, trial: LiveTrial) -> DayCandidate | None:
        """Return a trial with the market as of its minute; None if that no longer has its wick.

        The plan is the one that was shown; that of a wick in contact is of its minute.
        """
        state = self._state(trial.minute)
        wick = next((one for one in state.wicks if one.event_id == trial.event_id), None)
        last = rules.last_price(state, self._limits)
        if wick is None or last is None:
            return None
        stop, target = trial.stop, trial.target
        if trial.in_contact:
            own = plan(state, self._limits, wick, self._group(state, wick))
            stop, target = own.stop, own.target
        if stop is None:
            return None
        return DayCandidate(
            event_id=trial.event_id,
            minute=trial.minute,
            age_max=Query().age_max,
            birth=trial.birth,
            candle_start=trial.candle_start,
            side=trial.side,
            entry=trial.tip,
            stop=stop,
            farthest=trial.tip,  # of its group: no other exit asks for it
            target=target,
            last=last.price,
            in_contact=rules.in_contact(state, self._limits, wick),
            tips=tuple(sorted({one.tip for one in recent_untouched(state)})),
            families=trial.families,
            filters=(),
            wicks=(trial.event_id,),
            facts={},
        )

    def _group(self, state: MarketState, wick: WickAsOf) -> list[WickAsOf]:
        """Return the near twins of a wick in the query's answer, beyond which its stop lies."""
        levels, _ = rules.JudgedMinute(state, self._limits).levels(Query(), self._limits)
        found = next((level for level in levels if level.wick == wick), None)
        return [] if found is None else [member.wick for member in found.members]

    def plan_at(self, event_id: str, minute: int) -> Plan | None:
        """Return the plan that a question to a minute gives for a wick, None if it is no signal."""
        found = rules.find(self._state(minute), Query(), self._limits)
        for signal in found.signals:
            if signal.wick.event_id == event_id and signal.plan.entry is not None:
                return signal.plan.entry, signal.plan.stop, signal.plan.target
        return None

    def reached(self, price: int, start_ms: int, end_ms: int, *, rising: bool) -> bool:
        """Return True if a trade of [start, end) was at a price or beyond it, going up or down."""
        since, until = (times.iso(moment) for moment in (start_ms, end_ms))
        try:
            table = read.trades(self._inst_id, since, until, vault=self._vault.root)
        except NoDataError:
            return False
        traded = (exact.units(text, exact.PRICE_PLACES) for text in table["price"].text().tolist())
        return any(found >= price if rising else found <= price for found in traded)

    def _state(self, minute: int) -> MarketState:
        back = Query().age_max + self._limits.surrounding_minutes
        return as_of.read(self._vault, self._inst_id, minute, back=back, past=False)
