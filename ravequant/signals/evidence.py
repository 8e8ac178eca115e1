"""The eight layers of evidence for a fade at a wick's tip (SPEC section 11, rule 5). Pure.

A layer is met, not met, or cannot be judged: `missing` (no records), `stale` (the newest record is
older than its limit), `gap` (trades or snapshots are missing), `far` (price is too far from the tip
for the tape to say anything about it). Only a layer that is met counts and gives its points.

The functions `…_state` are the conditions of the layers. They take records and return a state;
`judge` adds the defects of the stream, and base rates ask the same functions about the past.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from ravequant import exact, times
from ravequant.signals.inputs import (
    BOOK_SIDES,
    BookRow,
    CvdRow,
    RestingWall,
    Side,
    VolumeRow,
    VwapRow,
    WickAsOf,
)
from ravequant.signals.limits import SignalLimits, Stream
from ravequant.signals.market_state import MarketState

State = Literal["met", "not_met", "missing", "stale", "gap", "far"]
BPS: Final = 10_000 * exact.SIZE_ONE  # 1 in units of a bps with SIZE_PLACES


class FadeSetup(NamedTuple):
    """The fade to judge: at the tip of a wick, with price where it is."""

    wick: WickAsOf
    around: str  # the result of rules 2 and 3 in words
    last: int | None  # last price

    @property
    def short(self) -> bool:
        """Whether the fade sells."""
        return self.wick.side == "high"


class Verdict(NamedTuple):
    """The state of a layer and the records behind it in words."""

    state: State
    value: str | None = None


class Evidence(NamedTuple):
    """A layer as it stands for one signal."""

    name: str
    state: State
    points: int
    most: int  # points of a layer that is met in full
    condition: str
    value: str | None
    stream: Stream
    age_ms: int | None


class LayerRule(NamedTuple):
    """The definition of a layer."""

    name: str
    most: int  # points
    stream: Stream
    judge: Callable[[MarketState, SignalLimits, FadeSetup], Verdict]


def within(distance: int, bps: int, reference: int) -> bool:
    """Return True if a distance is at most ``bps`` of a reference price, exactly."""
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


def judge(state: MarketState, limits: SignalLimits, setup: FadeSetup) -> tuple[Evidence, ...]:
    """Return all layers of a fade, in the order of SPEC section 11."""
    conditions = _conditions(limits, short=setup.short)
    return tuple(_evidence(rule, conditions, state, limits, setup) for rule in RULES)


def _evidence(
    rule: LayerRule,
    conditions: Mapping[str, str],
    state: MarketState,
    limits: SignalLimits,
    setup: FadeSetup,
) -> Evidence:
    verdict = rule.judge(state, limits, setup)
    barred: State | None = state.defect(rule.stream, limits)
    if barred is None and rule.name in TAPE and not _near(limits, setup):
        barred = "far"
    found = barred or verdict.state
    points = rule.most if found == "met" else 0
    if rule.name == "wick" and not setup.wick.tip_exact:
        points //= 2
    return Evidence(
        name=rule.name,
        state=found,
        points=points,
        most=rule.most,
        condition=conditions[rule.name],
        value=verdict.value,
        stream=rule.stream,
        age_ms=state.age_ms(rule.stream),
    )


def _near(limits: SignalLimits, setup: FadeSetup) -> bool:
    last = setup.last
    return last is not None and within(setup.wick.tip - last, limits.near_bps, last)


def _met_if(holds: bool) -> State:  # noqa: FBT001 - it is all that it is asked
    return "met" if holds else "not_met"


# --- the conditions ------------------------------------------------------------------------------


def touch_gap(wick: WickAsOf, gap_minutes: Sequence[int]) -> int | None:
    """Return the minute since which a missing trade may have touched a wick; None: none may have.

    ``gap_minutes``: the minutes in which trades are missing, in order.
    """
    if wick.gap:
        return wick.birth
    since = bisect_left(gap_minutes, wick.birth)
    return gap_minutes[since] + 1 if since < len(gap_minutes) else None


def is_t4(row: VolumeRow) -> bool:
    """Return True if a minute's volume is of the highest tier."""
    return row.tier == "T4"


def absorbs(side: Literal["buy", "sell"]) -> Callable[[VolumeRow], bool]:
    """Return the condition that orders of this side were absorbed in a minute."""
    return lambda row: row.absorption and row.absorbed_side == side


def tape_state(recent: Sequence[VolumeRow], holds: Callable[[VolumeRow], bool]) -> State:
    """Return the state of a layer that one of the last minutes meets; ``recent`` oldest first."""
    if recent and recent[-1].gap:
        return "gap"
    gaps = [row.gap for row in recent if holds(row)]
    if not all(gaps):
        return "met"
    return "gap" if gaps else "not_met"


def wall_at(book: BookRow, limits: SignalLimits, side: Side, tip: int) -> RestingWall | None:
    """Return the largest wall at a tip, on its side of the book, that is large enough."""
    walls = [
        wall
        for wall in book.sides[side].walls
        if wall.notional >= limits.least_wall and within(wall.price - tip, limits.wall_bps, tip)
    ]
    return max(walls, key=lambda wall: (wall.notional, -abs(wall.price - tip)), default=None)


def wall_state(book: BookRow, limits: SignalLimits, side: Side, tip: int) -> State:
    """Return whether a wall rests at the tip; `missing` if the book was not seen so far."""
    if book.gap:
        return "gap"
    if wall_at(book, limits, side, tip) is not None:
        return "met"
    seen = abs(tip - book.mid) * 1_000_000 <= book.sides[side].depth * book.mid
    return "not_met" if seen else "missing"


def imbalance_state(book: BookRow, limits: SignalLimits, side: Side, tip: int) -> State:
    """Return whether the tip's band leans against the way through it; `missing` if unknown."""
    if book.gap:
        return "gap"
    band = book.band(tip)
    value = None if band is None else book.imbalance[band]
    if value is None:
        return "missing"
    return _met_if((-value if side == "high" else value) >= limits.imbalance)


def young_wall_state(book: BookRow, limits: SignalLimits, side: Side, tip: int) -> State:
    """Return whether the wall at the tip is young, or, without such a wall, the tip's band."""
    if book.gap:
        return "gap"
    wall, band = wall_at(book, limits, side, tip), book.band(tip)
    if wall is not None:
        age_s = wall.age_s if wall.young else None
    else:
        age_s = None if band is None else book.sides[side].young_age_s[band]
    return _met_if(age_s is not None and age_s < limits.wall_fresh_s)


def cvd_state(row: CvdRow, *, short: bool) -> State:
    """Return whether the minute's takers went the way of the trade."""
    if row.gap:
        return "gap"
    return _met_if(row.delta.startswith("-" if short else "+"))


def vwap_state(row: VwapRow, limits: SignalLimits, tip: int, *, short: bool) -> State:
    """Return whether a tip lies far enough beyond the VWAP to fade back to it."""
    if row.gap:
        return "gap"
    distance = tip - row.vwap_4h if short else row.vwap_4h - tip
    return _met_if(distance * BPS >= limits.vwap_bps * row.vwap_4h)


# --- the verdicts --------------------------------------------------------------------------------


def _wick(state: MarketState, _limits: SignalLimits, setup: FadeSetup) -> Verdict:
    """The wick has passed rules 1 to 3; only a gap can make it doubtful."""
    gap = touch_gap(setup.wick, state.gap_minutes)
    return Verdict("met" if gap is None else "gap", setup.around)


def _tape(state: MarketState, limits: SignalLimits, holds: Callable[[VolumeRow], bool]) -> Verdict:
    """Judge the last minutes; the value is of the newest that holds, if possible without a gap."""
    recent = state.volume_since(state.minute - limits.tape_minutes)
    found = [row for row in recent if holds(row)]
    sound = [row for row in found if not row.gap]
    row = next(reversed(sound or found), None)
    return Verdict(tape_state(recent, holds), None if row is None else _volume_text(row))


def _volume_text(row: VolumeRow) -> str:
    return f"{row.tier or 'no tier'} at {clock(row.minute)}, {row.ratio or '?'} x median"


def _volume_tier(state: MarketState, limits: SignalLimits, _setup: FadeSetup) -> Verdict:
    found = _tape(state, limits, is_t4)
    if found.value is None:
        newest = next(reversed(state.volume_since(state.minute - limits.tape_minutes)), None)
        return found._replace(value=None if newest is None else _volume_text(newest))
    return found


def _absorption(state: MarketState, limits: SignalLimits, setup: FadeSetup) -> Verdict:
    side: Literal["buy", "sell"] = "buy" if setup.short else "sell"
    found = _tape(state, limits, absorbs(side))
    return found if found.value else found._replace(value=f"no {side}s absorbed")


def _age(wall: RestingWall) -> str:
    return "age unknown" if wall.age_s is None else f"{wall.age_s} s"


def _wall(state: MarketState, limits: SignalLimits, setup: FadeSetup) -> Verdict:
    book, side, tip = state.book, setup.wick.side, setup.wick.tip
    if book is None:
        return Verdict("missing")
    found, wall = wall_state(book, limits, side, tip), wall_at(book, limits, side, tip)
    if wall is not None:
        return Verdict(
            found, f"{millions(wall.notional)} at {price_text(wall.price)}, {_age(wall)}"
        )
    if found == "missing":
        depth = exact.fixed(book.sides[side].depth, 2)
        return Verdict(found, f"the book was seen to {depth} bps only")
    return Verdict(found, f"no such wall on the {BOOK_SIDES[side]} side")


def _band(book: BookRow, price: int) -> tuple[int | None, str]:
    """Return the band of a price and its name."""
    band = book.band(price)
    if band is None:
        return None, f"beyond {book.bands_bps[-1]} bps"
    inner = book.bands_bps[band - 1] if band else 0
    return band, f"{inner}-{book.bands_bps[band]} bps"


def _imbalance(state: MarketState, limits: SignalLimits, setup: FadeSetup) -> Verdict:
    book, side, tip = state.book, setup.wick.side, setup.wick.tip
    if book is None:
        return Verdict("missing")
    band, name = _band(book, tip)
    value = None if band is None else book.imbalance[band]
    text = f"not known in {name}"
    if value is not None:
        text = f"{exact.signed(exact.fixed(value, 2))} in {name}"
    return Verdict(imbalance_state(book, limits, side, tip), text)


def _young_wall(state: MarketState, limits: SignalLimits, setup: FadeSetup) -> Verdict:
    book, side, tip = state.book, setup.wick.side, setup.wick.tip
    if book is None:
        return Verdict("missing")
    wall, (band, name) = wall_at(book, limits, side, tip), _band(book, tip)
    if wall is not None:
        text = f"the wall: {_age(wall)}, {'young' if wall.young else 'not young'}"
    else:
        age_s = None if band is None else book.sides[side].young_age_s[band]
        text = f"no young wall in {name}" if age_s is None else f"band {name}: {age_s} s"
    return Verdict(young_wall_state(book, limits, side, tip), text)


def _cvd(state: MarketState, _limits: SignalLimits, setup: FadeSetup) -> Verdict:
    if not state.cvd:
        return Verdict("missing")
    row = state.cvd[-1]
    return Verdict(cvd_state(row, short=setup.short), f"{row.delta} at {clock(row.minute)}")


def _vwap(state: MarketState, limits: SignalLimits, setup: FadeSetup) -> Verdict:
    if not state.vwap:
        return Verdict("missing")
    row, tip = state.vwap[-1], setup.wick.tip
    off = exact.signed(exact.fixed(exact.divide((tip - row.vwap_4h) * 10_000, row.vwap_4h, 2), 2))
    vwap = exact.fixed(exact.divide(row.vwap_4h, exact.PRICE_ONE, 2), 2)
    found = vwap_state(row, limits, tip, short=setup.short)
    return Verdict(found, f"tip {off} bps from {vwap}")


RULES: Final = (
    LayerRule("wick", 20, "wicks", _wick),
    LayerRule("volume_tier", 15, "volume", _volume_tier),
    LayerRule("absorption", 15, "volume", _absorption),
    LayerRule("wall", 15, "buckets", _wall),
    LayerRule("imbalance", 10, "buckets", _imbalance),
    LayerRule("young_wall", 10, "buckets", _young_wall),
    LayerRule("cvd", 10, "cvd", _cvd),
    LayerRule("vwap", 5, "vwap", _vwap),
)
CONFLUENCES: Final = frozenset(rule.name for rule in RULES) - {"young_wall"}  # it belongs to wall
TAPE: Final = frozenset({"volume_tier", "absorption", "cvd"})  # they count only near the tip


def _conditions(limits: SignalLimits, *, short: bool) -> dict[str, str]:
    """Return the condition of each layer in words."""
    minutes = f"in the last {limits.tape_minutes} minutes"
    wall = f"{'ask' if short else 'bid'} wall of {millions(limits.least_wall)} or more"
    lean = f"{'-' if short else '+'}{exact.fixed(limits.imbalance, 2)}"
    distance = f"{shown(limits.vwap_bps)} bps or more"
    fresh = f"under {limits.wall_fresh_s} s"
    return {
        "wick": "rules 1 to 3 passed; half the points without an exact tip",
        "volume_tier": f"a T4 {minutes}",
        "absorption": f"{'buys' if short else 'sells'} absorbed {minutes}",
        "wall": f"{wall} within {shown(limits.wall_bps)} bps of the tip",
        "imbalance": f"{lean} or {'less' if short else 'more'} in the tip's band",
        "young_wall": f"that wall is young and {fresh}; without one, the tip's band is",
        "cvd": f"cvd_1m {'negative' if short else 'positive'}",
        "vwap": f"tip {distance} {'above' if short else 'below'} vwap_4h",
    }
