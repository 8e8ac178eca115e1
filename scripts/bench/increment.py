"""Case next: the calculators and the query for the next 15 minutes, on vaults of several ages.

The vault is up to date, then 15 minutes of trades and books are appended. Each program is run from
that state again and again, and once more where the kernel counts what it reads (`child.py
again`: the code is loaded before, so that almost only data are counted). The books are an hour old,
whatever the age of the vault: the bucketizer begins with them.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ravequant import times
from ravequant.sim.market import START_MS
from ravequant.vault import tail
from ravequant.vault.paths import CHECKOUT, Vault, book_files, day_files
from scripts.bench import books, market
from scripts.bench import runs as runs_module
from scripts.bench.cold import CALCULATORS
from scripts.bench.runs import Asked, Column, Run, Table
from scripts.bench.state import State

if TYPE_CHECKING:
    from pathlib import Path

NEXT_MS: Final = 15 * times.MINUTE_MS
BOOKS_MS: Final = times.HOUR_MS
BARE: Final = {"python -c pass": "pass", "import numpy, orjson": "import numpy, orjson"}
BUCKETS: Final = "liquidity_buckets"
PROGRAMS: Final = {**CALCULATORS, BUCKETS: "Liquidity_Buckets/l2_bucketizer.py"}
QUERY: Final = "Untouch_Wick/find_signals.py"
_COLUMNS = (
    Column("days", "days", "{:.0f}"),
    Column("seconds", "ms", "{:,.0f}", 1e3, less=True),
    Column("times_import", "x import", "{:.2f} x"),
    Column("cpu_s", "cpu ms", "{:,.0f}", 1e3),
    Column("peak_mb", "peak MB", "{:,.0f}"),
    Column("new_bytes", "new KB", "{:,.1f}", 1 / 1024),
    Column("raw_bytes", "raw KB", "{:,.1f}", 1 / 1024),
    Column("read_bytes", "read KB", "{:,.1f}", 1 / 1024),
    Column("above_new", "read - new KB", "{:+,.1f}", 1 / 1024),
)


def run(asked: Asked) -> Table:
    """Measure all of them on each vault."""
    source, name, until = _source(asked)
    table = Table(f"next: the next 15 minutes of {name}", _COLUMNS, _COLUMNS[1])
    for days in asked.days:
        vault = Vault(asked.work / f"days{days}")
        new = _furnish(source, vault, name, until, days)
        table.rows += _rows(asked, vault, name, days, new)
        size = sum(path.stat().st_size for _, path in day_files(vault.trades(name)))
        table.notes.append(f"{days} days: {size / 2**20:,.0f} MB of trades.")
    if asked.vault is None:
        table.notes.append(f"{asked.rate:g} trades/s of BTC on average; one day, repeated.")
    table.notes.append(
        "raw KB: what the calculator says it has read of its raw files (the bucketizer: without "
        "deep books). read KB: all that read calls returned, its state and its script too. "
        "find_signals --refresh leaves the reading to the calculators. x import: beside importing "
        "numpy and orjson."
    )
    return table


def _source(asked: Asked) -> tuple[Vault, str, int]:
    """Return a vault, an instrument, and the moment at which its next 15 minutes begin."""
    if asked.vault is not None:
        name = market.recorded(asked.vault)[0]
        source = Vault(asked.vault)
        newest = tail.newest_time(lambda: day_files(source.trades(name))) or 0
        return source, name, newest - NEXT_MS
    source, name = Vault(asked.work / "market"), market.BTC
    snapshots = (BOOKS_MS + NEXT_MS) // books.CADENCE_MS
    books.generate(source, snapshots, asked.seed, deep=True)
    span = BOOKS_MS + NEXT_MS
    market.write_days(
        source, [name], max(asked.days), rate=asked.rate, seed=asked.seed, more_ms=span
    )
    return source, name, START_MS + BOOKS_MS


def _furnish(source: Vault, vault: Vault, name: str, until: int, days: int) -> dict[str, int]:
    """Make a vault that is up to date; append 15 minutes; return the new bytes of each kind."""
    market.take_metadata(source, vault, name)
    begins = {"trades": until - days * times.DAY_MS, "books": until - BOOKS_MS}
    streams: list[tuple[str, Path, Callable[[], Any]]] = [
        ("trades", source.trades(name), lambda: day_files(source.trades(name))),
        ("books", source.snapshots(name), lambda: book_files(source.snapshots(name))),
        ("books", source.deep_snapshots(name), lambda: book_files(source.deep_snapshots(name))),
    ]
    for kind, _, files in streams:
        market.take_span(files, vault.root, source.root, begins[kind], until)
    for script in PROGRAMS.values():
        runs_module.watched(_command(vault, name, script), vault.root, codes=(0, 3))
    new = {"trades": 0, "books": 0}
    for kind, _, files in streams:
        new[kind] += market.add_span(files, vault.root, source.root, until, until + NEXT_MS)
    if hasattr(os, "sync"):
        os.sync()  # a commit waits for its own bytes, not for those written here
    return new


def _rows(
    asked: Asked, vault: Vault, name: str, days: int, new: dict[str, int]
) -> list[dict[str, Any]]:
    state = State.of(vault.root)

    def program(command: list[str], *, clean: bool = True) -> Callable[[], Run]:
        def once() -> Run:
            took = runs_module.watched(command, asked.work)
            if clean:
                state.restore()
            return took

        return once

    query = _command(vault, name, QUERY)[:-1]
    contenders = {
        **{bare: program([sys.executable, "-c", code], clean=False) for bare, code in BARE.items()},
        **{it: program(_command(vault, name, script)) for it, script in PROGRAMS.items()},
        "find_signals --refresh": program([*query, "--refresh"]),
    }
    runs = runs_module.in_turns(asked.rounds, contenders)
    read = {
        it: _bytes(asked, vault, _command(vault, name, script)) for it, script in PROGRAMS.items()
    }
    for script in PROGRAMS.values():  # the query alone is asked of what is up to date
        runs_module.watched(_command(vault, name, script), asked.work, codes=(0, 3))
    latest = [*query, "--at", "latest"]
    alone = {"find_signals": latest, "find_signals --json": [*latest, "--json"]}
    runs |= runs_module.in_turns(
        asked.rounds, {it: program(command, clean=False) for it, command in alone.items()}
    )
    read |= {it: _bytes(asked, vault, command) for it, command in alone.items()}
    floor = runs["import numpy, orjson"]
    fresh = {it: new["books" if it == BUCKETS else "trades"] for it in PROGRAMS}
    return [
        {"days": days, **_row(it, found, floor, fresh.get(it), read.get(it))}
        for it, found in runs.items()
    ]


def _row(
    it: str, found: list[Run], floor: list[Run], fresh: int | None, read: int | None
) -> dict[str, Any]:
    return {
        "name": it,
        "seconds": runs_module.median(found, "seconds"),
        "times_import": runs_module.ratio(found, floor, "seconds"),
        "cpu_s": runs_module.median(found, "cpu_s"),
        "peak_mb": runs_module.largest(found, "peak_mb"),
        "new_bytes": fresh,
        "raw_bytes": json.loads(found[0]["said"])["bytes_read"] if it in PROGRAMS else None,
        "read_bytes": read,
        "above_new": None if fresh is None or read is None else read - fresh,
    }


def _command(vault: Vault, name: str, script: str) -> list[str]:
    words = ["--vault", str(vault.root), "--instId", name, "--log-level", "error", "--json"]
    return [sys.executable, str(CHECKOUT / script), *words]


def _bytes(asked: Asked, vault: Vault, command: list[str]) -> int | None:
    found = runs_module.measured(asked.work, "again", str(vault.root), *command[1:])
    read: int | None = found["read_bytes"]
    return read
