"""The progress of a recomputation: the raw days that are done, and about how long the rest takes.

It is seen from outside, wherever the workers are: by the newest record of each output.
"""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.line_file import lines_backward, time_of_key
from ravequant.vault.paths import Vault
from ravequant.vault.raw_content import Stamp, stamp
from scripts.batch.jobs import CALCULATORS, RecomputeTask

PACE_S: Final = 60.0  # the time left goes by the pace of the last minute


class DaysDone:
    """The days of all tasks, and how many of them are done."""

    def __init__(self, tasks: Iterable[RecomputeTask]) -> None:
        self._days = {_name(task): _raw_days(task) for task in tasks}
        self.days = sum(map(len, self._days.values()))  # of all tasks
        self._under_way: dict[tuple[str, str], tuple[RecomputeTask, Stamp | None]] = {}
        self._whole = 0  # days of the tasks that have ended
        self._paces = deque[tuple[float, int]]()  # (seconds, days done by then)

    def begins(self, task: RecomputeTask) -> None:
        """Note that a task may begin from now on: its output may be one of an earlier run."""
        self._under_way[_name(task)] = task, _newest_file(task)

    def ends(self, task: RecomputeTask) -> None:
        """Note the end of a task that has begun."""
        del self._under_way[_name(task)]
        self._whole += len(self._days[_name(task)])

    def days_done(self) -> int:
        """Return how many days are done."""
        newest = {name: _newest_day(*begun) for name, begun in self._under_way.items()}
        return self._whole + sum(
            day < now for name, now in newest.items() for day in self._days[name]
        )

    def text(self, now: float) -> str:
        """Return the progress at ``now``, seconds of a clock that never goes back."""
        found = self.days_done()
        left = self._left_s(now, found)
        more = "" if left is None else f", about {_span(left)} to go"
        return f"{found:,} of {self.days:,} days done{more}"

    def _left_s(self, now: float, found: int) -> float | None:
        """Return the seconds left; None while there is no pace yet."""
        self._paces.append((now, found))
        while now - self._paces[0][0] > PACE_S and len(self._paces) > 2:
            self._paces.popleft()
        then, before = self._paces[0]
        if found <= before:
            return None
        return (self.days - found) * (now - then) / (found - before)


def _name(task: RecomputeTask) -> tuple[str, str]:
    return task.metric, task.inst_id


def _span(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 100 else f"{round(minutes / 60)} h"


def _raw_days(task: RecomputeTask) -> list[str]:
    files = CALCULATORS[task.metric].input.files(Vault(task.source), task.inst_id)
    keys = {key[:10] for key, _ in files()}
    return sorted(day for day in keys if task.days.first <= day <= task.days.last)


def _newest_file(task: RecomputeTask) -> Stamp | None:
    """Return the stamp of the newest file of an output; None if there is none."""
    files = list(CALCULATORS[task.metric].output.files(task.vault, task.inst_id))
    return stamp(files[-1][1]) if files else None


def _newest_day(task: RecomputeTask, before: Stamp | None) -> str:
    """Return the day of the newest record; "" while the output is as it was ``before``."""
    output = CALCULATORS[task.metric].output
    files = list(output.files(task.vault, task.inst_id))
    if not files or stamp(files[-1][1]) == before:
        return ""
    time_of = time_of_key(output.key)
    with suppress(VaultError, OSError):
        for line in lines_backward(files[-1][1]):
            moment = time_of(line)
            return "" if moment is None else times.day(moment)
    return ""
