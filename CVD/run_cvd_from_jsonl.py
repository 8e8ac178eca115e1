"""Cumulative volume delta of each minute, and its divergence from price (SPEC section 6).

    cvd_1m = Σ notional of taker buys - Σ notional of taker sells      of the minute
    cvd    = Σ cvd_1m                                                  since the anchor

The anchor is the first minute processed. The changes are sums over time, minutes M-14…M and
M-59…M; the divergence compares swings over records, and only swings known at its own record.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ravequant import catalog, cli, exact, times
from ravequant.pipeline import calculator
from ravequant.pipeline.calculator import Calculator
from ravequant.pipeline.trade_source import TRADES
from ravequant.records import DEFAULT_EXCHANGE

if TYPE_CHECKING:
    from ravequant.settings import Settings
    from ravequant.trades.bar_builder import Closed
    from ravequant.trades.minute_bar import MinuteBar

QUARTER: Final = 15
HOUR: Final = 60
SIDE: Final = 2  # records that must be lower (higher) on each side of a swing high (low)
NO_MINUTE: Final = -1


class RollingSum:
    """The sum over the last ``minutes`` minutes; minutes without trades count as time."""

    def __init__(self, minutes: int) -> None:
        self._length = minutes
        self.values: deque[tuple[int, int]] = deque()  # (minute, value), oldest first
        self.total = 0

    def add(self, minute: int, value: int) -> None:
        """Take in a minute, and drop the minutes before its window."""
        self.values.append((minute, value))
        self.total += value
        while self.values[0][0] <= minute - self._length:
            self.total -= self.values.popleft()[1]


class SwingPoint(NamedTuple):
    """A record as swings see it."""

    close: int
    cvd: int


class Swings:
    """Swing highs and lows of close over records, each known two records after it."""

    def __init__(self) -> None:
        self._recent: deque[SwingPoint] = deque(maxlen=2 * SIDE + 1)
        self._high: SwingPoint | None = None  # the last swing high that is known
        self._low: SwingPoint | None = None

    def add(self, point: SwingPoint) -> str | None:
        """Take the next record; return the divergence that becomes known with it."""
        self._recent.append(point)
        if len(self._recent) <= 2 * SIDE:
            return None
        swing = self._recent[SIDE]
        others = [other.close for at, other in enumerate(self._recent) if at != SIDE]
        if swing.close > max(others):
            before, self._high = self._high, swing
            if before and swing.close > before.close and swing.cvd < before.cvd:
                return "bearish"
        elif swing.close < min(others):
            before, self._low = self._low, swing
            if before and swing.close < before.close and swing.cvd > before.cvd:
                return "bullish"
        return None

    def state(self) -> dict[str, Any]:
        """Return the last records and swings, exact, for JSON."""
        return {
            "recent": [_texts(point) for point in self._recent],
            "high": self._high and _texts(self._high),
            "low": self._low and _texts(self._low),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned."""
        self._recent.extend(_point(texts) for texts in state["recent"])
        self._high = state["high"] and _point(state["high"])
        self._low = state["low"] and _point(state["low"])


def _texts(point: SwingPoint) -> list[str]:
    return [str(value) for value in point]


def _point(texts: Sequence[str]) -> SwingPoint:
    close, cvd = texts
    return SwingPoint(int(close), int(cvd))


class CvdFold:
    """Closed minutes in, CVD records out. Every amount is in units of NOTIONAL_PLACES."""

    def __init__(
        self, inst_id: str, _settings: "Settings", exchange: str = DEFAULT_EXCHANGE
    ) -> None:
        self._inst_id, self._exchange = inst_id, exchange
        self._anchor = NO_MINUTE
        self._cvd = 0
        self._session = 0
        self._day = NO_MINUTE
        self._quarter, self._hour = RollingSum(QUARTER), RollingSum(HOUR)
        self._gap_minute = NO_MINUTE  # newest minute that a gap marked
        self._swings = Swings()

    def update(self, closed: "Closed") -> Iterator[dict[str, Any]]:
        """Yield one record for each closed minute that had trades."""
        gaps = deque(closed.gaps)
        for bar in closed.bars:
            while gaps and gaps[0] <= bar.minute:
                self._gap_minute = gaps.popleft()
            yield self._record(bar, self._take(bar))
        if gaps:
            self._gap_minute = gaps.pop()

    def _take(self, bar: "MinuteBar") -> int:
        """Add the minute to every sum; return its delta."""
        delta = bar.buy_notional - bar.sell_notional
        if self._anchor == NO_MINUTE:
            self._anchor = bar.minute
        if bar.minute // times.DAY_MINUTES != self._day:
            self._day = bar.minute // times.DAY_MINUTES
            self._session = 0
        self._cvd += delta
        self._session += delta
        self._quarter.add(bar.minute, delta)
        self._hour.add(bar.minute, delta)
        return delta

    def _record(self, bar: "MinuteBar", delta: int) -> dict[str, Any]:
        oldest = min(bar.minute - HOUR + 1, self._day * times.DAY_MINUTES)
        return {
            "timestamp_utc": times.iso_minute(bar.minute),
            "instId": self._inst_id,
            "exchange": self._exchange,
            "market": "perp",
            "close": exact.price_text(bar.close),
            "buy_volume": exact.text(bar.buy_notional, exact.NOTIONAL_PLACES),
            "sell_volume": exact.text(bar.sell_notional, exact.NOTIONAL_PLACES),
            "cvd_1m": _signed(delta),
            "cvd": _signed(self._cvd),
            "cvd_session": _signed(self._session),
            "cvd_change_15m": _signed(self._quarter.total),
            "cvd_change_1h": _signed(self._hour.total),
            "trade_count": bar.trade_count,
            "anchor_utc": times.iso_minute(self._anchor),
            "divergence": self._swings.add(SwingPoint(bar.close, self._cvd)),
            "gap": self._gap_minute >= oldest,
        }

    def state(self) -> dict[str, Any]:
        """Return everything that later records depend on."""
        return {
            "anchor": self._anchor,
            "cvd": str(self._cvd),
            "session": str(self._session),
            "day": self._day,
            "minutes": [[minute, str(delta)] for minute, delta in self._hour.values],
            "gap_minute": self._gap_minute,
            "swings": self._swings.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned."""
        self._anchor, self._day = int(state["anchor"]), int(state["day"])
        self._cvd, self._session = int(state["cvd"]), int(state["session"])
        self._gap_minute = int(state["gap_minute"])
        for minute, delta in state["minutes"]:
            self._quarter.add(minute, int(delta))
            self._hour.add(minute, int(delta))
        self._swings.restore(state["swings"])


def _signed(amount: int) -> str:
    return exact.signed_text(amount, exact.NOTIONAL_PLACES)


CALCULATOR: Final = Calculator(
    description="Cumulative volume delta per minute, from raw trades.",
    input=TRADES,
    fold=lambda vault, inst_id, settings: CvdFold(inst_id, settings, vault.exchange),
    output=catalog.CVD,
    parameters=lambda _, __: {},
)


def main(argv: Sequence[str] | None = None) -> int:
    """Bring the CVD of the given instruments up to date."""
    return calculator.main(CALCULATOR, argv)


if __name__ == "__main__":
    cli.leave(main())
