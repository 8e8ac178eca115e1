"""Imports order books of the past from the files that OKX publishes.

Each file holds the messages of one UTC day. Its books become the snapshots that the exporter would
have written, or with ``--buckets-only`` bucket lines at once. A day is imported whole or not at
all, and a run that was stopped at any place is simply started again.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from L2_Bot.book_sources import AskedDays, BookDayFiles, BookDownloads, files_of
from L2_Bot.bucket_vault import STREAM as BUCKETS
from L2_Bot.bucket_vault import BucketVault, DayRead, bucketed, must_make
from L2_Bot.imported_day import BOOKS, DEEP, DayBuilder, provenance_of, source_of
from ravequant import catalog, cli, exchanges, settings, times
from ravequant.errors import (
    DONE,
    FAILED,
    FeedError,
    NoDataError,
    UsageError,
    VaultError,
)
from ravequant.exchanges.archive.book_days import BookFacts
from ravequant.exchanges.archive.plan import (
    BOOK_BYTES_A_SECOND,
    BOOK_HOURS,
    BUCKET_DAY,
    BUCKETS_PACKED,
)
from ravequant.exchanges.archive.terms import require_terms
from ravequant.settings import L2, Settings
from ravequant.vault.atomic import move_over
from ravequant.vault.imports import provenance
from ravequant.vault.imports.book_hours import BuiltHours, HourImport, part_of, taken_hours
from ravequant.vault.imports.provenance import ImportedDay, SourceFile
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault
from ravequant.vault.retention.report import size

PROGRAM: Final = catalog.IMPORT_BOOKS.name
QUEUE: Final = "the lab will not know the queue of these days"
_log = logging.getLogger(PROGRAM)


class Options(NamedTuple):
    """The choices of a run."""

    deep: bool
    buckets_only: bool
    keep: bool
    replace: bool


class BookImport:
    """The import of one instrument's books; the caller holds the importer's lock."""

    def __init__(self, vault: Vault, inst_id: str, l2: L2, options: Options) -> None:
        self._vault, self._inst_id, self._options = vault, inst_id, options
        exchange = exchanges.load(vault.exchange)
        archive = exchanges.load_archived_books(vault.exchange)
        self._build = DayBuilder(exchange, archive, inst_id, l2)
        self._folders = {BOOKS: vault.snapshots(inst_id), DEEP: vault.deep_snapshots(inst_id)}
        self._hours = HourImport(vault, inst_id, self._folders)
        self._buckets = BucketVault(vault, inst_id)

    def recover(self) -> None:
        """Finish the day that a killed run had begun to put in its place."""
        day = self._hours.recover()
        if day is not None:
            _log.info("%s %s: finished what an earlier run began", self._inst_id, day.day)
            self._make_buckets(day.day)

    def take(self, files: BookDayFiles) -> Iterator[dict[str, Any]]:
        """Import a day; yield the facts of each of its streams.

        Raises ArchiveError for a file that is refused, with nothing of its stream written.
        """
        if self._options.buckets_only:
            yield from self._to_buckets(files)
            return
        for stream, path in ((BOOKS, files.books), (DEEP, files.deep)):
            if path is not None:
                source = source_of(path, files.etags.get(path.name, ""))
                yield self._to_hours(stream, files.day, path, source)
        self._make_buckets(files.day)

    # -- snapshots

    def _to_hours(self, stream: str, day: str, path: Path, file: SourceFile) -> dict[str, Any]:
        known = self._known(stream).get(day)
        if known is not None and not self._again(known, file):
            return _said(stream, day, "done before")
        own = () if known is None else known.hours
        if stream == BOOKS:
            facts, built = self._build.books(path, day, self._folders[BOOKS], own)
        else:
            folders = self._folders[DEEP], self._folders[BOOKS]
            facts, built = self._build.deep(path, day, *folders, own)
        if built.hours:
            entry = provenance_of(stream, day, file, facts, built, keep=self._options.keep)
            self._hours.publish(entry, set(own) - set(built.hours))
        return _told(stream, day, facts, built)

    def _known(self, stream: str) -> Mapping[str, ImportedDay]:
        return provenance.newest(self._vault, self._inst_id, stream)

    def _again(self, known: ImportedDay, file: SourceFile) -> bool:
        """Return True if a day that was imported before is to be imported again."""
        if self._options.replace:
            return True
        if known.files and file.sha256 not in {one.sha256 for one in known.files}:
            raise VaultError(
                f"{file.name}: its SHA-256 {file.sha256} is not that of the file from which "
                f"{known.day} was imported, {known.files[0].sha256}; import the day anew with "
                "--replace"
            )
        return False

    def _make_buckets(self, day: str) -> None:
        """Make the buckets of an imported day if it lacks them and the bucketizer has passed it."""
        if not (must_make(self._vault, self._inst_id, day) and self._lacks_buckets(day)):
            return
        if not self._buckets.begin(day):
            self._buckets.take(day)
            self._buckets.note(day, DayRead((), 0, None))
        if self._buckets.make(day) is None:
            _log.warning(
                "%s %s: has bucket lines of its own that the books on disk do not give again; "
                "they stay",
                self._inst_id,
                day,
            )

    def _lacks_buckets(self, day: str) -> bool:
        """Return True if no buckets were made since hours of a day were imported."""
        made = self._known(BUCKETS).get(day)
        books, deep = (self._known(stream).get(day) for stream in (BOOKS, DEEP))
        if made is None and deep is None and bucketed(self._vault, self._inst_id, day):
            return False  # the bucketizer has read them itself
        return any(
            one is not None and one.hours and (made is None or made.imported_ms < one.imported_ms)
            for one in (books, deep)
        )

    # -- buckets only

    def _to_buckets(self, files: BookDayFiles) -> Iterator[dict[str, Any]]:
        day, buckets = files.day, self._buckets
        if files.books is None:
            return
        file = source_of(files.books, files.etags.get(files.books.name, ""))
        known = self._known(BUCKETS).get(day)
        if known is not None and not self._again(known, file):
            yield _said(BUCKETS, day, "done before")
            return
        if not buckets.under_way(day):
            self._refuse_recorded(day, known)
        if not buckets.begin(day):
            facts, built = self._build.books(files.books, day, buckets.snapshots)
            _rename(buckets.snapshots, day, built.hours)
            read: tuple[SourceFile, ...] = (file,)
            if files.deep is not None:
                folders = buckets.deep_snapshots, buckets.snapshots
                _, deep = self._build.deep(files.deep, day, *folders)
                _rename(buckets.deep_snapshots, day, deep.hours)
                read += (source_of(files.deep),)
            buckets.note(day, DayRead(read, facts.messages, facts.disagreeing))
            yield _told(BOOKS, day, facts, built, status="read")
        made = buckets.make(day)
        if made is None:
            yield _said(BUCKETS, day, "has bucket lines of its own")
        else:
            yield _said(BUCKETS, day, "imported") | {"lines": made.lines}

    def _refuse_recorded(self, day: str, known: ImportedDay | None) -> None:
        folder = self._folders[BOOKS]
        derived = catalog.BUCKETS.files(self._vault, self._inst_id)
        if taken_hours(folder, day) or (known is None and day in dict(derived)):
            raise UsageError(
                f"{self._inst_id} {day} has recorded hours or bucket lines: its buckets are the "
                "bucketizer's; import the day without --buckets-only"
            )


def _rename(folder: Path, day: str, hours: Sequence[str]) -> None:
    for hour in hours:
        move_over(part_of(folder, day, hour), folder / day / f"{hour}.jsonl.gz")


def _said(stream: str, day: str, status: str) -> dict[str, Any]:
    return {"stream": stream, "day": day, "status": status}


def _told(
    stream: str, day: str, facts: BookFacts, built: BuiltHours, status: str = "imported"
) -> dict[str, Any]:
    status = status if built.hours else "recorded already"
    counts = {"lines": built.lines, "hours": len(built.hours), "left_recorded": built.left}
    return _said(stream, day, status) | counts | asdict(facts)


# -- the command


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, "Import order books of the past from the exchange's files.")
    cli.add_instruments(made)
    add = made.add_argument
    add("--dir", type=cli.path_arg, metavar="FOLDER", help="files that you have fetched")
    add("--download", action="store_true", help="list and fetch them; --from and --to say which")
    add("--accept-terms", action="store_true", help="the exchange's terms of use, said once")
    add("--rest-url", metavar="URL", help="with --download: another address of the exchange")
    add("--from", dest="first", type=cli.day_arg, metavar="DAY", help="first UTC day, 2025-12-14")
    add("--to", dest="last", type=cli.day_arg, metavar="DAY", help="last UTC day")
    add("--deep", action="store_true", help="deep books too, from the files of 5000 levels")
    add(
        "--buckets-only",
        action="store_true",
        help=f"liquidity buckets at once, and no snapshots: {QUEUE}",
    )
    add("--keep", action="store_true", help="retention never deletes these hours")
    add("--replace", action="store_true", help="import days anew that were imported before")
    add("--dry-run", action="store_true", help="say what would be done, do nothing")
    return made


def body(args: argparse.Namespace) -> int:
    """Import the days asked for; a day that is refused stops no other."""
    if (args.dir is None) == (not args.download):
        raise UsageError("give --dir FOLDER with files that you have fetched, or --download")
    vault, chosen, span = cli.vault_of(args), settings.load(), AskedDays(args.first, args.last)
    span.check()
    outcome, met = DONE, 0
    for inst_id in cli.instruments_of(args, chosen.instruments):
        try:
            found, code = _import(vault, inst_id, chosen, span, args)
        except (FeedError, VaultError) as error:
            cli.report(PROGRAM, error)
            found, code = 1, error.exit_code
        met, outcome = met + found, outcome or code
    if not met:
        raise NoDataError(
            f"{args.dir or 'the exchange'}: no file of books of these instruments and days; "
            "expected names like BTC-USDT-SWAP-L2orderbook-400lv-2025-12-14.tar.gz"
        )
    if args.buckets_only:
        _write(QUEUE)
    return outcome


def _import(
    vault: Vault, inst_id: str, chosen: Settings, span: AskedDays, args: argparse.Namespace
) -> tuple[int, int]:
    """Return how many days there are, and the exit code."""
    archive = exchanges.load_archived_books(vault.exchange)
    if args.dir is not None:
        days = files_of(args.dir, archive, inst_id, span, deep=args.deep)
        if args.dry_run:
            _write(plan(inst_id, days, args))
            return len(days), DONE
        return len(days), _run(vault, inst_id, chosen.l2, days, args) if days else DONE
    rest_url = args.rest_url or chosen.okx.addresses()[1]
    publisher = exchanges.load_publisher(vault.exchange)
    folder = vault.book_import(inst_id) / "files"
    downloads = BookDownloads(publisher, archive, rest_url, folder=folder, inst_id=inst_id)
    listed = downloads.listing(_to_fetch(vault, inst_id, span, args), deep=args.deep)
    if args.dry_run:
        for line in (f"{inst_id}: {len(listed)} days", *downloads.plan(listed)):
            _write(line)
        return 1, DONE
    require_terms(vault, publisher.terms, accepted=args.accept_terms)
    return 1, _run(vault, inst_id, chosen.l2, downloads.fetch(listed), args)


def _to_fetch(vault: Vault, inst_id: str, span: AskedDays, args: argparse.Namespace) -> list[str]:
    """Return the days that were not imported before."""
    stream = BUCKETS if args.buckets_only else BOOKS
    known = {} if args.replace else provenance.newest(vault, inst_id, stream)
    deep = {} if args.replace else provenance.newest(vault, inst_id, DEEP)
    days = span.days()
    wanted = [
        day
        for day in days
        if day not in known or (args.deep and not args.buckets_only and day not in deep)
    ]
    if len(wanted) < len(days):
        _log.info("%s: %d days were done before", inst_id, len(days) - len(wanted))
    return wanted


def _run(
    vault: Vault, inst_id: str, l2: L2, days: Iterable[BookDayFiles], args: argparse.Namespace
) -> int:
    options = Options(args.deep, args.buckets_only, args.keep, args.replace)
    outcome = DONE
    if options.buckets_only and not vault.metadata(inst_id).exists():
        raise NoDataError(
            f"{vault.metadata(inst_id)}: the contract's value is not known; start an exporter once"
        )
    with writer_lock(vault, PROGRAM, inst_id):
        run = BookImport(vault, inst_id, l2, options)
        run.recover()
        for files in days:
            try:
                for facts in run.take(files):
                    _show(inst_id, facts, as_json=args.json)
            except (FeedError, VaultError, UsageError) as error:
                cli.report(PROGRAM, error)
                outcome = FAILED
    return outcome


def plan(inst_id: str, days: Sequence[BookDayFiles], args: argparse.Namespace) -> str:
    """Return the time and the disk space that an import of these days takes, in words."""
    paths = [path for files in days for path in (files.books, files.deep) if path is not None]
    packed = sum(path.stat().st_size for path in paths)
    buckets = BUCKET_DAY * BUCKETS_PACKED * len(days)
    left = buckets if args.buckets_only else packed * BOOK_HOURS
    took = times.duration(round(packed / BOOK_BYTES_A_SECOND * times.SECOND_MS))
    return (
        f"{inst_id}: {len(days)} days in {len(paths)} files of {size(packed)}; about {took} on one "
        f"core, and about {size(left)} more in the vault. Dry run: nothing was changed."
    )


def _show(inst_id: str, facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _write(orjson.dumps({"instId": inst_id, **facts}).decode())
        return
    line = f"{facts['day']} {inst_id} {facts['stream']}: {facts['status']}"
    if "messages" in facts:
        line += (
            f", {facts['lines']:,} lines in {facts['hours']} hours of {facts['messages']:,} "
            f"messages; {facts['snapshots']:,} snapshots, {facts['disagreeing']:,} of them differ "
            f"from the updates before them in {facts['differing_levels']:,} levels; "
            f"{facts['silences']} gaps, {facts['breaks']} breaks"
        )
        if facts["left_recorded"]:
            line += f"; {facts['left_recorded']:,} lines of recorded hours left out"
    elif "lines" in facts:
        line += f", {facts['lines']:,} lines"
    _write(line)


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Import books; return the exit code."""
    return cli.run(parser(), body, argv, log_file=Path(__file__).with_suffix(".log"))


if __name__ == "__main__":
    sys.exit(main())
