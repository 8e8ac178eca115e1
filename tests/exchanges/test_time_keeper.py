"""The questions for the exchange's time: when they are asked, and what failures do."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ravequant import times
from ravequant.errors import FeedError, VaultError
from ravequant.exchanges import time_keeper
from ravequant.exchanges.time_keeper import TimeKeeper

START = 1_765_670_400_000


class Exchange:
    """Answers in turn, the last one for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0

    def ask(self) -> int:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, int)
        return answer


def run(exchange: Exchange, scene: Callable[[TimeKeeper], Awaitable[None]]) -> None:
    async def started() -> None:
        async with asyncio.timeout(20):
            await scene(TimeKeeper(exchange.ask))

    asyncio.run(started())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_one_answer_serves_all_that_wait_for_it():
    """Rows of many instruments wait; the exchange is asked once."""
    exchange = Exchange(START)

    async def scene(subject: TimeKeeper) -> None:
        moment = now()
        await asyncio.gather(*(subject.renew(moment) for _ in range(5)))
        assert exchange.asked == 1
        await subject.renew(now())
        assert exchange.asked == 2

    run(exchange, scene)


def test_a_jump_is_asked_about_at_once(caplog):
    """The second answer says which is true."""
    exchange = Exchange(START, START + 400 * times.DAY_MS, START)

    async def scene(subject: TimeKeeper) -> None:
        await subject.renew(now())
        await subject.renew(now())
        assert exchange.asked == 3
        known = subject.time.at(now())
        assert known is not None
        assert abs(known - START) < 10_000

    run(exchange, scene)
    assert "The exchange's time jumps to 2027-" in caplog.text


def test_a_failure_is_said_once_and_not_repeated_at_once(caplog):
    """Rows that wait are let go; the next question comes seconds later."""
    exchange = Exchange(FeedError("no answer"))

    async def scene(subject: TimeKeeper) -> None:
        await subject.renew(now())
        await subject.renew(now())
        assert (exchange.asked, subject.problem) == (1, "no answer")
        assert subject.offset_ms() is None

    run(exchange, scene)
    assert caplog.text.count("is carried on without its answers: no answer") == 1


def test_it_is_asked_at_each_connect(monkeypatch):
    """And each minute."""
    monkeypatch.setattr(time_keeper, "_EVERY_S", 3600.0)
    exchange = Exchange(START)

    async def scene(subject: TimeKeeper) -> None:
        keeping = asyncio.create_task(subject.keep())
        await until(lambda: exchange.asked == 1)
        subject.connected()
        await until(lambda: exchange.asked == 2)
        monkeypatch.setattr(time_keeper, "_EVERY_S", 0.01)
        subject.connected()
        await until(lambda: exchange.asked > 4)
        keeping.cancel()

    run(exchange, scene)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - a state, not an event
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("offset", [-3_600_000, 0, 45_000])
def test_the_offset_is_the_wall_clock_minus_the_exchange(monkeypatch, offset):
    """A clock that is set, or stood still in a sleep, is not compared before the next answer."""
    wall = times.utc_now_ms()
    monkeypatch.setattr(times, "utc_now_ms", lambda: wall)

    async def scene(subject: TimeKeeper) -> None:
        assert subject.offset_ms() is None
        await subject.renew(now())
        found = subject.offset_ms()
        assert found is not None
        assert abs(found - offset) < 2_000
        monkeypatch.setattr(times, "utc_now_ms", lambda: wall + times.HOUR_MS)
        assert subject.offset_ms() is None

    run(Exchange(wall - offset), scene)


def test_a_newest_line_of_the_future_is_refused_by_name():
    """The exchange is asked first; nothing on disk, and what lies before its time, is fine."""
    exchange = Exchange(START)

    async def scene(subject: TimeKeeper) -> None:
        await subject.refuse_ahead("BTC-USDT-SWAP", None, "the newest mark price")
        assert exchange.asked == 0
        await subject.refuse_ahead("BTC-USDT-SWAP", START - 1, "the newest mark price")
        expected = r"mark price on disk is of 2025-.*repair_gaps\.py --set-aside BTC-USDT-SWAP"
        with pytest.raises(VaultError, match=expected):
            await subject.refuse_ahead("BTC-USDT-SWAP", START + 3_600_000, "the newest mark price")

    run(exchange, scene)
