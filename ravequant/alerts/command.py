"""Runs the user's command for each alert, with the signal as JSON on its stdin.

The command runs without a shell, in a thread, for one alert at a time and with a time limit. Its
stdout is thrown away, since the stdout of the watch is data; its stderr is shown.
"""

import logging
import os
import queue
import shlex
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import times
from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.errors import UsageError

_LIMIT_S: Final = 30.0
_MOST_WAITING: Final = 100
_REMEDY: Final = "run that command by hand with an alert, a JSON object, on its stdin"
_log = logging.getLogger("find_signals")


def split(command: str) -> str | list[str]:
    """Return the arguments of ``Popen`` for ``command``; Windows splits a line itself.

    Raises UsageError if there is no such program.
    """
    try:
        words = shlex.split(command, posix=sys.platform != "win32")
    except ValueError as error:
        raise UsageError(
            f"--exec: {error}; expected a program and its options, each quote closed"
        ) from None
    program = words[0].strip('"') if words else ""
    if not program or shutil.which(program) is None:
        raise UsageError(
            f"--exec: there is no program {program!r} to start; give its whole path, in quotes if "
            "it has spaces"
        )
    return command if sys.platform == "win32" else words


class Command:
    """The command, and the alerts that wait for it."""

    def __init__(self, command: str, limit_s: float = _LIMIT_S) -> None:
        self._start, self._limit_s = split(command), limit_s
        self._rows = queue.Queue[dict[str, Any]](_MOST_WAITING)
        self._program = Path(shlex.split(command, posix=False)[0].strip("\"'")).name
        self.problem = ""  # why the last alert did not reach it, with the remedy
        self.sent_ms: int | None = None  # when it took the last alert, Unix ms
        threading.Thread(target=self._work, name="exec", daemon=True).start()

    def run(self, row: dict[str, Any]) -> None:
        """Queue an alert for the command, behind the alerts that wait."""
        try:
            self._rows.put_nowait(row)
        except queue.Full:
            self._fail(f"{_MOST_WAITING} alerts wait for {self._program} already, one is left out")

    @property
    def waiting(self) -> int:
        """The alerts that the command has not ended for yet."""
        return self._rows.unfinished_tasks

    def finish(self, patience_s: float) -> None:
        """Wait until no alert waits, at most ``patience_s``."""
        ends = time.monotonic() + patience_s
        while self._rows.unfinished_tasks and time.monotonic() < ends:
            time.sleep(0.02)

    def _work(self) -> None:
        while True:
            row = self._rows.get()
            try:
                self._run(row)
            except Exception as error:  # noqa: BLE001 - after the thread no command would run
                self._fail(f"{self._program} was not run: {error}")
            finally:
                self._rows.task_done()

    def _run(self, row: dict[str, Any]) -> None:
        others = {name: text for name, text in os.environ.items() if name != WEBHOOK_VARIABLE}
        try:
            done = subprocess.run(
                self._start,
                input=orjson.dumps(row) + b"\n",
                stdout=subprocess.DEVNULL,
                env=others,
                timeout=self._limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            self._fail(f"{self._program} ran for more than {self._limit_s:g} s and was ended")
        else:
            if done.returncode:
                self._fail(f"{self._program} ended with exit code {done.returncode}")
            else:
                self.problem, self.sent_ms = "", times.utc_now_ms()

    def _fail(self, why: str) -> None:
        self.problem = f"--exec: {why}; {_REMEDY}"
        _log.warning("--exec: %s", why)
