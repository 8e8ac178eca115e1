"""The names of the archive's files: the stream, the instrument and the day or month of each.

A file is named after its label, a day like ``2025-01-31`` or a month like ``2025-01``. Labels of
trades, candles and funding are days of UTC+8: the file of a label ends at 16:00 UTC of that date.
Labels of books are UTC days.
"""

import re
from typing import Final, Literal, NamedTuple

from ravequant import times

Stream = Literal["trades", "candles", "funding", "books", "books_deep"]

ALL_SWAPS: Final = "allswap"  # in the place of an instrument: the rows of all perpetuals
UTC8_MS: Final = 8 * times.HOUR_MS  # a label of UTC+8 begins so long before its UTC date

_WORDS: Final[dict[Stream, str]] = {
    "trades": "trades",
    "candles": "candlesticks",
    "funding": "fundingrates",
    "books": "L2orderbook-400lv",
    "books_deep": "L2orderbook-5000lv",
}
_STREAMS: Final = {word: stream for stream, word in _WORDS.items()}
_BOOKS: Final = frozenset[Stream]({"books", "books_deep"})
_NAME: Final = re.compile(
    rf"({ALL_SWAPS}|[A-Z0-9_]+(?:-[A-Z0-9_]+)+)-({'|'.join(_STREAMS)})"
    r"-([0-9]{4}-[0-9]{2}(?:-[0-9]{2})?)(\.zip|\.tar\.gz)"
)


class ArchiveName(NamedTuple):
    """A file of the archive, by the parts of its name."""

    stream: Stream
    inst_id: str  # or ALL_SWAPS
    label: str  # ``2025-01-31``, or ``2025-01`` of a month's file

    @property
    def stem(self) -> str:
        """Return the name without its ending; books' and zips' members are named so too."""
        return f"{self.inst_id}-{_WORDS[self.stream]}-{self.label}"

    @property
    def file(self) -> str:
        """Return the name of the file: ``BTC-USDT-SWAP-trades-2025-01-31.zip``."""
        return self.stem + (".tar.gz" if self.stream in _BOOKS else ".zip")

    @property
    def member(self) -> str:
        """Return the name of the only file inside: ``BTC-USDT-SWAP-trades-2025-01-31.csv``."""
        return self.stem + (".data" if self.stream in _BOOKS else ".csv")

    @property
    def monthly(self) -> bool:
        """Return True for the file of a month."""
        return len(self.label) == len("2025-01")

    def covers(self, day: str) -> bool:
        """Return True if the file has rows of a UTC day, of a part of it at least."""
        labels = labels_of(self.stream, day)
        return any(label.startswith(self.label) for label in labels)


def parse_name(file_name: str) -> ArchiveName | None:
    """Return the parts of a file's bare name; None if no file of the archive is named so."""
    match = _NAME.fullmatch(file_name)
    if match is None:
        return None
    name = ArchiveName(_STREAMS[match[2]], match[1], match[3])
    if name.file != file_name or not _exists(name.label):
        return None
    return None if name.monthly and name.stream in _BOOKS else name


def labels_of(stream: Stream, day: str) -> tuple[str, ...]:
    """Return the daily labels whose files together hold a UTC day: two, or one of books."""
    if stream in _BOOKS:
        return (day,)
    return day, times.day(times.day_start_ms(day) + times.DAY_MS)


def month_of(label: str) -> str:
    """Return the month's label of a day's label: the file of that month holds the same rows."""
    return label[: len("2025-01")]


def start_ms(stream: Stream, label: str) -> int:
    """Return the first millisecond (Unix, UTC) of a day's or a month's label."""
    date = label if len(label) == len("2025-01-31") else f"{label}-01"
    return times.day_start_ms(date) - (0 if stream in _BOOKS else UTC8_MS)


def _exists(label: str) -> bool:
    try:
        start_ms("books", label)
    except ValueError:
        return False
    return True
