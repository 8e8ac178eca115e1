"""Runs a blocking call beside the event loop, in a thread that never delays the program's end."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[..., T], *arguments: Any) -> T:
    """Return what ``call`` returns, or raise what it raises.

    The thread is a daemon: unlike those of an executor it is not waited for on exit.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, error = None, None
        try:
            result = call(*arguments)
        except BaseException as caught:  # noqa: BLE001 - handed to whoever waits
            error = caught
        with suppress(RuntimeError):  # the loop is gone: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name=f"offload-{call.__name__}", daemon=True).start()
    return await future
