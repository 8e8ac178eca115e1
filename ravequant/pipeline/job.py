"""A job: one calculator on one instrument, as source, fold and sink.

The raw lines of a source are read in *legs*: parts whose content is known already or is read now.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from ravequant.vault import tail
from ravequant.vault.cursor import Cursor
from ravequant.vault.paths import Vault

Batch = TypeVar("Batch")
Batch_co = TypeVar("Batch_co", covariant=True)
Batch_contra = TypeVar("Batch_contra", contravariant=True)
Reject = Callable[[int, str], None]


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


class SideStream(Protocol):
    """A second stream of raw files, with a cursor of its own."""

    files: tail.Listing
    unsynced: set[Path]  # plain files read since they were last fsynced

    def start(self, cursor: Cursor | None, generation: int, /) -> None:
        """Continue at ``cursor`` (None: with the oldest file)."""

    def cursor(self) -> Cursor | None:
        """Return the place from which a restart must read again."""


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


# takes a chunk that was read, its content if another process has read it, and its batch
Watch = Callable[[tail.Chunk, Any, Batch], None]


class BadLine(NamedTuple):
    """A line that was rejected when the leg was read: its file, its offset there, the reason."""

    path: Path
    offset: int
    reason: str


class Leg(NamedTuple, Generic[Batch]):
    """Lines to be read by ``tail``; or a ``batch`` that they gave before, ``tail`` behind them.

    With a batch the decoder, too, stands behind the lines.
    """

    tail: tail.Tail
    batch: Batch | None = None
    rejected: tuple[BadLine, ...] = ()  # of the batch
    watch: Watch[Batch] | None = None  # looks on while the lines are read


@dataclass(frozen=True, slots=True)
class Source(Generic[Batch]):
    """Raw lines of one instrument, and the decoder that turns them into batches."""

    files: tail.Listing  # (key, path), oldest first
    decoder: Callable[[Reject], Decoder[Batch]]
    # inputs that the decoder pulls on its own, by the name of their cursor in the state
    side_inputs: Mapping[str, SideStream] = field(default_factory=dict)
    block_bytes: int = tail.BLOCK_BYTES  # that are read at once
    expires: bool = False  # raw files are deleted by age
    repaired: bool = True  # lines, of side inputs too, may be put between those that were read
    archive: bool = False  # the raw files are final: they are not synced
    read_ahead: ReadAhead[Batch] | None = None  # by other processes, of large files
    # the first moment (ms) for which reading from a cursor gives a batch; None: that of the line
    first_ms: Callable[[Cursor | None], int | None] | None = None
    # the finished parts of the lines behind a place, for a decoder that stands there
    legs: Callable[[Any, Cursor | None, int], Iterator[Leg[Batch]]] | None = None
    # a batch without a line, at the end of a run: the side inputs may have grown alone
    side_news: Callable[[Any], Batch] | None = None


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
