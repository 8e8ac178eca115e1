"""The files of an import of books: those of a folder, or fetched one after the other."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from L2_Bot.imported_day import BOOKS, DEEP
from ravequant import times
from ravequant.errors import UsageError
from ravequant.exchanges.archive.book_days import ArchivedBooks
from ravequant.exchanges.archive.download import Fetcher, fetch_days
from ravequant.exchanges.archive.plan import plan_lines, plan_of
from ravequant.exchanges.archive.progress import DownloadProgress, keep_rate, kept_rate
from ravequant.exchanges.archive.publisher import DayFiles, Publisher, list_days
from ravequant.vault.paths import StrPath

_NAMED_DAYS: Final = 5
_log = logging.getLogger("import_books")


class BookDayFiles(NamedTuple):
    """The files of one UTC day."""

    day: str
    books: Path | None
    deep: Path | None
    etags: Mapping[str, str] = {}  # by the file's name, of files that were fetched


class AskedDays(NamedTuple):
    """The UTC days asked for; None where nothing was said."""

    first: str | None
    last: str | None

    def check(self) -> None:
        """Raise UsageError for days that are not over, or in the wrong order."""
        today = times.day(times.utc_now_ms())
        for flag, day in (("--from", self.first), ("--to", self.last)):
            if day is not None and day >= today:
                raise UsageError(
                    f"{flag} {day}: is not over; the last day to import is before {today}"
                )
        if self.first and self.last and self.first > self.last:
            raise UsageError(f"--from {self.first} is after --to {self.last}; give them in order")

    def days(self) -> list[str]:
        """Return each day. Raises UsageError unless both ends are given."""
        if self.first is None or self.last is None:
            raise UsageError("--download needs --from and --to, UTC days like 2025-12-14")
        moments = range(
            times.day_start_ms(self.first), times.day_start_ms(self.last) + 1, times.DAY_MS
        )
        return [times.day(moment) for moment in moments]

    def holds(self, day: str) -> bool:
        """Return True for a day within the span that is over."""
        within = (self.first or "") <= day <= (self.last or "~")
        return within and day < times.day(times.utc_now_ms())

    def name_missing(self, there: Collection[str]) -> None:
        """Log the days without a file, if both ends are given."""
        if self.first is None or self.last is None:
            return
        missing = [day for day in self.days() if day not in there]
        if missing:
            _log.warning("no file of %d days: %s", len(missing), listed(missing))


def listed(days: Sequence[str]) -> str:
    """Return days as text, the first few by name."""
    more = f" and {len(days) - _NAMED_DAYS} more" if len(days) > _NAMED_DAYS else ""
    return ", ".join(days[:_NAMED_DAYS]) + more


def files_of(
    folder: StrPath, archive: ArchivedBooks, inst_id: str, span: AskedDays, *, deep: bool
) -> list[BookDayFiles]:
    """Return the days of which an instrument has a file in the folder, oldest first."""
    found: dict[str, dict[str, Path]] = {BOOKS: {}, DEEP: {}}
    try:
        for path in sorted(Path(folder).iterdir()):
            name = archive.parse_name(path.name)
            if name is not None and name.inst_id == inst_id and name.stream in found:
                found[name.stream][name.label] = path
    except OSError as error:
        raise UsageError(f"--dir {folder}: {error.strerror}; name a folder of files") from None
    days = sorted(found[BOOKS].keys() | (found[DEEP].keys() if deep else set()))
    there = [
        BookDayFiles(day, found[BOOKS].get(day), found[DEEP].get(day) if deep else None)
        for day in days
        if span.holds(day)
    ]
    span.name_missing({files.day for files in there})
    return there


class BookDownloads:
    """The published files of an instrument's books, fetched day by day into a folder.

    A day's files are deleted once the day after it is asked for.
    """

    def __init__(
        self,
        publisher: Publisher,
        archive: ArchivedBooks,
        rest_url: str,
        *,
        folder: StrPath,
        inst_id: str,
    ) -> None:
        self._publisher, self._archive, self._rest_url = publisher, archive, rest_url
        self._folder, self._inst_id = Path(folder), inst_id

    def listing(self, days: Sequence[str], *, deep: bool) -> list[DayFiles]:
        """Return the files that there are of these days; FeedError if the exchange fails."""
        streams = (BOOKS, DEEP) if deep else (BOOKS,)
        with closing(self._publisher.listing(self._rest_url)) as listing:
            found = list_days(self._publisher, listing, self._inst_id, streams, days)
        for stream in streams:
            absent = [label for day in found for kind, label in day.absent if kind == stream]
            if absent:
                _log.warning("%s: no file of %s of %s", self._inst_id, stream, listed(absent))
        return [day for day in found if day.files]

    def plan(self, days: Iterable[DayFiles]) -> list[str]:
        """Return the plan of the download, for a reader."""
        files = [file for day in days for file in day.files]
        return plan_lines(plan_of(files, kept_rate(self._folder)))

    def fetch(self, days: Sequence[DayFiles]) -> Iterator[BookDayFiles]:
        """Yield each day with its files on this disk."""
        progress = DownloadProgress(sum(file.size_hint for day in days for file in day.files))
        with closing(Fetcher(self._folder, watcher=progress)) as fetcher:
            for day in fetch_days(fetcher, days):
                paths = {self._stream(one.path): one.path for one in day.fetched}
                etags = {one.path.name: one.etag for one in day.fetched}
                yield BookDayFiles(day.day, paths.get(BOOKS), paths.get(DEEP), etags)
            keep_rate(self._folder, progress.rate)

    def _stream(self, path: Path) -> str:
        name = self._archive.parse_name(path.name)
        return "" if name is None else name.stream
