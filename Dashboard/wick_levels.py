"""The wicks that are drawn as levels, of those that a minute knows (SPEC section 8). Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ravequant import exact
from ravequant.signals.evidence import touch_gap
from ravequant.signals.inputs import Side, WickAsOf

MOST: Final = 300
NEAR_BPS: Final = 200
FIELDS: Final = ("id", "tf", "side", "tip", "birth", "touch", "exact", "gap")
_SIDES: Final[Mapping[Side, str]] = {"high": "upper", "low": "lower"}
_SCALE: Final = 10_000


def drawn(
    wicks: Iterable[WickAsOf], price: int | None, first: int, most: int = MOST
) -> list[WickAsOf]:
    """Return the wicks to draw in a window that begins at the minute ``first``, oldest first.

    These are the untouched ones within NEAR_BPS of ``price`` (units of exact.PRICE_PLACES), the
    nearest first, then those touched after ``first``, the newest first. Without a price the newest
    untouched ones come first.
    """
    known = list(wicks)
    untouched = [wick for wick in known if wick.status == "untouched"]
    if price is None:
        untouched.sort(key=lambda wick: (-wick.birth, wick.event_id))
    else:
        untouched = [
            wick for wick in untouched if abs(wick.tip - price) * _SCALE <= price * NEAR_BPS
        ]
        untouched.sort(key=lambda wick: (abs(wick.tip - price), wick.event_id))
    touched = [wick for wick in known if wick.status == "touched" and (wick.ended or 0) > first]
    touched.sort(key=lambda wick: (-(wick.ended or 0), -wick.birth, wick.event_id))
    chosen = [*untouched, *touched][:most]
    return sorted(chosen, key=lambda wick: (wick.birth, wick.event_id))


def columns(wicks: Iterable[WickAsOf], gap_minutes: Sequence[int]) -> dict[str, list[Any]]:
    """Return wicks as columns; ``gap_minutes``: the minutes in which trades are missing, in order.

    ``birth`` and ``touch`` are Unix minutes, ``touch`` null while untouched; ``tip`` is a number.
    ``gap`` is 1 if a missing trade may have touched the wick before it was touched, if it was.
    """
    rows = [_row(wick, gap_minutes) for wick in wicks]
    return {name: [row[place] for row in rows] for place, name in enumerate(FIELDS)}


def _row(wick: WickAsOf, gap_minutes: Sequence[int]) -> tuple[Any, ...]:
    since = touch_gap(wick, gap_minutes)
    return (
        wick.event_id,
        wick.timeframe,
        _SIDES[wick.side],
        float(exact.text(wick.tip, exact.PRICE_PLACES)),
        wick.birth,
        wick.ended,
        int(wick.tip_exact),
        int(since is not None and (wick.ended is None or since <= wick.ended)),
    )
