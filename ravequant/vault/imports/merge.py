"""Puts imported lines between the recorded lines of a day, which all stay as they are."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol

from ravequant.errors import VaultError
from ravequant.vault.imports.id_spans import IdSpan, union, within, without
from ravequant.vault.line_file import open_lines, reading
from ravequant.vault.raw_content import RawContent

_BLOCK: Final = 1 << 20
_LARGEST_ID: Final = 10**18  # ids have at most 18 digits


class Segment(NamedTuple):
    """Lines of a file with ids that follow each other, bad lines among them included."""

    first_id: int
    last_id: int
    start: int  # bytes of the uncompressed stream
    end: int


@dataclass(frozen=True, slots=True)
class RecordedDay:
    """The lines of a day's file that stay: all of them, but for those of an earlier import."""

    path: Path
    content: RawContent  # of the whole file
    segments: tuple[Segment, ...]  # ascending
    length: int  # of the whole lines

    @property
    def covered(self) -> list[IdSpan]:
        """The ids of the lines that stay."""
        return union((segment.first_id, segment.last_id) for segment in self.segments)


class LineBlock(Protocol):
    """Whole lines with ascending ids, between whose first and last id no recorded id stands."""

    @property
    def lines(self) -> bytes:
        """The lines."""

    @property
    def first_id(self) -> int:
        """The first id that they cover."""

    @property
    def last_id(self) -> int:
        """The last id."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The ids on disk beside a day: the newest before it, the oldest behind it."""

    before: int | None
    behind: int | None

    def covered(self, recorded: Iterable[IdSpan]) -> list[IdSpan]:
        """Return the ids that a day must not bring: its neighbours', and those of its own file."""
        spans = [*recorded]
        if self.before is not None:
            spans.append((0, self.before))
        if self.behind is not None:
            spans.append((self.behind, _LARGEST_ID))
        return union(spans)


class DayIds(NamedTuple):
    """The ids of a finished day."""

    first: int
    last: int
    missing: tuple[IdSpan, ...]  # inside it, and between the newest id before it and its first
    put_in: tuple[IdSpan, ...]  # by the import


def merged(
    recorded: RecordedDay | None, blocks: Iterable[LineBlock], taken: Callable[[bytes], None]
) -> Iterator[bytes]:
    """Yield the lines of a day with the imported blocks put in; ``taken`` gets the blocks.

    Raises VaultError if the recorded file is not as it was.
    """
    with ExitStack() as held:
        segments = list(recorded.segments) if recorded else []
        stream: BinaryIO | None = None
        if recorded is not None:
            held.enter_context(reading(recorded.path))
            stream = held.enter_context(open_lines(recorded.path))
        at = 0
        for block in blocks:
            while at < len(segments) and segments[at].last_id < block.first_id:
                yield from _copied(recorded, stream, segments[at])
                at += 1
            if at < len(segments) and segments[at].first_id <= block.last_id:
                raise VaultError(_overlap(block, segments[at]))
            taken(block.lines)
            yield block.lines
        for segment in segments[at:]:
            yield from _copied(recorded, stream, segment)
        if recorded is not None and stream is not None:  # a torn line stays where it is
            stream.seek(recorded.length)
            while rest := stream.read(_BLOCK):
                yield rest


def day_ids(
    archive: Iterable[IdSpan], recorded: RecordedDay | None, neighbours: Neighbours
) -> DayIds | None:
    """Return the ids of a day of which ``archive`` has these ids; None if it holds no line."""
    kept = recorded.covered if recorded else []
    low = -1 if neighbours.before is None else neighbours.before
    high = _LARGEST_ID if neighbours.behind is None else neighbours.behind
    brought = list(within(union(archive), low + 1, high - 1))
    present = union([*brought, *kept])
    if not present:
        return None
    first, last = present[0][0], present[-1][1]
    begin = first if neighbours.before is None else min(first, neighbours.before + 1)
    missing = without([(begin, last)], present)
    return DayIds(first, last, tuple(missing), tuple(without(brought, kept)))


def _copied(
    recorded: RecordedDay | None, stream: BinaryIO | None, segment: Segment
) -> Iterator[bytes]:
    if recorded is None or stream is None:
        return
    stream.seek(segment.start)
    left = segment.end - segment.start
    while left:
        block = stream.read(min(_BLOCK, left))
        if not block:
            raise VaultError(f"{recorded.path} became shorter while it was read; import again")
        left -= len(block)
        yield block


def _overlap(block: LineBlock, segment: Segment) -> str:
    return (
        f"imported lines of ids {block.first_id} to {block.last_id} meet recorded ones of "
        f"{segment.first_id} to {segment.last_id}; expected them apart; import again"
    )
