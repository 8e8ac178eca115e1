"""The rows of a trade archive, single fills, from csv of every header form to columns.

Four forms are known: the English header with ``instrument_name`` first; the same with ``source``
last; five columns without the instrument whose names go on in Chinese (size before price); and
these five without a header, before 2022. Columns are read by name. Numbers are floats as text
(``38.0``, ``7.98e-05``): their decimal value is taken, exactly, and written as REST and socket send
it (``38``, ``0.0000798``).
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np

from ravequant import exact
from ravequant.errors import shown
from ravequant.exchanges.archive.container import ArchiveError, Member, blocks, refusal
from ravequant.exchanges.okx.messages import moment
from ravequant.records import RecordError, Trade, counting_number, positive_decimal, taker_side
from ravequant.swar_digits import Ints, fits
from ravequant.trades.fast_scan import Columns
from ravequant.trades.joining import SourcedColumns
from ravequant.vault.paths import StrPath

INSTRUMENT: Final = "instrument_name"
SOURCE: Final = "source"
_NEEDED: Final = ("trade_id", "side", "price", "size", "created_time")
_WITHOUT_HEADER: Final = ("trade_id", "side", "size", "price", "created_time")
_KNOWN: Final = frozenset((*_NEEDED, INSTRUMENT, SOURCE))
_BOM: Final = b"\xef\xbb\xbf"
_FLOAT: Final = re.compile(r"(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")


class HeaderForm(NamedTuple):
    """The columns of a file, in order, and its header line (empty: it has none)."""

    columns: tuple[str, ...]
    text: str


def canonical(text: str) -> str:
    """Return the exact value of a float's text, plain and canonical: ``38`` for ``38.0``.

    Raises ValueError for other text.
    """
    if _FLOAT.fullmatch(text) is None:
        raise ValueError(f"{shown(text)} is not a number like 38.0 or 7.98e-05")
    plain = f"{Decimal(text):f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def header_form(path: StrPath, first_line: bytes) -> HeaderForm:
    """Return the form of a file by its first line. Raises ArchiveError for an unknown header."""
    line = first_line.removeprefix(_BOM).rstrip(b"\r\n")
    if line[:1].isdigit():
        return HeaderForm(_WITHOUT_HEADER, "")
    # a second byte of GBK is never "," or "/"
    names = tuple(
        part.partition(b"/")[0].strip().decode("ascii", "replace") for part in line.split(b",")
    )
    if len(set(names)) < len(names) or not set(_NEEDED) <= set(names) <= _KNOWN:
        raise refusal(
            path,
            f"line 1: the header is {shown(_decoded(line))}",
            f"the columns {', '.join(_NEEDED)}, with or without {INSTRUMENT} and {SOURCE}",
            "fetch the file again; if OKX has changed its form, update RaveQuant",
        )
    return HeaderForm(names, _decoded(line))


def _decoded(line: bytes) -> str:
    for encoding in ("utf-8", "gbk"):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode("utf-8", "replace")


class RowReader:
    """Reads the rows of one instrument from one file, block by block."""

    def __init__(self, member: Member, inst_id: str) -> None:
        self._member, self._inst_id = member, inst_id
        self.header = ""  # the header line, once it was read; empty if there is none

    def rows(self) -> Iterator[tuple[int, SourcedColumns]]:
        """Yield all rows of the file: the number of the first row's line, from 1, and the rows.

        The file is good once this has ended.

        Raises ArchiveError, which names file and line, for a row of another form.
        """
        number, form = 1, None
        for block in blocks(self._member):
            lines = block.split(b"\n")[:-1]
            if form is None:
                form = header_form(self._member.path, lines[0])
                self.header = form.text
                if form.text:
                    del lines[0]
                    number += 1
            if lines:
                yield number, self._read(form, lines, number)
            number += len(lines)
        if form is None:
            raise refusal(self._member.path, "its csv is empty", "a header or rows")

    def _read(self, form: HeaderForm, lines: Sequence[bytes], number: int) -> SourcedColumns:
        rows = []
        for at, line in enumerate(lines, number):
            try:
                rows.append(_row(form, line, self._inst_id))
            except ValueError as error:
                raise self._refused(at, line, error) from None
        return columns_of(rows)

    def _refused(self, number: int, line: bytes, error: Exception) -> ArchiveError:
        return refusal(
            self._member.path,
            f"line {number}: {shown(line.decode('utf-8', 'replace'))}: {error}",
            f"rows of {self._inst_id} as OKX writes them",
        )


def _row(form: HeaderForm, line: bytes, inst_id: str) -> Trade:
    """Return one row; RecordError or ValueError says which field is wrong, and why."""
    fields = line.removesuffix(b"\r").decode("ascii", "replace").split(",")
    if len(fields) != len(form.columns):
        raise RecordError(f"{len(fields)} columns in place of {len(form.columns)}")
    row = dict(zip(form.columns, fields, strict=True))
    if row.get(INSTRUMENT, inst_id) != inst_id:
        raise RecordError(f"{INSTRUMENT}: {shown(row[INSTRUMENT])} is not {inst_id}")
    return Trade(
        moment(row["created_time"]),
        counting_number(row["trade_id"], "trade_id"),
        taker_side(row["side"].lower()),
        positive_decimal(canonical(row["price"]), "price", exact.PRICE_PLACES),
        positive_decimal(canonical(row["size"]), "size", exact.SIZE_PLACES),
        source=str(counting_number(row.get(SOURCE, "0"), SOURCE)),
    )


def columns_of(trades: Sequence[Trade]) -> SourcedColumns:
    """Return trades (at least one) as columns."""
    prices, price_places = _scaled([trade.price for trade in trades])
    sizes, size_places = _scaled([trade.qty for trade in trades])
    columns = Columns(
        np.array([trade.ts for trade in trades], dtype=np.int64),
        np.array([trade.trade_id for trade in trades], dtype=np.int64),
        np.array([trade.count for trade in trades], dtype=np.int64),
        np.array([trade.side == "buy" for trade in trades], dtype=np.bool_),
        prices,
        sizes,
        price_places,
        size_places,
    )
    return SourcedColumns(columns, np.array([int(t.source) for t in trades], dtype=np.int64))


def _scaled(texts: Sequence[str]) -> tuple[Ints, int]:
    """Return decimals as integers at their common places: int64, or Python ints if too large."""
    places = max(map(exact.decimals, texts))
    values = [exact.units(text, places) for text in texts]
    return np.array(values, dtype=np.int64 if fits(max(values)) else object), places
