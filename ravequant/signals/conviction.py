"""How much a signal is worth: two readings of its evidence, their caps, its size (SPEC 11.6). Pure.

MAX of the strict reading is rare: it takes four confluences that are different events, and the
resting book or a VERY_HIGH wick. The reading of the notes counts every layer.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final, Literal, NamedTuple

from ravequant.signals.evidence import RULES, TAPE, Evidence
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState

Conviction = Literal["MAX", "HIGH", "WATCH", "LOW"]
Cap = Literal["book", "tape"]

SIZES: Final[dict[Conviction, int]] = {"MAX": 3, "HIGH": 2, "WATCH": 1, "LOW": 0}
CAPPED_SIZE: Final = SIZES["WATCH"]
_ONE_EVENT: Final = frozenset({"volume_tier", "absorption"})
_THE_BOOK: Final = frozenset({"wall", "imbalance"})
_TAPE_STREAMS: Final = frozenset(rule.stream for rule in RULES if rule.name in TAPE)


class Readings(NamedTuple):
    """Both readings of a signal's evidence."""

    strict: Conviction
    notes: Conviction
    uncapped: Conviction  # the strict reading without the cap of a book or tape that is not there
    capped_by: Cap | None
    diverges: bool  # a volume divergence against the trade took MAX away from a reading


def read(
    met: AbstractSet[str], *, very_high: bool, diverges: bool, capped_by: Cap | None
) -> Readings:
    """Return both readings of the confluences ``met``.

    ``very_high``: the wick is VERY_HIGH and its layer is met. ``diverges``: a volume divergence
    stands against the trade, which caps both readings at HIGH.
    """
    full, notes = strict(met, very_high=very_high), by_the_notes(met, very_high=very_high)
    taken = diverges and "MAX" in (full, notes)
    if taken:
        full, notes = _at_most(full, "HIGH"), _at_most(notes, "HIGH")
    capped = _at_most(full, "WATCH") if capped_by else full
    return Readings(capped, notes, full, capped_by, taken)


def apart(met: AbstractSet[str]) -> int:
    """Return the number of confluences; volume_tier and absorption together are one.

    An absorption is a T4: both are one event.
    """
    return len(met) - (met >= _ONE_EVENT)


def strict(met: AbstractSet[str], *, very_high: bool) -> Conviction:
    """Return the strict reading, without caps."""
    count = apart(met)
    if count >= 4 and (very_high or met & _THE_BOOK):
        return "MAX"
    if count >= 3 or very_high:
        return "HIGH"
    return "WATCH" if count == 2 else "LOW"


def by_the_notes(met: AbstractSet[str], *, very_high: bool) -> Conviction:
    """Return the reading that the notes give, without caps: all seven layers count."""
    if len(met) >= 4 or very_high:
        return "MAX"
    if len(met) == 3:
        return "HIGH"
    return "WATCH" if len(met) == 2 else "LOW"


def _at_most(found: Conviction, most: Conviction) -> Conviction:
    return most if SIZES[found] > SIZES[most] else found


def cap(
    state: MarketState, limits: SignalLimits, layers: Sequence[Evidence], gap: int | None
) -> Cap | None:
    """Return the part of the market that is missing, stale or over a gap; None if none is.

    A book that does not reach the tip is missing there. ``gap``: the minute since which a missing
    trade may have touched the wick, None without one.
    """
    unseen = any(layer.name in _THE_BOOK and layer.state == "missing" for layer in layers)
    if unseen or state.defect("buckets", limits) is not None:
        return "book"
    defects = (state.defect(stream, limits) for stream in _TAPE_STREAMS)
    return "tape" if gap is not None or any(defects) else None
