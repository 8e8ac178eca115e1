"""The gap ledger (SPEC section 3): every gap in the trade ids, and its changes of status."""

import logging
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast, get_args

import orjson

from ravequant import times
from ravequant.errors import VaultError, shown
from ravequant.records import RecordError, counting_number, json_object
from ravequant.vault.append_log import AppendLog
from ravequant.vault.atomic import disk_error, replace_file
from ravequant.vault.paths import StrPath

Status = Literal["open", "repaired", "id_hole", "unrecoverable"]

_STATUSES: Final[tuple[str, ...]] = get_args(Status)
_LOGGED: Final = 20  # bad lines that are named; all are counted
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gap:
    """A range of missing trade ids, both ends included."""

    from_id: int
    to_id: int

    @property
    def missing(self) -> int:
        """The number of ids that it covers."""
        return self.to_id - self.from_id + 1


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A change of a gap's status; of several that cover an id the newest counts."""

    gap: Gap
    status: Status
    reason: str
    detected_ms: int  # wall clock, for people only: nothing is computed from it


class StatusRange(NamedTuple):
    """Ids of one status, both ends included; ``status`` is None where the ledger is silent."""

    from_id: int
    to_id: int
    status: Status | None


def status_ranges(entries: Sequence[LedgerEntry], first: int, last: int) -> list[StatusRange]:
    """Return the ids ``first … last`` cut where their status changes, in order."""
    bare, found = [(first, last)], list[StatusRange]()
    for entry in reversed(entries):
        left: list[tuple[int, int]] = []
        for begin, end in bare:
            low, high = max(begin, entry.gap.from_id), min(end, entry.gap.to_id)
            if low > high:
                left.append((begin, end))
                continue
            found.append(StatusRange(low, high, entry.status))
            left += [ids for ids in ((begin, low - 1), (high + 1, end)) if ids[0] <= ids[1]]
        bare = left
        if not bare:
            break
    found += [StatusRange(begin, end, None) for begin, end in bare]
    return sorted(found, key=lambda ids: ids.from_id)


def ids_by_status(ranges: Iterable[StatusRange]) -> Counter[str]:
    """Return how many ids have each status; ids that the ledger does not name are ``unknown``."""
    ids: Counter[str] = Counter()
    for found in ranges:
        ids[found.status or "unknown"] += found.to_id - found.from_id + 1
    return ids


class GapLedger:
    """The ledger of one instrument: read again when it has changed, appended to by its exporter.

    ``rejected`` counts whole lines that are no entries; they are logged once and skipped.
    """

    def __init__(self, path: StrPath, inst_id: str) -> None:
        path = Path(path)
        self.path = path
        self.inst_id = inst_id
        self.rejected = 0
        self._entries: list[LedgerEntry] = []
        self._id_holes: list[Gap] = []  # disjoint, never adjacent, ascending
        self._stamp: tuple[int, ...] = ()
        self._logged = 0  # bad lines before this byte were logged
        self.refresh()

    def entries(self) -> tuple[LedgerEntry, ...]:
        """Return all entries, oldest first."""
        return tuple(self._entries)

    def is_gap(self, first_missing: int, last_missing: int) -> bool:
        """Return False only if all of these ids are an ``id_hole``: they never were."""
        index = bisect_left(self._id_holes, first_missing, key=lambda gap: gap.to_id)
        if index == len(self._id_holes):
            return True
        covering = self._id_holes[index]
        return not covering.from_id <= first_missing <= last_missing <= covering.to_id

    def append(self, entry: LedgerEntry) -> None:
        """Write one entry and sync it. Raises VaultError, and then the entry is not there."""
        self.refresh()
        with AppendLog(self.path) as log:
            log.append(_line(entry, self.inst_id))
        self._take(entry)
        self._stamp = self._stamp_now()

    def refresh(self) -> bool:
        """Read the file again if it has changed; return True if it had."""
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
        first, last = entry.gap.from_id, entry.gap.to_id
        wide = entry.status == "id_hole"  # joins its neighbours into a single range
        low = bisect_left(self._id_holes, first - wide, key=lambda gap: gap.to_id)
        high = bisect_right(self._id_holes, last + wide, key=lambda gap: gap.from_id)
        self._id_holes[low:high] = _replacing(self._id_holes[low:high], first, last, wide=wide)


def _replacing(touched: list[Gap], first: int, last: int, *, wide: bool) -> Iterator[Gap]:
    """Yield the id holes that take the place of those that the new entry touches."""
    left = min(first, touched[0].from_id) if touched else first
    right = max(last, touched[-1].to_id) if touched else last
    if wide:
        yield Gap(left, right)
        return
    if left < first:
        yield Gap(left, first - 1)
    if last < right:
        yield Gap(last + 1, right)


def _line(entry: LedgerEntry, inst_id: str) -> bytes:
    fields = {
        "detected_utc": times.iso(entry.detected_ms),
        "channel": "trades",
        "instId": inst_id,
        "from_trade_id": str(entry.gap.from_id),
        "to_trade_id": str(entry.gap.to_id),
        "missing": entry.gap.missing,
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
    gap = Gap(_trade_id(row, "from_trade_id"), _trade_id(row, "to_trade_id"))
    if gap.missing < 1:
        raise RecordError(f"to_trade_id: {gap.to_id} lies before {gap.from_id}")
    if not isinstance(row.get("reason"), str):
        raise RecordError(f"reason: {shown(row.get('reason'))} is not a string")
    return LedgerEntry(gap, cast("Status", row["status"]), row["reason"], _detected(row))


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


def read_generation(path: StrPath) -> int:
    """Return how often the log was repaired before its newest line: 0 if the file is absent.

    Raises VaultError for a file that does not hold a number.
    """
    path = Path(path)
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


def raise_generation(path: StrPath) -> int:
    """Raise the generation by one, durably, and return it; this is the last step of a repair."""
    path = Path(path)
    generation = read_generation(path) + 1
    replace_file(path, orjson.dumps({"generation": generation}) + b"\n")
    return generation
