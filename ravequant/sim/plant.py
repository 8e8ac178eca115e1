"""A planted set-up: a script by which one instrument shows, at one moment, all that SPEC 11 scores.

Price climbs into a range below a tip. The tip is hit to the tick 43 and 30 minutes before the
moment, the second time by a candle that closes just under it: a small wick, defended exactly.
No trade goes there again, while a sweep of the range touches the other wicks around it and leaves a
low that is touched no more: the target. Then buyers are absorbed for a minute, a wall appears at
the tip, the bids thin out, and sellers come and take the price away from it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ravequant.errors import UsageError
from ravequant.times import HOUR_MS, MINUTE_MS

_OPENS_S: Final = -75 * 60  # seconds before the moment
_CLOSES_S: Final = 3 * 60
_RANGE_S: Final = -55 * 60
_TOUCHES: Final = (-2640, -1860)  # starts of the two minutes that hit the tip
_ABSORPTION_S: Final = -180
_THIN_S: Final = -120
_WALL_S: Final = -95
_WALL_USD: Final = 2_600_000.0
_SWEEP_BPS: Final = 27.0  # below the tip: the low of the sweep, which nothing touches later
_SLIDE_BPS: Final = 13.0  # so that the trade pays: lows that were not touched lie farther down
_ABOVE_AVERAGE_BPS: Final = 45
_ABOVE_PRICE_BPS: Final = 20
_SPARE_TICKS: Final = 6  # between the tip and any price outside the two minutes


@dataclass(frozen=True, slots=True)
class Cue:
    """The script's wishes for the next second."""

    target: float  # fair price at its end, ticks
    lid: int  # the tick that no trade passes
    tip: int
    exact: bool  # stay at the target: the tip is being hit
    pace: float  # trades, as a share of their mean
    least_rows: float  # a second
    buy_share: float
    lean: tuple[int, int]  # per mille of the usual depth, bids and asks
    wall_usd: float  # resting at the tip


class Script:
    """The course of one planted set-up; ``complete_ms`` is the minute at which all of it holds."""

    def __init__(self, complete_ms: int) -> None:
        self._complete_ms = complete_ms
        self._tip = 0
        self._course: list[tuple[int, float]] = []  # (second, ticks below the tip), ascending

    @classmethod
    def complete_at(cls, plant: int, start_ms: int) -> "Script":
        """Return the script for a moment in Unix ms, or for five hours after the start if True.

        Raises UsageError if the market starts too late for it.
        """
        moment = start_ms + 5 * HOUR_MS if plant is True else plant
        moment -= moment % MINUTE_MS
        if moment + _OPENS_S * 1000 < start_ms:
            raise UsageError(
                f"a set-up at {moment} cannot be planted in a market that starts at {start_ms}: "
                f"expected at least {-_OPENS_S // 60} minutes between them; start it earlier"
            )
        return cls(moment)

    def cue(self, now_ms: int, fair: float, average: float) -> Cue | None:
        """Return the wish for the second that starts now; None before and after the script."""
        second = (now_ms - self._complete_ms) // 1000
        if not _OPENS_S <= second < _CLOSES_S:
            return None
        if not self._course:
            self._write(second, fair, average)
        start = _touch_start(second)
        exact = start is not None and 38 <= second - start < 46
        free = start is not None and 30 <= second - start < 49
        lid = self._tip if free else self._tip - _SPARE_TICKS
        below = 0.5 if exact else self._below(second + 1)
        return Cue(
            target=min(self._tip - below, lid - 0.5),
            lid=lid,
            tip=self._tip,
            exact=exact,
            pace=4.0 if _ABSORPTION_S <= second < _ABSORPTION_S + 60 else 0.55,
            least_rows=4.0 if exact else 0.0,
            buy_share=_buy_share(second, exact=exact),
            lean=(70, 1000) if second >= _THIN_S else (1000, 1000),
            wall_usd=_WALL_USD if second >= _WALL_S else 0.0,
        )

    def _below(self, second: int) -> float:
        """Return the distance of the course below the tip at that second, in ticks."""
        (early, first), (late, last) = self._course[0], self._course[-1]
        for moment, below in self._course:
            if moment <= second:
                early, first = moment, below
            else:
                late, last = moment, below
                break
        else:
            return last
        return first + (last - first) * (second - early) / (late - early)

    def _write(self, second: int, fair: float, average: float) -> None:
        highest = max(average * (10_000 + _ABOVE_AVERAGE_BPS), fair * (10_000 + _ABOVE_PRICE_BPS))
        self._tip = int(highest / 10_000)
        bps = self._tip / 10_000
        self._course = [(second, self._tip - fair)]
        self._course += [(moment, below * bps) for moment, below in _range_course()]


def _touch_start(second: int) -> int | None:
    return next((start for start in _TOUCHES if start <= second < start + 60), None)


def _buy_share(second: int, *, exact: bool) -> float:
    if exact:
        return 0.8
    if _ABSORPTION_S <= second < _ABSORPTION_S + 60:
        return 0.85
    return 0.2 if second >= -60 else 0.5


def _range_course() -> Iterator[tuple[int, float]]:
    """Yield the course through the range: (second, bps below the tip)."""
    rng = random.Random(5)
    for second in range(_RANGE_S, -300, 15):
        fixed = _fixed_point(second)
        yield second, 3.5 + 9 * rng.random() if fixed is None else fixed
    for second in range(-300, _CLOSES_S + 15, 15):
        slide = min(max(second - _THIN_S, 0), -_THIN_S) / -_THIN_S
        yield second, 5.7 + 0.6 * rng.random() + _SLIDE_BPS * slide


def _fixed_point(second: int) -> float | None:
    """Return bps below the tip where the course is not left to chance, else None."""
    start = _touch_start(second)
    if start is not None:
        return {0: 4.0, 15: 3.0, 30: 0.6, 45: 0.1}[second - start]
    return {_TOUCHES[0] + 60: 5.0, _TOUCHES[1] + 60: 0.12, -825: _SWEEP_BPS, -780: 1.2}.get(second)
