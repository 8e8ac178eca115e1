"""The profile of each UTC session, each half hour and at its end, and its poor highs and lows.

    poc            the bucket of prices with the largest notional
    vah, val       the ends of the value area, in which 70 % of the notional was traded
    poor high      two half hours or more traded in the topmost bucket: the auction was not finished

A session is a UTC day, as that of the VWAP (SPEC sections 5 and 15).
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ravequant import catalog, cli, exact, times
from ravequant.pipeline import calculator
from ravequant.pipeline.calculator import Calculator
from ravequant.pipeline.level_source import LEVELS, PriceBuckets, buckets_of
from ravequant.records import DEFAULT_EXCHANGE
from Volume_Analyzer.poor_levels import HIGH, LOW, PoorLevel, PoorLevels
from Volume_Analyzer.session_profile import PERIOD, POOR, SessionProfile

if TYPE_CHECKING:
    from ravequant.trades.bar_builder import Closed
    from ravequant.trades.minute_bar import MinuteBar

NO_MINUTE: Final = -1


class ProfileFold:
    """Closed minutes with price levels in; profiles and events of poor levels out."""

    def __init__(
        self, inst_id: str, buckets: PriceBuckets, exchange: str = DEFAULT_EXCHANGE
    ) -> None:
        self._inst_id, self._exchange = inst_id, exchange
        self._buckets, self._height = buckets, exact.price_text(buckets.height)
        self._session: SessionProfile | None = None
        self._levels = PoorLevels()
        self._begun = False  # a minute has been read
        self._period_end: int | None = None  # of the newest half hour with trades, until its record
        self._gap_minute = NO_MINUTE  # newest closed minute that a gap marked

    def update(self, closed: "Closed") -> Iterator[dict[str, Any]]:
        """Yield the records that became known, in the order of that time."""
        gaps = deque(closed.gaps)
        for bar in closed.bars:
            yield from self._pass(bar.minute, gaps)
            yield from self._add(bar, gaps)
        yield from self._pass(closed.through + 1, gaps)

    def _pass(self, until: int, gaps: deque[int]) -> Iterator[dict[str, Any]]:
        """Yield the profiles known up to the start of the minute ``until``, inclusive."""
        while self._session is not None:
            end = self._session.end
            moment = min(end, self._period_end or end)
            if moment > until:
                break
            self._mark(moment, gaps)
            self._period_end = None
            yield self._profile(self._session, moment)
            if moment == end:
                yield from self._open_levels(self._session)
                self._session = None
        self._mark(until, gaps)

    def _mark(self, before: int, gaps: deque[int]) -> None:
        while gaps and gaps[0] < before:
            self._gap_minute = gaps.popleft()

    def _add(self, bar: "MinuteBar", gaps: deque[int]) -> Iterator[dict[str, Any]]:
        """Add a minute to its session; yield the levels that it repairs."""
        if self._session is None:
            day, minute = divmod(bar.minute, times.DAY_MINUTES)
            self._session = SessionProfile(day, whole=self._begun or minute == 0)
        self._begun = True
        self._session.add(bar)
        self._period_end = bar.minute // PERIOD * PERIOD + PERIOD
        self._mark(bar.minute + 1, gaps)
        for level in self._levels.repaired(bar.high, bar.low):
            yield self._event(level, "repaired", bar.minute + 1)

    def _open_levels(self, session: SessionProfile) -> Iterator[dict[str, Any]]:
        """Yield the poor ends of a session that is over; from now on they are open."""
        prices = (
            (HIGH, session.high, max(session.buckets)),
            (LOW, session.low, min(session.buckets)),
        )
        found = [
            PoorLevel(session.day, side, price, session.buckets[last][2].bit_count())
            for (side, price, last), end in zip(prices, session.ends(), strict=True)
            if end == POOR
        ]
        self._levels.open(found)
        for level in found:
            yield self._event(level, "open", session.end)

    def _profile(self, session: SessionProfile, known: int) -> dict[str, Any]:
        height, places = self._buckets.height, session.places
        final = known == session.end
        area = session.value_area(height)
        high_end, low_end = session.ends() if final else (None, None)
        rows = sorted(session.buckets.items())
        total = sum(bought + sold for bought, sold, _ in session.buckets.values())
        return {
            "known_utc": times.iso_minute(known),
            "instId": self._inst_id,
            "exchange": self._exchange,
            "market": "perp",
            "kind": "profile",
            "session_utc": times.iso_minute(session.start),
            "final": final,
            "whole": session.whole,
            "minutes": session.minutes,
            "high": exact.price_text(session.high),
            "low": exact.price_text(session.low),
            "close": exact.price_text(session.close),
            "total_volume": exact.text(total, places),
            "bucket": self._height,
            "poc": exact.price_text(area.poc * height),
            "vah": exact.price_text((area.highest + 1) * height),
            "val": exact.price_text(area.lowest * height),
            "rows": [
                (
                    exact.price_text(number * height),
                    exact.text(bought, places),
                    exact.text(sold, places),
                    periods.bit_count(),
                )
                for number, (bought, sold, periods) in rows
            ],
            "high_end": high_end,
            "low_end": low_end,
            "gap": self._gap_minute >= session.start,
        }

    def _event(self, level: PoorLevel, event: str, known: int) -> dict[str, Any]:
        session = times.iso_minute(level.day * times.DAY_MINUTES)
        moment = times.iso_minute(known)
        return {
            "known_utc": moment,
            "instId": self._inst_id,
            "exchange": self._exchange,
            "market": "perp",
            "kind": "level",
            "session_utc": session,
            "event": event,
            "event_id": f"{self._inst_id}|{session[: len('2025-12-14')]}|{level.side}",
            "side": level.side,
            "price": exact.price_text(level.price),
            "tpos": level.tpos,
            "repaired_utc": moment if event == "repaired" else None,
            "gap": self._gap_minute >= level.day * times.DAY_MINUTES,
        }

    def state(self) -> dict[str, Any]:
        """Return everything that later records depend on."""
        return {
            **self._buckets.state(),
            "session": None if self._session is None else self._session.state(),
            "levels": self._levels.state(),
            "begun": self._begun,
            "period_end": self._period_end,
            "gap_minute": self._gap_minute,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned.

        Raises SupersededStateError if its buckets were others.
        """
        self._buckets.check(state)
        session = state["session"]
        self._session = None if session is None else SessionProfile.restore(session)
        self._levels = PoorLevels.restore(state["levels"])
        self._begun, self._gap_minute = bool(state["begun"]), int(state["gap_minute"])
        self._period_end = None if state["period_end"] is None else int(state["period_end"])


CALCULATOR: Final = Calculator(
    description="Profile per UTC session: point of control, value area, poor highs and lows.",
    input=LEVELS,
    fold=lambda vault, inst_id, settings: ProfileFold(
        inst_id, buckets_of(vault, inst_id, settings), vault.exchange
    ),
    output=catalog.PROFILE,
    parameters=lambda inst_id, settings: {"bucket": settings.footprint.bucket.of(inst_id).text},
    known_at_end=True,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Bring the profile of the given instruments up to date."""
    return calculator.main(CALCULATOR, argv)


if __name__ == "__main__":
    cli.leave(main())
