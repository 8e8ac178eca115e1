"""Writes the exact minute bars of each day: what every trade-based calculator stands on.

Bars of a day depend on the trades before it (open minutes, the last id), so the reader's state at
the beginning of each day file is kept in the manifest: an export goes on at the first day that
changed and reads nothing before it.
"""

import logging
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from ravequant import exact, settings, times
from ravequant.pipeline.calculator import bar_reader
from ravequant.pipeline.runner import Reader
from ravequant.trades.bar_builder import Closed
from ravequant.trades.minute_bar import MinuteBar
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Tail
from scripts.warehouse.dataset import Shelf, Sources, dated_sources, stamps
from scripts.warehouse.export import Done, write_part

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
_AS_IT_IS: Final = ("trade_count", "whale_count", "first_id", "last_id", "gap")
_log = logging.getLogger(__name__)


def write_bars(
    database: "duckdb.DuckDBPyConnection", vault: Vault, shelf: Shelf, inst_id: str, spill: Path
) -> Done:
    """Bring the bars of an instrument up to date."""
    chosen = settings.load()
    made_with = {
        "generation": read_generation(vault.generation(inst_id)),
        "whale": str(chosen.bars.whale_notional),
    }
    sources = dated_sources(vault, "trades", inst_id)
    if shelf.facts.get("terms") != made_with:
        for day, _ in sources:  # a day that has left the vault cannot be made again
            shelf.days.pop(day, None)
        shelf.facts["terms"] = made_with
    first = _first_stale(shelf, sources)
    if first is None:
        return
    reader = bar_reader(vault, inst_id, chosen)(_reject)
    goes_on = "before" in shelf.days.get(first, {})
    if goes_on:
        reader.restore(shelf.days[first]["before"])
    read = [(day, files[0]) for day, files in sources if day >= first]
    noted = {day: stamps([path]) for day, path in read}
    for day, before, final, bars in _read(reader, read, whole=not goes_on):
        lines = spill / "bars.jsonl"
        lines.write_bytes(b"".join(orjson.dumps(as_row(bar, inst_id)) + b"\n" for bar in bars))
        rows = write_part(database, shelf, day, [lines])
        shelf.note(day, sources=noted[day], before=before, final=final, rows=rows)
        yield day, rows


def _first_stale(shelf: Shelf, sources: Sources) -> str | None:
    """Return the first day that must be read, None for none.

    Without a state to go on from that is the first of all.
    """
    if all(shelf.current(day, files) for day, files in sources):
        return None
    for day, files in sources:
        if not (shelf.current(day, files) and shelf.days[day].get("final")):
            return day if "before" in shelf.days.get(day, {}) else sources[0][0]
    return None


def _read(
    reader: Reader[Closed], files: list[tuple[str, Path]], *, whole: bool
) -> Iterator[tuple[str, dict[str, Any], bool, list[MinuteBar]]]:
    """Yield (day, the reader's state before its file, whether it is over, its bars).

    A bar of a day without a file goes to the file's day before it. Unless ``whole``, what closes
    first may belong to a day before these, which has it already.
    """
    days = [day for day, _ in files]
    place = {path: number for number, (_, path) in enumerate(files)}
    before: list[dict[str, Any]] = []
    bars: list[list[MinuteBar]] = [[] for _ in days]
    told = 0
    for block in Tail(lambda: iter(files), None, 0).blocks():
        while len(before) <= place[block.path]:
            before.append(reader.state())
        closed = reader.read(block.data)
        for bar in closed.bars:
            at = bisect_right(days, times.day(bar.minute * times.MINUTE_MS)) - 1
            if at >= 0 or whole:
                bars[max(at, 0)].append(bar)
        over = times.day((closed.through + 1) * times.MINUTE_MS)
        while told + 1 < len(before) and days[told + 1] <= over:
            yield days[told], before[told], True, bars[told]
            bars[told], told = [], told + 1
    before += [reader.state()] * (len(days) - len(before))
    for at in range(told, len(days)):
        yield days[at], before[at], False, bars[at]


def as_row(bar: MinuteBar, inst_id: str) -> dict[str, Any]:
    """Return a bar as a line holds it: decimals as exact text."""
    row: dict[str, Any] = {"timestamp_utc": times.iso_minute(bar.minute), "instId": inst_id}
    row |= {name: exact.text(getattr(bar, name), places) for name, places in _PLACES.items()}
    return row | {name: getattr(bar, name) for name in _AS_IT_IS}


def _reject(offset: int, reason: str) -> None:
    _log.debug("byte %d of a block: %s", offset, reason)
