"""The trades of a minute by price: buys and sells of takers in each bucket, and their delta.

A bucket is a stretch of prices: its number x the height is its low edge. The running delta is the
notional of buys less that of sells, record by record in file order, from 0 at the minute's start.
"""

from typing import Any, NamedTuple

from ravequant import exact

_NOTHING = (0, 0, 0)


class PriceLevels(NamedTuple):
    """The buckets of a minute that traded, the lowest first, and the extremes of its delta."""

    places: int  # amounts count 10**-places of the quote currency
    numbers: list[int]  # of the buckets
    bought: list[int]  # notional in each; the taker's side
    sold: list[int]
    trades: list[int]  # records in each
    highest: int  # of the running delta: at least 0
    lowest: int  # at most 0

    @property
    def delta(self) -> int:
        """The buys of takers less their sells."""
        return sum(self.bought) - sum(self.sold)

    def at(self, places: int) -> "PriceLevels":
        """Return the levels in units of ``10**-places``, which are as fine or finer."""
        if places == self.places:
            return self
        one = 10 ** (places - self.places)
        return self._replace(
            places=places,
            bought=[value * one for value in self.bought],
            sold=[value * one for value in self.sold],
            highest=self.highest * one,
            lowest=self.lowest * one,
        )


def levels_of(price: int, notional: int, height: int, *, buy: bool) -> PriceLevels:
    """Return the levels of one record.

    ``price`` and ``height`` of a bucket are in units of ``exact.PRICE_PLACES``, ``notional`` in
    those of ``exact.NOTIONAL_PLACES``.
    """
    bought, sold = (notional, 0) if buy else (0, notional)
    return PriceLevels(
        exact.NOTIONAL_PLACES, [price // height], [bought], [sold], [1], bought, -sold
    )


def joined(earlier: PriceLevels | None, later: PriceLevels | None) -> PriceLevels | None:
    """Return the levels of a minute whose records are ``earlier`` and then ``later``.

    None if either is None: the reader has not asked for them.
    """
    if earlier is None or later is None:
        return None
    places = max(earlier.places, later.places)
    earlier, later = earlier.at(places), later.at(places)
    buckets = dict(zip(earlier[1], zip(*earlier[2:5], strict=True), strict=True))
    for number, bought, sold, trades in zip(*later[1:5], strict=True):
        known = buckets.get(number, _NOTHING)
        buckets[number] = (known[0] + bought, known[1] + sold, known[2] + trades)
    numbers, before = sorted(buckets), earlier.delta
    return PriceLevels(
        places,
        numbers,
        [buckets[number][0] for number in numbers],
        [buckets[number][1] for number in numbers],
        [buckets[number][2] for number in numbers],
        max(earlier.highest, before + later.highest),
        min(earlier.lowest, before + later.lowest),
    )


def packed(levels: PriceLevels) -> list[Any]:
    """Return levels for JSON, exact and canonical: the delta's extremes, then the buckets."""
    _, numbers, bought, sold, trades, highest, lowest = levels.at(exact.NOTIONAL_PLACES)
    rows = zip(numbers, map(exact.packed, bought), map(exact.packed, sold), trades, strict=True)
    return [exact.packed(highest), exact.packed(lowest), *map(list, rows)]


def unpacked(state: list[Any]) -> PriceLevels:
    """Return the levels that ``packed`` wrote. Raises TypeError or ValueError for another list."""
    highest, lowest, *rows = state
    numbers, bought, sold, trades = map(list, zip(*rows, strict=True))
    return PriceLevels(
        exact.NOTIONAL_PLACES,
        numbers,
        [exact.unpacked(text) for text in bought],
        [exact.unpacked(text) for text in sold],
        trades,
        exact.unpacked(highest),
        exact.unpacked(lowest),
    )
