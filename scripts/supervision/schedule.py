"""When run_all.py runs which program: a plan without clock, file or process.

Times are seconds on any clock that never goes back.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from ravequant.errors import DONE, FAILED, LockedError, NoDataError

STEADY_S: Final = 10.0  # a kept program that ran so long has a clean record again
_LONGEST_WAIT_S: Final = 60.0
READY_S: Final = 5.0  # from one look for its input to the next
_NO_DATA_S: Final = 30.0
_LOCKED_S: Final = 2.0  # find_signals, or a person, is bringing the same file up to date
_LOCKED_TIMES: Final = 10
_NO_DATA: Final = NoDataError.exit_code
_LOCKED: Final = LockedError.exit_code
_MILD: Final = (_NO_DATA, _LOCKED)  # no failures: a later run will succeed


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Task:
    """A program of the checkout, and when it is to run."""

    name: str  # also of its logs
    script: str
    options: tuple[str, ...] = ()
    every_s: float = 0.0  # from start to start; 0: it is kept running
    limit_s: float = math.inf  # a run that takes longer is ended
    heartbeat: str = ""  # the component whose heartbeat it writes
    shows: bool = False  # its stdout is for people at a screen and is not kept
    quiet: bool = False  # it is started only while none of those that come and go runs
    tells: bool = False  # its last words belong into the window
    calculates: bool = False  # its end is counted in the line of the round
    ready: Callable[[], bool] = _always  # False while there is nothing that it could work on
    first_options: tuple[str, ...] = ()  # more options, until it has run once

    @property
    def kept(self) -> bool:
        """True if it is to run all the time."""
        return self.every_s == 0


@dataclass(slots=True)
class Standing:
    """The state of a task."""

    task: Task
    next_at: float
    started_at: float | None = None  # None: it does not run
    runs: int = 0
    failures: int = 0  # in a row
    refusals: int = 0  # in a row: another program held the lock
    last_code: int | None = None
    first: bool = True  # it has not run yet, or one that comes and goes was refused the lock

    @property
    def retries(self) -> bool:
        """True if it waits for the lock that another program holds."""
        return 0 < self.refusals <= _LOCKED_TIMES


def backoff(failures: int) -> float:
    """Return the wait before the next start after so many failures in a row: 1, 2, 4 … 60 s."""
    return min(_LONGEST_WAIT_S, 2.0 ** min(failures - 1, 10))


class Plan:
    """Decides which tasks are due, and when a task that ended is due again.

    At most ``at_once`` of those that come and go run side by side; the kept ones do not count.
    With ``once`` each of the others runs a single time.
    """

    def __init__(self, tasks: Iterable[Task], at_once: int, *, once: bool = False) -> None:
        self._at_once = at_once
        self._once = once
        self.standings = {task.name: Standing(task, 0.0) for task in tasks}

    @property
    def finished(self) -> bool:
        """True if nothing runs and nothing will."""
        return all(
            standing.started_at is None and standing.next_at == math.inf
            for standing in self.standings.values()
        )

    @property
    def outcome(self) -> int:
        """The exit code of a round: a failure, a lock held elsewhere, no data, or done."""
        codes = {standing.last_code for standing in self.standings.values()} - {None, DONE}
        if codes - set(_MILD):
            return FAILED
        return max((code for code in codes if code is not None), default=DONE)

    def due(self, now: float) -> list[Task]:
        """Return the tasks to be started now: those that wait longest first."""
        waiting = [
            standing
            for standing in self.standings.values()
            if standing.started_at is None and standing.next_at <= now
        ]
        passing = self.passing
        found: list[Task] = []
        for standing in sorted(waiting, key=lambda standing: standing.next_at):
            task = standing.task
            if not (task.kept or passing < self._at_once) or (task.quiet and passing):
                continue
            if not self._once and not task.ready():
                standing.next_at = _next(now, READY_S)
                continue
            passing += not task.kept
            more = task.first_options if standing.first else ()
            found.append(replace(task, options=(*task.options, *more)))
        return found

    def resting(self, now: float) -> bool:
        """Return True if the calculators' round is over: none runs, is due, or comes right back."""
        return not any(
            standing.started_at is not None or standing.next_at <= now or standing.retries
            for standing in self.standings.values()
            if standing.task.calculates
        )

    @property
    def passing(self) -> int:
        """The number of running tasks that come and go."""
        return sum(
            standing.started_at is not None and not standing.task.kept
            for standing in self.standings.values()
        )

    def overdue(self, now: float) -> list[Task]:
        """Return the tasks that run longer than they may."""
        return [
            standing.task
            for standing in self.standings.values()
            if standing.started_at is not None and now - standing.started_at > standing.task.limit_s
        ]

    def started(self, name: str, now: float) -> None:
        """Note a start."""
        standing = self.standings[name]
        standing.started_at = now
        standing.runs += 1
        if not standing.task.kept:
            standing.next_at = _next(now, standing.task.every_s)

    def ended(self, name: str, code: int, now: float) -> Standing:
        """Note an end; for a kept program any end is a failure, also with code 0."""
        standing = self.standings[name]
        task, ran_s = standing.task, now - (standing.started_at or 0.0)
        standing.started_at, standing.last_code = None, code
        if task.kept:
            standing.first = False
            standing.failures = 1 if ran_s >= STEADY_S else standing.failures + 1
            standing.next_at = now + backoff(standing.failures)
            return standing
        standing.first = standing.first and code == _LOCKED
        standing.failures = 0 if code in (DONE, *_MILD) else standing.failures + 1
        standing.refusals = standing.refusals + 1 if code == _LOCKED else 0
        if standing.retries:
            standing.next_at = now + _LOCKED_S
        elif self._once:
            standing.next_at = math.inf
        elif code == _NO_DATA and task.calculates:  # the exporters have only just begun
            standing.next_at = min(standing.next_at, _next(now, _NO_DATA_S))
        standing.next_at = max(standing.next_at, now)
        return standing


def _next(now: float, every_s: float) -> float:
    """Return the next time of a pace: all tasks of one pace keep step, so a round is one."""
    return (now // every_s + 1) * every_s
