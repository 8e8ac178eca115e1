"""The order of rows through the files of a day: ids rise strictly, or the files are refused.

Times rise too, but for moments. A row whose time lies more than a minute before that of a row above
it shows that one of the two is wrong, or that the file holds two markets of one name, the newer
first: no day can be cut out of it.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravequant import times
from ravequant.exchanges.archive.container import refusal
from ravequant.swar_digits import Places
from ravequant.trades.joining import SourcedColumns, together
from ravequant.vault.paths import StrPath

NO_ID: Final = -1
_MOST_BACK_MS: Final = times.MINUTE_MS


class OrderedFills(NamedTuple):
    """Rows with rising ids."""

    rows: SourcedColumns
    before: Places  # the id before each row; NO_ID before the first row of all
    doubles: Places  # times (Unix ms) of the rows that came twice, and were dropped


class FillOrder:
    """Checks the rows of one instrument, file after file."""

    def __init__(self) -> None:
        self._last: SourcedColumns | None = None  # the row before
        self._newest = 0  # the largest time so far

    def checked(self, path: StrPath, line: int, rows: SourcedColumns) -> OrderedFills:
        """Return the next rows of a file (the first from line ``line``), each id once.

        Raises ArchiveError for an id that falls, for one that comes again with another row, and for
        a time that goes back by more than a minute.
        """
        ids = rows.columns.trade_id
        last_id = self._last.columns.trade_id if self._last is not None else [np.int64(NO_ID)]
        before = np.concatenate((last_id, ids[:-1]))
        if (ids <= before).any():
            self._refuse_other_order(path, line, ids, before)
            self._refuse_other_rows(path, line, rows, ids == before)
        self._check_times(path, line, rows.columns.ts)
        if len(doubles := rows.columns.ts[ids == before]):
            rows, before = rows.select(ids != before), before[ids != before]
        if len(rows):
            self._last = rows.select(slice(-1, None))
        return OrderedFills(rows, before, doubles)

    def _refuse_other_order(self, path: StrPath, line: int, ids: Places, before: Places) -> None:
        falling = (ids < before).nonzero()[0]
        if not len(falling):
            return
        at = int(falling[0])
        found = f"line {line + at}: trade id {ids[at]} comes after {before[at]}"
        if ids[at] == 1:
            raise refusal(
                path,
                f"{found}: a second block of rows begins at id 1",
                "ids that rise",
                "the instrument was listed anew, with ids of its own: leave these days out",
            )
        raise refusal(path, found, "ids that rise from row to row and from file to file")

    def _refuse_other_rows(
        self, path: StrPath, line: int, rows: SourcedColumns, again: NDArray[np.bool_]
    ) -> None:
        """Raise ArchiveError if a row with the id of the row before is not equal to that."""
        known = rows if self._last is None else together([self._last, rows])
        of, shift = known.columns, len(known) - len(rows)
        for at in again.nonzero()[0].tolist():
            this, earlier = at + shift, at + shift - 1
            values = (of.ts, of.buy, of.price, of.qty, known.source)
            if any(column[this] != column[earlier] for column in values):
                raise refusal(
                    path,
                    f"line {line + at}: trade id {of.trade_id[this]} comes again with another row",
                    "each id once",
                )

    def _check_times(self, path: StrPath, line: int, ts: Places) -> None:
        if self._newest <= int(ts[0]) and not (ts[1:] < ts[:-1]).any():
            self._newest = int(ts[-1])
            return
        newest = np.maximum.accumulate(ts)
        np.maximum(newest, self._newest, out=newest)
        back = (newest - ts > _MOST_BACK_MS).nonzero()[0]
        if len(back):
            at = int(back[0])
            late = times.duration(int(newest[at] - ts[at]))
            raise refusal(
                path,
                f"line {line + at}: its time {times.iso(int(ts[at]))} lies {late} before that of a "
                "row above it",
                "times that rise from row to row",
                "if the instrument was listed anew, leave these days out, else fetch the file "
                "again",
            )
        self._newest = int(newest[-1])
