"""The provenance of imported days: the files each was read from, and its proof.

``meta/{exchange}/imports/{INSTID}.jsonl`` has a line for each day and stream; of several lines of a
day the newest counts. A later import finds there the days that are done, and a reader the source
of the lines of a day.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ravequant import times
from ravequant.errors import VaultError, shown
from ravequant.records import RecordError, counting_number, json_object
from ravequant.vault.append_log import AppendLog
from ravequant.vault.imports.id_spans import IdSpan
from ravequant.vault.line_file import is_there, lines_forward
from ravequant.vault.lock import turn
from ravequant.vault.paths import Vault

TRADES: Final = "trades"
BOOKS: Final = "books"  # snapshots
_TEXTS: Final = ("stream", "day", "proof", "contract", "sha256", "records_sha256")
_COUNTS: Final = ("rows", "records", "dropped_recorded", "differing_minutes", "lines")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A published file that a day was read from."""

    name: str
    bytes: int
    sha256: str
    etag: str = ""  # as the exchange gave it; empty for a file that a person fetched
    header: str = ""  # its header line; empty if it has none


@dataclass(frozen=True, slots=True)
class ImportedDay:
    """One day of one stream, as it was imported."""

    imported_ms: int  # wall clock, for people and for the age of imported files
    stream: str  # trades, books, books_deep, funding
    day: str
    files: tuple[SourceFile, ...]
    rows: int  # of the files, in that day
    records: int  # lines that the import wrote
    first_id: int | None  # of the rows, where they have ids
    last_id: int | None
    dropped_recorded: int  # rows that recorded lines cover
    jumps: tuple[IdSpan, ...]  # ids missing in the finished day, and before it
    proof: str  # candles, ids, none, unproved, partial
    contract: str  # candles, metadata, assumed; empty where lines carry none
    lines: int  # of the finished day or hours
    sha256: str  # of its uncompressed lines
    differing_minutes: int = 0  # that differ from their candles
    snapshots_disagreeing: int | None = None  # of books
    spans: tuple[IdSpan, ...] = ()  # ids that the import put in
    records_sha256: str = ""  # of the lines that the import wrote
    hours: tuple[str, ...] = ()  # of books: the hours ("07") that the import wrote
    keep: bool = False  # of books: retention never deletes them

    def same_files(self, sha256s: Iterable[str]) -> bool:
        """Return True if the day was read from files with these SHA-256, in this order."""
        return [file.sha256 for file in self.files] == list(sha256s)


def append(vault: Vault, inst_id: str, days: Iterable[ImportedDay]) -> None:
    """Write the lines of these days and sync them. Raises VaultError, LockedError after 10 s.

    Importers of trades and of books write here: each waits for its turn.
    """
    with turn(vault, "imports", inst_id), AppendLog(vault.imports(inst_id)) as log:
        for day in days:
            log.append(_line(inst_id, day))


def entries(vault: Vault, inst_id: str) -> list[ImportedDay]:
    """Return all lines, oldest first; [] if nothing was imported.

    Raises VaultError for a whole line that cannot be read: nothing is imported twice by a guess.
    """
    path = vault.imports(inst_id)
    found = []
    for number, line in enumerate(lines_forward(path) if is_there(path) else (), 1):
        try:
            found.append(_parse(line, inst_id))
        except (RecordError, ValueError, TypeError, KeyError) as error:
            raise VaultError(
                f"{path}: line {number} is no provenance of {inst_id}: {error}; mend that line or "
                "take it out"
            ) from None
    return found


def newest(vault: Vault, inst_id: str, stream: str = TRADES) -> dict[str, ImportedDay]:
    """Return the newest line of each day of a stream, by day. Raises VaultError."""
    return {day.day: day for day in entries(vault, inst_id) if day.stream == stream}


def facts_of(day: ImportedDay) -> dict[str, Any]:
    """Return the fields of a line, in their order; ids are text, as in all files."""
    return {
        "imported_utc": times.iso(day.imported_ms),
        "stream": day.stream,
        "day": day.day,
        "files": [
            {name: getattr(file, name) for name in SourceFile.__slots__} for file in day.files
        ],
        "rows": day.rows,
        "records": day.records,
        "first_id": _text(day.first_id),
        "last_id": _text(day.last_id),
        "dropped_recorded": day.dropped_recorded,
        "jumps": _texts(day.jumps),
        "proof": day.proof,
        "differing_minutes": day.differing_minutes,
        "contract": day.contract,
        "snapshots_disagreeing": day.snapshots_disagreeing,
        "lines": day.lines,
        "sha256": day.sha256,
        "spans": _texts(day.spans),
        "records_sha256": day.records_sha256,
        "hours": list(day.hours),
        "keep": day.keep,
    }


def day_of(row: dict[str, Any]) -> ImportedDay:
    """Return the day of the fields of a line. Raises RecordError, ValueError, TypeError, KeyError.

    Fields of a later version are passed over.
    """
    for field in _TEXTS:
        if not isinstance(row[field], str):
            raise RecordError(f"{field}: {shown(row[field])} is not a string")
    for field in _COUNTS:
        if type(row[field]) is not int or row[field] < 0:
            raise RecordError(f"{field}: {shown(row[field])} is not a count")
    times.day_start_ms(row["day"])
    return ImportedDay(
        imported_ms=times.parse_iso(row["imported_utc"]),
        files=tuple(_file(file) for file in row["files"]),
        first_id=_id(row["first_id"]),
        last_id=_id(row["last_id"]),
        jumps=_spans(row["jumps"]),
        spans=_spans(row["spans"]),
        snapshots_disagreeing=row["snapshots_disagreeing"],
        hours=tuple(map(str, row.get("hours", ()))),
        keep=row.get("keep") is True,
        **{field: row[field] for field in (*_TEXTS, *_COUNTS)},
    )


def _line(inst_id: str, day: ImportedDay) -> bytes:
    return orjson.dumps({"instId": inst_id, **facts_of(day)}) + b"\n"


def _parse(line: bytes, inst_id: str) -> ImportedDay:
    row = json_object(line)
    if row.get("instId") != inst_id:
        raise RecordError(f"instId: {shown(row.get('instId'))} is not {inst_id!r}")
    return day_of(row)


def _file(row: dict[str, Any]) -> SourceFile:
    found = SourceFile(**{name: row[name] for name in SourceFile.__slots__})
    if not isinstance(found.name, str) or not isinstance(found.sha256, str):
        raise RecordError(f"files: {shown(row)} is not a file with its hash")
    return found


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _texts(spans: Iterable[IdSpan]) -> list[list[str]]:
    return [[str(first), str(last)] for first, last in spans]


def _id(text: Any) -> int | None:
    return None if text is None else counting_number(text, "id")


def _spans(rows: Any) -> tuple[IdSpan, ...]:
    return tuple(
        (counting_number(first, "jumps"), counting_number(last, "jumps")) for first, last in rows
    )
