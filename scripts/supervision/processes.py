"""The processes of run_all.py: start, log files, end; none outlives its supervisor."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ravequant.errors import message_of
from ravequant.processes import lifeline
from ravequant.vault.paths import CHECKOUT
from scripts.supervision.schedule import Task

END_WITHIN_S: Final = 8.5  # a little longer than the lifeline waits in the program itself
SILENT: Final = "it said nothing"
_ASIDE_BYTES: Final = 1_000_000  # a longer .out file is renamed at the next start
_LAST_WORDS: Final = 1 << 16  # bytes at the end of a file
_LONGEST: Final = 500  # characters of the last words
_NOISE: Final = re.compile(r"resource_tracker|^\s*warnings\.warn\(|^[\s{}\[\]\"',]|^$")
_CRASH: Final = "Traceback (most recent call last)"
_TICK_S: Final = 0.05


@dataclass(slots=True)
class RunningTask:
    """A running task."""

    task: Task
    process: subprocess.Popen[bytes]
    end_by: float | None = None  # monotonic; killed if it still runs then


class Programs:
    """All running tasks; each writes to ``{name}.log`` and ``{name}.out`` in ``logs``.

    The ``.log`` is the program's own and rotates; the ``.out`` holds the rest of its output, a line
    or two a run. Both are files, so a program never waits for a reader.
    """

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._older: dict[str, list[tuple[int, int]]] = {}  # stamps of its files at the start
        self._running: dict[str, RunningTask] = {}
        self._asked: set[str] = set()  # tasks that were asked to end, and have ended

    def __contains__(self, name: str) -> bool:
        return name in self._running

    def pid(self, name: str) -> int | None:
        """Return the process of a task; None if it does not run."""
        found = self._running.get(name)
        return found.process.pid if found else None

    def start(self, task: Task) -> None:
        """Start a task; OSError if the system refuses."""
        self.logs.mkdir(parents=True, exist_ok=True)
        words = self.logs / f"{task.name}.out"
        _set_aside(words)
        self._asked.discard(task.name)
        self._older[task.name] = [_stamp(path) for path in self._words(task.name)]
        with words.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, str(CHECKOUT / task.script), *task.options],
                stdin=subprocess.PIPE, stderr=out,
                stdout=subprocess.DEVNULL if task.shows else out,
                cwd=CHECKOUT, env={**os.environ, lifeline.VARIABLE: str(self._log(task.name))},
                **_apart(),
            )  # fmt: skip
        self._running[task.name] = RunningTask(task, process)

    def ended(self) -> Iterator[tuple[str, int]]:
        """Yield (name, exit code) of the tasks that have ended since the last call.

        A task that was asked to end and has not is killed. The code of a task that a signal has
        ended is the number of the signal, negative.
        """
        for name, program in list(self._running.items()):
            code = program.process.poll()
            if code is not None:
                _cut(program)
                del self._running[name]
                if program.end_by is not None:
                    self._asked.add(name)
                yield name, code
            elif program.end_by is not None and time.monotonic() > program.end_by:
                program.process.kill()

    def ask_to_end(self, name: str) -> bool:
        """Cut the lifeline of a program: it ends by itself, or is killed. False if asked before."""
        program = self._running[name]
        if program.end_by is not None:
            return False
        _cut(program)
        program.end_by = time.monotonic() + END_WITHIN_S
        return True

    def was_asked(self, name: str) -> bool:
        """Return True if the last run of a task has ended because it was asked to, or killed."""
        return name in self._asked

    def end_all(self) -> None:
        """End all programs; the clean way first, and never longer than 10 s."""
        for name in self._running:
            self.ask_to_end(name)
        while self._running:
            for _ in self.ended():
                pass
            time.sleep(_TICK_S)

    def last_words(self, name: str) -> str:
        """Return the last line that says something since the start of a program, in either file.

        That is the last line of its log or, after a crash, the name of the error; neither the noise
        of an interpreter that ends nor the inside of a message of several lines.
        """
        found: list[tuple[int, str]] = []
        for path, older in zip(self._words(name), self._older[name], strict=True):
            stamp = _stamp(path)
            if stamp != older and (words := _spoken(path, older[0])):
                found.append((stamp[1], words))
        return max(found)[1] if found else SILENT

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _words(self, name: str) -> tuple[Path, Path]:
        return self._log(name), self.logs / f"{name}.out"


def _cut(program: RunningTask) -> None:
    if program.process.stdin is not None:
        with contextlib.suppress(OSError):
            program.process.stdin.close()


def _spoken(path: Path, begin: int) -> str:
    """Return the last line behind ``begin`` that says something; empty if there is none."""
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            since = begin if begin < length else 0  # else it has rotated
            file.seek(max(since, length - _LAST_WORDS))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line for line in text.splitlines() if not _NOISE.search(line)]
    logged = [line for line in lines if message_of(line) != line]
    if logged and _CRASH not in text:
        lines = logged
    return lines[-1][:_LONGEST].rstrip() if lines else ""


def _stamp(path: Path) -> tuple[int, int]:
    """Return size and time of a file, which change with each write; zeros if there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _set_aside(words: Path) -> None:
    """Rename an output file that has grown long; a program that has it open may prevent it."""
    with contextlib.suppress(OSError):
        if words.stat().st_size > _ASIDE_BYTES:
            words.replace(words.with_name(words.name + ".1"))


def _apart() -> dict[str, Any]:
    """Return options that keep Ctrl-C, and a window, away from a program: it has a lifeline."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
