"""The signals that ask a program to end: Ctrl-C, a closed terminal, a service manager."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # as far as the system has them


@contextmanager
def on_stop(stop: Callable[[], Any]) -> Iterator[None]:
    """Call ``stop`` on every signal that asks the program to end; afterwards undo that.

    A signal that is ignored stays so: `nohup` ignores the hang-up, and `&` in a shell without job
    control ignores Ctrl-C, both because the program is to live on.
    """
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    earlier = [(number, signal.signal(number, lambda *_: stop())) for number in heard]
    try:
        yield
    finally:
        for number, handler in earlier:
            signal.signal(number, handler)
