"""The trials of a day of a model market: its wicks, rules 1 to 3, the plan, the lab's engine. Pure.

The wicks and candidates are those of Untouch_Wick and ravequant.signals, in columns: a test holds
both against each other. The other layers of a signal do not exist here. The families that need
them are drawn by a hash of the event, so they know nothing of the outcome.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from Edge_Lab.exits import BPS, ExitRules
from Edge_Lab.model_markets import OWN_LOTS, PRICE_PLACES, Column, Minutes, ModelDay
from Edge_Lab.placebo import Bracket, Side
from Edge_Lab.trials import TrialMarket, TrialPlan
from ravequant import times
from ravequant.signals.candidates import Query

INSTRUMENT: Final = "MODEL-USDT-SWAP"
TIMEFRAMES: Final = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240}
SIDES: Final[tuple[Literal["high", "low"], ...]] = ("high", "low")
AROUND: Final = 10  # minutes
VERY_HIGH: Final = 15  # touched around it
STOP_BPS: Final = 1
TARGET_MAX_BPS: Final = 60
QUERY: Final = Query()
NEVER: Final = np.iinfo(np.int64).max // 2
FREE: Final = ExitRules(maker_bps=0, taker_bps=0, slippage_bps=0)
# the share of the events that each drawn family takes, of 16
DRAWN: Final[Mapping[str, int]] = {
    "conviction>=HIGH": 6,
    "conviction=MAX": 2,
    "notes=MAX": 4,
    "score>=40": 10,
    "score>=60": 5,
    "score>=80": 2,
    "volume_tier": 8,
    "absorption": 4,
    "wall": 6,
    "imbalance": 5,
    "young_wall": 3,
    "cvd": 8,
    "vwap": 6,
    "whales": 3,
}
FAMILIES: Final = (
    "base", *DRAWN, "tip_exact", "VERY_HIGH", "SHORT", "LONG", "00-08", "08-16", "16-24",
    "distance<=25", "distance>25",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ModelWicks:
    """Wicks of one timeframe, by birth and then high before low; a column for each fact."""

    timeframe: str
    high: NDArray[np.bool_]  # of the upper side
    birth: Column  # Unix minute
    tip: Column  # ticks
    size: Column  # ticks
    exact: NDArray[np.bool_]  # an older untouched wick had the very same tip
    touched: Column  # Unix minute at which the touch was known; NEVER

    def __len__(self) -> int:
        return len(self.birth)

    def event_id(self, place: int) -> str:
        """Return the name of a wick."""
        start = times.iso_minute(int(self.birth[place]) - TIMEFRAMES[self.timeframe])
        return f"{INSTRUMENT}|{self.timeframe}|{start}|{SIDES[not self.high[place]]}"


def wicks_of(minutes: Minutes, timeframe: str) -> ModelWicks:
    """Return the wicks of a timeframe in minutes that are all there."""
    candles = minutes if timeframe == "1m" else minutes.joined(TIMEFRAMES[timeframe])
    births = candles.first + (np.arange(len(candles.open)) + 1) * TIMEFRAMES[timeframe]
    parts = []
    for sign in (1, -1):
        tips = candles.high if sign > 0 else -candles.low
        body = np.maximum(sign * candles.open, sign * candles.close)
        born = tips > body
        tip, birth = tips[born], births[born]
        reached = minutes.high if sign > 0 else -minutes.low
        touched = first_reach(reached, minutes.first, tip, birth)
        ended = _ends_in_candle(touched, TIMEFRAMES[timeframe])
        same = {(int(a), int(b)) for a, b in zip(tip, ended, strict=True)}
        exact = [(int(a), int(b)) in same for a, b in zip(tip, birth, strict=True)]
        parts.append((tip, birth, (tip - body[born]), touched, np.array(exact, dtype=np.bool_)))
    tip, birth, size, touched, exact_tip = (
        np.concatenate(pair) for pair in zip(*parts, strict=True)
    )
    high = np.arange(len(tip)) < len(parts[0][0])
    order = np.lexsort((~high, birth))
    return ModelWicks(
        timeframe,
        high[order],
        birth[order],
        np.abs(tip)[order],
        size[order],
        exact_tip[order],
        touched[order],
    )


def first_reach(reached: Column, first: int, tip: Column, birth: Column) -> Column:
    """Return when it was known that a minute from the birth on reached each tip; else NEVER.

    ``reached`` are the highs of consecutive minutes from ``first`` on, in Unix minutes.
    """
    found = np.full(len(tip), NEVER, dtype=np.int64)
    waiting: list[int] = []  # places of untouched wicks, the lowest tip last
    starts = birth.tolist()
    tips = tip.tolist()
    new = 0
    for place, highest in enumerate(reached.tolist()):
        minute = first + place
        while new < len(starts) and starts[new] <= minute:
            _insert(waiting, new, tips)
            new += 1
        while waiting and tips[waiting[-1]] <= highest:
            found[waiting.pop()] = minute + 1
    return found


def _insert(waiting: list[int], new: int, tips: Sequence[int]) -> None:
    place = len(waiting)
    while place and tips[waiting[place - 1]] < tips[new]:
        place -= 1
    waiting.insert(place, new)


def _ends_in_candle(touched: Column, minutes: int) -> Column:
    """Return the end of the candle in which each touch lay."""
    return -(-touched // minutes) * minutes


# --- rules 1 to 3 --------------------------------------------------------------------------------


def first_minutes(wicks: ModelWicks, query: Query = QUERY, ahead: int = 0) -> Column:
    """Return the first minute as of which rules 1 to 3 take each wick; NEVER if none does.

    With ``age_min`` not below AROUND all wicks around it are known by then, so the minute is that
    of the age, or of the last touch that is still needed. ``ahead`` is 0 but for a mutation, in
    which all statuses are read so many minutes before they are known.
    """
    if query.age_min < AROUND:
        raise ValueError(f"age_min {query.age_min} is below {AROUND}: wicks around are unknown")
    birth, touched = wicks.birth, wicks.touched - ahead
    start = birth.searchsorted(birth - AROUND)
    end = birth.searchsorted(birth + AROUND, side="right")
    places = start[:, None] + np.arange(int((end - start).max(initial=0)))
    inside = (places < end[:, None]) & (places != np.arange(len(wicks))[:, None])
    places = np.minimum(places, len(wicks) - 1)
    touches = np.sort(np.where(inside, touched[places], NEVER), axis=1)
    sizes = np.sort(np.where(inside, wicks.size[places], NEVER), axis=1)
    count = inside.sum(axis=1)
    rows, last = np.arange(len(wicks)), np.maximum(count - 1, 0)
    twice = sizes[rows, last // 2] + sizes[rows, count // 2]
    small = (count > 0) & (2 * wicks.size <= twice) if query.small_only else count >= 0
    enough = touches[:, query.min_touched - 1] if places.shape[1] >= query.min_touched else NEVER
    found = np.maximum(birth + query.age_min, enough)
    taken = small & (found <= birth + query.age_max) & (found < touched)
    return np.where(taken, found, NEVER)


class _Level(NamedTuple):
    """A trial before its plan: the strongest wick of a group."""

    minute: int  # A
    place: int
    group: tuple[int, ...]  # places, itself included


def levels(
    wicks: ModelWicks, first: int, last: int, query: Query = QUERY, ahead: int = 0
) -> Iterator[_Level]:
    """Yield the level of each trial with A in [first, last), in order of A and event_id.

    Near twins are one level, and a wick of the group of an earlier trial is no trial again.
    """
    begins = first_minutes(wicks, query, ahead)
    ends = np.minimum(wicks.birth + query.age_max + 1, wicks.touched - ahead)
    places = np.flatnonzero((begins < last) & (ends > first))
    used: set[int] = set()
    for minute in range(first, last):
        alive = places[(begins[places] <= minute) & (minute < ends[places])].tolist()
        if used.issuperset(alive):
            continue
        groups = [group for group in _groups(wicks, alive) if group[0] not in used]
        made = [_Level(minute, group[0], group) for group in groups]
        for level in sorted(made, key=lambda level: wicks.event_id(level.place)):
            yield level
            same = wicks.tip[list(level.group)]
            lead = level.place
            twins = (wicks.high == wicks.high[lead]) & (wicks.birth <= minute)
            alike = twins & (wicks.touched > minute) & np.isin(wicks.tip, same)
            used.update(level.group, np.flatnonzero(alike).tolist())


def _groups(wicks: ModelWicks, alive: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield near twins of a side together: an exact tip first, then the older wick."""
    left = sorted(alive, key=lambda place: (not wicks.exact[place], place))
    while left:
        lead, tip = left[0], int(wicks.tip[left[0]])
        group = tuple(
            place
            for place in left
            if wicks.high[place] == wicks.high[lead] and abs(wicks.tip[place] - tip) * BPS <= tip
        )
        yield group
        left = [place for place in left if place not in group]


# --- plans and lines -----------------------------------------------------------------------------


def plans_of(
    day: ModelDay, wicks: Mapping[str, ModelWicks], query: Query = QUERY, ahead: int = 0
) -> Iterator[TrialPlan]:
    """Yield the plan of each trial of a day; ``ahead`` as in ``first_minutes``."""
    own, end = wicks["1m"], day.start + times.DAY_MINUTES
    for minute, place, group in levels(own, day.start, end, query, ahead):
        tips = own.tip[list(group)]
        tip, high = int(own.tip[place]), bool(own.high[place])
        last = int(day.minutes.close[minute - 1 - day.minutes.first])
        side: Side = -1 if high else 1
        target = _target(own, place, minute)
        bracket = Bracket(side, tip, _stop(int(tips.max() if high else tips.min()), side), target)
        event_id = own.event_id(place)
        yield TrialPlan(
            event_id=event_id,
            minute=minute,
            birth=int(own.birth[place]),
            candle_start=int(own.birth[place]) - 1,
            bracket=bracket,
            size=OWN_LOTS,
            last=last,
            in_contact=False,
            tips=untouched_tips(wicks.values(), minute),
            families=_families(event_id, own, place, minute, last),
        )


def _stop(farthest: int, side: Side) -> int:
    """Return the stop beyond the farthest tip of a group, on its tick."""
    moved = farthest * (BPS - side * STOP_BPS)
    return moved // BPS if side > 0 else -(-moved // BPS)


def _target(wicks: ModelWicks, place: int, minute: int) -> int | None:
    """Return the nearest untouched tip of the other side in the trade's way; None beyond the most.

    A minute is that of the plan; a wick is known from its birth on, for a day.
    """
    high, tip = wicks.high[place], int(wicks.tip[place])
    known = (wicks.birth <= minute) & (wicks.birth >= minute - times.DAY_MINUTES)
    way = wicks.tip < tip if high else wicks.tip > tip
    found = wicks.tip[known & way & (wicks.touched > minute) & (wicks.high != high)]
    if not len(found):
        return None
    nearest = int(found.max() if high else found.min())
    return nearest if abs(nearest - tip) * BPS <= TARGET_MAX_BPS * tip else None


def untouched_tips(wicks: Collection[ModelWicks], minute: int) -> list[int]:
    """Return the untouched tips of all timeframes and sides as of a minute, ascending."""
    found = [
        columns.tip[(columns.birth <= minute) & (columns.touched > minute)] for columns in wicks
    ]
    return np.sort(np.concatenate(found)).tolist()  # type: ignore[no-any-return]


def _families(
    event_id: str, wicks: ModelWicks, place: int, minute: int, last: int
) -> tuple[str, ...]:
    drawn = hashlib.sha256(f"{event_id}|families".encode()).digest()
    taken = {
        name for byte, (name, share) in zip(drawn, DRAWN.items(), strict=False) if byte % 16 < share
    }
    near = abs(int(wicks.tip[place]) - last) * BPS <= 25 * last
    third = ("00-08", "08-16", "16-24")[minute % times.DAY_MINUTES // 480]
    taken |= {"base", "SHORT" if wicks.high[place] else "LONG", third}
    taken.add("distance<=25" if near else "distance>25")
    if wicks.exact[place]:
        taken.add("tip_exact")
        start, end = wicks.birth.searchsorted(wicks.birth[place] + np.array([-AROUND, AROUND + 1]))
        others = wicks.touched[start:end] <= minute
        if others.sum() >= VERY_HIGH:  # its own touch is later
            taken.add("VERY_HIGH")
    return tuple(name for name in FAMILIES if name in taken)


def market_of(day: ModelDay) -> TrialMarket:
    """Return a day as the engine takes it."""
    return TrialMarket(INSTRUMENT, day.trades, day.books, PRICE_PLACES, 1)


def day_wicks(day: ModelDay) -> dict[str, ModelWicks]:
    """Return the wicks of a day by timeframe."""
    return {timeframe: wicks_of(day.minutes, timeframe) for timeframe in TIMEFRAMES}
