"""Market time: how far the market should be at a moment of wall time; pure."""

from typing import Final

BOOK_MS: Final = 100  # the books channels push this often
_FINE_MS: Final = 20
_COARSE_MS: Final = 1_000


class MarketClock:
    """Market time that starts when it is told to and runs ``speed`` times as fast as the wall's.

    ``speed`` None means: as fast as the clients take it.
    """

    def __init__(self, start_ms: int, speed: float | None) -> None:
        self.start_ms = start_ms
        self.speed = speed
        self._started_s: float | None = None

    def start(self, wall_s: float) -> None:
        """Let market time run from now on."""
        self._started_s = wall_s

    def target_ms(self, wall_s: float) -> int:
        """Return the market time that is due at a moment of wall time."""
        if self._started_s is None or self.speed is None:
            return self.start_ms
        return self.start_ms + int((wall_s - self._started_s) * 1_000 * self.speed)

    def step_ms(self, *, books: bool) -> int:
        """Return how far to go in one step: never over a push of a book that somebody reads."""
        if self.speed is None:
            return BOOK_MS if books else _COARSE_MS
        return _FINE_MS if self.speed <= 2 else BOOK_MS

    def pause_s(self, step_ms: int) -> float:
        """Return how long a step takes on the wall, at least 5 ms."""
        return max(step_ms / 1_000 / (self.speed or 1), 0.005)
