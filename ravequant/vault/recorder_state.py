"""The state of a recorder by its heartbeat, in sentences for a screen.

A heartbeat of an earlier version lacks some fields, and a damaged heartbeat may hold anything: a
field that is not of its form counts as absent.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ravequant import times
from ravequant.catalog import BOOK, L2_EXPORTER, TRADES, TRADES_EXPORTER, DataSet
from ravequant.vault import heartbeat
from ravequant.vault.newest import newest_record
from ravequant.vault.paths import Vault

_RECORDS: Final[Mapping[str, tuple[str, DataSet]]] = {
    TRADES_EXPORTER.name: ("trades", TRADES),
    L2_EXPORTER.name: ("books", BOOK),
}


@dataclass(frozen=True, slots=True)
class BackFill:
    """A stretch of past trades that is being fetched; times of the exchange."""

    at_ms: int
    until_ms: int
    left_s: float | None  # by the pace so far; None: not known yet

    @property
    def sentence(self) -> str:
        """The progress, like ``at 20:09 UTC, 1h29m to go, about 6 min``."""
        at = times.iso(self.at_ms)[11:16]
        text = f"at {at} UTC, {span(self.until_ms - self.at_ms)} to go"
        return text if self.left_s is None else f"{text}, about {about(self.left_s)}"


@dataclass(frozen=True, slots=True)
class RecorderState:
    """The newest heartbeat of an exporter."""

    program: str
    lives: bool = False  # False: its heartbeat is old, absent, or its last
    connected: bool = False
    problem: str = ""  # why it records nothing, in its own words
    silence: str = ""  # why nothing can have come, where it names no problem
    problem_since_ms: int | None = None
    clock_offset_ms: int | None = None  # this computer's clock minus the exchange's
    code: str = ""  # the digest of its code at its start
    left_out: Mapping[str, str] = field(default_factory=dict)  # instrument -> why, with the remedy
    filling: Mapping[str, BackFill] = field(default_factory=dict)  # by instrument


def recorder_state(vault: Vault, program: str, now: int) -> RecorderState:
    """Return the state of an exporter by its heartbeat; ``now`` is the wall clock."""
    beat = heartbeat.read(vault, program)
    if beat is None:
        return RecorderState(program)
    found = beat.get("instruments")
    items = {name: facts for name, facts in _dict(found).items() if isinstance(facts, dict)}
    offset = beat.get("clock_offset_ms")
    refused = [name for name, facts in items.items() if facts.get("disk_refuses")]
    problem = beat.get("problem")
    left_out = {name: text for name in items if (text := _text(items[name].get("left_out")))}
    return RecorderState(
        program,
        lives=heartbeat.alive(beat, now),
        connected=bool(beat.get("connections")),
        problem=_text(problem) or (f"the disk refuses {', '.join(refused)}" if refused else ""),
        silence=_silence(beat),
        problem_since_ms=_time(beat.get("problem_since_utc")),
        clock_offset_ms=offset if isinstance(offset, int) else None,
        code=_text(beat.get("code")),
        left_out=left_out,
        filling={
            name: fill
            for name in items
            if name not in left_out and (fill := _fill(items[name].get("filling")))
        },
    )


def why_unknown(vault: Vault, inst_id: str, now: int) -> str:
    """Return why the trades of an instrument on disk are not all there are; empty if they are.

    Only a living trade exporter knows; of a dead one the ages of the data speak.
    """
    state = recorder_state(vault, TRADES_EXPORTER.name, now)
    return _why_behind(state, inst_id) if state.lives else ""


def why_not_recorded(vault: Vault, inst_id: str, now: int) -> str:
    """Return why trades or books of an instrument are not recorded now; empty if they are.

    A vault without any heartbeat of an exporter is only read, and says nothing of now; nor does an
    exporter without one whose records the vault does not hold. One that has ended does not record.
    """
    if not any(vault.health(program).exists() for program in _RECORDS):
        return ""
    found = {program: _why_standing(vault, program, inst_id, now) for program in _RECORDS}
    if all(found.values()) and not any(recorder_state(vault, name, now).lives for name in found):
        first, second = found.values()
        return f"{first}; {second.removeprefix('NOT RECORDING ')}"
    return next(filter(None, found.values()), "")


def not_recorded_since(vault: Vault, inst_id: str, now: int) -> int | None:
    """Return since when nobody knows of the trades or books of an instrument (Unix ms).

    That is the newest record on disk, or the time that the recorder names if that is earlier. None
    if it is not known: of an instrument that is left out, or whose past trades are fetched.
    """
    found = []
    for program, (_, data) in _RECORDS.items():
        if not _why_standing(vault, program, inst_id, now):
            continue
        state = recorder_state(vault, program, now)
        if state.lives and (inst_id in state.left_out or inst_id in state.filling):
            continue
        last = _time((heartbeat.read(vault, program) or {}).get("heartbeat_utc"))
        found.append(state.problem_since_ms if state.lives else last)
        found.append(newest_record(vault, data, inst_id))
    return min((since for since in found if since is not None), default=None)


def _why_standing(vault: Vault, program: str, inst_id: str, now: int) -> str:
    state = recorder_state(vault, program, now)
    if state.lives:
        return _why_behind(state, inst_id)
    rows, data = _RECORDS[program]
    beat = heartbeat.read(vault, program)
    if beat is None:
        held = any(data.files(vault, inst_id))
        return f"NOT RECORDING {rows}: {program} runs nowhere" if held else ""
    if beat.get("stopped"):
        return f"NOT RECORDING {rows}: {program} has ended"
    age_ms = heartbeat.age_ms(beat, now)
    if age_ms < 0:
        ahead = times.duration(-age_ms)
        return f"NOT RECORDING {rows}: the heartbeat of {program} is {ahead} ahead of the clock"
    age = times.duration(age_ms)
    return f"NOT RECORDING {rows}: {program} has given no sign of life for {age}"


def _why_behind(state: RecorderState, inst_id: str) -> str:
    """Return why a living exporter is behind with an instrument; empty if it is not."""
    if inst_id in state.left_out:
        return f"{inst_id} is left out: {state.left_out[inst_id]}"
    if inst_id in state.filling:
        return f"fetching past trades: {state.filling[inst_id].sentence}"
    rows, _ = _RECORDS[state.program]
    why = state.problem or (f"{state.program} {state.silence}" if state.silence else "")
    return f"NOT RECORDING {rows}: {why}" if why else ""


def _silence(beat: Mapping[str, Any]) -> str:
    """Return why nothing can have come; empty in a heartbeat that does not count."""
    if beat.get("connections") == 0:
        return "has no connection"
    return "has heard nothing since its start" if beat.get("frames") == 0 else ""


def span(span_ms: int) -> str:
    """Return a span of time as people say it: ``1h29m``, ``12m``, ``40s``."""
    hours, rest = divmod(max(0, span_ms), times.HOUR_MS)
    minutes, rest = divmod(rest, times.MINUTE_MS)
    if hours:
        return f"{hours}h{minutes:02}m"
    if minutes >= 10:
        return f"{minutes}m"
    seconds = rest // times.SECOND_MS
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"


def about(seconds: float) -> str:
    """Return a rough duration, rounded up: ``a minute``, ``6 min``, ``2 h``."""
    minutes = math.ceil(seconds / 60)
    if minutes <= 1:
        return "a minute"
    return f"{minutes} min" if minutes < 120 else f"{math.ceil(minutes / 60)} h"


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _time(value: Any) -> int | None:
    try:
        return times.parse_iso(value)
    except (TypeError, ValueError):
        return None


def _fill(value: Any) -> BackFill | None:
    facts = _dict(value)
    at, until, left = _time(facts.get("at_utc")), _time(facts.get("until_utc")), facts.get("left_s")
    if at is None or until is None:
        return None
    finite = isinstance(left, int | float) and math.isfinite(left)
    return BackFill(at, until, max(0.0, float(left)) if finite and left is not None else None)
