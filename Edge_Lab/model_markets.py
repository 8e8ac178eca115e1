"""Markets without any edge, made of numbers that are the same on every computer. Pure.

    M1   a walk of single ticks
    M2   no drift; volatility of two slow walks, Laplace steps, 120 trades a minute
    M3   M2 at 5/32 of its volatility and a part that returns to its mean (half-life 3 min, sd
         4 bps): a fade earns before costs, a wick no more than another level

All sums are of integers. Each step of M1 and M2 has a sign of its own, so its mean is exactly 0
after any past, also in ticks. The words of a stream are those of Philox; of numpy only its raw
words are used, which no version changes.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from Edge_Lab.tape import DayBooks, DayTrades, SideColumns, Walk
from ravequant import times

DayMarket = Literal["M2", "M3"]
Words = NDArray[np.uint64]
Column = NDArray[np.int64]

PER_MINUTE: Final = 120  # trades
WARM_UP: Final = 240  # minutes before the day
AFTER: Final = 90  # minutes after it: the last order can end in them
MINUTES: Final = WARM_UP + times.DAY_MINUTES + AFTER
FIRST_DAY: Final = 20_000  # Unix day of the day 0
TICKS_A_BP: Final = 10
BASE: Final = 10_000 * TICKS_A_BP  # price, in ticks
PRICE_PLACES: Final = 1
OWN_LOTS: Final = 5

_STEP_MS: Final = times.MINUTE_MS // PER_MINUTE
_ONE: Final = 1 << 16
_LAPLACE: Final = np.array(  # quantiles of the size of a step, in units of _ONE
    [round(-math.log(1 - (place + 0.5) / 4096) * _ONE) for place in range(4096)], dtype=np.int64
)
_MIDDLE_STEP: Final[Mapping[DayMarket, float]] = {"M2": 3.2, "M3": 0.5}  # ticks
_RANGE: Final = 16  # of a slow walk
_VOLATILITY: Final = {  # of a step, in units of _ONE, by the sum of the two walks
    market: np.array(
        [round(middle * 2 ** ((place - _RANGE) / 8) * _ONE) for place in range(2 * _RANGE + 1)],
        dtype=np.int64,
    )
    for market, middle in _MIDDLE_STEP.items()
}
_QUARTER: Final = 15  # minutes between two steps of the slower walk
_HALF_LIFE: Final = 3 * PER_MINUTE  # trades
_PULL: Final = round((1 - 2 ** (-1 / _HALF_LIFE)) * (1 << 32))
_PUSH: Final = round(  # of a trade, for an sd of 4 bps: a difference of two of 1,024 numbers
    4 * TICKS_A_BP * math.sqrt(1 - 4 ** (-1 / _HALF_LIFE)) / math.sqrt((1024**2 - 1) / 6) * _ONE
)
_FIRST_PRICE: Final = 1_000_000  # ticks, of M1
_BOOK_MS: Final = 5_000  # between two snapshots
_DEPTHS: Final = 40  # contracts at a level are 0 up to one less
_MIX: Final = 0x9E3779B97F4A7C15
_WORD: Final = (1 << 64) - 1


def words(name: str, count: int) -> Words:
    """Return ``count`` random words of 64 bits, named by a text."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big")
    found: Words = np.random.Philox(key=key).random_raw(count)
    return found


def _bits(found: Words, first: int, count: int) -> Column:
    """Return bits of each word as a number from 0 up to 2**count - 1."""
    return ((found >> np.uint64(first)) & np.uint64((1 << count) - 1)).astype(np.int64)


def tick_walk(number: int, size: int) -> DayTrades:
    """Return market M1: single ticks, one a second; the taker's side is that of the step."""
    packed = words(f"M1|{number}", -(-size // 64)).astype("<u8").view(np.uint8)
    up = np.unpackbits(packed, count=size, bitorder="little").astype(np.bool_)
    price = _FIRST_PRICE + np.cumsum(np.where(up, 1, -1), dtype=np.int64)
    ts = np.arange(size, dtype=np.int64) * times.SECOND_MS
    return DayTrades(ts, price, np.ones(size, dtype=np.int64), up)


class Minutes(NamedTuple):
    """Candles of consecutive minutes, in ticks."""

    first: int  # Unix minute
    open: Column
    high: Column
    low: Column
    close: Column

    def joined(self, minutes: int) -> "Minutes":
        """Return the candles of a longer timeframe that lie in these whole."""
        skipped = -self.first % minutes
        end = skipped + (len(self.open) - skipped) // minutes * minutes
        parts = [column[skipped:end].reshape(-1, minutes) for column in self[1:]]
        opened, high, low, close = parts
        return Minutes(
            self.first + skipped, opened[:, 0], high.max(axis=1), low.min(axis=1), close[:, -1]
        )


@dataclass(frozen=True, eq=False)
class ModelBooks(DayBooks):
    """Contracts at each price, drawn anew each minute by a hash: they know nothing of any trade.

    A market order has no book to walk through: ``slippage_bps`` stands for it.
    """

    @property
    def mirrored(self) -> "ModelBooks":
        """Both sides show the same."""
        return self

    def shown(self, price: int, first: int, last: int) -> Column:
        """Return the contracts at a price in snapshots [first, last)."""
        place = np.uint64(abs(price) * _MIX & _WORD)
        minute = (self.ts[first:last] // times.MINUTE_MS).astype(np.uint64)
        mixed = (place ^ minute) * np.uint64(_MIX)
        return ((mixed >> np.uint64(40)) % np.uint64(_DEPTHS)).astype(np.int64)

    def walk(self, place: int, size: int) -> Walk | None:  # noqa: ARG002 - as of a real book
        """Return None."""
        return None


class ModelDay(NamedTuple):
    """A UTC day of a model market, the minutes before and after it included; prices in ticks."""

    number: int
    trades: DayTrades
    books: ModelBooks
    minutes: Minutes

    @property
    def start(self) -> int:
        """The Unix minute at which the day begins."""
        return self.minutes.first + WARM_UP


def made_day(market: DayMarket, number: int) -> ModelDay:
    """Return a day of M2 or M3; days of different numbers have nothing in common.

    M3 has M2's words of that number.
    """
    count = MINUTES * PER_MINUTE
    drawn = words(f"M2|{number}", count)
    steps = _steps(drawn, np.repeat(_volatility(market, number), PER_MINUTE))
    price = BASE + np.cumsum(steps)
    if market == "M3":
        price = price + _returning(words(f"M3|{number}", count))
        steps = np.diff(price, prepend=price[0])
    first = (FIRST_DAY + number) * times.DAY_MINUTES - WARM_UP
    place = np.arange(count, dtype=np.int64)
    ts = first * times.MINUTE_MS + place * _STEP_MS + _bits(drawn, 28, 16) % _STEP_MS
    buys = (steps > 0) | ((steps == 0) & (_bits(drawn, 63, 1) > 0))
    trades = DayTrades(ts, price, 1 + _bits(drawn, 44, 4), buys)
    return ModelDay(number, trades, _books(first), _minutes(first, price))


def _steps(drawn: Words, volatility: Column) -> Column:
    """Return Laplace steps in whole ticks: rounded at random by size, then given a sign."""
    size = _LAPLACE[_bits(drawn, 0, 12)] * volatility >> 16
    whole = (size + _bits(drawn, 12, 16)) >> 16
    return whole * (1 - 2 * _bits(drawn, 63, 1))


def _volatility(market: DayMarket, number: int) -> Column:
    """Return the volatility of each minute: a walk of minutes and one of quarters of an hour."""
    drawn = words(f"volatility|{number}", MINUTES + 2)
    step = 1 - 2 * _bits(drawn, 0, 1)
    fast = _reflected(_bits(drawn[-1:], 8, 5) + np.cumsum(step[:MINUTES]))
    step = np.where(np.arange(MINUTES) % _QUARTER == 0, 1 - 2 * _bits(drawn[:MINUTES], 1, 1), 0)
    slow = _reflected(_bits(drawn[-1:], 16, 5) + np.cumsum(step))
    found: Column = _VOLATILITY[market][fast + slow]
    return found


def _reflected(walk: Column) -> Column:
    """Return a walk between 0 and _RANGE."""
    folded = walk % (2 * _RANGE)
    return np.minimum(folded, 2 * _RANGE - folded)


def _returning(drawn: Words) -> Column:
    """Return the part that returns to its mean, in ticks."""
    pushes = (_bits(drawn, 0, 10) - _bits(drawn, 10, 10)) * _PUSH
    path = accumulate(pushes.tolist(), lambda off, push: off - (off * _PULL >> 32) + push)
    return (np.fromiter(path, dtype=np.int64, count=len(drawn)) + _ONE // 2) >> 16


def _books(first: int) -> ModelBooks:
    count = MINUTES * times.MINUTE_MS // _BOOK_MS
    ts = first * times.MINUTE_MS + np.arange(count, dtype=np.int64) * _BOOK_MS
    none = np.empty(0, dtype=np.int64)
    side = SideColumns(none, none, np.zeros(count + 1, dtype=np.int64), np.zeros(count, np.int64))
    return ModelBooks(ts, np.ones(count, dtype=np.bool_), side, side)


def _minutes(first: int, price: Column) -> Minutes:
    table = price.reshape(-1, PER_MINUTE)
    return Minutes(first, table[:, 0], table.max(axis=1), table.min(axis=1), table[:, -1])
