"""Repairs the raw trade log: a repair is noted first, then carried out step by step.

Records fetched late belong in the middle of finished days, or of the day being written. The whole
repair is noted in ``state/repair/`` before anything changes, and the note is deleted last: a repair
that was stopped anywhere is resumed by the next program that looks, and gives the same files. The
program that holds the writer's lock carries it out: repair_gaps, or the exporter between two
appends.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from ravequant import times
from ravequant.errors import VaultError
from ravequant.records import RecordError, parse_trade
from ravequant.vault import commit, compress
from ravequant.vault.atomic import disk_error, move_over
from ravequant.vault.gap_ledger import (
    Gap,
    GapLedger,
    LedgerEntry,
    raise_generation,
    read_generation,
)
from ravequant.vault.line_file import open_lines, reading
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault

METRIC: Final = "repair"
RETENTION: Final = "retention"  # finished days are compressed under this lock
MOST_ASKED: Final = 4_000_000  # bytes of the largest note that a running exporter carries out
_REMEDY: Final = "delete it, repair again, and run the calculators with --rebuild"
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Insert:
    """Whole lines to insert before the byte ``offset`` of a day (uncompressed)."""

    offset: int
    next_id: int | None  # first id of the record that begins there; None: the day ends there
    data: bytes


@dataclass(frozen=True, slots=True)
class DayRepair:
    """The inserts of one day's file, offsets ascending; the file may be new."""

    key: str
    inserts: tuple[Insert, ...]


@dataclass(frozen=True, slots=True)
class Repair:
    """The repair of one instrument, on all its days."""

    inst_id: str
    days: tuple[DayRepair, ...]
    entries: tuple[LedgerEntry, ...]
    generation: int  # of the instrument after the repair


def note_path(vault: Vault, inst_id: str) -> Path:
    """Return the file that notes a repair under way."""
    return vault.state(METRIC, inst_id)


def is_noted(vault: Vault, inst_id: str) -> bool:
    """Return True if a repair is noted and not finished."""
    return note_path(vault, inst_id).exists()


def too_large(vault: Vault, inst_id: str) -> bool:
    """Return True if the note is too large for a running exporter, which has little memory."""
    try:
        return note_path(vault, inst_id).stat().st_size > MOST_ASKED
    except FileNotFoundError:
        return False


def note(vault: Vault, repair: Repair) -> None:
    """Note a repair durably; from then on it will be carried out."""
    commit.write_state(note_path(vault, repair.inst_id), _facts(repair))


def finish(vault: Vault, inst_id: str) -> Repair | None:
    """Carry out the noted repair, or the rest of it, and return it; None if none is noted.

    The caller holds the writer's lock of the trades. Raises LockedError while finished days are
    being compressed, and VaultError if the disk refuses or the log has changed since the note. The
    note then stays, and each day is whole, before or after its repair.
    """
    repair = _noted(vault, inst_id)
    if repair is None:
        return None
    with writer_lock(vault, RETENTION, inst_id):
        for day in repair.days:
            _put_in(vault, inst_id, day)
    ledger = GapLedger(vault.gap_ledger(inst_id), inst_id)
    for entry in repair.entries:
        if entry not in ledger.entries():
            ledger.append(entry)
    while read_generation(vault.generation(inst_id)) < repair.generation:
        raise_generation(vault.generation(inst_id))
    path = note_path(vault, inst_id)
    try:
        path.unlink()
    except OSError as error:
        raise disk_error(path, "removed", error) from error
    return repair


# -- the note


def _facts(repair: Repair) -> dict[str, Any]:
    return {
        "metric": METRIC,
        "instId": repair.inst_id,
        "generation": repair.generation,
        "days": [
            {
                "key": day.key,
                "inserts": [[put.offset, put.next_id, put.data.decode()] for put in day.inserts],
            }
            for day in repair.days
        ],
        "entries": [
            [entry.gap.from_id, entry.gap.to_id, entry.status, entry.reason, entry.detected_ms]
            for entry in repair.entries
        ],
    }


def _noted(vault: Vault, inst_id: str) -> Repair | None:
    path = note_path(vault, inst_id)
    try:
        facts = commit.read_state(path, METRIC, inst_id, _REMEDY)
        if facts is None:
            return None
        return Repair(
            inst_id,
            tuple(
                DayRepair(
                    _day(day["key"]),
                    tuple(
                        Insert(offset, next_id, text.encode())
                        for offset, next_id, text in day["inserts"]
                    ),
                )
                for day in facts["days"]
            ),
            tuple(
                LedgerEntry(Gap(first, last), status, reason, detected_ms)
                for first, last, status, reason, detected_ms in facts["entries"]
            ),
            facts["generation"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise VaultError(
            f"{path} is no repair that can be carried out: {error}; {_REMEDY}"
        ) from None


def _day(key: str) -> str:
    times.day_start_ms(key)  # ValueError: a path is built from it
    return key


# -- one day


def _put_in(vault: Vault, inst_id: str, day: DayRepair) -> None:
    plain = vault.trades(inst_id) / f"{day.key}.jsonl"
    packed = compress.packed_form(plain)
    source = plain if plain.exists() or not packed.exists() else packed
    try:
        if source.exists() and _is_done(source, day, inst_id, vault.exchange):
            _drop_twin(plain, packed)
            return
        temporary = source.with_name(f".{source.name}.tmp")
        try:
            _write_merged(source, temporary, day)
            move_over(temporary, source)
        except (OSError, VaultError):
            with suppress(OSError):
                temporary.unlink()
            raise
        _drop_twin(plain, packed)
    except OSError as error:
        raise disk_error(source, "repaired", error) from error


def _drop_twin(plain: Path, packed: Path) -> None:
    """Delete the packed form of a day with both: the plain one counts, and now holds more."""
    if plain.exists():
        packed.unlink(missing_ok=True)


def _is_done(path: Path, day: DayRepair, inst_id: str, exchange: str) -> bool:
    """Return True if the lines are in the file; VaultError if their neighbour is not there either.

    A day is replaced as a whole, so its first insert stands for all.
    """
    put = day.inserts[0]
    with reading(path), open_lines(path) as stream:
        stream.seek(put.offset)
        found = b"".join(_limited(stream, len(put.data)))
        if found == put.data:
            return True
        if put.next_id is None:
            fits = b"\n" not in found  # the end of the file, at most a torn line
        else:
            while b"\n" not in found and (more := stream.read(_BLOCK)):
                found += more
            fits = _first_id(found.partition(b"\n")[0], inst_id, exchange) == put.next_id
    if not fits:
        raise VaultError(
            f"{path}: at byte {put.offset} expected "
            + ("its end" if put.next_id is None else f"the record of id {put.next_id}")
            + "; the file has changed since the repair was planned: delete its note in "
            "state/repair and repair again"
        )
    return False


def _first_id(line: bytes, inst_id: str, exchange: str) -> int | None:
    try:
        return parse_trade(line, inst_id, exchange)[0].first_id
    except RecordError:
        return None


def _write_merged(source: Path, target: Path, day: DayRepair) -> None:
    """Write source and inserts to ``target``, sync it, and read it back."""
    packed = source.suffix == ".gz"
    wanted = compress.write_copy(_merged(source, day), target, packed=packed)
    if compress.content_of(target, packed=packed) != wanted:
        raise VaultError(
            f"{source}: its repaired copy does not read back as {wanted.length} bytes; the file "
            "stays as it was; check the disk"
        )


def _merged(source: Path, day: DayRepair) -> Iterator[bytes]:
    if not source.exists():
        yield from (put.data for put in day.inserts)
        return
    with reading(source), open_lines(source) as stream:
        place = 0
        for put in day.inserts:
            for block in _limited(stream, put.offset - place):
                place += len(block)
                yield block
            if place != put.offset:
                raise VaultError(
                    f"{source} ends at byte {place}, expected at least {put.offset}; delete the "
                    "note in state/repair and repair again"
                )
            yield put.data
        yield from compress.blocks(stream)


def _limited(stream: BinaryIO, count: int) -> Iterator[bytes]:
    while count > 0 and (block := stream.read(min(count, _BLOCK))):
        count -= len(block)
        yield block
