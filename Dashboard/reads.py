"""Reads of the vault for requests: at most two at once, each in a thread, none for ever."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from ravequant.errors import RaveQuantError

AT_ONCE: Final = 2
LIMIT_S: Final = 10.0
Found = TypeVar("Found")


class BusyError(RaveQuantError):
    """Two reads are at work, or one takes too long: ask again in ``RETRY_S``."""


RETRY_S: Final = 1


class Reads:
    """A few threads that read; a read that is given up still holds its place until it ends."""

    def __init__(self, at_once: int = AT_ONCE, limit_s: float = LIMIT_S) -> None:
        self._threads = ThreadPoolExecutor(at_once, "read")
        self._free = at_once
        self._limit_s = limit_s

    async def run(self, read: Callable[[], Found]) -> Found:
        """Return the result of a read. Raises BusyError, and the errors of the read itself."""
        if not self._free:
            raise BusyError("two reads are at work; ask again in a second")
        self._free -= 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, read)
        future.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._limit_s)
        except TimeoutError:
            raise BusyError(
                f"the read takes longer than {self._limit_s:g} s; ask for less, or again later"
            ) from None

    def _ended(self, future: "asyncio.Future[Found]") -> None:
        self._free += 1
        if not future.cancelled():
            future.exception()  # seen here too, if nobody waits for it any more

    def close(self) -> None:
        """Let the threads end; a read that has not begun is not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)
