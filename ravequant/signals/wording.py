"""A signal in words, for people: its worth, why it is no trade, its evidence. Pure.

The text is ASCII, so that every console shows it.
"""

from itertools import groupby
from typing import Final

from ravequant import times
from ravequant.exact import price_text
from ravequant.signals.evidence import clock, minutes_text, shown, within
from ravequant.signals.limits import STREAMS, SignalLimits, Stream
from ravequant.signals.market_state import MarketState
from ravequant.signals.proof import sized
from ravequant.signals.rules import Signal

NONE: Final = "-"
JOINT: Final = "\x1f"  # a blank at which no line is broken
DEFENDED: Final = "defended to the tick"
_NO_TRADE: Final = {
    "fees": "fees",
    "break-even": "break-even",
    "target": "no target",
    "touched": "touched",
    "clock": "clock",
    "recorder": "not recording",
}


def age_line(state: MarketState, limits: SignalLimits) -> str:
    """Return the age of each stream at the state's minute, or at the instant if one was asked."""
    ages = [(name, _age_of(state, limits, name)) for name in STREAMS]
    groups = (
        JOINT.join([*(name for name, _ in group), age])
        for age, group in groupby(ages, lambda item: item[1])
    )
    at = utc(state)[11:] if state.instant is None else times.iso(state.instant.ms)[11:19]
    return f"age at {at} UTC: {', '.join(groups)}"


def _age_of(state: MarketState, limits: SignalLimits, name: Stream) -> str:
    age = state.age_ms(name)
    if age is None:
        return "MISSING"
    defect = state.defect(name, limits)
    if defect == "partial":
        return f"{times.duration(age)},{JOINT}{minutes_text(state.vwap[-1]).replace(' ', JOINT)}"
    return f"{times.duration(age)}{JOINT}{defect.upper()}" if defect else times.duration(age)


def utc(state: MarketState) -> str:
    """Return the minute of a state: ``2025-12-14 21:35``."""
    return times.iso_minute(state.minute)[:16].replace("T", " ")


def worth(signal: Signal) -> str:
    """Return the worth of a signal: conviction and size, or the reason why there is no trade."""
    if signal.no_trade is not None:
        return f"NO TRADE: {_NO_TRADE[signal.no_trade]}"
    if signal.in_contact:
        return "NO ENTRY: in contact"
    return f"{signal.deciding} {sized(signal.size, signal.state.verdict)}"


def other_reading(signal: Signal) -> str | None:
    """Return the reading that does not decide, in words, where it differs."""
    if signal.conviction == signal.conviction_notes:
        return None
    if signal.max_rule == "notes":
        return f"{signal.conviction} by the strict rule"
    return f"{signal.conviction_notes} by the notes"


def why_no_trade(signal: Signal, limits: SignalLimits) -> str | None:
    """Return the sentence about a signal that is no trade; None for one that is."""
    if signal.no_trade is None:
        return "price is at the tip: too late to enter" if signal.in_contact else None
    return {
        "fees": "fees eat the reward",
        "break-even": _break_even(signal, limits),
        "target": f"no target within {shown(limits.target_max_bps)} bps",
        "touched": _touched(signal),
        "clock": "the clock of this computer is wrong",
        "recorder": "not recording: price may be elsewhere by now",
    }[signal.no_trade]


def _break_even(signal: Signal, limits: SignalLimits) -> str:
    if signal.state.tick is None:
        return "no stop: the tick size is unknown"
    share, most = signal.plan.break_even_pct, shown(limits.break_even_max_pct)
    return f"{share}% must win, more than {most}%" if share else f"more than {most}% must win"


def _touched(signal: Signal) -> str:
    if signal.reached is None:
        return "touched"
    at, price = times.iso(signal.reached.ts)[11:19], price_text(signal.reached.price)
    instant = signal.state.instant
    ago = f" {times.duration(instant.ms - signal.reached.ts)} ago" if instant else ""
    return f"touched{ago} at {at} UTC at {price}"


def notes(signal: Signal, limits: SignalLimits) -> list[str]:
    """Return why there is no more size, and other facts."""
    why = why_no_trade(signal, limits)
    return [*([] if why is None else [why]), *counted(signal), *facts(signal)]


def counted(signal: Signal) -> list[str]:
    """Return how the conviction was counted: the other reading, and the causes of less size."""
    found, other = [], other_reading(signal)
    if signal.no_trade is not None or signal.in_contact:
        found.append(f"the evidence alone: {signal.deciding}")
    found += [other] if other else []
    if signal.capped_by is not None:
        better = signal.readings.uncapped
        else_ = f", else {better}" if better != signal.readings.strict else ""
        found.append(f"{signal.capped_by} not whole: WATCH at most{else_}")
    return found + ["a volume divergence against it takes MAX away"] * signal.readings.diverges


def facts(signal: Signal) -> list[str]:
    """Return facts of its level and its moment that no layer has."""
    found = [DEFENDED] * (signal.strength == "VERY_HIGH")
    found += [place] if (place := where(signal)) else []
    return found + [f"tags {' '.join(signal.tags)}"] * bool(signal.tags)


def where(signal: Signal) -> str:
    """Return the timeframes of its price and the near twins of its level, if there are several."""
    tip = signal.wick.tip
    same = [wick.timeframe for wick in signal.wicks if wick.tip == tip]
    twins = sorted({wick.tip for wick in signal.wicks} - {tip})
    parts = [f"on {', '.join(same)}"] * (len(same) > 1)
    parts += [f"one level with {', '.join(map(price_text, twins))}"] * bool(twins)
    return ", ".join(parts)


def title(signal: Signal) -> str:
    """Return the direction and the price."""
    return f"{signal.direction} {price_text(signal.wick.tip)}"


def far_at(signal: Signal, limits: SignalLimits) -> str:
    """Return at which minute price was far, if it has come near since; else empty."""
    last = signal.last
    if last is None or not within(signal.wick.tip - last.price, limits.near_bps, last.price):
        return ""
    return f"{JOINT}at{JOINT}{clock(signal.state.minute)}"


def evidence(signal: Signal, limits: SignalLimits) -> list[str]:
    """Return the line of layers that are met and not met, and a line of notes."""
    met = [layer.name for layer in signal.layers if layer.state == "met"]
    far = far_at(signal, limits)
    others = [
        layer.name
        if layer.state == "not_met"
        else f"{layer.name}{JOINT}{layer.state.upper()}{far * (layer.state == 'far')}"
        for layer in signal.layers
        if layer.state != "met"
    ]
    line = f"{title(signal)}: + {' '.join(met) or NONE}"
    if others:
        line += f"  -{JOINT}{', '.join(others)}"
    found = notes(signal, limits)
    return [line, *(f"    {'; '.join(found)}" for _ in found[:1])]
