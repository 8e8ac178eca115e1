"""Four questions about a book snapshot: walls, zones, spread, imbalance; exact, without a file.

Sizes in a book are contracts, not coins: the terms of the contract turn them into coins and USD.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from ravequant import exact, times
from ravequant.books import snapshot_json
from ravequant.contract import Contract, amounts
from ravequant.records import DEFAULT_EXCHANGE, RecordError, parse_iso_field

WIDE_SPREAD_BPS: Final = 10
PRESSURE: Final = (3, 10)  # imbalance beyond 3/10
WIDE: Final = "WIDE SPREAD - Low liquidity"
BUYERS, SELLERS = "BUY PRESSURE", "SELL PRESSURE"
SIDES: Final = ("bids", "asks")


@dataclass(frozen=True, slots=True)
class PriceLevel:
    """A price and the size that rests there."""

    price: int  # exact.PRICE_PLACES
    contracts: int  # exact.SIZE_PLACES


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """A snapshot; both sides from the mid outwards."""

    inst_id: str
    ts: int  # Unix milliseconds
    gap_detected: bool
    best_bid: str  # as they came
    best_ask: str
    mid: str
    bids: tuple[PriceLevel, ...]
    asks: tuple[PriceLevel, ...]
    entries: tuple[int, int]  # of the line, by side
    deep_ts: int | None = None  # of the deep snapshot whose levels stand beyond its own

    def sides(self) -> Iterable[tuple[str, tuple[PriceLevel, ...]]]:
        """Return both sides by name."""
        return zip(SIDES, (self.bids, self.asks), strict=True)


def parse(line: bytes, inst_id: str, exchange: str = DEFAULT_EXCHANGE) -> BookSnapshot:
    """Return the book of a raw line; RecordError if it is no snapshot of ``inst_id``."""
    row = snapshot_json.parse(line, "books", inst_id, exchange)
    best_bid, best_ask, mid = (row.get(name) for name in ("best_bid", "best_ask", "mid_price"))
    snapshot_json.mid_of(best_bid, best_ask, mid)
    levels, asks_from = _levels(row.get("bids_top400"), row.get("asks_top400"))
    if not 0 < asks_from < len(levels):
        raise RecordError("a side has not one level that can be read")
    return BookSnapshot(
        inst_id=inst_id,
        ts=parse_iso_field(row.get("timestamp_utc"), "timestamp_utc"),
        gap_detected=row.get("gap_detected") is True,
        best_bid=str(best_bid),
        best_ask=str(best_ask),
        mid=str(mid),
        bids=levels[:asks_from],
        asks=levels[asks_from:],
        entries=(len(row["bids_top400"]), len(row["asks_top400"])),
    )


class DeepLevels(NamedTuple):
    """A deep snapshot; both sides from the mid outwards."""

    ts: int  # Unix milliseconds
    from_ms: int  # it counts for books later than this
    sides: tuple[tuple[PriceLevel, ...], tuple[PriceLevel, ...]]


def parse_deep(line: bytes, inst_id: str, exchange: str = DEFAULT_EXCHANGE) -> DeepLevels:
    """Return the levels of a raw deep line; RecordError if it is none of ``inst_id``."""
    row = snapshot_json.parse(line, "books-full", inst_id, exchange)
    levels, asks_from = _levels(row.get("bids"), row.get("asks"))
    ts, from_ms = (parse_iso_field(row.get(name), name) for name in ("timestamp_utc", "from_utc"))
    return DeepLevels(ts, from_ms, (levels[:asks_from], levels[asks_from:]))


def deepened(book: BookSnapshot, deep: DeepLevels, depth_levels: int) -> BookSnapshot:
    """Return the book with the deep levels beyond its own, as the bucketizer takes them.

    A side with fewer than ``depth_levels`` entries was sent whole: nothing stands beyond it.
    """
    sides = []
    for (_, own), beyond, entries, sign in zip(
        book.sides(), deep.sides, book.entries, (-1, 1), strict=True
    ):
        more = (level for level in beyond if sign * (level.price - own[-1].price) > 0)
        sides.append(own if entries < depth_levels else (*own, *more))
    return replace(book, bids=sides[0], asks=sides[1], deep_ts=deep.ts)


def seen(book: BookSnapshot, depth_levels: int) -> dict[str, Any]:
    """Return how far from the mid each side was seen; ``deep`` levels are those of ``deep_utc``."""
    mid = exact.units(book.mid, exact.PRICE_PLACES + 1)
    away = {name: abs(10 * side[-1].price - mid) * 10_000 for name, side in book.sides()}
    deep, ts = book.deep_ts, book.ts
    return {
        "seen_bps": {name: _two(distance, mid) for name, distance in away.items()},
        "whole": {
            name: entries < depth_levels for name, entries in zip(SIDES, book.entries, strict=True)
        },
        "deep_utc": None if deep is None else times.iso(deep),
        "deep_age_s": None if deep is None else max(0, ts - deep) // times.SECOND_MS,
    }


def _levels(bids: Any, asks: Any) -> tuple[tuple[PriceLevel, ...], int]:
    """Return the levels of both sides, and where the asks begin."""
    found, _ = snapshot_json.levels_of(bids, asks)
    price_unit = 10 ** (exact.PRICE_PLACES - found.price_places)
    qty_unit = 10 ** (exact.SIZE_PLACES - found.qty_places)
    levels = tuple(
        PriceLevel(price * price_unit, qty * qty_unit)
        for price, qty in zip(found.price.tolist(), found.qty.tolist(), strict=True)
    )
    return levels, int(found.starts[1])


def total(contract: Contract | None, levels: Iterable[PriceLevel]) -> tuple[int, int] | None:
    """Return base and notional of levels in units of BASE_PLACES and NOTIONAL_PLACES.

    None if the terms of the contract are unknown.
    """
    if contract is None:
        return None
    found = [amounts(contract, level.price, level.contracts) for level in levels]
    return sum(base for base, _ in found), sum(notional for _, notional in found)


def walls(book: BookSnapshot, contract: Contract | None, above: int) -> dict[str, Any]:
    """Return the levels of more than ``above`` contracts (SIZE_PLACES), from the mid outwards."""
    mid = exact.units(book.mid, exact.PRICE_PLACES + 1)
    return {
        "above_contracts": exact.text(above, exact.SIZE_PLACES),
        **{
            name: [
                {
                    "price": _price(level.price),
                    **_sizes(contract, [level]),
                    "distance_bps": _two(abs(10 * level.price - mid) * 10_000, mid),
                }
                for level in side
                if level.contracts > above
            ]
            for name, side in book.sides()
        },
    }


def zones(
    book: BookSnapshot, contract: Contract | None, width: int, top: int = 5
) -> dict[str, Any]:
    """Return the ``top`` zones of each side by contracts; a zone begins at a multiple of ``width``.

    ``width`` is in units of PRICE_PLACES.
    """
    return {
        "width": _price(width),
        **{
            name: [
                {"from": _price(start), **_sizes(contract, levels), "levels": len(levels)}
                for start, levels in _largest(side, width, top)
            ]
            for name, side in book.sides()
        },
    }


def _largest(
    side: Iterable[PriceLevel], width: int, top: int
) -> list[tuple[int, list[PriceLevel]]]:
    found = defaultdict(list)
    for level in side:
        found[level.price // width * width].append(level)
    return sorted(found.items(), key=lambda zone: _contracts(zone[1]), reverse=True)[:top]


def spread(book: BookSnapshot) -> dict[str, Any]:
    """Return best bid, best ask, and (ask - bid) / bid in bps; ``wide`` compares exactly."""
    bid, ask = (exact.units(text, exact.PRICE_PLACES) for text in (book.best_bid, book.best_ask))
    return {
        "best_bid": book.best_bid,
        "best_ask": book.best_ask,
        "spread": _price(ask - bid),
        "spread_bps": _two((ask - bid) * 10_000, bid),
        "wide": (ask - bid) * 10_000 > WIDE_SPREAD_BPS * bid,
    }


def imbalance(book: BookSnapshot, top: int = 10) -> dict[str, Any]:
    """Return (bids - asks) / (bids + asks) of the contracts in the ``top`` levels.

    ``pressure`` names the side that presses, by an exact comparison; None if neither does.
    """
    bids, asks = _contracts(book.bids[:top]), _contracts(book.asks[:top])
    part, whole = PRESSURE
    tilt, limit = (bids - asks) * whole, (bids + asks) * part
    return {
        "levels": top,
        "bid_contracts": exact.text(bids, exact.SIZE_PLACES),
        "ask_contracts": exact.text(asks, exact.SIZE_PLACES),
        "imbalance": exact.signed(_two(bids - asks, bids + asks)),
        "pressure": BUYERS if tilt > limit else SELLERS if tilt < -limit else None,
    }


def _contracts(levels: Iterable[PriceLevel]) -> int:
    return sum(level.contracts for level in levels)


def _sizes(contract: Contract | None, levels: list[PriceLevel]) -> dict[str, str | None]:
    worth = total(contract, levels)
    return {
        "contracts": exact.text(_contracts(levels), exact.SIZE_PLACES),
        "base": None if worth is None else exact.text(worth[0], exact.BASE_PLACES),
        "notional": None if worth is None else exact.text(worth[1], exact.NOTIONAL_PLACES),
    }


def _two(numerator: int, denominator: int) -> str:
    return exact.fixed(exact.divide(numerator, denominator, 2), 2)


def _price(value: int) -> str:
    return exact.text(value, exact.PRICE_PLACES)
