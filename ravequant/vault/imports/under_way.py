"""Puts imported days in their places: all that is needed is noted first, then done step by step.

Days are built aside, which takes long and changes nothing. Then ``state/import/{INSTID}.json`` is
flushed, which names the days and the generation to come; each part is renamed into its place; then
come the ledger, the provenance and, last, the generation. An import that was stopped anywhere in
this is resumed by the next program that looks, and gives the same files. The program that holds
the writer's lock carries it out: the running exporter between two flushes, else the importer or
run_all.
"""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Final

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault import commit, compress, raw_content
from ravequant.vault.atomic import disk_error, move_over
from ravequant.vault.gap_ledger import (
    Gap,
    GapLedger,
    LedgerEntry,
    Status,
    raise_generation,
    read_generation,
    status_ranges,
)
from ravequant.vault.imports import built_day, provenance
from ravequant.vault.imports.built_day import BuiltDay
from ravequant.vault.imports.id_spans import IdSpan, without
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import IMPORT, Vault
from ravequant.vault.trade_repair import RETENTION

_REASONS: Final[dict[Status, str]] = {
    "open": "archive: ids missing",
    "id_hole": "archive: the candle of each minute equals its trades",
    "repaired": "archive: found there",
}
_KNOWN: Final = ("open", "id_hole", "unrecoverable")
EVERY_DAY: Final = "~"  # sorts behind every day
_REMEDY: Final = "delete it and run the import again"


@dataclass(frozen=True, slots=True)
class ImportNote:
    """An import whose days are being put in their places."""

    inst_id: str
    days: tuple[str, ...]  # ascending
    generation: int  # of the instrument afterwards
    between: tuple[IdSpan, ...]  # ids missing between one of the days and the recording behind it
    noted_ms: int  # wall clock, for people only


@dataclass(frozen=True, slots=True)
class PlacedDays:
    """The state of an import after some work."""

    placed: tuple[str, ...]  # days that stand in their places, also by an earlier attempt
    left: tuple[str, ...]  # days that were not put there: the first has changed
    done: bool  # False: the time was up; the note stays


def is_noted(vault: Vault, inst_id: str) -> bool:
    """Return True if days are being put in their places."""
    return vault.import_note(inst_id).exists()


def noted(vault: Vault, inst_id: str) -> ImportNote | None:
    """Return the note; None if there is none. Raises VaultError if it is damaged."""
    path = vault.import_note(inst_id)
    facts = commit.read_state(path, IMPORT, inst_id, _REMEDY)
    if facts is None:
        return None
    try:
        for day in facts["days"]:
            times.day_start_ms(day)  # a path is built from it
        return ImportNote(
            inst_id,
            tuple(facts["days"]),
            int(facts["generation"]),
            tuple((int(first), int(last)) for first, last in facts["between"]),
            times.parse_iso(facts["noted_utc"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise VaultError(f"{path} is no import under way: {error!r}; {_REMEDY}") from None


def note(
    vault: Vault, inst_id: str, days: Sequence[str], between: Iterable[IdSpan] = ()
) -> ImportNote:
    """Note durably that these built days will be put in their places. Raises VaultError."""
    made = ImportNote(
        inst_id,
        tuple(sorted(days)),
        read_generation(vault.generation(inst_id)) + 1,
        tuple(between),
        times.utc_now_ms(),
    )
    facts: dict[str, Any] = {
        "metric": IMPORT,
        "instId": inst_id,
        "days": made.days,
        "generation": made.generation,
        "between": made.between,
        "noted_utc": times.iso(made.noted_ms),
    }
    commit.write_state(vault.import_note(inst_id), facts)
    return made


def finish(
    vault: Vault, inst_id: str, *, before: str = EVERY_DAY, within_s: float = inf
) -> PlacedDays | None:
    """Put the noted days in their places, or the rest of them; None if none is noted.

    The caller holds the writer's lock of the trades, and writes itself to no day ``before`` that;
    the others are left. After ``within_s`` seconds it stops between two days: call it again. Raises
    LockedError while finished days are being compressed, and VaultError if the disk refuses. Then
    the note stays, and each day is whole, as it was or as it will be.
    """
    found = noted(vault, inst_id)
    if found is None:
        return None
    deadline = time.monotonic() + within_s
    placed = list[BuiltDay]()
    left: tuple[str, ...] = ()
    with writer_lock(vault, RETENTION, inst_id):
        for number, day in enumerate(found.days):
            built = built_day.load(vault, inst_id, day)
            if built is None:  # an earlier attempt was stopped when all was done
                continue
            if time.monotonic() > deadline:
                return PlacedDays(tuple(one.day for one in placed), (), done=False)
            if day >= before or not _place(vault, inst_id, built):
                left = found.days[number:]
                break
            placed.append(built)
    if placed:
        _account(vault, found, placed, whole=not left)
    for built in placed:
        built_day.drop(vault, inst_id, built.day)
    _remove(vault.import_note(inst_id))
    return PlacedDays(tuple(built.day for built in placed), left, done=True)


def _place(vault: Vault, inst_id: str, built: BuiltDay) -> bool:
    """Rename a part into its place, unless that is done; False if its day has changed since."""
    part = built_day.part_path(vault, inst_id, built.day)
    plain = vault.trades(inst_id) / f"{built.day}.jsonl"
    target = compress.packed_form(plain) if built.packed else plain
    try:
        if part.exists():
            if part.stat().st_size != built.size:
                raise VaultError(f"{part} has changed since it was built; {_REMEDY}")
            standing = built_day.standing_file(vault, inst_id, built.day)
            if not _is_base(standing, built):
                return _stands(standing, built, part)
            target.parent.mkdir(parents=True, exist_ok=True)
            move_over(part, target)
        elif not target.exists():
            raise VaultError(f"{part}: the built day is gone; {_REMEDY}")
        if not built.packed:  # the plain one counts, and the other holds less
            compress.packed_form(plain).unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(target, "put in its place", error) from error
    return True


def _stands(standing: Path | None, built: BuiltDay, part: Path) -> bool:
    """Return True if the day stands there: a power cut may have brought its part's name back."""
    if standing is None or raw_content.content_of(standing) != built.content:
        return False
    part.unlink()
    return True


def _is_base(standing: Path | None, built: BuiltDay) -> bool:
    """Return True if the day is still as it was when the part was made of it."""
    if standing is None or built.base is None:
        return standing is None and built.base is None
    if built.packed and standing.suffix != ".gz":
        return False  # it would hide the part
    return raw_content.content_of(standing) == built.base


# -- ledger, provenance, generation


def _account(vault: Vault, found: ImportNote, placed: Sequence[BuiltDay], *, whole: bool) -> None:
    inst_id = found.inst_id
    ledger = GapLedger(vault.gap_ledger(inst_id), inst_id)
    for built in placed:
        _settle(ledger, built, found.noted_ms)
    for gap in found.between if whole else ():
        _say(ledger, gap, "open", found.noted_ms, unless=_KNOWN)
    known = provenance.newest(vault, inst_id)
    fresh = [built.line for built in placed if known.get(built.day) != built.line]
    if fresh:
        provenance.append(vault, inst_id, fresh)
    while read_generation(vault.generation(inst_id)) < found.generation:
        raise_generation(vault.generation(inst_id))


def _settle(ledger: GapLedger, built: BuiltDay, moment_ms: int) -> None:
    """Bring the ledger up to a day: ids that came are not open, ids that lack are named."""
    for gap in without([(built.first_id, built.last_id)], built.missing):
        _say(ledger, gap, "repaired", moment_ms, unless=(None, "repaired"))
    for gap in built.id_holes:
        _say(ledger, gap, "id_hole", moment_ms, unless=("id_hole",))
    for gap in without(built.missing, built.id_holes):
        _say(ledger, gap, "open", moment_ms, unless=_KNOWN)


def _say(
    ledger: GapLedger,
    ids: IdSpan,
    status: Status,
    moment_ms: int,
    *,
    unless: Sequence[Status | None],
) -> None:
    """Note the status of those ids that have none of ``unless``."""
    for found in status_ranges(ledger.entries(), *ids):
        if found.status not in unless:
            gap = Gap(found.from_id, found.to_id)
            ledger.append(LedgerEntry(gap, status, _REASONS[status], moment_ms))


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_error(path, "removed", error) from error
    with suppress(OSError):  # days that wait stand there
        path.with_suffix("").rmdir()
