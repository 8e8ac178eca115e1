"""Checks of the ages of an instrument's records: raw ones, and those of the calculators."""

from collections.abc import Iterator
from typing import Final

import orjson

from ravequant import times
from ravequant.catalog import ACTIVE_WICKS, BUCKETS, CVD, FOOTPRINT, PROFILE, VOLUME, VWAP, DataSet
from ravequant.checks import programs
from ravequant.checks.check import Check
from ravequant.errors import VaultError
from ravequant.vault import heartbeat, tail
from ravequant.vault.line_file import line_time, lines_backward
from ravequant.vault.paths import Vault, book_files, day_files
from ravequant.vault.recorder_state import RecorderState, recorder_state

_STREAMS: Final = (("trades", "trades_exporter", 120), ("l2", "l2_exporter", 60))  # s of silence
_DERIVED: Final = (VWAP, CVD, VOLUME, ACTIVE_WICKS, BUCKETS)
_ONCE_MADE: Final = (FOOTPRINT,)  # by hand they may be left out
_AHEAD_MS: Final = heartbeat.AHEAD_MS
_LAG_MS: Final = 20 * times.MINUTE_MS  # calculators run every 5 to 15 minutes


def records(vault: Vault, inst_id: str, now: int) -> Iterator[Check]:
    """Check the age of the newest raw record of each stream, and how far the calculators are."""
    for stream, program, limit_s in _STREAMS:
        moment = newest_raw(vault, stream, inst_id)
        name = f"{stream} {inst_id}"
        if moment is None:
            text = "no record at all"
            yield _late(vault, name, text, recorder_state(vault, program, now), inst_id)
        elif moment - now > _AHEAD_MS:
            ahead = programs.rough(moment - now)
            text = f"newest record lies {ahead} in the future: {times.iso(moment)}"
            remedy = "set this computer's clock; nothing new is recorded until then"
            yield Check(name, "FAIL", text, remedy)
        elif now - moment > limit_s * 1000:
            text = f"newest record is {programs.rough(now - moment)} old"
            yield _late(vault, name, text, recorder_state(vault, program, now), inst_id)
        else:
            yield Check(name, "PASS", f"newest record {programs.rough(max(0, now - moment))} old")
    yield from _opened_early(vault, inst_id, now)
    yield from calculators(vault, inst_id, now)


def calculators(vault: Vault, inst_id: str, now: int) -> Iterator[Check]:
    """Check how far each calculator is behind the newest raw record, and that none fails."""
    failing = programs.failing(vault, now)
    newest = {stream: newest_raw(vault, stream, inst_id) for stream, _, _ in _STREAMS}
    made = (data for data in _ONCE_MADE if any(data.files(vault, inst_id)))
    for data in (*_DERIVED, *made):
        raw = newest["l2" if data is BUCKETS else "trades"]
        failure = failing.get(f"{data.maker.name}.{inst_id}")
        yield failure or _calculator(vault, data, inst_id, raw)
    if failure := failing.get(f"{PROFILE.maker.name}.{inst_id}"):
        yield failure  # its records come each half hour: they do not tell how far it is


def _opened_early(vault: Vault, inst_id: str, now: int) -> Iterator[Check]:
    """Yield a check if the trades are written into the file of a day that is yet to come."""
    newest = max((key for key, _ in day_files(vault.trades(inst_id))), default="")
    if newest > times.day(now + times.DAY_MS):
        text = f"{newest}.jsonl, of a day to come, was opened by a trade ahead of its time"
        remedy = "stop the trade exporter, then: python scripts/repair_gaps.py"
        yield Check(f"trade days {inst_id}", "FAIL", text, remedy)


def _late(vault: Vault, name: str, text: str, state: RecorderState, inst_id: str) -> Check:
    """Return the check of a stream whose newest record is old: the reason, and its remedy."""
    if not state.lives:
        if programs.holds(vault, state.program):
            return Check(name, "FAIL", text, f"see {state.program} above")
        return Check(name, "FAIL", text, programs.start(vault, state.program))
    if name.startswith("trades ") and inst_id in state.filling:
        text = f"fetching past trades: {state.filling[inst_id].sentence}"
        return Check(name, "WARN", text, "wait, it ends by itself; then the signals are up to date")
    if inst_id in state.left_out:
        return programs.exclusion(name, state.left_out[inst_id])
    if state.problem:
        return Check(name, "FAIL", f"{text}: {state.problem}", programs.NETWORK)
    remedy = f"look for its last words: python scripts/peek.py log {state.program}"
    return Check(name, "FAIL", f"{text}, though {state.program} lives", remedy)


def _calculator(vault: Vault, data: DataSet, inst_id: str, raw: int | None) -> Check:
    name = f"{data.stream} {inst_id}"
    made = _newest_derived(vault, data, inst_id)
    remedy = "run the calculators every few minutes: python scripts/run_all.py"
    if raw is None:
        return Check(name, "PASS", "nothing to compute from yet")
    if made is None:
        there = any(data.files(vault, inst_id))
        text = "its newest record cannot be read" if there else "has made nothing yet"
        return Check(name, "FAIL", text, remedy)
    lag = max(0, raw - made)
    if made - raw > _LAG_MS:
        text = f"{programs.rough(made - raw)} ahead of the raw records"
        return Check(name, "FAIL", text, f"python {data.made_by} --rebuild")
    if lag > _LAG_MS:
        return Check(name, "FAIL", f"{programs.rough(lag)} behind the raw records", remedy)
    return Check(name, "PASS", f"{programs.rough(lag)} behind the raw records")


def newest_raw(vault: Vault, stream: str, inst_id: str) -> int | None:
    """Return the time of the newest raw record."""
    if stream == "trades":
        return tail.newest_time(lambda: day_files(vault.trades(inst_id)))
    return tail.newest_time(lambda: book_files(vault.snapshots(inst_id)))


def _newest_derived(vault: Vault, data: DataSet, inst_id: str) -> int | None:
    """Return the time up to which a calculator has come."""
    try:
        path = list(data.files(vault, inst_id))[-1][1]
        if data.kind == "document":
            return times.parse_iso(orjson.loads(path.read_bytes())[data.key])
        moment = line_time(next(lines_backward(path)))
    except (OSError, ValueError, KeyError, TypeError, IndexError, StopIteration, VaultError):
        return None
    one_minute = 0 if data is BUCKETS else times.MINUTE_MS
    return None if moment is None else moment + one_minute
