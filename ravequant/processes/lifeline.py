"""How a program is asked to end: by signals, or by the lifeline of its supervisor.

The lifeline is a pipe on the program's stdin that ends with its supervisor. It works alike on every
system, also if the supervisor is killed. The supervisor closes the pipe to ask a program to end.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ravequant.errors import FAILED

VARIABLE: Final = "RAVEQUANT_SUPERVISED"  # set by the supervisor: the log file of the program
_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # as far as the system has them
_GRACE_S: Final = 8.0  # then a program that has not ended is ended


def watch() -> Path | None:
    """Begin to watch the lifeline if there is one; return the log file that comes with it.

    When the pipe ends, this process gets a SIGTERM, or a Ctrl-C if it handles only that, so that it
    can end its own child processes; if it still runs a while later, it is ended. The variable is
    removed, so that child processes do not watch the pipe too.
    """
    log_file = os.environ.pop(VARIABLE, "")
    if not log_file:
        return None
    threading.Thread(target=_wait, name="lifeline", daemon=True).start()
    return Path(log_file)


def _wait() -> None:
    with suppress(OSError):  # without a stdin there is no supervisor either
        while os.read(0, 64):  # without the lock of sys.stdin, which would delay the exit
            pass
    _ask_to_end()
    time.sleep(_GRACE_S)
    os._exit(FAILED)


def _ask_to_end() -> None:
    handled = signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    deaf = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # begun by `&` of a plain shell
    number = signal.SIGTERM if handled or deaf else signal.SIGINT
    main = threading.main_thread().ident
    if sys.platform != "win32" and main is not None:
        signal.pthread_kill(main, number)  # also out of a sleep
    else:
        signal.raise_signal(number)


@contextmanager
def on_stop(stop: Callable[[], Any]) -> Iterator[None]:
    """Call ``stop`` on every signal that asks the program to end; afterwards undo that.

    A signal that is ignored stays so: `nohup` ignores the hang-up, and `&` in a shell without job
    control ignores Ctrl-C, both because the program is to live on.
    """
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    earlier = [(number, signal.signal(number, lambda *_: stop())) for number in heard]
    try:
        yield
    finally:
        for number, handler in earlier:
            signal.signal(number, handler)
