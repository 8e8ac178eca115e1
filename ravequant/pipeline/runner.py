"""The only loop: tail → decode → fold → append → commit, exactly once (rule 3 of the README).

A *source* gives blocks of raw lines and a *decoder*, which turns them into batches for a fold
(closed minutes, snapshots); a *fold* turns batches into records; a *sink* says where these go.
Decoder and fold are pure and hand over their exact state; everything that touches a file is here
and in ``ravequant.vault``.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import orjson

from ravequant import times
from ravequant.errors import NoDataError, VaultError
from ravequant.vault import commit, tail
from ravequant.vault.atomic import disk_error
from ravequant.vault.cursor import Cursor
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault, held
from ravequant.vault.side_input import SideInput

COMMIT_BYTES: Final = 64 << 20  # input between two commits: a crash repeats at most so much
NEVER: Final = "~"  # sorts behind every time
SIDE_INPUT_MS: Final = (
    600_000  # a first run bounded by --since reads a slower input from this earlier
)
LOGGED_REJECTS: Final = 20  # a run names this many bad lines, and counts all

Batch = TypeVar("Batch")
Batch_co = TypeVar("Batch_co", covariant=True)
Batch_contra = TypeVar("Batch_contra", contravariant=True)
Reject = Callable[[int, str], None]
_log = logging.getLogger(__name__)


class SupersededStateError(Exception):
    """A fold's state whose rows would now be written otherwise: they are computed anew, once."""


class Decoder(Protocol[Batch_co]):
    """Blocks of whole raw lines in, batches for a fold out."""

    def read(self, block: bytes, file: str, /) -> Batch_co:
        """Decode the next block, which stands in the file of that name."""

    def state(self) -> dict[str, Any]:
        """Return everything that later batches depend on, JSON-able and exact."""

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned."""

    def counts(self) -> dict[str, int]:
        """Return the counters of this run: lines, rejected, duplicates, …."""


class DecodedSpan(Protocol[Batch_co]):
    """The content of a span that another process has read."""

    def add_to(self, decoder: Any) -> Batch_co | None:
        """Pass the content to the decoder; None if the decoder must read the span itself."""


# yields the chunks in their order, those that another process has read with their content
ReadAhead = Callable[[Iterator[tail.Chunk]], Iterator[tuple[tail.Chunk, DecodedSpan[Batch] | None]]]


class Fold(Protocol[Batch_contra]):
    """Batches in, records out."""

    def update(self, batch: Batch_contra) -> Iterable[dict[str, Any]]:
        """Yield the records that the batch completes, in order."""

    def state(self) -> dict[str, Any]:
        """Return everything that later records depend on, JSON-able and exact."""

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned.

        Raises SupersededStateError if the rows before it must be computed anew.
        """


@dataclass(frozen=True, slots=True)
class Source(Generic[Batch]):
    """Raw lines of one instrument, and the decoder that turns them into batches."""

    files: tail.Listing  # (key, path), oldest first
    decoder: Callable[[Reject], Decoder[Batch]]
    side_input: SideInput | None = None  # a slower input, which the decoder pulls line by line
    expires: bool = False  # raw files are deleted by age, and never repaired
    archive: bool = False  # the raw files are final: they are not synced
    read_ahead: ReadAhead[Batch] | None = None  # by other processes, of large files
    # the first moment (ms) for which reading from a cursor gives a batch; None: that of the line
    first_ms: Callable[[Cursor | None], int | None] | None = None


@dataclass(frozen=True, slots=True)
class Sink:
    """The output files of a fold, in the calculator's folder of the instrument."""

    pattern: str  # of the names of all output files
    file_of: Callable[[dict[str, Any]], str]  # the name of the file of a record
    time_key: str = "timestamp_utc"  # the field by which the output is ordered
    known_at_end: bool = False  # it is when a record became known, not where that starts
    publish: Callable[[Any], None] | None = None  # called each run with the fold, once committed


@dataclass(frozen=True, slots=True)
class Job(Generic[Batch]):
    """One calculator on one instrument."""

    vault: Vault
    metric: str
    inst_id: str
    parameters: dict[str, Any]  # settings that the output depends on
    source: Source[Batch]
    fold: Callable[[], Fold[Batch]]
    sink: Sink


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
    if next(iter(job.source.files()), None) is None:
        raise NoDataError(
            f"no raw data of {job.inst_id} in {job.vault.root}; start its exporter, or name "
            f"another vault with --vault{held(job.vault.trades)}"
        )
    with writer_lock(job.vault, job.metric, job.inst_id):
        try:
            return _Run(job, since_ms, rebuild=rebuild).go()
        except OSError as error:  # without a more exact message from below
            raise disk_error(Path(error.filename or job.vault.root), "used", error) from error


class _Run(Generic[Batch]):
    """One run, under the lock."""

    def __init__(self, job: Job[Batch], since_ms: int | None, *, rebuild: bool) -> None:
        self._job, self._source, self._sink = job, job.source, job.sink
        self._side_input = job.source.side_input
        self._state_file = job.vault.state(job.metric, job.inst_id)
        self._folder = job.vault.derived(job.metric, job.inst_id)
        self._generation = 0
        if not job.source.expires:
            self._generation = read_generation(job.vault.generation(job.inst_id))
        self._chunk: tail.Chunk | None = None
        self._rejects = 0
        self._summary = Summary(job.metric, job.inst_id)
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

    def _go_on(self, facts: dict[str, Any]) -> tuple[str | None, str]:
        """Restore a commit; return why it must be computed anew, in a word and in words."""
        try:
            cursor, beside = (
                Cursor.restore(facts[name]) if facts.get(name) else None
                for name in ("cursor", "beside")
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
            return "repaired", "raw data were repaired behind the newest record"
        if self._source.expires:
            cursor = _surviving(self._source.files, cursor)
        if self._side_input is not None:
            beside = _surviving(self._side_input.files, beside)
            self._side_input.start(beside, self._generation)
        self._tail = tail.Tail(self._source.files, cursor, self._generation)
        self._output = commit.Output(self._folder, self._sink.pattern, mark)
        return None, ""

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
        if self._side_input is not None:
            before = None
            if cursor is not None:
                early = times.parse_iso(start) - SIDE_INPUT_MS
                before = tail.cursor_at(self._side_input.files, early, self._generation)
            self._side_input.start(before, self._generation)
        mark = commit.EMPTY
        if rebuild:
            self._summary.rebuilt = self._summary.rebuilt or "asked"
            if source.expires:
                commit.unpack(self._folder, sink.pattern, start)
            older = _after_minute(start) if sink.known_at_end else start
            mark = commit.kept_mark(self._folder, sink.pattern, sink.time_key, older)
        self._write_state(cursor, mark)
        self._tail = tail.Tail(source.files, cursor, self._generation)
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
        if self._side_input is not None:
            beside = self._side_input.cursor()
            facts["beside"] = beside.state() if beside else None
        return {**facts, "reader": self._decoder.state(), "fold": self._fold.state()}

    def go(self) -> Summary:
        """Read to the end of the raw files, commit, and return the summary."""
        committed = self._tail.bytes_read
        place: Cursor | None = None
        try:
            for chunk, found in self._chunks():
                for batch in self._batches(chunk, found):
                    self._append(self._fold.update(batch))
                place = chunk.after if isinstance(chunk, tail.Span) else self._tail.cursor()
                if self._tail.bytes_read - committed >= COMMIT_BYTES:
                    self._commit(place)
                    committed, place = self._tail.bytes_read, None
            if place:  # a file that was begun since, and is empty yet, is where it stands
                self._commit(self._tail.cursor())
        finally:
            self._output.close()
        if self._sink.publish is not None:  # all that was read is committed
            self._sink.publish(self._fold)
        if self._rejects > LOGGED_REJECTS:
            _log.warning("%d more lines were skipped", self._rejects - LOGGED_REJECTS)
        self._summary.bytes_read = self._tail.bytes_read
        self._summary.counts = self._decoder.counts()
        return self._summary

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

    def _append(self, records: Iterable[dict[str, Any]]) -> None:
        for file, group in groupby(records, self._sink.file_of):
            rows = list(group)
            self._output.append(file, b"".join(orjson.dumps(row) + b"\n" for row in rows))
            self._summary.records += len(rows)
            self._summary.newest_utc = rows[-1][self._sink.time_key]

    def _commit(self, place: Cursor | None) -> None:
        inputs = [self._tail.unsynced]
        if self._side_input is not None:
            inputs.append(self._side_input.unsynced)
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


def _surviving(files: tail.Listing, cursor: Cursor | None) -> Cursor | None:
    """Return ``cursor``; if its file was deleted, the start of the oldest file after it.

    If only older files are left the cursor stays, and the tail raises the error.
    """
    keys = [key for key, _ in files()]
    later = min((key for key in keys if cursor and key > cursor.file), default=None)
    if cursor is None or cursor.file in keys or (keys and later is None):
        return cursor
    _log.warning(
        "the raw file %s.jsonl was read before and has been deleted; going on with the oldest one "
        "after it, %s",
        cursor.file,
        later or "which is yet to come",
    )
    return None if later is None else Cursor(later, 0, 0, 0, cursor.generation)
