"""Book flow worked out the long way, with fractions, from whole lists of JSON lines.

Written from SPEC section 16 alone; it shares no code with the calculator. Slow, and meant to be
read beside the SPEC. It looks at all trades for each question, and at all books for each wall.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.support.book_lines import iso
from tests.support.bucket_oracle import Rules, millis, plain, rounded, signed

Rows = list[dict[str, Any]]
HELD_MS = 60_000
SIDES = ("bid", "ask")


@dataclass
class Wall:
    """A wall, in contracts."""

    since: int
    known: bool
    seen: int
    sizes: list[Fraction]
    filled: list[tuple[int, Fraction]] = field(default_factory=list)  # by number of size
    pulled: list[tuple[int, Fraction]] = field(default_factory=list)
    refilled: Fraction = Fraction(0)
    added: Fraction = Fraction(0)
    unknown: Fraction = Fraction(0)
    doubts: list[int] = field(default_factory=list)
    carry: Fraction = Fraction(0)

    def verdict(self) -> str:
        since = max(n for n, size in enumerate(self.sizes) if size == max(self.sizes))
        filled = sum(size for n, size in self.filled if n > since)
        pulled = sum(size for n, size in self.pulled if n > since)
        if any(n > since for n in self.doubts) or filled + pulled == 0:
            return "unknown"
        if Fraction(filled) / (filled + pulled) >= Fraction(8, 10):
            return "filled"
        return "pulled" if Fraction(pulled) / (filled + pulled) >= Fraction(8, 10) else "mixed"


class Trades:
    """All trades of a file, and all that is missing from them."""

    def __init__(self, lines: Rows) -> None:
        self.rows: list[tuple[int, Fraction, Fraction, str, bool, int]] = []
        self.holes: list[tuple[int, int]] = []
        newest, last = -1, None
        for line in lines:
            ts, number = millis(line["timestamp_utc"]), int(line["trade_id"])
            if last is not None and number <= last:
                continue
            first = number - int(line.get("count", "1")) + 1
            if last is None or first > last + 1:
                self.holes.append((newest, max(newest, ts)))
            newest, last = max(newest, ts), number
            retail = line.get("source", "0") == "1"
            price, qty = Fraction(line["price"]), Fraction(line["qty_contracts"])
            self.rows.append((ts, price, qty, line["side"], retail, newest))

    def settled(self, ms: int) -> bool:
        return bool(self.rows) and self.rows[-1][5] >= ms + 5_000

    def known(self, before: int, after: int) -> bool:
        return not any(old < after + 5_000 and before < new for old, new in self.holes)

    def took(
        self, side: str, before: int, after: int, settled: int
    ) -> list[tuple[int, Fraction, Fraction]]:
        """Return (time, price, size) of takers who hit that side of the book."""
        taker = "buy" if side == "ask" else "sell"
        return [
            (ts, price, qty)
            for ts, price, qty, trade_side, retail, newest in self.rows
            if before < ts <= after and trade_side == taker and not retail
            if newest < settled + 5_000
        ]


def farthest(sizes: dict[Fraction, Fraction], side: int) -> Fraction:
    return max(sizes) if side else min(sizes)


class Flow:
    """The records of SPEC section 16, one after the other."""

    def __init__(self, snapshots: Rows, deeps: Rows, trades: Rows, rules: Rules) -> None:
        self.snapshots, self.deeps, self.rules = snapshots, deeps, rules
        self.trades = Trades(trades)
        self.walls: dict[tuple[int, Fraction], Wall] = {}
        self.known: dict[tuple[int, str], dict[Fraction, Fraction]] = {}
        self.candidates: dict[tuple[int, Fraction], int] = {}
        self.absent: dict[tuple[int, Fraction], int] = {}
        self.records: list[dict[str, Any]] = []
        self.ended: list[dict[str, Any]] = []

    def base(self, level: list[Any], ts: int) -> Fraction:
        price, qty, worth = Fraction(level[0]), Fraction(level[1]), self.rules.worth(ts)
        return Fraction(rounded(qty * worth / price, 12)) if self.rules.inverse else qty * worth

    def notional(self, price: Fraction, qty: Fraction, ts: int) -> Fraction:
        return qty * self.rules.worth(ts) * (1 if self.rules.inverse else price)

    def imbalance(self, old: dict[str, Any], new: dict[str, Any], rank: int) -> Fraction | None:
        sides = [row[name] for row in (old, new) for name in ("bids_top400", "asks_top400")]
        if any(len(side) <= rank for side in sides):
            return None
        was, now = millis(old["timestamp_utc"]), millis(new["timestamp_utc"])
        old_bid, old_ask, new_bid, new_ask = (side[rank] for side in sides)
        found = Fraction(0)
        if Fraction(new_bid[0]) >= Fraction(old_bid[0]):
            found += self.base(new_bid, now)
        if Fraction(new_bid[0]) <= Fraction(old_bid[0]):
            found -= self.base(old_bid, was)
        if Fraction(new_ask[0]) <= Fraction(old_ask[0]):
            found -= self.base(new_ask, now)
        if Fraction(new_ask[0]) >= Fraction(old_ask[0]):
            found += self.base(old_ask, was)
        return found

    def deep_for(self, ts: int) -> dict[str, Any] | None:
        newest = None
        for deep in self.deeps:
            if deep["from_utc"] is not None and millis(deep["from_utc"]) >= ts:
                break
            if newest is None or millis(deep["timestamp_utc"]) > millis(newest["timestamp_utc"]):
                newest = deep
        if newest is None or ts - millis(newest["timestamp_utc"]) > 60_000:
            return None
        return newest

    def shows(self, number: int, side: int, price: Fraction) -> str | None:
        """Return the book that shows a price with a snapshot: ws or deep; None: neither does."""
        row, name = self.snapshots[number], ("bids_top400", "asks_top400")[side]
        mid, sign = Fraction(row["mid_price"]), 1 if side else -1
        away = sign * (price - mid)
        if away * 10_000 > 500 * mid:
            return None
        own = self.sizes(row, name)
        if len(own) < self.rules.depth_levels or away <= sign * (farthest(own, side) - mid):
            return "ws"
        deep = self.deep_for(millis(row["timestamp_utc"]))
        far = self.sizes(deep, ("bids", "asks")[side]) if deep else {}
        return "deep" if far and away <= sign * (farthest(far, side) - mid) else None

    def sizes(self, row: dict[str, Any], name: str) -> dict[Fraction, Fraction]:
        """Return the contracts at each price of a side; each book is read once."""
        key = id(row), name
        if key not in self.known:
            self.known[key] = {Fraction(level[0]): Fraction(level[1]) for level in row[name]}
        return self.known[key]

    def large(self, sizes: dict[Fraction, Fraction], ts: int) -> dict[Fraction, Fraction]:
        return {p: q for p, q in sizes.items() if self.notional(p, q, ts) >= self.rules.wall}

    def all(self) -> list[dict[str, Any]]:
        """Return the records that are out once all lines are read."""
        minute = None
        sums = [Fraction(0), Fraction(0)]
        intervals, gap, fresh_start = 0, False, True
        for number, row in enumerate(self.snapshots):
            ts = millis(row["timestamp_utc"])
            past = self.snapshots[number - 1] if number else None
            late = past is not None and ts - millis(past["timestamp_utc"]) > 10_000
            broken = late or row["gap_detected"]
            if minute is not None and ts // 60_000 != minute:
                self.write(minute, sums, intervals, gap=gap or broken)
                sums, intervals, gap = [Fraction(0), Fraction(0)], 0, False
            minute = ts // 60_000
            looks = (
                self.sightings(number, first=fresh_start or broken)
                if (not row["gap_detected"])
                else []
            )
            settled = max([ts, *(at for *_, at in looks)])
            if not self.trades.settled(settled):
                return self.records
            if broken or fresh_start or past is None:
                gap = True
            else:
                intervals += 1
                for rank in range(10):
                    found = self.imbalance(past, row, rank)
                    gap |= found is None
                    sums[0] += (found or 0) if rank == 0 else 0
                    sums[1] += found or 0
            if broken:
                for place in list(self.walls):
                    self.end(place, "unknown", ts, minute)
            for side, price, qty, fresh, at in looks:
                self.take((side, price), qty, ts=ts, at=at, settled=settled, fresh=fresh)
            fresh_start = row["gap_detected"]
        return self.records

    def sightings(
        self, number: int, *, first: bool
    ) -> list[tuple[int, Fraction, Fraction | None, bool, int]]:
        """Return (side, price, size, the book before showed that price, time of the book)."""
        row = self.snapshots[number]
        ts = millis(row["timestamp_utc"])
        deep = self.deep_for(ts)
        deep_ts = millis(deep["timestamp_utc"]) if deep else 0
        before = (
            None if first else self.deep_for(millis(self.snapshots[number - 1]["timestamp_utc"]))
        )
        newer = deep is not None and (before is None or deep_ts > millis(before["timestamp_utc"]))
        found: list[tuple[int, Fraction, Fraction | None, bool, int]] = []
        for side, name in enumerate(("bids_top400", "asks_top400")):
            own = self.sizes(row, name)
            far = self.sizes(deep, ("bids", "asks")[side]) if deep else {}
            large_own, large_far = self.large(own, ts), self.large(far, ts)
            known = [] if first else [p for s, p in self.candidates if s == side]
            prices = [*known, *(p for p in [*large_own, *large_far] if p not in known)]
            for price in dict.fromkeys(prices):
                kind = self.shows(number, side, price)
                fresh = not first and self.shows(number - 1, side, price) is not None
                seen = self.candidates.get((side, price)) if not first else None
                mid, sign = Fraction(row["mid_price"]), 1 if side else -1
                if kind is None:
                    if seen is not None:
                        found.append((side, price, None, False, ts))
                elif kind == "ws":
                    if seen is not None or (price in large_own and sign * (price - mid) >= 0):
                        found.append((side, price, own.get(price, Fraction(0)), fresh, ts))
                elif seen is not None:
                    if newer and deep_ts > seen:
                        found.append((side, price, far.get(price, Fraction(0)), fresh, deep_ts))
                elif price in large_far and sign * (price - mid) >= 0 and (newer or not fresh):
                    found.append((side, price, far[price], fresh, deep_ts))
        self.remember(number, found, first=first)
        return found

    def remember(self, number: int, found: list[Any], *, first: bool) -> None:
        """Note the prices at which a wall may stand by the books alone, and when each was seen."""
        ts = millis(self.snapshots[number]["timestamp_utc"])
        if first:
            self.candidates, self.absent = {}, {}
        seen_now = set()
        for side, price, qty, _, at in found:
            place = side, price
            if qty is None:
                seen_now.add(place)
                self.absent.setdefault(place, ts)
                if ts - self.absent[place] > HELD_MS:
                    del self.candidates[place], self.absent[place]
                continue
            self.absent.pop(place, None)
            if self.notional(price, qty, ts) >= self.rules.wall:
                self.candidates[place] = at
            else:
                self.candidates.pop(place, None)
        for place in set(self.absent) - seen_now:
            self.absent.pop(place)

    def take(
        self,
        place: tuple[int, Fraction],
        qty: Fraction | None,
        *,
        ts: int,
        at: int,
        settled: int,
        fresh: bool,
    ) -> None:
        _, price = place
        wall, minute = self.walls.get(place), ts // 60_000
        if qty is None:
            if wall is not None and place not in self.candidates:
                self.end(place, "unseen", wall.seen, minute)
            return
        stands = self.notional(price, qty, ts) >= self.rules.wall
        lately = False
        if wall is not None:
            ended, lately = self.settle(wall, place, qty, at, settled=settled, stands=stands)
            wall.seen = at
            if not ended:
                return
            self.end(place, wall.verdict(), at, minute)
        if stands and not lately:
            self.walls[place] = Wall(at, fresh or wall is not None, at, [qty])

    def settle(
        self,
        wall: Wall,
        place: tuple[int, Fraction],
        qty: Fraction,
        at: int,
        *,
        settled: int,
        stands: bool,
    ) -> tuple[bool, bool]:
        """Return that the wall is at its end, and that takers passed it only just now."""
        side, price = place
        number, old = len(wall.sizes), wall.sizes[-1]
        if not self.trades.known(wall.seen, at):
            wall.unknown += qty - old
            wall.doubts.append(number)
            wall.sizes.append(qty)
            wall.carry = Fraction(0)
            return not stands, False
        took = self.trades.took(SIDES[side], wall.seen, at, settled)
        worse = [ts for ts, p, _ in took if (p > price if side else p < price)]
        here = [(ts, size) for ts, p, size in took if p == price]
        now = Fraction(0) if worse else qty
        total = sum((size for _, size in here), Fraction(0)) + wall.carry
        late = sum((size for ts, size in here if ts > at - 500), Fraction(0))
        excess = max(total - (old - now), Fraction(0))
        ended = bool(worse) or not stands
        wall.carry = Fraction(0) if ended else min(excess, late)
        total, excess = total - wall.carry, excess - wall.carry
        again = min(total, excess)
        wall.filled.append((number, total))
        wall.pulled.append((number, max(old - now - total, Fraction(0))))
        wall.refilled += again
        wall.added += excess - again
        wall.sizes.append(now)
        return ended, bool(worse) and all(ts > at - 500 for ts in worse)

    def end(self, place: tuple[int, Fraction], verdict: str, ts: int, minute: int) -> None:
        self.ended.append(self.line(place, self.walls.pop(place), verdict, ts, minute))

    def head(self, minute: int, kind: str) -> dict[str, Any]:
        return {
            "timestamp_utc": iso(minute * 60_000).replace(".000", ""),
            "exchange": "okx",
            "market": "perp",
            "instId": self.snapshots[0]["instId"],
            "kind": kind,
        }

    def line(
        self, place: tuple[int, Fraction], wall: Wall, verdict: str | None, ts: int, minute: int
    ) -> dict[str, Any]:
        side, price = place
        largest = max(wall.sizes)
        return {
            **self.head(minute, "wall"),
            "side": SIDES[side],
            "price": plain(price),
            "notional": plain(self.notional(price, largest, wall.seen)),
            "placed": plain(wall.sizes[0]),
            "largest": plain(largest),
            "qty": plain(wall.sizes[-1]),
            "filled": plain(sum((size for _, size in wall.filled), Fraction(0))),
            "pulled": plain(sum((size for _, size in wall.pulled), Fraction(0))),
            "refilled": plain(wall.refilled),
            "added": plain(wall.added),
            "unknown": signed(plain(wall.unknown)),
            "since_utc": iso(wall.since),
            "placed_known": wall.known,
            "held_s": (ts - wall.since) // 1000,
            "end": verdict,
            "end_utc": None if verdict is None else iso(ts),
        }

    def write(self, minute: int, sums: list[Fraction], intervals: int, *, gap: bool) -> None:
        self.records.append({
            **self.head(minute, "flow"),
            "ofi_1m": signed(plain(sums[0])),
            "ofi10_1m": signed(plain(sums[1])),
            "intervals": intervals,
            "gap": gap,
        })  # fmt: skip
        self.records += self.ended
        self.ended = []
        for place in sorted(self.walls):
            wall = self.walls[place]
            self.records.append(self.line(place, wall, None, wall.seen, minute))


def flow(snapshots: Rows, deeps: Rows, trades: Rows, rules: Rules) -> list[dict[str, Any]]:
    """Return the records that books and trades give."""
    return Flow(snapshots, deeps, trades, rules).all()
