"""Snapshots of the order book of a span, through the scan of the calculators."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ravequant import catalog, exact
from ravequant.books.levels import Levels
from ravequant.books.snapshot_reader import Books, SnapshotReader
from ravequant.read import columns
from ravequant.read.columns import Column
from ravequant.read.stream import Stream
from ravequant.read.table import Counts
from ravequant.vault.fields import Field
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Block

BOOK_FIELDS: Final = (
    Field("timestamp_utc", "time", "UTC"),
    Field("mid_price", "price", "quote currency"),
    Field("best_bid", "price", "quote currency"),
    Field("best_ask", "price", "quote currency"),
    Field("bids", "levels", "price, and size in contracts; best first"),
    Field("asks", "levels", "price, and size in contracts; best first"),
    Field("gap_detected", "flag"),
)


class NoDeepLines:
    """No deep snapshots."""

    def peek(self) -> bytes | None:
        """Return None: there is no line."""

    def take(self) -> None:
        """Pass no line."""

    def skip(self, reason: str | None) -> None:
        """Pass no line."""


class BookStream(Stream):
    """Snapshots of the order book."""

    def __init__(self, vault: Vault, inst_id: str) -> None:
        super().__init__("books", catalog.BOOK, vault, inst_id, BOOK_FIELDS)
        self._reader = SnapshotReader(inst_id, NoDeepLines(), self._reject, vault.exchange)
        self._seen: dict[str, int] = {}

    def read(self, block: Block) -> Mapping[str, Column]:
        """Return the snapshots of a block that belong to the span."""
        parts = []
        for books in self._reader.read(block.data):
            moments = np.array([head.ts for head in books.heads], dtype=np.int64)
            self.complete = self.until is not None and int(moments[-1]) >= self.until
            inside = self._in_span(moments)
            if inside.any():
                parts.append(_book_columns(books, moments, inside))
            if self.complete:
                break
        if not parts:
            return {}
        return {name: columns.join([part[name] for part in parts]) for name in parts[0]}

    def counted(self) -> Counts:
        """Return the counts since the last call."""
        counts, before = self._reader.counts(), self._seen
        self._seen = counts
        new = {name: number - before.get(name, 0) for name, number in counts.items()}
        return Counts(new["lines"], new["rejected"], new["duplicates"])


def _book_columns(
    books: Books, moments: NDArray[np.int64], inside: NDArray[np.bool_]
) -> dict[str, Column]:
    heads = [head for head, within in zip(books.heads, inside.tolist(), strict=True) if within]
    sides = {name: _side(books.levels, side, inside) for side, name in enumerate(("bids", "asks"))}
    # the middle of two prices has a decimal more than these: half a unit is 5 of the next place
    mids = [5 * head.twice_mid for head in heads]
    found: dict[str, Column] = {}
    for field in BOOK_FIELDS:
        if field.kind == "levels":
            found[field.name] = sides[field.name]
        elif field.kind == "time":
            found[field.name] = Column(field, moments[inside].view("datetime64[ms]"))
        elif field.kind == "flag":
            found[field.name] = Column(field, np.array([head.gap_detected for head in heads]))
        elif field.name == "mid_price":
            found[field.name] = columns.decimals(field, mids, exact.PRICE_PLACES + 1)
        else:
            found[field.name] = _best(field, sides["bids" if field.name == "best_bid" else "asks"])
    return found


def _side(levels: Levels, side: int, inside: NDArray[np.bool_]) -> Column:
    """Return the levels of one side of the snapshots of the span."""
    lengths = np.diff(levels.starts)
    wanted = np.zeros(len(lengths), dtype=np.bool_)
    wanted[side::2] = inside
    rows = np.repeat(wanted, lengths)
    offsets = np.concatenate(([0], np.cumsum(lengths[wanted]))).astype(np.int64)
    price, size = (
        Field("price", "price", "quote currency"),
        Field("qty_contracts", "size", "contracts"),
    )
    parts = {
        "price": Column(price, *columns.fewest(levels.price[rows], levels.price_places)),
        "qty_contracts": Column(size, *columns.fewest(levels.qty[rows], levels.qty_places)),
    }
    field = next(field for field in BOOK_FIELDS if field.name == ("bids", "asks")[side])
    return Column(field, np.empty(0, dtype=object), offsets=offsets, parts=parts)


def _best(field: Field, side: Column) -> Column:
    """Return the first price of each row of a side; null where it is empty."""
    price, offsets = side.parts["price"], side.offsets
    assert offsets is not None  # noqa: S101 - levels are lists
    filled = offsets[1:] > offsets[:-1]
    if filled.all():
        return Column(field, price.values[offsets[:-1]], price.places)
    values = np.zeros(len(filled), dtype=price.values.dtype)
    values[filled] = price.values[offsets[:-1][filled]]
    return Column(field, values, price.places, filled)
