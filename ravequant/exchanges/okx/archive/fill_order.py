"""The order of ids through the files of a day: they rise strictly, or the files are refused."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravequant.exchanges.archive.container import refusal
from ravequant.swar_digits import Places
from ravequant.trades.joining import SourcedColumns, together
from ravequant.vault.paths import StrPath

NO_ID: Final = -1


class OrderedFills(NamedTuple):
    """Rows with rising ids."""

    rows: SourcedColumns
    before: Places  # the id before each row; NO_ID before the first row of all
    doubles: Places  # times (Unix ms) of the rows that came twice, and were dropped


class FillOrder:
    """Checks the rows of one instrument, file after file."""

    def __init__(self) -> None:
        self._last: SourcedColumns | None = None  # the row before

    def checked(self, path: StrPath, line: int, rows: SourcedColumns) -> OrderedFills:
        """Return the next rows of a file (the first from line ``line``), each id once.

        Raises ArchiveError for an id that falls, and for one that comes again with another row.
        """
        ids = rows.columns.trade_id
        last_id = self._last.columns.trade_id if self._last is not None else [np.int64(NO_ID)]
        before = np.concatenate((last_id, ids[:-1]))
        doubles = ids[:0]
        if (ids <= before).any():
            self._refuse_other_order(path, line, ids, before)
            again = ids == before
            self._refuse_other_rows(path, line, rows, again)
            doubles, rows, before = rows.columns.ts[again], rows.select(~again), before[~again]
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
