"""Checks of the programs of a vault by their heartbeats: exporters, and run_all's calculators."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import times
from ravequant.alerts.delivery import COMPONENT as WATCH
from ravequant.alerts.delivery import delivery
from ravequant.catalog import (
    BOOK,
    BTC_TRANSFERS,
    CALCULATORS,
    COINALYZE_EXPORTER,
    DASHBOARD,
    MARKS,
    TRADES,
)
from ravequant.checks.check import Check, rebuild_all
from ravequant.errors import message_of, shown
from ravequant.vault import heartbeat
from ravequant.vault.code_digest import code_on_disk
from ravequant.vault.os_lock import OsLock
from ravequant.vault.paths import ON_CHAIN, Vault
from ravequant.vault.recorder_state import RecorderState, recorder_state

STREAMS: Final = {data.maker.name: data.stream for data in (TRADES, BOOK, MARKS)}
_START: Final = {data.maker.name: data.made_by for data in (TRADES, BOOK, MARKS)}
NETWORK: Final = "see whether the network is up; it goes on by itself"
_SCRIPTS: Final = {program.name: program.script for program in CALCULATORS}
_RUN_ALL: Final = "run_all"
_FEWER: Final = (
    "they are posted then, the largest first; for fewer give a higher --min-score, for more places "
    "raise per_hour under [alerts] in the settings, and start the watch again"
)
ENDED_S: Final = 90.0  # run_all ends a silent exporter after that; a heartbeat comes every 5 s
WATCH_S: Final = 60.0  # a round of the watch takes seconds; none comes from it meanwhile
LEAST_FREE: Final = 10_000_000  # bytes; with less the disk counts as full
_WATCH_MS: Final = WATCH_S * times.SECOND_MS
_FAILED_MS: Final = times.HOUR_MS  # an older failure of a run_all that ended is no news


def exporters(vault: Vault, now: int) -> Iterator[Check]:
    """Check the heartbeats of the exporters, and that each is alone."""
    for name, stream in STREAMS.items():
        beat = heartbeat.read(vault, name)
        state = recorder_state(vault, name, now)
        if beat is None and name == MARKS.maker.name:
            continue  # the signals need none of its feeds
        if beat is None:
            yield Check(name, "FAIL", "has never run on this vault", start(vault, name))
        elif not state.lives:
            yield _lost(vault, name, beat, now)
        elif others := sorted(_held_by(vault, stream, but=shown(beat.get("pid")))):
            text = f"a second one runs: pid {beat.get('pid')} and {', '.join(others)}"
            yield Check(name, "FAIL", text, "stop one of them; one serves all instruments")
        elif state.problem:
            yield _problem(name, state, now)
        elif state.silence:
            yield Check(name, "FAIL", f"NOT RECORDING: it {state.silence}", NETWORK)
        else:
            yield Check(name, "PASS", _work(name, beat, now))
        if state.lives:
            for inst_id, why in state.left_out.items():
                yield exclusion(f"{name} {inst_id}", why)


def _work(name: str, beat: dict[str, Any], now: int) -> str:
    """Return since when a recorder runs, and its trades a second or its breaks of the book."""
    try:
        parts = [f"up {times.duration(max(0, now - times.parse_iso(beat['started_utc'])))}"]
    except (KeyError, TypeError, ValueError):
        parts = ["up"]
    rate = beat.get("rows_per_s")
    if name == TRADES.maker.name and isinstance(rate, int | float):
        parts.append(f"{rate:,.0f} trade{'s' * (round(rate) != 1)}/s")
    facts = beat.get("instruments")
    found = facts.values() if isinstance(facts, dict) else ()
    gaps = [one["gaps"] for one in found if isinstance(one, dict) and "gaps" in one]
    if name == BOOK.maker.name and gaps and all(isinstance(number, int) for number in gaps):
        count = sum(gaps)
        parts.append(f"{count:,} break{'s' * (count != 1)}")
    return ", ".join(parts)


def start(vault: Vault, name: str) -> str:
    """Return the remedy for an exporter that does not run: the program that it last ran under."""
    script, under = _START[name], heartbeat.read(vault, _RUN_ALL) or {}
    ran = heartbeat.read(vault, name)
    tasks = under.get("tasks")
    kept = ran is not None and isinstance(tasks, dict) and name in tasks
    if kept and heartbeat.age_ms(under, 0) <= heartbeat.age_ms(ran or {}, 0) + heartbeat.FRESH_MS:
        return f"start run_all again: python scripts/run_all.py{vault.demo_option}"
    return f"start it: python {script}"


def _lost(vault: Vault, name: str, beat: dict[str, Any], now: int) -> Check:
    """Return the check of an exporter without a fresh heartbeat."""
    pid, age = shown(beat.get("pid")), heartbeat.age_ms(beat, now)
    if age < 0:
        text = f"its last sign of life lies {rough(-age)} in the future (pid {pid})"
        return Check(name, "FAIL", text, f"set this computer's clock, then {start(vault, name)}")
    if beat.get("stopped"):
        return Check(name, "FAIL", f"was stopped {rough(age)} ago (pid {pid})", start(vault, name))
    if not holds(vault, name):
        return Check(
            name,
            "FAIL",
            f"gave no sign of life since {rough(age)} ago (pid {pid})",
            start(vault, name),
        )
    free = shutil.disk_usage(vault.root).free
    if free < LEAST_FREE:
        text = (
            f"lives (pid {pid}), but its heartbeat of {rough(age)} ago could not be written again"
        )
        text += f": the disk is full, {free:,} bytes are free"
        return Check(name, "FAIL", text, "free space on its disk; then it goes on by itself")
    text = f"does not answer (pid {pid}): its last sign of life was {rough(age)} ago"
    if _kept(vault, name, now):
        text += f"; run_all ends it and starts it again after {ENDED_S:g} s"
        return Check(name, "FAIL", text, f"wait, or end it by hand: {_end(pid)}")
    return Check(name, "FAIL", text, f"end it: {_end(pid)}; then {start(vault, name)}")


def _kept(vault: Vault, name: str, now: int) -> bool:
    """Return True if a living run_all keeps a program running."""
    beat = heartbeat.read(vault, _RUN_ALL)
    tasks = (beat or {}).get("tasks")
    return heartbeat.alive(beat, now) and isinstance(tasks, dict) and name in tasks


def _end(pid: str) -> str:
    """Return the command that ends a program, also one that is frozen."""
    return f"taskkill /F /PID {pid}" if os.name == "nt" else f"kill -9 {pid}"


def run_all(vault: Vault, now: int) -> Iterator[Check]:
    """Check that a run_all that holds the vault answers, and say how often it calculates."""
    beat = heartbeat.read(vault, _RUN_ALL) or {}
    if heartbeat.alive(beat, now):
        yield Check(_RUN_ALL, "PASS", _pace(beat))
        return
    pid, age = shown(beat.get("pid")), heartbeat.age_ms(beat, now)
    if beat.get("stopped") or age <= heartbeat.FRESH_MS or pid not in _holders(vault, _RUN_ALL):
        return
    text = f"does not answer (pid {pid}): its last sign of life was {rough(age)} ago"
    again = f"start it again: python scripts/run_all.py{vault.demo_option}"
    yield Check(_RUN_ALL, "FAIL", text, f"end it: {_end(pid)}; then {again}")


def screen(vault: Vault, now: int) -> Iterator[Check]:
    """Check that the screen is served, where run_all keeps it running."""
    beat = heartbeat.read(vault, _RUN_ALL) or {}
    tasks = beat.get("tasks")
    facts = tasks.get(DASHBOARD.name) if isinstance(tasks, dict) else None
    if not heartbeat.alive(beat, now) or not isinstance(facts, dict):
        return
    if facts.get("pid") is not None:
        yield Check(DASHBOARD.name, "PASS", "is served")
    elif facts.get("failures"):
        words = message_of(str(facts.get("last_words") or "it said nothing"))
        remedy = f"look for its last words: python scripts/peek.py log {DASHBOARD.name}"
        yield Check(DASHBOARD.name, "FAIL", f"is not served: {words}", remedy)


def extras(vault: Vault, now: int) -> Iterator[Check]:
    """Check the recorders that are off until they are turned on; nothing of those never on."""
    for maker, words in ((BTC_TRANSFERS.maker, _blocks), (COINALYZE_EXPORTER, _lines)):
        beat = heartbeat.read(vault, maker.name) or {}
        facts = beat.get("instruments")
        if not isinstance(facts, dict) or not facts:
            continue
        age = rough(heartbeat.age_ms(beat, now))
        if not heartbeat.alive(beat, now):
            again = f"nothing, if you want none; else start it: python {maker.script}"
            yield Check(maker.name, "WARN", f"gave its last sign of life {age} ago", again)
        elif problem := beat.get("problem"):
            yield Check(maker.name, "WARN", f"{problem!s:.300}", NETWORK)
        else:
            yield Check(maker.name, "PASS", words(facts))


def _blocks(facts: dict[str, Any]) -> str:
    found = facts.get(ON_CHAIN)
    found = found if isinstance(found, dict) else {}
    return f"at block {shown(found.get('last_block'))}, {shown(found.get('behind'))} behind"


def _lines(facts: dict[str, Any]) -> str:
    found = [one.get("written") for one in facts.values() if isinstance(one, dict)]
    return f"{sum(one for one in found if isinstance(one, int)):,} lines since its start"


def _pace(beat: dict[str, Any]) -> str:
    """Return how often the calculators run under run_all, like ``calculators every 5 min``."""
    tasks = beat.get("tasks")
    found = [
        facts["every_s"]
        for name, facts in (tasks.items() if isinstance(tasks, dict) else ())
        if name.partition(".")[0] in _SCRIPTS
        and isinstance(facts, dict)
        and isinstance(facts.get("every_s"), int | float)
    ]
    if not found:
        return "runs"
    minutes, seconds = divmod(min(found), 60)
    return f"calculators every {f'{min(found):g} s' if seconds else f'{minutes:g} min'}"


def _problem(name: str, state: RecorderState, now: int) -> Check:
    since = state.problem_since_ms
    lasts = "" if since is None else f" for {rough(max(0, now - since))}"
    disk = "disk" in state.problem
    remedy = "free space on its disk; then it goes on by itself" if disk else NETWORK
    return Check(name, "FAIL", f"NOT RECORDING{lasts}: {state.problem}", remedy)


def exclusion(name: str, why: str) -> Check:
    """Return the check of an instrument that a recorder leaves out; ``why`` ends in the remedy."""
    text, found, remedy = why.rpartition("; ")
    if not found:
        text, remedy = why, "nothing, if you know; it is looked at again each minute"
    return Check(name, "FAIL", f"left out: {text}", remedy)


def code(vault: Vault, now: int) -> Iterator[Check]:
    """Check that the running programs run the code that is on disk: an update needs a new start."""
    older = []
    for name in (*STREAMS, _RUN_ALL):
        beat = heartbeat.read(vault, name) or {}
        on_disk = code_on_disk(name)
        if heartbeat.alive(beat, now) and beat.get("code") and on_disk:
            older += [name] * (beat["code"] != on_disk)
    if older:
        text = f"older code than that on disk is run by {', '.join(older)}"
        yield Check("code", "WARN", text, "end and start them again (a service: restart it)")


def alerts(vault: Vault, now: int) -> Iterator[Check]:
    """Check that the alerts of a watch, if there is one, are sent."""
    found = delivery(vault, now)
    lives = any(_held_by(vault, "alerts"))
    lasts = f" for {rough(max(0, now - found.since_ms))}" if found.since_ms is not None else ""
    wait = f", {found.waiting} wait" if found.waiting else ""
    why, _, remedy = found.problem.rpartition("; ")
    if lives and found.problem:
        yield Check("alerts", "FAIL", f"NOT SENT{lasts}{wait}: {why}", remedy)
    elif lives and found.age_ms > _WATCH_MS:
        yield _frozen_watch(vault, found.age_ms, now)
    elif lives and (full := found.full_hour(now)):
        yield Check("alerts", "WARN", full, _FEWER)
    elif lives:
        yield Check("alerts", "PASS", f"no failure{wait}")
    elif found.problem and found.age_ms < _FAILED_MS:
        text = f"the watch has ended {rough(found.age_ms)} ago and had NOT SENT alerts{wait}: {why}"
        yield Check("alerts", "WARN", text, remedy)


def _frozen_watch(vault: Vault, age: int, now: int) -> Check:
    pid = shown((heartbeat.read(vault, WATCH) or {}).get("pid"))
    text = (
        f"find_signals does not answer (pid {pid}): its last sign of life was {rough(age)} ago, "
        "and no alert is sent meanwhile"
    )
    again = "run_all starts it again" if _kept(vault, WATCH, now) else "then start it again"
    remedy = f"wait if it has just been started; else end it: {_end(pid)}; {again}"
    return Check("alerts", "FAIL", text, remedy)


def failing(vault: Vault, now: int) -> dict[str, Check]:
    """Return a check for each calculator that fails under run_all.py, by its task's name."""
    beat = heartbeat.read(vault, _RUN_ALL) or {}
    tasks = beat.get("tasks")
    if not isinstance(tasks, dict) or heartbeat.age_ms(beat, now) > _FAILED_MS:
        return {}
    found = {}
    for task, facts in tasks.items():
        name, _, inst_id = task.partition(".")
        if isinstance(facts, dict) and facts.get("failures") and name in _SCRIPTS:
            found[task] = _failure(vault, name, inst_id, facts)
    return found


def _failure(vault: Vault, name: str, inst_id: str, facts: dict[str, Any]) -> Check:
    words = message_of(str(facts.get("last_words") or "it said nothing"))
    text, found, remedy = words.rpartition("; ")
    if not found:
        text, remedy = words, f"look into its log: python scripts/peek.py log {name}.{inst_id}"
    if "--rebuild" in remedy:
        one = f"python {_SCRIPTS[name]} --instId {inst_id} --rebuild"
        remedy += f": {one}; all: {rebuild_all(vault.demo_option)}"
    count = "once" if facts["failures"] == 1 else f"{facts['failures']} times in a row"
    told = f"failed {count}, code {facts.get('last_code')}: {text}"
    return Check(f"{name} {inst_id}", "FAIL", told, remedy)


def holds(vault: Vault, name: str) -> bool:
    """Return True if the exporter of the newest heartbeat holds its logs: then it lives."""
    pid = shown((heartbeat.read(vault, name) or {}).get("pid"))
    return pid in _holders(vault, STREAMS[name])


def _holders(vault: Vault, stream: str) -> set[str]:
    """Return the pids of the programs that hold a log of the stream."""
    return set(_held_by(vault, stream))


def _held_by(vault: Vault, stream: str, but: str = "") -> Iterator[str]:
    """Yield the pids; a lock of the program ``but`` is not tried, for a trial takes it."""
    for lock in vault.locks(stream):
        try:
            holder = str(orjson.loads(lock.with_suffix(".json").read_bytes())["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if holder != but and _is_held(lock):
            yield holder


def _is_held(lock: Path) -> bool:
    """Return True if the lock is held now: a killed program leaves its file, but no lock."""
    if not lock.exists():
        return False
    trial = OsLock(lock)
    try:
        return not trial.acquire()
    except OSError:
        return True
    finally:
        trial.release()


def rough(span_ms: int) -> str:
    """Return a span of time in its largest unit: ``3 h``, ``5 min``."""
    for unit, size in (("d", times.DAY_MS), ("h", times.HOUR_MS), ("min", times.MINUTE_MS)):
        if span_ms >= 2 * size:
            return f"{span_ms / size:.0f} {unit}"
    return f"{span_ms / 1000:.0f} s"
