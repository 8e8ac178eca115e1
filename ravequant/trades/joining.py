"""Columns of single fills to columns of records: the rule of SPEC section 3, many rows at once.

`records.same_order` and `records.join` say the same of two rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ravequant.records import Trade
from ravequant.swar_digits import Ints, fits, scale_up
from ravequant.trades import fast_scan
from ravequant.trades.fast_scan import Columns


@dataclass(frozen=True, slots=True, eq=False)
class SourcedColumns:
    """Consecutive records or fills, in file order, with the ``source`` of each."""

    columns: Columns
    source: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.source)

    def select(self, rows: slice | NDArray[Any]) -> Self:
        """Return the rows of a slice, of a mask, or at the given places."""
        return replace(self, columns=self.columns.select(rows), source=self.source[rows])

    @property
    def first_id(self) -> NDArray[np.int64]:
        """The first id that each row covers."""
        return self.columns.trade_id - self.columns.count + 1


def columns_of(trades: Sequence[Trade]) -> SourcedColumns:
    """Return trades (at least one) as columns."""
    source = np.array([int(trade.source) for trade in trades], dtype=np.int64)
    return SourcedColumns(fast_scan.columns_of(trades), source)


def together(parts: list[SourcedColumns]) -> SourcedColumns:
    """Return several stretches as one, in units that hold the decimals of all."""
    if len(parts) == 1:
        return parts[0]
    every = [part.columns for part in parts]
    price_decimals = max(columns.price_decimals for columns in every)
    qty_decimals = max(columns.qty_decimals for columns in every)
    columns = Columns(
        np.concatenate([of.ts for of in every]),
        np.concatenate([of.trade_id for of in every]),
        np.concatenate([of.count for of in every]),
        np.concatenate([of.buy for of in every]),
        np.concatenate([of.retail for of in every]),
        np.concatenate([scale_up(of.price, price_decimals - of.price_decimals) for of in every]),
        np.concatenate([scale_up(of.qty, qty_decimals - of.qty_decimals) for of in every]),
        price_decimals,
        qty_decimals,
    )
    return SourcedColumns(columns, np.concatenate([part.source for part in parts]))


def joined(rows: SourcedColumns) -> SourcedColumns:
    """Return ``rows`` (at least one, ids ascending) with the fills of one order as one record."""
    of = rows.columns
    new = rows.first_id[1:] != of.trade_id[:-1] + 1
    new |= of.ts[1:] != of.ts[:-1]
    new |= of.buy[1:] != of.buy[:-1]
    new |= of.price[1:] != of.price[:-1]
    new |= rows.source[1:] != rows.source[:-1]
    ends = np.append(new.nonzero()[0], len(rows) - 1)
    if len(ends) == len(rows):
        return rows
    last = rows.select(ends)
    qty, count = _totals(of.qty, ends), _totals(of.count, ends)
    return replace(last, columns=replace(last.columns, qty=qty, count=count))


def _totals(values: Ints, ends: NDArray[np.int64]) -> Ints:
    """Return the exact sum of each stretch up to one of ``ends``, and with it."""
    if values.dtype != object and not fits(int(values.max()) * len(values)):
        values = values.astype(object)
    found: Ints = values.cumsum()[ends]
    found[1:] -= found[:-1].copy()
    return found


def sums(values: Ints, starts: NDArray[np.int64]) -> Ints:
    """Return the exact sum of each stretch that begins at one of ``starts``."""
    if values.dtype != object and not fits(int(values.max()) * len(values)):
        values = values.astype(object)
    found: Ints = np.add.reduceat(values, starts)
    return found
