"""The candidates of a day: each level of the grids that the query returned, at its first minutes.

One line of a day's trials comes of each (SPEC section 17).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DayCandidate:
    """A level and its plan as of the first minute at which families or filters took it.

    Prices are in units of exact.PRICE_PLACES, times in Unix minutes.
    """

    inst_id: str
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
    facts: Mapping[str, str | int | None]


@dataclass(frozen=True, slots=True)
class CandidatesOfDay:
    """The candidates of a UTC day by (minute, event_id), and how many levels had no plan."""

    candidates: tuple[DayCandidate, ...]
    no_plan: int
