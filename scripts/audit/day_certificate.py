"""A completeness certificate: each day of an instrument judged, each file held to its old hash.

Each run notes in ``state/verify/`` the length and SHA-256 of every file, of its uncompressed lines,
and the ids that it lacks. A later run compares: files only grow, except by a repair, which adds ids
that were lacking and changes nothing else.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

from ravequant import settings
from ravequant.vault import commit
from ravequant.vault.gap_ledger import GapLedger, ids_by_status, status_ranges
from ravequant.vault.imports.id_spans import IdSpan, union
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault, book_files, day_files
from scripts.audit.book_hours import BookAudit, BookDayAudit
from scripts.audit.file_audit import FileAudit, sha256_without
from scripts.audit.imported_days import ImportedDays, change
from scripts.audit.trade_days import MissingIds, TradeAudit, TradeDayAudit

METRIC: Final = "verify"
_COUNTS: Final = ("expected", "present", "repaired", "missing", "holes", "double", "bad")
HEADERS: Final = ("instId", "stream", "day", "verdict", *_COUNTS)
_GONE: Final = (
    "the file was there at an earlier run and is gone; put it back, or accept it with --renew"
)
_MISFILED: Final = (
    "records that belong into another day's file: run scripts/repair_gaps.py, which moves them"
)
_UNSAID: Final = (
    "records of a later date than their file's, which do not say that they are ahead; readers take "
    "them for it"
)
_AHEAD: Final = (
    "records ahead of the exchange's time: they count in sums and counts, their time nowhere"
)
_REMEDY: Final = "run again with --renew to accept the files as they are"
_BOOKS: Final = ("books", "deep")
_IMPORTED: Final = {"trades": ("trades",), "books": ("books",), "deep": ("books_deep",)}
DayChoice = Callable[[str, list[str]], list[str]]  # stream, its days -> those to judge, in a row
Notes = dict[str, dict[str, Any]]  # "trades/2025-12-14" -> length, sha256, lacking


@dataclass(slots=True)
class DayVerdict:
    """One day of one stream: ids for trades, seconds for books, lines for context feeds."""

    inst_id: str
    stream: str
    day: str
    unit: str  # of expected, present, repaired and missing: ids, seconds or lines
    expected: int
    present: int
    repaired: int = 0
    missing: int = 0
    holes: int = 0
    missing_by_status: dict[str, int] = field(default_factory=dict)
    id_holes: int = 0  # ids that the exchange does not have; not expected
    duplicates: int = 0
    bad_lines: int = 0
    files: dict[str, str] = field(default_factory=dict)  # name -> SHA-256, uncompressed
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # that make nothing wrong
    provenance: dict[str, Any] | None = None  # of an imported day

    @property
    def whole(self) -> bool:
        """True if nothing is missing or wrong."""
        return not self.missing and not self.problems

    def cells(self) -> list[str]:
        """Return a row of the table."""
        amounts = (self.expected, self.present, self.repaired, self.missing)
        counts = (self.holes, self.duplicates, self.bad_lines)
        unit = " s" if self.unit == "seconds" else ""
        first = [f"{number:,}{unit}" for number in amounts]
        is_order = self.stream == "deep" or self.unit == "lines"
        good = "in order" if is_order else "complete"
        verdict = good if self.whole else "WRONG" if self.problems else "MISSING"
        return [self.inst_id, self.stream, self.day, verdict, *first, *map(str, counts)]


class Certificate:
    """Judges one instrument by its files, its ledger and the notes of the run before."""

    def __init__(self, vault: Vault, inst_id: str, *, renew: bool = False) -> None:
        self._vault, self._inst_id = vault, inst_id
        self._imported = ImportedDays(vault, inst_id)
        facts = None
        if not renew:
            facts = commit.read_state(vault.state(METRIC, inst_id), METRIC, inst_id, _REMEDY)
        self._noted: Notes = dict(facts["files"]) if facts else {}
        self._notes: Notes = {}
        self._sealed: dict[str, str] = dict(facts.get("sealed", {})) if facts else {}

    def verdicts(self, newest_days: int | None = None) -> Iterator[DayVerdict]:
        """Yield a verdict for each day and stream, at most the newest ``newest_days`` days."""

        def newest(_: str, days: list[str]) -> list[str]:
            return days[-newest_days:] if newest_days else days

        yield from self._unread_provenance()
        yield from self._trades(newest)
        yield from self._vanished("trades", "ids", {key for key, _ in self._trade_files()})
        for stream in _BOOKS:
            there = {key for key, _ in self._book_files(stream)}
            self._forget_expired(stream, there)
            yield from self._vanished(stream, "seconds", there)
            yield from self._books(stream, newest)

    def seal(self) -> Iterator[DayVerdict]:
        """Yield a verdict for each finished day that was not sealed yet, the oldest first.

        A day is finished when the same stream has a later day. Its seal is its note, with which
        later runs compare its files; it is kept as soon as the next verdict is asked for.
        """

        def unsealed(stream: str, days: list[str]) -> list[str]:
            return [day for day in days[:-1] if day > self._sealed.get(stream, "")]

        for stream in ("trades", *_BOOKS):
            found = self._trades(unsealed) if stream == "trades" else self._books(stream, unsealed)
            for verdict in found:
                yield verdict
                self._sealed[stream] = verdict.day
                self.keep()

    def _trade_files(self) -> list[tuple[str, Path]]:
        return list(day_files(self._vault.trades(self._inst_id)))

    def _book_files(self, stream: str) -> list[tuple[str, Path]]:
        place = self._vault.deep_snapshots if stream == "deep" else self._vault.snapshots
        return list(book_files(place(self._inst_id)))

    def _books(self, stream: str, choose: DayChoice) -> Iterator[DayVerdict]:
        files = self._book_files(stream)
        days = sorted({key[:10] for key, _ in files})
        chosen = set(choose(stream, days))
        kept = [item for item in files if item[0][:10] in chosen]
        if not kept:
            return
        lengths = {key: self._noted_length(stream, key) for key, _ in kept}
        gap_ms = settings.load().buckets.gap_s * 1000
        exchange = self._vault.exchange
        audit = BookAudit(self._inst_id, gap_ms, deep=stream == "deep", exchange=exchange)
        audit.pass_over([item for item in files if item[0] < kept[0][0]])
        for day in audit.days(kept, lengths, days[-1]):
            yield self._book_verdict(stream, day, newest=files[-1][0])

    def keep(self) -> None:
        """Write the notes of this run. Raises VaultError if the disk refuses."""
        files = {**self._noted, **self._notes}
        facts = {
            "metric": METRIC,
            "instId": self._inst_id,
            "files": files,
            "sealed": self._sealed,
        }
        commit.write_state(self._vault.state(METRIC, self._inst_id), facts)

    # -- trades

    def _trades(self, choose: DayChoice) -> Iterator[DayVerdict]:
        files = self._trade_files()
        chosen = set(choose("trades", [key for key, _ in files]))
        if not chosen:
            return
        ledger = GapLedger(self._vault.gap_ledger(self._inst_id), self._inst_id)
        repaired = [entry.gap for entry in ledger.entries() if entry.status == "repaired"]
        put_in = [(gap.from_id, gap.to_id) for gap in repaired]
        audit = TradeAudit(self._inst_id, put_in, self._vault.exchange)
        skipped = next(number for number, (key, _) in enumerate(files) if key in chosen)
        if skipped:
            audit.pass_over(*files[skipped - 1])
        for key, path in files[skipped : skipped + len(chosen)]:
            day = audit.day(key, path, self._noted_length("trades", key))
            ledger.refresh()  # id holes are settled before the line after them is written
            yield self._trade_verdict(day, ledger, newest=files[-1][0])

    def _trade_verdict(self, day: TradeDayAudit, ledger: GapLedger, newest: str) -> DayVerdict:
        first, last = day.first_id or 0, day.last_id if day.last_id is not None else -1
        entries = ledger.entries()
        gone = [found for ids in day.missing for found in status_ranges(entries, *ids.range)]
        missing = ids_by_status(found for found in gone if found.status != "id_hole")
        id_holes = ids_by_status(gone)["id_hole"]
        repaired = ids_by_status(status_ranges(entries, first, last))["repaired"]
        verdict = DayVerdict(
            self._inst_id,
            "trades",
            day.key,
            "ids",
            expected=max(0, last - first + 1) - id_holes,
            present=day.ids,
            repaired=repaired - missing["repaired"] if last >= first else 0,
            missing=missing.total(),
            holes=sum(found.status != "id_hole" for found in gone),
            missing_by_status=dict(missing),
            id_holes=id_holes,
            duplicates=day.duplicates,
            bad_lines=day.rejected,
            files={day.path.name: day.sha256},
        )
        verdict.problems += _counted(
            (day.duplicates, "lines whose id is not above the one before (double or out of order)"),
            (day.rejected, "bad lines"),
            (day.misfiled, _MISFILED),
            (day.unsaid, _UNSAID),
        )
        verdict.notes += _counted((day.ahead, _AHEAD))
        if day.damaged:
            verdict.problems.append(day.damaged)
        if day.torn_bytes and day.key != newest:
            verdict.problems.append(f"{day.torn_bytes} bytes of a torn last line")
        self._compare(verdict, day, "trades", day.missing)
        self._say_source(verdict)
        line = self._imported.of("trades", day.key)
        if line is not None:
            problem, note = change(line, day)
            verdict.problems += filter(None, [problem])
            verdict.notes += filter(None, [note])
        return verdict

    # -- imported days

    def _unread_provenance(self) -> Iterator[DayVerdict]:
        if self._imported.problem:
            unread = DayVerdict(self._inst_id, "imports", "", "ids", 0, 0)
            unread.problems.append(self._imported.problem)
            yield unread

    def _say_source(self, verdict: DayVerdict) -> None:
        for stream in _IMPORTED[verdict.stream]:
            line = self._imported.of(stream, verdict.day)
            if line is not None:
                verdict.notes.append(self._imported.note(line))
                verdict.provenance = self._imported.facts(line)

    # -- books

    def _book_verdict(self, stream: str, day: BookDayAudit, newest: str) -> DayVerdict:
        covered, expected = day.covered_ms // 1000, day.expected_ms // 1000
        if stream == "deep":  # every 30 s, and not when REST is away: order and hash only
            covered = expected
        verdict = DayVerdict(
            self._inst_id,
            stream,
            day.day,
            "seconds",
            expected,
            covered,
            missing=expected - covered,
            holes=day.breaks if stream != "deep" else 0,
            duplicates=day.disordered,
            bad_lines=day.rejected,
            files={str(hour.path.name): hour.sha256 for hour in day.hours},
        )
        verdict.problems += _counted(
            (day.rejected, "bad lines"),
            (day.disordered, "lines out of order"),
            (day.misfiled, "lines in another hour's file"),
        )
        for hour in day.hours:
            if hour.damaged:
                verdict.problems.append(hour.damaged)
            if hour.torn_bytes and hour.key != newest:
                verdict.problems.append(f"{hour.path.name}: {hour.torn_bytes} bytes torn")
            self._compare(verdict, hour, stream)
        self._say_source(verdict)
        return verdict

    # -- notes of earlier runs

    def _missed(self, stream: str, there: set[str]) -> list[str]:
        """Return the keys noted of a stream that have no file any more."""
        names = (name.partition("/") for name in sorted(self._noted))
        return [key for found, _, key in names if found == stream and key not in there]

    def _forget_expired(self, stream: str, there: set[str]) -> None:
        """Drop the notes of book hours that retention has deleted: those older than all others."""
        for key in self._missed(stream, there):
            if not there or key < min(there):
                del self._noted[f"{stream}/{key}"]

    def _vanished(self, stream: str, unit: str, there: set[str]) -> Iterator[DayVerdict]:
        for key in self._missed(stream, there):
            gone = DayVerdict(self._inst_id, stream, key, unit, 0, 0)
            gone.problems.append(_GONE)
            yield gone

    def _noted_length(self, stream: str, key: str) -> int:
        return int(self._noted.get(f"{stream}/{key}", {}).get("length", 0))

    def _ids_put_in(self, stream: str, key: str) -> Sequence[Sequence[IdSpan]]:
        return self._imported.ids_of(key) if stream == "trades" else ()

    def _compare(
        self, verdict: DayVerdict, file: FileAudit, stream: str, missing: Sequence[MissingIds] = ()
    ) -> None:
        name = f"{stream}/{file.key}"
        noted = self._noted.get(name)
        if file.damaged:
            return
        if (
            noted is not None
            and file.noted_sha256 != noted["sha256"]
            and not _was_repaired(file, noted, self._ids_put_in(stream, file.key))
        ):
            verdict.problems.append(
                f"{file.path}: its first {noted['length']:,} bytes are not those of an earlier "
                "run; put a good copy back, or accept what is there with --renew"
            )
            return  # the old note stays, and so does the problem, until --renew
        self._notes[name] = {"length": file.length, "sha256": file.sha256}
        if missing:
            self._notes[name]["lacking"] = [(ids.from_id, ids.to_id) for ids in missing]


def forget(vault: Vault, inst_id: str, key: str) -> None:
    """Drop the note of a day's trades, whose lines were moved to other files.

    Raises VaultError and LockedError.
    """
    with writer_lock(vault, METRIC, inst_id):
        facts = commit.read_state(vault.state(METRIC, inst_id), METRIC, inst_id, _REMEDY)
        name = f"trades/{key}"
        if facts and name in facts["files"]:
            del facts["files"][name]
            kept = {"metric": METRIC, "instId": inst_id, "files": facts["files"]}
            commit.write_state(vault.state(METRIC, inst_id), kept)


def _was_repaired(
    file: FileAudit, noted: dict[str, Any], imported: Sequence[Sequence[IdSpan]]
) -> bool:
    """Return True if the file is as noted but for records that were lacking, or imported since.

    ``imported`` are the ids that each import put in; which of them came since is not known.
    """
    lacking = [(int(first), int(last)) for first, last in noted.get("lacking", ())]
    since = (chain(*imported[at:]) for at in range(len(imported), -1, -1))
    put_in = (union([*lacking, *ids]) for ids in since)
    return any(
        noted["sha256"] == sha256_without(file.path, ids, int(noted["length"]))
        for ids in put_in
        if ids
    )


def _counted(*found: tuple[int, str]) -> list[str]:
    return [f"{count:,} {what}" for count, what in found if count]
