"""One book line in any JSON spelling: its validity, and its levels as exact numbers.

This module alone decides on a snapshot (SPEC section 9); the fast path accepts only lines that
give the same here.
"""

from typing import Any, Protocol

from ravequant import exact
from ravequant.books import levels
from ravequant.books.levels import Levels
from ravequant.errors import shown
from ravequant.records import DEFAULT_EXCHANGE, RecordError, json_object, positive_decimal


class DeepLines(Protocol):
    """A queue of deep lines that knows which one must be read again after a restart."""

    def peek(self) -> bytes | None:
        """Return the next whole line without passing it; None while there is none."""

    def take(self) -> None:
        """Pass the line peeked at; it is in use from now on."""

    def skip(self, reason: str | None) -> None:
        """Pass the line peeked at, which is of no use; a reason is logged."""


def parse(
    line: bytes, channel: str, inst_id: str, exchange: str = DEFAULT_EXCHANGE
) -> dict[str, Any]:
    """Return the JSON object of a line of ``channel``; RecordError if it is none."""
    row = json_object(line)
    wanted = {"exchange": exchange, "market": "perp", "channel": channel, "instId": inst_id}
    for field, value in wanted.items():
        if row.get(field) != value:
            raise RecordError(f"{field}: {shown(row.get(field))} is not {value!r}")
    return row


def mid_of(best_bid: Any, best_ask: Any, mid_price: Any) -> tuple[int, int]:
    """Return best bid + best ask in units of 10**-PRICE_PLACES, and their decimals.

    RecordError if one is no price, or if the mid is not exactly between them.
    """
    bid = _price(best_bid, "best_bid", exact.PRICE_PLACES)
    ask = _price(best_ask, "best_ask", exact.PRICE_PLACES)
    mid = _price(mid_price, "mid_price", exact.PRICE_PLACES + 1)  # may be half a unit off a price
    if 2 * mid != 10 * (bid + ask):
        raise RecordError(
            f"mid_price: {shown(mid_price)} is not between {shown(best_bid)} and {shown(best_ask)}"
        )
    return bid + ask, max(exact.decimals(best_bid), exact.decimals(best_ask))


def _price(text: Any, field: str, places: int) -> int:
    return exact.units(positive_decimal(text, field, places), places)


def levels_of(bids: Any, asks: Any) -> tuple[Levels, int]:
    """Return both sides, each from the mid outwards, and how many levels are malformed.

    A price that a side has shown before makes a level malformed. RecordError if a side is no list
    or is empty.
    """
    sides, malformed = [], 0
    price_places = qty_places = 0
    for field, entries in (("bids", bids), ("asks", asks)):
        if not isinstance(entries, list) or not entries:
            raise RecordError(f"{field}: not a list of levels")
        found: dict[int, int] = {}
        for entry in entries:
            try:
                price, qty = _level(entry)
            except (TypeError, ValueError, IndexError, KeyError):
                malformed += 1
                continue
            if price in found:
                malformed += 1
                continue
            found[price] = qty
            price_places = max(price_places, exact.decimals(entry[0]))
            qty_places = max(qty_places, exact.decimals(entry[1]))
        sides.append(sorted(found.items(), reverse=field == "bids"))
    price_unit = 10 ** (exact.PRICE_PLACES - price_places)
    qty_unit = 10 ** (exact.SIZE_PLACES - qty_places)
    whole = [[(price // price_unit, qty // qty_unit) for price, qty in side] for side in sides]
    return levels.of_numbers(whole, price_places, qty_places), malformed


def _level(entry: Any) -> tuple[int, int]:
    if not isinstance(entry, list):
        raise TypeError("a level is a list")
    price = exact.units(entry[0], exact.PRICE_PLACES)
    qty = exact.units(entry[1], exact.SIZE_PLACES)
    if price == 0 or qty == 0:
        raise ValueError("not above zero")
    return price, qty
