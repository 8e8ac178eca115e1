# ruff: noqa: PD011 - the values of our columns, not of a pandas frame
"""Tables as Arrow, pandas and polars frames: exact decimals, times in UTC, lists of structs.

The libraries are extras: each is imported when it is asked for.
"""

import importlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ravequant.errors import UsageError
from ravequant.read.columns import Column
from ravequant.vault.fields import PLACES

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

_DIGITS: Final = 38  # of a decimal128, and of DECIMAL in the Parquet files
_WORD: Final = (1 << 64) - 1


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise UsageError(
            f"{name} is not installed for {sys.executable}; install it with: "
            f'"{sys.executable}" -m pip install -e ".[frames]", in the folder of RaveQuant'
        ) from None


def to_arrow(
    columns: Mapping[str, Column], metadata: Mapping[str, str] | None = None
) -> "pa.Table":
    """Return a pyarrow table; UsageError without pyarrow, or for a number of over 38 digits."""
    arrow = _library("pyarrow")
    arrays = {name: _array(arrow, column) for name, column in columns.items()}
    return arrow.table(arrays, metadata=metadata)


def to_pandas(columns: Mapping[str, Column], *, floats: bool) -> "pd.DataFrame":
    """Return a pandas frame; with ``floats`` no column of it is exact."""
    pandas = _library("pandas")
    series: dict[str, Any] = {}
    for name, column in columns.items():
        if floats or column.offsets is not None or not column.is_decimal:
            series[name] = _series(pandas, column)
        else:
            arrow = _library("pyarrow")
            made = pandas.arrays.ArrowExtensionArray(_array(arrow, column))
            series[name] = pandas.Series(made)
    frame: pd.DataFrame = pandas.DataFrame(series)
    return frame


def _series(pandas: Any, column: Column) -> Any:
    if column.offsets is not None:
        return pandas.Series(column.rows(), dtype=object)
    if column.is_decimal:
        return pandas.Series(column.float())
    if column.kind == "time":
        return pandas.Series(column.values).dt.tz_localize("UTC")
    if column.kind in {"count", "flag"}:
        kind = {"count": "Int64", "flag": "boolean"}[column.kind]
        if column.valid is None:
            return pandas.Series(column.values)
        return pandas.Series(pandas.array(column.rows(), dtype=kind))
    return pandas.Series(column.values, dtype=object if column.kind == "json" else "str")


def to_polars(columns: Mapping[str, Column]) -> "pl.DataFrame":
    """Return a polars frame."""
    polars = _library("polars")
    frame: pl.DataFrame = polars.from_arrow(to_arrow(columns))
    return frame


def _array(arrow: Any, column: Column) -> Any:
    """Return the Arrow array of a column."""
    items = _items(arrow, column)
    if column.offsets is None:
        return items
    return arrow.LargeListArray.from_arrays(arrow.array(column.offsets), items)


def _items(arrow: Any, column: Column) -> Any:
    """Return the Arrow array of the values of a column; of a column of lists, of their items."""
    if column.parts:
        parts = [_array(arrow, part) for part in column.parts.values()]
        return arrow.StructArray.from_arrays(parts, names=list(column.parts))
    null = None if column.valid is None else ~column.valid
    if column.is_decimal:
        return _decimals(arrow, column)
    if column.kind == "time":
        return arrow.array(column.values, type=arrow.timestamp("ms", tz="UTC"), mask=null)
    if column.kind == "json":
        import orjson  # noqa: PLC0415 - only the signals have such columns

        texts = [orjson.dumps(value).decode() for value in column.values]
        return arrow.array(texts, type=arrow.string())
    kind = {"count": arrow.int64(), "flag": arrow.bool_(), "text": arrow.string()}[column.kind]
    return arrow.array(column.values, type=kind, mask=null)


def _decimals(arrow: Any, column: Column) -> Any:
    """Return a decimal128 array without going by text: the integers are its bytes."""
    wanted = max(PLACES[column.kind], column.places)
    largest = max((abs(int(value)) for value in _ends(column)), default=0)
    if largest * 10 ** (wanted - column.places) >= 10**_DIGITS:  # Arrow's cast would not notice
        raise UsageError(
            f"column {column.name} holds a number of over {_DIGITS} digits, all that an Arrow "
            "decimal has; take its decimal() or text()"
        )
    words = np.empty((len(column.values), 2), dtype=np.uint64)
    if column.values.dtype == object:
        numbers = [int(value) for value in column.values]
        words[:, 0] = [number & _WORD for number in numbers]
        words[:, 1] = [(number >> 64) & _WORD for number in numbers]
    else:
        words[:, 0] = column.values.view(np.uint64)
        words[:, 1] = (column.values >> 63).view(np.uint64)
    valid = None if column.valid is None else arrow.array(column.valid).buffers()[1]
    buffers = [valid, arrow.py_buffer(words.tobytes())]
    kind = arrow.decimal128(_DIGITS, column.places)
    made = arrow.Array.from_buffers(kind, len(words), buffers)
    return made.cast(arrow.decimal128(_DIGITS, wanted))


def _ends(column: Column) -> tuple[Any, ...]:
    """Return the smallest and the largest value; nothing of an empty column."""
    return (column.values.min(), column.values.max()) if len(column.values) else ()
