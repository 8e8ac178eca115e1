"""A client library that others wrote talks to the local exchange as it talks to OKX."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from ravequant.sim.exchange import SimExchange, SimOptions
from ravequant.sim.feed import Feed
from ravequant.sim.recording import Recording
from tests.support import recordings

ccxt = pytest.importorskip("ccxt.pro", reason="ccxt is not installed: an independent client")

SYMBOL = "BTC/USDT:USDT"
BTC = "BTC-USDT-SWAP"


@contextlib.asynccontextmanager
async def okx(exchange: SimExchange) -> AsyncIterator[Any]:
    """Return ccxt's own OKX client, with nothing changed but the addresses."""
    client = ccxt.okx({"newUpdates": True})
    client.urls["api"]["ws"] = exchange.addresses["ws_url"]
    client.urls["api"]["rest"] = exchange.addresses["rest_url"]
    try:
        yield client
    finally:
        await client.close()


Body = Callable[[SimExchange, Any], Coroutine[Any, Any, None]]


def run(feed: Feed, body: Body, **options: Any) -> None:
    async def scene() -> None:
        async with (
            asyncio.timeout(30),
            SimExchange(feed, SimOptions(**options)) as exchange,
            okx(exchange) as client,
        ):
            await body(exchange, client)

    asyncio.run(scene())


def opened(recording: recordings.Recording) -> Recording:
    """Return some minutes of BTC: the first day's trades, and the books."""
    return Recording(recording.trade_files[:1], [recording.book_file])


@recordings.each(*recordings.MIDNIGHT)
def test_ccxt_watches_every_trade(recording):
    """Each record of the recording reaches ccxt's user, with price, amount, side and time."""
    feed = opened(recording)
    expected = {trade.trade_id: trade for _, trade in opened(recording).trades(1 << 62)}
    seen: dict[int, dict[str, Any]] = {}

    async def body(_exchange: SimExchange, client: Any) -> None:
        while len(seen) < len(expected):
            for trade in await client.watch_trades(SYMBOL):
                seen[int(trade["id"])] = trade

    run(feed, body, speed=100)
    assert seen.keys() == expected.keys()
    for trade_id, trade in expected.items():
        got = seen[trade_id]
        assert (got["timestamp"], got["side"]) == (trade.ts, trade.side)
        assert (got["price"], got["amount"]) == (float(trade.price), float(trade.qty))


@recordings.each(*recordings.MIDNIGHT)
def test_ccxt_follows_the_order_book(recording):
    """Ccxt keeps the book over snapshot and updates without a complaint about the sequence."""
    updates = 100 if recording.root == recordings.MADE else 500

    async def body(exchange: SimExchange, client: Any) -> None:
        book: Any = None
        for _ in range(updates):
            book = await client.watch_order_book(SYMBOL)
            assert book["bids"][0][0] < book["asks"][0][0]
        shown = exchange.trading.book(BTC, 400)
        assert shown is not None
        assert len(book["bids"]) > 300

    run(opened(recording), body, speed=20, wait_for_trades=0, wait_for_books=1)


@recordings.each(*recordings.MIDNIGHT)
def test_ccxt_asks_rest(recording):
    """Markets, time, trades, their history and the book by REST, parsed by ccxt."""

    async def body(exchange: SimExchange, client: Any) -> None:
        market = (await client.load_markets())[SYMBOL]
        assert (market["contractSize"], market["precision"]["price"]) == (0.01, 0.1)
        assert await client.fetch_time() == exchange.trading.now_ms
        newest = await client.fetch_trades(SYMBOL, limit=500)
        assert len(newest) > 0
        assert newest[-1]["timestamp"] < exchange.trading.now_ms
        book = await client.fetch_order_book(SYMBOL, 400)
        assert book["bids"][0][0] < book["asks"][0][0]
        with pytest.raises(ccxt.BadSymbol):
            await client.public_get_market_trades({"instId": "NO-USDT-SWAP"})

    run(opened(recording), body, history_ms=60_000)
