"""Records of a span as a table of columns, with the counts of the lines that were read for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ravequant.read import frames
from ravequant.read.columns import Column, join

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

NAMED: Final = 20  # rejected lines that a table names; all are counted


@dataclass(frozen=True, slots=True)
class Counts:
    """How the lines were taken that were read for a table.

    The part of the log that is read begins before the span and ends after it: lines there count as
    lines, rejected and duplicates too.
    """

    lines: int = 0
    rejected: int = 0  # no valid record; ``Table.rejected`` names the first of them
    duplicates: int = 0  # an id or time that is not above the last
    late: int = 0  # records that stand in the span by their place in the log, not by their time
    ahead: int = 0  # of them, those whose time lies in the future of their log
    gaps: int = 0  # jumps of the ids inside the span that the ledger does not call id_hole

    def __add__(self, other: "Counts") -> "Counts":
        both = zip(self._numbers(), other._numbers(), strict=True)
        return Counts(*(mine + others for mine, others in both))

    def _numbers(self) -> list[int]:
        return [getattr(self, name) for name in self.__slots__]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Records of one data set and instrument, in the order of their file, as columns.

    ``complete`` is True if the log goes past the end of the span: no more records of it will come.
    """

    name: str  # of the data set
    inst_id: str
    columns: Mapping[str, Column]
    counts: Counts = Counts()
    rejected: tuple[str, ...] = ()  # file, byte and reason of the first rejected lines
    complete: bool = False

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> Column:
        if name not in self.columns:
            raise KeyError(f"{name}: {self.name} has the columns {', '.join(self.columns)}")
        return self.columns[name]

    def __repr__(self) -> str:
        return f"<{len(self)} {self.name} of {self.inst_id}: {', '.join(self.columns)}>"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each record as a dict of Python values; decimals are ``Decimal``."""
        columns = [column.rows() for column in self.columns.values()]
        for values in zip(*columns, strict=True):
            yield dict(zip(self.columns, values, strict=True))

    def to_arrow(self) -> "pa.Table":
        """Return a pyarrow table: decimal128(38, places), times in UTC; needs pyarrow.

        The places are those of the Parquet files (12 for prices and amounts), or more if a value
        needs them, so the schema does not change from span to span.
        """
        facts = {"instId": self.inst_id, "data_set": self.name}
        return frames.to_arrow(self.columns, facts)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the table to any library that reads Arrow (duckdb, polars, pandas, …)."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def to_pandas(self, *, floats: bool = False) -> "pd.DataFrame":
        """Return a pandas frame; needs pandas and, for exact decimals, pyarrow.

        Decimals stay exact (an Arrow decimal type). With ``floats`` they are float64: faster, and
        rounded to 15 to 17 digits.
        """
        return frames.to_pandas(self.columns, floats=floats)

    def to_polars(self) -> "pl.DataFrame":
        """Return a polars frame with exact decimals; needs polars and pyarrow."""
        return frames.to_polars(self.columns)


def join_tables(tables: Sequence[Table]) -> Table:
    """Put tables of one data set one after the other; the last knows if the span is whole."""
    first, last = tables[0], tables[-1]
    full = [table for table in tables if len(table)] or [first]
    return Table(
        first.name,
        first.inst_id,
        {name: join([table.columns[name] for table in full]) for name in first.columns},
        sum((table.counts for table in tables), Counts()),
        tuple(line for table in tables for line in table.rejected)[:NAMED],
        last.complete,
    )
