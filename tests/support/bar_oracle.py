"""Minute bars once more, straight from SPEC 2 to 4: one line at a time, with fractions.

Shares no code with ``ravequant.trades.bar_builder`` but the shape of the result.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from ravequant.trades.minute_bar import MinuteBar

MINUTE = 60_000


@dataclass
class OracleBar:
    """Plain sums of Fractions."""

    prices: list[Fraction] = field(default_factory=list)
    sums: dict[str, Fraction] = field(default_factory=dict)
    ids: list[tuple[int, int]] = field(default_factory=list)

    def add(self, name, value):
        self.sums[name] = self.sums.get(name, Fraction(0)) + value


class Oracle:
    """Reads valid lines one by one."""

    def __init__(self, is_gap, whale=Fraction(100_000)):
        self.is_gap, self.whale = is_gap, whale
        self.last: int | None = None
        self.largest = -1
        self.closed = -1
        self.open, self.marked = {}, set()
        self.out, self.gaps = [], []
        self.waiting, self.waiting_gap = [], False  # rows ahead, before any minute is open
        self.duplicates = self.late = self.ahead = self.gap_count = 0

    def read(self, row):
        ts, last_id, count = row["ts"], row["id"], row["count"]
        if self.last is not None:
            if last_id <= self.last:
                self.duplicates += 1
                return
            missing = self.last + 1, last_id - count
            if missing[1] >= missing[0] and self.is_gap(*missing):
                self.mark(None if row["ahead"] else ts // MINUTE)
        self.last = last_id
        if row["ahead"]:
            self.take_ahead(row)
            return
        self.largest = max(self.largest, ts)
        while (self.closed + 2) * MINUTE + 5_000 <= self.largest:
            # the next minute to close; jump over empty ones
            waiting = [m for m in {*self.open, *self.marked} if m > self.closed]
            newest = (self.largest - 5_000) // MINUTE - 1
            self.closed = min([*waiting, newest]) if waiting else newest
            self.close(self.closed)
        minute = ts // MINUTE
        if minute <= self.closed:
            self.late += 1
            self.take(self.open[min(self.open)], row)
        else:
            bar = self.open.setdefault(minute, OracleBar())
            bar.prices.append(row["price"])
            for waited in self.waiting:
                self.take(bar, waited)
            self.take(bar, row)
            if self.waiting_gap:
                self.marked.add(minute)
            self.waiting, self.waiting_gap = [], False

    def take_ahead(self, row):
        self.ahead += 1
        if self.open:
            self.take(self.open[min(self.open)], row)
        else:
            self.waiting.append(row)

    def mark(self, own):
        self.gap_count += 1
        self.marked |= set(range(self.closed + 1, self.largest // MINUTE + 1))
        if own is None:
            self.waiting_gap = not self.open
        elif own > self.closed:
            self.marked.add(own)

    def close(self, minute):
        if minute in self.open:
            self.out.append((minute, self.open.pop(minute), minute in self.marked))
        if minute in self.marked:
            self.gaps.append(minute)
            self.marked.remove(minute)

    def take(self, bar, row):
        worth = row["qty"] * row["val"] * row["mult"]
        if row["type"] == "linear":
            base, notional = worth, worth * row["price"]
        else:
            notional = worth
            base = Fraction(round(worth / row["price"] * 10**12), 10**12)  # rounds half-even
        bar.add("trade_count", 1)
        bar.add("base", base)
        bar.add(row["side"] + "_base", base)
        bar.add("notional", notional)
        bar.add(row["side"] + "_notional", notional)
        bar.add("price_notional", row["price"] * notional)
        bar.add("price_base", row["price"] * base)
        bar.add("square_notional", row["price"] ** 2 * notional)
        if notional >= self.whale:
            bar.add("whale_count", 1)
            bar.add(f"whale_{row['side']}_notional", notional)
        bar.ids.append((row["id"] - row["count"] + 1, row["id"]))

    def bars(self):
        return [as_minute_bar(minute, bar, gap=gap) for minute, bar, gap in self.out]


UNITS = {"base": 30, "notional": 50, "price_notional": 70, "price_base": 50, "square_notional": 90}


def as_minute_bar(minute, bar, *, gap):
    def amount(name):
        places = next((p for end, p in UNITS.items() if name == end), None)
        places = places or next((p for end, p in UNITS.items() if name.endswith(end)), 0)
        value = bar.sums.get(name, Fraction(0)) * 10**places
        assert value.denominator == 1
        return int(value)

    prices = [int(price * 10**20) for price in bar.prices]
    return MinuteBar(
        minute=minute,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        first_id=bar.ids[0][0],
        last_id=bar.ids[-1][1],
        gap=gap,
        **{
            name: amount(name)
            for name in (
                "trade_count", "base", "buy_base", "sell_base", "notional", "buy_notional",
                "sell_notional", "price_notional", "price_base", "whale_count",
                "whale_buy_notional", "whale_sell_notional", "square_notional",
            )
        },
    )  # fmt: skip


def parsed(text):
    row = json.loads(text)
    moment = datetime.fromisoformat(row["timestamp_utc"])
    return {
        "ts": round(Fraction(int(moment.timestamp())) * 1000) + moment.microsecond // 1000,
        "id": int(row["trade_id"]),
        "count": int(row.get("count", "1")),
        "side": row["side"],
        "ahead": row.get("ahead", False),
        "price": Fraction(row["price"]),
        "qty": Fraction(row["qty_contracts"]),
        "val": Fraction(row["ctVal"]),
        "mult": Fraction(row["ctMult"]),
        "type": row["ctType"],
    }
