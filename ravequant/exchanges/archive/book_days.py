"""A UTC day of order books out of a published file: the form that every exchange's reader has."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from ravequant.exchanges.archive.base import PublishedName
from ravequant.exchanges.archive.container import (
    FETCH_AGAIN,
    ArchiveError,
    Member,
    blocks,
    open_member,
)
from ravequant.exchanges.base import BookLevel
from ravequant.records import RecordError
from ravequant.vault.paths import StrPath

SILENCE_MS: Final = 10_000  # a longer silence of the messages is a gap


class ShownBook(NamedTuple):
    """The best levels of a book at a boundary, or the last book before a break."""

    ts: int  # Unix milliseconds, exchange time
    bids: list[BookLevel]  # descending; canonical numbers
    asks: list[BookLevel]  # ascending
    twice_mid: int  # best bid + best ask, units of 10**-exact.PRICE_PLACES
    gap: bool  # True: the book is unknown from here on, until the next snapshot


@dataclass(slots=True)
class BookFacts:
    """The counts of one day's messages."""

    messages: int = 0
    snapshots: int = 0
    disagreeing: int = 0  # snapshots that differ from the updates before them: no loss
    differing_levels: int = 0  # of these snapshots
    silences: int = 0  # gaps of more than SILENCE_MS between two messages
    breaks: int = 0  # books that crossed or lost a side
    dropped: int = 0  # updates between a gap or break and the next snapshot
    first_ms: int | None = None  # times of the first and the last message
    last_ms: int | None = None


class BookReplay(Protocol):
    """One day of one instrument, rebuilt from its messages; pure. RecordError refuses the day."""

    facts: BookFacts

    def read(self, block: bytes) -> Iterator[ShownBook]:
        """Take in whole lines; yield the books to write."""

    def end(self) -> Iterator[ShownBook]:
        """Take in that the file has ended; yield the last book if the day goes on without it."""


@dataclass(frozen=True, slots=True)
class ArchivedBooks:
    """The form of an exchange's published books."""

    parse_name: Callable[[str], PublishedName | None]
    replay: Callable[..., BookReplay]  # (inst_id, day, *, cadence_ms, depth)
    suffix: str  # of the file inside


def books_of(path: StrPath, suffix: str, replay: BookReplay) -> Iterator[ShownBook]:
    """Yield the books of a file; they are good once it has come to its end.

    Raises ArchiveError for a file that is damaged or holds something else.
    """
    with open_member(path, suffix) as member:
        yield from _books(member, replay)


def _books(member: Member, replay: BookReplay) -> Iterator[ShownBook]:
    try:
        for block in blocks(member):
            yield from replay.read(block)
        yield from replay.end()
    except RecordError as error:
        raise ArchiveError(f"{member.path}: {error}; {FETCH_AGAIN}") from None
