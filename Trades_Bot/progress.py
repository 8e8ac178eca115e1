"""How far a back-fill is, how long it will take by its own pace, and the pace of rows; pure."""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from ravequant import times
from Trades_Bot.gap_filler import GapFiller

_WINDOW_S: Final = 60.0  # the pace is that of the last minute
_LEAST_S: Final = 5.0


class Progress:
    """The pace of one instrument's back-fill, measured at each look."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()  # (moment, first id that is missing)

    def facts(self, filler: GapFiller, now: float) -> dict[str, Any] | None:
        """Return the state of the heartbeat: ids, times, seconds left; None without a gap."""
        gap = filler.filling
        if gap is None:
            self._looks.clear()
            return None
        first, end = gap
        self._looks.append((now, first))
        while now - self._looks[0][0] > _WINDOW_S:
            self._looks.popleft()
        return {
            "from_id": first,
            "to_id": end,
            "at_utc": times.iso(filler.last_ts) if filler.last_ts else None,
            "until_utc": times.iso(filler.newest_ts) if filler.newest_ts else None,
            "left_s": self._left_s(end + 1 - first),
        }

    def _left_s(self, ids: int) -> int | None:
        (began, first), (ended, last) = self._looks[0], self._looks[-1]
        if ended - began < _LEAST_S or last <= first:
            return None
        return round(ids * (ended - began) / (last - first))


class RowRate:
    """The pace at which rows come from the exchange, measured at each look."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()  # (moment, rows so far)

    def at(self, now: float, rows: int) -> float | None:
        """Return rows a second over the last minute, ``rows`` being all so far; None at first."""
        self._looks.append((now, rows))
        while now - self._looks[0][0] > _WINDOW_S:
            self._looks.popleft()
        began, before = self._looks[0]
        return None if now - began < _LEAST_S else round((rows - before) / (now - began), 1)


def line_up(fillings: Iterable[dict[str, Any]]) -> None:
    """Give those that wait for their turn their seconds left, by the pace of the one before.

    ``fillings`` are facts of `Progress`, in the order in which the instruments are filled.
    """
    before_s, ids_a_second = 0, 0.0
    for filling in fillings:
        ids = filling["to_id"] + 1 - filling["from_id"]
        if filling["left_s"]:
            ids_a_second = ids / filling["left_s"]
        elif ids_a_second:
            filling["left_s"] = before_s + round(ids / ids_a_second)
        before_s = filling["left_s"] or 0
