"""The order of a recomputation: which parts are read when, and who is told what came of it.

Each instrument has parts to be read, in any order, and then one task for each calculator; books
have no parts. A few more tasks than there are workers are under way at any time, calculators first,
so that neither memory nor the shelf grows with the number of instruments.
"""

import logging
import queue
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ravequant.errors import FAILED, RaveQuantError
from ravequant.pipeline.runner import Summary
from ravequant.vault.cursor import Cursor
from ravequant.vault.gap_ledger import read_generation
from scripts.batch.executors import ATTEMPTS, Cost, Engine
from scripts.batch.jobs import BARS, Outcome, Task, cursor_of, raw_files, run_task, shelf_of
from scripts.batch.partial_bars import Unit, length_of, on_shelf, read_unit, units_of
from scripts.batch.storage import Remote, vault_at

WINDOW: Final = 2  # tasks under way for each worker
PROGRESS_S: Final = 10.0
_log = logging.getLogger("recompute")


@dataclass(slots=True)
class Totals:
    """What the whole took; ``--json`` prints it."""

    parts: int = 0
    parts_kept: int = 0  # on the shelf from a run before
    outputs: int = 0
    failed: int = 0
    records: int = 0
    wall_s: float = 0.0
    busy_s: float = 0.0  # of all workers
    cpu_s: float = 0.0
    requests: int = 0
    received: int = 0
    sent: int = 0
    lost: int = 0  # tasks whose worker died
    peaks: dict[str, int] = field(default_factory=dict)  # bytes, by worker

    def add(self, cost: Cost) -> None:
        """Count what a task took."""
        self.busy_s += cost.wall_s
        self.cpu_s += cost.cpu_s
        self.requests += cost.requests
        self.received += cost.received
        self.sent += cost.sent
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
            "idle_share": round(idle, 4), "requests": self.requests, "received": self.received,
            "sent": self.sent, "peak_bytes": max(self.peaks.values(), default=None),
        }  # fmt: skip


@dataclass(slots=True)
class _Book:
    """An instrument under way."""

    tasks: list[Task]
    unread: int = 0
    unfinished: int = 0
    failed: bool = False


@dataclass(slots=True)
class _Given:
    """A task that somebody works at."""

    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    inst_id: str
    attempts: int = 1


class Drive:
    """Keeps an engine busy until all is done."""

    def __init__(self, engine: Engine, told: Callable[[Outcome], None]) -> None:
        self._engine, self._told = engine, told
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._given: dict[Any, _Given] = {}
        self._ready: deque[_Given] = deque()
        self._books: dict[str, _Book] = {}
        self.totals = Totals()

    def run(self, tasks: Sequence[Task]) -> Totals:
        """Do all tasks; those of one instrument stand together."""
        begun = shown = time.perf_counter()
        waiting = self._waiting(tasks)
        more = True
        while more or self._given or self._ready:
            while more and len(self._given) + len(self._ready) < WINDOW * self._engine.width:
                item = next(waiting, None)
                more = item is not None
                if item is not None:
                    self._ready.append(item)
            while self._ready and len(self._given) < WINDOW * self._engine.width:
                self._give(self._ready.popleft())
            if self._given:
                self._take(self._done.get())
            if time.perf_counter() - shown > PROGRESS_S:
                shown = time.perf_counter()
                _log.info("%d parts read, %d of %d outputs done",
                          self.totals.parts, self.totals.outputs, len(tasks))  # fmt: skip
        self.totals.wall_s = time.perf_counter() - begun
        return self.totals

    def _waiting(self, tasks: Sequence[Task]) -> Iterator[_Given]:
        """Yield what can be begun at once, instrument by instrument."""
        for inst_id in dict.fromkeys(task.inst_id for task in tasks):
            mine = [
                task for task in tasks if task.inst_id == inst_id and not self._told_as_done(task)
            ]
            if not mine:
                continue
            bars = [task for task in mine if task.metric in BARS]
            self._books[inst_id] = book = _Book(bars, unfinished=len(mine))
            yield from (_Given(run_task, (task,), inst_id) for task in mine if task not in bars)
            if bars:
                yield from self._parts(book, bars)

    def _told_as_done(self, task: Task) -> bool:
        """Pass over an output in an object storage that nothing new has come for."""
        if not isinstance(task.target, Remote) or not is_done(task):
            return False
        self.totals.outputs += 1
        self._told(Outcome(task.metric, task.inst_id, Summary(task.metric, task.inst_id).facts()))
        return True

    def _parts(self, book: _Book, bars: list[Task]) -> Iterator[_Given]:
        """Yield the parts that nobody has read yet; the calculators come after the last of them."""
        first = bars[0]
        shelf = first.shelf
        try:
            units, there = _units(bars), on_shelf(shelf)
        except (RaveQuantError, OSError) as error:
            _log.warning("%s: its parts are not read side by side: %s", first.inst_id, error)
            units, there = [], set()
        names = tuple((unit.key, unit.name) for unit in units)
        book.tasks = [_with(task, names) for task in bars]
        unread = [unit for unit in units if unit.name not in there]
        self.totals.parts_kept += len(units) - len(unread)
        book.unread = len(unread)
        if not unread:
            self._release(book)
        for unit in unread:
            yield _Given(read_unit, (unit, shelf), first.inst_id)

    def _release(self, book: _Book) -> None:
        """Let the calculators of an instrument go first: their parts are all there."""
        self._ready.extendleft(_Given(run_task, (task,), task.inst_id) for task in book.tasks)

    def _give(self, given: _Given) -> None:
        future = self._engine.submit(given.work, *given.arguments)
        self._given[future] = given
        future.add_done_callback(self._done.put)

    def _take(self, future: Any) -> None:
        given = self._given.pop(future)
        try:
            answer, cost = future.result()
        except Exception as error:  # noqa: BLE001 - a worker that died, or what it could not read
            self._failed(given, error)
            return
        self.totals.add(cost)
        self._finished(given, answer)

    def _failed(self, given: _Given, error: Exception) -> None:
        """Try again what died with its worker; a part that cannot be read is left out."""
        died = not isinstance(error, RaveQuantError | OSError)
        self.totals.lost += died
        if died and given.attempts < ATTEMPTS:
            given.attempts += 1
            self._ready.append(given)
            return
        if given.work is read_unit:  # its calculators will meet it, and say what is wrong
            _log.warning("%s: a part was not read: %s", given.inst_id, error)
            self._finished(given, None)
            return
        task = given.arguments[0]
        text = f"{task.metric} {task.inst_id}: {type(error).__name__}: {error}; run it again"
        self._finished(given, Outcome(task.metric, task.inst_id, {}, text, FAILED))

    def _finished(self, given: _Given, answer: Any) -> None:
        book = self._books[given.inst_id]
        if isinstance(answer, Outcome):
            self._outcome(book, answer, given.arguments[0])
            return
        self.totals.parts += 1
        book.unread -= 1
        if not book.unread:
            self._release(book)

    def _outcome(self, book: _Book, outcome: Outcome, task: Task) -> None:
        book.unfinished -= 1
        book.failed = book.failed or bool(outcome.code)
        self.totals.outputs += not outcome.code
        self.totals.failed += bool(outcome.code)
        self.totals.records += outcome.facts.get("records", 0)
        self._told(outcome)
        if not book.unfinished:
            del self._books[task.inst_id]
            if not book.failed:
                _clear(task)


def _with(task: Task, names: tuple[tuple[str, str], ...]) -> Task:
    return replace(task, units=names)


def _units(bars: list[Task]) -> list[Unit]:
    """Return the parts behind what all these calculators have read already."""
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
        state = vault_at(task.target).state(task.metric, task.inst_id)
        cursor = cursor_of(state, task.metric, task.inst_id)
        if cursor is None or task.metric not in BARS:  # books are never repaired
            return cursor
        generation = read_generation(vault_at(task.source).generation(task.inst_id))
        return cursor if cursor.generation == generation else None
    return None


def is_done(task: Task) -> bool:
    """Say whether a calculator has read all that there is, if that can be seen at a glance."""
    cursor = _cursor(task)
    if cursor is None:
        return False
    with suppress(OSError):
        files = list(raw_files(task, cursor)())
        if files and files[-1][0] == cursor.file:
            return length_of(files[-1][1]) == cursor.offset
    return False


def _clear(task: Task) -> None:
    """Take the parts of an instrument away that nobody needs any more."""
    shelf = shelf_of(task.target, task.inst_id)
    if isinstance(shelf, Remote):
        with suppress(OSError):
            shelf.remove()
    else:
        shutil.rmtree(shelf, ignore_errors=True)
