"""Poor highs and lows: ends of sessions that price has not gone beyond since. Pure.

A level is open from the end of its session to the end of the first minute that trades beyond it;
equality is not enough.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ravequant import exact

HIGH: Final = "high"
LOW: Final = "low"


class PoorLevel(NamedTuple):
    """An end of a session at which too many half hours traded."""

    day: int  # of the session, Unix days
    side: str
    price: int  # the session's high or low, units of exact.PRICE_PLACES
    tpos: int  # half hours of its outermost bucket

    def is_beyond(self, high: int, low: int) -> bool:
        """Return True if prices up to ``high`` and down to ``low`` go beyond the level."""
        return high > self.price if self.side == HIGH else low < self.price


class PoorLevels:
    """The levels that are open, the oldest first."""

    def __init__(self, levels: Iterable[PoorLevel] = ()) -> None:
        self._levels = list(levels)

    @property
    def levels(self) -> list[PoorLevel]:
        """The open levels."""
        return list(self._levels)

    def open(self, levels: Iterable[PoorLevel]) -> None:
        """Add the levels of a session that has ended."""
        self._levels += levels

    def repaired(self, high: int, low: int) -> list[PoorLevel]:
        """Return the levels that a minute with these extremes repairs, and forget them."""
        found = [level for level in self._levels if level.is_beyond(high, low)]
        if found:
            self._levels = [level for level in self._levels if level not in found]
        return found

    def state(self) -> list[Any]:
        """Return the open levels for JSON."""
        return [
            [level.day, level.side, exact.packed(level.price), level.tpos] for level in self._levels
        ]

    @classmethod
    def restore(cls, state: Iterable[Any]) -> "PoorLevels":
        """Return the levels of a state."""
        return cls(
            PoorLevel(int(day), str(side), exact.unpacked(price), int(tpos))
            for day, side, price, tpos in state
        )
