"""The rows of the derived files as the query reads them, one minute or a whole day of them.

A row that is not valid is left out and logged. Raises VaultError for a file that the system cannot
read; a file that is absent has no rows.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from ravequant import catalog, exact, times
from ravequant.catalog import DataSet
from ravequant.errors import VaultError
from ravequant.signals import inputs
from ravequant.signals.inputs import VWAP_MINUTES, BookRow, Status, VwapRow, WickAsOf
from ravequant.signals.limits import STREAMS, Stream
from ravequant.vault import commit
from ravequant.vault.instruments import InstrumentHistory
from ravequant.vault.line_file import LineFile
from ravequant.vault.paths import StrPath, Vault

FILES: Final[dict[Stream, DataSet]] = {name: catalog.DATA_SETS[name] for name in STREAMS}

_ENDS: Final[dict[str, Status]] = {"touched": "touched", "expired": "expired"}
_BORN: Final = WickAsOf._fields.index("status")  # number of fields that a created event gives
_log = logging.getLogger("find_signals")
Record = TypeVar("Record")


def parsed(
    path: StrPath, lines: Iterable[bytes], parse: Callable[[Any], Record]
) -> Iterator[Record]:
    """Yield the parsed lines; the first that is refused is logged, and the number of them."""
    refused = 0
    for line in lines:
        try:
            yield parse(orjson.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            refused += 1
            if refused == 1:
                _log.warning("%s: the line %.60r… is left out: %r", path, line, error)
    if refused > 1:
        _log.warning("%s: %d lines are left out in all", path, refused)


def first_minute(file: LineFile, lines: Iterable[bytes]) -> int | None:
    """Return the Unix minute of the first line that has a time."""
    found = (file.time_of(line) for line in lines)
    return next((time // times.MINUTE_MS for time in found if time is not None), None)


def whole(row: VwapRow, first: int | None) -> VwapRow:
    """Return a row, whole too if ``first``, the file's first minute, covers its window."""
    covered = first is not None and first <= row.minute - VWAP_MINUTES + 1
    return row._replace(whole=row.whole or covered)


class WickEvent(NamedTuple):
    """An event of a wick: a created one with the wick at its birth, a later one with its name."""

    kind: str
    known: int  # Unix minute
    wick: WickAsOf | str


def wick_event(row: Any) -> WickEvent:
    """Return the event of a line of the wicks' file."""
    kind, known = row["event"], inputs.minute_of(row["known_utc"])
    if kind == "created":
        return WickEvent(kind, known, inputs.wick(row))
    if kind not in _ENDS:
        raise ValueError(f"{kind!r} is no event of a wick")
    return WickEvent(kind, known, str(row["event_id"]))


def take_event(born: dict[str, WickAsOf], event: WickEvent) -> None:
    """Take an event into the wicks known by their names; the end of an unknown one is none."""
    kind, known, wick = event
    if isinstance(wick, WickAsOf):
        born[wick.event_id] = wick
    elif wick in born:
        born[wick] = WickAsOf._make((*born[wick][:_BORN], _ENDS[kind], known))


def tracked(vault: Vault, inst_id: str) -> int | None:
    """Return the minute up to which the tracker has committed; None if its state does not say.

    To be read before the events: a commit writes the events first.
    """
    try:
        state = commit.read_state(vault.state("wicks", inst_id), "wicks", inst_id)
        return None if state is None else int(state["fold"]["through"]) + 1
    except (VaultError, KeyError, TypeError, ValueError) as error:
        _log.warning("how far the wicks are is taken from their newest event: %s", error)
        return None


def terms(vault: Vault, inst_id: str) -> InstrumentHistory | None:
    """Return the instrument's terms at any time; None, and a line in the log, without any."""
    try:
        return InstrumentHistory(vault, inst_id)
    except VaultError as error:
        _log.warning("no stop can be given: %s", error)
        return None


def tick_at(known: InstrumentHistory | None, minute: int) -> int | None:
    """Return the tick size in force, None if it is unknown."""
    if known is None:
        return None
    tick_sz = known.at(minute * times.MINUTE_MS).tick_sz
    return exact.units(tick_sz, exact.PRICE_PLACES)


def days_until(vault: Vault, inst_id: str, data: DataSet, until_ms: int) -> Iterator[Path]:
    """Yield the day files up to a moment, the newest first."""
    last = times.day(until_ms)
    for day, path in data.files(vault, inst_id, newest_first=True):
        if day <= last:
            yield path


def newest_book(vault: Vault, inst_id: str, until: int) -> tuple[Path, BookRow | None]:
    """Return the newest snapshot not later than ``until`` (Unix ms), and its file."""
    newest: Path | None = None
    for path in days_until(vault, inst_id, FILES["buckets"], until):
        newest = newest or path
        with LineFile(path, until=until) as file:
            for row in parsed(path, file.newest(until), inputs.book):
                return path, row
    return newest or FILES["buckets"].place(vault, inst_id), None
