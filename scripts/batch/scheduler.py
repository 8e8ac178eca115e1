"""The order of a recomputation: instrument by instrument, its parts first, then its calculators.

Parts are read side by side, in any order; books have none. A few more tasks than there are workers
are under way at any time, so that neither memory nor the stored parts grow with the number of
instruments.
"""

import logging
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Final

from ravequant.errors import FAILED, RaveQuantError
from ravequant.vault.cursor import Cursor
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.paths import Vault
from scripts.batch.executors import ATTEMPTS, Cost, Executor, measured
from scripts.batch.jobs import BARS, Outcome, Task, cursor_of, raw_files, run_task
from scripts.batch.partial_bars import Unit, names_in, read_unit, units_of

WINDOW: Final = 2  # tasks under way for each worker
PROGRESS_S: Final = 10.0
_log = logging.getLogger("recompute")


@dataclass(slots=True)
class Totals:
    """The sums of a recomputation; ``--json`` prints them."""

    parts: int = 0
    parts_kept: int = 0  # stored by a run before
    outputs: int = 0
    failed: int = 0
    records: int = 0
    wall_s: float = 0.0
    busy_s: float = 0.0  # of all workers
    cpu_s: float = 0.0
    lost: int = 0  # tasks whose worker died
    peaks: dict[str, int] = field(default_factory=dict)  # bytes, by worker

    def add(self, cost: Cost) -> None:
        """Count the cost of a task."""
        self.busy_s += cost.wall_s
        self.cpu_s += cost.cpu_s
        if cost.peak_bytes is not None:
            self.peaks[cost.worker] = max(cost.peak_bytes, self.peaks.get(cost.worker, 0))

    def facts(self, engine: str, width: int) -> dict[str, Any]:
        """Return the totals as one flat JSON object."""
        idle = 1 - self.busy_s / (width * self.wall_s) if self.wall_s else 0.0
        return {
            "engine": engine, "workers": width, "parts": self.parts,
            "parts_kept": self.parts_kept, "outputs": self.outputs, "failed": self.failed,
            "records": self.records, "lost": self.lost, "wall_s": round(self.wall_s, 3),
            "busy_s": round(self.busy_s, 3), "cpu_s": round(self.cpu_s, 3),
            "idle_share": round(idle, 4), "peak_bytes": max(self.peaks.values(), default=None),
        }  # fmt: skip


@dataclass(slots=True)
class InstrumentProgress:
    """The state of an instrument whose tasks have begun."""

    calculators: list[Task]  # over trades: they begin once no part is unread
    unread: int = 0  # parts
    unfinished: int = 0  # outputs
    failed: bool = False


@dataclass(slots=True)
class Step:
    """A call of a worker: of ``read_unit`` or ``run_task``."""

    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    progress: InstrumentProgress
    attempts: int = 1


class Scheduler:
    """Keeps an executor busy until all tasks are done."""

    def __init__(self, executor: Executor, on_outcome: Callable[[Outcome], None]) -> None:
        self._executor, self._on_outcome = executor, on_outcome
        self._ready: deque[Step] = deque()  # before the steps that wait
        self.totals = Totals()

    def run(self, tasks: Sequence[Task]) -> Totals:
        """Do all tasks; those of one instrument stand together."""
        begun = shown = time.perf_counter()
        waiting, under_way = self._steps(tasks), dict[Future[Any], Step]()
        while True:
            while len(under_way) < WINDOW * self._executor.width:
                step = self._ready.popleft() if self._ready else next(waiting, None)
                if step is None:
                    break
                under_way[self._executor.submit(measured, step.work, *step.arguments)] = step
            if not under_way:
                break
            for future in wait(under_way, PROGRESS_S, FIRST_COMPLETED).done:
                self._finish(under_way.pop(future), future)
            if time.perf_counter() - shown > PROGRESS_S:
                shown, found = time.perf_counter(), self.totals
                text = "%d parts read, %d of %d outputs done"
                _log.info(text, found.parts, found.outputs, len(tasks))
        self.totals.wall_s = time.perf_counter() - begun
        return self.totals

    def _steps(self, tasks: Sequence[Task]) -> Iterator[Step]:
        """Yield the steps that can begin at once, instrument by instrument."""
        for _, same in groupby(tasks, lambda task: task.inst_id):
            mine = list(same)
            bars = [task for task in mine if task.metric in BARS]
            progress = InstrumentProgress(bars, unfinished=len(mine))
            yield from (Step(run_task, (task,), progress) for task in mine if task not in bars)
            if not bars:
                continue
            progress.calculators, unread = self._parts(bars)
            progress.unread = len(unread)
            yield from (Step(read_unit, (unit, bars[0].store), progress) for unit in unread)
            if not unread:
                yield from (Step(run_task, (task,), progress) for task in progress.calculators)

    def _parts(self, bars: list[Task]) -> tuple[list[Task], list[Unit]]:
        """Return the tasks with the names of their parts, and those parts that are not stored."""
        first = bars[0]
        try:
            units, there = _units(bars), names_in(first.store)
        except (RaveQuantError, OSError) as error:
            _log.warning("%s: its parts are not read side by side: %s", first.inst_id, error)
            units, there = [], set()
        names = tuple((unit.key, unit.name) for unit in units)
        unread = [unit for unit in units if unit.name not in there]
        self.totals.parts_kept += len(units) - len(unread)
        return [replace(task, units=names) for task in bars], unread

    def _finish(self, step: Step, future: Future[Any]) -> None:
        """Take the answer of a step; one whose worker died is tried again."""
        subject, outcome = step.arguments[0], None
        try:
            outcome, cost = future.result()
        except Exception as error:  # noqa: BLE001 - a worker that died, or a file beyond reading
            died = not isinstance(error, RaveQuantError | OSError)
            self.totals.lost += died
            if died and step.attempts < ATTEMPTS:
                step.attempts += 1
                self._ready.append(step)
                return
            if step.work is run_task:
                text = f"{subject.metric} {subject.inst_id}: {type(error).__name__}: {error}"
                text += "; run it again"
                outcome = Outcome(subject.metric, subject.inst_id, {}, text, FAILED)
            else:  # the calculators will meet the error, and name it
                _log.warning("%s: a part was not read: %s", subject.inst_id, error)
        else:
            self.totals.add(cost)
        if outcome is not None:
            self._take(step, outcome)
            return
        self.totals.parts += 1
        step.progress.unread -= 1
        if not step.progress.unread:  # its calculators go first
            found = [Step(run_task, (task,), step.progress) for task in step.progress.calculators]
            self._ready.extendleft(found)

    def _take(self, step: Step, outcome: Outcome) -> None:
        """Count an outcome; after the last of an instrument its parts are deleted."""
        progress = step.progress
        progress.unfinished -= 1
        progress.failed = progress.failed or bool(outcome.code)
        self.totals.outputs += not outcome.code
        self.totals.failed += bool(outcome.code)
        self.totals.records += outcome.facts.get("records", 0)
        self._on_outcome(outcome)
        if not progress.unfinished and not progress.failed:
            _clear(step.arguments[0])


def _units(bars: list[Task]) -> list[Unit]:
    """Return the parts behind the cursors of all these calculators."""
    first = bars[0]
    whale = first.settings.bars.whale_notional
    cursors = [_cursor(task) for task in bars]
    known = [cursor for cursor in cursors if cursor is not None]
    since = None
    if len(known) == len(cursors):
        since = min(known, key=lambda cursor: (cursor.file, cursor.offset))
    return list(units_of(first.inst_id, whale, raw_files(first, since), since))


def _cursor(task: Task) -> Cursor | None:
    """Return where a calculator will go on; None where it begins, or begins again."""
    if task.rebuild:
        return None
    with suppress(RaveQuantError):  # the run itself says what is wrong
        state = task.vault.state(task.metric, task.inst_id)
        cursor = cursor_of(state, task.metric, task.inst_id)
        if cursor is None or task.metric not in BARS:  # books are never repaired
            return cursor
        generation = read_generation(Vault(task.source).generation(task.inst_id))
        return cursor if cursor.generation == generation else None
    return None


def _clear(task: Task) -> None:
    """Delete the stored parts of an instrument."""
    shutil.rmtree(task.store, ignore_errors=True)
