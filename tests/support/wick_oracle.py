"""Wicks computed the plain way: every candle afresh, every wick against every later minute.

Nothing here is shared with the code under test but the SPEC (section 8).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from tests.support.oracle import EPOCH, Minute, closed_minutes, decimal_text

MINUTE = timedelta(minutes=1)
LIFE = timedelta(hours=168)
FRAMES = (("1m", 1), ("5m", 5), ("15m", 15), ("1h", 60), ("4h", 240))
SIDES = ("high", "low")

Ticks = list[tuple[datetime | None, str]]  # (holds for later records than this, tick size)


@dataclass
class Plain:
    """A candle: open, high, low, close."""

    name: str
    start: datetime
    end: datetime
    open: Fraction
    high: Fraction
    low: Fraction
    close: Fraction


@dataclass
class Born:
    """A wick, and what became of it."""

    candle: Plain
    side: str
    identity: str
    touched: Plain | None = None
    gone: datetime | None = None  # touched or expired

    @property
    def tip(self) -> Fraction:
        return self.candle.high if self.side == "high" else self.candle.low

    @property
    def size(self) -> Fraction:
        return abs(self.tip - inner(self.candle, self.side))

    def reached_by(self, candle: Plain) -> bool:
        return candle.high >= self.tip if self.side == "high" else candle.low <= self.tip

    def distance(self, candle: Plain) -> Fraction:
        """How far the candle's extreme is from the tip, either way."""
        return abs((candle.high if self.side == "high" else candle.low) - self.tip)


def inner(candle: Plain, side: str) -> Fraction:
    pair = candle.open, candle.close
    return max(pair) if side == "high" else min(pair)


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:00Z")


def span_start(moment: datetime, minutes: int) -> datetime:
    span = timedelta(minutes=minutes)
    return EPOCH + (moment - EPOCH) // span * span


def closed_until(lines: Iterable[bytes]) -> datetime:
    """The end of the newest closed minute."""
    last, newest = -1, EPOCH
    for line in lines:
        row = json.loads(line)
        if int(row["trade_id"]) > last:
            last = int(row["trade_id"])
            newest = max(newest, datetime.fromisoformat(row["timestamp_utc"]))
    return span_start(newest - timedelta(seconds=5), 1)


def candles(minutes: Iterable[Minute], until: datetime) -> dict[str, list[Plain]]:
    """Return the closed candles of each timeframe, in order."""
    traded = [minute for minute in minutes if minute.prices]
    found: dict[str, list[Plain]] = {}
    for name, length in FRAMES:
        groups: dict[datetime, list[Fraction]] = {}
        for minute in traded:
            groups.setdefault(span_start(minute.start, length), []).extend(minute.prices)
        found[name] = [
            Plain(name, start, end, prices[0], max(prices), min(prices), prices[-1])
            for start, prices in sorted(groups.items())
            if (end := start + length * MINUTE) <= until
        ]
    return found


class Wicks:
    """All wicks of some raw lines."""

    def __init__(self, lines: list[bytes], inst_id: str, ticks: Ticks) -> None:
        minutes = list(closed_minutes(lines))
        self.inst_id, self.ticks = inst_id, ticks
        self.until = closed_until(lines)
        self.gaps = [minute.start for minute in minutes if minute.gap]
        closed = candles(minutes, self.until)
        self.minutes = closed["1m"]
        self.wicks: list[Born] = []
        if self.minutes:
            first = self.minutes[0].start
            for name, _ in FRAMES:
                self.bear([candle for candle in closed[name] if candle.start >= first])
        for wick in self.wicks:
            self.follow(wick)

    def bear(self, closed: list[Plain]) -> None:
        for candle in closed:
            for side in SIDES:
                identity = f"{self.inst_id}|{candle.name}|{text(candle.end)}|{side}"
                wick = Born(candle, side, identity)
                if wick.size > 0:
                    self.wicks.append(wick)

    def follow(self, wick: Born) -> None:
        birth = wick.candle.end
        for minute in self.minutes:
            if minute.start >= birth and minute.end <= birth + LIFE and wick.reached_by(minute):
                wick.touched, wick.gone = minute, minute.end
                return
        if birth + LIFE <= self.until:
            wick.gone = birth + LIFE

    def in_ticks(self, distance: Fraction, known: datetime) -> int:
        moment = known - MINUTE
        size = self.ticks[0][1]
        for since, tick in self.ticks:
            if since is None or since < moment:
                size = tick
        whole = int(distance // Fraction(size))
        return 1 if distance > 0 and whole == 0 else whole

    def tip_to_tip(self, wick: Born) -> tuple[int | None, str | None]:
        candle = wick.candle
        older = [
            other
            for other in self.wicks
            if other.candle.name == candle.name and other.side == wick.side
            and other.candle.end < candle.end
            and other.touched is not None
            and candle.start <= other.touched.start < candle.end
        ]  # fmt: skip
        found: tuple[int, str] | None = None
        for other in sorted(older, key=lambda one: one.candle.end, reverse=True):
            away = wick.tip - other.tip if wick.side == "high" else other.tip - wick.tip
            assert away >= 0
            distance = self.in_ticks(away, candle.end)
            if found is None or distance < found[0]:
                found = distance, other.identity
        return found if found is not None and found[0] <= 3 else (None, None)

    def nearest(self, wick: Born, known: datetime) -> int | None:
        later = [m for m in self.minutes if wick.candle.end <= m.start and m.end <= known]
        closest = min((wick.distance(minute) for minute in later), default=None)
        return None if closest is None else self.in_ticks(closest, known)

    def record(self, wick: Born, status: str, known: datetime) -> dict[str, Any]:
        """The whole record as of ``known``."""
        candle, touched = wick.candle, wick.touched if status == "touched" else None
        tip, tip_of = self.tip_to_tip(wick)
        past = None if touched is None else self.in_ticks(wick.distance(touched), known)
        in_body = touched is not None and (
            inner(touched, wick.side) >= wick.tip
            if wick.side == "high"
            else inner(touched, wick.side) <= wick.tip
        )
        nearest = None
        if status != "created":
            nearest = 0 if touched else self.nearest(wick, known)
        return {
            "event_id": wick.identity,
            "instId": self.inst_id,
            "timeframe": candle.name,
            "creation_time_utc": text(candle.end),
            "wick_type": wick.side,
            "wick_price": decimal_text(wick.tip, 20),
            "wick_size_ticks": self.in_ticks(wick.size, candle.end),
            "candle_open": decimal_text(candle.open, 20),
            "candle_high": decimal_text(candle.high, 20),
            "candle_low": decimal_text(candle.low, 20),
            "candle_close": decimal_text(candle.close, 20),
            "tip_distance_ticks": tip,
            "tip_exact": tip == 0,
            "tip_near": tip == 1,
            "signal_strength": {None: None, 0: "EXACT", 1: "NEAR", 2: "CLOSE", 3: "CLOSE"}[tip],
            "tip_of_event_id": tip_of,
            "nearest_ticks": nearest,
            "status": "untouched" if status in ("created", "active") else status,
            "touch_time_utc": text(known) if touched else None,
            "age_at_touch_minutes": (known - candle.end) // MINUTE if touched else None,
            "touch_class": ("body" if in_body else "wick") if touched else None,
            "touch_tip_distance_ticks": past,
            "touch_strength": None
            if past is None
            else {0: "EXACT", 1: "NEAR", 2: "CLOSE", 3: "CLOSE"}.get(past, "THROUGH"),
            "gap": any(candle.start <= gap < known for gap in self.gaps),
        }

    def events(self) -> list[dict[str, Any]]:
        """Return the lines of wicks_events.jsonl."""
        frames = [name for name, _ in FRAMES]
        found: list[tuple[Any, dict[str, Any]]] = []
        for wick in self.wicks:
            birth, name = wick.candle.end, wick.candle.name
            order = (birth, 1, frames.index(name), SIDES.index(wick.side))
            found.append((order, {"event": "created", "known_utc": text(birth),
                                  **self.record(wick, "created", birth)}))  # fmt: skip
            if wick.gone is not None:
                status = "touched" if wick.touched else "expired"
                end = (wick.gone, 0, birth, wick.identity)
                found.append((end, {"event": status, "known_utc": text(wick.gone),
                                    **self.record(wick, status, wick.gone)}))  # fmt: skip
        return [row for _, row in sorted(found, key=lambda item: item[0])]

    def active(self) -> dict[str, Any]:
        """Return wicks_active.json."""
        alive = [wick for wick in self.wicks if wick.gone is None]
        counts = {
            name: {
                "untouched": sum(wick.candle.name == name for wick in alive),
                "touched": sum(w.candle.name == name and bool(w.touched) for w in self.wicks),
                "expired": sum(
                    w.candle.name == name and w.gone is not None and not w.touched
                    for w in self.wicks
                ),
            }
            for name, _ in FRAMES
        }
        return {
            "as_of_utc": text(self.until),
            "instId": self.inst_id,
            "counts": counts,
            "active": {
                name: [
                    self.record(wick, "active", self.until)
                    for wick in sorted(alive, key=lambda w: (w.candle.end, w.side))
                    if wick.candle.name == name
                ]
                for name, _ in FRAMES
            },
        }
