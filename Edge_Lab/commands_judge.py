"""The command ``judge``: which recorded days are due, each judged as a whole, its note last.

A day is due once its trades and books reach 03:00 of the next day, or its input is known to end;
again when more of the next day is there than its open trials had, and when its trades were
repaired. Work is cut by instrument and day; no result depends on the cut.
"""

import argparse
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from Edge_Lab.day_candidates import day_candidates
from Edge_Lab.executions import executions
from Edge_Lab.judge import Candidates, judge_day, needed_until
from Edge_Lab.judged_span import judged_span
from Edge_Lab.make_verdict import verdict_of
from Edge_Lab.paper_engine import judge_waiting
from Edge_Lab.trial_files import (
    DayNote,
    NeverJudgedError,
    has_its_books,
    read_note,
    refusal,
    same_inputs,
    write_day,
    write_note,
)
from ravequant import catalog, cli, settings, times
from ravequant.errors import DONE, NoDataError, UsageError, VaultError
from ravequant.processes.worker_pool import Processes
from ravequant.settings import Settings
from ravequant.signals.as_of import committed
from ravequant.signals.seen import CLOSING_MS
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.imports import provenance
from ravequant.vault.line_file import newest_time_in
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import StrPath, Vault, book_files, day_files
from ravequant.vault.raw_content import RawContent, RawContents

if TYPE_CHECKING:
    from concurrent.futures import Future

_MOST_WORKERS: Final = 64
_MINUTES: Final = ("wicks", "volume", "cvd", "vwap")  # calculators that the candidates stand on
_log = logging.getLogger("edge_lab")


def add_options(made: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument("--again", action="store_true", help="judge: days that were judged, too")
    text = "judge: then make the verdict anew, if anything was judged"
    made.add_argument("--verdict", action="store_true", help=text)
    made.add_argument(
        "--workers", type=_workers, default=1, metavar="N", help="judge: processes (default: 1)"
    )


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MOST_WORKERS}")
    return int(text)


@dataclass(frozen=True, slots=True)
class DaysToJudge:
    """The days that a person asks for; all that are due without a first and a last one."""

    first: str = ""
    last: str = ""
    again: bool = False

    @property
    def named(self) -> bool:
        """True if the days are named: their input then ends where it ends."""
        return bool(self.first or self.last)

    def __contains__(self, day: str) -> bool:
        return self.first <= day and (not self.last or day <= self.last)


class DueDay(NamedTuple):
    """A day of an instrument, and the work on it."""

    inst_id: str
    day: str
    until_ms: int = 0  # how far its trades reach, at most as far as they must
    stale: DayNote | None = None  # a note to be marked: its trades were repaired, its books gone
    refused: str = ""  # exec_id that has no trials, nor books to make them of


class RecordedDays:
    """The recorded days of an instrument, and which of them are due."""

    def __init__(self, vault: Vault, inst_id: str, chosen: Settings) -> None:
        self._vault, self._inst_id, self._chosen = vault, inst_id, chosen
        self.trades = dict(day_files(vault.trades(inst_id)))
        books = list(book_files(vault.snapshots(inst_id)))
        self._book_keys = {key for key, _ in books}
        self._books = {key[:10]: (path, key) for key, path in books}
        self._buckets = {key for key, _ in catalog.BUCKETS.files(vault, inst_id)}
        self._reached: dict[str, int] = {}  # times of files that were read
        self._imported = provenance.newest(vault, inst_id).keys()
        self.waiting: dict[str, list[str]] = {}  # days that cannot be judged yet, by the reason
        self._committed = committed(vault, inst_id)
        self._exec_ids = [one.exec_id for one in executions(chosen)]

    @cached_property
    def _contents(self) -> RawContents:
        generation = read_generation(self._vault.generation(self._inst_id))
        return RawContents(self._vault, self._inst_id, generation)

    def due(self, asked: DaysToJudge) -> Iterator[DueDay]:
        """Yield the days that are due, oldest first. Raises VaultError."""
        for day in self.trades:
            if day in asked:
                found = self._due(day, asked)
                if found is not None:
                    yield found

    def _due(self, day: str, asked: DaysToJudge) -> DueDay | None:
        note = note_before(self._vault, self._inst_id, day)
        if note is None and self._gone(day):
            return DueDay(self._inst_id, day, refused=self._exec_ids[0])
        if note is not None and not self._unfinished(note, asked):
            return None  # known by its note alone: no file is opened
        if note is not None and not has_its_books(
            self._vault, self._inst_id, note, self._book_keys
        ):
            return self._left_as_it_is(day, note, asked)
        why_not = self._unready(day, asked)
        if why_not:
            self.waiting.setdefault(why_not, []).append(day)
            return None
        until = self._until(day)
        if note is not None and not self._unfinished(note, asked, until):
            return None
        return DueDay(self._inst_id, day, until)

    def _gone(self, day: str) -> bool:
        """Return True if a day's buckets were made of books that are no longer there."""
        return day not in self._books and day in self._buckets and self._follows(day, 0)

    def _unfinished(self, note: DayNote, asked: DaysToJudge, until: int | None = None) -> bool:
        """Return True if a judged day is to be judged again, with trades up to ``until``.

        Without ``until`` its open trials alone are enough.
        """
        further = note.open and (until is None or until > times.parse_iso(note.until_utc))
        return bool(asked.again or further or self._missing(note) or self._repaired(note))

    def _missing(self, note: DayNote) -> list[str]:
        return [name for name in self._exec_ids if name not in note.trials]

    def _until(self, day: str) -> int:
        """Return how far the trades of a day and the next one reach, at most as far as needed."""
        need = needed_until(day, self._chosen.edge.hold_max_min)
        return min(need, self._reach(day))

    def _unready(self, day: str, asked: DaysToJudge) -> str:
        """Return why a day cannot be judged yet; empty if it can."""
        end, named = times.day_start_ms(day) + times.DAY_MS, asked.named
        need = needed_until(day, self._chosen.edge.hold_max_min)
        if not self._follows(day, 0) and self._until(day) < end:
            return "the day is not over: wait for its last trade"
        if not named and not self._follows(day, 1) and self._until(day) < need:
            return "its last trials have not ended"
        if not named and day in self._imported and not self._books.keys() >= {day, _day_after(day)}:
            return "it was imported, and its books and the next day's were not: name it with --from"
        if not named and not self._books_there(day, need):
            return "its books do not reach the end of its last trials"
        closed = self._until(day) - times.MINUTE_MS - CLOSING_MS
        late = [name for name in _MINUTES if self._committed.get(name, 0) < closed]
        if day in self._books and self._without_buckets(day, min(end, closed)):
            late.append("liquidity_buckets")
        return f"the calculators are behind: run {', '.join(late)} first" if late else ""

    def _without_buckets(self, day: str, end: int) -> bool:
        """Return True if the bucketizer has not come to the last books of a day before ``end``."""
        if day not in self._buckets:
            return True
        done = self._committed.get("buckets", 0)
        newest = newest_time_in(*self._books[day]) or 0
        return times.day_start_ms(day) <= done < min(newest, end)

    def _left_as_it_is(self, day: str, note: DayNote, asked: DaysToJudge) -> DueDay | None:
        """Return what can be done for a day that lacks some of its books; None if nothing can.

        Judged again, it would have worse trials.
        """
        plain, missing = DueDay(self._inst_id, day), self._missing(note)
        if missing or asked.again:
            return plain._replace(refused=(missing or self._exec_ids)[0])
        marked = self._repaired(note) and not note.stale_trades
        return plain._replace(stale=note) if marked else None

    def _reach(self, day: str) -> int:
        """Return the newest time (Unix ms) of the trades of a day and the next one."""
        if day not in self._reached:
            names = (name for name in (_day_after(day), day) if name in self.trades)
            found = (newest_time_in(self.trades[name], name) for name in names)
            self._reached[day] = next((moment for moment in found if moment is not None), 0)
        return self._reached[day]

    def _follows(self, day: str, days: int) -> bool:
        """Return True if trades of more than ``days`` days later follow: these are complete."""
        last = times.day(times.day_start_ms(day) + days * times.DAY_MS)
        return any(other > last for other in self.trades)

    def _books_there(self, day: str, need: int) -> bool:
        """Return True if the books reach as far as they must, or no more of them will come."""
        if day not in self._books or self._follows(day, 1):
            return True
        newest = newest_time_in(*self._books[max(self._books)])
        return newest is not None and newest >= need

    def _repaired(self, note: DayNote) -> bool:
        """Return True if a finished file of trades is not as the note has it."""
        folder = self._vault.trades(self._inst_id).relative_to(self._vault.root).as_posix()
        for name, (crc32, length) in note.inputs.items():
            place, _, file = name.rpartition("/")
            day = file.partition(".")[0]
            if place != folder or day not in self.trades or crc32 is None or length is None:
                continue
            if not self._contents.holds(day, self.trades[day], RawContent(length, crc32)):
                return True
        return False

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each reason why days wait."""
        for why_not, days in self.waiting.items():
            more = f"; {len(days) - 1} later days wait for the same" if len(days) > 1 else ""
            yield f"{self._inst_id} {days[0]}: {why_not}{more}"

    def save(self) -> None:
        """Note the contents that were read, for later runs."""
        self._contents.save()


def _day_after(day: str) -> str:
    return times.day(times.day_start_ms(day) + times.DAY_MS)


# --- the work ------------------------------------------------------------------------------------


def do(
    root: StrPath,
    exchange: str,
    chosen: Settings,
    due: DueDay,
    *,
    candidates_of: Candidates,
) -> dict[str, Any]:
    """Judge a day and write its trials and its note; return their counts. VaultError."""
    vault, (inst_id, day, until_ms, stale, _) = Vault(root, exchange), due
    if stale is not None:
        write_note(vault, inst_id, day, replace(stale, stale_trades=True))
        return {"instId": inst_id, "day": day, "stale_trades": True}
    made = judge_day(vault, inst_id, day, chosen, until_ms=until_ms, candidates_of=candidates_of)
    before, note = note_before(vault, inst_id, day), made.note
    follows = vault.trades(inst_id) / f"{_day_after(day)}.jsonl"
    growing = follows.relative_to(vault.root).as_posix()
    if before is not None and same_inputs(before, note, growing):
        note = replace(note, trials=before.trials)  # those of other settings are as good
    write_day(vault, inst_id, day, note, made.made)
    statuses = ("filled", "unfilled", "missed", "gap", "open")
    counts = {name: sum(line["status"] == name for line in made.lines) for name in statuses}
    return {
        "instId": inst_id,
        "day": day,
        "trials": len(made.lines),
        **counts,
        "no_plan": note.no_plan,
        "books": note.books,
    }


def note_before(vault: Vault, inst_id: str, day: str) -> DayNote | None:
    """Return the note of a day; a damaged one is none, and is logged: the day is judged again."""
    try:
        return read_note(vault, inst_id, day)
    except VaultError as error:
        _log.warning("%s", error)
        return None


def judge(
    vault: Vault,
    inst_ids: Sequence[str],
    chosen: Settings,
    asked: DaysToJudge,
    *,
    candidates_of: Candidates,
    workers: int = 1,
) -> Iterator[dict[str, Any]]:
    """Judge all days that are due; yield the counts of each, in the order of instrument and day.

    Raises VaultError, NoDataError if there are no trades at all or no day that was asked for can be
    judged yet, and NeverJudgedError for a day that was asked for and lacks its books.
    """
    refused: list[DueDay] = []
    with ExitStack() as held:
        days: list[DueDay] = []
        waiting: list[str] = []  # sentences
        for inst_id in inst_ids:
            held.enter_context(writer_lock(vault, "judge", inst_id))
            recorded = RecordedDays(vault, inst_id, chosen)
            found = list(recorded.due(asked))
            recorded.save()
            waiting += recorded.sentences()
            days += [one for one in found if not one.refused]
            refused += [one for one in found if one.refused]
        if not any(dict(day_files(vault.trades(inst_id))) for inst_id in inst_ids):
            raise NoDataError(
                f"no raw trades of {', '.join(inst_ids)} in {vault.root}: nothing can be judged; "
                "record them with Trades_Bot/trades_exporter.py"
            )
        if asked.named and waiting and not days and not refused:
            raise NoDataError(waiting[0])
        for sentence_of in waiting:
            _log.info("%s", sentence_of)
        work = partial(do, vault.root, vault.exchange, chosen, candidates_of=candidates_of)
        yield from _in_order(work, days, workers)
    _say_refused(refused, asked)


def _in_order(work: Any, days: Sequence[DueDay], workers: int) -> Iterator[dict[str, Any]]:
    if workers == 1 or len(days) < 2:
        yield from map(work, days)
        return
    pool = Processes(min(workers, len(days)))
    try:
        waiting: list[Future[Any]] = [pool.submit(work, due) for due in days]
        yield from (one.result() for one in waiting)
    finally:
        pool.close()


def _say_refused(refused: Sequence[DueDay], asked: DaysToJudge) -> None:
    if not refused:
        return
    first, more = refused[0], len(refused) - 1
    text = refusal(first.inst_id, first.refused, first.day)
    text += f"; {more} more days are like it" if more else ""
    if asked.named:
        raise NeverJudgedError(text)
    _log.info("%s", text)


def command(args: argparse.Namespace) -> int:
    """Judge the days that are due, or those asked for, and print the counts of each."""
    vault, chosen = cli.vault_of(args), settings.load()
    asked = DaysToJudge(args.first or "", args.last or "", args.again)
    if asked.last and asked.first > asked.last:
        raise UsageError(f"--from {asked.first} is later than --to {asked.last}")
    inst_ids = cli.instruments_of(args, chosen.instruments)
    made = judge(vault, inst_ids, chosen, asked, workers=args.workers, candidates_of=day_candidates)
    days = show(made, as_json=args.json)
    paper = judge_waiting(vault, inst_ids, chosen)
    if paper:
        counted = orjson.dumps({"paper_trials": paper}).decode()
        sys.stdout.write(f"{counted if args.json else f'judged paper trials: {paper}'}\n")
    if args.verdict and (days or paper):
        _, row = verdict_of(judged_span(vault, inst_ids), chosen)
        text = orjson.dumps(row).decode() if args.json else f"the verdict: {row['short']}"
        sys.stdout.write(f"{text}\n")
    return DONE


def show(made: Iterable[dict[str, Any]], *, as_json: bool) -> int:
    """Print the counts of each day as it is done; return how many were done."""
    days = 0
    for counts in made:
        days += 1
        text = orjson.dumps(counts).decode() if as_json else sentence(counts)
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    if not days and sys.stdout.isatty():
        sys.stdout.write("no day is due\n")
    return days


def sentence(counts: dict[str, Any]) -> str:
    """Return the counts of a day as a line for people."""
    head = f"judged {counts['day']}: {counts['instId']}"
    if counts.get("stale_trades"):
        return f"{head}: trades were repaired after its books were gone; its trials stay"
    names = ("filled", "unfilled", "missed", "gap", "open")
    parts = ", ".join(f"{counts[name]} {name}" for name in names)
    without = "" if counts["books"] else "; without books, so the queue is unknown"
    return f"{head} {counts['trials']} trials: {parts}{without}"
