"""An exchange's published files, as programs know them: terms, listing, the files of a day.

`ravequant.exchanges.load_publisher` returns the publisher of an exchange by its name.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ravequant.exchanges.archive.published import Published, PublishedFile


class Finding(Protocol):
    """One line of a probe."""

    @property
    def believed(self) -> bool | None:
        """True: as believed; False: not so; None: it could not be looked at."""

    def line(self) -> str:
        """Return it for a reader."""


class FileListing(Protocol):
    """The listing of one address; a failed call raises FeedError."""

    def files(self, stream: Any, inst_id: str, labels: Iterable[str], /) -> Published:
        """Return the files of labels, all of them days or all of them months."""

    def close(self) -> None:
        """End waits and refuse further calls; callable from any thread."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """An exchange's published files: how they are listed, named and tried out."""

    terms: tuple[str, ...]  # shown before the first download
    everybody: str  # in the place of an instrument: the file has the rows of all of them
    listing: Callable[..., FileListing]  # (rest_url, *, attempts, limit_factor)
    labels_of: Callable[[Any, str], tuple[str, ...]]  # (stream, UTC day)
    month_of: Callable[[str], str]  # (label of a day)
    probe: Callable[..., Sequence[Finding]]  # (rest_url, folder, *, inst_id, recorded, watcher)


@dataclass(frozen=True, slots=True)
class DayFiles:
    """The files that a UTC day needs, and the labels of them that are not published."""

    day: str
    files: tuple[PublishedFile, ...]
    absent: tuple[tuple[str, str], ...] = ()  # (stream, label)


def list_days(
    publisher: Publisher,
    listing: FileListing,
    inst_id: str,
    streams: Sequence[str],
    days: Iterable[str],
) -> list[DayFiles]:
    """Return the files of UTC days, of all these streams; every label is found or named absent."""
    wanted = sorted(set(days))
    found: dict[tuple[str, str], PublishedFile] = {}
    for stream in streams:
        labels = {label for day in wanted for label in publisher.labels_of(stream, day)}
        for file in listing.files(stream, inst_id, labels).files:
            found[stream, file.label] = file
    return [_day(publisher, found, streams, day) for day in wanted]


def _day(
    publisher: Publisher,
    found: dict[tuple[str, str], PublishedFile],
    streams: Sequence[str],
    day: str,
) -> DayFiles:
    keys = [(stream, label) for stream in streams for label in publisher.labels_of(stream, day)]
    return DayFiles(
        day,
        tuple(found[key] for key in keys if key in found),
        tuple(key for key in keys if key not in found),
    )


def list_funding(
    publisher: Publisher, listing: FileListing, inst_id: str, days: Iterable[str]
) -> list[PublishedFile]:
    """Return the files of funding of UTC days: those of months, else those of all instruments.

    A month is published once it is over; before that each day has a file of all instruments.
    """
    labels = sorted({label for day in days for label in publisher.labels_of("funding", day)})
    months = {publisher.month_of(label) for label in labels}
    monthly = listing.files("funding", inst_id, months)
    rest = [label for label in labels if publisher.month_of(label) in monthly.absent]
    daily = listing.files("funding", publisher.everybody, rest)
    return [*monthly.files, *daily.files]
