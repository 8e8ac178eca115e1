"""The loop of run_all.py: starts programs by the plan, notices and logs ends, silences and news."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from ravequant import times
from ravequant.catalog import EXPORTERS
from ravequant.checks.programs import ENDED_S
from ravequant.errors import DONE, FAILED, VaultError, message_of
from ravequant.processes.lifeline import on_stop
from ravequant.vault import heartbeat
from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.imports import hand_over
from ravequant.vault.paths import Vault
from ravequant.vault.recorder_state import recorder_state
from scripts.supervision.alert_news import AlertNews
from scripts.supervision.news import RUN_ALL, RecordingNews, Trouble
from scripts.supervision.processes import SILENT, Programs
from scripts.supervision.rounds import Round
from scripts.supervision.schedule import Plan, Standing, Task
from scripts.supervision.signal_news import SignalNews, rings
from scripts.supervision.silences import Silences
from scripts.supervision.surroundings import Surroundings

PROGRAM: Final = RUN_ALL
_TICK_S: Final = 0.1
_HEARTBEAT_S: Final = 5.0
_ASLEEP_S: Final = 60.0
_FIRST_ROUND_S: Final = 20.0
_ROUND_MOST_S: Final = 300.0  # a round that lasts longer has lines on its way
_IMPORTS_S: Final = 60.0
_log = logging.getLogger(PROGRAM)


class Supervisor:
    """Runs plans, one after the other, until a signal stops it."""

    def __init__(
        self, vault: Vault, signals: SignalNews | None = None, *, bell: bool = False
    ) -> None:
        self.stopping = False
        self.programs = Programs(vault.root / "logs")
        self._vault = vault
        self._heartbeat = Heartbeat(vault, PROGRAM)
        self._silences = Silences(vault)
        self._news = RecordingNews()
        self._signals, self._bell = signals, bell
        self._alerts = AlertNews(vault)
        self._surroundings = Surroundings(vault)
        self._away = False  # the vault was moved
        self._stuck: list[Trouble] = []  # an import that cannot be completed
        self._round = Round(vault.demo_option + vault.option)
        self._waits = True  # until a calculator has run, or this was logged
        self._writable = True
        self._words: dict[str, str] = {}  # the last words of tasks that fail
        self._now = 0.0  # seconds, without those asleep
        self._beat_at = -_HEARTBEAT_S
        self._told_at = 0.0  # the newest line of a round, or before any end of a calculator

    def run(self, plan: Plan, for_s: float) -> None:
        """Follow the plan until it is finished, ``for_s`` has passed, or a signal came."""
        self._now, self._told_at, before = 0.0, 0.0, time.monotonic()
        self._silences.clear()
        self._beat_at = -_HEARTBEAT_S
        self._complete_imports(_IMPORTS_S)  # before anybody holds the log
        while not (self.stopping or plan.finished or self._now >= for_s):
            self._step(plan)
            time.sleep(_TICK_S)
            after = time.monotonic()
            if after - before > _ASLEEP_S:
                _log.info("went on after %.0f s asleep", after - before)
            # a sleep of the computer counts neither as silence nor as running time
            self._now += min(after - before, 1.0)
            before = after

    def close(self, plan: Plan) -> None:
        """End every program and note it in the heartbeat."""
        self.programs.end_all()
        self._heartbeat.write({"stopped": True, "tasks": self._facts(plan)})

    def _step(self, plan: Plan) -> None:
        if self._without_vault(plan):
            return
        for name, code in self.programs.ended():
            self._report(plan.ended(name, code, self._now))
        for task in plan.overdue(self._now):
            self._end(task, f"runs longer than {task.limit_s:g} s")
        for task in plan.due(self._now):
            self._start(plan, task)
        if self._waits and self._now > _FIRST_ROUND_S:
            self._waits = False
            _log.info("no data yet: the calculators wait for the first trades and books")
        over = plan.resting(self._now)
        if not self._round:
            self._told_at = self._now
        elif over or self._now - self._told_at >= _ROUND_MOST_S:
            level = logging.ERROR if self._round.failed else logging.INFO
            text = f"{self._still()}calculators: {self._round.tell()}"
            _log.log(level, "%s%s", text, ", the others are still at work" * (not over))
            self._told_at = self._now
        if self._now - self._beat_at >= _HEARTBEAT_S:
            self._beat_at = self._now
            self._writable = self._heartbeat.write({"stopped": False, "tasks": self._facts(plan)})
            self._complete_imports()
            self._tell_news(plan)
            if self._writable:
                self._check_heartbeats(plan)
            else:  # a full disk takes no heartbeat at all: silence means nothing
                self._silences.clear()

    def _without_vault(self, plan: Plan) -> bool:
        """Return True while the vault is not where it was: nothing runs then, nothing is begun."""
        if not self._surroundings.vault_moved:
            if self._away:
                _log.info("the vault is back in %s: goes on", self._vault.root)
            self._away = False
            return False
        if not self._away:
            self._away = True
            _log.error("NOT RECORDING: %s", heartbeat.moved(self._vault))
        for name in list(plan.standings):
            if name in self.programs:
                self.programs.ask_to_end(name)
        for name, code in self.programs.ended():
            plan.ended(name, code, self._now)
        return True

    def _start(self, plan: Plan, task: Task) -> None:
        plan.started(task.name, self._now)
        self._silences.forget(task.name)
        try:
            self.programs.start(task)
        except OSError as error:
            _log.error("%s cannot be started: %s", task.name, error)
            plan.ended(task.name, FAILED, self._now)
        else:
            level = logging.INFO if task.kept else logging.DEBUG
            _log.log(level, "%s runs, pid %d", task.name, self.programs.pid(task.name))

    def _check_heartbeats(self, plan: Plan) -> None:
        """End kept programs whose heartbeat has stopped: they are started anew."""
        for standing in plan.standings.values():
            task = standing.task
            if not task.heartbeat or standing.started_at is None:
                continue
            if self._silences.lasts(task.heartbeat, self._now) > ENDED_S:
                self._end(task, f"has been silent for {ENDED_S:g} s")

    def _end(self, task: Task, why: str) -> None:
        if task.name in self.programs and self.programs.ask_to_end(task.name):
            _log.warning("%s %s and is ended", task.name, why)

    def _tell_news(self, plan: Plan) -> None:
        """Log the news of the recording, by any exporter of the vault, and the new signals."""
        now = times.utc_now_ms()
        states = [recorder_state(self._vault, program.name, now) for program in EXPORTERS]
        kept = {name: name in self.programs for name in plan.standings}
        more = (
            *self._surroundings.troubles(states, now, writable=self._writable),
            *self._alerts.troubles(),
            *self._silences.troubles(kept, self._now, now),
            *self._stuck,
        )
        for line in self._news.lines(states, now, more):
            _log.log(logging.WARNING if line.bad else logging.INFO, "%s", line.text)
        signals = self._signals.lines() if self._signals else []
        for text in signals:
            _log.info("%s", text)
        if any(map(rings, signals)) and self._bell and sys.stderr.isatty():
            sys.stderr.write("\a")
            sys.stderr.flush()

    def _complete_imports(self, within_s: float = hand_over.AT_ONCE_S) -> None:
        """Go on with an import that was stopped while its days were put in their places."""
        self._stuck.clear()
        try:
            for inst_id in hand_over.complete(self._vault, within_s):
                _log.info("%s: imported days stand in their places; calculators rebuild", inst_id)
        except VaultError as error:
            text = f"an import that was stopped cannot be completed: {error}"
            self._stuck.append(Trouble((RUN_ALL, "imports"), text, "no import waits any more"))

    def _still(self) -> str:
        """Return the troubles that last, for the beginning of a line."""
        lasting = self._news.standing
        return f"still {lasting}; " if lasting else ""

    def _report(self, standing: Standing) -> None:
        task, code = standing.task, standing.last_code or 0
        how = "was ended by run_all" if self.programs.was_asked(task.name) else _how(code)
        words = self.programs.last_words(task.name)
        self._words.pop(task.name, None)
        if standing.failures:
            self._words[task.name] = message_of(words)
        if task.kept:
            wait = max(0.0, standing.next_at - self._now)
            text = "%s %s, starts again in %.0f s; its last words: %s"
            _log.warning(text, task.name, how, wait, message_of(words))
        elif task.calculates:
            self._waits = False
            self._round.ended(task.name, code, words)
        elif task.tells and code == DONE:
            if words != SILENT:
                _log.info("%s", message_of(words))
        elif standing.failures:
            text = "%s %s, failures in a row: %d; its last words: %s"
            _log.error(text, task.name, how, standing.failures, message_of(words))

    def _facts(self, plan: Plan) -> dict[str, Any]:
        return {
            name: {
                "pid": self.programs.pid(name),
                "runs": standing.runs,
                "failures": standing.failures,
                "last_code": standing.last_code,
                "last_words": self._words.get(name),
                "every_s": standing.task.every_s or None,
            }
            for name, standing in plan.standings.items()
        }


def _how(code: int) -> str:
    return f"ended with code {code}" if code >= 0 else f"died of signal {-code}"


@contextmanager
def stop_on_signals(supervisor: Supervisor) -> Iterator[None]:
    """Turn every signal that ends a program into a request to stop."""

    def stop() -> None:
        supervisor.stopping = True

    with on_stop(stop):
        yield
