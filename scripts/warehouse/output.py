"""Shows the rows of an answer: a table for people, JSON lines or CSV for programs, all exact."""

import csv
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ravequant import tables

if TYPE_CHECKING:
    import duckdb

FORMATS: Final = ("table", "json", "csv")
_FETCHED: Final = 1_000
_NUMBERS: Final = (int, float, Decimal)
_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def show(answer: "duckdb.DuckDBPyConnection", form: str, most: int) -> bool:
    """Write an answer to stdout; return True if a table left out rows after the first ``most``."""
    names = _unique([column[0] for column in answer.description or ()])
    left_out = False
    if form == "table":
        left_out = _table(answer, names, most)
    elif form == "json":
        for row in _rows(answer):
            sys.stdout.write(_json(dict(zip(names, map(plain, row), strict=True))) + "\n")
    else:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(value) for value in row] for row in _rows(answer))
    sys.stdout.flush()
    return left_out


def _rows(answer: "duckdb.DuckDBPyConnection") -> Iterator[Sequence[Any]]:
    while rows := answer.fetchmany(_FETCHED):
        yield from rows


def _table(answer: "duckdb.DuckDBPyConnection", names: Sequence[str], most: int) -> bool:
    rows = answer.fetchmany(most) if most else answer.fetchall()
    columns = list(zip(*rows, strict=True))
    numeric = [any(isinstance(v, _NUMBERS) and not isinstance(v, bool) for v in c) for c in columns]
    words = numeric.index(True) if True in numeric else len(numeric)
    cells = [[_cell(value).translate(_CONTROL) for value in row] for row in rows]
    tables.write([name.translate(_CONTROL) for name in names], cells, words=words or 1)
    return bool(most) and answer.fetchone() is not None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: decimals as exact text, times as the files write them."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    write = _WRITTEN.get(type(value), str)
    return write(value)


def decimal_text(value: Decimal) -> str:
    """Return a decimal as the files write it: plain, without trailing zeros, never rounded."""
    written = f"{value:f}"
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written in {"-0", ""} else written


def time_text(value: datetime) -> str:
    """Return a time as the files write it, milliseconds only where there are any."""
    written = value.replace(tzinfo=None).isoformat(timespec="microseconds")
    head, _, micros = written.partition(".")
    rest = micros[:3] if micros.endswith("000") else micros
    return f"{head}Z" if not int(micros) else f"{head}.{rest}Z"


def _cell(value: Any) -> str:
    simple = plain(value)
    if simple is None:
        return ""
    if isinstance(simple, bool):
        return "true" if simple else "false"
    if isinstance(simple, list | dict):
        return _json(simple)
    return str(simple)


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names with a number where one repeats: a JSON object would lose the second."""
    found: list[str] = []
    for name in names:
        number, free = 1, name
        while free in found:
            free, number = f"{name}_{number}", number + 1
        found.append(free)
    return found


_WRITTEN: Final[dict[type, Callable[[Any], str]]] = {
    Decimal: decimal_text,
    datetime: time_text,
    bytes: bytes.hex,
}
