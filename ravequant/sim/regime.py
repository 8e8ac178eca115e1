"""Activity of a model market: volatility that clusters, and bursts of trading.

Two slow random walks, of half an hour and of some minutes, set the volatility of each minute;
trading follows it. Now and then a burst of seconds multiplies both and runs in one direction.
Tables are rounded to whole parts, so every platform draws the same market.
"""

import math
import random
from statistics import NormalDist
from typing import Final

SLOT_MS: Final = 100
SLOTS_PER_SECOND: Final = 10
SLOTS_PER_MINUTE: Final = 600

NORMAL: Final = tuple(
    round(NormalDist().inv_cdf((i + 0.5) / 4096) * 1_000_000) / 1_000_000 for i in range(4096)
)
_GROWTH: Final = tuple(round(1000 * math.exp(i / 32)) / 1000 for i in range(-96, 97))

_SLOW_KEEP, _SLOW_STEP = 0.955, 0.15  # a minute's: standard deviation 0.5
_FAST_KEEP, _FAST_STEP = 0.9, 0.17  # 0.39
_QUIET_SHARE: Final = 0.62  # share of the mean rate that is traded outside bursts
_BURST_CHANCE: Final = 0.006  # a second's
_MOST_ROWS: Final = 450  # a second's, unless the mean itself is more


def growth(exponent: float) -> float:
    """Return e to the exponent, from a table, -3 to 3."""
    return _GROWTH[min(192, max(0, int(exponent * 32 + 96.5)))]


class Regime:
    """Volatility factor, trade rate and burst of the present second."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._slow = 0.5 * self._normal()
        self._fast = 0.39 * self._normal()
        self._burst_left = 0  # seconds
        self._burst_force = 0.0
        self.volatility = 1.0  # factor on the median
        self.direction = 0  # of the burst: 1 up, -1 down, 0 none

    def _normal(self) -> float:
        return NORMAL[self._rng.getrandbits(12)]

    def minute(self) -> None:
        """Advance the slow random walks by a minute."""
        self._slow = _SLOW_KEEP * self._slow + _SLOW_STEP * self._normal()
        self._fast = _FAST_KEEP * self._fast + _FAST_STEP * self._normal()

    def second(self, mean_rows: float) -> float:
        """Advance by a second; return its expected number of rows."""
        self._burst()
        mood = self._slow + self._fast
        force = self._burst_force
        self.volatility = growth(mood) * (1 + 0.06 * force)
        pulse = self._rng.random()
        if mean_rows > _MOST_ROWS:  # a load, not a market: steady
            return mean_rows * (0.9 + 0.2 * pulse)
        rows = growth(1.2 * mood - 0.29) * (_QUIET_SHARE * (0.1 + 1.8 * pulse) + force)
        return min(mean_rows * rows, _MOST_ROWS)

    def _burst(self) -> None:
        rng = self._rng
        if self._burst_left:
            self._burst_left -= 1
            self._burst_force *= 0.85
        elif rng.random() < _BURST_CHANCE * self.volatility:
            self._burst_left = 1 + int(rng.random() * 8)
            self._burst_force = 3 + 22 * rng.random() * rng.random()
            self.direction = 1 if rng.random() < 0.5 else -1
        else:
            self._burst_force = 0.0
            self.direction = 0
