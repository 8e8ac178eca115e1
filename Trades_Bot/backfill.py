"""Requests to REST for a recorder: missing ids, the newest id in a silence, the first id."""

import asyncio
from contextlib import suppress
from typing import Final

from ravequant.errors import FeedError
from ravequant.exchanges.base import TradePages
from ravequant.exchanges.recorder_app import in_thread
from ravequant.records import Trade
from Trades_Bot.trade_recorder import TradeRecorder

_TAIL_STEP_S: Final = 1.0
_TAIL_AFTER_S: Final = 2.0  # of silence
_TAIL_AGAIN_S: Final = 60.0


async def fill_gaps(recorder: TradeRecorder, rest: TradePages) -> None:
    """Fetch the missing ids of a recorder by REST, page after page, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        ask = recorder.request(loop.time())
        recorder.write(loop.time())
        if ask is None:
            await _wake(recorder, loop.time())
            continue
        try:
            page = await in_thread(rest.history_trades, recorder.inst_id, ask.after)
        except FeedError as error:
            recorder.failed(ask, error, loop.time())
        else:
            recorder.page(ask, page, loop.time())
        recorder.write(loop.time())


async def watch_the_tail(recorder: TradeRecorder, rest: TradePages) -> None:
    """Ask REST for the newest id when a market falls silent, until cancelled.

    The last rows before a silence may be lost, and no later row shows the gap. An id counts as
    missed once REST shows it twice and the socket has not brought it.
    """
    loop = asyncio.get_running_loop()
    rows, look_at, suspect = -1, 0.0, -1
    while True:
        await asyncio.sleep(_TAIL_STEP_S)
        if recorder.counts.rows != rows or recorder.filling:
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


def find_start(rest: TradePages, inst_id: str, span_ms: int) -> tuple[int, int] | None:
    """Return (first id, its time) of the newest ``span_ms`` of trades; None without any trade.

    The start is found by pages of time; all later pages go by id.
    """
    newest = max(rest.trades(inst_id, 1).trades, key=_trade_id, default=None)
    if newest is None:
        return None
    since = max(newest.ts - span_ms, 1)  # nothing is older than 1970
    older = rest.history_trades_before(inst_id, since).trades
    if older:
        return max(older, key=_trade_id).trade_id + 1, since
    empty, full, oldest = since, newest.ts + 1, newest  # the exchange keeps less than that
    while full - empty > 1:
        middle = (empty + full) // 2
        page = rest.history_trades_before(inst_id, middle).trades
        if page:
            full, oldest = middle, min(page, key=_trade_id)
        else:
            empty = middle
    return oldest.first_id, oldest.ts


def _trade_id(trade: Trade) -> int:
    return trade.trade_id
