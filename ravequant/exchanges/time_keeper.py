"""Asks the exchange for its time: at each connect, each minute, and when a message lies past it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from ravequant import times
from ravequant.errors import FeedError, VaultError
from ravequant.exchanges.exchange_time import ExchangeTime
from ravequant.exchanges.offload import in_thread

_EVERY_S: Final = 60.0
_AGAIN_S: Final = 5.0  # after a failure
_WAIT_S: Final = 5.0  # a message waits at most so long for the exchange's time
_ANSWERS: Final = 3  # to one question: a jump is believed with the second
_SLIP_MS: Final = 2_000  # of the two clocks against each other: a sleep, or a clock that was set
_log = logging.getLogger(__name__)


class TimeKeeper:
    """Keeps an `ExchangeTime` by the blocking ``ask``, which raises FeedError without an answer."""

    def __init__(self, ask: Callable[[], int]) -> None:
        self.time = ExchangeTime()
        self.problem = ""  # why the exchange does not answer
        self._ask = ask
        self._turn = asyncio.Lock()
        self._early = asyncio.Event()
        self._again_at = float("-inf")
        self._answered: tuple[int, int] | None = None  # the clocks then: wall, monotonic; in ms

    async def keep(self) -> None:
        """Ask each minute, until cancelled."""
        while True:
            await self.renew(_now())
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_S if self.problem else _EVERY_S):
                    await self._early.wait()
            self._early.clear()

    def connected(self) -> None:
        """Ask soon: a connection was opened, maybe after the computer slept."""
        self.time.doubt()
        self._early.set()

    async def renew(self, asked: float) -> None:
        """Return once an answer that was asked for after ``asked`` is believed, or none comes."""
        async with self._turn:
            for _ in range(_ANSWERS):
                if self.time.asked_at >= asked or _now() < self._again_at:
                    return
                await self._renew_once()

    async def _renew_once(self) -> None:
        began = _now()
        try:
            answer = await in_thread(self._ask)
        except FeedError as error:
            self.time.silent(began)
            self._again_at = _now() + _AGAIN_S
            if not self.problem:
                _log.warning("The exchange's time is carried on without its answers: %s", error)
            self.problem = str(error)
            return
        self.problem = ""
        if self.time.answered(answer, began, _now()):
            self._answered = times.utc_now_ms(), round(_now() * 1000)
        else:
            _log.warning("The exchange's time jumps to %s, asking again", times.iso(answer))

    async def judge(self, newest_ts: int, came: float) -> None:
        """Return once the exchange's time is fit to judge a message that came at ``came``."""
        if self.time.is_past(newest_ts, came):
            with suppress(TimeoutError):
                async with asyncio.timeout(_WAIT_S):
                    await self.renew(came)

    async def refuse_ahead(self, inst_id: str, newest_ts: int | None, name: str) -> None:
        """Raise VaultError if the newest line on disk, ``name`` to people, is of the future."""
        if not newest_ts:
            return
        now = _now()
        await self.judge(newest_ts, now)
        if self.time.judge(newest_ts, now) == "ahead":
            raise VaultError(
                f"{name} on disk is of {times.iso(newest_ts)}, past the exchange's time: nothing "
                "can follow on it; stop the exporters, then set it aside: "
                f"python scripts/repair_gaps.py --set-aside {inst_id}"
            )

    def offset_ms(self) -> int | None:
        """Return this computer's clock minus the exchange's; None if it is not surely known.

        It is for people and for questions of now: nothing that is recorded depends on it.
        """
        known, wall = self.time.at(_now()), times.utc_now_ms()
        if known is None or self._answered is None or self.problem:
            return None
        elapsed, carried = wall - self._answered[0], round(_now() * 1000) - self._answered[1]
        if abs(elapsed - carried) > _SLIP_MS:
            self._early.set()
            return None
        return wall - known


def _now() -> float:
    return asyncio.get_running_loop().time()
