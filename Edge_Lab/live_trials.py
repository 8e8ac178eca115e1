"""The trials of a watch: its signals as they were shown, of the lines that it recorded. Pure.

A line is a trial if it is the first of its event and family, and was seen within two minutes of its
minute. Lines of another question, and of earlier versions, are none (SPEC section 17).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from Edge_Lab.families import FAMILIES, REGISTERED
from ravequant import exact, times
from ravequant.signals.inputs import TIMEFRAMES

if TYPE_CHECKING:
    from ravequant.signals.rules import Signal

LATE_MS: Final = 120_000  # from the minute of an answer to the time at which it was seen
MIN_SCORE: Final = 0  # of a watch whose signals count: no level may be left out
_BROKEN: Final = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True)
class LiveTrial:
    """A signal when it was first shown; prices in units of exact.PRICE_PLACES, Unix minutes."""

    event_id: str
    minute: int  # A
    detected_ms: int  # Unix ms
    families: tuple[str, ...]  # of REGISTERED, whose first line for this event it is
    birth: int
    candle_start: int
    side: Literal[1, -1]  # LONG, SHORT
    tip: int
    stop: int | None  # None with the next: it was in contact, without an entry
    target: int | None
    in_contact: bool


@dataclass(frozen=True, slots=True)
class LiveRecord:
    """The trials of a watch, and the number of events that are none."""

    trials: tuple[LiveTrial, ...] = ()
    late: int = 0  # seen more than LATE_MS after their minute
    undated: int = 0  # without a time, or with one before their minute: the clock was wrong
    otherwise: int = 0  # of other questions
    damaged: int = 0  # lines that are no signal


def live_trials(rows: Iterable[Any], query_id: str, since_ms: int) -> LiveRecord:
    """Return the trials among the rows of signals.jsonl, in their order, from a moment on."""
    taken: dict[str, set[str]] = {name: set() for name in REGISTERED}
    trials = list[LiveTrial]()
    late, undated, otherwise, damaged = set[str](), set[str](), set[str](), 0
    for row in rows:
        try:
            event_id, minute = str(row["event_id"]), _minute(row["as_of_utc"])
            counts = minute * times.MINUTE_MS >= since_ms
            if "query_id" not in row:
                undated |= {event_id} if counts else set()
                continue
            if (row["query_id"], row["min_score"]) != (query_id, MIN_SCORE):
                otherwise |= {event_id} if counts else set()
                continue
            first = tuple(name for name in _families(row) if event_id not in taken[name])
            group = {event_id, *(str(wick["event_id"]) for wick in row["wicks"])}
            lag = _lag_ms(row)
            found = None if lag is None else _trial(row, first)
        except _BROKEN:
            damaged += 1
            continue
        for name in first:
            taken[name] |= group
        if not (first and counts):
            continue
        if found is None or lag is None:
            undated.add(event_id)
        elif lag > LATE_MS:
            late.add(event_id)
        else:
            trials.append(found)
    return LiveRecord(tuple(trials), len(late), len(undated), len(otherwise), damaged)


def covered(rows: Iterable[Any], query_id: str, since_ms: int) -> dict[int, int]:
    """Return the minutes that the rounds of a watch answered, and when each was first seen (ms)."""
    found = dict[int, int]()
    for row in rows:
        try:
            asked = (row["query_id"], row["min_score"]) == (query_id, MIN_SCORE)
            minute, lag = _minute(row["as_of_utc"]), _lag_ms(row)
        except _BROKEN:
            continue  # nothing was answered there, as far as anybody knows
        if asked and lag is not None and lag <= LATE_MS and minute * times.MINUTE_MS >= since_ms:
            found.setdefault(minute, minute * times.MINUTE_MS + lag)
    return found


def _minute(text: str) -> int:
    return times.parse_iso(text) // times.MINUTE_MS


def _lag_ms(row: Mapping[str, Any]) -> int | None:
    """Return how long after its minute an answer was seen; None if its clock cannot be right."""
    lag = times.parse_iso(row["detected_utc"]) - times.parse_iso(row["as_of_utc"])
    return lag if lag >= 0 else None


def _families(row: Mapping[str, Any]) -> list[str]:
    """Return the registered families of a recorded signal, by their own rules."""
    readings = SimpleNamespace(uncapped=row["conviction_uncapped"])
    signal = cast("Signal", SimpleNamespace(strength=row["strength"], readings=readings))
    return [name for name in REGISTERED if FAMILIES[name](signal)]


def _trial(row: Mapping[str, Any], families: tuple[str, ...]) -> LiveTrial:
    birth = _minute(row["creation_time_utc"])
    side: dict[str, Literal[1, -1]] = {"LONG": 1, "SHORT": -1}
    return LiveTrial(
        event_id=str(row["event_id"]),
        minute=_minute(row["as_of_utc"]),
        detected_ms=times.parse_iso(row["detected_utc"]),
        families=families,
        birth=birth,
        candle_start=birth - TIMEFRAMES[row["timeframe"]],
        side=side[row["direction"]],
        tip=exact.units(row["wick_price"], exact.PRICE_PLACES),
        stop=_price(row["stop"]),
        target=_price(row["target"]),
        in_contact=row["entry"] is None,
    )


def _price(text: str | None) -> int | None:
    return None if text is None else exact.units(text, exact.PRICE_PLACES)
