"""Every way a person or the system ends a program: signals, Ctrl-C, Ctrl-Break, a closed window."""

import asyncio
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

_CLOSE_EVENTS: Final = (2, 5, 6)  # CTRL_CLOSE, CTRL_LOGOFF, CTRL_SHUTDOWN
_CLOSE_WITHIN_S: Final = 4.5  # Windows ends the process 5 s after its window was closed


@contextmanager
def stop_on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Set ``stop`` on any of them; on leaving, the earlier handlers are back."""
    with ExitStack() as undo:
        names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
        for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
            earlier = signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
            undo.callback(signal.signal, number, earlier)
        if sys.platform == "win32":
            undo.enter_context(_closed_window(loop, stop))
        yield


@contextmanager
def _closed_window(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Windows: the process ends when the handler returns, so it waits until all is flushed."""
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
