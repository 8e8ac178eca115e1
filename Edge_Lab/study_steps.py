"""The other programs that a study starts, one at a time, each with its own exit code.

Folders of programs do not import each other: an importer or a calculator is a process of its own,
which a kill of this process cannot harm. A program that finds its lock taken is started again.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from ravequant import catalog
from ravequant.errors import LockedError
from ravequant.vault.paths import CHECKOUT, Vault

LOCKED_S: Final = 600.0  # then a lock that another program holds ends the study
_AGAIN_S: Final = 5.0
_PROGRAMS: Final = {program.name: program for program in catalog.PROGRAMS}


class StoppedError(Exception):
    """The study was asked to end."""


class StudySteps:
    """Runs programs of the checkout over one vault. ``stop`` ends the program that runs."""

    def __init__(self, vault: Vault, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._vault, self._pause = vault, pause
        self._process: subprocess.Popen[Any] | None = None
        self._stopped = False

    def run(self, name: str, *words: str) -> int:
        """Run a program of the catalog to its end; return its exit code. StoppedError.

        Its warnings and its progress stand on stderr; its results are left out.
        """
        waited = 0.0
        while True:
            code = self._run(self.command(name, *words))
            if code != LockedError.exit_code or waited >= LOCKED_S:
                return code
            self._pause(_AGAIN_S)
            waited += _AGAIN_S

    def command(self, name: str, *words: str) -> list[str]:
        """Return the words that start a program."""
        script = CHECKOUT / _PROGRAMS[name].script
        options = ["--vault", str(self._vault.root), "--log-level", "warning"]
        return [sys.executable, str(script), *words, *options]

    def _run(self, command: list[str]) -> int:
        if self._stopped:
            raise StoppedError
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self._process = process
        if self._stopped:  # between the two
            self.stop()
        try:
            code = process.wait()
        finally:
            self._process = None
        if self._stopped:
            raise StoppedError
        return code

    def stop(self) -> None:
        """End the program that runs; its work is whole, and goes on the next time."""
        self._stopped = True
        if self._process is not None:
            self._process.terminate()
