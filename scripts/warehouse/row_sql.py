"""The SQL that reads lines of the vault as exact rows, the same for the views and for the export.

A line that is no JSON object gives no row, nor does the unfinished end of a file: an object is
whole only with its last brace, so nothing half is ever read.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ravequant.vault.line_file import check_packed, reading
from ravequant.vault.paths import TRADES as TRADES_FOLDER
from scripts.warehouse.schema import TRADES, SqlTable, literal, quoted

_PLAIN: Final = r"(0|[1-9][0-9]{0,19})(\.[0-9]{1,30})?"
_COUNTING: Final = "0|[1-9][0-9]{0,17}"
_MOMENT: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z"
_QUANTITIES: Final = ("price", "qty_contracts", "ctVal", "ctMult")
_SAYS_AHEAD: Final = "coalesce(ahead::VARCHAR, 'false')"
_DAY: Final = (  # of the file
    "try_cast(regexp_extract(filename, '([0-9]{4}-[0-9]{2}-[0-9]{2})[.]jsonl', 1) AS DATE)"
)
_OWN: Final = {  # columns of a trade that are not read like those of a record
    "trade_id": "trade_id::BIGINT",
    "count": "coalesce(\"count\", '1')::BIGINT",
    "source": "coalesce(source, '0')",
    "ahead": f"{_SAYS_AHEAD} = 'true' OR coalesce(timestamp_utc::TIMESTAMP::DATE > {_DAY}, false)",
}
_COMPUTED: Final = {
    "base": "CASE WHEN ctType = 'linear' THEN worth ELSE half_even(worth, price) END",
    "notional": "CASE WHEN ctType = 'linear' THEN exact_amount_of(worth * price) ELSE worth END",
}


def path_text(path: Path) -> str:
    """Return a path as a literal, with slashes on every system."""
    return literal(path.as_posix())


def rows_of(table: SqlTable, files: Sequence[Path]) -> str:
    """Return the SELECT that gives the rows of line files.

    Raises VaultError for a damaged ``.gz``: duckdb does not look at the checksum of what it reads.
    """
    for path in files:
        if path.suffix == ".gz":
            with reading(path), suppress(FileNotFoundError):  # deleted meanwhile: duckdb says so
                check_packed(path)
    if table is TRADES:
        return _trades(files)
    exact = ", ".join(column.exact for column in table.columns)
    types = {column.name: column.read_as for column in table.columns}
    return f"SELECT {exact} FROM {_lines(types, files)} WHERE {table.time} IS NOT NULL"  # noqa: S608 - our names


def _lines(types: dict[str, str], files: Sequence[Path]) -> str:
    read = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
    listed = ", ".join(map(path_text, files))
    return (
        f"read_json([{listed}], columns={{{read}}}, format='newline_delimited', records='true', "
        "ignore_errors=true, filename=true)"
    )


def _trades(files: Sequence[Path]) -> str:
    """Return valid trades with their worth: base and notional as SPEC section 2 says.

    All fields are read as text, and lines that are no valid trade are left out. Each product is
    taken with all its places; if it had more than its column keeps, the query is refused. The
    division of an inverse contract is one of whole numbers, half to even.
    """
    read = [column for column in TRADES.columns if column.name not in _COMPUTED]
    kinds = {column.name: "VARCHAR" for column in read}
    source = _lines({**kinds, "ahead": "JSON"}, files)
    plain = " AND ".join(f"regexp_full_match({name}, '{_PLAIN}')" for name in _QUANTITIES)
    place = f"'/' || exchange || '/{TRADES_FOLDER}/' || instId || '/'"
    valid = (
        f"{plain} AND side IN ('buy', 'sell') AND regexp_full_match(trade_id, '{_COUNTING}') "
        f"AND ctType IN ('linear', 'inverse') AND regexp_full_match(timestamp_utc, '{_MOMENT}') "
        "AND try_cast(timestamp_utc AS TIMESTAMP) >= TIMESTAMP '1970-01-01' "
        "AND regexp_full_match(coalesce(\"count\", '1'), '[1-9][0-9]{0,17}') "
        "AND coalesce(\"count\", '1')::BIGINT <= try_cast(trade_id AS BIGINT) + 1 "
        f"AND regexp_full_match(coalesce(source, '0'), '{_COUNTING}') "
        "AND market = 'perp' AND symbol_canon IS NOT NULL "
        f"AND {_SAYS_AHEAD} IN ('true', 'false') "
        f"AND strpos(replace(filename, chr(92), '/'), {place}) > 0"
    )
    exact = [column.exact for column in read if column.name not in _OWN]
    exact += [f"{text} AS {quoted(name)}" for name, text in _OWN.items()]
    taken = f"SELECT {', '.join(exact)} FROM {source} WHERE {valid}"  # noqa: S608 - our names
    positive = " AND ".join(f"{name} > 0" for name in _QUANTITIES)
    worth = "exact_amount_of(qty_contracts * exact_product(ctVal * ctMult))"
    sized = f"SELECT *, {worth} AS worth FROM ({taken}) WHERE {positive}"  # noqa: S608 - our names
    columns = ", ".join(
        f"{_COMPUTED.get(column.name, quoted(column.name))} AS {quoted(column.name)}"
        for column in TRADES.columns
    )
    return f"SELECT {columns} FROM ({sized})"  # noqa: S608 - our names


def worth_macros() -> list[str]:
    """Return the statements that define how the worth of a trade is computed."""
    refused = "error('a trade is worth ' || x || ', which has more places than are kept here')"
    whole = "(x * 1000000000000::BIGINT)::HUGEINT * 1000000000000::HUGEINT"
    by = "(y * 1000000000000::BIGINT)::HUGEINT"
    last_place = "0.000000000001::DECIMAL(12, 12)"
    up = "CASE WHEN 2 * (n % d) > d OR (2 * (n % d) = d AND (n // d) % 2 = 1) THEN 1 ELSE 0 END"
    bodies = {
        f"{name}(x)": f"CASE WHEN x::DECIMAL(38, {places}) = x THEN x::DECIMAL(38, {places}) "
        f"ELSE {refused} END"
        for name, places in (("exact_product", 10), ("exact_amount_of", 12))
    }
    bodies["rounded(n, d)"] = f"n // d + {up}"
    bodies["half_even(x, y)"] = f"rounded({whole}, {by})::DECIMAL(38, 0) * {last_place}"
    return [f"CREATE OR REPLACE TEMP MACRO {head} AS {body}" for head, body in bodies.items()]
