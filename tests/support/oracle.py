"""Minute bars, VWAP, CVD and volume computed the plain way: fractions, each window summed afresh.

Nothing here is shared with the code under test but the SPEC.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from statistics import median
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Minute:
    """One UTC minute and the trades that count in it."""

    start: datetime
    prices: list[Fraction] = field(default_factory=list)  # of its own trades, in file order
    joined: list[tuple[Fraction, Fraction, Fraction, str]] = field(default_factory=list)
    gap: bool = False

    def total(self, weight: Callable[[Fraction, Fraction, Fraction], Fraction]) -> Fraction:
        """Sum ``weight(price, base, notional)`` over all trades, late ones included."""
        return sum((weight(*trade[:3]) for trade in self.joined), Fraction(0))


def closed_minutes(
    lines: Iterable[bytes], is_gap: Callable[[int, int], bool] = lambda _first, _last: True
) -> Iterator[Minute]:
    """Yield minutes as SPEC 4 closes them; also those that only a hole marked (no prices)."""
    minutes: dict[datetime, Minute] = {}
    newest: datetime | None = None  # largest time so far
    closed_to: datetime | None = None  # minutes that start before this are closed
    last_id: int | None = None
    waiting: list[tuple[Fraction, Fraction, Fraction, str]] = []  # ahead of the first minute
    waiting_gap = False
    for line in lines:
        row = json.loads(line)
        moment = datetime.fromisoformat(row["timestamp_utc"])
        last, count = int(row["trade_id"]), int(row.get("count", "1"))
        if last_id is not None and last <= last_id:
            continue
        own, ahead = moment.replace(second=0, microsecond=0), row.get("ahead", False)
        if last_id is not None and last - count > last_id and is_gap(last_id + 1, last - count):
            start = closed_to or own
            while newest is not None and start <= newest:
                minutes.setdefault(start, Minute(start)).gap = True
                start += timedelta(minutes=1)
            if not ahead and (closed_to is None or own >= closed_to):
                minutes.setdefault(own, Minute(own)).gap = True
            waiting_gap |= ahead and newest is None
        last_id = last
        price, base, notional = worth_of(row)
        if ahead:
            full = [minute for minute in minutes.values() if minute.joined]
            home = min(full, key=lambda minute: minute.start).joined if full else waiting
            home.append((price, base, notional, row["side"]))
            continue
        newest = moment if newest is None else max(newest, moment)
        until = (newest - timedelta(seconds=5)).replace(second=0, microsecond=0)
        closed_to = until if closed_to is None else max(closed_to, until)
        for start in sorted(minutes):
            if start < closed_to:
                yield minutes.pop(start)
        if own < closed_to:
            own = min(minute.start for minute in minutes.values() if minute.joined)
        else:
            minutes.setdefault(own, Minute(own)).prices.append(price)
        minutes[own].joined += [*waiting, (price, base, notional, row["side"])]
        minutes[own].gap |= waiting_gap
        waiting, waiting_gap = [], False


def worth_of(row: dict[str, Any]) -> tuple[Fraction, Fraction, Fraction]:
    """Return price, base and notional of a trade."""
    price, size = Fraction(row["price"]), Fraction(row["qty_contracts"])
    worth = size * Fraction(row["ctVal"]) * Fraction(row["ctMult"])
    if row["ctType"] == "linear":
        return price, worth, worth * price
    return price, rounded(worth / price, 12), worth


def rounded(value: Fraction, places: int) -> Fraction:
    """Round half-even: Fraction's own ``round``."""
    return Fraction(round(value * 10**places), 10**places)


def decimal_text(
    value: Fraction, places: int, *, all_places: bool = False, sign: bool = False
) -> str:
    """Write a fraction rounded half-even, by way of ``Decimal``."""
    exact = rounded(value, places)
    wide = Context(prec=200, rounding=ROUND_HALF_EVEN)
    quotient = wide.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    written = format(quotient.quantize(Decimal(1).scaleb(-places), context=wide), "f")
    if not all_places and "." in written:
        written = written.rstrip("0").rstrip(".")
    if exact == 0:
        written = written.removeprefix("-")
    return "+" + written if sign and exact > 0 else written


def deviation(bars: Iterable[Minute], mean: Fraction) -> str:
    """Return how far from ``mean`` the notional of some minutes traded, by its definition."""
    known = list(bars)
    squares = over(known, lambda p, _b, n: (p - mean) ** 2 * n)
    return root_text(squares / over(known, lambda _p, _b, n: n), 8)


def root_text(value: Fraction, places: int) -> str:
    """Write the square root of a fraction, rounded half-even: the number found by halving."""
    low, high = 0, 1
    while Fraction(high, 10**places) ** 2 <= value:
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        below = Fraction(middle, 10**places) ** 2 <= value
        low, high = (middle, high) if below else (low, middle)
    half = Fraction(2 * low + 1, 2 * 10**places) ** 2
    up = value > half or (value == half and low % 2 == 1)
    return decimal_text(Fraction(low + up, 10**places), places)


def over(bars: Iterable[Minute], weight: Callable[[Fraction, Fraction, Fraction], Fraction]):
    """Sum ``weight`` over the trades of several minutes."""
    return sum((bar.total(weight) for bar in bars), Fraction(0))


def vwap_rows(minutes: Iterable[Minute], inst_id: str) -> list[dict[str, Any]]:
    """Return the VWAP records of SPEC 5, each window summed afresh."""
    rows: list[dict[str, Any]] = []
    known = list(minutes)
    before: Fraction | None = None
    for place, minute in enumerate(known):
        if not minute.joined:
            continue
        midnight = minute.start.replace(hour=0, minute=0)
        windows = {
            "1h": minute.start - timedelta(minutes=59),
            "4h": minute.start - timedelta(minutes=239),
            "session": midnight,
        }
        row: dict[str, Any] = {
            "timestamp_utc": minute.start.strftime("%Y-%m-%dT%H:%M:00Z"),
            "instId": inst_id,
            "exchange": "okx",
            "market": "perp",
            "close": decimal_text(minute.prices[-1], 20),
        }
        inside = {
            name: [other for other in known[: place + 1] if other.start >= start]
            for name, start in windows.items()
        }
        close = minute.prices[-1]
        exact: dict[str, Fraction] = {}
        for name, bars in inside.items():
            exact[name] = over(bars, lambda p, _b, n: p * n) / over(bars, lambda _p, _b, n: n)
            row[f"vwap_{name}"] = decimal_text(exact[name], 8)
        for name, bars in inside.items():
            standard = over(bars, lambda p, b, _n: p * b) / over(bars, lambda _p, b, _n: b)
            row[f"vwap_base_{name}"] = decimal_text(standard, 8)
        bps = {name: (close - vwap) / vwap * 10_000 for name, vwap in exact.items()}
        for name, value in bps.items():
            row[f"deviation_bps_{name}"] = decimal_text(value, 2, all_places=True, sign=True)
        row["extended"] = abs(bps["4h"]) > 50
        difference = exact["1h"] - exact["4h"]
        row["cross"] = None
        if before is not None and difference > 0 and before <= 0:
            row["cross"] = "bullish"
        if before is not None and difference < 0 and before >= 0:
            row["cross"] = "bearish"
        before = difference
        for name, bars in inside.items():
            row[f"minutes_{name}"] = sum(bool(bar.joined) for bar in bars)
        for name in ("1h", "4h"):
            row[f"trade_count_{name}"] = sum(len(bar.joined) for bar in inside[name])
        row["gap"] = any(bar.gap for bar in inside["4h"] + inside["session"])
        row |= {f"sd_{name}": deviation(bars, exact[name]) for name, bars in inside.items()}
        rows.append(row)
    return rows


def head(minute: Minute, inst_id: str) -> dict[str, Any]:
    """Return the fields that every record of a minute begins with."""
    start = minute.start.strftime("%Y-%m-%dT%H:%M:00Z")
    return {"timestamp_utc": start, "instId": inst_id, "exchange": "okx", "market": "perp"}


def of_side(minute: Minute, side: str, floor: int = 0) -> Fraction:
    """Sum the notional of one taker side, of records worth ``floor`` or more."""
    worth = (trade[2] for trade in minute.joined if trade[3] == side and trade[2] >= floor)
    return sum(worth, Fraction(0))


def amount(value: Fraction, *, sign: bool = False) -> str:
    """Write an exact amount; 60 places are more than any has."""
    return decimal_text(value, 60, sign=sign)


def cvd_rows(minutes: Iterable[Minute], inst_id: str) -> list[dict[str, Any]]:
    """Return the CVD records of SPEC 6: sums afresh, swings looked for from the start each time."""
    known = list(minutes)
    traded = [minute for minute in known if minute.joined]
    deltas = [of_side(minute, "buy") - of_side(minute, "sell") for minute in traded]
    closes = [minute.prices[-1] for minute in traded]
    rows: list[dict[str, Any]] = []
    running: list[Fraction] = []

    def since(place: int, start: datetime) -> str:
        inside = (deltas[i] for i in range(place + 1) if traded[i].start >= start)
        return amount(sum(inside, Fraction(0)), sign=True)

    for place, minute in enumerate(traded):
        running.append(sum(deltas[: place + 1], Fraction(0)))
        midnight = minute.start.replace(hour=0, minute=0)
        hour = minute.start - timedelta(minutes=59)
        window = [m for m in known if min(midnight, hour) <= m.start <= minute.start]
        rows.append(
            head(minute, inst_id)
            | {
                "close": amount(closes[place]),
                "buy_volume": amount(of_side(minute, "buy")),
                "sell_volume": amount(of_side(minute, "sell")),
                "cvd_1m": amount(deltas[place], sign=True),
                "cvd": amount(running[place], sign=True),
                "cvd_session": since(place, midnight),
                "cvd_change_15m": since(place, minute.start - timedelta(minutes=14)),
                "cvd_change_1h": since(place, hour),
                "trade_count": len(minute.joined),
                "anchor_utc": head(traded[0], inst_id)["timestamp_utc"],
                "divergence": swing_divergence(closes[: place + 1], running),
                "gap": any(m.gap for m in window),
            }
        )
    return rows


def swing_divergence(closes: list[Fraction], running: list[Fraction]) -> str | None:
    """Compare the last two swings of the kind that the newest record made known, if it did."""
    for sign, name in ((1, "bearish"), (-1, "bullish")):
        swings = [
            place
            for place in range(2, len(closes) - 2)
            if all(sign * closes[place] > sign * closes[place + away] for away in (-2, -1, 1, 2))
        ]
        if len(swings) > 1 and swings[-1] == len(closes) - 3:
            before, last = swings[-2:]
            further = sign * closes[last] > sign * closes[before]
            if further and sign * running[last] < sign * running[before]:
                return name
    return None


def volume_rows(minutes: Iterable[Minute], inst_id: str) -> list[dict[str, Any]]:
    """Return the volume records of SPEC 7, each median taken afresh."""
    traded = [minute for minute in minutes if minute.joined]
    totals = [of_side(minute, "buy") + of_side(minute, "sell") for minute in traded]
    rows: list[dict[str, Any]] = []
    for place, minute in enumerate(traded):
        total, history = totals[place], totals[max(0, place - 100) : place]
        middle = median(history) if history else None
        ratio = total / middle if middle is not None else None
        delta = of_side(minute, "buy") - of_side(minute, "sell")
        first, last = minute.prices[0], minute.prices[-1]
        percent = (last - first) / first * 100
        tier = None
        if len(history) >= 20 and ratio is not None:
            tier = "T4"
            for name, inside in (("T3", ratio <= 2), ("T2", ratio < 1), ("T1", ratio * 2 < 1)):
                tier = name if inside else tier
        absorbed = tier == "T4" and abs(percent) * 10 < 1
        whales = [of_side(minute, side, 100_000) for side in ("buy", "sell")]
        bearish, bullish = percent > 0 > delta, percent < 0 < delta
        rows.append(
            head(minute, inst_id)
            | {
                "open": amount(first),
                "high": amount(max(minute.prices)),
                "low": amount(min(minute.prices)),
                "close": amount(last),
                "price_change_pct": decimal_text(percent, 2, all_places=True, sign=True),
                "total_volume": amount(total),
                "buy_volume": amount(of_side(minute, "buy")),
                "sell_volume": amount(of_side(minute, "sell")),
                "delta": amount(delta, sign=True),
                "whale_volume": amount(whales[0] + whales[1]),
                "whale_count": sum(trade[2] >= 100_000 for trade in minute.joined),
                "trade_count": len(minute.joined),
                "volume_tier": tier,
                "absorption": absorbed,
                "divergence": bearish or bullish,
                "absorbed_side": ("buy" if delta > 0 else "sell") if absorbed and delta else None,
                "divergence_type": "bearish" if bearish else "bullish" if bullish else None,
                "volume_ratio": decimal_text(ratio, 2, all_places=True) if ratio else None,
                "median_volume": amount(middle) if middle else None,
                "history_bars": len(history),
                "whale_delta": amount(whales[0] - whales[1], sign=True),
                "gap": minute.gap,
            }
        )
    return rows
