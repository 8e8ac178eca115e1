"""The SQL that reads lines of the vault as exact rows, the same for the views and for the export.

A line that is no JSON object, the unfinished end of a file among them, gives no row: an object is
whole only with its last brace, so nothing half is ever read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scripts.warehouse.schema import TRADES, Column, Table, literal, quoted

_PLAIN: Final = r"(0|[1-9][0-9]{0,19})(\.[0-9]{1,30})?"
_QUANTITIES: Final = ("price", "qty_contracts", "ctVal", "ctMult")
_COMPUTED: Final = frozenset({"base", "notional"})


def path_text(path: Path) -> str:
    """Return a path as a literal, with slashes on every system."""
    return literal(path.as_posix())


def rows_of(table: Table, files: Sequence[Path]) -> str:
    """Return the SELECT that gives the rows of line files."""
    source = _lines(table, files)
    if table is TRADES:
        return _trades(source)
    exact = ", ".join(column.exact for column in table.columns)
    return f"SELECT {exact} FROM {source} WHERE {table.time} IS NOT NULL"  # noqa: S608 - our names


def _lines(table: Table, files: Sequence[Path]) -> str:
    types = ", ".join(
        f"{literal(column.name)}: {literal(column.read_as)}"
        for column in table.columns
        if table is not TRADES or column.name not in _COMPUTED
    )
    if table is TRADES:  # whatever stands there: what is no trade is told apart below
        types = types.replace("'BIGINT'", "'VARCHAR'")
    listed = ", ".join(map(path_text, files))
    return (
        f"read_json([{listed}], columns={{{types}}}, format='newline_delimited', records='true', "
        "ignore_errors=true, filename=true)"
    )


def _trades(source: str) -> str:
    """Return valid trades with their worth: base and notional as SPEC section 2 says.

    Each product is taken with all its places; where it had more than its column keeps, the query
    is refused. The division of an inverse contract is one of whole numbers, half to even.
    """
    plain = " AND ".join(f"regexp_full_match({name}, '{_PLAIN}')" for name in _QUANTITIES)
    valid = (
        f"{plain} AND side IN ('buy', 'sell') AND regexp_full_match(trade_id, '[0-9]{{1,18}}') "
        "AND ctType IN ('linear', 'inverse') AND try_cast(timestamp_utc AS TIMESTAMP) IS NOT NULL "
        "AND regexp_full_match(coalesce(\"count\", '1'), '[1-9][0-9]{0,17}') "
        "AND strpos(replace(filename, chr(92), '/'), '/' || instId || '/') > 0"
    )
    exact = ", ".join(
        column.exact for column in TRADES.columns if column.name not in _COMPUTED | _OWN.keys()
    )
    own = ", ".join(f"{text} AS {quoted(name)}" for name, text in _OWN.items())
    columns = ", ".join(_worth_of(column) for column in TRADES.columns)
    taken = f"SELECT {exact}, {own} FROM {source} WHERE {valid}"  # noqa: S608 - our names
    positive = "price > 0 AND qty_contracts > 0 AND ctVal > 0 AND ctMult > 0"
    worth = "exact_amount_of(qty_contracts * exact_product(ctVal * ctMult))"
    sized = f"SELECT *, {worth} AS worth FROM ({taken}) WHERE {positive}"  # noqa: S608 - our names
    return f"SELECT {columns} FROM ({sized})"  # noqa: S608 - our names


_OWN: Final = {
    "trade_id": "trade_id::BIGINT",
    "count": "coalesce(\"count\", '1')::BIGINT",
    "source": "coalesce(source, '0')",
}


def _worth_of(column: Column) -> str:
    if column.name == "base":
        return "CASE WHEN ctType = 'linear' THEN worth ELSE half_even(worth, price) END AS base"
    if column.name == "notional":
        linear = "exact_amount_of(worth * price)"
        return f"CASE WHEN ctType = 'linear' THEN {linear} ELSE worth END AS notional"
    return quoted(column.name)


def worth_macros() -> list[str]:
    """Return the statements that the worth of a trade needs."""
    refused = "error('a trade is worth ' || x || ', which has more places than are kept here')"
    narrow = "CREATE OR REPLACE TEMP MACRO {}(x) AS CASE WHEN x::DECIMAL(38, {}) = x THEN "
    narrow += f"x::DECIMAL(38, {{}}) ELSE {refused} END"
    whole = "(x * 1000000000000::BIGINT)::HUGEINT * 1000000000000::HUGEINT"
    last_place = "0.000000000001::DECIMAL(12, 12)"
    by = "(y * 1000000000000::BIGINT)::HUGEINT"
    rounded = "n // d + CASE WHEN 2 * (n % d) > d OR (2 * (n % d) = d AND (n // d) % 2 = 1) "
    made = "CREATE OR REPLACE TEMP MACRO"
    return [
        narrow.format("exact_product", 10, 10),
        narrow.format("exact_amount_of", 12, 12),
        f"{made} rounded(n, d) AS {rounded} THEN 1 ELSE 0 END",
        f"{made} half_even(x, y) AS rounded({whole}, {by})::DECIMAL(38, 0) * {last_place}",
    ]
