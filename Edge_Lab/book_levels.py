"""The levels of a day's raw books that its orders ask for, in columns that stay small.

A day of books is a gigabyte; an order needs the contracts at its own tip, and the levels through
which a market order of its size walks. All others are dropped as the books are read, once.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from Edge_Lab.tape import DayBooks, Ints, SideColumns, narrow
from ravequant.books.levels import Levels
from ravequant.books.snapshot_reader import Books, SnapshotReader
from ravequant.errors import VaultError
from ravequant.vault.paths import Vault, book_files
from ravequant.vault.tail import Tail

_UNBOUNDED: Final = np.iinfo(np.int64).max // 4  # the reach of a side that was seen whole


class BookCollector:
    """Takes books in the order of time and keeps the levels at some prices and near the mid.

    ``prices`` and ``most`` (the largest own order) are integers in units of ``10**-price_places``
    and ``10**-qty_places``, as the columns that come out are. A side with fewer than
    ``depth_levels`` levels is complete: nothing rests beyond it.
    """

    def __init__(
        self,
        prices: Sequence[int],
        most: int,
        *,
        price_places: int,
        qty_places: int,
        depth_levels: int = 400,
    ) -> None:
        self._prices = np.unique(np.array(prices, dtype=np.int64))
        self._most, self._depth = most, depth_levels
        self._places = price_places, qty_places
        self._ts: list[int] = []
        self._whole: list[bool] = []
        self._sides = (_SideParts(), _SideParts())  # bids, asks

    def add(self, books: Books) -> None:
        """Take consecutive books. Raises VaultError for a price or size finer than the units."""
        levels, places = books.levels, self._places
        if levels.price_places > places[0] or levels.qty_places > places[1]:
            raise VaultError(
                f"a book of {books.heads[0].ts} ms has {levels.price_places} decimals in its "
                f"prices and {levels.qty_places} in its sizes, expected at most {places[0]} and "
                f"{places[1]}; the metadata history lacks a change of the tick or the lot"
            )
        levels = levels.scaled(*places)
        if object in {levels.price.dtype, levels.qty.dtype}:
            raise VaultError(f"a book of {books.heads[0].ts} ms has numbers of more than 63 bits")
        keep = self._wanted(levels)
        kept_before = np.concatenate(([0], np.cumsum(keep)))
        for number, head in enumerate(books.heads):
            self._ts.append(head.ts)
            self._whole.append(not head.gap_detected)
            for side in (0, 1):
                begin, end = (int(levels.starts[2 * number + side + at]) for at in (0, 1))
                count = int(kept_before[end] - kept_before[begin])
                farthest = int(levels.price[end - 1]) if end > begin else None
                complete = head.entries[side] < self._depth
                self._sides[side].note(count, _reach(side, farthest, complete=complete))
        owner = np.repeat(np.arange(len(levels.starts) - 1), np.diff(levels.starts))
        for side in (0, 1):
            rows = keep & (owner % 2 == side)
            self._sides[side].take(levels.price[rows], levels.qty[rows])

    def _wanted(self, levels: Levels) -> NDArray[np.bool_]:
        """Return which levels stand at a wanted price, or are reached by the largest order."""
        before = np.cumsum(levels.qty) - levels.qty
        first = np.repeat(levels.starts[:-1], np.diff(levels.starts))
        near: NDArray[np.bool_] = before - before[first] < self._most
        if not len(self._prices):
            return near
        place = np.minimum(self._prices.searchsorted(levels.price), len(self._prices) - 1)
        near |= self._prices[place] == levels.price
        return near

    def books(self) -> DayBooks:
        """Return the books taken so far."""
        bids, asks = (side.columns() for side in self._sides)
        whole = np.array(self._whole, dtype=np.bool_)
        return DayBooks(np.array(self._ts, dtype=np.int64), whole, asks, bids)


class _SideParts:
    """One side of the books, batch by batch."""

    def __init__(self) -> None:
        self._price: list[Ints] = []
        self._qty: list[Ints] = []
        self._counts: list[int] = []
        self._reach: list[int] = []

    def note(self, count: int, reach: int) -> None:
        """Note a snapshot: how many of its levels are kept, and how far the side was seen."""
        self._counts.append(count)
        self._reach.append(reach)

    def take(self, price: Ints, qty: Ints) -> None:
        """Take the kept levels of a batch."""
        self._price.append(narrow(price))
        self._qty.append(narrow(qty))

    def columns(self) -> SideColumns:
        """Return the columns of all batches."""
        none = [np.empty(0, dtype=np.int64)]
        return SideColumns(
            np.concatenate(self._price or none),
            np.concatenate(self._qty or none),
            np.concatenate(([0], np.cumsum(self._counts, dtype=np.int64))),
            np.array(self._reach, dtype=np.int64),
        )


def _reach(side: int, farthest: int | None, *, complete: bool) -> int:
    """Return the farthest price that a side shows; a side without a level was not seen."""
    away = 1 if side else -1
    if complete:
        return away * _UNBOUNDED
    return -away * _UNBOUNDED if farthest is None else farthest


class _NoDeepLines:
    """Deep snapshots are not asked for: only levels of the raw books queue in order."""

    def peek(self) -> bytes | None:
        """Return None: there is no line."""
        return None

    def take(self) -> None:
        """Pass nothing."""

    def skip(self, reason: str | None) -> None:
        """Leave nothing out."""


def read_books(vault: Vault, inst_id: str, day: str, collector: BookCollector) -> int:
    """Read the raw books of a UTC day once into a collector; return the lines left out.

    Raises VaultError for a damaged file. A day without books adds nothing.
    """
    left_out: list[int] = []
    reader = SnapshotReader(
        inst_id, _NoDeepLines(), lambda offset, _: left_out.append(offset), vault.exchange
    )
    files = [(key, path) for key, path in book_files(vault.snapshots(inst_id)) if key[:10] == day]
    for block in Tail(lambda: iter(files), None, 0, remedy="ask for the day again").blocks():
        for books in reader.read(block.data):
            collector.add(books)
    return len(left_out)
