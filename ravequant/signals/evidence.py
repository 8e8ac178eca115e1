"""The eight layers of evidence for a fade at a wick's tip (SPEC section 11, rule 5). Pure.

A layer is met, not met, or cannot be judged: `missing` (no records), `stale` (the newest record is
older than its limit), `gap` (trades or snapshots are missing), `partial` (the recording is younger
than the window), `far` (price is too far from the tip for the tape to say anything about it). Only
a layer that is met counts and gives its points.

Each layer has one condition, a function of records. `judge` asks it of the newest records and adds
the defects of their stream; base rates ask it of the records of the past.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, Literal, NamedTuple

from ravequant import exact, times
from ravequant.signals.inputs import (
    BOOK_SIDES,
    VWAP_MINUTES,
    BookRow,
    CvdRow,
    RestingWall,
    Side,
    VolumeRow,
    VwapRow,
    WickAsOf,
)
from ravequant.signals.limits import BPS, SignalLimits, Stream
from ravequant.signals.market_state import MarketState

State = Literal["met", "not_met", "missing", "stale", "gap", "partial", "far"]


class FadeSetup(NamedTuple):
    """The fade to judge: at the tip of a wick, with price where it is."""

    wick: WickAsOf
    around: str  # the result of rules 2 and 3 in words
    last: int | None  # last price

    @property
    def short(self) -> bool:
        """True if the fade sells."""
        return self.wick.side == "high"


class Verdict(NamedTuple):
    """The state of a layer, and a function that returns the records behind it in words."""

    state: State
    text: Callable[[], str | None]


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
    judge: "Judge"


Judge = Callable[[MarketState, SignalLimits, FadeSetup], Verdict]
_MISSING: Final = Verdict("missing", lambda: None)


def within(distance: int, bps: int, reference: int) -> bool:
    """Return True if a distance is at most ``bps`` of a reference price, exactly."""
    return abs(distance) * BPS <= bps * reference


def shown(bps: int) -> str:
    """Return bps as people write them."""
    return exact.text(bps, exact.SIZE_PLACES)


def amount(notional: int) -> str:
    """Return an amount in few characters, for people: ``2.60M``, ``125k``, ``980``."""
    thousands = exact.divide(notional, 1_000 * exact.NOTIONAL_ONE, 0)
    if thousands >= 1_000:
        return f"{exact.fixed(exact.divide(notional, 10**6 * exact.NOTIONAL_ONE, 2), 2)}M"
    return f"{thousands}k" if thousands else str(exact.divide(notional, exact.NOTIONAL_ONE, 0))


def signed_amount(text: str) -> str:
    """Return a signed amount in few characters: ``-1.23M``."""
    sign = text[0] if text[0] in "+-" else ""
    return sign + amount(exact.units(text.lstrip("+-"), exact.NOTIONAL_PLACES))


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
        value=verdict.text(),
        stream=rule.stream,
        age_ms=state.age_ms(rule.stream),
    )


def _near(limits: SignalLimits, setup: FadeSetup) -> bool:
    last = setup.last
    return last is not None and within(setup.wick.tip - last, limits.near_bps, last)


def _judged(record: BookRow | CvdRow | VwapRow, *, met: bool | None) -> State:
    """Return the state of a condition on one record; ``met`` None: the record does not say."""
    if record.gap:
        return "gap"
    if met is None:
        return "missing"
    return "met" if met else "not_met"


# --- the conditions ------------------------------------------------------------------------------


def touch_gap(wick: WickAsOf, gap_minutes: Sequence[int]) -> int | None:
    """Return the minute since which a missing trade may have touched a wick; None: none may have.

    ``gap_minutes``: the minutes in which trades are missing, in order.
    """
    if wick.gap:
        return wick.birth
    since = bisect_left(gap_minutes, wick.birth)
    return gap_minutes[since] + 1 if since < len(gap_minutes) else None


def volume_tier(recent: Sequence[VolumeRow]) -> Verdict:
    """Judge whether one of the last minutes is a T4; ``recent`` oldest first."""
    found = [row for row in recent if row.tier == "T4"]
    return _tape(recent, found, lambda: _row_text(recent[-1]) if recent else None)


def absorption(recent: Sequence[VolumeRow], *, short: bool) -> Verdict:
    """Judge whether orders of the trade's opposite were absorbed in one of the last minutes."""
    side = "buy" if short else "sell"
    found = [row for row in recent if row.absorption and row.absorbed_side == side]
    return _tape(recent, found, lambda: f"no {side}s absorbed")


def _tape(
    recent: Sequence[VolumeRow], found: Sequence[VolumeRow], nothing: Callable[[], str | None]
) -> Verdict:
    """Judge the last minutes by the newest of those found, if possible one without a gap."""
    sound = [row for row in found if not row.gap]
    state: State = "met" if sound else "gap" if found else "not_met"
    if recent and recent[-1].gap:
        state = "gap"
    return Verdict(state, (lambda: _row_text((sound or found)[-1])) if found else nothing)


def _row_text(row: VolumeRow) -> str:
    return f"{row.tier or 'no tier'} at {clock(row.minute)}, {row.ratio or '?'} x median"


def cvd(row: CvdRow, *, short: bool) -> Verdict:
    """Judge whether the minute's takers went the way of the trade."""
    met = row.delta.startswith("-" if short else "+")

    def text() -> str:
        return f"{signed_amount(row.delta)} at {clock(row.minute)}"

    return Verdict(_judged(row, met=met), text)


def vwap(row: VwapRow, limits: SignalLimits, tip: int, *, short: bool) -> Verdict:
    """Judge whether a tip lies far enough beyond the VWAP to fade back to it."""

    def text() -> str:
        if not row.whole:
            return f"only {minutes_text(row)}"
        off = exact.fixed(exact.divide((tip - row.vwap_4h) * 10_000, row.vwap_4h, 2), 2)
        return f"tip {exact.signed(off)} bps from {mean_text(row.vwap_4h)}"

    return Verdict(vwap_state(row, limits, tip, short=short), text)


def vwap_state(row: VwapRow, limits: SignalLimits, tip: int, *, short: bool) -> State:
    """Return the state of ``vwap`` without its words: it is asked of each minute of a day."""
    if not (row.whole or row.gap):
        return "partial"
    beyond = tip - row.vwap_4h if short else row.vwap_4h - tip
    return _judged(row, met=beyond * BPS >= limits.vwap_bps * row.vwap_4h)


def minutes_text(row: VwapRow) -> str:
    """Return how much of its window a VWAP covers, in words."""
    return f"{row.traded} of {VWAP_MINUTES} min"


def mean_text(price: int) -> str:
    """Return a mean of prices for people: 2 places, or as many as show six digits of it."""
    places = 2
    while price * 10**places < 100_000 * exact.PRICE_ONE:
        places += 1
    return exact.fixed(exact.divide(price, exact.PRICE_ONE, places), places)


def largest_wall(book: BookRow, limits: SignalLimits, side: Side, tip: int) -> RestingWall | None:
    """Return the largest wall at a tip, on its side of the book; of equals the nearest."""
    reach = limits.wall_reach(tip)
    walls = [wall for wall in book.sides[side].walls if abs(wall.price - tip) <= reach]
    return max(walls, key=lambda wall: (wall.notional, -abs(wall.price - tip)), default=None)


def wall_at(book: BookRow, limits: SignalLimits, side: Side, tip: int) -> RestingWall | None:
    """Return the largest wall at a tip, on its side of the book, if it is large enough."""
    found = largest_wall(book, limits, side, tip)
    return found if found is not None and found.notional >= limits.least_wall else None


def _age(wall: RestingWall) -> str:
    return "age unknown" if wall.age_s is None else f"{wall.age_s} s"


def wall(book: BookRow, limits: SignalLimits, side: Side, tip: int) -> Verdict:
    """Judge whether a wall rests at the tip; `missing` if the book was not seen that far."""
    found, depth = wall_at(book, limits, side, tip), book.sides[side].depth
    if found is not None:
        return Verdict(_judged(book, met=True), lambda: _wall_text(found))
    if abs(tip - book.mid) * 1_000_000 > depth * book.mid:
        return Verdict(
            _judged(book, met=None),
            lambda: f"the book was seen to {exact.fixed(depth, 2)} bps only",
        )
    return Verdict(_judged(book, met=False), lambda: f"no such wall on the {BOOK_SIDES[side]} side")


def _wall_text(wall: RestingWall) -> str:
    return f"{amount(wall.notional)} at {exact.price_text(wall.price)}, {_age(wall)}"


def _band_name(book: BookRow, band: int | None) -> str:
    edges = (0, *book.bands_bps)
    return f"beyond {edges[-1]} bps" if band is None else f"{edges[band]}-{edges[band + 1]} bps"


def imbalance(book: BookRow, limits: SignalLimits, side: Side, tip: int) -> Verdict:
    """Judge whether the tip's band leans against the way through it; `missing` if unknown."""
    band = book.band(tip)
    value = None if band is None else book.imbalance[band]
    if value is None:
        return Verdict(_judged(book, met=None), lambda: f"not known in {_band_name(book, band)}")
    met = (-value if side == "high" else value) >= limits.imbalance

    def text() -> str:
        return f"{exact.signed_fixed(value, 2)} in {_band_name(book, band)}"

    return Verdict(_judged(book, met=met), text)


def _youth(wall: RestingWall, limits: SignalLimits) -> str:
    """Return whether a wall is young in words, and why it is not or does not count."""
    age, first = wall.age_s, limits.young_from_s
    if age is None:
        return "not young"
    if wall.young:
        return "young" if age < limits.wall_fresh_s else f"young, not under {limits.wall_fresh_s} s"
    if age < first:
        return f"not young before {first} s"
    if age >= limits.young_to_s:
        return f"not young after {limits.young_to_s} s"
    return f"not young: not seen again since it was {first} s old"


def young_wall(book: BookRow, limits: SignalLimits, side: Side, tip: int) -> Verdict:
    """Judge whether the wall at the tip is young, or, without such a wall, the tip's band."""
    found, band = wall_at(book, limits, side, tip), book.band(tip)
    if found is not None:
        age_s = found.age_s if found.young else None
    else:
        age_s = None if band is None else book.sides[side].young_age_s[band]

    def text() -> str:
        if found is not None:
            return f"the wall: {_age(found)}, {_youth(found, limits)}"
        name = _band_name(book, band)
        return f"no young wall in {name}" if age_s is None else f"band {name}: {age_s} s"

    met = age_s is not None and age_s < limits.wall_fresh_s
    return Verdict(_judged(book, met=met), text)


# --- the conditions as of a minute ---------------------------------------------------------------


def _wick(state: MarketState, _limits: SignalLimits, setup: FadeSetup) -> Verdict:
    """The wick has passed rules 1 to 3; only a gap can make it doubtful."""
    gap = touch_gap(setup.wick, state.gap_minutes)
    return Verdict("met" if gap is None else "gap", lambda: setup.around)


def _recent(state: MarketState, limits: SignalLimits) -> Sequence[VolumeRow]:
    return state.volume_since(state.minute - limits.tape_minutes)


def _cvd(state: MarketState, _limits: SignalLimits, setup: FadeSetup) -> Verdict:
    return cvd(state.cvd[-1], short=setup.short) if state.cvd else _MISSING


def _vwap(state: MarketState, limits: SignalLimits, setup: FadeSetup) -> Verdict:
    if not state.vwap:
        return _MISSING
    return vwap(state.vwap[-1], limits, setup.wick.tip, short=setup.short)


def _of_book(
    condition: Callable[[BookRow, SignalLimits, Side, int], Verdict],
    state: MarketState,
    limits: SignalLimits,
    setup: FadeSetup,
) -> Verdict:
    if state.book is None:
        return _MISSING
    return condition(state.book, limits, setup.wick.side, setup.wick.tip)


RULES: Final = (
    LayerRule("wick", 20, "wicks", _wick),
    LayerRule("volume_tier", 15, "volume", lambda s, limits, _: volume_tier(_recent(s, limits))),
    LayerRule(
        "absorption",
        15,
        "volume",
        lambda s, limits, setup: absorption(_recent(s, limits), short=setup.short),
    ),
    LayerRule("wall", 15, "buckets", partial(_of_book, wall)),
    LayerRule("imbalance", 10, "buckets", partial(_of_book, imbalance)),
    LayerRule("young_wall", 10, "buckets", partial(_of_book, young_wall)),
    LayerRule("cvd", 10, "cvd", _cvd),
    LayerRule("vwap", 5, "vwap", _vwap),
)
CONFLUENCES: Final = frozenset(rule.name for rule in RULES) - {"young_wall"}  # it belongs to wall
TAPE: Final = frozenset({"volume_tier", "absorption", "cvd"})  # they count only near the tip


def _conditions(limits: SignalLimits, *, short: bool) -> dict[str, str]:
    """Return the condition of each layer in words."""
    minutes = f"in the last {limits.tape_minutes} minutes"
    wall = f"{'ask' if short else 'bid'} wall of {amount(limits.least_wall)} or more"
    lean = f"{'-' if short else '+'}{exact.fixed(limits.imbalance, 2)}"
    distance = f"{shown(limits.vwap_bps)} bps or more"
    fresh = f"{limits.young_from_s} to {limits.wall_fresh_s - 1} s"
    return {
        "wick": "rules 1 to 3 passed; half the points without an exact tip",
        "volume_tier": f"a T4 {minutes}",
        "absorption": f"{'buys' if short else 'sells'} absorbed {minutes}",
        "wall": f"{wall} within {shown(limits.wall_bps)} bps of the tip",
        "imbalance": f"{lean} or {'less' if short else 'more'} in the tip's band",
        "young_wall": f"that wall is young, {fresh}; without one, the tip's band is",
        "cvd": f"cvd_1m {'negative' if short else 'positive'}",
        "vwap": f"tip {distance} {'above' if short else 'below'} vwap_4h",
    }
