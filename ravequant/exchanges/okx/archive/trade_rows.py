"""The rows of a trade archive, single fills, from csv of every header form to columns.

Four forms are known: the English header with ``instrument_name`` first; the same with ``source``
last; five columns without the instrument whose names go on in Chinese (size before price); and
these five without a header, before 2022. Columns are read by name. Numbers become what REST and
socket send: ``38`` for ``38.0``, ``0.0000798`` for ``7.98e-05``.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from ravequant import exact, swar_digits
from ravequant.exchanges.archive.container import Member, blocks, refusal
from ravequant.exchanges.okx.archive.csv_rows import (
    INSTRUMENT,
    bad_row,
    canonical,
    check_instrument,
    column_names,
    header_text,
    row_of,
    unknown_header,
)
from ravequant.exchanges.okx.archive.fast_rows import SOURCE, RowShape, read_rows, shape_of
from ravequant.exchanges.okx.messages import EARLIEST_MS, LATEST_MS, moment
from ravequant.records import Trade, counting_number, positive_decimal, taker_side
from ravequant.trades.joining import SourcedColumns, columns_of, together
from ravequant.vault.paths import StrPath

_NEEDED: Final = ("trade_id", "side", "price", "size", "created_time")
_WITHOUT_HEADER: Final = ("trade_id", "side", "size", "price", "created_time")
_BLOCK: Final = 1 << 19  # its columns, and its lines, stay in the cache
_KNOWN: Final = frozenset((*_NEEDED, INSTRUMENT, SOURCE))


class HeaderForm(NamedTuple):
    """The columns of a file, in order, and its header line (empty: it has none)."""

    columns: tuple[str, ...]
    text: str


def header_form(path: StrPath, first_line: bytes) -> HeaderForm:
    """Return the form of a file by its first line. Raises ArchiveError for an unknown header."""
    if first_line[:1].isdigit():
        return HeaderForm(_WITHOUT_HEADER, "")
    names = column_names(first_line)
    if len(set(names)) < len(names) or not set(_NEEDED) <= set(names) <= _KNOWN:
        raise unknown_header(path, first_line, _NEEDED, f"{INSTRUMENT} and {SOURCE}")
    return HeaderForm(names, header_text(first_line))


class RowReader:
    """Reads the rows of one instrument from one file, block by block."""

    def __init__(self, member: Member, inst_id: str) -> None:
        self._member, self._inst_id = member, inst_id
        swar_digits.keep_freed_memory()
        self.header = ""  # the header line, once it was read; empty if there is none

    def rows(self) -> Iterator[tuple[int, SourcedColumns]]:
        """Yield all rows of the file: the number of the first row's line, from 1, and the rows.

        The file is good once this has ended.

        Raises ArchiveError, which names file and line, for a row of another form.
        """
        number, form, shape = 1, None, None
        for block in blocks(self._member, _BLOCK):
            if form is None:
                form, begin = self._header(block)
                shape = shape_of(form.columns, self._inst_id)
                block = block[begin:]  # noqa: PLW2901 - rows are left
                number += begin > 0
            if block:
                rows = self._read(form, shape, block, number)
                yield number, rows
                number += len(rows)
        if form is None:
            raise refusal(self._member.path, "its csv is empty", "a header or rows")

    def _header(self, block: bytes) -> tuple[HeaderForm, int]:
        """Return the form of the file, and where its rows begin in the first block."""
        end = block.index(b"\n") + 1
        form = header_form(self._member.path, block[:end])
        self.header = form.text
        return form, end if form.text else 0

    def _read(
        self, form: HeaderForm, shape: RowShape | None, block: bytes, number: int
    ) -> SourcedColumns:
        """Return the rows of a block: many at once, and one by one those that do not look alike."""
        found = None if shape is None else read_rows(shape, block, EARLIEST_MS, LATEST_MS)
        if found is not None and found[0].all():
            return found[1]
        lines = block.split(b"\n")[:-1]
        if found is None:
            return self._one_by_one(form, lines, range(len(lines)), number)
        odd = (~found[0]).nonzero()[0]
        others = self._one_by_one(form, lines, odd.tolist(), number)
        place = np.concatenate((found[0].nonzero()[0], odd))
        return together([found[1], others]).select(np.argsort(place))

    def _one_by_one(
        self, form: HeaderForm, lines: Sequence[bytes], chosen: Iterable[int], number: int
    ) -> SourcedColumns:
        """Return the chosen lines; the first of all has the number."""
        rows = []
        for at in chosen:
            try:
                rows.append(_trade(form, lines[at], self._inst_id))
            except ValueError as error:
                path = self._member.path
                raise bad_row(path, number + at, lines[at], error, self._inst_id) from None
        return columns_of(rows)


def _trade(form: HeaderForm, line: bytes, inst_id: str) -> Trade:
    """Return one row; RecordError or ValueError says which field is wrong, and why."""
    row = row_of(form.columns, line)
    check_instrument(row, inst_id)
    return Trade(
        moment(row["created_time"]),
        counting_number(row["trade_id"], "trade_id"),
        taker_side(row["side"].lower()),
        positive_decimal(canonical(row["price"]), "price", exact.PRICE_PLACES),
        positive_decimal(canonical(row["size"]), "size", exact.SIZE_PLACES),
        source=str(counting_number(row.get(SOURCE, "0"), SOURCE)),
    )
