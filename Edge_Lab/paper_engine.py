"""Puts paper trials through the engine of a judged day: the same market, books and execution."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from Edge_Lab.day_market import recorded_market, with_books
from Edge_Lab.executions import executions
from Edge_Lab.judge import plan_of, prices_of, span_of
from Edge_Lab.paper import Engine, Request, judge
from Edge_Lab.registered import hypotheses_of, registered
from Edge_Lab.trial_files import has_its_books, read_note
from Edge_Lab.trials import placed, written
from ravequant.errors import LockedError
from ravequant.settings import Settings
from ravequant.vault.paths import Vault, book_files

_log = logging.getLogger("edge_lab")


def engine_of(vault: Vault, inst_id: str, chosen: Settings) -> Engine:
    """Return the engine of an instrument under the default execution of the settings."""
    way = executions(chosen)[0]

    def run(day: str, requests: Sequence[Request]) -> Sequence[Mapping[str, Any] | None]:
        if not _has_its_books(vault, inst_id, day):
            _log.warning(
                "%s %s: %d paper trials are not judged: books of the day are gone; let run_all.py "
                "judge each day while they are there",
                inst_id,
                day,
                len(requests) // 2,
            )
            return [None] * len(requests)
        candidates = [candidate for candidate, _ in requests]
        span = span_of(candidates, day, chosen.edge.hold_max_min)
        recorded = recorded_market(vault, inst_id, day, span, prices_of(candidates))
        trials = [
            placed(
                plan_of(candidate, recorded, chosen, way),
                recorded.market,
                replace(way.rules, age_max=candidate.age_max),
                detected_ms,
            )
            for candidate, detected_ms in requests
        ]
        there = [trial for trial in trials if trial is not None]
        market, _ = with_books(
            vault,
            day,
            recorded,
            (order for trial in there for order in trial.asking()),
            max((trial.plan.size for trial in there), default=1),
            depth_levels=chosen.l2.depth_levels,
            until_ms=span.until,
        )
        return [None if trial is None else written(trial, market) for trial in trials]

    return run


def _has_its_books(vault: Vault, inst_id: str, day: str) -> bool:
    """Return True if the books that the trials of a judged day know are all there."""
    note = read_note(vault, inst_id, day)
    keys = {key for key, _ in book_files(vault.snapshots(inst_id))}
    return note is None or has_its_books(vault, inst_id, note, keys)


def judge_waiting(vault: Vault, inst_ids: Sequence[str], chosen: Settings) -> int:
    """Judge the paper trials of instruments if their test is one of the present settings.

    Returns their number. An instrument whose trials another program judges now is left to it.
    """
    found = registered(vault)
    if found is None or found.about != hypotheses_of(chosen, found.about.instruments):
        return 0
    count = 0
    for inst_id in found.about.instruments:
        if inst_id in inst_ids:
            with suppress(LockedError):
                count += judge(vault, inst_id, found, chosen, engine_of(vault, inst_id, chosen))
    return count
