"""JSON values of one field to a column, by the kind of the field."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ravequant import exact, times
from ravequant.errors import shown
from ravequant.read.columns import (
    NUMPY,
    PARTS,
    Column,
    fewest,
    item_kind,
    objects,
    of_integers,
)
from ravequant.records import RecordError
from ravequant.vault.fields import PLACES, Field

_DIGITS: Final = 18  # of a number that surely fits into int64
_WIDEST: Final = 32  # characters


def column_of(listed: Field, values: Sequence[Any]) -> Column:
    """Return the column of a field from its JSON values, None for null.

    Raises ValueError (RecordError is one) for a value that is not of the field's kind.
    """
    if listed.kind in PARTS:
        items = [item for row in values for item in _list(row)]
        parts = {
            name: column_of(Field(name, kind), [item[name] for item in items])
            for name, kind in PARTS[listed.kind].items()
        }
        return Column(listed, np.empty(0, object), offsets=_offsets(values), parts=parts)
    if item_kind(listed.kind) != listed.kind:
        items = [item for row in values for item in _list(row)]
        flat = column_of(listed._replace(kind=item_kind(listed.kind)), items)
        return replace(flat, listed=listed, offsets=_offsets(values))
    return _flat(listed, values)


def _list(row: Any) -> Sequence[Any]:
    if not isinstance(row, list):
        raise RecordError(f"{shown(row)} is no list")
    return row


def _offsets(rows: Sequence[Sequence[Any]]) -> NDArray[np.int64]:
    return np.cumsum([0, *map(len, rows)], dtype=np.int64)


def _flat(listed: Field, values: Sequence[Any]) -> Column:
    if listed.kind == "json":
        return Column(listed, objects(values))
    valid = None
    if None in values:
        valid = np.array([value is not None for value in values], dtype=np.bool_)
    there = values if valid is None else [value for value in values if value is not None]
    wanted = {"count": int, "flag": bool}.get(listed.kind, str)
    wrong = next((value for value in there if type(value) is not wanted), None)
    if wrong is not None:
        raise RecordError(f"{listed.name}: {shown(wrong)} is no {listed.kind}")
    if listed.kind == "text":
        return Column(listed, objects(values), valid=valid)
    found, places = _numbers(listed.kind, there)
    if valid is None:
        return Column(listed, found, places)
    whole = np.zeros(len(values), dtype=found.dtype)
    if listed.kind == "time":
        whole[:] = np.datetime64("NaT")
    whole[valid] = found
    return Column(listed, whole, places, valid)


def _numbers(kind: str, there: Sequence[Any]) -> tuple[NDArray[Any], int]:
    """Return the values of a kind that are not null, and their places."""
    if kind == "time":
        moments = np.array([times.parse_iso(text) for text in there], dtype=np.int64)
        return moments.view("datetime64[ms]"), 0
    if kind not in PLACES:
        return np.array(there, dtype=NUMPY[kind]), 0
    if (found := many_decimals(there)) is not None:
        return fewest(*found)
    places = max((len(text) - text.find(".") - 1 for text in there if "." in text), default=0)
    return of_integers([_units(text, places) for text in there], places)


def many_decimals(texts: Sequence[str]) -> tuple[NDArray[np.int64], int] | None:
    """Return decimals of at most 18 digits, read all at once, and their places.

    None if a text is longer or is not as the files write it: then each is read by itself.
    """
    if not texts or not "".join(texts).isascii():
        return None
    signs = np.array(texts, dtype="S")
    if signs.dtype.itemsize > _WIDEST:
        return None
    rows = signs.view(np.uint8).reshape(len(texts), -1)
    digits = rows - ord("0")
    is_digit = digits <= 9
    is_point = rows == ord(".")
    signed = (rows[:, 0] == ord("-")) | (rows[:, 0] == ord("+"))
    count, points = is_digit.sum(axis=1), is_point.sum(axis=1)
    length = count + points + signed
    value = np.zeros(len(texts), dtype=np.int64)
    after = np.zeros(len(texts), dtype=np.int64)  # digits behind the point
    passed = np.zeros(len(texts), dtype=np.bool_)
    for at in range(rows.shape[1]):
        there = is_digit[:, at]
        value = np.where(there, 10 * value + digits[:, at], value)
        after += there & passed
        passed |= is_point[:, at]
    places = int(after.max())
    before = count - after
    first = np.where(signed, digits[:, min(1, rows.shape[1] - 1)], digits[:, 0])
    good = (count <= _DIGITS) & (points <= 1) & (before >= 1) & ((points == 0) | (after >= 1))
    good &= (first != 0) | (before == 1)  # no zero before other digits
    good &= length == np.fromiter(map(len, texts), np.int64, len(texts))
    if not good.all() or int(before.max()) + places > _DIGITS:
        return None
    value *= 10 ** (places - after)
    return np.where(rows[:, 0] == ord("-"), -value, value), places


def _units(text: str, places: int) -> int:
    """Return a decimal, which may have a sign, in units of ``10**-places``."""
    if text[:1] in {"+", "-"}:
        size = exact.units(text[1:], places)
        return -size if text[0] == "-" else size
    return exact.units(text, places)
