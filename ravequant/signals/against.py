"""The facts that speak against a signal, in few fixed words, the heaviest first. Pure.

Each restates a part of the answer: the lab's verdict, a cap, a layer that cannot be judged or is
not met, a weak form of a layer that is met. Distance, price and share that must win stand in the
answer as numbers. The text is ASCII.
"""

from itertools import groupby
from typing import Final

from ravequant.signals.evidence import CONFLUENCES, Evidence, wall_at
from ravequant.signals.limits import SignalLimits
from ravequant.signals.proof import UNTESTED, LabVerdict
from ravequant.signals.rules import Signal

NAMED: Final = 2  # layers that are not met are named up to this number, else counted
_ABSENT: Final = {
    "wick": "wick not met",
    "volume_tier": "no T4 volume",
    "absorption": "no absorption",
    "wall": "no wall",
    "imbalance": "no imbalance",
    "cvd": "cvd flat",
    "vwap": "no stretch from vwap",
}
_STATES: Final = {
    "missing": "MISSING",
    "stale": "STALE",
    "gap": "over a GAP",
    "far": "not judged from so far",
}


def against(signal: Signal, limits: SignalLimits) -> list[str]:
    """Return the facts against a signal, the heaviest first; empty if there are none.

    The reason for no trade at all is that of ``wording.why_no_trade``.
    """
    found = [*_of_the_lab(signal.state.verdict)]
    found += [f"{signal.capped_by} not whole"] * (signal.capped_by is not None)
    found += ["volume divergence against"] * signal.readings.diverges
    found += _not_judged(signal.layers)
    found += _not_met(signal)
    return [*found, *_weak(signal, limits)]


def _of_the_lab(verdict: LabVerdict | None) -> list[str]:
    if verdict is None:
        return ["the lab is not asked"]
    line = verdict.short.partition(";")[0]
    if verdict.word == UNTESTED:
        return [f"{UNTESTED}: no lab verdict" if line == UNTESTED else line]
    return [] if verdict.word == "PROVEN" else [f"lab: {line}"]


def _not_judged(layers: tuple[Evidence, ...]) -> list[str]:
    """Return the layers that cannot be judged, those of a state together."""
    doubtful = [layer for layer in layers if layer.state in _STATES]
    doubtful.sort(key=lambda layer: list(_STATES).index(layer.state))
    found = [
        f"{', '.join(layer.name.replace('_', ' ') for layer in group)} {_STATES[state]}"
        for state, group in groupby(doubtful, lambda layer: layer.state)
    ]
    young = [layer.value for layer in layers if layer.state == "partial" and layer.value]
    return [*found, *(f"recorded {value}" for value in young)]


def _not_met(signal: Signal) -> list[str]:
    """Return the confluences that are not met: CVD if it goes the other way, then the absent."""
    absent = [
        layer for layer in signal.layers if layer.state == "not_met" and layer.name in CONFLUENCES
    ]
    other_way = "+" if signal.direction == "SHORT" else "-"
    opposed = [
        layer
        for layer in absent
        if layer.name == "cvd" and layer.value is not None and layer.value.startswith(other_way)
    ]
    rest = [layer for layer in absent if layer not in opposed]
    if len(rest) > NAMED:
        words = [f"{len(absent)} of {len(CONFLUENCES)} reasons not met"]
    else:
        words = [_ABSENT[layer.name] for layer in rest]
    return [*(f"{layer.name} against" for layer in opposed), *words]


def _weak(signal: Signal, limits: SignalLimits) -> list[str]:
    """Return the layers that are met in a weak form: half the points, or a wall of little age."""
    met = {layer.name for layer in signal.layers if layer.state == "met"}
    found = ["tip not exact"] * ("wick" in met and not signal.wick.tip_exact)
    book = signal.state.book
    wall = None if book is None else wall_at(book, limits, signal.wick.side, signal.wick.tip)
    if "wall" in met and wall is not None:
        if wall.age_s is None:
            found.append("wall age unknown")
        elif wall.age_s < limits.wall_fresh_s:
            found.append(f"wall young, {wall.age_s} s")
    return found
