"""The columns of the views and of the Parquet files: the exact type of each in SQL.

A decimal is read as text and becomes a DECIMAL of 38 digits. A text with more places than its
column keeps is refused by name, never rounded.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from ravequant.catalog import DATA_SETS, EXPORT_PARQUET, DataSet
from ravequant.vault.fields import FIELDS, PLACES, WALL

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

        The manifests on disk hold it, so its text may not depend on the names of our classes.
        """
        columns = "".join(
            f"Column(name={column.name!r}, kind={column.kind!r}, unit={column.unit!r}), "
            for column in self.columns
        )
        text = f"(({columns.removesuffix(', ')}), {sorted(PLACES.items())!r}, 'made by 1')"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


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
        for kind, places in PLACES.items()
    ]


def _read_type(kind: str) -> str:
    if kind == "walls":
        inner = ", ".join(f"{name} {_read_type(one)}" for name, one in WALL.items())
        return f"STRUCT({inner})[]"
    if kind.endswith("s") and kind != "s":
        return f"{_read_type(kind[:-1])}[]"
    return _READ.get(kind, "VARCHAR")


def _exact(name: str, kind: str) -> str:
    if kind == "time":
        return f"{name}::TIMESTAMP"
    if kind in PLACES:
        return f"exact_{kind}({name})"
    if kind == "walls":
        fields = ", ".join(f"{one} := {_exact(f'w.{one}', inner)}" for one, inner in WALL.items())
        return f"[struct_pack({fields}) FOR w IN {name}]"
    if kind[:-1] in PLACES:
        return f"[{_exact('x', kind[:-1])} FOR x IN {name}]"
    return name


TABLES: Final = {
    name: SqlTable(name, tuple(SqlColumn(*field) for field in listed))
    for name, listed in FIELDS.items()
}
TRADES: Final = TABLES["trades"]
