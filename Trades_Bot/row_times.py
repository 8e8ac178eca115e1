"""Judges the rows of one instrument by their times, before they are put in order; pure, no I/O.

SPEC section 3: a row past the exchange's time is ahead, however many rows agree; an empty vault
begins with no row older than was asked for; ids that begin lower are another stream.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from ravequant import times
from ravequant.exchanges.exchange_time import TOLERANCE_MS, ExchangeTime
from ravequant.records import Trade

_FRAMES: Final = 2  # with ids that begin lower, before REST is asked whether that is true


@dataclass(frozen=True, slots=True)
class Judged:
    """The rows of a frame or page that are to be recorded, and the others."""

    rows: tuple[Trade, ...]
    rejected: tuple[str, ...]  # the reasons
    refused: tuple[Trade, ...]  # too old for an empty vault: these are among the rejected
    unknown: tuple[Trade, ...]  # the exchange's time cannot be had: to be judged later


class RowTimes:
    """The judge of one instrument's rows.

    ``since`` (Unix ms) is where an empty vault begins, None once it holds a row: then a row from
    the past is late, and recorded.
    """

    def __init__(self, time: ExchangeTime, since: int | None) -> None:
        self.since = since
        self.other_stream = False  # the ids begin lower, and REST says so too
        self._time = time
        self._lower = 0  # frames in a row with ids that begin lower

    @property
    def begins_lower(self) -> bool:
        """Return True while frames suggest another stream, and REST has not been asked."""
        return self._lower >= _FRAMES and not self.other_stream

    def frame(self, rows: Iterable[Trade], last: int | None, last_ts: int, now: float) -> Judged:
        """Judge the rows of a frame; ``last`` and ``last_ts`` are of the newest record."""
        lower = [row for row in rows if is_lower(row, last, last_ts)]
        if lower:
            self._lower += 1
        elif rows:
            self._lower = 0
        judged = self.page([row for row in rows if row not in lower], now)
        reasons = (
            f"trade_id: {row.trade_id} is below {last}, though its time {times.iso(row.ts)} is "
            f"later than {times.iso(last_ts)}"
            for row in lower
        )
        return replace(judged, rejected=(*judged.rejected, *reasons))

    def page(self, rows: Iterable[Trade], now: float) -> Judged:
        """Judge rows by their times alone."""
        taken: list[Trade] = []
        rejected: list[str] = []
        unknown: list[Trade] = []
        refused: list[Trade] = []
        for row in rows:
            verdict = self._time.judge(row.ts, now)
            if verdict == "unknown":
                unknown.append(row)
            elif verdict == "ahead":
                taken.append(replace(row, ahead=True))
            elif self.since is not None and row.ts < self.since - TOLERANCE_MS:
                refused.append(row)
                rejected.append(
                    f"ts: {times.iso(row.ts)} lies before {times.iso(self.since)}, where this "
                    "empty vault begins"
                )
            else:
                taken.append(row)
        return Judged(tuple(taken), tuple(rejected), tuple(refused), tuple(unknown))

    def compare(self, newest: Trade | None, last: int | None, last_ts: int) -> None:
        """Take in REST's newest row: it settles whether the ids begin lower."""
        if newest is not None and is_lower(newest, last, last_ts):
            self.other_stream = True
        self._lower = 0


def is_lower(row: Trade, last: int | None, last_ts: int) -> bool:
    """Return True if an id lies below those recorded, though its time is clearly newer."""
    return last is not None and row.trade_id <= last and row.ts > last_ts + TOLERANCE_MS
