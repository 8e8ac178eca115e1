"""Footprints and profiles computed the plain way: fractions and dictionaries, trade by trade.

Nothing here is shared with the code under test but the SPEC.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from functools import cache
from typing import Any

from tests.support.oracle import Minute, decimal_text

HEIGHTS = {"BTC": Fraction(10), "ETH": Fraction(1, 2)}
PLACES = 50


@cache
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


# ------------------------------------------------------------------------------------ profiles


def profile_rows(minutes: Iterable[Minute], inst_id: str, until: datetime) -> list[dict[str, Any]]:
    """Return the profiles and level events of SPEC 15; all minutes before ``until`` are closed."""
    known = list(minutes)
    traded = [minute for minute in known if minute.joined]
    gaps = [minute.start for minute in known if minute.gap]
    found: list[tuple[datetime, int, dict[str, Any]]] = []
    opened: list[tuple[datetime, dict[str, Any]]] = []
    for day in sorted({minute.start.date() for minute in traded}):
        begin = datetime.combine(day, time(), UTC)
        end = begin + timedelta(days=1)
        own = [minute for minute in traded if begin <= minute.start < end]
        whole = traded[0].start < begin or traded[0].start == begin
        halves = sorted({half_hour(minute.start) + timedelta(minutes=30) for minute in own})
        for moment in sorted({*halves, end}):
            if moment > until:
                continue
            part = [minute for minute in own if minute.start < moment]
            row = profile(part, inst_id, begin, moment, whole=whole)
            row["gap"] = any(begin <= gap < moment for gap in gaps)
            found.append((moment, 1, row))
            for side in ("high", "low") if moment == end else ():
                if row[f"{side}_end"] == "poor":
                    level = {
                        **{name: row[name] for name in list(row)[:4]},
                        "kind": "level", "session_utc": row["session_utc"], "event": "open",
                        "event_id": f"{inst_id}|{day}|{side}", "side": side, "price": row[side],
                        "tpos": row["rows"][-1 if side == "high" else 0][3],
                        "repaired_utc": None, "gap": row["gap"],
                    }  # fmt: skip
                    found.append((moment, 2, level))
                    opened.append((begin, level))
    for begin, level in opened:
        price, high = Fraction(level["price"]), level["side"] == "high"
        for minute in traded:
            beyond = max(minute.prices) > price if high else min(minute.prices) < price
            if minute.start >= begin + timedelta(days=1) and beyond:
                moment = minute.start + timedelta(minutes=1)
                gap = any(begin <= one < moment for one in gaps)
                told = f"{moment:%Y-%m-%dT%H:%M:00Z}"
                again = {**level, "known_utc": told, "event": "repaired", "repaired_utc": told}
                found.append((moment, 0, {**again, "gap": gap}))
                break
    return [row for _, _, row in sorted(found, key=lambda one: one[:2])]


def half_hour(moment: datetime) -> datetime:
    """Return the start of the half hour of a moment."""
    return moment.replace(minute=moment.minute // 30 * 30)


def profile(
    minutes: list[Minute], inst_id: str, begin: datetime, moment: datetime, *, whole: bool
) -> dict[str, Any]:
    """Return the profile of some minutes of a session, but for its gap."""
    height = height_of(inst_id)
    cells: dict[int, list[Any]] = {}
    for minute in minutes:
        for at, (bought, sold, _) in by_bucket(minute, height).items():
            cell = cells.setdefault(at, [Fraction(0), Fraction(0), set()])
            cell[0] += bought
            cell[1] += sold
            cell[2].add(half_hour(minute.start))
    prices = [price for minute in minutes for price in minute.prices]
    bottom, top = min(cells), max(cells)
    totals = [sum(cells[at][:2]) if at in cells else Fraction(0) for at in range(bottom, top + 1)]
    tpos = [len(cells[at][2]) if at in cells else 0 for at in range(bottom, top + 1)]
    middle, most = (max(prices) + min(prices)) / 2, max(totals)
    poc = min(
        (at for at in range(bottom, top + 1) if totals[at - bottom] == most),
        key=lambda at: (abs((at + Fraction(1, 2)) * height - middle), at),
    )
    low, high = area_of(totals, poc - bottom)
    final = moment == begin + timedelta(days=1)
    return {
        "known_utc": f"{moment:%Y-%m-%dT%H:%M:00Z}",
        "instId": inst_id, "exchange": "okx", "market": "perp", "kind": "profile",
        "session_utc": f"{begin:%Y-%m-%dT%H:%M:00Z}",
        "final": final, "whole": whole, "minutes": len(minutes),
        "high": text(max(prices)), "low": text(min(prices)), "close": text(minutes[-1].prices[-1]),
        "total_volume": text(sum(totals, Fraction(0))), "bucket": text(height),
        "poc": text(poc * height),
        "vah": text((bottom + high + 1) * height), "val": text((bottom + low) * height),
        "rows": [
            [text(at * height), text(bought), text(sold), len(halves)]
            for at, (bought, sold, halves) in sorted(cells.items())
        ],
        "high_end": end_of(tpos[::-1]) if final and whole else None,
        "low_end": end_of(tpos) if final and whole else None,
    }  # fmt: skip


def area_of(totals: list[Fraction], poc: int) -> tuple[int, int]:
    """Return the first and last place of the value area, pair by pair."""
    low = high = poc
    wanted, inside = Fraction(7, 10) * sum(totals), totals[poc]
    while inside < wanted:
        above, below = sum(totals[high + 1 : high + 3]), sum(totals[max(low - 2, 0) : low])
        up = above >= below if low > 0 else True
        if high == len(totals) - 1:
            up = False
        inside += above if up else below
        if up:
            high = min(high + 2, len(totals) - 1)
        else:
            low = max(low - 2, 0)
    return low, high


def end_of(tpos: list[int]) -> str:
    """Return how an end looks, by the TPOs from the outermost bucket inwards."""
    if tpos[0] >= 2:
        return "poor"
    return "excess" if tpos[:2] == [1, 1] else "plain"
