"""Poor highs and lows of past sessions beside a tip, by the profile (SPEC section 15)."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

from ravequant import catalog, exact, times
from ravequant.signals import inputs
from ravequant.signals.context.fields import NOTHING, Context, Unknown
from ravequant.signals.context.moment import ContextMoment
from ravequant.signals.inputs import WickAsOf
from ravequant.signals.known_rows import folded_rows
from ravequant.signals.limits import BPS
from ravequant.vault.line_file import LineFile, is_there

REACH_BPS: Final = 10  # so near a tip a level is shown
DAYS: Final = 7  # levels that opened before are not looked for
STALE_MS: Final = times.HOUR_MS  # a profile comes each half hour that trades
_KNOWN: Final = catalog.PROFILE.key


class PoorEvent(NamedTuple):
    """A row of the profile, as far as its levels go."""

    known: int  # Unix minute
    event_id: str = ""  # empty: the row is none of a level
    opens: bool = False
    price: int = 0  # units of PRICE_PLACES
    shown: Context = NOTHING

    @classmethod
    def of(cls, row: Any) -> Self:
        """Return that of a row. Raises ValueError, KeyError or TypeError."""
        known = inputs.minute_of(row[_KNOWN])
        if row["kind"] != "level":
            return cls(known)
        if row["event"] not in ("open", "repaired") or row["side"] not in inputs.SIDES:
            raise ValueError(f"{row['event']!r}, {row['side']!r}: not a level's")
        shown = {name: row[name] for name in ("side", "price", "tpos", "session_utc", "gap")}
        return cls(
            known, row["event_id"], row["event"] == "open", inputs.price(row["price"]), shown
        )


class _OpenLevels(NamedTuple):
    newest: int  # Unix minute of the newest row; -1 without any
    levels: tuple[PoorEvent, ...]


class PoorEndsAsOf:
    """The poor ends that are open as of a minute."""

    def __init__(self, levels: Sequence[PoorEvent]) -> None:
        self._levels = levels

    @classmethod
    def read(cls, moment: ContextMoment) -> "PoorEndsAsOf | Unknown":
        """Return the open levels of the last days, or why they are not known."""
        path = catalog.PROFILE.place(moment.vault, moment.inst_id)
        if not is_there(path):
            return "not recorded"
        since = (moment.minute - DAYS * times.DAY_MINUTES) * times.MINUTE_MS
        with LineFile(path, _KNOWN) as file:
            found = folded_rows(file, since, moment.end_ms("profile"), PoorEvent.of, _fold)
        if found.newest < 0:
            return "not recorded"
        if moment.asked_ms - found.newest * times.MINUTE_MS > STALE_MS:
            return "stale"
        return cls(found.levels)

    def of(self, wick: WickAsOf) -> Context:
        """Return the level nearest the tip of a wick, if one lies beside it."""
        reach = REACH_BPS * exact.SIZE_ONE * wick.tip // BPS
        near = [level for level in self._levels if abs(level.price - wick.tip) <= reach]
        if not near:
            return {"poor": None}
        level = min(near, key=lambda one: (abs(one.price - wick.tip), -one.known, one.price))
        bps = exact.divide(10_000 * (level.price - wick.tip), wick.tip, 1)
        return {"poor": {**level.shown, "distance_bps": exact.signed_fixed(bps, 1)}}


def _fold(events: Sequence[PoorEvent]) -> _OpenLevels:
    found: dict[str, PoorEvent] = {}
    for event in events:
        if event.opens:
            found[event.event_id] = event
        else:
            found.pop(event.event_id, None)
    return _OpenLevels(events[-1].known if events else -1, tuple(found.values()))
