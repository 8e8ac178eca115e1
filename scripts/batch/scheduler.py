"""The order of a recomputation: books first, since they take the longest, then trades.

One calculator of each instrument comes before the next calculator of any: it keeps the minutes that
the others read. A few more tasks than there are workers are under way at any time.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Final

from ravequant.errors import FAILED
from scripts.batch.executors import ATTEMPTS, Cost, Executor, measured
from scripts.batch.jobs import BARS, Outcome, RecomputeTask, run_task
from scripts.batch.progress import DaysDone

WINDOW: Final = 2  # tasks under way for each worker
PROGRESS_S: Final = 10.0  # from one line of the log to the next
SHOWN_S: Final = 1.0  # from one state of the line of a terminal to the next
_log = logging.getLogger("recompute")


@dataclass(slots=True)
class Totals:
    """The sums of a recomputation; ``--json`` prints them."""

    outputs: int = 0
    failed: int = 0
    records: int = 0
    wall_s: float = 0.0
    busy_s: float = 0.0  # of all workers
    cpu_s: float = 0.0
    lost: int = 0  # tasks whose worker died
    peak_bytes: int | None = None  # of the largest worker

    def add(self, cost: Cost) -> None:
        """Count the cost of a task."""
        self.busy_s += cost.wall_s
        self.cpu_s += cost.cpu_s
        if cost.peak_bytes is not None:
            self.peak_bytes = max(cost.peak_bytes, self.peak_bytes or 0)

    def count(self, outcome: Outcome) -> None:
        """Count the outcome of a task."""
        self.outputs += not outcome.code
        self.failed += bool(outcome.code)
        self.records += outcome.facts.get("records", 0)

    def facts(self, engine: str, width: int) -> dict[str, Any]:
        """Return the totals as one flat JSON object."""
        idle = 1 - self.busy_s / (width * self.wall_s) if self.wall_s else 0.0
        return {
            "engine": engine,
            "workers": width,
            "outputs": self.outputs,
            "failed": self.failed,
            "records": self.records,
            "lost": self.lost,
            "wall_s": round(self.wall_s, 3),
            "busy_s": round(self.busy_s, 3),
            "cpu_s": round(self.cpu_s, 3),
            "idle_share": round(idle, 4),
            "peak_bytes": self.peak_bytes,
        }


@dataclass(frozen=True, slots=True)
class Attempt:
    """A task, and how often it has been tried before."""

    task: RecomputeTask
    earlier: int = 0


class Scheduler:
    """Keeps an executor busy until all tasks are done."""

    def __init__(
        self,
        executor: Executor,
        on_outcome: Callable[[Outcome], None],
        line: Callable[[str], None] | None = None,
    ) -> None:
        self._executor, self._on_outcome = executor, on_outcome
        self._line = line  # shows the progress in place, each second; None: the log, now and then
        self._waiting: deque[Attempt] = deque()
        self.totals = Totals()

    def run(self, tasks: Iterable[RecomputeTask]) -> Totals:
        """Do all tasks."""
        ordered = sorted(tasks, key=_place)
        self._progress = DaysDone(ordered)
        every_s = PROGRESS_S if self._line is None else SHOWN_S
        begun = shown = time.perf_counter()
        self._waiting.extend(map(Attempt, ordered))
        under_way: dict[Future[Any], Attempt] = {}
        while self._waiting or under_way:
            while self._waiting and len(under_way) < WINDOW * self._executor.width:
                attempt = self._waiting.popleft()
                self._progress.begins(attempt.task)
                under_way[self._executor.submit(measured, run_task, attempt.task)] = attempt
            for future in wait(under_way, every_s, FIRST_COMPLETED).done:
                self._finish(under_way.pop(future), future)
            if time.perf_counter() - shown > every_s:
                shown = time.perf_counter()
                self._show(shown, len(self._waiting) + len(under_way))
        self.totals.wall_s = time.perf_counter() - begun
        return self.totals

    def _show(self, now: float, left: int) -> None:
        done = f"{self.totals.outputs} outputs done, {left} left"
        text = f"{done}: {self._progress.text(now)}"
        if self._line is not None:
            self._line(text)
        else:
            _log.info("%s", text)

    def _finish(self, attempt: Attempt, future: Future[Any]) -> None:
        """Take the outcome of a task; one whose worker died is tried again."""
        task = attempt.task
        try:
            outcome, cost = future.result()
        except Exception as error:  # noqa: BLE001 - a worker that died, or a fault of ours
            self.totals.lost += 1
            if attempt.earlier + 1 < ATTEMPTS:
                self._waiting.append(Attempt(task, attempt.earlier + 1))
                return
            text = f"{task.metric} {task.inst_id}: {type(error).__name__}: {error}; run it again"
            outcome = Outcome(task.metric, task.inst_id, {}, text, FAILED)
        else:
            self.totals.add(cost)
        self.totals.count(outcome)
        self._progress.ends(task)
        self._on_outcome(outcome)


def _place(task: RecomputeTask) -> int:
    """Return 0 for books, then the place of a calculator among those that read trades."""
    return BARS.index(task.metric) + 1 if task.metric in BARS else 0
