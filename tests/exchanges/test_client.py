"""The connection loop against a real WebSocket server on this machine."""

import asyncio
from contextlib import asynccontextmanager, suppress

import orjson
import pytest
from websockets.asyncio.server import serve

from ravequant.errors import UsageError
from ravequant.exchanges import load
from ravequant.exchanges.base import Channel, Rows, TradeRows
from ravequant.exchanges.client import Client
from ravequant.exchanges.okx.messages import argument

OKX = load("okx")
BTC = Channel("trades", "BTC-USDT-SWAP")


def row(trade_id):
    fields = {
        "instId": BTC.inst_id, "tradeId": str(trade_id), "px": "1", "sz": "1", "side": "buy",
        "ts": "1786540436090",
    }  # fmt: skip
    return orjson.dumps({"arg": argument(BTC), "data": [fields]}).decode()


class Exchange:
    """A server that acknowledges subscribes and then does what a test tells it."""

    def __init__(self, behave):
        self.behave = behave  # (connection number, socket) after the first subscribe
        self.opened = []
        self.subscribed = []
        self.asked = []  # (op, instrument)
        self.sockets = []

    async def serve(self, socket):
        self.opened.append(asyncio.get_running_loop().time())
        self.sockets.append(socket)
        number = len(self.opened)
        task = None
        try:
            async for message in socket:
                if message == "ping":
                    await socket.send("pong")
                    continue
                request = orjson.loads(message)
                self.subscribed.append((number, request["op"]))
                self.asked += [(request["op"], arg["instId"]) for arg in request["args"]]
                for arg in request["args"]:
                    await socket.send(orjson.dumps({"event": request["op"], "arg": arg}).decode())
                task = task or asyncio.create_task(self.behave(number, socket))
        finally:
            if task:
                task.cancel()


@asynccontextmanager
async def connected(behave, **options):
    """Run a client against an exchange; yields both and a function that collects trade ids."""
    exchange = Exchange(behave)
    async with serve(exchange.serve, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        client = Client(OKX, f"ws://127.0.0.1:{port}/ws/v5/public", [BTC], **options)
        task = asyncio.create_task(client.run())

        async def collect(wanted):
            found = []
            async for batch in client.batches():
                found += [
                    (arrival.connection, trade.trade_id)
                    for arrival in batch
                    if isinstance(arrival.event, TradeRows)
                    for trade in arrival.event.trades
                ]
                if wanted(found):
                    return found
            raise AssertionError

        try:
            yield exchange, client, collect
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def within(coroutine):
    """Run a test's coroutine; a hang is a failure, not a wait."""

    async def limited():
        async with asyncio.timeout(30):
            return await coroutine

    return asyncio.run(limited())


def test_rows_arrive_in_order_with_their_connection():
    """A thousand frames in one burst: all of them, in order."""

    async def burst(_number, socket):
        for trade_id in range(1000):
            await socket.send(row(trade_id))

    async def body():
        async with connected(burst) as (_, client, collect):
            found = await collect(lambda rows: len(rows) >= 1000)
            assert found == [(1, trade_id) for trade_id in range(1000)]
            assert client.frames == 1001

    within(body())


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_lost_connection_is_opened_again(how):
    """Closed in order or just gone: the next connection subscribes and goes on."""

    async def lose(number, socket):
        await socket.send(row(number))
        if number < 3:
            if how == "close":
                await socket.close(1000)
            else:
                socket.transport.abort()

    async def body():
        async with connected(lose) as (exchange, client, collect):
            found = await collect(lambda rows: len(rows) >= 3)
            assert found == [(1, 1), (2, 2), (3, 3)]
            assert exchange.subscribed == [(1, "subscribe"), (2, "subscribe"), (3, "subscribe")]
            assert client.connects == 3

    within(body())


def test_notice_64008_opens_the_next_connection_before_the_old_one_closes():
    """Both deliver for a while; every id comes by one of them, and the old one is closed by us."""
    closed = asyncio.Event()

    async def stream(number, socket):
        trade_id = 100 * number
        if number == 2:
            await asyncio.sleep(2.0)  # acknowledged, but nothing comes yet
        if number == 1:
            notice = {"event": "notice", "code": "64008", "msg": "upgrade"}
            await socket.send(orjson.dumps(notice).decode())
        try:
            while True:
                await socket.send(row(trade_id))
                trade_id += 1
                await asyncio.sleep(0.02)
        finally:
            if number == 1:
                closed.set()

    async def body():
        async with connected(stream) as (exchange, client, collect):
            found = await collect(lambda rows: rows[-1:] and rows[-1][0] == 2)
            found += await collect(lambda _: closed.is_set())
            first = found.index((2, 200))  # so many rows of connection 1 came before it
            assert (1, 100 + first) in found[first:]
            assert len(exchange.opened) == 2
            await collect(lambda rows: len(rows) > 5)
            assert client.open_links == 1

    within(body())


def test_a_slow_application_stalls_the_reader_and_loses_nothing():
    """The queue holds ten events: the socket is not read meanwhile, and every row comes."""

    async def burst(_number, socket):
        for trade_id in range(3000):
            await socket.send(row(trade_id))

    async def body():
        async with connected(burst, queue_events=10) as (_, client, _collect):
            found, largest = [], 0
            async for batch in client.batches():
                largest = max(largest, len(batch))
                found += [a.event for a in batch if isinstance(a.event, Rows)]
                await asyncio.sleep(0.001)
                if len(found) == 3000:
                    break
            ids = [event.trades[0].trade_id for event in found if isinstance(event, TradeRows)]
            assert ids == list(range(3000))
            assert largest <= 11
            assert client.stalls > 0

    within(body())


def test_it_never_gives_up_and_backs_off_with_jitter_up_to_thirty_seconds():
    """Nobody listens: attempts go on, the limit of the wait doubles and stays at 30 s."""
    limits = []

    def spread(low, high):
        assert low == 0.0
        limits.append(high)
        return 0.0

    async def nobody(_socket):
        return

    async def body():
        async with serve(nobody, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
        task = asyncio.create_task(
            Client(OKX, f"ws://127.0.0.1:{port}", [BTC], spread=spread).run()
        )
        while len(limits) < 12:  # noqa: ASYNC110 - a state, not an event
            await asyncio.sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    within(body())
    assert limits[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert max(limits) == 30.0


def test_new_connections_are_paced_below_three_a_second():
    """A server that closes at once is not hammered."""

    async def refuse(_number, socket):
        await socket.close(1001)

    async def body():
        async with connected(refuse, spread=lambda _low, _high: 0.0) as (exchange, _, _collect):
            while len(exchange.opened) < 5:  # noqa: ASYNC110 - a state, not an event
                await asyncio.sleep(0.05)
            moments = exchange.opened
            for start in moments:
                assert sum(start <= moment < start + 0.95 for moment in moments) <= 3

    within(body())


def test_plain_text_goes_to_this_machine_only():
    """ws:// to anywhere else is refused before anything is opened."""
    with pytest.raises(UsageError, match=r"address 'ws://ws\.okx\.com/ws/v5/public': expected wss"):
        Client(OKX, "ws://ws.okx.com/ws/v5/public", [BTC])


def test_a_redirect_is_not_followed():
    """A 302 is an error of the address like any other: it is logged, and tried again."""
    from http import HTTPStatus

    from websockets.datastructures import Headers
    from websockets.http11 import Response

    visits = []

    def redirect(_connection, request):
        visits.append(request.path)
        headers = Headers({"Location": "/elsewhere", "Content-Length": "0"})
        return Response(HTTPStatus.FOUND, "Found", headers)

    async def body():
        async def nothing(_socket):
            return

        async with serve(nothing, "127.0.0.1", 0, process_request=redirect) as server:
            port = server.sockets[0].getsockname()[1]
            client = Client(OKX, f"ws://127.0.0.1:{port}/a", [BTC], spread=lambda _low, _high: 0.0)
            task = asyncio.create_task(client.run())
            while len(visits) < 2:  # noqa: ASYNC110 - a state, not an event
                await asyncio.sleep(0.05)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    within(body())
    assert set(visits) == {"/a"}


def test_an_event_in_the_last_moment_does_not_delay_the_next_connection():
    """A strange frame just before the end wakes the timer while it is cancelled: no hang."""

    async def puzzle(number, socket):
        await socket.send(row(number))
        await socket.send("{}")
        if number < 6:
            socket.transport.write_eof()

    async def body():
        async with connected(puzzle, spread=lambda _low, _high: 0.0) as (_, _client, collect):
            found = await collect(lambda rows: len(rows) >= 6)  # a hang each would be too long
            assert [connection for connection, _ in found] == [1, 2, 3, 4, 5, 6]

    within(body())


@pytest.mark.parametrize(
    "proxy",
    ["user:s3cret@:bad:", "ftp://user:s3cret@127.0.0.1:9", "socks5://user:s3cret@127.0.0.1:9"],
)
def test_a_proxy_that_cannot_be_used_is_no_end_and_its_password_stays_out_of_the_log(
    monkeypatch, caplog, proxy
):
    """What the environment names as proxy may hold a login; the log says only what is wrong."""
    monkeypatch.setenv("https_proxy", proxy)

    async def body():
        client = Client(OKX, "wss://ravequant.invalid/a", [BTC], spread=lambda _low, _high: 0.0)
        task = asyncio.create_task(client.run())
        while caplog.text.count("Cannot connect") < 2:
            assert not task.done()
            await asyncio.sleep(0.05)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    within(body())
    assert "s3cret" not in caplog.text


def test_channels_join_and_leave_an_open_connection_and_every_later_one():
    """One is added while it runs, the other given up; after a loss only the first is asked for."""
    eth = Channel("trades", "ETH-USDT-SWAP")

    async def behave(number, socket):
        await socket.send(row(number))

    async def scene():
        async with connected(behave) as (exchange, client, collect):
            await collect(lambda found: found)
            client.add(eth)
            await until(lambda: exchange.asked[-1] == ("subscribe", eth.inst_id))
            client.drop(BTC)
            await until(lambda: exchange.asked[-1] == ("unsubscribe", BTC.inst_id))
            before = len(exchange.asked)
            await exchange.sockets[-1].close()
            await until(lambda: len(exchange.asked) > before)
            assert exchange.asked[before:] == [("subscribe", eth.inst_id)]
            assert client.connects == 2

    within(scene())


async def until(condition):
    while not condition():  # noqa: ASYNC110 - a state, not an event
        await asyncio.sleep(0.01)
