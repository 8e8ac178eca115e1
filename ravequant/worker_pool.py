"""Processes of this computer that do tasks side by side, and end with the one who asked.

They are started anew, never forked, so they share nothing; Ctrl-C is for the asker alone. One that
dies takes the tasks under way with it: their answers raise ``BrokenProcessPool``, and the next task
starts new processes.
"""

import atexit
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from types import ModuleType
from typing import Any

_log = logging.getLogger(__name__)


class Processes:
    """At most ``width`` processes, started as tasks come."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._pool = self._started()

    def _started(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.width, get_context("spawn"), initializer=_begin, initargs=gc.get_threshold()
        )

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Have a process call ``work``, which can be imported; the answer comes later."""
        with _no_program():
            try:
                return self._pool.submit(work, *arguments)
            except BrokenProcessPool:
                _log.warning("a process has died; new ones are started")
                self._pool.shutdown(wait=False)
                self._pool = self._started()
                return self._pool.submit(work, *arguments)

    def close(self, *, wait: bool = True) -> None:
        """Let the processes end; what waits is dropped."""
        self._pool.shutdown(wait=wait, cancel_futures=True)


@contextmanager
def _no_program() -> Iterator[None]:
    """Have processes started here not load the program that asks: they need nothing of it."""
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


def _begin(*thresholds: int) -> None:
    """Prepare this process, before its first task, to end with the one that started it.

    It searches for garbage as often as that one; environment variables are that one's anyway.
    """
    gc.set_threshold(*thresholds)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    atexit.register(os._exit, 0)  # all is said by then; taking down what was loaded takes longer
    threading.Thread(target=_end_with_the_asker, daemon=True).start()


def _end_with_the_asker() -> None:
    asker = parent_process()
    if asker is not None:
        asker.join()
        os._exit(1)
