"""Blocking calls in threads, for programs with an event loop."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[..., T], *arguments: Any) -> T:
    """Run a blocking call in a thread; return its result or raise its error.

    The thread is a daemon: unlike a thread of an executor it does not delay the program's exit.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # a wait that is cancelled leaves the call alone

    def work() -> None:
        try:
            done.set_result(call(*arguments))
        except BaseException as error:  # noqa: BLE001 - raised by the await below
            done.set_exception(error)

    threading.Thread(target=work, name=f"offload-{call.__name__}", daemon=True).start()
    return await asyncio.wrap_future(done)
