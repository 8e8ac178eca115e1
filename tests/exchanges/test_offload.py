"""Blocking calls in threads."""

import asyncio
import threading
from typing import Any

import pytest

from ravequant.exchanges.offload import in_thread


def test_a_call_in_a_thread_returns_or_raises():
    """As if it had been called directly."""

    def divide(one: int, other: int) -> float:
        return one / other

    assert asyncio.run(in_thread(divide, 6, 3)) == 2.0
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(divide, 6, 0))


def test_a_call_that_nobody_waits_for_any_more_ends_quietly(monkeypatch, caplog):
    """Its wait was cancelled, and its event loop may be closed by then."""
    go, ended = threading.Event(), threading.Event()
    raised: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)

    def slow() -> int:
        go.wait(10)
        ended.set()
        return 1

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(in_thread(slow), 0.05)

    asyncio.run(give_up())
    (thread,) = [item for item in threading.enumerate() if item.name == "offload-slow"]
    assert thread.daemon
    go.set()
    assert ended.wait(10)
    thread.join(10)
    assert not raised
    assert not caplog.messages
