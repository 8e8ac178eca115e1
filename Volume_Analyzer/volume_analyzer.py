"""Volume tier, whales, absorption and divergence of each minute (SPEC section 7).

    r = total volume / median total volume of the 100 records before

Volumes are notional sums, exact; tiers and absorption are decided on exact values, and only the
written ratio and percentage are rounded. The current record is never part of its own median.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ravequant import catalog, cli, exact, times
from ravequant.pipeline import calculator
from ravequant.pipeline.calculator import Calculator
from ravequant.pipeline.trade_source import TRADES
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.settings_schema import as_typed

if TYPE_CHECKING:
    from ravequant.settings import Settings
    from ravequant.trades.bar_builder import Closed
    from ravequant.trades.minute_bar import MinuteBar

TIERS: Final = ("T1", "T2", "T3", "T4")


class RollingMedian:
    """The median of the last ``size`` values, exact."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ordered: list[int] = []  # by value
        self._values: deque[int] = deque()  # by time, oldest first

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[int]:
        return iter(self._values)

    def add(self, value: int) -> None:
        """Take in a value; of more than ``size`` the oldest goes."""
        self._values.append(value)
        insort(self._ordered, value)
        if len(self._values) > self._size:
            del self._ordered[bisect_left(self._ordered, self._values.popleft())]

    def twice(self) -> int:
        """Twice the median, so that the mean of a middle pair stays whole; needs a value."""
        middle = len(self._ordered) // 2
        return self._ordered[middle] + self._ordered[~middle]


class VolumeFold:
    """Closed minutes in, volume records out. Amounts are in units of NOTIONAL_PLACES."""

    def __init__(
        self, inst_id: str, settings: "Settings", exchange: str = DEFAULT_EXCHANGE
    ) -> None:
        self._inst_id, self._exchange = inst_id, exchange
        self._limits = settings.volume
        self._totals = RollingMedian(settings.volume.median_records)  # of the records before

    def update(self, closed: "Closed") -> Iterator[dict[str, Any]]:
        """Yield one record for each closed minute that had trades."""
        for bar in closed.bars:
            yield self._record(bar)
            self._totals.add(bar.notional)

    def _record(self, bar: "MinuteBar") -> dict[str, Any]:
        delta, change = bar.buy_notional - bar.sell_notional, bar.close - bar.open
        tier = self._tier(bar)
        absorption = tier == TIERS[3] and self._is_flat(bar)
        divergence = change * delta < 0
        return {
            "timestamp_utc": times.iso_minute(bar.minute),
            "instId": self._inst_id,
            "exchange": self._exchange,
            "market": "perp",
            "open": exact.price_text(bar.open),
            "high": exact.price_text(bar.high),
            "low": exact.price_text(bar.low),
            "close": exact.price_text(bar.close),
            "price_change_pct": exact.signed_fixed(exact.divide(change * 100, bar.open, 2), 2),
            "total_volume": _amount(bar.notional),
            "buy_volume": _amount(bar.buy_notional),
            "sell_volume": _amount(bar.sell_notional),
            "delta": _signed(delta),
            "whale_volume": _amount(bar.whale_buy_notional + bar.whale_sell_notional),
            "whale_count": bar.whale_count,
            "trade_count": bar.trade_count,
            "volume_tier": tier,
            "absorption": absorption,
            "divergence": divergence,
            "absorbed_side": _aggressor(delta) if absorption else None,
            "divergence_type": ("bearish" if change > 0 else "bullish") if divergence else None,
            **self._against_the_median(bar),
            "whale_delta": _signed(bar.whale_buy_notional - bar.whale_sell_notional),
            "gap": bar.gap,
        }

    def _tier(self, bar: "MinuteBar") -> str | None:
        """Return the tier; None while too few records came before."""
        limits = self._limits
        if len(self._totals) < limits.min_records:
            return None
        ratio, median = 2 * bar.notional * exact.SIZE_ONE, self._totals.twice()
        reached = (ratio >= limits.t2_from * median) + (ratio >= limits.t3_from * median)
        return TIERS[3] if ratio > limits.t4_above * median else TIERS[reached]

    def _is_flat(self, bar: "MinuteBar") -> bool:
        """Return True if the minute's price has hardly changed."""
        return abs(bar.close - bar.open) * 100 * exact.SIZE_ONE < self._limits.flat_pct * bar.open

    def _against_the_median(self, bar: "MinuteBar") -> dict[str, Any]:
        """Return the fields that compare the record with those before it."""
        ratio = median = None
        if self._totals:
            twice = self._totals.twice()
            ratio = _two_places(2 * bar.notional, twice)
            median = exact.text(twice * 5, exact.NOTIONAL_PLACES + 1)  # half of it
        return {
            "volume_ratio": ratio,
            "median_volume": median,
            "history_bars": len(self._totals),
        }

    def state(self) -> dict[str, Any]:
        """Return everything that later records depend on."""
        return {"totals": [str(total) for total in self._totals]}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned."""
        totals: Iterable[str] = state["totals"]
        for total in totals:
            self._totals.add(int(total))


def _amount(value: int) -> str:
    return exact.text(value, exact.NOTIONAL_PLACES)


def _signed(value: int) -> str:
    return exact.signed_text(value, exact.NOTIONAL_PLACES)


def _two_places(numerator: int, denominator: int) -> str:
    return exact.fixed(exact.divide(numerator, denominator, 2), 2)


def _aggressor(delta: int) -> str | None:
    """Return the side that pressed harder; None if neither did."""
    if delta == 0:
        return None
    return "buy" if delta > 0 else "sell"


def _parameters(_inst_id: str, settings: "Settings") -> dict[str, Any]:
    return {"whale_notional": settings.bars.whale_notional.text, **as_typed(settings.volume)}


CALCULATOR: Final = Calculator(
    description="Volume tier, whales, absorption and divergence per minute.",
    input=TRADES,
    fold=lambda vault, inst_id, settings: VolumeFold(inst_id, settings, vault.exchange),
    output=catalog.VOLUME,
    parameters=_parameters,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Bring the volume of the given instruments up to date."""
    return calculator.main(CALCULATOR, argv)


if __name__ == "__main__":
    cli.leave(main())
