"""A column of records: exact numbers as scaled integers, times, texts and lists of them.

A decimal column holds integers in units of ``10**-places``: int64, or Python integers in an object
column where one does not fit. ``decimal``, ``text`` and ``float`` give them in other forms.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from itertools import pairwise
from math import gcd
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ravequant import exact
from ravequant.swar_digits import SAFE, Ints, fits
from ravequant.vault.fields import PLACES, WALL, Field

EXACT_FLOAT: Final = 1 << 53  # integers up to here are floats; so are powers of ten to 10**22
LEVEL: Final = {"price": "price", "qty_contracts": "size"}  # the parts of a level of the book
NUMPY: Final[Mapping[str, Any]] = {
    "time": np.dtype("datetime64[ms]"),
    "count": np.dtype(np.int64),
    "flag": np.dtype(np.bool_),
    **dict.fromkeys(PLACES, np.dtype(np.int64)),
}
_WIDE: Final = Context(prec=400)  # more digits than a sum has: nothing is rounded
PARTS: Final[Mapping[str, Mapping[str, str]]] = {"walls": WALL, "levels": LEVEL}


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column of a table.

    ``values`` is int64 or object for decimals and counts, ``datetime64[ms]`` in UTC for times, bool
    for flags, object for texts and json. ``valid`` is False where the record has null (None: it has
    none); the value there means nothing.

    In a column of lists ``values`` holds the items of all rows one after the other: row ``i`` has
    the items ``offsets[i]`` up to ``offsets[i + 1]``. The items of walls and of book levels have
    ``parts``, a column for each field: ``table["bids"]["price"]``.
    """

    listed: Field
    values: NDArray[Any]
    places: int = 0
    valid: NDArray[np.bool_] | None = None
    offsets: NDArray[np.int64] | None = None
    parts: Mapping[str, "Column"] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values) if self.offsets is None else len(self.offsets) - 1

    def __getitem__(self, part: str) -> "Column":
        """The column of one field of the items of walls or levels."""
        return self.parts[part]

    @property
    def name(self) -> str:
        """Its name, as in the files."""
        return self.listed.name

    @property
    def kind(self) -> str:
        """``time``, ``text``, ``flag``, ``count``, a decimal kind, or that of the items."""
        return item_kind(self.listed.kind)

    @property
    def is_decimal(self) -> bool:
        """True for a column of decimals, with integers in units of ``10**-places``."""
        return self.kind in PLACES

    def decimal(self) -> NDArray[Any]:
        """Return the values as ``Decimal``, None for null."""
        return self._each(lambda value: Decimal(int(value)).scaleb(-self.places, _WIDE))

    def text(self) -> NDArray[Any]:
        """Return the values as canonical decimal text (``"101250.5"``), None for null."""
        return self._each(lambda value: exact.text(int(value), self.places))

    def float(self) -> NDArray[np.float64]:
        """Return the nearest binary floats, NaN for null: for statistics, not for sums of money."""
        values, one = self._numbers(), 10**self.places
        small = values.dtype != object and self.places <= 22
        if small and (not len(values) or int(np.abs(values).max()) <= EXACT_FLOAT):
            found = values / float(one)  # both are exact, so the quotient is rounded once
        else:
            found = np.array([int(value) / one for value in values.tolist()], dtype=np.float64)
        return found if self.valid is None else np.where(self.valid, found, np.nan)

    def _numbers(self) -> NDArray[Any]:
        if not self.is_decimal:
            raise TypeError(f"column {self.name} holds {self.kind}, no decimals: take its values")
        return self.values

    def _each(self, made: Callable[[Any], Any]) -> NDArray[Any]:
        values = self._numbers().tolist()
        if self.valid is None:
            return objects([made(value) for value in values])
        pairs = zip(values, self.valid.tolist(), strict=True)
        return objects([made(value) if valid else None for value, valid in pairs])

    def rows(self) -> list[Any]:
        """Return a Python value for each row: Decimal, int, bool, str, datetime, list or dict."""
        if self.parts:
            columns = [part.rows() for part in self.parts.values()]
            items: list[Any] = [
                dict(zip(self.parts, item, strict=True)) for item in zip(*columns, strict=True)
            ]
        elif self.is_decimal:
            items = self.decimal().tolist()
        else:
            items = self.values.tolist()
            if self.valid is not None:
                pairs = zip(items, self.valid.tolist(), strict=True)
                items = [item if valid else None for item, valid in pairs]
        if self.offsets is None:
            return items
        starts = self.offsets.tolist()
        return [items[a:b] for a, b in pairwise(starts)]


def item_kind(kind: str) -> str:
    """Return the kind of the items of a list, or ``kind`` itself."""
    if kind in PARTS:
        return kind
    return kind[:-1] if kind[:-1] in {*NUMPY, "text"} else kind


def objects(values: Sequence[Any]) -> NDArray[Any]:
    """Return an object array of values, which may be lists."""
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def empty(listed: Field) -> Column:
    """Return a column without rows."""
    none = np.empty(0, dtype=NUMPY.get(item_kind(listed.kind), object))
    parts = {name: empty(Field(name, kind)) for name, kind in PARTS.get(listed.kind, {}).items()}
    is_list = bool(parts) or item_kind(listed.kind) != listed.kind
    return Column(listed, none, offsets=np.zeros(1, np.int64) if is_list else None, parts=parts)


def fewest(values: Ints, places: int) -> tuple[Ints, int]:
    """Return decimals in units as coarse as all of them permit; int64 where they fit."""
    if values.dtype == object:
        return of_integers(values.tolist(), places)
    while places and not (values[:64] % 10).any() and not (values % 10).any():
        values, places = values // 10, places - 1
    return values, places


def of_integers(values: Sequence[int], places: int) -> tuple[Ints, int]:
    """Return Python integers in units of ``10**-places`` as the narrowest column of decimals."""
    common, cut = gcd(*values), 0
    while cut < places and common % 10 ** (cut + 1) == 0:
        cut += 1
    if cut:
        one = 10**cut
        values = [value // one for value in values]
    narrow = min(values, default=0) > -SAFE and fits(max(values, default=0))
    found = np.array(values, dtype=np.int64) if narrow else objects(values)
    return found, places - cut


def decimals(listed: Field, values: Sequence[int], places: int) -> Column:
    """Return a column of Python integers in units of ``10**-places``."""
    return Column(listed, *of_integers(values, places))


def join(columns: Sequence[Column]) -> Column:
    """Put columns of one field one after the other, in the finest units among them."""
    first = columns[0]
    if len(columns) == 1:
        return first
    places = max(column.places for column in columns)
    values = [_finer(column.values, places - column.places) for column in columns]
    if any(part.dtype == object for part in values):
        values = [part.astype(object) for part in values]
    valid = None
    if any(column.valid is not None for column in columns):
        valid = np.concatenate(
            [
                np.ones(len(column.values), np.bool_) if column.valid is None else column.valid
                for column in columns
            ]
        )
    offsets = None
    if first.offsets is not None:
        lengths = [np.diff(column.offsets) for column in columns if column.offsets is not None]
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    parts = {name: join([column.parts[name] for column in columns]) for name in first.parts}
    return Column(first.listed, np.concatenate(values), places, valid, offsets, parts)


def _finer(values: NDArray[Any], places: int) -> NDArray[Any]:
    """Return ``values x 10**places``: int64 if all of them fit, else Python integers."""
    if not places or not len(values):
        return values
    factor = 10**places
    if values.dtype != object and fits(int(np.abs(values).max()) * factor):
        scaled: NDArray[Any] = values * np.int64(factor)
        return scaled
    wide: NDArray[Any] = values.astype(object) * factor
    return wide
