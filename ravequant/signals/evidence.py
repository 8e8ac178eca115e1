"""The eight layers of evidence for a fade at a wick's tip (SPEC section 11, rule 5). Pure.

Each layer is met, not met, or cannot be judged: `missing` (nothing to read), `stale` (older than
its limit), `gap` (trades or snapshots are missing there), `far` (price is too far from the tip for
the tape to say anything about it). Only a layer that is met counts and gives its points.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from ravequant import exact, times
from ravequant.signals.inputs import (
    BOOK_SIDES,
    BookRow,
    BookSide,
    CvdRow,
    Side,
    VolumeRow,
    Wall,
    Wick,
)
from ravequant.signals.market_state import Facts, Limits, Stream

State = Literal["met", "not_met", "missing", "stale", "gap", "far"]
BPS: Final = 10_000 * exact.SIZE_ONE  # 1 in units of a bps with SIZE_PLACES
SURROUNDED: Final = 20  # points of the wick layer, half of them only with an exact tip


class Level(NamedTuple):
    """What is asked: a fade at the tip of a wick, with price where it is."""

    wick: Wick
    around: str  # what rules 2 and 3 found, for people
    last: int | None  # last price

    @property
    def short(self) -> bool:
        """Whether the fade sells."""
        return self.wick.side == "high"


class Finding(NamedTuple):
    """What a layer says, and what it saw."""

    state: State
    value: str | None = None


class Layer(NamedTuple):
    """A layer as it stands for one signal."""

    name: str
    state: State
    points: int
    most: int  # points of a layer that is met in full
    condition: str
    value: str | None
    stream: Stream
    age_ms: int | None


class Rule(NamedTuple):
    """How a layer is judged, what it is worth, and whether it is a confluence of its own."""

    name: str
    most: int
    stream: Stream
    counts: bool
    near: bool  # only with price near the tip
    condition: Callable[[Limits, bool], str]
    judge: Callable[[Facts, Limits, Level], Finding]


def within(distance: int, bps: int, reference: int) -> bool:
    """Say whether a distance is at most ``bps`` of a reference price, exactly."""
    return abs(distance) * BPS <= bps * reference


def shown(bps: int) -> str:
    """Return bps as people write them."""
    return exact.text(bps, exact.SIZE_PLACES)


def price_text(price: int) -> str:
    """Return a price in canonical form."""
    return exact.text(price, exact.PRICE_PLACES)


def millions(notional: int) -> str:
    """Return an amount in millions, two places, for people."""
    return f"{exact.fixed(exact.divide(notional, 10**6 * exact.NOTIONAL_ONE, 2), 2)}M"


def clock(minute: int) -> str:
    """Return the UTC time of day of a minute."""
    return times.iso_minute(minute)[11:16]


def judge(facts: Facts, limits: Limits, level: Level) -> tuple[Layer, ...]:
    """Return all layers for a level, in the order of SPEC section 11."""
    return tuple(_layer(rule, facts, limits, level) for rule in RULES)


def _layer(rule: Rule, facts: Facts, limits: Limits, level: Level) -> Layer:
    found = rule.judge(facts, limits, level)
    barred: State | None = facts.state(rule.stream, limits)
    if barred is None and rule.near and not _near(limits, level):
        barred = "far"
    state = barred or found.state
    points = rule.most if state == "met" else 0
    if rule.name == "wick" and not level.wick.tip_exact:
        points //= 2
    return Layer(
        rule.name, state, points, rule.most, rule.condition(limits, level.short), found.value,
        rule.stream, facts.age_ms(rule.stream),
    )  # fmt: skip


def _near(limits: Limits, level: Level) -> bool:
    last = level.last
    return last is not None and within(level.wick.tip - last, limits.near_bps, last)


def _met(holds: bool, value: str | None) -> Finding:  # noqa: FBT001 - the one thing it says
    return Finding("met" if holds else "not_met", value)


def _wick(facts: Facts, _limits: Limits, level: Level) -> Finding:
    """Met by passing rules 1 to 3, unless a touch could hide in a hole."""
    holes = any(row.gap for row in facts.volume_since(level.wick.birth))
    return Finding("gap" if level.wick.gap or holes else "met", level.around)


def _tape(facts: Facts, limits: Limits, of: Callable[[VolumeRow], bool]) -> Finding:
    """Look for the newest of the last minutes that satisfies ``of``; one over a hole says `gap`."""
    recent = facts.volume_since(facts.minute - limits.tape_minutes)
    found = [row for row in recent if of(row)]
    sound = [row for row in found if not row.gap]
    row = next(iter(reversed(sound or found or recent)), None)
    value = None
    if row is not None:
        value = f"{row.tier or 'no tier'} at {clock(row.minute)}, {row.ratio or '?'} x median"
    return Finding("met" if sound else "gap" if found else "not_met", value)


def _volume_tier(facts: Facts, limits: Limits, _level: Level) -> Finding:
    return _tape(facts, limits, lambda row: row.tier == "T4")


def _absorption(facts: Facts, limits: Limits, level: Level) -> Finding:
    side = "buy" if level.short else "sell"
    found = _tape(facts, limits, lambda row: row.absorption and row.absorbed_side == side)
    return found if found.state != "not_met" else Finding("not_met", f"no {side}s absorbed")


def _book_side(book: BookRow, level: Level) -> BookSide:
    return book.sides[level.wick.side]


def wall_at(book: BookRow, limits: Limits, side: Side, tip: int) -> Wall | None:
    """Return the largest wall at a tip, on its side of the book, that is large enough."""
    walls = [
        wall
        for wall in book.sides[side].walls
        if wall.notional >= limits.wall_notional and within(wall.price - tip, limits.wall_bps, tip)
    ]
    return max(walls, key=lambda wall: (wall.notional, -abs(wall.price - tip)), default=None)


def _wall(facts: Facts, limits: Limits, level: Level) -> Finding:
    book = facts.book
    if book is None:
        return Finding("missing")
    wall = wall_at(book, limits, level.wick.side, level.wick.tip)
    if wall is not None:
        age = "age unknown" if wall.age_s is None else f"{wall.age_s} s"
        return Finding("met", f"{millions(wall.notional)} at {price_text(wall.price)}, {age}")
    reach = _book_side(book, level).depth
    if abs(level.wick.tip - book.mid) * 1_000_000 > reach * book.mid:
        return Finding("missing", f"the book was seen to {exact.fixed(reach, 2)} bps only")
    return Finding("not_met", f"no such wall on the {BOOK_SIDES[level.wick.side]} side")


def _band(book: BookRow, price: int) -> tuple[int | None, str]:
    """Return the band of a price and its name."""
    band = book.band(price)
    if band is None:
        return None, f"beyond {book.bands_bps[-1]} bps"
    inner = book.bands_bps[band - 1] if band else 0
    return band, f"{inner}-{book.bands_bps[band]} bps"


def _imbalance(facts: Facts, limits: Limits, level: Level) -> Finding:
    book = facts.book
    if book is None:
        return Finding("missing")
    band, name = _band(book, level.wick.tip)
    value = None if band is None else book.imbalance[band]
    if value is None:
        return Finding("missing", f"not known in {name}")
    written = exact.signed(exact.fixed(value, 2))
    leaning = -value if level.short else value
    return _met(leaning >= limits.imbalance, f"{written} in {name}")


def _young_wall(facts: Facts, limits: Limits, level: Level) -> Finding:
    book = facts.book
    if book is None:
        return Finding("missing")
    wall = wall_at(book, limits, level.wick.side, level.wick.tip)
    if wall is not None:
        young = wall.young and wall.age_s is not None and wall.age_s < limits.wall_fresh_s
        age = "age unknown" if wall.age_s is None else f"{wall.age_s} s"
        return _met(young, f"the wall: {age}, {'young' if wall.young else 'not young'}")
    band, name = _band(book, level.wick.tip)
    age_s = None if band is None else _book_side(book, level).young_age_s[band]
    if age_s is None:
        return Finding("not_met", f"no young wall in {name}")
    return _met(age_s < limits.wall_fresh_s, f"band {name}: {age_s} s")


def _cvd(facts: Facts, _limits: Limits, level: Level) -> Finding:
    if not facts.cvd:
        return Finding("missing")
    row = facts.cvd[-1]
    return _met(against(row, short=level.short), f"{row.delta} at {clock(row.minute)}")


def against(row: CvdRow, *, short: bool) -> bool:
    """Say whether the minute's takers went the way of the trade."""
    return row.delta.startswith("-" if short else "+")


def beyond_vwap(tip: int, vwap: int, limits: Limits, *, short: bool) -> bool:
    """Say whether a tip lies far enough beyond the VWAP to fade back to it."""
    distance = tip - vwap if short else vwap - tip
    return distance * BPS >= limits.vwap_bps * vwap


def _vwap(facts: Facts, limits: Limits, level: Level) -> Finding:
    if not facts.vwap:
        return Finding("missing")
    vwap, tip = facts.vwap[-1].vwap_4h, level.wick.tip
    off = exact.signed(exact.fixed(exact.divide((tip - vwap) * 10_000, vwap, 2), 2))
    holds = beyond_vwap(tip, vwap, limits, short=level.short)
    return _met(
        holds, f"tip {off} bps from {exact.fixed(exact.divide(vwap, exact.PRICE_ONE, 2), 2)}"
    )


def _sided(short: bool, ask: str, bid: str) -> str:  # noqa: FBT001 - chooses between two words
    return ask if short else bid


RULES: Final = (
    Rule(
        "wick", SURROUNDED, "wicks", counts=True, near=False, judge=_wick,
        condition=lambda _, __: "rules 1 to 3 passed; half the points without an exact tip",
    ),
    Rule(
        "volume_tier", 15, "volume", counts=True, near=True, judge=_volume_tier,
        condition=lambda limits, _: f"a T4 in the last {limits.tape_minutes} minutes",
    ),
    Rule(
        "absorption", 15, "volume", counts=True, near=True, judge=_absorption,
        condition=lambda limits, short: (
            f"{_sided(short, 'buys', 'sells')} absorbed in the last {limits.tape_minutes} minutes"
        ),
    ),
    Rule(
        "wall", 15, "buckets", counts=True, near=False, judge=_wall,
        condition=lambda limits, short: (
            f"{_sided(short, 'ask', 'bid')} wall of {millions(limits.wall_notional)} or more "
            f"within {shown(limits.wall_bps)} bps of the tip"
        ),
    ),
    Rule(
        "imbalance", 10, "buckets", counts=True, near=False, judge=_imbalance,
        condition=lambda limits, short: (
            f"{_sided(short, '-', '+')}{exact.fixed(limits.imbalance, 2)} or "
            f"{_sided(short, 'less', 'more')} in the tip's band"
        ),
    ),
    Rule(
        "young_wall", 10, "buckets", counts=False, near=False, judge=_young_wall,
        condition=lambda limits, _: (
            f"that wall is young and under {limits.wall_fresh_s} s; without one, the tip's band is"
        ),
    ),
    Rule(
        "cvd", 10, "cvd", counts=True, near=True, judge=_cvd,
        condition=lambda _, short: f"cvd_1m {_sided(short, 'negative', 'positive')}",
    ),
    Rule(
        "vwap", 5, "vwap", counts=True, near=False, judge=_vwap,
        condition=lambda limits, short: (
            f"tip {shown(limits.vwap_bps)} bps or more {_sided(short, 'above', 'below')} vwap_4h"
        ),
    ),
)  # fmt: skip
CONFLUENCES: Final = frozenset(rule.name for rule in RULES if rule.counts)
