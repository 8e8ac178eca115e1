"""Worker processes that do tasks in parallel, and end with the process that started them.

They are spawned, not forked, so they share no memory; they ignore Ctrl-C. If a worker dies, the
futures of the tasks under way raise ``BrokenProcessPool``, and the next task starts new workers.
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
    """At most ``width`` worker processes, started as tasks come."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._pool = self._started()

    def _started(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.width, get_context("spawn"), initializer=_begin, initargs=gc.get_threshold()
        )

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Call ``work``, an importable function, in a worker; return the future result."""
        with _no_program():
            try:
                return self._pool.submit(work, *arguments)
            except BrokenProcessPool:
                _log.warning("a process has died; new ones are started")
                self._pool.shutdown(wait=False)
                self._pool = self._started()
                return self._pool.submit(work, *arguments)

    def close(self, *, wait: bool = True) -> None:
        """End the workers; tasks not begun are dropped."""
        self._pool.shutdown(wait=wait, cancel_futures=True)


@contextmanager
def _no_program() -> Iterator[None]:
    """Keep workers started here from importing the ``__main__`` of this process."""
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


def _begin(*thresholds: int) -> None:
    """Make this worker end with the process that started it, however that ends.

    ``thresholds`` are the garbage collector's there; the environment is inherited anyway.
    """
    gc.set_threshold(*thresholds)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    atexit.register(os._exit, 0)  # the results are sent by then, and unloading modules takes time
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
