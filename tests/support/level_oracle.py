"""Footprints computed the plain way: fractions and dictionaries, trade by trade.

Nothing here is shared with the code under test but the SPEC.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from tests.support.oracle import Minute, decimal_text

HEIGHTS = {"BTC": Fraction(10), "ETH": Fraction(1, 2)}
PLACES = 50


def text(value: Fraction, *, sign: bool = False) -> str:
    """Write an amount that has so few places that nothing is rounded."""
    written = decimal_text(value, PLACES, sign=sign)
    assert Fraction(written) == value
    return written


def height_of(inst_id: str) -> Fraction:
    """Return the height of a bucket under the default settings."""
    return HEIGHTS[inst_id.partition("-")[0]]


def by_bucket(minute: Minute, height: Fraction) -> dict[int, list[Any]]:
    """Return [bought, sold, trades] of each bucket, by its number."""
    found: dict[int, list[Any]] = {}
    for price, _, notional, side in minute.joined:
        cell = found.setdefault(price // height, [Fraction(0), Fraction(0), 0])
        cell[0 if side == "buy" else 1] += notional
        cell[2] += 1
    return found


def footprint_rows(minutes: Iterable[Minute], inst_id: str) -> list[dict[str, Any]]:
    """Return the footprints of SPEC 15."""
    return [footprint(minute, inst_id) for minute in minutes if minute.joined]


def footprint(minute: Minute, inst_id: str) -> dict[str, Any]:
    """Return the record of a minute."""
    height = height_of(inst_id)
    cells, close = by_bucket(minute, height), minute.prices[-1]
    running = [Fraction(0)]
    for _, _, notional, side in minute.joined:
        running.append(running[-1] + (notional if side == "buy" else -notional))
    edge = {at: text(at * height) for at in range(min(cells), max(cells) + 2)}
    largest = max(bought + sold for bought, sold, _ in cells.values())
    poc = min(
        (at for at, cell in cells.items() if cell[0] + cell[1] == largest),
        key=lambda at: (abs((at + Fraction(1, 2)) * height - close), at),
    )
    marked: dict[str, list[int]] = {"buy": [], "sell": []}
    for at in sorted(cells):
        bought, sold, _ = cells[at]
        below = cells[at - 1][1] if at - 1 in cells else 0
        above = cells[at + 1][0] if at + 1 in cells else 0
        if bought >= 50_000 and bought / (below or 1) >= 3:
            marked["buy"].append(at)
        if sold >= 50_000 and sold / (above or 1) >= 3:
            marked["sell"].append(at)
    stacked = []
    for side, found in marked.items():
        for first in found:
            last = first
            while last + 1 in found:
                last += 1
            if first - 1 not in found and last - first >= 2:
                stacked.append([edge[first], edge[last + 1], side])
    return {
        "timestamp_utc": f"{minute.start:%Y-%m-%dT%H:%M:00Z}",
        "instId": inst_id,
        "exchange": "okx",
        "market": "perp",
        "close": text(close),
        "bucket": text(height),
        "rows": [
            [edge[at], text(bought), text(sold), trades]
            for at, (bought, sold, trades) in sorted(cells.items())
        ],
        "poc": edge[poc],
        "delta": text(running[-1], sign=True),
        "max_delta": text(max(running), sign=True),
        "min_delta": text(min(running), sign=True),
        "imbalances": [[edge[at], side] for side, found in marked.items() for at in found],
        "stacked": stacked,
        "gap": minute.gap,
    }
