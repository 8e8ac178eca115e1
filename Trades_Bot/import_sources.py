"""Where the files of an import come from: a folder that a person filled, or the exchange."""

import argparse
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from ravequant import cli, settings
from ravequant.errors import NoDataError
from ravequant.exchanges.archive.base import Archive
from ravequant.exchanges.archive.plan import plan_lines
from ravequant.exchanges.archive.publisher import Publisher
from ravequant.vault.imports import provenance
from ravequant.vault.paths import StrPath, Vault
from Trades_Bot.archive_download import Download, Offer, days_between, offer, plan
from Trades_Bot.archive_files import ArchiveFolder, TradeFiles

_MB: Final = 1 << 20
_log = logging.getLogger("import_trades")


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class TradeSource:
    """The files of one instrument."""

    inst_id: str
    archive: Archive
    count: int  # days
    days: Callable[[], Iterable[TradeFiles]]  # oldest first
    funding: Callable[[], Sequence[StrPath]]
    cells: tuple[str, ...] = ()  # of the plan: from, to, files, MB, lacking
    lines: tuple[str, ...] = ()  # of the plan
    close: Callable[[], None] = _nothing


FindSource = Callable[[], TradeSource | None]  # None: there is nothing to do; raises FeedError


def folders(archive: Archive, args: argparse.Namespace) -> Iterator[FindSource]:
    """Yield for each instrument a function that finds its files in a folder. Raises UsageError."""
    folder = ArchiveFolder(args.dir, archive)
    for inst_id in cli.instruments_of(args, folder.instruments()):
        yield partial(_folder_source, archive, folder, inst_id, args)


def _folder_source(
    archive: Archive, folder: ArchiveFolder, inst_id: str, args: argparse.Namespace
) -> TradeSource:
    found = folder.days(inst_id, args.since, args.until)
    days = found if args.partial else inner_days(inst_id, found, folder.folder)
    for files in found:
        if files not in days:
            text = "%s %s: only a part of this day is here (label %s lacks); left out"
            _log.info(text, inst_id, files.day, " and ".join(files.lacking))
    paths = {path for files in days for path in (*files.trades, *files.candles)}
    size = sum(path.stat().st_size for path in paths) / _MB
    lacking = sorted({label for files in days for label in files.lacking})
    cells = (days[0].day, days[-1].day, str(len(paths)), f"{size:,.1f}", ", ".join(lacking) or "-")
    return TradeSource(
        inst_id, archive, len(days), lambda: days, lambda: folder.funding(inst_id), cells
    )


def inner_days(inst_id: str, found: Sequence[TradeFiles], folder: StrPath) -> list[TradeFiles]:
    """Return the days from the first to the last that have both their files."""
    whole = [files.day for files in found if files.whole]
    if not whole:
        lacking = ", ".join(f"{files.day} lacks {' and '.join(files.lacking)}" for files in found)
        raise NoDataError(
            f"{inst_id}: no UTC day has both its files in {folder}: {lacking}; fetch them, or "
            "import what is there with --partial"
        )
    return [files for files in found if whole[0] <= files.day <= whole[-1]]


def downloads(
    vault: Vault, archive: Archive, publisher: Publisher, rest_url: str, args: argparse.Namespace
) -> Iterator[FindSource]:
    """Yield for each instrument a function that asks the exchange for its files.

    Nothing is fetched before it is needed. Days that were imported whole are not fetched again,
    but with ``--replace``.
    """
    days = days_between(args.since, args.until)
    for inst_id in cli.instruments_of(args, settings.load().instruments):
        find = partial(offer, publisher, rest_url, inst_id, limit_factor=args.rest_limit_factor)
        yield partial(_asked, vault, archive, inst_id, find, days=days, args=args)


def _asked(
    vault: Vault,
    archive: Archive,
    inst_id: str,
    find: Callable[[Sequence[str]], Offer],
    *,
    days: Sequence[str],
    args: argparse.Namespace,
) -> TradeSource | None:
    known = {} if args.replace else provenance.newest(vault, inst_id)
    done = {day for day, line in known.items() if line.proof != "partial"}
    wanted = [day for day in days if day not in done]
    if len(wanted) < len(days):
        text = "%s: %d of these days were imported before and are not fetched again"
        _log.info(text, inst_id, len(days) - len(wanted))
    if not wanted:
        return None
    folder = args.dir or vault.import_downloads()
    try:
        return _download_source(archive, find(wanted), folder, args)
    except NoDataError as error:
        if len(wanted) == len(days):
            raise
        _log.info("%s", error)  # the other days are there
        return None


def _download_source(
    archive: Archive, found: Offer, folder: Path, args: argparse.Namespace
) -> TradeSource:
    download = Download(archive, found, folder, keep=args.dir is not None)
    days = download.wanted(partial=args.partial)
    if not days:
        raise NoDataError(
            f"{found.inst_id}: no UTC day asked for has both its files at the exchange (label "
            f"{' and '.join(found.absent)} lacks), which publishes a day about two days later; "
            "import again then, or what is there with --partial"
        )
    figures = plan([found], folder)
    size = f"{figures.size / _MB:,.1f}"
    lacking = ", ".join(found.absent) or "-"
    cells = (days[0].day, days[-1].day, str(figures.files), size, lacking)
    return TradeSource(
        found.inst_id,
        archive,
        len(days),
        lambda: download.days(days),
        download.funding,
        cells,
        tuple(plan_lines(figures)),
        download.close,
    )
