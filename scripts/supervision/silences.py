"""The troubles of run_all.py with programs that give no sign of life: exporters, and the watch.

Times are seconds of the loop of run_all.py, which do not count those asleep.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ravequant import times
from ravequant.alerts.delivery import COMPONENT as WATCH
from ravequant.catalog import EXPORTERS
from ravequant.checks.programs import ENDED_S, WATCH_S
from ravequant.vault import heartbeat
from ravequant.vault.paths import Vault
from scripts.supervision.news import ROWS, RUN_ALL, SHUT, Trouble

_TOLD_S: Final = heartbeat.FRESH_MS / times.SECOND_MS


class Silences:
    """Remembers when the heartbeat of each program was last new."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._newest: dict[str, tuple[int, float]] = {}  # program -> its stamp, when it came
        self._lived: set[str] = set()  # their heartbeats were seen to change
        self._watch_s = 0.0  # of the watch; 0: it answers

    def forget(self, program: str) -> None:
        """Count the silence of a program that starts now from now on."""
        self._newest.pop(program, None)
        self._lived.discard(program)

    def clear(self) -> None:
        """Count every silence from now on."""
        self._newest.clear()

    def lasts(self, program: str, now: float) -> float:
        """Return for how long the heartbeat of a program has not changed."""
        try:
            stamp = self._vault.health(program).stat().st_mtime_ns
        except OSError:
            stamp = 0
        newest, since = self._newest.setdefault(program, (stamp, now))
        if stamp == newest:
            return now - since
        self._newest[program] = stamp, now
        self._lived.add(program)
        return 0.0

    def troubles(self, kept: Mapping[str, bool], now: float, wall_ms: int) -> Iterator[Trouble]:
        """Yield the troubles; ``kept`` holds True for each program of run_all.py that runs now."""
        for program in (name for name, _ in EXPORTERS):
            silent_s = self.lasts(program, now)
            if silent_s > _TOLD_S and kept.get(program, self._frozen_elsewhere(program)):
                yield _frozen(program, silent_s, wall_ms, kept=program in kept)
        silent_s = self.lasts(WATCH, now)
        if WATCH in self._lived:
            self._watch_s = silent_s if kept.get(WATCH) and silent_s > WATCH_S else 0.0
        if self._watch_s:  # goes on until a new start has given a sign of life
            yield _unanswered(self._watch_s, wall_ms)

    def _frozen_elsewhere(self, program: str) -> bool:
        """Return True if an exporter that runs elsewhere has lived, and did not end in order."""
        beat = heartbeat.read(self._vault, program) or {}
        return program in self._lived and not beat.get("stopped")


def _frozen(program: str, silent_s: float, wall_ms: int, *, kept: bool) -> Trouble:
    remedy = (
        f"run_all ends it and starts it again after {ENDED_S:g} s"
        if kept
        else "it does not run under this run_all: end it where it runs, and start it again"
    )
    silence = f"{program} has given no sign of life for {silent_s:.0f} s"
    text, over = f"{SHUT}{ROWS[program]}: {silence}; {remedy}", f"{program} gives signs of life"
    since = wall_ms - int(silent_s * times.SECOND_MS)
    return Trouble((program, "silent"), text, over, since, varies=True)


def _unanswered(silent_s: float, wall_ms: int) -> Trouble:
    text = (
        f"THE WATCH DOES NOT ANSWER: {WATCH} has given no sign of life for {silent_s:.0f} s; no "
        "signal is told meanwhile; if it lasts, end its process: run_all starts it again "
        "(python scripts/doctor.py names it)"
    )
    since = wall_ms - int(silent_s * times.SECOND_MS)
    return Trouble((RUN_ALL, "watch"), text, "the watch answers", since, varies=True)
