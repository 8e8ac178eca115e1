"""Signals in doubt: the recording of their instrument stands, and nobody knows of them. Pure.

A signal that was notified of is in doubt from the round that finds its instrument not recorded
until one that finds it recorded again. A message says the first, and another the second, outside of
the budget of the hour; each counts once it was accepted, and is due until then or until it is void.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from ravequant import times
from ravequant.alerts.ends import RoundAnswer
from ravequant.alerts.policy import AlertPolicy
from ravequant.alerts.policy_state import MOST_TEXT, KnownSignal
from ravequant.exact import price_text
from ravequant.signals.limits import SignalLimits
from ravequant.signals.rules import Signal
from ravequant.signals.wording import why_no_trade

PATIENCE_MS: Final = 10 * times.SECOND_MS  # a shorter stop, like a reconnection, is no news


class RecordingStop(NamedTuple):
    """The time since which an instrument is not recorded, as far as known, and the reason."""

    since_ms: int
    why: str


class RecordingStops:
    """The instruments that are not recorded, as the rounds of a watch find them.

    All times are Unix milliseconds of this computer's clock.
    """

    def __init__(self, started_ms: int) -> None:
        self._started = started_ms  # a stop of before counts from then: all may be starting
        self._stops: dict[str, RecordingStop] = {}
        self._recorded: dict[str, int] = {}  # since when

    def __getitem__(self, inst_id: str) -> RecordingStop:
        return self._stops[inst_id]

    def __contains__(self, inst_id: str) -> bool:
        return inst_id in self._stops

    def take(self, inst_id: str, why: str, since_ms: int | None, now: int) -> bool | None:
        """Take the finding of a round; return True if the recording stands, False if it goes on.

        ``why``: empty if the instrument is recorded. ``since_ms``: None if not known. Returns None
        while either is too young to be news.
        """
        if not why:
            self._stops.pop(inst_id, None)
            since = min(self._recorded.get(inst_id, now), now)
            self._recorded[inst_id] = since
            return False if now - since >= PATIENCE_MS else None
        self._recorded.pop(inst_id, None)
        before = self._stops.get(inst_id)
        if since_ms is None or since_ms > now:
            since_ms = now if before is None else min(before.since_ms, now)
        self._stops[inst_id] = RecordingStop(since_ms, why)
        return True if now - max(since_ms, self._started) >= PATIENCE_MS else None


class DoubtMessage(NamedTuple):
    """A message to the holders of signals: their instrument is not recorded, or it is again."""

    inst_id: str
    stands: bool  # the recording
    levels: Mapping[str, str]  # key of each signal -> direction and price


class Sequel(NamedTuple):
    """The state of a signal once its instrument is recorded again."""

    stands: bool
    words: str


def levels_of(answer: RoundAnswer) -> dict[str, str]:
    """Return direction and price of each wick of an answer, by its event_id."""
    return {
        wick.event_id: f"{'SHORT' if wick.side == 'high' else 'LONG'} {price_text(wick.tip)}"
        for wick in answer.result.state.wicks
    }


def sequel(signal: Signal | None, limits: SignalLimits) -> Sequel:
    """Return the state of a signal that is out of doubt; None: no answer has it any more."""
    if signal is None:
        return Sequel(stands=False, words="is no signal any more")
    if why := why_no_trade(signal, limits):
        return Sequel(stands=False, words=f"is no entry: {why}")
    return Sequel(stands=True, words="still stands")


def stop_row(message: DoubtMessage, stop: RecordingStop) -> dict[str, Any]:
    """Return the message of a stop as a command gets it."""
    return {
        "alert": "not_recording",
        "instId": message.inst_id,
        "since_utc": times.iso(stop.since_ms),
        "why": stop.why,
        "signals": [_row(*item) for item in message.levels.items()],
    }


def sequel_row(message: DoubtMessage, sequels: Mapping[str, Sequel]) -> dict[str, Any]:
    """Return the message of a recording that goes on as a command gets it."""
    rows = [
        _row(key, level) | {"stands": sequels[key].stands, "why": sequels[key].words}
        for key, level in message.levels.items()
    ]
    return {"alert": "recording", "instId": message.inst_id, "signals": rows}


def _row(key: str, level: str) -> dict[str, Any]:
    direction, _, price = level.partition(" ")
    return {"event_id": key, "direction": direction, "wick_price": price}


def doubt(policy: AlertPolicy, levels: Mapping[str, str]) -> dict[str, str]:
    """Bring open signals of an instrument that is not recorded into doubt; return the new.

    ``levels``: direction and price by each name of a signal; returned are those by key.
    """
    found = {}
    for known in policy.signals():
        level = next((levels[name] for name in known.names if name in levels), None)
        if level is not None and not known.over and not known.doubt:
            found[known.names[0]] = known.doubt = level[:MOST_TEXT]
    return found


def trust(policy: AlertPolicy, inst_id: str) -> dict[str, str]:
    """Bring the signals of an instrument that is recorded out of doubt; return them."""
    found = {}
    for known in policy.signals():
        if known.doubt and _inst_id(known) == inst_id:
            found[known.names[0]] = known.doubt
            known.doubt = ""
    return found


def due(policy: AlertPolicy) -> list[DoubtMessage]:
    """Return the messages that differ from the newest message about a signal.

    A doubt is due until a message of it was accepted, the end of a doubt if a message of it may
    have reached somebody; neither while the end of the signal waits, which says more.
    """
    found: dict[tuple[str, bool], dict[str, str]] = {}
    for known in policy.signals():
        stands = bool(known.doubt)
        waits = not known.told_doubt and not known.over if stands else bool(known.sent_doubt)
        if waits and known.told and not policy.end_waits(known):
            levels = found.setdefault((_inst_id(known), stands), {})
            levels[known.names[0]] = known.doubt or known.sent_doubt
    return [DoubtMessage(*key, levels) for key, levels in found.items()]


def sent(policy: AlertPolicy, message: DoubtMessage) -> None:
    """Note that a message is about to be posted: after a crash it may have reached somebody."""
    for known, level in _named(policy, message):
        known.sent_doubt = level


def done(policy: AlertPolicy, message: DoubtMessage) -> None:
    """Note that a message was accepted, or refused for good."""
    for known, level in _named(policy, message):
        known.sent_doubt, known.told_doubt = level if message.stands else "", message.stands


def _named(policy: AlertPolicy, message: DoubtMessage) -> Iterator[tuple[KnownSignal, str]]:
    """Yield the signals of a message that are known still, each with its level."""
    for known in policy.signals():
        for name in known.names:
            if name in message.levels:
                yield known, message.levels[name]
                break


def _inst_id(known: KnownSignal) -> str:
    return known.names[0].partition("|")[0]
