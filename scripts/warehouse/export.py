"""Writes the days of the Parquet dataset that have changed: one file each, replaced at once.

Trades, books and buckets have files by day or hour, which are compared by size and time. Of a file
that grows the lines of each day are hashed. Bars are computed of the trades; since those of a day
depend on the trades before it (open minutes, the last id), the manifest keeps the reader's state at
the beginning of each day file: an export goes on at the first day that changed.
"""

import hashlib
import logging
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import orjson

from ravequant import exact, settings, times
from ravequant.catalog import TRADES
from ravequant.errors import VaultError
from ravequant.pipeline import trade_source
from ravequant.pipeline.job import Decoder
from ravequant.trades.bar_builder import Closed
from ravequant.trades.minute_bar import MinuteBar
from ravequant.vault.atomic import disk_error, fsync_file, make_folder, move_over
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.imports.archive_source import imported_days, source_text
from ravequant.vault.line_file import lines_forward
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Tail
from scripts.warehouse.dataset import ExportedTable, Sources, sources_of, stamps
from scripts.warehouse.duck import require, run, said
from scripts.warehouse.row_sql import path_text, rows_of
from scripts.warehouse.schema import SqlTable, literal

if TYPE_CHECKING:
    import duckdb

_PLACES: Final = {
    **dict.fromkeys(("open", "high", "low", "close"), exact.PRICE_PLACES),
    **dict.fromkeys(("base", "buy_base", "sell_base"), exact.BASE_PLACES),
    **dict.fromkeys(
        ("notional", "buy_notional", "sell_notional", "whale_buy_notional", "whale_sell_notional"),
        exact.NOTIONAL_PLACES,
    ),
}
_OF_BOOKS: Final = ("book", "buckets", "book_flow")
_BOOK_STREAMS: Final = ("books", "books_deep", "buckets")
_AS_IT_IS: Final = ("trade_count", "whale_count", "first_id", "last_id", "gap")
_log = logging.getLogger(__name__)

Written = Iterator[tuple[str, int]]  # (day, rows) of each file that was written


def export(
    database: "duckdb.DuckDBPyConnection",
    vault: Vault,
    exported: ExportedTable,
    inst_id: str,
    spill: Path,
) -> Written:
    """Bring the days of a table of an instrument up to date."""
    data = exported.table.data
    parts = _Parts(database, exported, _sources_said(vault, exported.table, inst_id))
    if data is None:
        return _write_bars(parts, vault, inst_id, spill)
    if data.dated:
        return _write_days(parts, sources_of(vault, data, inst_id))
    return _write_log(parts, data.place(vault, inst_id), spill)


def _sources_said(vault: Vault, table: SqlTable, inst_id: str) -> dict[str, str]:
    """Return the words about the source of each day that holds imported data, or is made of them.

    Raises VaultError if that cannot be told: such a file must not go out without them.
    """
    streams = _BOOK_STREAMS if table.name in _OF_BOOKS else ("trades",)
    found = imported_days(vault, inst_id)
    days = (day for stream in streams for day in found.get(stream, ()))
    return dict.fromkeys(days, source_text(vault))


@dataclass(frozen=True, slots=True)
class _Parts:
    """The files of a table of an instrument, and what is needed to write them."""

    database: "duckdb.DuckDBPyConnection"
    exported: ExportedTable
    sources_said: dict[str, str]  # by day, of days with imported data

    def write(self, day: str, files: Sequence[Path]) -> int:
        """Write the file of a day from line files; return its rows. VaultError if that fails."""
        table, part = self.exported.table, self.exported.part(day)
        fresh = part.with_name(f".{part.name}.tmp")
        rows = f"SELECT * EXCLUDE (instId) FROM ({rows_of(table, files)})"  # noqa: S608 - our names; the folder names the instrument
        statement = (
            f"COPY ({rows}) TO {path_text(fresh)} (FORMAT parquet, COMPRESSION zstd, "
            f"KV_METADATA {{{self._metadata(day)}}})"
        )
        try:
            make_folder(part.parent)
            counted = run(self.database, statement).fetchone()
            fsync_file(fresh)
            move_over(fresh, part)
        except require().Error as error:
            with suppress(OSError):
                fresh.unlink()
            raise VaultError(f"{part}: cannot be made of {files[0]}: {said(error, ' ')}") from error
        except OSError as error:
            raise disk_error(part, "made", error) from error
        return int(counted[0]) if counted else 0

    def _metadata(self, day: str) -> str:
        """Return what the file says of itself: its table, its units, the source if imported."""
        columns = self.exported.table.columns
        noted = {"ravequant.table": self.exported.table.name}
        noted |= {f"unit.{column.name}": column.unit for column in columns if column.unit}
        if day in self.sources_said:
            noted["source"] = self.sources_said[day]
        return ", ".join(f"{literal(name)}: {literal(text)}" for name, text in noted.items())


def _write_days(parts: _Parts, sources: Sources) -> Written:
    exported = parts.exported
    for day, files in sources:
        if not exported.current(day, files):
            try:
                before = stamps(files)  # lines appended from here on make the day stale
            except FileNotFoundError:
                continue  # packed or deleted this moment: the next export takes it
            rows = parts.write(day, files)
            exported.note(day, sources=before, rows=rows)
            yield day, rows


def _write_log(parts: _Parts, path: Path, spill: Path) -> Written:
    if not path.exists():
        return
    exported = parts.exported
    hashes: dict[str, Any] = {}
    for day, lines in _runs(path, exported.table.time):
        hashes.setdefault(day, hashlib.sha256()).update(lines)
    for day in exported.days.keys() - hashes.keys():  # its calculator has no such rows any more
        del exported.days[day]
        exported.keep()
        with suppress(OSError):
            exported.part(day).unlink(missing_ok=True)
    changed = {
        day
        for day, found in hashes.items()
        if not exported.stands(day) or exported.days[day].get("sha256") != found.hexdigest()
    }
    if not changed:
        return
    with TemporaryDirectory(dir=spill) as folder:
        for day, lines in _runs(path, exported.table.time):
            if day in changed:
                with Path(folder, f"{day}.jsonl").open("ab") as file:
                    file.write(lines)
        for day_lines in sorted(Path(folder).iterdir()):
            with day_lines.open("rb") as file:  # with lines that were appended meanwhile
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            rows = parts.write(day_lines.stem, [day_lines])
            exported.note(day_lines.stem, sha256=sha256, rows=rows)
            day_lines.unlink()
            yield day_lines.stem, rows


def _runs(path: Path, key: str) -> Iterator[tuple[str, bytes]]:
    """Yield (day, lines) of each run of lines of one UTC day; lines without a time are left out."""
    pattern = re.compile(rb'"%s":"([0-9]{4}-[0-9]{2}-[0-9]{2})T' % key.encode())

    def day_of(line: bytes) -> str:
        match = pattern.search(line)
        return match[1].decode() if match else ""

    for day, lines in groupby(lines_forward(path), day_of):
        if day:
            yield day, b"".join(lines)


def _write_bars(parts: _Parts, vault: Vault, inst_id: str, spill: Path) -> Written:
    chosen, exported = settings.load(), parts.exported
    made_with = {
        "generation": read_generation(vault.generation(inst_id)),
        "whale": str(chosen.bars.whale_notional),
    }
    sources = sources_of(vault, TRADES, inst_id)
    if exported.terms != made_with:
        for day, _ in sources:  # a day that has left the vault cannot be made again
            exported.days.pop(day, None)
        exported.terms = made_with
    first = _first_stale(exported, sources)
    if first is None:
        return
    reader = trade_source.decoder(vault, inst_id, chosen)(_reject)
    goes_on = "before" in exported.days.get(first, {})
    if goes_on:
        reader.restore(exported.days[first]["before"])
    read = [(day, files[0]) for day, files in sources if day >= first]
    noted = {day: stamps([path]) for day, path in read}
    for day, before, final, bars in _bars_of_days(reader, read, whole=not goes_on):
        lines = spill / "bars.jsonl"
        lines.write_bytes(b"".join(orjson.dumps(as_row(bar, inst_id)) + b"\n" for bar in bars))
        rows = parts.write(day, [lines])
        exported.note(day, sources=noted[day], before=before, final=final, rows=rows)
        yield day, rows


def _first_stale(exported: ExportedTable, sources: Sources) -> str | None:
    """Return the first day that must be read, None for none.

    Without a state to go on from that is the first of all.
    """
    if all(exported.current(day, files) for day, files in sources):
        return None
    for day, files in sources:
        if not (exported.current(day, files) and exported.days[day].get("final")):
            return day if "before" in exported.days.get(day, {}) else sources[0][0]
    return None


def _bars_of_days(
    reader: Decoder[Closed], files: list[tuple[str, Path]], *, whole: bool
) -> Iterator[tuple[str, dict[str, Any], bool, list[MinuteBar]]]:
    """Yield (day, the reader's state before its file, whether it is over, its bars).

    A bar of a day without a file goes to the file's day before it. Unless ``whole``, the bars that
    close first may belong to a day before these, which has them already.
    """
    days = [day for day, _ in files]
    place = {path: number for number, (_, path) in enumerate(files)}
    before: list[dict[str, Any]] = []
    bars: list[list[MinuteBar]] = [[] for _ in days]
    done = 0
    for block in Tail(lambda: iter(files), None, 0).blocks():
        while len(before) <= place[block.path]:
            before.append(reader.state())
        closed = reader.read(block.data, block.path.name)
        for bar in closed.bars:
            at = bisect_right(days, times.day(bar.minute * times.MINUTE_MS)) - 1
            if at >= 0 or whole:
                bars[max(at, 0)].append(bar)
        over = times.day((closed.through + 1) * times.MINUTE_MS)
        while done + 1 < len(before) and days[done + 1] <= over:
            yield days[done], before[done], True, bars[done]
            bars[done], done = [], done + 1
    before += [reader.state()] * (len(days) - len(before))
    for at in range(done, len(days)):
        yield days[at], before[at], False, bars[at]


def as_row(bar: MinuteBar, inst_id: str) -> dict[str, Any]:
    """Return a bar as a line holds it: decimals as exact text."""
    row: dict[str, Any] = {"timestamp_utc": times.iso_minute(bar.minute), "instId": inst_id}
    row |= {name: exact.text(getattr(bar, name), places) for name, places in _PLACES.items()}
    return row | {name: getattr(bar, name) for name in _AS_IT_IS}


def _reject(offset: int, reason: str) -> None:
    _log.debug("byte %d of a block: %s", offset, reason)
