"""The cases of the benchmark by name: what each needs, and what runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ravequant.vault.paths import Vault
from scripts.bench import bars, cold, exporter, increment, instruments
from scripts.bench import books as books_module
from scripts.bench.runs import Asked, Column, Table


@dataclass(frozen=True, slots=True)
class Case:
    """One of them."""

    purpose: str
    run: Callable[[Asked], Table]
    check: Callable[[], None] | None = None  # raises UsageError for what is missing here


def books(asked: Asked) -> Table:
    """Case books: snapshot lines to liquidity buckets, beside orjson merely decoding them."""
    columns = (
        Column("snapshots_per_s", "snapshots/s", "{:,.0f}"),
        Column("us_per_snapshot", "us each", "{:,.1f}"),
        Column("times_orjson", "x orjson", "{:.2f} x"),
    )
    depth = books_module.DEPTH
    title = f"books: {asked.snapshots:,} snapshots of {depth} levels a side to liquidity buckets"
    table = Table(title, columns, columns[0])
    for deep, kind in ((False, ""), (True, ", deep")):
        root = asked.work / f"deep{deep}"
        books_module.generate(Vault(root), asked.snapshots, asked.seed, deep=deep)
        for row in books_module.compare(root, asked.snapshots, asked.rounds):
            table.rows.append({"name": f"{row.pop('contender')}{kind}", **row})
    table.notes.append(
        "deep: with a deep snapshot of 5,000 levels a side each 30 s. Processor time; files and "
        "commits are not measured. x orjson: how many times the speed of orjson in Python as it "
        "comes; little gc: with the garbage collection of the house."
    )
    return table


CASES: Final = {
    "bars": Case(
        "raw trades to minute bars, beside duckdb, polars and plain loops",
        bars.run,
        bars.check,
    ),
    "cold": Case("each calculator over whole days from nothing", cold.run),
    "next": Case("each calculator and find_signals for the next 15 minutes", increment.run),
    "books": Case("book snapshots to liquidity buckets, beside orjson", books),
    "exporter": Case(
        "trades a second of the trade exporter, and the delay of each",
        exporter.run,
        exporter.check,
    ),
    "instruments": Case(
        "processor and memory of both exporters for many instruments",
        instruments.run,
        instruments.check,
    ),
}
