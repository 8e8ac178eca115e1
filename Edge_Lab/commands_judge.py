"""The command ``judge``: each day that is due, judged as a whole, its note last.

Work is cut by instrument and day; no result depends on the cut.
"""

import argparse
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson

from Edge_Lab.day_candidates import day_candidates
from Edge_Lab.due_days import DaysToJudge, DueDay, RecordedDays, day_after, note_before
from Edge_Lab.judge import Candidates, judge_day
from Edge_Lab.judged_span import judged_span
from Edge_Lab.make_verdict import verdict_of
from Edge_Lab.paper_engine import judge_waiting
from Edge_Lab.trial_files import NeverJudgedError, refusal, same_inputs, write_day, write_note
from ravequant import cli, settings
from ravequant.errors import DONE, NoDataError, UsageError
from ravequant.processes.worker_pool import Processes
from ravequant.settings import Settings
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import StrPath, Vault, day_files

if TYPE_CHECKING:
    from concurrent.futures import Future

_MOST_WORKERS: Final = 64
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
    follows = vault.trades(inst_id) / f"{day_after(day)}.jsonl"
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
