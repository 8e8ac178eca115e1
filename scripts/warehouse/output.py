"""Shows the rows of an answer: a table for people, JSON lines and CSV for programs, all exact."""

import csv
import json
import math
import sys
from collections.abc import Iterator, Sequence
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


def show(answer: "duckdb.DuckDBPyConnection", form: str, most: int) -> int:
    """Write an answer to stdout; return how many rows of a table were left out (-1: some)."""
    names = _unique([column[0] for column in answer.description or ()])
    if form == "table":
        return _table(answer, names, most)
    write = _json if form == "json" else _csv
    write(names, _rows(answer))
    sys.stdout.flush()
    return 0


def _rows(answer: "duckdb.DuckDBPyConnection") -> Iterator[Sequence[Any]]:
    while rows := answer.fetchmany(_FETCHED):
        yield from rows


def _json(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
    for row in rows:
        whole = dict(zip(names, map(plain, row), strict=True))
        sys.stdout.write(json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n")


def _csv(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(value) for value in row] for row in rows)


def _table(answer: "duckdb.DuckDBPyConnection", names: Sequence[str], most: int) -> int:
    rows = answer.fetchmany(most) if most else answer.fetchall()
    words = 0
    for values in zip(*rows, strict=True):
        if any(isinstance(value, _NUMBERS) and not isinstance(value, bool) for value in values):
            break
        words += 1
    cells = [[_cell(value).translate(_CONTROL) for value in row] for row in rows]
    tables.write([name.translate(_CONTROL) for name in names], cells, words=words or 1)
    sys.stdout.flush()
    return -1 if most and len(rows) == most and answer.fetchone() else 0


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
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        return moment_text(value)
    return value.hex() if isinstance(value, bytes) else str(value)


def decimal_text(value: Decimal) -> str:
    """Return a decimal as the files write it: plain, without trailing zeros, never rounded."""
    written = f"{value:f}"
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written in {"-0", ""} else written


def moment_text(value: datetime) -> str:
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
        return json.dumps(simple, ensure_ascii=False, separators=(",", ":"))
    return str(simple)


def _unique(names: Sequence[str]) -> list[str]:
    """Return names of which no two are the same: a JSON object would lose one."""
    found: list[str] = []
    for name in names:
        number, free = 1, name
        while free in found:
            free, number = f"{name}_{number}", number + 1
        found.append(free)
    return found
