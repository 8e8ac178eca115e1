"""A day's trades and books as columns, and the questions that a resting order asks of them. Pure.

Prices are integers in one unit (ticks, where nothing is finer), sizes in lots. A record that is
out of order in time counts at the time of the newest before it, so the clock never falls and the
order is that of the ids. All engines think of a SHORT: a LONG is played on ``mirrored`` columns,
whose prices are negative and whose sides are exchanged.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]
_BLOCK: Final = 512  # records that share one extreme
FRESH_MS: Final = 10_000  # the age up to which a snapshot of the book counts


def narrow(values: Ints) -> Ints:
    """Return a column as int32 where all of its values surely fit."""
    limit = np.iinfo(np.int32).max
    if values.dtype == object or (len(values) and int(np.abs(values).max()) > limit):
        return values
    return values.astype(np.int32)


class _Heights:
    """Prices with the highest of each block: finds where they first reach a level."""

    def __init__(self, price: Ints) -> None:
        self._price = price
        starts = np.arange(0, len(price), _BLOCK)
        self._highest = np.maximum.reduceat(price, starts) if len(price) else price

    def first(self, level: int, start: int, stop: int) -> int | None:
        """Return the first place in [start, stop) with a price at or above ``level``."""
        first_block, last_block = -(-start // _BLOCK), stop // _BLOCK
        if first_block >= last_block:
            return self._look(level, start, stop)
        found = self._look(level, start, first_block * _BLOCK)
        if found is not None:
            return found
        high = self._highest[first_block:last_block] >= level
        block = int(high.argmax())
        if not high[block]:
            return self._look(level, last_block * _BLOCK, stop)
        begin = (first_block + block) * _BLOCK
        return self._look(level, begin, begin + _BLOCK)

    def _look(self, level: int, start: int, stop: int) -> int | None:
        if start >= stop:
            return None
        high = self._price[start:stop] >= level
        place = int(high.argmax())
        return start + place if high[place] else None

    def highest(self, start: int, stop: int) -> int:
        """Return the highest price in [start, stop), which holds a record."""
        first_block, last_block = -(-start // _BLOCK), stop // _BLOCK
        if first_block >= last_block:
            return int(self._price[start:stop].max())
        edges = (
            self._price[start : first_block * _BLOCK],
            self._highest[first_block:last_block],
            self._price[last_block * _BLOCK : stop],
        )
        return max(int(part.max()) for part in edges if len(part))


class DayTrades:
    """Trades in the order of their ids, and the highest and lowest price of each block of them."""

    def __init__(
        self,
        ts: NDArray[np.int64],
        price: Ints,
        qty: Ints,
        buy: Bools,
        organic: Bools | None = None,
    ) -> None:
        """Take columns: Unix ms, price, contracts, and True where the taker bought.

        ``organic`` is False for records with ``source`` 1, which may lie outside the book; None:
        there are none.
        """
        if len({len(ts), len(price), len(qty), len(buy)}) != 1:
            raise ValueError("the columns of a tape have different lengths")
        self.ts = np.maximum.accumulate(ts) if len(ts) else ts
        self.price, self.qty, self.buy = price, qty, buy
        self.organic = np.ones(len(ts), dtype=np.bool_) if organic is None else organic
        self._up, self._down = _Heights(price), _Heights(-price)
        self._up_organic, self._down_organic = self._up, self._down
        self._places: NDArray[np.int64] | None = None  # of the organic records; None: all are
        if not self.organic.all():
            lowest = np.iinfo(price.dtype).min
            self._places = np.flatnonzero(self.organic)
            self._up_organic = _Heights(np.where(self.organic, price, lowest))
            self._down_organic = _Heights(np.where(self.organic, -price, lowest))

    def __len__(self) -> int:
        return len(self.ts)

    @cached_property
    def mirrored(self) -> "DayTrades":
        """The tape on which a LONG looks like a SHORT."""
        return DayTrades(self.ts, -self.price, self.qty, ~self.buy, self.organic)

    def first_at(self, moment_ms: int) -> int:
        """Return the place of the first record at or after a moment; the length if none is."""
        return int(self.ts.searchsorted(moment_ms))

    def ms(self, place: int) -> int:
        """Return the time of a record."""
        return int(self.ts[place])

    def rises_to(self, level: int, start: int, stop: int, *, rpi: bool = False) -> int | None:
        """Return the first place in [start, stop) with a price at or above ``level``.

        With ``rpi`` records with ``source`` 1 count too.
        """
        return (self._up if rpi else self._up_organic).first(level, start, stop)

    def falls_to(self, level: int, start: int, stop: int) -> int | None:
        """Return the first place in [start, stop) with an organic price at or below ``level``."""
        return self._down_organic.first(-level, start, stop)

    def extremes(self, start: int, stop: int) -> tuple[int, int]:
        """Return the highest and the lowest price in [start, stop), which holds a record."""
        return self._up.highest(start, stop), -self._down.highest(start, stop)

    def next_organic(self, start: int) -> int | None:
        """Return the first place from ``start`` on of an organic record; None if none is left."""
        if self._places is None:
            return start if start < len(self) else None
        place = int(self._places.searchsorted(start))
        return int(self._places[place]) if place < len(self._places) else None

    def bought_at(self, price: int, start: int, stop: int) -> NDArray[np.int64]:
        """Return the places in [start, stop) where takers bought at exactly a price."""
        part = slice(start, stop)
        found = (self.price[part] == price) & self.buy[part] & self.organic[part]
        return np.flatnonzero(found) + start


@dataclass(frozen=True, slots=True, eq=False)
class SideColumns:
    """One side of consecutive snapshots; snapshot i has the rows starts[i] up to starts[i + 1].

    The levels of a snapshot go from the mid outwards. Levels that nobody asks for may be left out
    as long as ``reach`` says how far the side was seen.
    """

    price: Ints
    qty: Ints
    starts: NDArray[np.int64]
    reach: Ints  # the farthest price that each snapshot shows, or may show

    def mirrored(self) -> "SideColumns":
        """Return the side with negative prices."""
        return SideColumns(-self.price, self.qty, self.starts, -self.reach)


class Walk(NamedTuple):
    """The price of a market order over the best price: ``paid / (size * best)``."""

    paid: int  # sum of price x contracts
    whole: int  # size x best
    thin: bool  # the book could not serve it all


@dataclass(frozen=True, eq=False)
class DayBooks:
    """Raw snapshots of the book, oldest first."""

    ts: NDArray[np.int64]  # Unix ms
    whole: Bools  # False where ``gap_detected``
    asks: SideColumns
    bids: SideColumns

    def __post_init__(self) -> None:
        if (np.diff(self.ts) < 0).any():
            raise ValueError("the snapshots are not in order of time")

    @cached_property
    def mirrored(self) -> "DayBooks":
        """The book in which a LONG looks like a SHORT."""
        return DayBooks(self.ts, self.whole, self.bids.mirrored(), self.asks.mirrored())

    def newest(self, moment_ms: int) -> int | None:
        """Return the newest snapshot at or before a moment, if it is fresh and whole."""
        place = int(self.ts.searchsorted(moment_ms, side="right")) - 1
        if place < 0 or moment_ms - int(self.ts[place]) > FRESH_MS or not self.whole[place]:
            return None
        return place

    def shown(self, price: int, first: int, last: int) -> NDArray[np.int64]:
        """Return the contracts asked at a price in snapshots [first, last); -1 where unknown."""
        side = self.asks
        begin, end = int(side.starts[first]), int(side.starts[last])
        rows = np.flatnonzero(side.price[begin:end] == price) + begin
        found = np.zeros(last - first, dtype=np.int64)
        found[side.starts.searchsorted(rows, side="right") - 1 - first] = side.qty[rows]
        found[~self.whole[first:last] | (side.reach[first:last] < price)] = -1
        return found

    def walk(self, place: int, size: int) -> Walk | None:
        """Return the walk of a market buy of ``size`` through the asks; None without an ask."""
        side = self.asks
        begin, end = int(side.starts[place]), int(side.starts[place + 1])
        if begin == end:
            return None
        paid, left, price = 0, size, 0
        for row in range(begin, end):
            price = int(side.price[row])
            taken = min(left, int(side.qty[row]))
            paid, left = paid + price * taken, left - taken
            if not left:
                break
        return Walk(abs(paid + price * left), abs(size * int(side.price[begin])), left > 0)
