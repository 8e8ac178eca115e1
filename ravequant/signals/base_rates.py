"""Base rates: how often each layer was true over the last 24 h (SPEC section 11). Pure.

A layer that is nearly always true says nothing. Each is asked again in the past for a level as far
from price then as this tip is from price now: at each minute with trades, or at snapshots at equal
distances. `far` and staleness are left out: they say where price is, not what the layer is worth.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ravequant import exact, times
from ravequant.signals.evidence import against, beyond_vwap, wall_at
from ravequant.signals.inputs import BookRow, Side, VolumeRow, Wick
from ravequant.signals.market_state import Facts, Limits
from ravequant.signals.rules import Query, Signal, around


class Rate(NamedTuple):
    """How often a layer was true, and of how many moments that was counted."""

    percent: str  # one place
    moments: int


Rates = Mapping[str, Rate | None]  # by layer; None: there was nothing to count


def base_rates(signals: Sequence[Signal], query: Query, limits: Limits) -> list[Rates]:
    """Return the base rate of each layer of each signal; all are of one answer."""
    wick_rates = {
        side: _rate(_hidden(signals[0].facts, query, limits, side))
        for side in {signal.wick.side for signal in signals}
    }
    return [
        {"wick": wick_rates[signal.wick.side], **_layer_rates(signal, limits)} for signal in signals
    ]


def _layer_rates(signal: Signal, limits: Limits) -> Rates:
    facts, side, tip = signal.facts, signal.wick.side, signal.wick.tip
    short = side == "high"
    absorbed = "buy" if short else "sell"
    tape = facts.volume_since(facts.minute - times.DAY_MINUTES)
    last = signal.last.price if signal.last else None
    books = [] if last is None else [(row, tip * row.mid // last) for row in facts.past_books]
    rows = [] if last is None else [(row, tip * row.close // last) for row in facts.vwap]
    absorptions = [row.absorption and row.absorbed_side == absorbed for row in tape]
    return {
        "volume_tier": _rate(_tape(tape, limits, [row.tier == "T4" for row in tape])),
        "absorption": _rate(_tape(tape, limits, absorptions)),
        "wall": _rate([wall_at(row, limits, side, level) is not None for row, level in books]),
        "imbalance": _rate([_leans(row, side, level, limits) for row, level in books]),
        "young_wall": _rate([_fresh(row, side, level, limits) for row, level in books]),
        "cvd": _rate([against(row, short=short) for row in facts.cvd]),
        "vwap": _rate(
            [beyond_vwap(level, row.vwap_4h, limits, short=short) for row, level in rows]
        ),
    }


def _rate(held: Sequence[bool]) -> Rate | None:
    if not held:
        return None
    return Rate(exact.fixed(exact.divide(100 * sum(held), len(held), 1), 1), len(held))


def _tape(rows: Sequence[VolumeRow], limits: Limits, holds: Sequence[bool]) -> list[bool]:
    """Say for the end of each minute whether one of the last minutes satisfied the layer."""
    found, newest = [], None
    for row, held in zip(rows, holds, strict=True):
        if held:
            newest = row.minute
        found.append(newest is not None and newest > row.minute - limits.tape_minutes)
    return found


def _leans(row: BookRow, side: Side, level: int, limits: Limits) -> bool:
    band = row.band(level)
    value = None if band is None else row.imbalance[band]
    if value is None:
        return False
    return (-value if side == "high" else value) >= limits.imbalance


def _fresh(row: BookRow, side: Side, level: int, limits: Limits) -> bool:
    wall, band = wall_at(row, limits, side, level), row.band(level)
    if wall is not None:
        return wall.young and wall.age_s is not None and wall.age_s < limits.wall_fresh_s
    age_s = None if band is None else row.sides[side].young_age_s[band]
    return age_s is not None and age_s < limits.wall_fresh_s


def _hidden(facts: Facts, query: Query, limits: Limits, side: Side) -> list[bool]:
    """Say for the end of each minute with trades whether any wick of a side passed rules 1-3.

    What is around a wick is taken as it is now known; its touches count from when they were known.
    """
    wicks = sorted(
        (wick for wick in facts.wicks if wick.timeframe == query.timeframe),
        key=lambda wick: wick.birth,
    )
    since = facts.minute - times.DAY_MINUTES
    open_minutes: set[int] = set()
    for wick in wicks:
        if wick.side == side:
            hidden = _while_hidden(wick, wicks, query, limits)
            open_minutes.update(range(max(hidden.start, since), hidden.stop))
    tape = facts.volume_since(since)
    return [row.minute + 1 in open_minutes for row in tape]


def _while_hidden(wick: Wick, wicks: Sequence[Wick], query: Query, limits: Limits) -> range:
    found = around(wick, wicks, limits)
    touches = sorted(
        other.ended
        for other in found.others
        if other.status == "touched" and other.ended is not None
    )
    if len(touches) < query.min_touched or (query.small_only and not found.small):
        return range(0)
    start = wick.birth + query.age_min
    if query.min_touched:
        start = max(start, touches[query.min_touched - 1])
    end = wick.birth + query.age_max
    return range(start, min(end, end if wick.ended is None else wick.ended - 1) + 1)
