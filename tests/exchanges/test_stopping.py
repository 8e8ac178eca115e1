"""A request to stop, for programs with an event loop."""

import asyncio
import signal
import sys

import pytest

from ravequant.exchanges.stopping import stop_on_signals


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_a_signal_sets_the_event_and_its_handler_comes_back():
    """The loop is woken, though it waits for something else."""
    before = signal.getsignal(signal.SIGTERM)

    async def scene() -> None:
        stop = asyncio.Event()
        with stop_on_signals(asyncio.get_running_loop(), stop):
            signal.raise_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                await stop.wait()

    asyncio.run(scene())
    assert signal.getsignal(signal.SIGTERM) is before
