"""Seen liquidations per minute, of longs and of shorts: a lower bound, never the total."""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

from Context_Bot.liquidation_source import MARKS_AND_LIQUIDATIONS, ClosedLiquidations
from ravequant import catalog, cli, exact, times
from ravequant.pipeline import calculator
from ravequant.pipeline.calculator import Calculator

HOUR: Final = 60  # minutes


class LiquidationFold:
    """Closed minutes in, one record a minute out; sums of an hour are exact and roll."""

    def __init__(self, inst_id: str, exchange: str) -> None:
        self._inst_id, self._exchange = inst_id, exchange
        self._hour: deque[ClosedLiquidations] = deque()

    def update(self, closed: Sequence[ClosedLiquidations]) -> Iterator[dict[str, Any]]:
        """Yield the record of each minute."""
        for minute in closed:
            self._hour.append(minute)
            while self._hour[0].minute <= minute.minute - HOUR:
                self._hour.popleft()
            yield self._record(minute)

    def _record(self, minute: ClosedLiquidations) -> dict[str, Any]:
        hour = self._hour
        return {
            "timestamp_utc": times.iso_minute(minute.minute),
            "instId": self._inst_id,
            "exchange": self._exchange,
            "market": "perp",
            "long_notional": _text(minute.longs),
            "short_notional": _text(minute.shorts),
            "long_count": minute.long_count,
            "short_count": minute.short_count,
            "largest_notional": _text(minute.largest) if minute.largest else None,
            "largest_side": minute.largest_side or None,
            "long_notional_1h": _text(sum(one.longs for one in hour)),
            "short_notional_1h": _text(sum(one.shorts for one in hour)),
            "long_count_1h": sum(one.long_count for one in hour),
            "short_count_1h": sum(one.short_count for one in hour),
            "late_liqs": minute.late,
            "gap": minute.gap,
            "gap_1h": len(hour) < HOUR or any(one.gap for one in hour),
        }

    def state(self) -> dict[str, Any]:
        """Return everything that later records depend on."""
        hour = []
        for one in self._hour:
            packed = [exact.packed(value) for value in (one.longs, one.shorts)]
            hour.append([one.minute, *packed, one.long_count, one.short_count, one.gap])
        return {"hour": hour}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned."""
        for minute, longs, shorts, long_count, short_count, gap in state["hour"]:
            sums = exact.unpacked(longs), exact.unpacked(shorts)
            counts = int(long_count), int(short_count)
            self._hour.append(
                ClosedLiquidations(int(minute), *sums, *counts, 0, "", 0, gap=bool(gap))
            )


def _text(notional: int) -> str:
    return exact.text(notional, exact.NOTIONAL_PLACES)


CALCULATOR: Final = Calculator(
    description=__doc__,
    input=MARKS_AND_LIQUIDATIONS,
    fold=lambda vault, inst_id, _: LiquidationFold(inst_id, vault.exchange),
    output=catalog.LIQUIDATIONS_1M,
    parameters=lambda _inst_id, _settings: {},
)


def main(argv: Sequence[str] | None = None) -> int:
    """Bring the seen liquidations of the given instruments up to date."""
    return calculator.main(CALCULATOR, argv)


if __name__ == "__main__":
    cli.leave(main())
