"""The gap ledger (SPEC section 3): every hole in the trade ids, and what became of it."""

import logging
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

import orjson

from ravequant import times
from ravequant.errors import VaultError, shown
from ravequant.records import RecordError, counting_number, json_object
from ravequant.vault.append_log import AppendLog
from ravequant.vault.atomic import disk_error, replace_file

Status = Literal["open", "repaired", "id_hole", "unrecoverable"]

_STATUSES: Final[tuple[str, ...]] = get_args(Status)
_LOGGED: Final = 20  # bad lines that are named; all are counted
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch of missing trade ids, both ends included."""

    from_id: int
    to_id: int

    @property
    def missing(self) -> int:
        """How many ids it covers."""
        return self.to_id - self.from_id + 1


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One change of state of a hole."""

    hole: Hole
    status: Status
    reason: str
    detected_ms: int  # wall clock; says when, decides nothing


class GapLedger:
    """The ledger of one instrument, read when it changed, appended to by its exporter.

    ``rejected`` counts whole lines that are not entries; they are logged once and skipped.
    """

    def __init__(self, path: Path, inst_id: str) -> None:
        self.path = path
        self.inst_id = inst_id
        self.rejected = 0
        self._entries: list[LedgerEntry] = []
        self._id_holes: list[Hole] = []  # disjoint, never adjacent, ascending
        self._stamp: tuple[int, ...] = ()
        self._logged = 0  # bad lines before this byte were logged
        self.refresh()

    def entries(self) -> tuple[LedgerEntry, ...]:
        """Return what was read, oldest first."""
        return tuple(self._entries)

    def is_hole(self, first_missing: int, last_missing: int) -> bool:
        """Say whether any of these ids is missing for another reason than ``id_hole``."""
        index = bisect_left(self._id_holes, first_missing, key=lambda hole: hole.to_id)
        if index == len(self._id_holes):
            return True
        covering = self._id_holes[index]
        return not covering.from_id <= first_missing <= last_missing <= covering.to_id

    def append(self, entry: LedgerEntry) -> None:
        """Write one entry and sync it; VaultError, and then it is not there."""
        self.refresh()
        with AppendLog(self.path) as log:
            log.append(_line(entry, self.inst_id))
        self._take(entry)
        self._stamp = self._stamp_now()

    def refresh(self) -> bool:
        """Read the file again if it changed; say whether it did."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return False
        data = self._read()
        self.rejected = 0
        self._entries.clear()
        self._id_holes.clear()
        offset = 0
        for line in data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]:
            self._take_line(line, offset)
            offset += len(line) + 1
        self._logged = offset
        self._stamp = stamp
        return True

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise disk_error(self.path, "read", error) from error

    def _stamp_now(self) -> tuple[int, ...]:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return (0,)
        except OSError as error:
            raise disk_error(self.path, "read", error) from error
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _take_line(self, line: bytes, offset: int) -> None:
        try:
            self._take(_parse(line, self.inst_id))
        except RecordError as error:
            self.rejected += 1
            if offset >= self._logged and self.rejected <= _LOGGED:
                _log.warning("%s: line at byte %d skipped: %s", self.path, offset, error)

    def _take(self, entry: LedgerEntry) -> None:
        self._entries.append(entry)
        first, last = entry.hole.from_id, entry.hole.to_id
        wide = entry.status == "id_hole"  # a neighbour joins, so that one stretch covers both
        low = bisect_left(self._id_holes, first - wide, key=lambda hole: hole.to_id)
        high = bisect_right(self._id_holes, last + wide, key=lambda hole: hole.from_id)
        self._id_holes[low:high] = _settled(self._id_holes[low:high], first, last, wide=wide)


def _settled(met: list[Hole], first: int, last: int, *, wide: bool) -> Iterator[Hole]:
    left = min(first, met[0].from_id) if met else first
    right = max(last, met[-1].to_id) if met else last
    if wide:
        yield Hole(left, right)
        return
    if left < first:
        yield Hole(left, first - 1)
    if last < right:
        yield Hole(last + 1, right)


def _line(entry: LedgerEntry, inst_id: str) -> bytes:
    fields = {
        "detected_utc": times.iso(entry.detected_ms),
        "channel": "trades",
        "instId": inst_id,
        "from_trade_id": str(entry.hole.from_id),
        "to_trade_id": str(entry.hole.to_id),
        "missing": entry.hole.missing,
        "status": entry.status,
        "reason": entry.reason,
    }
    return orjson.dumps(fields) + b"\n"


def _parse(line: bytes, inst_id: str) -> LedgerEntry:
    row = json_object(line)
    for field, wanted in (("channel", "trades"), ("instId", inst_id)):
        if row.get(field) != wanted:
            raise RecordError(f"{field}: {shown(row.get(field))} is not {wanted!r}")
    if row.get("status") not in _STATUSES:
        raise RecordError(f"status: {shown(row.get('status'))} is none of {', '.join(_STATUSES)}")
    hole = Hole(_trade_id(row, "from_trade_id"), _trade_id(row, "to_trade_id"))
    if hole.missing < 1:
        raise RecordError(f"to_trade_id: {hole.to_id} lies before {hole.from_id}")
    if not isinstance(row.get("reason"), str):
        raise RecordError(f"reason: {shown(row.get('reason'))} is not a string")
    return LedgerEntry(hole, cast("Status", row["status"]), row["reason"], _detected(row))


def _trade_id(row: dict[str, Any], field: str) -> int:
    value = row.get(field)
    number = isinstance(value, int) and not isinstance(value, bool)
    return counting_number(str(value) if number else value, field)  # older ledgers: JSON numbers


def _detected(row: dict[str, Any]) -> int:
    value = row.get("detected_utc")
    try:
        return times.parse_iso(value if isinstance(value, str) else shown(value))
    except ValueError as error:
        raise RecordError(f"detected_utc: {error}") from None


def read_generation(path: Path) -> int:
    """Return how often the log was repaired behind its newest line: 0 if the file is absent.

    Raises VaultError for a file that does not say.
    """
    try:
        value = orjson.loads(path.read_bytes())["generation"]
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise disk_error(path, "read", error) from error
    except (ValueError, TypeError, KeyError):
        value = None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise VaultError(
            f'{path}: is not like {{"generation":2}}; write there a number above every one used '
            "before, and run the calculators with --rebuild"
        )
    return value


def raise_generation(path: Path) -> int:
    """Raise the generation by one, durably, and return it; the last step of a repair."""
    generation = read_generation(path) + 1
    replace_file(path, orjson.dumps({"generation": generation}) + b"\n")
    return generation
