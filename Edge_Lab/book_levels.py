"""The levels of a day's raw books that its orders ask for, in columns that stay small.

A day of books is a gigabyte; an order needs the contracts at its own tip while prints at that tip
may fill it, and the levels through which a market order of its size walks. All others are dropped
as the books are read, once.
"""

import zlib
from collections.abc import Collection
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from Edge_Lab.tape import DayBooks, Ints, SideColumns, narrow
from Edge_Lab.trial_ledger import DayInput
from ravequant import times
from ravequant.books.levels import Levels
from ravequant.books.snapshot_reader import Books, SnapshotReader
from ravequant.errors import VaultError
from ravequant.vault.paths import Vault, book_files
from ravequant.vault.tail import Tail

_SLICE_MS: Final = 5 * times.MINUTE_MS  # in which all prices are wanted that any moment of it wants
_REMEDY: Final = "ask for the day again"
_UNBOUNDED: Final = np.iinfo(np.int64).max // 4  # the reach of a side that was seen whole


class WantedLevels:
    """Prices, each with the time for which its contracts are wanted, to the minutes of a slice."""

    def __init__(self) -> None:
        self._prices: dict[int, set[int]] = {}  # by slice
        self._sorted: dict[int, NDArray[np.int64]] = {}

    def want(self, price: int, first_ms: int, last_ms: int) -> None:
        """Want a price from a moment to another, both included (Unix ms)."""
        for number in range(first_ms // _SLICE_MS, last_ms // _SLICE_MS + 1):
            self._prices.setdefault(number, set()).add(price)
            self._sorted.pop(number, None)

    def at(self, moment_ms: int) -> NDArray[np.int64]:
        """Return the prices that are wanted around a moment, ascending."""
        number = moment_ms // _SLICE_MS
        if number not in self._sorted:
            self._sorted[number] = np.array(sorted(self._prices.get(number, ())), dtype=np.int64)
        return self._sorted[number]


class BookCollector:
    """Takes books in the order of time and keeps the wanted levels and those near the mid.

    Prices and ``most`` (the largest own order) are integers in units of ``10**-price_places``
    and ``10**-qty_places``, as the columns that come out are. A side with fewer than
    ``depth_levels`` levels is complete: nothing rests beyond it.
    """

    def __init__(
        self,
        wanted: WantedLevels,
        most: int,
        *,
        price_places: int,
        qty_places: int,
        depth_levels: int = 400,
    ) -> None:
        self._wanted_levels = wanted
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
        keep = self._rows(books, levels)
        owner = levels.starts.searchsorted(keep, side="right") - 1
        counts = np.bincount(owner, minlength=2 * len(books.heads)).tolist()
        starts = levels.starts.tolist()
        for number, head in enumerate(books.heads):
            self._ts.append(head.ts)
            self._whole.append(not head.gap_detected)
            for side in (0, 1):
                begin, end = starts[2 * number + side : 2 * number + side + 2]
                farthest = int(levels.price[end - 1]) if end > begin else None
                complete = head.entries[side] < self._depth
                reach = _reach(side, farthest, complete=complete)
                self._sides[side].note(counts[2 * number + side], reach)
        for side in (0, 1):
            rows = keep[owner % 2 == side]
            self._sides[side].take(levels.price[rows], levels.qty[rows])

    def _rows(self, books: Books, levels: Levels) -> NDArray[np.int64]:
        """Return the rows at a wanted price, or that the largest order reaches; ascending."""
        near = self._near(levels)
        moments = {head.ts // _SLICE_MS: head.ts for head in books.heads}
        parts = [self._wanted_levels.at(ts) for ts in moments.values()]
        prices = np.unique(np.concatenate(parts))
        if not len(prices):
            return near
        place = np.minimum(prices.searchsorted(levels.price), len(prices) - 1)
        wanted = np.flatnonzero(prices[place] == levels.price)
        return np.union1d(near, wanted)

    def _near(self, levels: Levels) -> NDArray[np.int64]:
        """Return the rows of each side that the largest order reaches: few of the first."""
        first, ends = levels.starts[:-1], levels.starts[1:]
        left = np.full(len(first), self._most, dtype=np.int64)
        found, sides, depth = [], np.arange(len(first)), 0
        while len(sides := sides[(left[sides] > 0) & (first[sides] + depth < ends[sides])]):
            rows = first[sides] + depth
            found.append(rows)
            left[sides] -= levels.qty[rows]
            depth += 1
        return np.sort(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)

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


def read_books(
    vault: Vault, inst_id: str, days: Collection[str], until_ms: int, collector: BookCollector
) -> list[DayInput]:
    """Read the raw books of UTC days once into a collector; return each file's name and content.

    Files that begin later than ``until_ms`` are not read. A day without books adds nothing. Raises
    VaultError for a damaged file.
    """
    reader = SnapshotReader(inst_id, _NoDeepLines(), _leave_out, vault.exchange)
    folder, found = vault.snapshots(inst_id), []
    for key, path in book_files(folder):
        if key[:10] not in days or times.file_start_ms(key) > until_ms:
            continue
        length = crc32 = 0
        listing = partial(iter, [(key, path)])
        for block in Tail(listing, None, 0, remedy=_REMEDY).blocks():
            length, crc32 = length + len(block.data), zlib.crc32(block.data, crc32)
            for books in reader.read(block.data):
                collector.add(books)
        name = (folder / f"{key}.jsonl").relative_to(vault.root).as_posix()
        found.append(DayInput(name, crc32, length))
    return found


def _leave_out(_offset: int, _reason: str) -> None:
    """Leave a line out that is no snapshot: the bucketizer has said so."""
