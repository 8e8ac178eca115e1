"""The recorded market around a day's trials: trades, holes, funding and terms, and then books.

The trades reach from the earliest birth to the last horizon: the end of the day before, the day,
and the first hours of the day after, which may still grow.
"""

import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import orjson

from Edge_Lab.book_levels import BookCollector, WantedLevels, read_books
from Edge_Lab.exits import FundingRate, settlements_between
from Edge_Lab.fills import contracts, hole_minutes
from Edge_Lab.tape import FRESH_MS
from Edge_Lab.tick_cache import TickCache, TickColumns, joined, tape_of
from Edge_Lab.trial_ledger import DayInput
from Edge_Lab.trials import PlacedOrder, TrialMarket, rate_of
from ravequant import catalog, exact, times
from ravequant.catalog import DataSet
from ravequant.errors import NoDataError, VaultError
from ravequant.vault.instruments import InstrumentHistory, Metadata
from ravequant.vault.line_file import LineFile, is_there
from ravequant.vault.paths import Vault, day_files

_AFTER_MS: Final = times.HOUR_MS  # of trades behind the last horizon: the last exits are paid there
_LOGS: Final = (catalog.VOLUME, catalog.CVD, catalog.VWAP, catalog.WICKS)


@dataclass(frozen=True, slots=True)
class MarketSpan:
    """The time that a day's trials need, Unix ms."""

    first: int
    until: int  # the last horizon


@dataclass(frozen=True, slots=True, eq=False)
class RecordedMarket:
    """A day's market without books; prices and contracts as integers in the tape's units."""

    market: TrialMarket
    qty_places: int
    terms: Metadata
    inputs: tuple[DayInput, ...]

    def units(self, price: int) -> int:
        """Return a price of exact.PRICE_PLACES in the tape's units, in which it is whole."""
        unit: int = 10 ** (exact.PRICE_PLACES - self.market.price_places)
        return price // unit

    def size(self, size_usd: str, price: int) -> int:
        """Return the own contracts at a price of exact.PRICE_PLACES, in the tape's units."""
        terms, text = self.terms, exact.text(price, exact.PRICE_PLACES)
        lots = contracts(size_usd, terms.contract, text, terms.lot_sz, terms.min_sz)
        return lots * exact.units(terms.lot_sz, self.qty_places)


def recorded_market(
    vault: Vault, inst_id: str, day: str, span: MarketSpan, prices: Iterable[int]
) -> RecordedMarket:
    """Return the market around the trials of a UTC day, whose ``prices`` it holds exactly.

    ``prices`` are in units of exact.PRICE_PLACES. Raises VaultError, and NoDataError for a day
    without trades.
    """
    terms = InstrumentHistory(vault, inst_id).at(times.day_start_ms(day) + 1)
    tick = exact.units(terms.tick_sz, exact.PRICE_PLACES)
    ticks, inputs = _trades(vault, inst_id, day, span)
    places = max(ticks.price_places, _decimals(tick, *prices))
    ticks = ticks.scaled(places, max(ticks.qty_places, exact.decimals(terms.lot_sz)))
    holes, minutes = _holes(vault, inst_id, span)
    inputs += [minutes, *_derived(vault, inst_id, day)]
    funding, settled = _funding(vault, inst_id, span)
    market = TrialMarket(
        inst_id,
        tape_of(ticks),
        None,
        places,
        exact.units(terms.tick_sz, places),
        frozenset(holes),
        funding,
    )
    return RecordedMarket(market, ticks.qty_places, terms, (*inputs, *settled))


def with_books(
    vault: Vault,
    day: str,
    recorded: RecordedMarket,
    asking: Iterable[PlacedOrder],
    most: int,
    *,
    depth_levels: int,
    until_ms: int,
) -> tuple[TrialMarket, list[DayInput]]:
    """Read the books once, for these orders; return the market with them, and their files.

    ``most`` is the largest own order in the tape's units. Without books the market has none.
    """
    market = recorded.market
    collector = BookCollector(
        _wanted(market, asking),
        most,
        price_places=market.price_places,
        qty_places=recorded.qty_places,
        depth_levels=depth_levels,
    )
    days = {day, times.day(times.day_start_ms(day) + times.DAY_MS)}
    files = read_books(vault, market.inst_id, days, until_ms, collector)
    if not any(f"/{day}" in file.name for file in files):
        return market, []
    return replace(market, books=collector.books()), files


def _wanted(market: TrialMarket, asking: Iterable[PlacedOrder]) -> WantedLevels:
    """Return the tips of orders, each from before it rests to the last record that may fill it."""
    wanted = WantedLevels()
    for order, fate in asking:
        last = fate.prints[-1] if len(fate.prints) else fate.beyond
        if last is not None:
            end = market.trades.ms(int(last))
            wanted.want(order.bracket.tip, order.clock.active - FRESH_MS, end)
    return wanted


# --- trades --------------------------------------------------------------------------------------


def _trades(
    vault: Vault, inst_id: str, day: str, span: MarketSpan
) -> tuple[TickColumns, list[DayInput]]:
    """Return the trades of the span, and the finished day files that they are of."""
    cache, folder = TickCache(vault, inst_id), vault.trades(inst_id)
    start = times.day_start_ms(day)
    names = [times.day(start + number * times.DAY_MS) for number in (-1, 0, 1)]
    there = dict(day_files(folder))
    if day not in there:
        raise NoDataError(
            f"no raw trades of {inst_id} on {day} in {vault.root}; record them with "
            "Trades_Bot/trades_exporter.py, or ask for another day"
        )
    parts, inputs = [], []
    for name in names:
        if name not in there:
            continue
        parts.append(_cut(cache.day(name, span.until + _AFTER_MS), span))
        content = cache.content(name)
        if content is not None:
            file = (folder / f"{name}.jsonl").relative_to(vault.root).as_posix()
            inputs.append(DayInput(file, content.crc32, content.length))
    cache.save()
    return joined(parts), inputs


def _cut(ticks: TickColumns, span: MarketSpan) -> TickColumns:
    """Return the records of the span, and those of an hour behind it."""
    ts = np.maximum.accumulate(ticks.ts) if len(ticks.ts) else ticks.ts
    begin, end = ts.searchsorted((span.first, span.until + _AFTER_MS))
    columns: dict[str, Any] = {
        name: getattr(ticks, name)[begin:end].copy()
        for name in ("ts", "price", "qty", "buy", "organic")
    }
    return replace(ticks, **columns)


def _decimals(*values: int) -> int:
    """Return how many decimals hold numbers of exact.PRICE_PLACES."""
    shared, places = math.gcd(*values), exact.PRICE_PLACES
    while places and shared % 10 == 0:
        shared, places = shared // 10, places - 1
    return places


# --- minute rows, funding, and other inputs ------------------------------------------------------


def _holes(vault: Vault, inst_id: str, span: MarketSpan) -> tuple[set[int], DayInput]:
    """Return the minutes without trades that should have some, and the rows that say so."""
    rows = list(_rows(vault, inst_id, catalog.VOLUME, span.first - times.DAY_MS, span.until))
    minutes, gaps = [], []
    for row in rows:
        try:
            facts = orjson.loads(row)
            minutes.append(times.parse_iso(facts["timestamp_utc"]) // times.MINUTE_MS)
            gaps.append(facts["gap"] is True)
        except (ValueError, KeyError, TypeError) as error:
            path = catalog.VOLUME.place(vault, inst_id)
            raise VaultError(
                f"{path}: a row is no minute: {error!r}; run {catalog.VOLUME_ANALYZER.script} "
                "--rebuild"
            ) from error
    return hole_minutes(minutes, gaps), _as_input(vault, inst_id, catalog.VOLUME, rows)


def _rows(
    vault: Vault, inst_id: str, data: DataSet, first_ms: int, last_ms: int
) -> Iterator[bytes]:
    """Yield the lines of a growing file in a span of time, both ends included."""
    path = data.place(vault, inst_id)
    if is_there(path):
        with LineFile(path, data.key) as file:
            yield from file.between(first_ms - 1, last_ms)


def _as_input(vault: Vault, inst_id: str, data: DataSet, rows: Iterable[bytes]) -> DayInput:
    crc32 = 0
    for row in rows:
        crc32 = zlib.crc32(b"\n", zlib.crc32(row, crc32))
    name = data.place(vault, inst_id).relative_to(vault.root).as_posix()
    return DayInput(name, crc32)


def _derived(vault: Vault, inst_id: str, day: str) -> Iterator[DayInput]:
    """Yield the inputs of a day's candidates: the rows of that date in each growing file."""
    start = times.day_start_ms(day)
    for data in _LOGS[1:]:
        rows = _rows(vault, inst_id, data, start, start + times.DAY_MS - 1)
        yield _as_input(vault, inst_id, data, rows)


def _funding(
    vault: Vault, inst_id: str, span: MarketSpan
) -> tuple[Sequence[FundingRate], list[DayInput]]:
    """Return the settlements of the span, and the rows that are of it."""
    until = span.until + _AFTER_MS
    near = times.HOUR_MS
    rows = list(_rows(vault, inst_id, catalog.FUNDING, span.first - near, until + near))
    rates: dict[int, int] = {}
    for row in rows:
        try:
            facts = orjson.loads(row)
            rates[times.parse_iso(facts["timestamp_utc"])] = rate_of(facts["rate"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            path = catalog.FUNDING.place(vault, inst_id)
            raise VaultError(
                f"{path}: a line is no settlement: {error!r}; move the file away and import again"
            ) from error
    found = tuple(settlements_between(rates, span.first, until))
    return found, [_as_input(vault, inst_id, catalog.FUNDING, rows)] if rows else []
