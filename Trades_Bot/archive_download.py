"""Fetches the files that an import needs, day by day: at most two of trades are on the disk."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ravequant import times
from ravequant.errors import NoDataError, UsageError
from ravequant.exchanges.archive.base import Archive
from ravequant.exchanges.archive.download import Fetcher, fetch_days
from ravequant.exchanges.archive.plan import DownloadPlan, plan_of
from ravequant.exchanges.archive.progress import DownloadProgress, keep_rate, kept_rate
from ravequant.exchanges.archive.published import PublishedFile
from ravequant.exchanges.archive.publisher import DayFiles, Publisher, list_days, list_funding
from ravequant.vault.paths import StrPath
from Trades_Bot.archive_files import CANDLES, TRADES, ArchiveFolder, TradeFiles


@dataclass(frozen=True, slots=True)
class Offer:
    """The files that an exchange has of an instrument and of the days asked for."""

    inst_id: str
    days: tuple[DayFiles, ...]  # with files of trades, oldest first
    funding: tuple[PublishedFile, ...]
    absent: tuple[str, ...]  # labels of trades that it does not have

    @property
    def files(self) -> Iterator[PublishedFile]:
        """All files, those of neighbouring days once."""
        seen = {file.name: file for day in self.days for file in day.files}
        yield from (*seen.values(), *self.funding)


def days_between(since: str | None, until: str | None) -> list[str]:
    """Return the UTC days from ``since`` to ``until``, by default yesterday. Raises UsageError."""
    if since is None:
        raise UsageError("from which day on? --download needs --from DAY, like --from 2025-09-01")
    yesterday = times.day_start_ms(times.day(times.utc_now_ms())) - times.DAY_MS
    last = min(yesterday, yesterday if until is None else times.day_start_ms(until))
    first = times.day_start_ms(since)
    if first > last:
        raise UsageError(
            f"--from {since}: expected a day up to {times.day(last)}; today is never imported"
        )
    return [times.day(moment) for moment in range(first, last + 1, times.DAY_MS)]


def offer(
    publisher: Publisher, rest_url: str, inst_id: str, days: Sequence[str], *, limit_factor: float
) -> Offer:
    """Ask the exchange for its files of these days. Raises FeedError, NoDataError for none."""
    with closing(publisher.listing(rest_url, limit_factor=limit_factor)) as listing:
        found = list_days(publisher, listing, inst_id, (TRADES, CANDLES), days)
        wanted = tuple(day for day in found if any(file.stream == TRADES for file in day.files))
        if not wanted:
            raise NoDataError(
                f"{inst_id}: the exchange has no file of trades from {days[0]} to {days[-1]}; it "
                "publishes a day about two days later"
            )
        funding = list_funding(publisher, listing, inst_id, days)
    absent = {label for day in found for stream, label in day.absent if stream == TRADES}
    return Offer(inst_id, wanted, tuple(funding), tuple(sorted(absent)))


def plan(offers: Iterable[Offer], folder: StrPath) -> DownloadPlan:
    """Return the figures of a download, with its time by the last rate."""
    return plan_of((file for one in offers for file in one.files), kept_rate(folder))


class Download:
    """Fetches an offer into a folder; ``keep``: nothing is deleted afterwards."""

    def __init__(self, archive: Archive, found: Offer, folder: StrPath, *, keep: bool) -> None:
        self._archive, self._found, self._folder, self._keep = archive, found, folder, keep
        self._progress = DownloadProgress(sum(file.size_hint for file in found.files))
        self._fetcher = Fetcher(folder, watcher=self._progress)

    def funding(self) -> list[Path]:
        """Fetch the files of settled funding and return them."""
        fetched = (self._fetcher.fetch(file) for file in self._found.funding)
        return [one.path for one in fetched if one is not None]

    def wanted(self, *, partial: bool) -> list[DayFiles]:
        """Return the days to import: not those at either end that lack a file, but ``partial``."""
        if partial:
            return list(self._found.days)
        whole = [day.day for day in self._found.days if _is_whole(day)]
        return [day for day in self._found.days if whole and whole[0] <= day.day <= whole[-1]]

    def days(self, wanted: Iterable[DayFiles]) -> Iterator[TradeFiles]:
        """Yield the files of each day, fetched; those of the day before go with the next one."""
        for day in fetch_days(self._fetcher, wanted, keep=self._keep):
            yield ArchiveFolder(self._folder, self._archive).day(self._found.inst_id, day.day)
        keep_rate(self._folder, self._progress.rate)

    def close(self) -> None:
        """Close the connections."""
        self._fetcher.close()


def _is_whole(day: DayFiles) -> bool:
    """Return True if the exchange has all files of trades of the day."""
    return all(stream != TRADES for stream, _ in day.absent)
