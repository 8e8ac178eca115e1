"""The only loop: tail → decode → fold → append → commit, exactly once (rule 3 of the README).

A *source* gives blocks of raw lines and a *decoder*, which turns them into batches for a fold
(closed minutes, snapshots); a *fold* turns batches into records; a *sink* says where these go.
Decoder and fold are pure and hand over their exact state; everything that touches a file is here
and in ``ravequant.vault``.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic

import orjson

from ravequant import times
from ravequant.errors import LockedError, NoDataError, VaultError
from ravequant.pipeline.job import Batch, DecodedSpan, Job, Leg
from ravequant.pipeline.lost_outputs import begin_after, surviving
from ravequant.vault import commit, tail
from ravequant.vault.atomic import disk_error
from ravequant.vault.cursor import Cursor
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import held

if TYPE_CHECKING:
    from ravequant.pipeline.rebuild_progress import RebuildProgress

COMMIT_BYTES: Final = 64 << 20  # input between two commits: a crash repeats at most so much
NEVER: Final = "~"  # sorts behind every time
SIDE_INPUT_MS: Final = 600_000  # a run from --since on reads its side inputs from this earlier
LOGGED_REJECTS: Final = 20  # a run names this many bad lines, and counts all
_IMPORTED: Final = (
    "imported days are being put in their places; this run ends on the data as they were, and the "
    "next run computes everything anew"
)

_log = logging.getLogger(__name__)


class SupersededStateError(Exception):
    """A fold's state whose rows would now be written otherwise: they are computed anew, once."""


@dataclass(slots=True)
class Summary:
    """The counts of one run; ``--json`` prints them."""

    metric: str
    instId: str  # noqa: N815 - the name that all files use
    records: int = 0
    newest_utc: str | None = None
    bytes_read: int = 0
    commits: int = 0
    rebuilt: str | None = None  # asked, repaired, superseded: why earlier output was recomputed
    counts: dict[str, int] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Return the summary as one flat JSON object."""
        facts = asdict(self)
        facts |= facts.pop("counts")
        return facts


def run(job: Job[Batch], since_ms: int | None = None, *, rebuild: bool = False) -> Summary:
    """Bring the derived files of ``job`` up to date with the raw files.

    ``since_ms`` bounds a first run, counted back from the newest raw record. Raises NoDataError,
    LockedError and VaultError; the files are then as the last commit left them.
    """
    for _ in (steps := RunInParts(job, since_ms, rebuild=rebuild)):
        pass
    return steps.summary


class RunInParts(Generic[Batch]):
    """A run in parts, which others can be run between; iterating raises as ``run`` does."""

    def __init__(self, job: Job[Batch], since_ms: int | None, *, rebuild: bool) -> None:
        self._job, self._since_ms, self._rebuild = job, since_ms, rebuild
        self.summary = Summary(job.metric, job.inst_id)

    def __iter__(self) -> Iterator[None]:
        job = self._job
        if next(iter(job.source.files()), None) is None:
            raise NoDataError(
                f"no raw data of {job.inst_id} in {job.vault.root}; start its exporter, or name "
                f"another vault with --vault{held(job.vault.trades)}"
            )
        with writer_lock(job.vault, job.metric, job.inst_id):
            yield from self._locked(_generation(job))

    def _locked(self, before: int) -> Iterator[None]:
        job = self._job
        if _is_imported_to(job):
            _log.info("%s %s: %s", job.metric, job.inst_id, _IMPORTED)
        try:
            run = _Run(job, self._since_ms, self.summary, rebuild=self._rebuild)
            yield from run.steps()
        except LockedError:
            raise
        except VaultError as error:
            if _is_imported_to(job) or _generation(job) != before:
                raise LockedError(f"{error}. That is no damage: {_IMPORTED}") from error
            raise
        except OSError as error:  # without a more exact message from below
            raise disk_error(Path(error.filename or job.vault.root), "used", error) from error


def _generation(job: Job[Batch]) -> int:
    """Return the repair generation that counts for the source."""
    return read_generation(job.vault.generation(job.inst_id)) if job.source.repaired else 0


def _is_imported_to(job: Job[Batch]) -> bool:
    """Return True if imported or repaired lines are being put between those that are read."""
    return job.source.repaired and job.vault.import_note(job.inst_id).exists()


class _Run(Generic[Batch]):
    """One run, under the lock."""

    def __init__(
        self, job: Job[Batch], since_ms: int | None, summary: Summary, *, rebuild: bool
    ) -> None:
        self._job, self._source, self._sink = job, job.source, job.sink
        self._summary = summary
        self._state_file = job.vault.state(job.metric, job.inst_id)
        self._folder = job.vault.derived(job.metric, job.inst_id)
        self._generation = _generation(job)
        self._chunk: tail.Chunk | None = None
        self._place: Cursor | None = None  # behind the newest line read since the last commit
        self._uncommitted = 0  # bytes since then
        self._unsynced = set[Path]()  # plain files that earlier tails have read since then
        self._counted = 0  # bytes of the present tail that the summary holds
        self._rejects = 0
        self._progress: RebuildProgress | None = None
        self._decoder = job.source.decoder(self._reject)
        self._fold = job.fold()
        self._open(since_ms, rebuild=rebuild)

    def _open(self, since_ms: int | None, *, rebuild: bool) -> None:
        facts = None
        if not rebuild:
            facts = commit.read_state(self._state_file, self._job.metric, self._job.inst_id)
        if facts is None:
            self._begin(since_ms, rebuild=rebuild)
        else:
            self._summary.rebuilt, reason = self._go_on(facts)
            if reason:
                _log.warning(
                    "%s %s: %s; everything that can be recomputed is",
                    self._job.metric,
                    self._job.inst_id,
                    reason,
                )
                self._decoder = self._source.decoder(self._reject)
                self._fold = self._job.fold()
                self._begin(None, rebuild=True)
        if self._summary.rebuilt:
            from ravequant.pipeline.rebuild_progress import (  # noqa: PLC0415 - few runs rebuild
                RebuildProgress,
            )

            keys = [key for key, _ in self._source.files()]
            self._progress = RebuildProgress(f"{self._job.metric} {self._job.inst_id}", keys)

    def _go_on(self, facts: dict[str, Any]) -> tuple[str | None, str]:
        """Restore a commit; return why it must be computed anew, in a word and in words."""
        try:
            names = ("cursor", *self._source.side_inputs)
            cursor, *beside = (
                Cursor.restore(facts[name]) if facts.get(name) else None for name in names
            )
            mark = commit.restore_mark(facts)
            met, wanted = facts["parameters"], self._job.parameters
            self._decoder.restore(facts["reader"])
            self._fold.restore(facts["fold"])
        except SupersededStateError as error:
            return "superseded", str(error)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise VaultError(
                f"{self._state_file} cannot be read: {error!r}; run again with --rebuild to "
                "recompute from the raw data on disk"
            ) from None
        if met != wanted:
            raise VaultError(
                f"{self._state_file} was made with {met}, the settings now say {wanted}; set them "
                "back, or run again with --rebuild"
            )
        if cursor is not None and cursor.generation != self._generation:
            return "repaired", "raw data were repaired or imported behind the newest record"
        if self._source.expires:
            cursor = surviving(self._source.files, cursor)
        for side, place in zip(self._source.side_inputs.values(), beside, strict=True):
            side.start(surviving(side.files, place), self._generation)
        self._tail = self._tail_at(cursor)
        self._output = commit.Output(self._folder, self._sink.pattern, mark)
        return None, ""

    def _tail_at(self, at: Cursor | None) -> tail.Tail:
        return tail.Tail(self._source.files, at, self._generation, self._source.block_bytes)

    def _begin(self, since_ms: int | None, *, rebuild: bool) -> None:
        """Start over: keep rows older than the raw data when rebuilding, else insist on none."""
        source, sink = self._source, self._sink
        found = [path for path in self._folder.glob(sink.pattern) if path.stat().st_size]
        if found and not rebuild:
            raise VaultError(
                f"{found[0]} exists, but {self._state_file} does not; move the output away, or run "
                "again with --rebuild to recompute it"
            )
        start, cursor = self._start(since_ms)
        if rebuild and source.expires:
            start, cursor = self._behind_lost(start, cursor)
        early = None if cursor is None else times.parse_iso(start) - SIDE_INPUT_MS
        for side in source.side_inputs.values():
            before = None if early is None else tail.cursor_at(side.files, early, self._generation)
            side.start(before, self._generation)
        mark = commit.EMPTY
        if rebuild:
            self._summary.rebuilt = self._summary.rebuilt or "asked"
            if source.expires:
                commit.unpack(self._folder, sink.pattern, start)
            older = _after_minute(start) if sink.known_at_end else start
            mark = commit.kept_mark(self._folder, sink.pattern, sink.time_key, older)
        self._write_state(cursor, mark)
        self._tail = self._tail_at(cursor)
        self._output = commit.Output(self._folder, sink.pattern, mark)

    def _start(self, since_ms: int | None) -> tuple[str, Cursor | None]:
        """Return the text of the first minute that will be computed, and the cursor before it."""
        files = self._source.files
        first = self._first_ms(None)
        newest = first if since_ms is None else tail.newest_time(files)
        if first is None or newest is None:
            return NEVER, None
        first = _minute_of(first)
        minute = first if since_ms is None else _minute_of(newest - since_ms)
        while minute > first:
            cursor = tail.cursor_at(files, minute, self._generation)
            begin = self._first_ms(cursor)
            if begin is None or begin >= minute:
                return times.iso(minute), cursor
            minute -= times.MINUTE_MS  # here lines of the minute before still follow
        return times.iso(first), None

    def _behind_lost(self, start: str, cursor: Cursor | None) -> tuple[str, Cursor | None]:
        """Return a later start if outputs behind ``start`` have no raw lines any more."""
        files, sink = self._source.files, self._sink
        begin = begin_after(self._folder, sink.time_key, (key for key, _ in files()))
        if begin is None or times.iso(begin) <= start:
            return start, cursor
        return times.iso(begin), tail.cursor_at(files, begin, self._generation)

    def _first_ms(self, cursor: Cursor | None) -> int | None:
        if self._source.first_ms is not None:
            return self._source.first_ms(cursor)
        return tail.first_time(self._source.files) if cursor is None else None

    def _write_state(self, cursor: Cursor | None, mark: commit.Mark) -> None:
        """Commit a beginning, before the first append."""
        output = {name: getattr(mark, name) for name in mark.__slots__}
        commit.write_state(self._state_file, {**self._facts(cursor), "output": output})

    def _facts(self, cursor: Cursor | None) -> dict[str, Any]:
        facts = {
            "metric": self._job.metric,
            "instId": self._job.inst_id,
            "parameters": self._job.parameters,
            "cursor": cursor.state() if cursor else None,
        }
        for name, side in self._source.side_inputs.items():
            place = side.cursor()
            facts[name] = place.state() if place else None
        return {**facts, "reader": self._decoder.state(), "fold": self._fold.state()}

    def steps(self) -> Iterator[None]:
        """Read to the end of the raw files and commit; pause behind each part."""
        try:
            for leg in self._legs():
                self._use(leg.tail)
                yield from self._take(leg)
            self._take_side_news()
            if self._place:  # a file that was begun since, and is empty yet, is where it stands
                self._commit(self._tail.cursor())
        finally:
            self._output.close()
        if self._sink.publish is not None:  # all that was read is committed
            self._sink.publish(self._fold)
        if self._rejects > LOGGED_REJECTS:
            _log.warning("%d more lines were skipped", self._rejects - LOGGED_REJECTS)
        self._use(self._tail)
        self._summary.counts = self._decoder.counts()

    def _take_side_news(self) -> None:
        """Pass to the fold all that the side inputs have added behind the last line."""
        news = self._source.side_news
        if news is not None and self._append(self._fold.update(news(self._decoder))):
            self._place = self._tail.cursor()

    def _legs(self) -> Iterator[Leg[Batch]]:
        """Yield the finished parts of the raw files, as far as there are any, and the rest."""
        if self._source.legs is not None:
            at = self._tail.cursor()
            for leg in self._source.legs(self._decoder, at, self._generation):
                yield leg
                at = leg.tail.cursor()
            yield Leg(self._tail_at(at))
        else:
            yield Leg(self._tail)

    def _use(self, following: tail.Tail) -> None:
        """Go on with another tail, and count the bytes of the present one."""
        self._summary.bytes_read += self._tail.bytes_read - self._counted
        self._unsynced |= self._tail.unsynced
        self._tail, self._counted = following, following.bytes_read

    def _take(self, leg: Leg[Batch]) -> Iterator[None]:
        """Pass the lines of a leg to the fold, and commit now and then; pause behind each part."""
        if leg.batch is not None:
            for line in leg.rejected:
                self._chunk = tail.Block(line.path, 0, b"")
                self._reject(line.offset, line.reason)
            self._uncommitted += self._append(self._fold.update(leg.batch))
            self._passed(self._tail.cursor())
            return
        before = self._tail.bytes_read
        for chunk, found in self._chunks():
            for batch in self._batches(chunk, found):
                if leg.watch is not None and self._chunk is not None:
                    leg.watch(self._chunk, found, batch)
                self._append(self._fold.update(batch))
            self._uncommitted += self._tail.bytes_read - before
            before = self._tail.bytes_read
            self._passed(chunk.after if isinstance(chunk, tail.Span) else self._tail.cursor())
            yield

    def _passed(self, place: Cursor | None) -> None:
        self._place = place
        if self._progress is not None and place is not None:
            self._progress.at(place.file)
        if self._uncommitted >= COMMIT_BYTES:
            self._commit(place)
            self._uncommitted, self._place = 0, None

    def _chunks(self) -> Iterator[tuple[tail.Chunk, DecodedSpan[Batch] | None]]:
        if self._source.read_ahead is None:
            return ((block, None) for block in self._tail.blocks())
        return self._source.read_ahead(self._tail.pieces())

    def _batches(self, chunk: tail.Chunk, found: DecodedSpan[Batch] | None) -> Iterator[Batch]:
        """Yield the batches of a chunk, also if another process has read it."""
        self._chunk = chunk
        batch = found.add_to(self._decoder) if found is not None else None
        if batch is not None:
            yield batch
            return
        for block in self._tail.again(chunk) if isinstance(chunk, tail.Span) else (chunk,):
            self._chunk = block
            yield self._decoder.read(block.data, block.path.name)

    def _append(self, records: Iterable[dict[str, Any]]) -> int:
        """Append records to their files; return how many bytes they are."""
        length = 0
        for file, group in groupby(records, self._sink.file_of):
            rows = list(group)
            data = b"".join([orjson.dumps(row, None, orjson.OPT_APPEND_NEWLINE) for row in rows])
            self._output.append(file, data)
            length += len(data)
            self._summary.records += len(rows)
            self._summary.newest_utc = rows[-1][self._sink.time_key]
        return length

    def _commit(self, place: Cursor | None) -> None:
        beside = (side.unsynced for side in self._source.side_inputs.values())
        inputs = [self._unsynced, self._tail.unsynced, *beside]
        unsynced = set() if self._source.archive else set().union(*inputs)
        commit.commit(self._state_file, self._output, unsynced, self._facts(place))
        for paths in inputs:
            paths.clear()
        self._summary.commits += 1

    def _reject(self, offset: int, reason: str) -> None:
        self._rejects += 1
        if self._chunk is not None and self._rejects <= LOGGED_REJECTS:
            place = self._chunk.offset + offset
            _log.warning("%s: line at byte %d skipped: %s", self._chunk.path, place, reason)


def _minute_of(moment_ms: int) -> int:
    return moment_ms // times.MINUTE_MS * times.MINUTE_MS


def _after_minute(start: str) -> str:
    """Return the time before which nothing that began at ``start`` or later can be known."""
    return start if start == NEVER else times.iso(times.parse_iso(start) + times.MINUTE_MS)
