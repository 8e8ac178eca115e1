"""Liquidity buckets worked out the long way, with fractions, from whole lists of JSON lines.

Written from SPEC section 10 alone; it shares no code with the bucketizer. Slow, and meant to be
read beside the SPEC.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from typing import Any

EDGES = (10, 25, 50, 100, 200, 500)


@dataclass
class Rules:
    """What the settings and the metadata say."""

    band: Fraction = Fraction(300_000)
    wall: Fraction = Fraction(1_000_000)
    depth_levels: int = 400
    ct_val: Fraction = Fraction(1, 100)
    inverse: bool = False
    ct_val_later: tuple[int, Fraction] | None = None  # for records later than this

    def worth(self, ts: int) -> Fraction:
        later = self.ct_val_later
        return later[1] if later and ts > later[0] else self.ct_val


def millis(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def plain(value: Fraction) -> str:
    with localcontext() as context:
        context.prec = 200
        text = format(Decimal(value.numerator) / Decimal(value.denominator), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded(value: Fraction, places: int) -> Decimal:
    with localcontext() as context:
        context.prec = 200
        exactly = Decimal(value.numerator) / Decimal(value.denominator)
        return exactly.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)


def signed(text: str) -> str:
    if not any(digit in "123456789" for digit in text):
        return text.lstrip("-")
    return text if text.startswith("-") else "+" + text


@dataclass
class Seen:
    """One side of one snapshot."""

    levels: list[tuple[Fraction, Fraction, Fraction, Fraction]]  # distance, price, notional, base
    ws_reach: Fraction | None  # bps; None: everything
    deep_reach: Fraction

    def source(self, distance: Fraction) -> str:
        if distance > 500:
            return "none"
        if self.ws_reach is None or distance <= self.ws_reach:
            return "ws"
        return "deep" if distance <= self.deep_reach else "none"

    def reaches(self, edge: int) -> str:
        if self.ws_reach is None or self.ws_reach >= edge:
            return "ws"
        return "deep" if self.deep_reach >= edge else "partial"

    def band(self, index: int) -> list[tuple[Fraction, Fraction, Fraction, Fraction]]:
        low = -1 if index == 0 else EDGES[index - 1]
        return [level for level in self.levels if low < level[0] <= EDGES[index]]


def look(
    entries: list[Any], deep: list[Any], sign: int, mid: Fraction, *, rules: Rules, ts: int
) -> Seen:
    worth = rules.worth(ts)

    def read(rows: list[Any]) -> dict[Fraction, Fraction]:
        return {Fraction(row[0]): Fraction(row[1]) for row in rows}

    def away(price: Fraction) -> Fraction:
        return sign * (price - mid) / mid * 10_000

    near = read(entries)
    far = max((away(price) for price in near), default=Fraction(-1))
    complete = len(entries) < rules.depth_levels
    beyond = read(deep)
    used = {price: qty for price, qty in near.items() if 0 <= away(price) <= 500}
    if not complete:
        reach = max(far, Fraction(-1))
        used |= {p: qty for p, qty in beyond.items() if reach < away(p) <= 500 and away(p) >= 0}
    levels = []
    for price, qty in used.items():
        if rules.inverse:
            notional = qty * worth
            base = Fraction(rounded(notional / price, 12))
        else:
            base = qty * worth
            notional = base * price
        levels.append((away(price), price, notional, base))
    deep_reach = max((away(price) for price in beyond), default=Fraction(-1))
    return Seen(sorted(levels), None if complete else far, deep_reach)


@dataclass
class Band:
    """The notes' machine for one side of a band."""

    label: str = "none"
    start: int = 0
    stretch: int | None = None
    blocked: bool = False

    def see(self, ts: int, *, above: bool) -> None:
        self.stretch = None
        if not above:
            self.label, self.blocked = "none", False
        elif self.label == "none":
            if not self.blocked:
                self.label, self.start = "tentative", ts
        else:
            self.blocked = False
            seconds = Fraction(ts - self.start, 1000)
            if self.label == "tentative" and seconds >= 30:
                self.label = "young"
            if self.label == "young" and seconds > 3600:
                self.label = "established"

    def keep(self, ts: int) -> None:
        self.blocked = True
        if self.stretch is None:
            self.stretch = ts
        if Fraction(ts - self.stretch, 1000) > 60:
            self.label = "none"


@dataclass
class Price:
    """What is known of a wall at one price."""

    start: int | None
    sure: bool = False
    lost: int | None = None


@dataclass
class Memory:
    """All that leads from one snapshot to the next."""

    source: list[str] | None = None
    deep_ts: int | None = None
    mid: Fraction = Fraction(0)
    seen: tuple[Seen, Seen] | None = None
    stepped: dict[tuple[int, int], Fraction] = field(default_factory=dict)
    bands: dict[tuple[int, int], Band] = field(default_factory=dict)
    prices: tuple[dict[Fraction, Price], dict[Fraction, Price]] = field(
        default_factory=lambda: ({}, {})
    )


def buckets(
    snapshots: list[dict[str, Any]], deeps: list[dict[str, Any]], rules: Rules
) -> list[dict[str, Any]]:
    """Return the record of each snapshot."""
    records, memory, last = [], Memory(), None
    for snapshot in snapshots:
        ts = millis(snapshot["timestamp_utc"])
        late = last is not None and ts - last > 10_000
        if late or snapshot["gap_detected"]:
            memory = Memory()
        records.append(_record(snapshot, _deep_for(ts, deeps), rules, memory, late=late))
        if snapshot["gap_detected"]:
            memory = Memory()
        last = ts
    return records


def _deep_for(ts: int, deeps: list[dict[str, Any]]) -> dict[str, Any] | None:
    newest = None
    for deep in deeps:
        if deep["from_utc"] is not None and millis(deep["from_utc"]) >= ts:
            break
        if newest is None or millis(deep["timestamp_utc"]) > millis(newest["timestamp_utc"]):
            newest = deep
    if newest is None or ts - millis(newest["timestamp_utc"]) > 60_000:
        return None
    return newest


def middle(band: list[tuple[Fraction, Fraction, Fraction, Fraction]]) -> Fraction:
    notionals = sorted(level[2] for level in band)
    half = len(notionals) // 2
    pair = (
        (notionals[half], notionals[half]) if len(notionals) % 2 else notionals[half - 1 : half + 1]
    )
    return Fraction(sum(pair)) / 2


def _record(  # noqa: C901 - one piece a field
    snapshot: dict[str, Any],
    deep: dict[str, Any] | None,
    rules: Rules,
    memory: Memory,
    *,
    late: bool,
) -> dict[str, Any]:
    ts, mid = millis(snapshot["timestamp_utc"]), Fraction(snapshot["mid_price"])
    deep_ts = millis(deep["timestamp_utc"]) if deep else None
    far = deep or {"bids": [], "asks": []}
    bid = look(snapshot["bids_top400"], far["bids"], -1, mid, rules=rules, ts=ts)
    ask = look(snapshot["asks_top400"], far["asks"], 1, mid, rules=rules, ts=ts)
    source = []
    for edge in EDGES:
        both = {bid.reaches(edge), ask.reaches(edge)}
        source.append("partial" if "partial" in both else "deep" if "deep" in both else "ws")
    sums = [[sum(level[2] for level in side.band(i)) for i in range(6)] for side in (bid, ask)]
    coins = [[sum(level[3] for level in side.band(i)) for i in range(6)] for side in (bid, ask)]
    changes: dict[tuple[int, int], Fraction] = {}
    before = dict(memory.stepped)
    if not snapshot["gap_detected"]:
        changes = _move(
            memory, ts, mid, deep_ts, sides=(bid, ask), source=source, sums=sums, rules=rules
        )

    def change(side: int) -> tuple[list[str | None], list[bool]]:
        texts: list[str | None] = []
        marks = []
        for index in range(6):
            delta = changes.get((side, index))
            texts.append(None if delta is None else signed(plain(delta)))
            previous = before.get((side, index), Fraction(0))
            large = delta is not None and (
                abs(delta) > 100_000 or (previous > 0 and abs(delta / previous) > Fraction(1, 10))
            )
            marks.append(large)
        return texts, marks

    def young(side: int) -> list[int | None]:
        machines = [memory.bands.get((side, index), Band()) for index in range(6)]
        return [(ts - m.start) // 1000 if m.label == "young" else None for m in machines]

    def imbalance(index: int) -> str | None:
        total = sums[0][index] + sums[1][index]
        if total == 0 or source[index] == "partial":
            return None
        return signed(str(rounded(Fraction(sums[0][index] - sums[1][index]) / total, 2)))

    def depth(side: Seen) -> str | None:
        return str(rounded(side.levels[-1][0], 2)) if side.levels else None

    def walls(number: int, side: Seen) -> list[dict[str, Any]]:
        found = []
        for index in range(6):
            band = side.band(index)
            for distance, price, notional, _ in band:
                if notional >= rules.wall:
                    known = memory.prices[number].get(price, Price(None))
                    age = None if known.start is None else ts - known.start
                    found.append((-notional, distance, {
                        "price": plain(price),
                        "notional": plain(notional),
                        "age_s": None if age is None else age // 1000,
                        "young": age is not None and known.sure and age <= 3_600_000,
                        "ratio": str(rounded(notional / middle(band), 2)),
                    }))  # fmt: skip
        found.sort(key=lambda item: item[:2])
        return [wall for _, _, wall in found[:10]]

    bid_delta, bid_large = change(0)
    ask_delta, ask_large = change(1)
    return {
        "timestamp_utc": snapshot["timestamp_utc"],
        "exchange": "okx",
        "market": "perp",
        "instId": snapshot["instId"],
        "mid_price": plain(mid),
        "bands_bps": list(EDGES),
        "bid_notional": [plain(Fraction(value)) for value in sums[0]],
        "ask_notional": [plain(Fraction(value)) for value in sums[1]],
        "bid_base": [plain(Fraction(value)) for value in coins[0]],
        "ask_base": [plain(Fraction(value)) for value in coins[1]],
        "imbalance": [imbalance(index) for index in range(6)],
        "bid_delta_notional": bid_delta,
        "ask_delta_notional": ask_delta,
        "bid_delta_significant": bid_large,
        "ask_delta_significant": ask_large,
        "bid_young_age_s": young(0),
        "ask_young_age_s": young(1),
        "bid_young_active": [age is not None for age in young(0)],
        "ask_young_active": [age is not None for age in young(1)],
        "bid_walls": walls(0, bid),
        "ask_walls": walls(1, ask),
        "bid_depth_bps": depth(bid),
        "ask_depth_bps": depth(ask),
        "band_source": source,
        "deep_age_s": None if deep_ts is None else max(0, ts - deep_ts) // 1000,
        "gap": late or snapshot["gap_detected"],
    }


def _move(
    memory: Memory,
    ts: int,
    mid: Fraction,
    deep_ts: int | None,
    *,
    sides: tuple[Seen, Seen],
    source: list[str],
    sums: list[list[Any]],
    rules: Rules,
) -> dict[tuple[int, int], Fraction]:
    first = memory.source is None
    newer = deep_ts is not None and (memory.deep_ts is None or deep_ts > memory.deep_ts)
    changes = {}
    for index in range(6):
        other = memory.source is not None and memory.source[index] != source[index]
        for side in (0, 1):
            key = side, index
            machine = memory.bands.setdefault(key, Band())
            value = Fraction(sums[side][index])
            if other or source[index] == "partial":
                machine.keep(ts)
                memory.stepped[key] = value
            elif source[index] == "ws" or newer:
                machine.see(ts, above=value >= rules.band)
                if not first:
                    changes[key] = value - memory.stepped[key]
                memory.stepped[key] = value
    for side in (0, 1):
        sign = 1 if side else -1
        known, now = memory.prices[side], sides[side]
        shown = {level[1] for level in now.levels if level[2] >= rules.wall}
        for price in set(known) | shown:
            place = now.source(sign * (price - mid) / mid * 10_000)
            was = "none"
            if memory.seen is not None:
                was = memory.seen[side].source(sign * (price - memory.mid) / memory.mid * 10_000)
            see_price(known, price, ts, place, was, shown=price in shown, newer=newer)
    memory.source, memory.deep_ts, memory.mid, memory.seen = source, deep_ts, mid, sides
    return changes


def see_price(
    known: dict[Fraction, Price],
    price: Fraction,
    ts: int,
    place: str,
    was: str,
    *,
    shown: bool,
    newer: bool,
) -> None:
    """Take one snapshot into what is known of one price; places are ws, deep or none."""
    wall = known.get(price)
    looked = place == "ws" or (place == "deep" and newer)
    if wall is None:
        if shown and was == "none":
            known[price] = Price(None)  # it came into sight: nobody knows how old it is
        elif shown and looked:
            known[price] = Price(ts)
    elif place == "none":
        if wall.lost is None:
            wall.lost = ts
        if ts - wall.lost > 60_000:
            del known[price]
    else:
        wall.lost = None
        if looked and not shown:
            del known[price]
        elif looked and wall.start is not None and ts - wall.start >= 30_000:
            wall.sure = True
