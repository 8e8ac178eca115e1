"""The day file in which each record of a day file belongs (SPEC section 3).

That is the file of the largest UTC date so far, of records that are not ahead of their time. An
older file may have been opened by a record that is ahead and does not say so: those behind it show
it. Such records, and those that followed them into the file, belong into an earlier one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ravequant import times

AHEAD_MS: Final = 60_000  # by which a record must be past those behind it
LOOKED_AT: Final = 100  # of the records behind it; more than half of them decide
LEAST: Final = 3  # of them, before anything is said


@dataclass(frozen=True, slots=True)
class DayPlaces:
    """Where the records of a day file belong."""

    days: NDArray[np.int64]  # of each record: days since 1970
    ahead: NDArray[np.bool_]  # also those of which only the records behind them tell
    newest_ts: int  # the largest time so far that is believed; 0 without any

    def parts(self) -> list[tuple[int, str]]:
        """Return (number of its first record, the key of its file) of each part."""
        firsts = [0, *(np.flatnonzero(self.days[1:] != self.days[:-1]) + 1).tolist()]
        return [(at, times.day(int(self.days[at]) * times.DAY_MS)) for at in firsts]


def places_of(
    ts: NDArray[np.int64], ahead: NDArray[np.bool_], key: str, newest_ts: int
) -> DayPlaces:
    """Return where the records of the file ``key`` belong; there is at least one.

    ``ahead`` are those that are known to be; ``newest_ts`` is the largest time of the files before
    (Unix ms), 0 without any.
    """
    begin = times.day_start_ms(key)
    ahead = ahead.copy()
    opener = 0 if newest_ts >= begin else _opener(ts, ahead, begin)
    believed = np.where(ahead, 0, ts)
    newest = np.maximum(np.maximum.accumulate(believed), newest_ts)
    found = newest[newest > 0]
    first = int(found[0]) if len(found) else begin  # in front of it stand only records ahead
    days = np.maximum(newest, first) // times.DAY_MS
    days[opener:] = begin // times.DAY_MS
    return DayPlaces(days, ahead, int(newest[-1]))


def _opener(ts: NDArray[np.int64], ahead: NDArray[np.bool_], begin: int) -> int:
    """Return the first record that opens its day; those before it that are ahead are marked."""
    rows = np.flatnonzero(~ahead)
    moments = ts[rows]
    for at in np.flatnonzero(moments >= begin).tolist():
        behind = moments[at + 1 : at + 1 + LOOKED_AT]
        earlier = int((behind < moments[at] - AHEAD_MS).sum())
        if len(behind) < LEAST or 2 * earlier <= len(behind):
            return int(rows[at])
        ahead[rows[at]] = True
    return len(ts)
