"""Requests to REST for a recorder: missing ids, the newest id in a silence, the first id."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from ravequant.errors import FeedError
from ravequant.exchanges.base import TradePage, TradePages
from ravequant.exchanges.offload import in_thread
from ravequant.records import Trade
from Trades_Bot.trade_recorder import TradeRecorder

_TAIL_STEP_S: Final = 1.0
_TAIL_AFTER_S: Final = 2.0  # of silence
_TAIL_AGAIN_S: Final = 60.0
_AT_ONCE: Final = 3  # pages asked for before they are due: a round trip takes longer than a turn
_NEAR_THE_END: Final = 1_000  # ids before a gap's end, where REST may not have every row yet
_TURN_S: Final = 0.5
_STANDSTILL_S: Final = 30.0  # a back-fill that stands so long lets the next one go first

Judge = Callable[[int, float], Awaitable[None]]  # see `TimeKeeper.judge`


class PagesAhead:
    """Pages of past trades, the next ones asked for while the present one is on its way.

    The trades of a long gap have ids without holes, nearly always: the next page is known.
    """

    def __init__(self, rest: TradePages, inst_id: str) -> None:
        self._rest, self._inst_id = rest, inst_id
        self._asked: dict[int, asyncio.Task[TradePage]] = {}

    async def below(self, after: int, gap: tuple[int, int], rows: int) -> TradePage:
        """Return the page below id ``after``, ``rows`` fills at most, of a gap (first, last)."""
        wanted = [after]
        if after == gap[0] + rows:
            ahead = range(after + rows, gap[1] - _NEAR_THE_END, rows)
            wanted += ahead[:_AT_ONCE]
        for gone in self._asked.keys() - set(wanted):
            self._asked.pop(gone).cancel()
        for below in wanted:
            if below not in self._asked:
                call = in_thread(self._rest.history_trades, self._inst_id, below)
                self._asked[below] = asyncio.create_task(call)
                self._asked[below].add_done_callback(_look_at)
        return await self._asked.pop(after)


def _look_at(task: asyncio.Task[TradePage]) -> None:
    if not task.cancelled():
        task.exception()  # one that nobody waits for any more is no news


async def fill_gaps(
    recorder: TradeRecorder,
    rest: TradePages,
    judge: Judge,
    earlier: Callable[[], list[TradeRecorder]] = list,
) -> None:
    """Fetch the missing ids of a recorder by REST, page after page, until cancelled.

    A long gap waits until those of the ``earlier`` recorders are filled: so the first instrument
    is complete soon, not all of them late. ``judge`` waits for the exchange's time.
    """
    loop, pages = asyncio.get_running_loop(), PagesAhead(rest, recorder.inst_id)
    while True:
        if recorder.has_long_gap and any(_goes_first(it, loop.time()) for it in earlier()):
            await asyncio.sleep(_TURN_S)
            continue
        ask = recorder.request(loop.time())
        recorder.write(loop.time())
        if ask is None:
            await _wake(recorder, loop.time())
            continue
        try:
            page = await pages.below(ask.after, (ask.gap.next_id, ask.gap.end), ask.gap.page_rows)
            arrived = loop.time()
            await judge(max((trade.ts for trade in page.trades), default=0), arrived)
            recorder.page(ask, page, arrived)
        except FeedError as error:
            recorder.failed(ask, error, loop.time())
        recorder.write(loop.time())


def _goes_first(recorder: TradeRecorder, now: float) -> bool:
    at = recorder.progress_at
    return recorder.has_long_gap and at is not None and now - at < _STANDSTILL_S


async def watch_the_tail(recorder: TradeRecorder, rest: TradePages) -> None:
    """Ask REST for the newest id when a market falls silent, until cancelled.

    The last rows before a silence may be lost, and no later row shows the gap. An id counts as
    missed once REST shows it twice and the socket has not brought it. Rows whose ids begin lower
    than those on disk are looked into at once.
    """
    loop = asyncio.get_running_loop()
    rows, look_at, suspect = -1, 0.0, -1
    while True:
        await asyncio.sleep(_TAIL_STEP_S)
        if recorder.begins_lower:
            with suppress(FeedError):
                recorder.compare(await in_thread(rest.trades, recorder.inst_id, 1))
        elif recorder.counts.rows != rows or recorder.filling:
            rows, look_at, suspect = recorder.counts.rows, loop.time() + _TAIL_AFTER_S, -1
        elif loop.time() >= look_at:
            look_at = loop.time() + _TAIL_AGAIN_S
            with suppress(FeedError):  # REST has logged the error
                page = await in_thread(rest.trades, recorder.inst_id, 1)
                newest = max((trade.trade_id for trade in page.trades), default=-1)
                if newest == suspect:
                    recorder.missed(newest, loop.time())
                elif newest > (recorder.last_id or newest):
                    suspect, look_at = newest, 0.0


async def _wake(recorder: TradeRecorder, now: float) -> None:
    wake_at = recorder.wake_at()
    with suppress(TimeoutError):
        async with asyncio.timeout(None if wake_at is None else wake_at - now):
            await recorder.woken.wait()
            recorder.woken.clear()


def find_start(rest: TradePages, inst_id: str, span_ms: int, now_ms: int) -> tuple[int, int] | None:
    """Return (first id, its time) of the trades of the newest ``span_ms``; None without any trade.

    ``now_ms`` is the exchange's time. The start is found by pages of time; all later pages go by
    id.
    """
    newest = max(rest.trades(inst_id, 1).trades, key=_trade_id, default=None)
    if newest is None:
        return None
    since = max(now_ms - span_ms, 1)  # nothing is older than 1970
    older = rest.history_trades_before(inst_id, since).trades
    if older:
        return max(older, key=_trade_id).trade_id + 1, since
    empty, full, oldest = since, now_ms + 1, newest  # the exchange keeps less than that
    while full - empty > 1:
        middle = (empty + full) // 2
        page = rest.history_trades_before(inst_id, middle).trades
        if page:
            full, oldest = middle, min(page, key=_trade_id)
        else:
            empty = middle
    return oldest.first_id, max(oldest.ts, since)


def _trade_id(trade: Trade) -> int:
    return trade.trade_id
