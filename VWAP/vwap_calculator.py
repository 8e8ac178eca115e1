"""VWAP of each minute over 1 h, 4 h and the UTC session.

    vwap      = sum(price x notional) / sum(notional)      the user's formula
    vwap_base = sum(price x base)     / sum(base)          the field's standard VWAP
    sd        = sqrt(sum(price² x notional) / sum(notional) - vwap²)

VwapSums are exact integers; each ratio is divided once, when its record is written. The window of
minute M ends with the end of M: 1h = M-59…M, 4h = M-239…M, session = since 00:00 UTC.

A VWAP has 8 places, or 6 more than the tick in force at the start of its minute, if that is more:
the mean of a price that begins at the seventh place would lose itself in eight. So has its sd.

A state of earlier versions holds no sums of squares: rows go on without sd until they are rebuilt.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ravequant import catalog, cli, exact, times
from ravequant.pipeline import calculator
from ravequant.pipeline.calculator import Calculator
from ravequant.pipeline.runner import SupersededStateError
from ravequant.pipeline.trade_source import TRADES_WITH_SQUARES
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.vault.instruments import known_history

if TYPE_CHECKING:
    from ravequant.settings import Settings
    from ravequant.trades.bar_builder import Closed
    from ravequant.trades.minute_bar import MinuteBar
    from ravequant.vault.instruments import InForce

HOUR: Final = 60
FOUR_HOURS: Final = 240
NO_MINUTE: Final = -1
LEAST_PLACES: Final = 8
MORE_THAN_TICK: Final = 6


@dataclass(slots=True)
class VwapSums:
    """The exact sums behind a VWAP: of one minute, or of all minutes of a window."""

    price_notional: int = 0  # units of 10**-(PRICE_PLACES + NOTIONAL_PLACES)
    notional: int = 0
    price_base: int = 0  # units of 10**-(PRICE_PLACES + BASE_PLACES)
    base: int = 0
    trade_count: int = 0
    minutes: int = 0
    square_notional: int = 0  # units of 10**-(2 x PRICE_PLACES + NOTIONAL_PLACES)

    def add(self, other: "VwapSums") -> None:
        """Take in a minute."""
        self.price_notional += other.price_notional
        self.notional += other.notional
        self.price_base += other.price_base
        self.base += other.base
        self.trade_count += other.trade_count
        self.minutes += other.minutes
        self.square_notional += other.square_notional

    def drop(self, other: "VwapSums") -> None:
        """Take a minute out again."""
        self.price_notional -= other.price_notional
        self.notional -= other.notional
        self.price_base -= other.price_base
        self.base -= other.base
        self.trade_count -= other.trade_count
        self.minutes -= other.minutes
        self.square_notional -= other.square_notional

    def vwap(self, places: int) -> str:
        """Σ(price x notional) / Σ(notional)."""
        return exact.ratio_text(self.price_notional, self.notional * exact.PRICE_ONE, places)

    def vwap_base(self, places: int) -> str | None:
        """Σ(price x base) / Σ(base); None where all inverse base was rounded to 0."""
        if not self.base:
            return None
        return exact.ratio_text(self.price_base, self.base * exact.PRICE_ONE, places)

    def sd(self, places: int) -> str:
        """Return sqrt(Σ(price² x notional) / Σ(notional) - vwap²), with one root."""
        spread = self.square_notional * self.notional - self.price_notional**2
        one = self.notional * exact.PRICE_ONE
        return exact.text(exact.root(spread, one * one, places), places)

    def above(self, price: int) -> int:
        """Return (price - vwap) x Σ(notional): above the VWAP it is positive."""
        return price * self.notional - self.price_notional

    def deviation_bps(self, close: int) -> str:
        """(close - vwap) / vwap x 10,000, 2 places, signed."""
        bps = exact.divide(self.above(close) * 10_000, self.price_notional, 2)
        return exact.signed_fixed(bps, 2)

    def state(self, *, squares: bool) -> list[str]:
        """Return the sums as text, in the order of the fields; that of squares is the last."""
        names = self.__slots__ if squares else self.__slots__[:-1]
        return [exact.packed(getattr(self, name)) for name in names]

    @classmethod
    def restore(cls, state: Sequence[str]) -> "VwapSums":
        """Return the sums that ``state`` was made of."""
        return cls(*map(exact.unpacked, state))


def sums_of(bar: "MinuteBar") -> VwapSums:
    """Return the sums of one minute; that of squares is 0 where it is unknown."""
    return VwapSums(
        bar.price_notional, bar.notional, bar.price_base, bar.base, bar.trade_count, minutes=1,
        square_notional=bar.square_notional or 0,
    )  # fmt: skip


def places_at(terms: "InForce | None", minute: int) -> int:
    """Return the places of a mean of prices in a minute's record; without terms the fewest."""
    if terms is None:
        return LEAST_PLACES
    tick = terms.at(minute * times.MINUTE_MS).tick_sz
    return max(LEAST_PLACES, exact.decimals(tick) + MORE_THAN_TICK)


class VwapFold:
    """Closed minutes in, VWAP records out.

    ``terms`` give the tick at any time; None: it is unknown.
    """

    def __init__(
        self,
        inst_id: str,
        settings: "Settings",
        exchange: str = DEFAULT_EXCHANGE,
        terms: "InForce | None" = None,
    ) -> None:
        self._inst_id, self._exchange = inst_id, exchange
        self._terms = terms
        self._places = LEAST_PLACES  # of the newest record
        self._squares = True  # every minute of the windows has its sum of squares
        self._extended_bps = settings.vwap.extended_bps
        self._minutes: deque[tuple[int, VwapSums]] = deque()  # the last 4 hours, oldest first
        self._one_hour, self._four_hours, self._session = VwapSums(), VwapSums(), VwapSums()
        self._hour_start = 0  # index in _minutes of the oldest minute of the last hour
        self._day = NO_MINUTE
        self._gap_minute = NO_MINUTE  # newest minute that a gap marked
        self._order: int | None = None  # sign of vwap_1h - vwap_4h in the previous record

    def update(self, closed: "Closed") -> Iterator[dict[str, Any]]:
        """Yield one record for each closed minute that had trades."""
        if self._terms is not None:
            self._terms.refresh()
        gaps = deque(closed.gaps)
        for bar in closed.bars:
            while gaps and gaps[0] <= bar.minute:
                self._gap_minute = gaps.popleft()
            self._take(bar)
            yield self._record(bar)
        if gaps:
            self._gap_minute = gaps.pop()

    def _take(self, bar: "MinuteBar") -> None:
        minute = bar.minute
        if minute // times.DAY_MINUTES != self._day:
            self._day = minute // times.DAY_MINUTES
            self._session = VwapSums()
        sums = sums_of(bar)
        self._squares &= bar.square_notional is not None
        self._minutes.append((minute, sums))
        for window in (self._one_hour, self._four_hours, self._session):
            window.add(sums)
        while self._minutes[self._hour_start][0] <= minute - HOUR:
            self._one_hour.drop(self._minutes[self._hour_start][1])
            self._hour_start += 1
        while self._minutes[0][0] <= minute - FOUR_HOURS:
            self._four_hours.drop(self._minutes.popleft()[1])
            self._hour_start -= 1

    def _places_at(self, minute: int) -> int:
        return places_at(self._terms, minute)

    def _record(self, bar: "MinuteBar") -> dict[str, Any]:
        places = self._places = self._places_at(bar.minute)
        one, four, session = self._one_hour, self._four_hours, self._session
        extended = abs(four.above(bar.close)) * 10_000 * exact.SIZE_ONE
        oldest = max(min(bar.minute - FOUR_HOURS + 1, self._day * times.DAY_MINUTES), 0)
        row = {
            "timestamp_utc": times.iso_minute(bar.minute),
            "instId": self._inst_id,
            "exchange": self._exchange,
            "market": "perp",
            "close": exact.price_text(bar.close),
            "vwap_1h": one.vwap(places),
            "vwap_4h": four.vwap(places),
            "vwap_session": session.vwap(places),
            "vwap_base_1h": one.vwap_base(places),
            "vwap_base_4h": four.vwap_base(places),
            "vwap_base_session": session.vwap_base(places),
            "deviation_bps_1h": one.deviation_bps(bar.close),
            "deviation_bps_4h": four.deviation_bps(bar.close),
            "deviation_bps_session": session.deviation_bps(bar.close),
            "extended": extended > self._extended_bps * four.price_notional,
            "cross": self._cross(),
            "minutes_1h": one.minutes,
            "minutes_4h": four.minutes,
            "minutes_session": session.minutes,
            "trade_count_1h": one.trade_count,
            "trade_count_4h": four.trade_count,
            "gap": self._gap_minute >= oldest,
        }
        if self._squares:
            row["sd_1h"], row["sd_4h"] = one.sd(places), four.sd(places)
            row["sd_session"] = session.sd(places)
        return row

    def _cross(self) -> str | None:
        """Return how vwap_1h has crossed vwap_4h since the previous record, on exact values."""
        one, four = self._one_hour, self._four_hours
        difference = one.price_notional * four.notional - four.price_notional * one.notional
        previous, self._order = self._order, (difference > 0) - (difference < 0)
        if previous is None:
            return None
        if self._order > 0 >= previous:
            return "bullish"
        if self._order < 0 <= previous:
            return "bearish"
        return None

    def state(self) -> dict[str, Any]:
        """Return everything that later records depend on; ``places`` if they are more than 8."""
        squares = self._squares
        state = {
            "minutes": [[minute, *sums.state(squares=squares)] for minute, sums in self._minutes],
            "session": self._session.state(squares=squares),
            "day": self._day,
            "gap_minute": self._gap_minute,
            "order": self._order,
        }
        return state if self._places == LEAST_PLACES else {**state, "places": self._places}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned.

        Raises SupersededStateError if its newest record has fewer places than it should.
        """
        self._day, self._gap_minute = int(state["day"]), int(state["gap_minute"])
        self._order = state["order"]
        self._session = VwapSums.restore(state["session"])
        self._squares = len(state["session"]) == len(VwapSums.__slots__)
        self._minutes.extend((minute, VwapSums.restore(sums)) for minute, *sums in state["minutes"])
        for _, sums in self._minutes:
            self._one_hour.add(sums)  # the next minute drops those that left the hour
            self._four_hours.add(sums)
        self._places = int(state.get("places", LEAST_PLACES))
        wanted = self._places_at(self._minutes[-1][0]) if self._minutes else self._places
        if wanted > self._places:
            raise SupersededStateError(
                f"a VWAP of this tick has {wanted} places, those on disk have {self._places}"
            )


CALCULATOR: Final = Calculator(
    description="VWAP per minute over 1 h, 4 h and the UTC session, from raw trades.",
    input=TRADES_WITH_SQUARES,
    fold=lambda vault, inst_id, settings: VwapFold(
        inst_id, settings, vault.exchange, known_history(vault, inst_id)
    ),
    output=catalog.VWAP,
    parameters=lambda _, settings: {"extended_bps": settings.vwap.extended_bps.text},
)


def main(argv: Sequence[str] | None = None) -> int:
    """Bring the VWAP of the given instruments up to date."""
    return calculator.main(CALCULATOR, argv)


if __name__ == "__main__":
    cli.leave(main())
