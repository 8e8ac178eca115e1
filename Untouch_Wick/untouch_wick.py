"""Untouched wicks: every wick of five timeframes from its birth to its touch or expiry (SPEC 8).

    wicks_events.jsonl   each birth, touch and expiry, in the order in which it becomes known
    wicks_active.json    the untouched wicks as of the last run, for people and dashboards

The candles are in ``candle_builder.py``, the rules in ``wick_detector.py``; here they become
records.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from ravequant import catalog, cli, exact, times
from ravequant.pipeline import calculator
from ravequant.pipeline.calculator import Calculator
from ravequant.pipeline.trade_source import TRADES
from ravequant.vault.atomic import replace_file
from ravequant.vault.instruments import InstrumentHistory
from Untouch_Wick.candle_builder import TIMEFRAMES, CandleBuilder
from Untouch_Wick.wick_detector import Event, Wick, WickDetector

if TYPE_CHECKING:
    from ravequant.trades.bar_builder import Closed
    from ravequant.vault.instruments import InForce
    from ravequant.vault.paths import Vault

NO_MINUTE: Final = -1
STRENGTHS: Final = ("EXACT", "NEAR", "CLOSE", "CLOSE")  # of 0, 1, 2 and 3 ticks


class WickFold:
    """Closed minutes in, wick events out.

    A distance is counted in the tick size in force at the start of the minute that makes it known.
    """

    def __init__(self, inst_id: str, terms: "InForce") -> None:
        self._inst_id = inst_id
        self._terms = terms
        self._candles = CandleBuilder()
        self._wicks = WickDetector()
        self._births: dict[tuple[str, str, int], dict[str, Any]] = {}  # of untouched wicks
        self._through = NO_MINUTE  # newest closed minute
        self._gap_minute = NO_MINUTE  # newest closed minute that a gap marked

    def update(self, closed: "Closed") -> list[dict[str, Any]]:
        """Return the events that became known, those of minutes without trades included."""
        self._terms.refresh()
        gaps = deque(closed.gaps)
        records: list[dict[str, Any]] = []
        for bar in closed.bars:
            records += self._pass(bar.minute, gaps)
            self._candles.add(bar)
        records += self._pass(closed.through + 1, gaps)
        self._through = max(self._through, closed.through)
        return records

    def _pass(self, until: int, gaps: deque[int]) -> list[dict[str, Any]]:
        """Return the records of events known up to the start of the minute ``until``, inclusive."""
        records: list[dict[str, Any]] = []
        while (moment := self._next_moment()) is not None and moment <= until:
            self._mark(moment, gaps)
            closing = self._candles.close(moment)
            records += map(self._record, self._wicks.at(moment, closing, self._tick(moment)))
        self._mark(until, gaps)
        return records

    def _mark(self, before: int, gaps: deque[int]) -> None:
        while gaps and gaps[0] < before:
            self._gap_minute = gaps.popleft()

    def _next_moment(self) -> int | None:
        """Return the next minute at which a candle closes or a wick expires."""
        end, expiry = self._candles.next_end, self._wicks.next_expiry
        if end is None or expiry is None:
            return expiry if end is None else end
        return min(end, expiry)

    def _tick(self, moment: int) -> int:
        text = self._terms.at((moment - 1) * times.MINUTE_MS).tick_sz
        return exact.units(text, exact.PRICE_PLACES)

    def _record(self, event: Event) -> dict[str, Any]:
        """Return the record of an event; the fields of a wick's birth are computed once."""
        wick, touched = event.wick, event.kind == "touched"
        key = wick.timeframe, wick.side, wick.birth
        if event.kind == "created":
            created = self._births[key] = self._created(event)
            return created
        past = event.touch_ticks
        return (self._births.pop(key, None) or self._created(event)) | {
            "event": event.kind,
            "known_utc": times.iso_minute(event.known),
            "nearest_ticks": event.nearest_ticks,
            "status": event.kind,
            "touch_time_utc": times.iso_minute(event.known) if touched else None,
            "age_at_touch_minutes": event.known - wick.birth if touched else None,
            "touch_class": ("body" if event.body else "wick") if touched else None,
            "touch_tip_distance_ticks": past,
            "touch_strength": None if past is None else _strength(past) or "THROUGH",
            "gap": self._gap_minute >= wick.start,
        }

    def _created(self, event: Event) -> dict[str, Any]:
        """Return the record of a birth, which has the fields of all records in their order."""
        wick = event.wick
        distance = wick.tip_distance_ticks
        high, low = exact.price_text(wick.high), exact.price_text(wick.low)
        birth = times.iso_minute(wick.birth)
        return {
            "event": "created",
            "known_utc": birth,
            "event_id": self._event_id(wick, birth),
            "instId": self._inst_id,
            "timeframe": wick.timeframe,
            "creation_time_utc": birth,
            "wick_type": wick.side,
            "wick_price": high if wick.side == "high" else low,
            "wick_size_ticks": wick.size_ticks,
            "candle_open": exact.price_text(wick.open),
            "candle_high": high,
            "candle_low": low,
            "candle_close": exact.price_text(wick.close),
            "tip_distance_ticks": distance,
            "tip_exact": distance == 0,
            "tip_near": distance == 1,
            "signal_strength": None if distance is None else _strength(distance),
            "tip_of_event_id": None
            if wick.tip_of_birth is None
            else self._event_id(wick, times.iso_minute(wick.tip_of_birth)),
            "nearest_ticks": event.nearest_ticks,
            "status": "untouched",
            "touch_time_utc": None,
            "age_at_touch_minutes": None,
            "touch_class": None,
            "touch_tip_distance_ticks": None,
            "touch_strength": None,
            "gap": self._gap_minute >= wick.start,
        }

    def _event_id(self, wick: Wick, birth: str) -> str:
        """Return the id of the wick of the same timeframe and side that was born at ``birth``."""
        return f"{self._inst_id}|{wick.timeframe}|{birth}|{wick.side}"

    def active(self) -> dict[str, Any]:
        """Return the untouched wicks as of the end of the newest closed minute."""
        now = self._through + 1
        wicks: dict[str, list[dict[str, Any]]] = {name: [] for name in TIMEFRAMES}
        tick = self._tick(now) if now else 0
        for wick in self._wicks.untouched:
            nearest = self._wicks.nearest_ticks(wick, tick)
            record = self._created(Event("created", wick.birth, wick, nearest))
            del record["event"], record["known_utc"]
            wicks[wick.timeframe].append(record)
        return {
            "as_of_utc": times.iso_minute(now) if now else None,
            "instId": self._inst_id,
            "counts": self._wicks.counts(),
            "active": wicks,
        }

    def state(self) -> dict[str, Any]:
        """Return everything that later records depend on."""
        return {
            "through": self._through,
            "gap_minute": self._gap_minute,
            "candles": self._candles.state(),
            "wicks": self._wicks.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned."""
        self._through, self._gap_minute = int(state["through"]), int(state["gap_minute"])
        self._candles.restore(state["candles"])
        self._wicks.restore(state["wicks"])


def _strength(distance: int) -> str | None:
    return STRENGTHS[distance] if distance < len(STRENGTHS) else None


def publish(vault: "Vault", inst_id: str, fold: WickFold) -> None:
    """Write the untouched wicks as of the newest closed minute."""
    path = catalog.ACTIVE_WICKS.place(vault, inst_id)
    replace_file(path, orjson.dumps(fold.active()) + b"\n", durable=False)


CALCULATOR: Final = Calculator(
    description="Untouched wicks of 1m, 5m, 15m, 1h and 4h candles, from raw trades.",
    input=TRADES,
    fold=lambda vault, inst_id, _: WickFold(inst_id, InstrumentHistory(vault, inst_id)),
    output=catalog.WICKS,
    parameters=lambda _, __: {},
    known_at_end=True,
    publish=publish,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Bring the wicks of the given instruments up to date."""
    return calculator.main(CALCULATOR, argv)


if __name__ == "__main__":
    cli.leave(main())
