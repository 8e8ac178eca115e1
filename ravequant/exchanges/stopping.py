"""A request to stop for a program with an event loop: signals, and on Windows a closed window."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from ravequant.processes.lifeline import on_stop

_CLOSE_EVENTS: Final = (2, 5, 6)  # CTRL_CLOSE, CTRL_LOGOFF, CTRL_SHUTDOWN
_CLOSE_WITHIN_S: Final = 4.5  # Windows ends the process 5 s after its window was closed


@contextmanager
def stop_on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Set ``stop`` on signals, Ctrl-C, Ctrl-Break and a closed window; at the end undo all."""
    with ExitStack() as undo:
        undo.enter_context(on_stop(lambda: loop.call_soon_threadsafe(stop.set)))
        if sys.platform == "win32":
            undo.enter_context(_closed_window(loop, stop))
        yield


@contextmanager
def _closed_window(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Set ``stop`` when Windows closes the window.

    The process ends when the handler returns, so the handler waits until all is flushed.
    """
    import ctypes  # noqa: PLC0415 - Windows only

    flushed = threading.Event()

    def closing(event: int) -> bool:
        if event not in _CLOSE_EVENTS:
            return False
        loop.call_soon_threadsafe(stop.set)
        return flushed.wait(_CLOSE_WITHIN_S)

    ct: Any = ctypes
    handler = ct.WINFUNCTYPE(ct.c_int, ct.c_uint)(closing)
    ct.windll.kernel32.SetConsoleCtrlHandler(handler, 1)
    try:
        yield
    finally:
        flushed.set()
        ct.windll.kernel32.SetConsoleCtrlHandler(handler, 0)
