"""Wicks: born, tip to tip, touched, expired (SPEC section 8). Closed candles in, events out.

High and low wicks are mirror images. On each side prices are *depths*, price x sign (+1 for high,
-1 for low), so that farther out is always larger; a candle reaches every wick whose tip is not
deeper than its own extreme. The wicks of a side stand in the order of their tips: a candle looks at
those that it reaches and no others.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter, itemgetter
from typing import Any, Final, Literal, NamedTuple

from ravequant import exact
from Untouch_Wick.candle_builder import TIMEFRAMES, Candle

LIFE_MINUTES: Final = 168 * 60  # after that an untouched wick expires
TIP_TICKS: Final = 3  # a tip farther than this from the older one is no tip-to-tip
SIGNS: Final = {"high": 1, "low": -1}

Kind = Literal["created", "touched", "expired"]


class Wick(NamedTuple):
    """One wick: the facts of its birth, which never change."""

    timeframe: str
    side: str  # high or low
    birth: int  # Unix minutes: the end of its candle
    tip: int  # depth of the candle's extreme
    open: int
    high: int
    low: int
    close: int
    size_ticks: int
    tip_distance_ticks: int | None  # to the older wick's tip, 0…3
    tip_of_birth: int | None  # birth of that wick, of the same timeframe and side

    @property
    def start(self) -> int:
        """The minute at which its candle began."""
        return self.birth - TIMEFRAMES[self.timeframe]


class Event(NamedTuple):
    """A birth, touch or expiry of a wick, and the time at which it became known."""

    kind: Kind
    known: int  # Unix minutes
    wick: Wick
    nearest_ticks: int | None = None  # closest any later candle has come; None: none has closed
    touch_ticks: int | None = None  # how far the touching candle went past the tip
    body: bool = False  # the touching candle's body reached the tip


def ticks(distance: int, tick: int) -> int:
    """Return a distance in ticks, rounded down, but at least 1 if it is not 0.

    >>> ticks(0, 10), ticks(3, 10), ticks(29, 10)
    (0, 1, 2)
    """
    return distance // tick or int(distance > 0)


def depth(candle: Candle, sign: int) -> int:
    """Return how far out a candle reached on a side."""
    return candle.high if sign > 0 else -candle.low


def body(candle: Candle, sign: int) -> int:
    """Return how far out its body reached."""
    return max(candle.open, candle.close) if sign > 0 else -min(candle.open, candle.close)


class _Side:
    """The untouched wicks of one side, and how far out candles have come since any minute."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sign = SIGNS[name]
        self._wicks: list[Wick] = []  # the deepest tip first: candles reach them from the end
        self._tips: list[int] = []  # of each of them, negated: in rising order
        # (minute, depth) of each minute that went farther out than all later ones, oldest first
        self._farthest: list[tuple[int, int]] = []

    def reach(self, candle: Candle) -> list[Wick]:
        """Take in a 1m candle; return the wicks that it touches, which are now gone."""
        reached = depth(candle, self.sign)
        farthest, wicks = self._farthest, self._wicks
        while farthest and farthest[-1][1] <= reached:
            farthest.pop()
        farthest.append((candle.start, reached))
        if farthest[0][0] < candle.start - LIFE_MINUTES:
            del farthest[0]
        keep = len(wicks)
        while keep and wicks[keep - 1].tip <= reached:
            keep -= 1
        touched = wicks[keep:]
        if touched:
            del wicks[keep:], self._tips[keep:]
        return touched

    def add(self, wick: Wick) -> None:
        """Take in a wick that was born."""
        place = bisect_right(self._tips, -wick.tip)
        self._tips.insert(place, -wick.tip)
        self._wicks.insert(place, wick)

    def remove(self, wick: Wick) -> None:
        """Take out the oldest wick; of equal tips it stands first."""
        place = bisect_left(self._tips, -wick.tip)
        del self._wicks[place], self._tips[place]

    def distance(self, wick: Wick) -> int | None:
        """Return how close to an untouched tip candles since its birth came, None if none did."""
        place = bisect_left(self._farthest, wick.birth, key=itemgetter(0))
        return wick.tip - self._farthest[place][1] if place < len(self._farthest) else None

    def state(self) -> list[list[Any]]:
        """Return the depths since the birth of the oldest untouched wick of this side."""
        oldest = min((wick.birth for wick in self._wicks), default=None)
        if oldest is None:
            return []
        asked = bisect_left(self._farthest, oldest, key=itemgetter(0))
        return [[minute, str(reached)] for minute, reached in self._farthest[asked:]]

    def restore(self, wicks: list[Wick], farthest: list[list[Any]]) -> None:
        """Go on with these wicks, the oldest first, and the depths of ``state()``."""
        self._wicks = sorted(wicks, key=lambda wick: -wick.tip)
        self._tips = [-wick.tip for wick in self._wicks]
        self._farthest = [(minute, int(reached)) for minute, reached in farthest]


def _born(
    candle: Candle, birth: int, side: _Side, met: list[tuple[int, int]] | None, tick: int
) -> Wick | None:
    """Return the wick that a candle has on a side, None if it has none."""
    tip = depth(candle, side.sign)
    size = tip - body(candle, side.sign)
    if size == 0:
        return None
    return Wick(
        candle.timeframe, side.name, birth, tip,
        candle.open, candle.high, candle.low, candle.close,
        ticks(size, tick), *(_tip_to_tip(tip, met, tick) if met else (None, None)),
    )  # fmt: skip


class WickDetector:
    """Closed candles in, events out, in the order in which they become known."""

    def __init__(self) -> None:
        self._sides = {name: _Side(name) for name in SIGNS}
        self._untouched: dict[tuple[int, str, str], Wick] = {}  # the oldest first
        # (tip, birth) of wicks touched within the open candle of (timeframe, side)
        self._met: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self._ended = {name: {"touched": 0, "expired": 0} for name in TIMEFRAMES}

    @property
    def next_expiry(self) -> int | None:
        """The minute at which the oldest untouched wick expires, None if there is none."""
        oldest = next(iter(self._untouched.values()), None)
        return None if oldest is None else oldest.birth + LIFE_MINUTES

    def at(self, moment: int, candles: Sequence[Candle], tick: int) -> list[Event]:
        """Return the events that become known at ``moment`` (Unix minutes).

        ``candles`` are those that close then, the shortest first; ``tick`` is the tick size in
        force, in units of exact.PRICE_PLACES. Called for every moment at which a candle closes or
        a wick expires, in order.
        """
        events: list[Event] = []
        if candles and candles[0].timeframe == "1m":
            events += self._touch(moment, candles[0], tick)
        events += self._expire(moment, tick)
        if len(events) > 1:
            events.sort(key=_age)
        for candle in candles:
            for side in self._sides.values():
                met = self._met.pop((candle.timeframe, side.name), None) if self._met else None
                wick = None if candle.cut else _born(candle, moment, side, met, tick)
                if wick is not None:
                    side.add(wick)
                    self._untouched[_age_of(wick)] = wick
                    events.append(Event("created", moment, wick))
        return events

    def _touch(self, moment: int, candle: Candle, tick: int) -> Iterator[Event]:
        for side in self._sides.values():
            touched = side.reach(candle)
            if not touched:
                continue
            reached, inner = depth(candle, side.sign), body(candle, side.sign)
            for wick in touched:
                self._end(wick, "touched")
                met = self._met.setdefault((wick.timeframe, wick.side), [])
                met.append((wick.tip, wick.birth))
                past = ticks(reached - wick.tip, tick)
                yield Event("touched", moment, wick, 0, past, inner >= wick.tip)

    def _expire(self, moment: int, tick: int) -> Iterator[Event]:
        while self.next_expiry == moment:
            wick = next(iter(self._untouched.values()))
            nearest = self.nearest_ticks(wick, tick)
            self._sides[wick.side].remove(wick)
            self._end(wick, "expired")
            yield Event("expired", moment, wick, nearest)

    def _end(self, wick: Wick, how: Literal["touched", "expired"]) -> None:
        del self._untouched[_age_of(wick)]
        self._ended[wick.timeframe][how] += 1

    def nearest_ticks(self, wick: Wick, tick: int) -> int | None:
        """Return how many ticks short of an untouched tip the closest later candle stopped."""
        distance = self._sides[wick.side].distance(wick)
        return None if distance is None else ticks(distance, tick)

    @property
    def untouched(self) -> list[Wick]:
        """All untouched wicks, the oldest first."""
        return list(self._untouched.values())

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the numbers of untouched, touched and expired wicks of each timeframe."""
        alive = dict.fromkeys(TIMEFRAMES, 0)
        for wick in self._untouched.values():
            alive[wick.timeframe] += 1
        return {name: {"untouched": alive[name], **self._ended[name]} for name in TIMEFRAMES}

    def state(self) -> dict[str, Any]:
        """Return everything that later events depend on, for JSON."""
        return {
            "untouched": [_as_texts(wick) for wick in self._untouched.values()],
            "farthest": {name: side.state() for name, side in self._sides.items()},
            "met": [
                [*key, [[str(tip), birth] for tip, birth in sorted(met)]]
                for key, met in sorted(self._met.items())
            ],
            "ended": {name: list(ended.values()) for name, ended in self._ended.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned."""
        wicks = [_from_texts(*texts) for texts in state["untouched"]]
        self._untouched = {_age_of(wick): wick for wick in wicks}
        for name, side in self._sides.items():
            own = [wick for wick in wicks if wick.side == name]
            side.restore(own, state["farthest"][name])
        for timeframe, name, met in state["met"]:
            self._met[timeframe, name] = [(int(tip), birth) for tip, birth in met]
        for name, (touched, expired) in state["ended"].items():
            self._ended[name] = {"touched": touched, "expired": expired}


def _age_of(wick: Wick) -> tuple[int, str, str]:
    """Return the key that sorts wicks by birth, then event_id."""
    return wick.birth, wick.timeframe, wick.side


def _age(event: Event) -> tuple[int, str, str]:
    return _age_of(event.wick)


def _tip_to_tip(
    tip: int, met: list[tuple[int, int]], tick: int
) -> tuple[int, int] | tuple[None, None]:
    """Return (ticks past the older tip, its birth) of the nearest tip, of equals the youngest.

    ``met`` is not empty.
    """
    distance, birth = min((ticks(tip - other, tick), -birth) for other, birth in met)
    return (distance, -birth) if distance <= TIP_TICKS else (None, None)


_prices = attrgetter("open", "high", "low", "close")


def _as_texts(wick: Wick) -> list[Any]:
    prices = [exact.price_text(price) for price in _prices(wick)]
    numbers = wick.size_ticks, wick.tip_distance_ticks, wick.tip_of_birth
    return [wick.timeframe, wick.side, wick.birth, prices, *numbers]


def _from_texts(timeframe: str, side: str, birth: int, texts: list[str], *numbers: Any) -> Wick:
    opened, high, low, close = (exact.units(text, exact.PRICE_PLACES) for text in texts)
    tip = high if side == "high" else -low
    return Wick(timeframe, side, birth, tip, opened, high, low, close, *numbers)
