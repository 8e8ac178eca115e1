"""The profile of one UTC session: traded notional and time by price, and how its ends look.

Time is counted in TPOs: the half hours of the session in which a bucket of prices traded. Pure.
"""

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ravequant import exact, times

if TYPE_CHECKING:
    from ravequant.trades.minute_bar import MinuteBar

PERIOD: Final = 30  # minutes of a TPO
POOR: Final = "poor"
EXCESS: Final = "excess"
PLAIN: Final = "plain"
VALUE_TENTHS: Final = 7  # of the notional of a session lie in its value area


class ValueArea(NamedTuple):
    """The buckets in which most was traded, by number."""

    poc: int
    lowest: int
    highest: int


class SessionProfile:
    """The trades of a session by bucket; amounts count ``10**-places`` of the quote currency."""

    def __init__(self, day: int, *, whole: bool) -> None:
        self.day = day  # Unix days
        self.whole = whole  # its first minutes are in the input too
        self.minutes = 0  # with trades
        self.high = self.low = self.close = 0  # units of exact.PRICE_PLACES
        self.places = 0
        self.buckets: dict[int, tuple[int, int, int]] = {}  # bought, sold, half hours as bits

    @property
    def start(self) -> int:
        """Its first minute, in Unix minutes."""
        return self.day * times.DAY_MINUTES

    @property
    def end(self) -> int:
        """The first minute behind it."""
        return self.start + times.DAY_MINUTES

    def add(self, bar: "MinuteBar") -> None:
        """Add a closed minute of the session, which has price levels."""
        assert bar.levels is not None  # noqa: S101 - the input gives them
        self.high = max(self.high, bar.high)
        self.low = min(self.low, bar.low) if self.minutes else bar.low
        self.close = bar.close
        self.minutes += 1
        levels = bar.levels.at(max(self.places, bar.levels.places))
        self._in_units(levels.places)
        period = 1 << (bar.minute - self.start) // PERIOD
        for number, bought, sold, _ in zip(*levels[1:5], strict=True):
            before = self.buckets.get(number, (0, 0, 0))
            self.buckets[number] = (before[0] + bought, before[1] + sold, before[2] | period)

    def _in_units(self, places: int) -> None:
        if places != self.places:
            one = 10 ** (places - self.places)
            self.buckets = {
                number: (bought * one, sold * one, periods)
                for number, (bought, sold, periods) in self.buckets.items()
            }
            self.places = places

    def value_area(self, height: int) -> ValueArea:
        """Return the value area (SPEC section 15); ``height`` of a bucket in PRICE_PLACES."""
        totals = {number: bought + sold for number, (bought, sold, _) in self.buckets.items()}
        middle = self.high + self.low  # twice
        poc = min(
            totals,
            key=lambda at: (-totals[at], abs((2 * at + 1) * height - middle), at),
        )
        return value_area(totals, poc)

    def ends(self) -> tuple[str | None, str | None]:
        """Return how the high and the low look; None of a session that was not seen whole."""
        if not self.whole:
            return None, None
        tpos = {number: periods.bit_count() for number, (_, _, periods) in self.buckets.items()}
        return end_of(tpos, max(tpos), -1), end_of(tpos, min(tpos), 1)

    def state(self) -> dict[str, Any]:
        """Return all that it holds, exact and canonical, for JSON."""
        one = 10 ** (exact.NOTIONAL_PLACES - self.places)
        prices = (exact.packed(price) for price in (self.high, self.low, self.close))
        return {
            "day": self.day,
            "whole": self.whole,
            "minutes": self.minutes,
            "prices": list(prices),
            "buckets": [
                [number, exact.packed(bought * one), exact.packed(sold * one), periods]
                for number, (bought, sold, periods) in sorted(self.buckets.items())
            ],
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "SessionProfile":
        """Return the session of a state."""
        made = cls(int(state["day"]), whole=bool(state["whole"]))
        made.minutes, made.places = int(state["minutes"]), exact.NOTIONAL_PLACES
        made.high, made.low, made.close = map(exact.unpacked, state["prices"])
        for number, bought, sold, periods in state["buckets"]:
            made.buckets[int(number)] = exact.unpacked(bought), exact.unpacked(sold), int(periods)
        return made


def value_area(totals: dict[int, int], poc: int) -> ValueArea:
    """Return the buckets around ``poc`` that hold 70 % of all, by the rule of pairs.

    The larger of the next two buckets above and the next two below is added whole, the upper one
    of equals; a bucket that did not trade is 0. A side that is used up is not chosen.
    """
    traded, everything = sorted(totals), sum(totals.values())
    bottom, top = traded[0], traded[-1]
    low = high = poc
    area = totals[poc]
    while 10 * area < VALUE_TENTHS * everything:
        above, below = (
            totals.get(at, 0) + totals.get(at + step, 0)
            for at, step in ((high + 1, 1), (low - 1, -1))
        )
        if high < top and (low == bottom or above >= below):
            passed = _next_pair(traded[bisect_right(traded, high)] - high)
            high, area = min(high + passed, top), area + above
        else:
            passed = _next_pair(low - traded[bisect_left(traded, low) - 1])
            low, area = max(low - passed, bottom), area + below
    return ValueArea(poc, low, high)


def _next_pair(distance: int) -> int:
    """Return the buckets of a pair that traded, or of all empty pairs before it at once.

    ``distance`` leads to the next bucket that traded: prices may lie far apart.
    """
    return max((distance - 1) // 2, 1) * 2


def end_of(tpos: dict[int, int], last: int, inwards: int) -> str:
    """Return how an end of a session looks whose outermost bucket is ``last``.

    Poor: price came there in two half hours or more, and nobody drove it away. Excess: the last two
    buckets were left within a half hour each.
    """
    if tpos[last] > 1:
        return POOR
    return EXCESS if tpos.get(last + inwards) == 1 else PLAIN
