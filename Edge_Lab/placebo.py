"""Fake levels: prices that are no wick, put through the same engine as a real trade. Pure.

A placebo has the minute, clock, horizon and size of its trade, and its stop and target at the same
distances: the bracket is moved as a whole, so each price stays on its tick. Prices are integers in
one unit, ``side`` is 1 for LONG and -1 for SHORT. The draws are SHA-256 of the wick's name, so
they are the same on every computer and no generator can be seeded until it pleases.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from ravequant import exact

Kind = Literal["shifted", "mirror", "random"]
Side = Literal[1, -1]
KINDS: Final[tuple[Kind, ...]] = ("shifted", "mirror", "random")
BPS: Final = 10_000
PER_TRIAL: Final = 20
MOST_TRIES: Final = 50
SETS: Final = 999  # of random levels, for the rank among them
BIN_EDGES: Final = (0, 5, 10, 15, 20, 30, 40, 60)  # bps of distance at A; the last has no end
_ONE: Final = 1 << 64
_TICKS_APART: Final = 3


class Draw(NamedTuple):
    """Two numbers u1, u2 in [0, 1), in units of 2**-64."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Bracket:
    """Entry, stop and target of a trade; ``side`` is 1 for LONG and -1 for SHORT."""

    side: Side
    tip: int
    stop: int
    target: int | None = None

    def __post_init__(self) -> None:
        if self.tip <= 0 or self.side * (self.tip - self.stop) <= 0:
            raise ValueError(f"the stop {self.stop} is not beyond the tip {self.tip}")
        if self.target is not None and self.side * (self.target - self.tip) <= 0:
            raise ValueError(f"the target {self.target} is not in the trade's way from {self.tip}")

    @property
    def risk(self) -> int:
        """The distance of the stop."""
        return abs(self.stop - self.tip)

    def moved_to(self, tip: int, side: Side) -> "Bracket":
        """Return the bracket around another price, turned over if it is for the other side."""
        turn = side * self.side
        target = None if self.target is None else tip + turn * (self.target - self.tip)
        return Bracket(side, tip, tip + turn * (self.stop - self.tip), target)


@dataclass(frozen=True, slots=True)
class PlaceboMarket:
    """The market of a trade as of A, and the extremes that no placebo may have reached."""

    last: int  # last price
    tick: int
    tips: Sequence[int]  # of the untouched wicks of every timeframe and side, ascending
    high: int  # highest price since the trade's birth, up to T0
    low: int
    reach_bps: int = 500 * exact.SIZE_ONE  # units of 10**-SIZE_PLACES

    def __post_init__(self) -> None:
        if any(a > b for a, b in pairwise(self.tips)):
            raise ValueError("the tips are not in ascending order")


class Placebo(NamedTuple):
    """A fake level that was accepted."""

    bracket: Bracket
    bin: int  # of its distance at A


def draw(event_id: str, kind: Kind, number: int, attempt: int) -> Draw:
    """Return the draw of an attempt at the placebo ``number`` of a trade."""
    text = f"{event_id}|{kind}|{number}|{attempt}"
    digest = hashlib.sha256(text.encode()).digest()
    return Draw(int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big"))


def bin_of(price: int, last: int) -> int:
    """Return the bin of a price's distance from the last price; an edge begins its bin."""
    distance = abs(price - last) * BPS
    return sum(distance >= edge * last for edge in BIN_EDGES) - 1


def shifted(trade: Bracket, _last: int, tick: int, drawn: Draw) -> int:
    """Return tip ± m, m = m0 + 6 u1 bps, m0 = the larger of 3 bps and 1.5 stop distances."""
    least = max(6 * trade.tip * _ONE, 3 * trade.risk * BPS * _ONE)  # in units of 1 / (2 BPS _ONE)
    whole = least + 12 * drawn.first * trade.tip
    sign = 1 if drawn.second < _ONE // 2 else -1
    return _to_tick(2 * BPS * _ONE * trade.tip + sign * whole, 2 * BPS * _ONE, tick)


def mirror(trade: Bracket, last: int, tick: int, drawn: Draw) -> int:
    """Return the tip on the other side of the last price, moved by up to a stop distance."""
    moved = (2 * drawn.first - _ONE) * trade.risk
    return _to_tick((2 * last - trade.tip) * _ONE + moved, _ONE, tick)


def random(trade: Bracket, last: int, tick: int, drawn: Draw) -> int:
    """Return a price 1 to 50 bps from the last price, on the trade's side of it."""
    away = _ONE + 49 * drawn.first
    return _to_tick(last * (BPS * _ONE - trade.side * away), BPS * _ONE, tick)


_LEVELS: Final[dict[Kind, Callable[[Bracket, int, int, Draw], int]]] = {
    "shifted": shifted, "mirror": mirror, "random": random,
}  # fmt: skip


def placebos(
    event_id: str, kind: Kind, trade: Bracket, around: PlaceboMarket, count: int = PER_TRIAL
) -> list[Placebo]:
    """Return up to ``count`` placebos of a trade; fewer where 50 tries did not find each."""
    level, found = _LEVELS[kind], []
    side: Side = trade.side if kind != "mirror" else -trade.side
    for number in range(count):
        for attempt in range(MOST_TRIES):
            drawn = draw(event_id, kind, number, attempt)
            price = level(trade, around.last, around.tick, drawn)
            if is_acceptable(price, side, trade.risk, around):
                made = trade.moved_to(price, side)
                found.append(Placebo(made, bin_of(price, around.last)))
                break
    return found


def is_acceptable(price: int, side: Side, risk: int, around: PlaceboMarket) -> bool:
    """Return True if a fade of this price could have been a trade, and it is no wick's tip."""
    away = side * (around.last - price)  # above 0 on the fading side
    distance = away * BPS * exact.SIZE_ONE
    if not exact.SIZE_ONE * around.last <= distance <= around.reach_bps * around.last:
        return False
    reached = around.low if side > 0 else around.high
    if side * (reached - price) <= 0:
        return False
    apart = max(_TICKS_APART * around.tick, risk)
    place = bisect_left(around.tips, price - apart)
    return place == len(around.tips) or around.tips[place] > price + apart


def chosen_in_sets(event_id: str, available: int, sets: int = SETS) -> list[int]:
    """Return which of a trade's random levels stands in each set, from 0 on."""
    named, found = hashlib.sha256(f"{event_id}|set|".encode()), []
    for number in range(sets):
        made = named.copy()
        made.update(b"%d" % number)
        found.append(int.from_bytes(made.digest(), "big") % available)
    return found


def rank_among(real: float, sets: Sequence[float]) -> float:
    """Return the share of sets, the real levels among them, that did as well as the real ones."""
    return (1 + sum(found >= real for found in sets)) / (1 + len(sets))


def _to_tick(numerator: int, denominator: int, tick: int) -> int:
    """Return a price to its nearest tick; half way to the even one."""
    return exact.divide(numerator, denominator * tick, 0) * tick
