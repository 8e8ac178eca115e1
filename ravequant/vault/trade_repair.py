"""Repairs the raw trade log: a repair is noted first, then carried out step by step.

Records fetched late belong in the middle of finished days, or of the day being written. The whole
repair is noted in ``state/repair/`` before anything changes, and the note is deleted last: a repair
that was stopped anywhere is resumed by the next program that looks, and gives the same files. The
program that holds the writer's lock carries it out: repair_gaps, or the exporter between two
appends.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from ravequant import times
from ravequant.errors import VaultError
from ravequant.records import RecordError, parse_trade
from ravequant.vault import commit, compress
from ravequant.vault.atomic import disk_error
from ravequant.vault.gap_ledger import (
    Gap,
    GapLedger,
    LedgerEntry,
    raise_generation,
    read_generation,
)
from ravequant.vault.line_file import open_lines, reading
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import StrPath, Vault

METRIC: Final = "repair"
RETENTION: Final = "retention"  # finished days are compressed under this lock
MOST_ASKED: Final = 4_000_000  # bytes of the largest note that a running exporter carries out
_REMEDY: Final = "delete it, repair again, and run the calculators with --rebuild"
_BLOCK: Final = 1 << 20
_COMPARED: Final = 1 << 12  # bytes that tell if lines are in a file
_SAYS_AHEAD: Final = b',"ahead":true'


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
class Move:
    """Whole lines at the start of a day file that belong to the end of an earlier one.

    Offsets are of uncompressed bytes. ``ahead`` are the places, in the file they come from, of the
    last braces of records that are ahead and do not say so yet.
    """

    key: str
    start: int
    end: int
    to: str
    at: int  # length of that file's whole lines
    head: int  # bytes at the start of what is written there, and their CRC32
    crc32: int
    ahead: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Repair:
    """The repair of one instrument, on all its days."""

    inst_id: str
    days: tuple[DayRepair, ...]
    entries: tuple[LedgerEntry, ...]
    generation: int  # of the instrument after the repair
    moves: tuple[Move, ...] = ()  # come first; of one file they ascend and leave nothing out


def note_path(vault: Vault, inst_id: str) -> Path:
    """Return the file that notes a repair under way."""
    return vault.state(METRIC, inst_id)


def is_noted(vault: Vault, inst_id: str) -> bool:
    """Return True if a repair is noted and not finished."""
    return note_path(vault, inst_id).exists()


def too_large(vault: Vault, inst_id: str) -> bool:
    """Return True if a running exporter leaves the note to repair_gaps, which asks for its end.

    An exporter has little memory, and goes on in the file that it has begun.
    """
    path = note_path(vault, inst_id)
    try:
        return path.stat().st_size > MOST_ASKED or b'"moves":[[' in path.read_bytes()
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
        for move in repair.moves:
            _append(vault, inst_id, move)
        for key in dict.fromkeys(move.key for move in repair.moves):
            _cut(vault, inst_id, [move for move in repair.moves if move.key == key])
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
        "moves": [[getattr(move, name) for name in Move.__slots__] for move in repair.moves],
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
            tuple(
                Move(_day(key), start, end, _day(to), at, head, crc32, tuple(ahead))
                for key, start, end, to, at, head, crc32, ahead in facts.get("moves", ())
            ),
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
    source = _standing(vault, inst_id, day.key)
    try:
        if not source.exists() or not _is_done(source, day, inst_id, vault.exchange):
            _replace(source, _merged(source, [(put.offset, [put.data]) for put in day.inserts]))
        _drop_twin(source)
    except OSError as error:
        raise disk_error(source, "repaired", error) from error


def _standing(vault: Vault, inst_id: str, key: str) -> Path:
    """Return the form of a day that counts: the plain one, unless only the other is there."""
    plain = vault.trades(inst_id) / f"{key}.jsonl"
    packed = compress.packed_form(plain)
    return plain if plain.exists() or not packed.exists() else packed


def _drop_twin(source: Path) -> None:
    """Delete the packed form of a day with both: the plain one counts, and now holds more."""
    if source.suffix != ".gz" and source.exists():
        compress.packed_form(source).unlink(missing_ok=True)


def _append(vault: Vault, inst_id: str, move: Move) -> None:
    """Append the moved lines to the file of their day, unless they are there."""
    source, target = (_standing(vault, inst_id, key) for key in (move.key, move.to))
    try:
        found = b""
        if target.exists():
            found = b"".join(_bytes_of(target, move.at, move.at + move.head))
            if zlib.crc32(found) == move.crc32:
                return
        if b"\n" in found or (move.at and not target.exists()):
            raise _changed(target, move.at, "its end")
        if not _is_there(source, move):
            raise _changed(source, move.start, "the lines to be moved")
        _replace(target, _merged(target, [(move.at, _moved(source, move))]))
        _drop_twin(target)
    except OSError as error:
        raise disk_error(target, "repaired", error) from error


def _cut(vault: Vault, inst_id: str, moves: Sequence[Move]) -> None:
    """Cut the moved lines off the start of their file, unless that is done.

    A file without another whole line is deleted, its torn line kept aside: it would be the newest
    one, in which the exporter goes on.
    """
    source, end = _standing(vault, inst_id, moves[0].key), moves[-1].end
    try:
        if not _is_there(source, moves[0]):
            return
        if any(b"\n" in block for block in _bytes_of(source, end, None)):
            _replace(source, _bytes_of(source, end, None))
            _drop_twin(source)
            return
        if torn := b"".join(_bytes_of(source, end, None)):
            with (source.parent / f"{moves[0].key}.jsonl.torn").open("ab") as aside:
                aside.write(torn)
        for path in {source, compress.packed_form(source)}:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(source, "repaired", error) from error


def planned_move(move: Move, source: StrPath) -> Move:
    """Return a move with the CRC32 of what it will write. Raises VaultError."""
    source = Path(source)
    head = _head(source, replace(move, head=_COMPARED))
    return replace(move, head=len(head), crc32=zlib.crc32(head))


def _is_there(source: Path, move: Move) -> bool:
    """Return True if the lines of a move are still in the file that they leave."""
    return source.exists() and zlib.crc32(_head(source, move)) == move.crc32


def _head(source: Path, move: Move) -> bytes:
    found = b""
    for block in _moved(source, move):
        found += block[: move.head - len(found)]
        if len(found) == move.head:
            break
    return found


def _moved(source: Path, move: Move) -> Iterator[bytes]:
    """Yield the lines of a move, those that are ahead so marked."""
    place = move.start
    for mark in move.ahead:
        yield from _bytes_of(source, place, mark)
        yield _SAYS_AHEAD
        place = mark
    yield from _bytes_of(source, place, move.end)


def _bytes_of(path: Path, start: int, end: int | None) -> Iterator[bytes]:
    """Yield the uncompressed bytes of a file from ``start`` to ``end``, or to its end."""
    with reading(path), open_lines(path) as stream:
        stream.seek(start)
        yield from compress.blocks(stream) if end is None else _limited(stream, end - start)


def _changed(path: Path, offset: int, expected: str) -> VaultError:
    return VaultError(
        f"{path}: at byte {offset} expected {expected}; the file has changed since the repair was "
        "planned: delete its note in state/repair and repair again"
    )


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
        expected = "its end" if put.next_id is None else f"the record of id {put.next_id}"
        raise _changed(path, put.offset, expected)
    return False


def _first_id(line: bytes, inst_id: str, exchange: str) -> int | None:
    try:
        return parse_trade(line, inst_id, exchange)[0].first_id
    except RecordError:
        return None


def _replace(path: Path, content: Iterator[bytes]) -> None:
    """Replace a file, plain or packed, by its new content, which is synced and read back first."""
    packed = path.suffix == ".gz"
    with compress.put_in_place(path) as temporary:
        wanted = compress.write_copy(content, temporary, packed=packed)
        if compress.content_of(temporary, packed=packed) != wanted:
            raise VaultError(
                f"{path}: its repaired copy does not read back as {wanted.length} bytes; the file "
                "stays as it was; check the disk"
            )


def _merged(source: Path, puts: Iterable[tuple[int, Iterable[bytes]]]) -> Iterator[bytes]:
    """Yield a file with what is put in, each before its offset; the file may be new."""
    if not source.exists():
        for _, data in puts:
            yield from data
        return
    with reading(source), open_lines(source) as stream:
        place = 0
        for offset, data in puts:
            for block in _limited(stream, offset - place):
                place += len(block)
                yield block
            if place != offset:
                raise VaultError(
                    f"{source} ends at byte {place}, expected at least {offset}; delete the "
                    "note in state/repair and repair again"
                )
            yield from data
        yield from compress.blocks(stream)


def _limited(stream: BinaryIO, count: int) -> Iterator[bytes]:
    while count > 0 and (block := stream.read(min(count, _BLOCK))):
        count -= len(block)
        yield block
