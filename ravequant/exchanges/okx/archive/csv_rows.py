"""Csv of the archive: columns by name, floats as text, and small files row by row.

The names of old files go on in Chinese behind a slash (GBK); their English part counts. Numbers are
floats as text (``38.0``, ``7.98e-05``): their decimal value is taken, exactly.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from ravequant.errors import shown
from ravequant.exchanges.archive.container import ArchiveError, blocks, open_member, refusal
from ravequant.exchanges.okx.archive.names import ALL_SWAPS, Stream, parse_name
from ravequant.records import RecordError
from ravequant.vault.paths import StrPath

INSTRUMENT: Final = "instrument_name"
_BOM: Final = b"\xef\xbb\xbf"
_FLOAT: Final = re.compile(r"(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
_STREAM_WORDS: Final[dict[Stream, str]] = {
    "trades": "trades", "candles": "candlesticks", "funding": "fundingrates",
}  # fmt: skip

Parsed = TypeVar("Parsed")


class CsvForm(NamedTuple):
    """The columns of a small file with a header."""

    stream: Stream
    needed: tuple[str, ...]
    optional: tuple[str, ...]


def canonical(text: str) -> str:
    """Return the exact value of a float's text, plain and canonical: ``38`` for ``38.0``.

    Raises ValueError for other text.
    """
    if _FLOAT.fullmatch(text) is None:
        raise ValueError(f"{shown(text)} is not a number like 38.0 or 7.98e-05")
    plain = f"{Decimal(text):f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def column_names(line: bytes) -> tuple[str, ...]:
    """Return the English names of a header line."""
    # a second byte of GBK is never "," or "/"
    parts = line.removeprefix(_BOM).rstrip(b"\r\n").split(b",")
    return tuple(part.partition(b"/")[0].strip().decode("ascii", "replace") for part in parts)


def header_text(line: bytes) -> str:
    """Return a header line as text."""
    line = line.removeprefix(_BOM).rstrip(b"\r\n")
    for encoding in ("utf-8", "gbk"):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode("utf-8", "replace")


def unknown_header(path: StrPath, line: bytes, needed: Sequence[str], others: str) -> ArchiveError:
    """Return the error for a header that lacks columns or has others."""
    return refusal(
        path,
        f"line 1: the header is {shown(header_text(line))}",
        f"the columns {', '.join(needed)}, with or without {others}",
        "fetch the file again; if OKX has changed its form, update RaveQuant",
    )


def row_of(columns: Sequence[str], line: bytes) -> dict[str, str]:
    """Return a line's fields by the names of their columns. Raises RecordError for too few."""
    fields = line.removesuffix(b"\r").decode("ascii", "replace").split(",")
    if len(fields) != len(columns):
        raise RecordError(f"{len(fields)} columns in place of {len(columns)}")
    return dict(zip(columns, fields, strict=True))


def bad_row(
    path: StrPath, number: int, line: bytes, error: Exception, inst_id: str
) -> ArchiveError:
    """Return the error for a row of another form: file, line, text, reason."""
    text = shown(line.decode("utf-8", "replace"))
    found = f"line {number}: {text}: {error}"
    return refusal(path, found, f"rows of {inst_id} as OKX writes them")


def parsed_rows(
    path: StrPath, inst_id: str, form: CsvForm, parse: Callable[[dict[str, str]], Parsed]
) -> Iterator[tuple[int, Parsed]]:
    """Yield the rows of an instrument as ``parse`` reads them, each with the number of its line.

    ``parse`` raises ValueError for a row of another form. The file is good once this has ended.
    Raises ArchiveError, which names file and line, and VaultError if the disk fails.
    """
    of_all = check_archive_name(path, form.stream, inst_id, of_all=form.stream == "funding")
    columns: tuple[str, ...] = ()
    for number, line in enumerate(_lines(path), 1):
        if not columns:
            columns = _columns(path, line, form)
            continue
        try:
            row = row_of(columns, line)
            found = parse(row) if check_instrument(row, inst_id, of_all=of_all) else None
        except ValueError as error:
            raise bad_row(path, number, line, error, inst_id) from None
        if found is not None:
            yield number, found
    if not columns:
        raise refusal(path, "its csv is empty", "a header")


def _lines(path: StrPath) -> Iterator[bytes]:
    with open_member(path, ".csv") as member:
        for block in blocks(member):
            yield from block.split(b"\n")[:-1]


def _columns(path: StrPath, line: bytes, form: CsvForm) -> tuple[str, ...]:
    names = column_names(line)
    allowed = {*form.needed, *form.optional}
    if len(set(names)) < len(names) or not set(form.needed) <= set(names) <= allowed:
        raise unknown_header(path, line, form.needed, " and ".join(form.optional))
    return names


def check_instrument(row: dict[str, str], inst_id: str, *, of_all: bool = False) -> bool:
    """Return True if a row is of the instrument, or does not say so.

    RecordError for another one, unless the file is ``of_all`` instruments.
    """
    found = row.get(INSTRUMENT, inst_id)
    if found != inst_id and not of_all:
        raise RecordError(f"{INSTRUMENT}: {shown(found)} is not {inst_id}")
    return found == inst_id


def check_archive_name(
    path: StrPath, stream: Stream, inst_id: str, *, of_all: bool = False
) -> bool:
    """Return True if a file holds the stream of all swaps, False if that of ``inst_id`` alone.

    Old rows do not say which instrument they are of, so the name is believed. Raises ArchiveError
    for a file of another name, and for that of all swaps unless ``of_all``.
    """
    name = parse_name(Path(path).name)
    wanted = (inst_id, ALL_SWAPS) if of_all else (inst_id,)
    if name is None or name.stream != stream or name.inst_id not in wanted:
        raise refusal(
            path,
            f"by its name it holds no {stream} of this instrument",
            f"a name like {inst_id}-{_STREAM_WORDS[stream]}-2025-01-31.zip",
            "give it the name it was published under, or leave it out",
        )
    return name.inst_id == ALL_SWAPS
