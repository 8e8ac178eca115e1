"""Metadata of an instrument: as the exchange gives it now, and in force at a time (SPEC 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.errors import FeedError, NoDataError, UsageError, VaultError, shown
from ravequant.records import RecordError, check_inst_id, contract_of, positive_decimal
from ravequant.vault.append_log import AppendLog
from ravequant.vault.atomic import disk_error, replace_file
from ravequant.vault.line_file import is_there, lines_backward, lines_forward
from ravequant.vault.lock import turn
from ravequant.vault.paths import Vault

_REMEDY: Final = "start the trade exporter once, it fetches the metadata"
_ABSENT: Final = (-1, -1)  # the stamp of a history file that does not exist


@dataclass(frozen=True, slots=True)
class Metadata:
    """One instrument as the exchange describes it; numbers as decimal text, as they came."""

    inst_id: str
    fetched_ms: int  # wall clock, for people only: nothing is computed from it
    contract: Contract
    ct_val_ccy: str
    settle_ccy: str
    tick_sz: str  # smallest step of the price
    lot_sz: str  # smallest step of a size, in contracts
    min_sz: str  # smallest order, in contracts
    state: str  # "live", "suspend", …: the exchange adds states
    raw: Mapping[str, Any]  # the exchange's whole row

    @property
    def terms(self) -> tuple[object, ...]:
        """The fields whose change makes a line of history."""
        return (
            self.contract,
            self.ct_val_ccy,
            self.settle_ccy,
            self.tick_sz,
            self.lot_sz,
            self.min_sz,
            self.state,
        )


# (time in Unix ms after which it holds, None: from the start; metadata), oldest first
History = Sequence[tuple[int | None, Metadata]]


def parse_instrument(row: Mapping[str, Any], fetched_ms: int | None = None) -> Metadata:
    """Return the metadata in a row of the exchange's list of instruments.

    ``fetched_ms`` is the wall clock when absent. Raises FeedError if the row cannot be used.
    """
    try:
        moment = times.utc_now_ms() if fetched_ms is None else fetched_ms
        return _build(row, moment, row)
    except RecordError as error:
        raise FeedError(
            f"the exchange's row of instrument {shown(row.get('instId'))} cannot be used: "
            f"{error}; if it is newly listed try again when it trades, else leave it out"
        ) from None


def load(vault: Vault, inst_id: str) -> Metadata:
    """Return the metadata saved last. Raises VaultError if they are missing or damaged."""
    path = vault.metadata(inst_id)
    try:
        return _parse(path.read_bytes(), inst_id)[1]
    except FileNotFoundError:
        raise NoDataError(f"{path}: there is no metadata of {inst_id}; {_REMEDY}") from None
    except OSError as error:
        raise disk_error(path, "read", error) from error
    except RecordError as error:
        raise VaultError(f"{path}: is not metadata of {inst_id}: {error}; {_REMEDY}") from None


def save(vault: Vault, meta: Metadata, newest_ts: int | None) -> bool:
    """Write the metadata; return True if their terms were new, and so made a line of history.

    ``newest_ts`` is the time of the newest record on disk (None: there is none): new terms hold for
    later records. The line is on disk when this returns, and so before any of those records. Both
    exporters write metadata: each waits for its turn.
    """
    path = vault.metadata_history(meta.inst_id)
    with turn(vault, "metadata", meta.inst_id):
        before = _newest(path, meta.inst_id)
        changed = before is None or before.terms != meta.terms
        if changed:
            since = None if newest_ts is None else times.iso(newest_ts)
            with AppendLog(path) as log:
                log.append(_encode(meta, {"from_utc": since}))
        replace_file(vault.metadata(meta.inst_id), _encode(meta, {}))
    return changed


def note_earlier(vault: Vault, inst_id: str, contracts: Mapping[str, Contract]) -> None:
    """Put the contracts of imported days before the first line of the history (SPEC section 3).

    ``contracts`` are those that differ from the metadata, by UTC day; each holds to the end of its
    last day. Of a first line that holds from the start, the time from which it holds is then said.
    All other terms of such lines are those of the first line. Raises VaultError.
    """
    with turn(vault, "metadata", inst_id):
        known = history(vault, inst_id)
        begin = next((since for since, _ in known if since is not None), None)
        new = {
            day: contract
            for day, contract in contracts.items()
            if begin is None or times.day_start_ms(day) < begin
            if known and in_force(known, times.day_start_ms(day) + 1).contract != contract
        }
        if not new:
            return
        since, first = known[0]
        lines, before = list[tuple[int | None, Metadata]](), ""
        for day in sorted(new):
            if not before or new[day] != new[before]:
                start = times.day_start_ms(day) - 1 if before else None
                lines.append((start, replace(first, contract=new[day])))
            before = day
        last_end = times.day_start_ms(max(new)) + times.DAY_MS - 1
        known[0] = (last_end if since is None else since), first
        data = b"".join(
            _encode(meta, {"from_utc": None if start is None else times.iso(start)})
            for start, meta in [*lines, *known]
        )
        replace_file(vault.metadata_history(inst_id), data)


def history(vault: Vault, inst_id: str) -> list[tuple[int | None, Metadata]]:
    """Return every change of the metadata, oldest first; [] if there is no history.

    Raises VaultError for a whole line that cannot be read: a tick size must not be guessed.
    """
    path = vault.metadata_history(inst_id)
    found = []
    for number, line in enumerate(lines_forward(path) if is_there(path) else (), 1):
        try:
            found.append(_parse(line, inst_id))
        except RecordError as error:
            raise VaultError(
                f"{path}: line {number} is not metadata of {inst_id}: {error}; "
                "mend that line or take it out"
            ) from None
    return found


def in_force(changes: History, ts: int) -> Metadata:
    """Return the metadata in force for a record of the moment ``ts`` (Unix ms).

    Before the first change the first known metadata hold. Raises VaultError without a history.
    """
    if not changes:
        raise VaultError(f"there is no history of the metadata; {_REMEDY}")
    for since, meta in reversed(changes):
        if since is None or since < ts:
            return meta
    return changes[0][1]


class InForce(Protocol):
    """The metadata of an instrument at any time, as folds need it."""

    def refresh(self) -> None:
        """Take in changes that became known since; called once the records to judge are read."""

    def at(self, ts: int) -> Metadata:
        """Return the metadata in force for a record of the moment ``ts`` (Unix ms)."""


class InstrumentHistory:
    """The metadata of an instrument at any time, kept up to date while its history grows.

    A vault without a history has one metadata file, which then holds for all time. Raises
    VaultError at once if there is neither, or if it cannot be read.
    """

    def __init__(self, vault: Vault, inst_id: str) -> None:
        self._vault, self._inst_id = vault, inst_id
        self._path = vault.metadata_history(inst_id)
        self._stamp: tuple[int, int] | None = None
        self._changes: History = ()
        self.refresh()

    def refresh(self) -> None:
        """Read the history again if its file has changed.

        Called once the records to judge are read: a change is on disk before any later record.
        """
        try:
            facts = self._path.stat()
            stamp = facts.st_mtime_ns, facts.st_size
        except FileNotFoundError:
            stamp = _ABSENT
        if stamp == self._stamp:
            return
        changes = history(self._vault, self._inst_id)
        self._changes = changes or [(None, load(self._vault, self._inst_id))]
        self._stamp = stamp

    def at(self, ts: int) -> Metadata:
        """Return the metadata in force for a record of the moment ``ts`` (Unix ms)."""
        return in_force(self._changes, ts)


def known_history(vault: Vault, inst_id: str) -> InstrumentHistory | None:
    """Return the metadata at any time; None if there are none. Raises VaultError for damaged ones.

    For calculators that can do without.
    """
    if is_there(vault.metadata_history(inst_id)) or is_there(vault.metadata(inst_id)):
        return InstrumentHistory(vault, inst_id)
    return None


def _newest(path: Path, inst_id: str) -> Metadata | None:
    for line in lines_backward(path) if is_there(path) else ():
        try:
            return _parse(line, inst_id)[1]
        except RecordError:
            continue  # a damaged line: history() refuses it; here it must not stop the exporter
    return None


def _encode(meta: Metadata, first: Mapping[str, Any]) -> bytes:
    fields = {
        **first,
        "instId": meta.inst_id,
        "fetched_utc": times.iso(meta.fetched_ms),
        "ctVal": meta.contract.ct_val,
        "ctMult": meta.contract.ct_mult,
        "ctType": meta.contract.ct_type,
        "ctValCcy": meta.ct_val_ccy,
        "settleCcy": meta.settle_ccy,
        "tickSz": meta.tick_sz,
        "lotSz": meta.lot_sz,
        "minSz": meta.min_sz,
        "state": meta.state,
        "raw": meta.raw,
    }
    return orjson.dumps(fields) + b"\n"


def _parse(data: bytes, inst_id: str) -> tuple[int | None, Metadata]:
    try:
        row = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RecordError(f"not JSON: {error}") from None
    if not isinstance(row, dict) or not isinstance(row.get("raw"), dict):
        raise RecordError("not a JSON object with the exchange's row in raw")
    if row.get("instId") != inst_id:
        raise RecordError(f"instId: {shown(row.get('instId'))} is not {inst_id!r}")
    since = row.get("from_utc")
    return (
        None if since is None else _moment(since, "from_utc"),
        _build(row, _moment(row.get("fetched_utc"), "fetched_utc"), row["raw"]),
    )


def _build(row: Mapping[str, Any], fetched_ms: int, raw: Mapping[str, Any]) -> Metadata:
    return Metadata(
        inst_id=_inst_id(row.get("instId")),
        fetched_ms=fetched_ms,
        contract=contract_of(dict(row)),
        ct_val_ccy=_string(row, "ctValCcy"),
        settle_ccy=_string(row, "settleCcy"),
        tick_sz=positive_decimal(row.get("tickSz"), "tickSz", exact.PRICE_PLACES),
        lot_sz=positive_decimal(row.get("lotSz"), "lotSz", exact.SIZE_PLACES),
        min_sz=positive_decimal(row.get("minSz"), "minSz", exact.SIZE_PLACES),
        state=_string(row, "state"),
        raw=dict(raw),
    )


def _inst_id(value: Any) -> str:
    try:
        return check_inst_id(value if isinstance(value, str) else shown(value))
    except UsageError as error:
        raise RecordError(f"instId: {error}") from None


def _string(row: Mapping[str, Any], field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value:
        raise RecordError(f"{field}: {shown(value)} is not a string with something in it")
    return value


def _moment(value: Any, field: str) -> int:
    try:
        return times.parse_iso(value if isinstance(value, str) else shown(value))
    except ValueError as error:
        raise RecordError(f"{field}: {error}") from None
