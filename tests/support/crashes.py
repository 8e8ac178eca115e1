"""Stops a program at its n-th step towards the disk, as a power cut or a kill would.

A step is a write to an output, an fsync, a rename or a truncation. ``steps()`` counts or stops in
this process; ``python -m tests.support.crashes N MODULE ARGUMENT…`` runs a program's ``main`` and
kills the process, for real, before step N.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

from ravequant.vault import commit


class Stopped(BaseException):
    """The process is gone; nothing after this instant happens."""


def kill() -> NoReturn:
    """End this process at once: no flush, no handlers."""
    if os.name == "posix":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(137)


def stop() -> NoReturn:
    """Leave the code under test as if the process had ended here."""
    raise Stopped


@contextmanager
def steps(at: int, end: Callable[[], NoReturn] = stop) -> Iterator[list[str]]:
    """Count the steps towards the disk, and call ``end`` before number ``at`` (from 1)."""
    taken: list[str] = []

    def watched(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            taken.append(name)
            if len(taken) == at:
                end()
            return original(*args, **kwargs)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in [
            (os, "fsync"),
            (os, "replace"),
            (os, "unlink"),
            (commit.Output, "append"),
            (commit.Output, "sync"),
        ]:
            patch.setattr(owner, name, watched(name, getattr(owner, name)))
        yield taken


def main() -> int:
    """Run ``MODULE.main(ARGUMENT…)`` and die before step N."""
    at, module, *argv = sys.argv[1:]
    with steps(int(at), kill):
        outcome: int = importlib.import_module(module).main(argv)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
