"""`edge_lab.py study`: from nothing to a verdict, after a plan with its costs."""

import argparse
import logging
import shutil
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

import orjson

from Edge_Lab import make_verdict
from Edge_Lab.executions import executions
from Edge_Lab.study import StudyOptions, StudyRun
from Edge_Lab.study_days import StudyState
from Edge_Lab.study_plan import (
    LOOK_BACK,
    StudyCost,
    StudyDays,
    answerable,
    listing_seconds,
    moved,
    plan_lines,
    study_days,
)
from Edge_Lab.study_steps import StoppedError, StudySteps
from ravequant import cli, exchanges, settings, times
from ravequant.errors import DONE, FAILED, NoDataError, VaultError
from ravequant.exchanges.archive.plan import megabytes
from ravequant.exchanges.archive.progress import kept_rate
from ravequant.exchanges.archive.published import PublishedFile
from ravequant.exchanges.archive.publisher import DayFiles, FileListing, Publisher, list_days
from ravequant.exchanges.archive.terms import require_terms
from ravequant.processes import lifeline
from ravequant.vault.imports.provenance import BOOKS, TRADES
from ravequant.vault.paths import Vault

_QUICK_S: Final = 10.0  # a listing that takes longer is announced
_log = logging.getLogger("edge_lab")


def add_options(made: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = made.add_argument
    text = "study: the books too (default), or trades alone, which cannot prove anything"
    add("--books", action=argparse.BooleanOptionalAction, default=True, help=text)
    add("--dry-run", action="store_true", help="study: only say what it costs")
    add("--accept-terms", action="store_true", help="study: the exchange's terms, said once")
    add("--rest-url", metavar="URL", help="study: another address of the exchange")
    text = "study: ask X times as often as OKX allows; for an exchange in a box that allows it"
    add("--rest-limit-factor", type=cli.factor, default=1.0, metavar="X", help=text)


class Offered(NamedTuple):
    """The files that the exchange has of the days that are left, by instrument."""

    trades: list[DayFiles]
    books: list[DayFiles]

    def files(self) -> list[PublishedFile]:
        """All files, each once: neighbouring days share files of trades."""
        found = {file.name: file for day in (*self.trades, *self.books) for file in day.files}
        return list(found.values())


class StudyOffer:
    """The published files that a study needs."""

    def __init__(self, publisher: Publisher, listing: FileListing, *, books: bool) -> None:
        self._publisher, self._listing, self._books = publisher, listing, books

    def newest(self, instruments: Sequence[str], today: str) -> str:
        """Return the newest day that is published whole for all. FeedError, NoDataError."""
        days = [moved(today, -back) for back in range(1, LOOK_BACK + 1)]
        streams = (TRADES, BOOKS) if self._books else (TRADES,)
        there = set(days)
        for inst_id in instruments:
            found = list_days(self._publisher, self._listing, inst_id, streams, days)
            there &= {day.day for day in found if not day.absent}
        if not there:
            raise NoDataError(
                f"the exchange has no file of {' and '.join(streams)} of all of "
                f"{', '.join(instruments)} from {days[-1]} to {days[0]}; name the days with --from "
                "and --to"
            )
        return max(there)

    def of(self, state: StudyState, inst_id: str) -> Offered:
        """Return the files that are still to be fetched. FeedError."""
        trades = self._days(inst_id, TRADES, state.lacks_trades(inst_id))
        books = state.lacks_books(inst_id) if self._books else []
        return Offered(trades, self._days(inst_id, BOOKS, books))

    def _days(self, inst_id: str, stream: str, days: Sequence[str]) -> list[DayFiles]:
        return list_days(self._publisher, self._listing, inst_id, (stream,), days) if days else []


def command(args: argparse.Namespace) -> int:
    """Run `study`: say the plan, carry out the rest of it, and print the card."""
    vault, chosen = cli.vault_of(args), settings.load()
    instruments = cli.instruments_of(args, chosen.instruments)
    publisher = exchanges.load_publisher(vault.exchange)
    rest_url = args.rest_url or chosen.okx.addresses()[1]
    today = times.day(times.utc_now_ms())
    listing = publisher.listing(rest_url, limit_factor=args.rest_limit_factor)
    with closing(listing):
        offer = StudyOffer(publisher, listing, books=args.books)
        newest = None if args.last else offer.newest(instruments, today)
        days = study_days(args.first, args.last, newest, today)
        exec_ids = [one.exec_id for one in executions(chosen)]
        state = StudyState(vault, days, exec_ids, books=args.books)
        wait = listing_seconds(days, len(instruments), books=args.books) / args.rest_limit_factor
        if wait > _QUICK_S:
            _log.info("asking the exchange for its files takes up to %.0f s", wait)
        offered = {inst_id: offer.of(state, inst_id) for inst_id in instruments}
    unpublished = {
        (inst_id, day.day) for inst_id, one in offered.items() for day in one.books if day.absent
    }
    cost = cost_of(state, instruments, offered)
    if args.dry_run or not args.json:
        _say(days, instruments, cost, as_json=args.json)
    if args.dry_run:
        return 0
    require_terms(vault, publisher.terms, accepted=args.accept_terms)
    _require_room(vault, cost)
    options = StudyOptions(args.rest_url, args.rest_limit_factor)
    steps = StudySteps(vault)
    run = StudyRun(state, instruments, steps, options, unpublished=unpublished)
    try:
        with lifeline.on_stop(steps.stop):
            run.run()
    except StoppedError:
        _log.info("stopped; the same command goes on from here")
        return cli.INTERRUPTED
    return _finish(args, days, run.failed)


def _finish(args: argparse.Namespace, days: StudyDays, failed: Sequence[str]) -> int:
    if args.first or args.last:
        args.first, args.last = days
    code = make_verdict.command(args)
    if failed:
        _log.error(
            "left out, as the words above say: %s; begin the study again to try them once more",
            ", ".join(failed),
        )
    return code or (FAILED if failed else DONE)


def cost_of(
    state: StudyState, instruments: Sequence[str], offered: dict[str, Offered]
) -> StudyCost:
    """Return the work that is left of a study."""
    files = [file for one in offered.values() for file in one.files()]
    books = [file.size_hint for file in files if file.stream == BOOKS]
    lacking = {day.day for one in offered.values() for day in one.books if day.absent}
    left = {inst_id: state.left(inst_id) for inst_id in instruments}
    undone = {day for names in left.values() for day in names}
    folders = (state.vault.import_downloads(), *map(state.vault.book_import, instruments))
    rates = [kept_rate(folder / sub) for folder in folders for sub in ("", "files")]
    return StudyCost(
        days=len(state.days.days),
        days_done=len(set(state.days.days) - undone),
        trades=sum(file.size_hint for file in files if file.stream == TRADES),
        books=sum(books),
        largest_book=max(books, default=0),
        left_judging=sum(map(len, left.values())),
        instruments=len(instruments),
        with_books=state.books,
        unpublished=tuple(sorted(lacking & set(state.days.days))),
        rate=max((rate for rate in rates if rate), default=None),
    )


def _say(days: StudyDays, instruments: Sequence[str], cost: StudyCost, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(as_row(days, instruments, cost)).decode() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in plan_lines(days, instruments, cost))
    sys.stdout.flush()


def as_row(days: StudyDays, instruments: Sequence[str], cost: StudyCost) -> dict[str, Any]:
    """Return the plan as an object; bytes and seconds are integers."""
    return {
        "instruments": list(instruments),
        "days": list(days),
        "books": cost.with_books,
        "days_done": cost.days_done,
        "unpublished": list(cost.unpublished),
        "fetch_bytes": cost.fetch,
        "disk_bytes": cost.disk,
        "stays_bytes": cost.stays,
        "seconds": round(cost.seconds),
        "answer": " ".join(answerable(cost)),
    }


def _require_room(vault: Vault, cost: StudyCost) -> None:
    """Raise VaultError if the disk is too small for the study."""
    there = next(folder for folder in (vault.root, *vault.root.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < cost.disk:
        raise VaultError(
            f"{vault.root}: {megabytes(free)} are free, the study needs {megabytes(cost.disk)}; "
            "free space on its disk, name a vault on another one with --vault, or begin later with "
            "--from"
        )
