"""Builds one day of an import aside: reads its files, merges recorded lines, proves it."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, Literal

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.errors import VaultError
from ravequant.exchanges.archive.base import Archive, TradeDayRead, contract_with
from ravequant.exchanges.archive.partial import noted
from ravequant.trades.recorded_day import first_id_in, last_id_in, read_recorded
from ravequant.vault import raw_content
from ravequant.vault.compress import content_of
from ravequant.vault.imports import built_day, provenance
from ravequant.vault.imports.built_day import BuiltDay, WrittenPart
from ravequant.vault.imports.id_spans import IdSpan, within, without
from ravequant.vault.imports.merge import DayIds, Neighbours, RecordedDay, day_ids, merged
from ravequant.vault.imports.provenance import ImportedDay, SourceFile
from ravequant.vault.paths import Vault, day_files
from Trades_Bot.archive_files import TradeFiles

Outcome = Literal["built", "waits", "there", "noted", "empty"]
_NAMED: Final = 5  # minutes that differ from their candles, in the log
_log = logging.getLogger("import_trades")


@dataclass(frozen=True, slots=True)
class DayOptions:
    """How days are imported."""

    partial: bool = False  # also days of which a label lacks
    replace: bool = False  # also days whose files hold other records than before
    check: bool = True  # hold the minutes against the candles, where these are there


@dataclass(frozen=True, slots=True)
class DayResult:
    """The outcome of a day."""

    outcome: Outcome  # built; waits: by an earlier run; there: imported; noted; empty: no row
    day: str
    line: ImportedDay | None = None


@dataclass(frozen=True, slots=True)
class _DayProof:
    """A day's proof, and the contract that was in force."""

    proof: str
    contract: str
    differing: int = 0


class TradeDayBuilder:
    """Builds the days of one instrument, oldest first."""

    def __init__(
        self, vault: Vault, inst_id: str, archive: Archive, contract: Contract, options: DayOptions
    ) -> None:
        self._vault, self._inst_id, self._archive = vault, inst_id, archive
        self._contract, self._options = contract, options
        self._known = provenance.newest(vault, inst_id)
        self._last: BuiltDay | None = None  # the day built before
        self.contracts: dict[str, Contract] = {}  # by day, where they differ from the present

    def build(self, files: TradeFiles) -> DayResult:
        """Build a day, or find it built or imported. Raises ArchiveError and VaultError."""
        self._refuse_gaps(files)
        standing = built_day.standing_file(self._vault, self._inst_id, files.day)
        hashes, known = [_sha256(path) for path in files.trades], self._known.get(files.day)
        if known is not None and standing is not None and self._is_done(known, hashes, standing):
            self._last = None
            return DayResult("there", files.day, known)
        neighbours = self._neighbours(files.day)
        waiting = built_day.load(self._vault, self._inst_id, files.day)
        if waiting is not None and self._is_current(waiting, hashes, standing, neighbours):
            self._last = waiting
            return DayResult("waits", files.day, waiting.line)
        again = known is not None and not known.same_files(hashes) and standing is not None
        imported = known.spans if known is not None and again else ()
        recorded = None
        if standing is not None:
            recorded = _recorded(standing, self._inst_id, self._vault, neighbours, imported)
        return self._read(files, standing, recorded, neighbours, known if again else None)

    def _read(
        self,
        files: TradeFiles,
        standing: Path | None,
        recorded: RecordedDay | None,
        neighbours: Neighbours,
        known: ImportedDay | None,
    ) -> DayResult:
        candles, contract, source = self._candles(files, recorded)
        reader = self._archive.trade_day(
            files.trades,
            self._inst_id,
            files.day,
            contract,
            neighbours.covered(recorded.covered if recorded else ()),
        )
        digest, packed = hashlib.sha256(), standing is None or standing.suffix == ".gz"
        lines = merged(recorded, reader.blocks(), digest.update)
        part = built_day.write_part(self._vault, self._inst_id, files.day, lines, packed=packed)
        facts = reader.facts
        ids = day_ids(_ids_of(facts), recorded, neighbours)
        judged = self._judge(files, facts, ids, candles, source)
        if ids is None or (facts.rows and not ids.put_in and recorded is None):
            built_day.drop(self._vault, self._inst_id, files.day)
            self._refuse_foreign_ids(files, facts, neighbours)
            return DayResult("empty", files.day)
        line = _line(files, facts, ids, part, judged=judged, records_sha256=digest.hexdigest())
        if known is not None and line.records_sha256 == known.records_sha256:
            return self._note_only(replace(line, spans=known.spans, records=known.records))
        if known is not None and known.proof != "partial" and not self._options.replace:
            built_day.drop(self._vault, self._inst_id, files.day)
            raise VaultError(_rewritten(files, known, line))
        base = recorded.content if recorded else None
        if base == part.content:
            return self._note_only(line)
        built = BuiltDay(
            base, part.content, packed, part.size, neighbours.before, ids.first, ids.last,
            ids.missing, tuple(self._id_holes(files.day, facts, ids, judged)), line,
        )  # fmt: skip
        built_day.keep(self._vault, self._inst_id, built)
        self._last = built
        return DayResult("built", files.day, line)

    def _note_only(self, line: ImportedDay) -> DayResult:
        """Account for a day to whose file nothing is added."""
        built_day.drop(self._vault, self._inst_id, line.day)
        provenance.append(self._vault, self._inst_id, [line])
        self._last = None
        return DayResult("noted", line.day, line)

    # -- files and days on disk

    def _refuse_gaps(self, files: TradeFiles) -> None:
        if self._options.partial or not files.lacking:
            return
        lacking = " and ".join(files.lacking)
        raise VaultError(
            f"{self._inst_id} {files.day}: the file of trades labelled {lacking} lacks, and a UTC "
            "day needs both its labels; fetch it, or import what is there with --partial"
        )

    def _is_done(self, known: ImportedDay, hashes: Sequence[str], standing: Path) -> bool:
        if not known.same_files(hashes):
            return False
        found = content_of(standing, packed=standing.suffix == ".gz")
        return found is not None and found.sha256 == known.sha256

    def _is_current(
        self,
        built: BuiltDay,
        hashes: Sequence[str],
        standing: Path | None,
        neighbours: Neighbours,
    ) -> bool:
        part = built_day.part_path(self._vault, self._inst_id, built.day)
        if not part.exists() or part.stat().st_size != built.size:
            return False
        if not built.line.same_files(hashes) or built.before_id != neighbours.before:
            return False
        base = None if standing is None else raw_content.content_of(standing)
        return built.base == base

    def _neighbours(self, day: str) -> Neighbours:
        """Return the newest id before a day, of this import or on disk, and the oldest behind."""
        files = list(day_files(self._vault.trades(self._inst_id)))
        before = [item for item in files if item[0] < day]
        behind = [path for key, path in files if key > day]
        last, built = None, self._last
        if built is not None and (before[-1][0] if before else "") <= built.day < day:
            last = built.last_id
        else:
            found = (self._id(path, newest=True) for _, path in reversed(before))
            last = next((an_id for an_id in found if an_id is not None), None)
        firsts = (self._id(path, newest=False) for path in behind)
        return Neighbours(last, next((an_id for an_id in firsts if an_id is not None), None))

    def _id(self, path: Path, *, newest: bool) -> int | None:
        stamp = raw_content.stamp(path)
        return _id_in(str(path), stamp, self._inst_id, self._vault.exchange, newest)

    # -- proof

    def _candles(
        self, files: TradeFiles, recorded: RecordedDay | None
    ) -> tuple[object | None, Contract, str]:
        """Return the candles, the contract in force and its source."""
        form = self._archive.candles
        if not files.candles or not self._options.check:
            return None, self._contract, "metadata" if recorded else "assumed"
        candles = form.read(files.candles, self._inst_id, files.day)
        worth = form.contract_in_force(candles, self._contract.ct_type)
        if worth is None:
            return candles, self._contract, "metadata" if recorded else "assumed"
        if _is_worth(self._contract, worth):
            return candles, self._contract, "candles"
        contract = contract_with(self._contract, worth)
        self.contracts[files.day] = contract
        _log.warning(
            "%s %s: a contract was worth %s then, by the candles, and is worth %s x %s now",
            *(self._inst_id, files.day, worth, self._contract.ct_val, self._contract.ct_mult),
        )
        return candles, contract, "candles"

    def _judge(
        self,
        files: TradeFiles,
        facts: TradeDayRead,
        ids: DayIds | None,
        candles: object | None,
        contract: str,
    ) -> _DayProof:
        if not files.whole:
            return _DayProof("partial", contract)
        if candles is not None:
            differing = list(self._archive.candles.differing(facts.minutes, candles))
            for one in differing[:_NAMED]:
                _log.warning("%s %s: %s", self._inst_id, files.day, one)
            return _DayProof("unproved" if differing else "candles", contract, len(differing))
        return _DayProof("none" if ids is None or ids.missing else "ids", contract)

    def _id_holes(
        self, day: str, facts: TradeDayRead, ids: DayIds, judged: _DayProof
    ) -> list[IdSpan]:
        """Return the missing ids that the candles prove never to have been."""
        if judged.proof != "candles" or facts.first_id is None or facts.last_id is None:
            return []
        first, before = facts.first_id, self._last
        yesterday = times.day(times.day_start_ms(day) - times.DAY_MS)
        if before is not None and (before.day, before.line.proof) == (yesterday, "candles"):
            first = before.last_id + 1
        return list(within(ids.missing, first, facts.last_id))

    def _refuse_foreign_ids(
        self, files: TradeFiles, facts: TradeDayRead, neighbours: Neighbours
    ) -> None:
        if facts.rows:
            raise VaultError(
                f"{self._inst_id} {files.day}: its ids {facts.first_id} to {facts.last_id} do not "
                f"lie between those on disk, {neighbours.before} before and {neighbours.behind} "
                "behind that day; it is another stream of ids, leave these days out"
            )


def _recorded(
    standing: Path, inst_id: str, vault: Vault, neighbours: Neighbours, imported: Sequence[IdSpan]
) -> RecordedDay:
    return read_recorded(
        standing, inst_id, vault.exchange, after=neighbours.before, imported=imported
    )


def _line(
    files: TradeFiles,
    facts: TradeDayRead,
    ids: DayIds,
    part: WrittenPart,
    *,
    judged: _DayProof,
    records_sha256: str,
) -> ImportedDay:
    return ImportedDay(
        imported_ms=times.utc_now_ms(),
        stream=provenance.TRADES,
        day=files.day,
        files=tuple(
            SourceFile(file.name, file.bytes, file.sha256, noted(path)[0], file.header)
            for path, file in zip(files.trades, facts.files, strict=True)
        ),
        rows=facts.rows,
        records=facts.records,
        first_id=facts.first_id,
        last_id=facts.last_id,
        dropped_recorded=facts.dropped_covered,
        jumps=ids.missing,
        proof=judged.proof,
        contract=judged.contract,
        lines=part.lines,
        sha256=part.sha256,
        differing_minutes=judged.differing,
        spans=ids.put_in,
        records_sha256=records_sha256,
    )


def _ids_of(facts: TradeDayRead) -> list[IdSpan]:
    """Return the ids that the files have of a day."""
    if facts.first_id is None or facts.last_id is None:
        return []
    return without([(facts.first_id, facts.last_id)], facts.jumps)


def _is_worth(contract: Contract, worth: str) -> bool:
    """Return True if ctVal x ctMult is exactly ``worth``."""
    places = exact.SIZE_PLACES
    known = exact.units(contract.ct_val, places) * exact.units(contract.ct_mult, places)
    return known == exact.units(worth, 2 * places)


def _rewritten(files: TradeFiles, known: ImportedDay, line: ImportedDay) -> str:
    names = ", ".join(file.name for file in line.files)
    return (
        f"{names}: {files.day} was imported from other files ({known.records:,} records), and "
        f"these hold other records ({line.records:,}); nothing was changed; accept them with "
        "--replace"
    )


def _sha256(path: Path) -> str:
    return _sha256_of(str(path), raw_content.stamp(path))


@cache
def _sha256_of(path: str, stamp: object) -> str:  # noqa: ARG001 - part of the key
    found = content_of(path, packed=False)
    return found.sha256 if found else ""


@cache
def _id_in(path: str, stamp: object, inst_id: str, exchange: str, newest: bool) -> int | None:  # noqa: ARG001, FBT001 - the key
    return (last_id_in if newest else first_id_in)(path, inst_id, exchange)
