"""The answer of `find_signals` to a question, with the ages of its data: the decision of the page.

The signals are the objects that `find_signals --json` prints at the same moment.
"""

from typing import Any, NamedTuple

from ravequant import settings, times
from ravequant.errors import NoDataError
from ravequant.exact import price_text
from ravequant.settings import Settings
from ravequant.signals import clock
from ravequant.signals.against import against
from ravequant.signals.candidates import Query
from ravequant.signals.clock import Clock
from ravequant.signals.context.words import context_lines
from ravequant.signals.evidence import within
from ravequant.signals.limits import STREAMS, SignalLimits, Stream
from ravequant.signals.market_state import MarketState
from ravequant.signals.question import Request, When, query_of
from ravequant.signals.recorded import check_recorded
from ravequant.signals.rules import QueryResult, Signal
from ravequant.signals.serialize import seconds
from ravequant.signals.wording import counted, facts, why_no_trade, worth
from ravequant.vault.paths import Vault
from ravequant.vault.recorder_state import why_not_recorded, why_unknown

Answer = dict[str, Any]


class Answered(NamedTuple):
    """An answer as JSON, and the result of the query from which it was made."""

    answer: Answer
    result: QueryResult
    limits: SignalLimits


def answer(
    vault: Vault,
    inst_id: str,
    when: When,
    timeframe: str = "1m",
    *,
    now: Clock | None = None,
    wall_ms: int | None = None,
    chosen: Settings | None = None,
) -> Answer:
    """Return the answer to a question about an instrument, as JSON; see ``answered``."""
    return answered(vault, inst_id, when, timeframe, now=now, wall_ms=wall_ms, chosen=chosen).answer


def answered(
    vault: Vault,
    inst_id: str,
    when: When,
    timeframe: str = "1m",
    *,
    now: Clock | None = None,
    wall_ms: int | None = None,
    chosen: Settings | None = None,
) -> Answered:
    """Answer a question of ``when`` with the default query on the wicks of a timeframe.

    A live question is judged by the clock ``now`` (that of ``when`` if None), the heartbeats of
    the recorders by ``wall_ms`` (Unix ms; the same). ``chosen`` None: the settings of the file in
    use. Ages are in whole seconds, at the instant or the minute of the answer. Raises UsageError
    for an unknown timeframe, NoDataError without any record, VaultError for an unreadable file.
    """
    default = Query()
    query = query_of(
        default.age_min, default.age_max, timeframe, default.min_touched, small_only=True
    )
    chosen = settings.load() if chosen is None else chosen
    limits = SignalLimits.of(inst_id, chosen)
    check_recorded(vault, inst_id)
    wrong = stands = unknown = ""
    if when.live and when.instant_ms is not None:
        now = now or Clock(when.instant_ms)
        wall_ms = now.ms if wall_ms is None else wall_ms
        wrong = clock.problem(vault, now)
        stands = why_not_recorded(vault, inst_id, wall_ms)
        unknown = why_unknown(vault, inst_id, wall_ms)
    request = Request(vault, inst_id, query, limits, when, bool(wrong), stands)
    try:
        result = request.find(past=True)
    except NoDataError:
        if unknown:
            raise NoDataError(f"no data of {inst_id} yet: {unknown}") from None
        raise
    missing = f"not known yet: {unknown}" if unknown else result.missing
    state = result.state
    found = {
        "as_of_utc": times.iso_minute(state.minute),
        "at_utc": None if state.instant is None else times.iso(state.instant.ms),
        "seen": None if state.instant is None else state.instant.seen.text,
        "signals": request.rows(result.signals),
        "words": [_words(signal, limits, chosen.alerts.approach_bps) for signal in result.signals],
        "missing": None if result.signals else missing,
        "price": price_of(result),
        "data": {name: _stream(state, limits, name) for name in STREAMS},
        "clock": wrong,
        "not_recorded": stands,
        "no_entry": "clock" if wrong else "recorder" if stands else None,
    }
    return Answered(found, result, limits)


def _words(signal: Signal, limits: SignalLimits, approach: int) -> dict[str, Any]:
    """Return a signal in the words of `find_signals`; near: an alert of its approach is due."""
    last = signal.last
    return {
        "worth": worth(signal),
        "why": why_no_trade(signal, limits),
        "against": against(signal, limits),
        "counted": counted(signal),
        "facts": facts(signal),
        "context": context_lines(signal.context),
        "near": last is not None and within(signal.wick.tip - last.price, approach, last.price),
    }


def price_of(result: QueryResult) -> dict[str, str] | None:
    """Return the last price of an answer and its source; None without any."""
    last = result.last
    return None if last is None else {"value": price_text(last.price), "source": last.source}


def _stream(state: MarketState, limits: SignalLimits, name: Stream) -> dict[str, Any]:
    most = limits.stale_ms(name)
    return {
        "age_s": seconds(state.age_ms(name)),
        "state": state.defect(name, limits) or "fresh",
        "limit_s": None if most is None else most // times.SECOND_MS,
    }
