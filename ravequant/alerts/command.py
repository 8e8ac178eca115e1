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

from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.errors import UsageError

_LIMIT_S: Final = 30.0
_MOST_WAITING: Final = 100
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
        threading.Thread(target=self._work, name="exec", daemon=True).start()

    def run(self, row: dict[str, Any]) -> None:
        """Queue an alert for the command, behind the alerts that wait."""
        try:
            self._rows.put_nowait(row)
        except queue.Full:
            _log.warning(
                "--exec: %d alerts wait for %s already; one is left out",
                _MOST_WAITING,
                self._program,
            )

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
                _log.warning("--exec: %s was not run: %s", self._program, error)
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
            _log.warning(
                "--exec: %s ran for more than %g s and was ended", self._program, self._limit_s
            )
        else:
            if done.returncode:
                _log.warning("--exec: %s ended with exit code %d", self._program, done.returncode)
