"""The columns of the views and of the Parquet files: the exact type of each in SQL.

A decimal is read as text and becomes a DECIMAL of 38 digits. A text with more places than its
column keeps is refused by name, never rounded.
"""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ravequant import exact
from ravequant.catalog import DATA_SETS, EXPORT_PARQUET, DataSet
from ravequant.errors import VaultError
from ravequant.vault import instruments
from ravequant.vault.fields import CELL, FIELDS, PLACES, TPO_CELL, WALL
from ravequant.vault.line_file import is_there
from ravequant.vault.paths import Vault

# a mean of prices is kept like a price while that has places enough: else with as many as it needs
_NARROW: Final = {kind: places for kind, places in PLACES.items() if kind != "mean"}
_MEANS: Final = {f"mean{n}": n for n in range(PLACES["price"] + 1, PLACES["mean"] + 1)}
_EXACT: Final = {**_NARROW, **_MEANS}
# columns that the files of earlier versions do not have, nor the records of which these were made
_ADDED: Final = {
    "trades": "ahead",
    "vwap": "sd_1h sd_4h sd_session",
    "signals": "context detected_utc query min_score query_id",
}
ADDED: Final = frozenset((name, one) for name, ones in _ADDED.items() for one in ones.split())
_CELLS: Final = {"cells": CELL, "tpo_cells": TPO_CELL}  # lists of lists: objects in SQL
_READ: Final = {"flag": "BOOLEAN", "count": "BIGINT", "json": "JSON"}  # all others: as text


@dataclass(frozen=True, slots=True)
class SqlColumn:
    """One column: its name in the files, its kind, and its unit."""

    name: str
    kind: str
    unit: str = ""

    @property
    def read_as(self) -> str:
        """The SQL type in which the value is read from a line."""
        return _read_type(self.kind)

    @property
    def exact(self) -> str:
        """The SQL expression that makes the column of the value read."""
        return f"{_exact(quoted(self.name), self.kind)} AS {quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class SqlTable:
    """One view, and one folder of the Parquet files."""

    name: str
    columns: tuple[SqlColumn, ...]

    @property
    def data(self) -> DataSet | None:
        """The line files of its rows; None for bars, which only the export computes."""
        return DATA_SETS.get(self.name)

    @property
    def time(self) -> str:
        """The column that decides on the day of a row."""
        return self.data.key if self.data else "timestamp_utc"

    @property
    def made_by(self) -> str:
        """The words that a person types to have rows."""
        return self.data.made_by if self.data else EXPORT_PARQUET.script

    @property
    def fingerprint(self) -> str:
        """A hash of the columns: when one changes, the files of all days are made again.

        The manifests on disk hold it, so its text may not depend on the names of our classes. A day
        without one of the columns ADDED stands: none of its records has a value there.
        """
        columns = "".join(
            f"Column(name={column.name!r}, kind={column.kind!r}, unit={column.unit!r}), "
            for column in self.columns
            if (self.name, column.name) not in ADDED
        )
        kinds = {column.kind for column in self.columns} & _MEANS.keys()
        places = sorted({**_NARROW, **{kind: _MEANS[kind] for kind in kinds}}.items())
        text = f"(({columns.removesuffix(', ')}), {places!r}, 'made by 1')"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def wide(self, mean_places: int) -> "SqlTable":
        """Return the table with so many places for means of prices, if a price has fewer."""
        has_means = any(kind == "mean" for _, kind, _ in FIELDS[self.name])
        return _table(self.name, mean_places) if has_means else self


def mean_places(vault: Vault, inst_ids: Iterable[str]) -> int:
    """Return the most places of a mean of prices of these instruments, by their ticks so far.

    An instrument whose metadata cannot be read counts as an ordinary one: a mean with more places
    than are kept is refused, never rounded.
    """
    found = PLACES["price"]
    for inst_id in inst_ids:
        with suppress(VaultError):
            for _, terms in instruments.history(vault, inst_id):
                found = max(found, exact.decimals(terms.tick_sz) + 6)
            if not is_there(vault.metadata_history(inst_id)):
                found = max(found, exact.decimals(instruments.load(vault, inst_id).tick_sz) + 6)
    return found


def _table(name: str, mean_places: int) -> SqlTable:
    mean = "price" if mean_places <= PLACES["price"] else f"mean{mean_places}"
    kinds = {"mean": mean}
    columns = (SqlColumn(one, kinds.get(kind, kind), unit) for one, kind, unit in FIELDS[name])
    return SqlTable(name, tuple(columns))


def quoted(name: str) -> str:
    """Return a name in SQL's quotes, with the quotes in it doubled."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text in SQL's quotes, with the quotes in it doubled."""
    return "'" + text.replace("'", "''") + "'"


def macros() -> list[str]:
    """Return the statements that define one exact cast for each decimal kind."""
    return [
        f"CREATE OR REPLACE TEMP MACRO exact_{kind}(t) AS CASE WHEN strpos(t, '.') > 0 AND "
        f"length(rtrim(t, '0')) - strpos(t, '.') > {places} THEN error(t || ' has more than the "
        f"{places} places that a {kind} keeps here; nothing is rounded') "
        f"ELSE t::DECIMAL(38, {places}) END"
        for kind, places in _EXACT.items()
    ]


def _read_type(kind: str) -> str:
    if kind == "walls":
        inner = ", ".join(f"{name} {_read_type(one)}" for name, one in WALL.items())
        return f"STRUCT({inner})[]"
    if kind in _CELLS:
        return "JSON[]"
    if kind.endswith("s") and kind != "s":
        return f"{_read_type(kind[:-1])}[]"
    return _READ.get(kind, "VARCHAR")


def _exact(name: str, kind: str) -> str:
    if kind == "time":
        return f"{name}::TIMESTAMP"
    if kind in _EXACT:
        return f"exact_{kind}({name})"
    if kind == "walls":
        fields = ", ".join(f"{one} := {_exact(f'w.{one}', inner)}" for one, inner in WALL.items())
        return f"[struct_pack({fields}) FOR w IN {name}]"
    if kind in _CELLS:
        parts = [
            f"{one} := {_cell(f'(w->>{at})', inner)}"
            for at, (one, inner) in enumerate(_CELLS[kind].items())
        ]
        return f"[struct_pack({', '.join(parts)}) FOR w IN {name}]"
    if kind[:-1] in _EXACT:
        return f"[{_exact('x', kind[:-1])} FOR x IN {name}]"
    return name


def _cell(text: str, kind: str) -> str:
    return f"{text}::BIGINT" if kind == "count" else _exact(text, kind)


TABLES: Final = {name: _table(name, PLACES["price"]) for name in FIELDS}
TRADES: Final = TABLES["trades"]
