"""Order-flow imbalance and large levels of many snapshots at once (SPEC section 16).

    e = q_b [P_b >= P_b'] - q_b' [P_b <= P_b'] - q_a [P_a <= P_a'] + q_a' [P_a >= P_a']

with best prices P and their base q, ' the snapshot before (Cont, Kukanov, Stoikov 2014); ranks 2 to
10 alike, with the m-th best prices. Nothing here depends on trades.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from Liquidity_Buckets.band_view import DEEP, WS, Reach
from ravequant import contract, exact
from ravequant.books.levels import Levels, largest
from ravequant.books.snapshot_reader import Books, Deep, Head
from ravequant.contract import Worth
from ravequant.swar_digits import SAFE, Ints

RANKS: Final = 10
_ROOM: Final = 8 * RANKS  # sizes that a sum of intervals holds
Prices = dict[int, int]  # price in units of 10**-PRICE_PLACES, contracts in 10**-SIZE_PLACES


class Imbalance(NamedTuple):
    """The imbalance of an interval, in units of 10**-BASE_PLACES."""

    best: int
    ranks: int
    complete: bool  # no rank was missing


class Ranked(NamedTuple):
    """The best prices of one snapshot: bids, then asks; a rank that is missing has size -1."""

    prices: list[int]  # units of 10**-PRICE_PLACES
    base: list[int]  # units of 10**-BASE_PLACES


class FlowMeasure:
    """Yields the imbalance from each snapshot to the next."""

    def __init__(self) -> None:
        self.before: Ranked | None = None  # the newest snapshot so far

    def flows(self, books: Books, numbers: range, worth: Worth) -> list[Imbalance]:
        """Return the imbalance up to each of the snapshots; of the first ever nothing is known."""
        if not len(books.levels.price):
            self.before = None
            return [Imbalance(0, 0, complete=False) for _ in numbers]
        price, base, there, units = self._columns(books.levels, numbers, worth)
        bid, ask, bid_base, ask_base = price[:, 0], price[:, 1], base[:, 0], base[:, 1]
        zero = np.zeros(1, dtype=base.dtype)
        e = np.where(bid[1:] >= bid[:-1], bid_base[1:], zero)
        e -= np.where(bid[1:] <= bid[:-1], bid_base[:-1], zero)
        e -= np.where(ask[1:] <= ask[:-1], ask_base[1:], zero)
        e += np.where(ask[1:] >= ask[:-1], ask_base[:-1], zero)
        known = np.logical_and.reduce(there, axis=1)
        known = known[1:] & known[:-1]
        e[~known] = 0
        sums, complete = e.sum(axis=1).tolist(), np.logical_and.reduce(known, axis=1).tolist()
        price_one, base_one = units
        self.before = Ranked(
            [value * price_one for value in price[-1].ravel().tolist()],
            [
                value * base_one if found else -1
                for value, found in zip(
                    base[-1].ravel().tolist(), there[-1].ravel().tolist(), strict=True
                )
            ],
        )
        return [
            Imbalance(best * base_one, total * base_one, whole)
            for best, total, whole in zip(e[:, 0].tolist(), sums, complete, strict=True)
        ]

    def _columns(
        self, levels: Levels, numbers: range, worth: Worth
    ) -> tuple[Ints, Ints, NDArray[np.bool_], tuple[int, int]]:
        """Return price, base and presence by (snapshot, side, rank), and the units of both.

        The first row is the snapshot before.
        """
        sides = slice(2 * numbers.start, 2 * numbers.stop)
        starts, ends = levels.starts[:-1][sides], levels.starts[1:][sides]
        rows = starts[:, None] + np.arange(RANKS)
        there = rows < ends[:, None]
        rows = np.minimum(rows, len(levels.price) - 1)
        price, base = levels.price[rows], levels.qty[rows]
        price_one = 10 ** (exact.PRICE_PLACES - levels.price_places)
        base_one = worth.factor * 10 ** (exact.BASE_PLACES - levels.qty_places - worth.places)
        if worth.inverse:
            base, base_one = _inverse_base(price, base, levels, worth), _INVERSE_ONE
        before = self.before or Ranked([0] * 2 * RANKS, [-1] * 2 * RANKS)
        first_there = np.array(before.base) >= 0
        sizes = [max(value, 0) for value in before.base]
        if any(value % price_one for value in before.prices) or any(v % base_one for v in sizes):
            price, price_one = price.astype(object) * price_one, 1
            base, base_one = base.astype(object) * base_one, 1
        prices = [value // price_one for value in before.prices]
        sizes = [value // base_one for value in sizes]
        if max(largest(base.ravel()), *sizes) * _ROOM >= SAFE or max(prices) >= SAFE:
            price, base = price.astype(object), base.astype(object)
        shape = (-1, 2, RANKS)
        return (
            np.concatenate([np.array(prices, dtype=price.dtype), price.ravel()]).reshape(shape),
            np.concatenate([np.array(sizes, dtype=base.dtype), base.ravel()]).reshape(shape),
            np.concatenate([first_there, there.ravel()]).reshape(shape),
            (price_one, base_one),
        )


_INVERSE_ONE: Final = 10 ** (exact.BASE_PLACES - contract.INVERSE_BASE_PLACES)


def _inverse_base(price: Ints, qty: Ints, levels: Levels, worth: Worth) -> Ints:
    found = worth.inverse_base(price.ravel(), qty.ravel(), levels.price_places, levels.qty_places)
    return np.array(found, dtype=object).reshape(price.shape)


class LargeLevels:
    """The levels of a table that are large enough for a wall, by side."""

    def __init__(self, levels: Levels, worth: Worth, wall_notional: int) -> None:
        self._levels = levels
        self.price_one: int = 10 ** (exact.PRICE_PLACES - levels.price_places)
        self._qty_one: int = 10 ** (exact.SIZE_PLACES - levels.qty_places)
        price, qty = levels.price, levels.qty
        if largest(price) * largest(qty) >= SAFE:
            price, qty = price.astype(object), qty.astype(object)
        money = worth.factors(levels.price_places, levels.qty_places, contract.FINEST)[0]
        rows = np.flatnonzero(worth.notional(price, qty) >= -(-wall_notional // money))
        sides = np.searchsorted(levels.starts, rows, side="right") - 1
        self._found: dict[int, Prices] = {}
        large = levels.price[rows].tolist(), levels.qty[rows].tolist()
        for side, at, size in zip(sides.tolist(), *large, strict=True):
            self._found.setdefault(side, {})[at * self.price_one] = size * self._qty_one
        lasts = np.maximum(levels.starts[1:], 1) - 1
        self._lasts: list[int] = levels.price[lasts].tolist() if len(levels.price) else []
        self._starts: list[int] = levels.starts.tolist()

    def of(self, side: int) -> Prices:
        """Return the large levels of a side."""
        return self._found.get(side, {})

    def last(self, side: int) -> int | None:
        """Return the price that is farthest from the mid; None for an empty side."""
        if self._starts[side] == self._starts[side + 1]:
            return None
        return self._lasts[side] * self.price_one

    def qty(self, side: int, price: int) -> int:
        """Return the contracts at a price of a side; 0 if it holds none."""
        at, rest = divmod(price, self.price_one)
        begin, end = self._starts[side], self._starts[side + 1]
        prices = self._levels.price[begin:end]
        if side & 1 == 0:
            prices = prices[::-1]
        row = int(np.searchsorted(prices, at))
        if rest or row == len(prices) or int(prices[row]) != at:
            return 0
        row = begin + row if side & 1 else end - 1 - row
        return int(self._levels.qty[row]) * self._qty_one


class Sighting(NamedTuple):
    """The level at a price where a wall is or was, as a snapshot shows it."""

    side: int  # 0 bids, 1 asks
    price: int  # units of 10**-PRICE_PLACES
    qty: int | None  # contracts, units of 10**-SIZE_PLACES; None: out of reach
    at: int  # time of the book that shows it, ms
    stands: bool  # it is large enough for a wall; out of reach: it may still be
    fresh: bool  # the book before showed that place: a wall that is new here was placed since


class _InUse(NamedTuple):
    """The deep snapshot in use."""

    ts: int
    large: LargeLevels
    newer: bool  # than that of the snapshot before


class _Watched(NamedTuple):
    """A price at which a wall stood when it was last seen."""

    seen: int  # time of the book that showed it, ms
    away: int | None = None  # since when it is out of reach


class _WallSide:
    """The prices of one side at which a wall may stand."""

    def __init__(self, side: int, hold_ms: int) -> None:
        self._side, self._hold_ms = side, hold_ms
        self._watched: dict[int, _Watched] = {}
        self._before: Reach | None = None

    def reset(self) -> None:
        """Forget the snapshot before."""
        self._watched.clear()
        self._before = None

    def look(
        self, head: Head, reach: Reach, own: LargeLevels, number: int, deep: _InUse | None
    ) -> list[Sighting]:
        """Return the sightings of a snapshot; ``number`` is that of its side in its levels."""
        found = list[Sighting]()
        large = own.of(number)
        if not large and not self._watched and (deep is None or not deep.large.of(self._side)):
            self._before = reach
            return found
        for price, wall in list(self._watched.items()):
            source = reach.source(price)
            if source is None:
                found.append(self._hidden(price, wall, head.ts))
            elif source == WS:
                found.append(self._seen(price, own, number, head.ts))
            elif deep is not None and deep.newer and deep.ts > wall.seen:
                found.append(self._seen(price, deep.large, self._side, deep.ts))
            else:
                self._watched[price] = wall._replace(away=None)
        shown = [(price, qty, WS, head.ts) for price, qty in large.items()]
        if deep is not None:
            more = deep.large.of(self._side).items()
            shown += [(price, qty, DEEP, deep.ts) for price, qty in more]
        for price, qty, kind, at in shown:
            if price in self._watched or reach.source(price) != kind or not reach.faces(price):
                continue
            fresh = self._before is not None and self._before.source(price) is not None
            if kind == DEEP and fresh and deep is not None and not deep.newer:
                continue  # the book before no longer had it
            self._watched[price] = _Watched(at)
            found.append(Sighting(self._side, price, qty, at, stands=True, fresh=fresh))
        self._before = reach
        return found

    def _hidden(self, price: int, wall: _Watched, ts: int) -> Sighting:
        since = ts if wall.away is None else wall.away
        self._watched[price] = wall._replace(away=since)
        forgotten = ts - since > self._hold_ms
        if forgotten:
            del self._watched[price]
        return Sighting(self._side, price, None, ts, stands=not forgotten, fresh=False)

    def _seen(self, price: int, levels: LargeLevels, number: int, at: int) -> Sighting:
        qty = levels.of(number).get(price)
        if qty is not None:
            self._watched[price] = _Watched(at)
        else:
            del self._watched[price]
        there = levels.qty(number, price) if qty is None else qty
        return Sighting(self._side, price, there, at, stands=qty is not None, fresh=True)

    def state(self) -> list[Any]:
        """Return everything that later sightings depend on."""
        watched = [
            [exact.text(price, exact.PRICE_PLACES), *wall] for price, wall in self._watched.items()
        ]
        return [watched, None if self._before is None else self._before.state()]

    def restore(self, state: list[Any]) -> None:
        """Restore a state that ``state()`` returned."""
        watched, before = state
        self._watched = {
            exact.units(price, exact.PRICE_PLACES): _Watched(*wall) for price, *wall in watched
        }
        self._before = None if before is None else Reach.restore(before)


class WallSightings:
    """Finds the walls of each snapshot, and follows their prices until they are no walls."""

    def __init__(self, wall_notional: int, depth_levels: int, hold_ms: int) -> None:
        self._wall_notional, self._depth_levels = wall_notional, depth_levels
        self._sides = (_WallSide(0, hold_ms), _WallSide(1, hold_ms))
        self._deep: tuple[Deep, Worth, LargeLevels] | None = None
        self._deep_ts: int | None = None

    def reset(self) -> None:
        """Forget the snapshot before: the next counts as the first."""
        for side in self._sides:
            side.reset()
        self._deep_ts = None

    def large(self, books: Books, worth: Worth) -> LargeLevels:
        """Return the large levels of all the snapshots."""
        return LargeLevels(books.levels, worth, self._wall_notional)

    def look(
        self, head: Head, number: int, own: LargeLevels, worth: Worth, deep: Deep | None
    ) -> list[Sighting]:
        """Return the sightings of the snapshot of that number; ``deep`` is in use."""
        used = None
        if deep is not None:
            newer = self._deep_ts is None or deep.ts > self._deep_ts
            used = _InUse(deep.ts, self._large_deep(deep, worth), newer)
        found = list[Sighting]()
        for side, machine in enumerate(self._sides):
            reach = self._reach(head, side, own.last(2 * number + side), used)
            found += machine.look(head, reach, own, 2 * number + side, used)
        self._deep_ts = None if used is None else used.ts
        return found

    def _large_deep(self, deep: Deep, worth: Worth) -> LargeLevels:
        if self._deep is None or self._deep[0] is not deep or self._deep[1] != worth:
            self._deep = deep, worth, LargeLevels(deep.levels, worth, self._wall_notional)
        return self._deep[2]

    def _reach(self, head: Head, side: int, last: int | None, deep: _InUse | None) -> Reach:
        sign = 1 if side else -1
        ws: int | None = None
        if head.entries[side] >= self._depth_levels:
            ws = -1 if last is None else sign * (2 * last - head.twice_mid)
        far = None if deep is None else deep.large.last(side)
        away = -1 if far is None else sign * (2 * far - head.twice_mid)
        return Reach(side == 0, head.twice_mid, ws, away)

    def state(self) -> dict[str, Any]:
        """Return everything that later sightings depend on."""
        return {"sides": [side.state() for side in self._sides], "deep_ts": self._deep_ts}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned."""
        self._deep_ts = state["deep_ts"]
        for side, facts in zip(self._sides, state["sides"], strict=True):
            side.restore(facts)
