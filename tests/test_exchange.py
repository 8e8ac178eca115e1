"""The local exchange speaks v5 as the fact sheet says, over real sockets."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from ravequant import records, times
from ravequant.records import Contract, Trade, TradeEncoder
from ravequant.sim.exchange import Exchange, Options
from ravequant.sim.faultplan import FaultPlan
from ravequant.sim.recording import Recording

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T21:34:00.000Z")
ENCODER = TradeEncoder(BTC, Contract("0.01", "1", "linear"))
TRADES = {"channel": "trades", "instId": BTC}
BOOKS = {"channel": "books", "instId": BTC}


def record(number: int, count: int = 1) -> Trade:
    """Return the record that ends at id 1000 + number, 10 ms after the one before."""
    side: records.Side = "buy" if number % 2 else "sell"
    return Trade(START + 10 * number, 1000 + number, side, "100.5", f"{number + 1}", count)


def write_trades(path: Path, made: list[Trade]) -> Path:
    path.write_bytes(b"".join(map(ENCODER.line, made)))
    return path


def write_books(path: Path, updates: int, quiet_ms: int = 0) -> Path:
    """Write a snapshot and updates 100 ms apart, the last one after a pause."""
    lines = []
    for i in range(updates + 1):
        ts = START + 100 * i + (quiet_ms if i == updates else 0)
        asks = [["101", str(i + 1), "0", "1"]]
        bids = [["100", "5", "0", "1"]] if i == 0 else []
        row = {"asks": asks, "bids": bids, "ts": str(ts), "checksum": 0, "seqId": 10 + i}
        row["prevSeqId"] = 9 + i if i else -1
        frame = {"arg": BOOKS, "action": "update" if i else "snapshot", "data": [row]}
        lines.append(orjson.dumps({"recv_ts": 1.0, "frame": frame}) + b"\n")
    path.write_bytes(b"".join(lines))
    return path


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Return a recording of 600 trades, 6 s long."""
    return write_trades(tmp_path / "trades.jsonl", [record(i) for i in range(600)])


Body = Callable[[Exchange], Coroutine[Any, Any, None]]


def run(feed: Recording, body: Body, plan: FaultPlan | None = None, **options: Any) -> None:
    """Run ``body`` against a running exchange."""

    async def scene() -> None:
        chosen = Options(**{"speed": None, **options})
        async with asyncio.timeout(20), Exchange(feed, chosen, plan) as exchange:
            await body(exchange)

    asyncio.run(scene())


@contextlib.asynccontextmanager
async def client(exchange: Exchange, path: str = "public") -> AsyncIterator[ClientConnection]:
    async with connect(f"{exchange.addresses['ws_url']}/{path}", max_queue=None) as socket:
        yield socket


async def ask(socket: ClientConnection, op: str, *args: Any, **more: Any) -> None:
    await socket.send(json.dumps({"op": op, "args": args, **more}))


async def hear(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await socket.recv())
    return message


async def rows(socket: ClientConnection, number: int) -> list[dict[str, Any]]:
    """Return the rows of the next data messages."""
    found: list[dict[str, Any]] = []
    while len(found) < number:
        found += (await hear(socket)).get("data", [])
    return found


async def get(exchange: Exchange, path: str, **query: Any) -> tuple[int, Any]:
    url = f"{exchange.addresses['rest_url']}/api/v5/{path}"
    response = await asyncio.to_thread(requests.get, url, params=query, timeout=10)
    return response.status_code, response.json()


async def data(exchange: Exchange, path: str, **query: Any) -> list[dict[str, Any]]:
    status, answer = await get(exchange, path, **query)
    assert (status, answer["code"], answer["msg"]) == (200, "0", "")
    found: list[dict[str, Any]] = answer["data"]
    return found


def test_each_argument_is_acknowledged_with_id_and_connection(tape):
    """One ack an argument, with the request's id and the connection's id; asked twice: acks."""

    async def body(exchange: Exchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", BOOKS, TRADES, id="a1")
            acks = [await hear(socket), await hear(socket)]
            assert acks == [
                {"id": "a1", "event": "subscribe", "arg": arg, "connId": acks[0]["connId"]}
                for arg in (BOOKS, TRADES)
            ]
            await ask(socket, "unsubscribe", BOOKS)
            await ask(socket, "subscribe", TRADES)
            answers = [await hear(socket) for _ in range(2)]
            assert [a["event"] for a in answers] == ["unsubscribe", "subscribe"]
            assert "id" not in answers[0]

    run(Recording([tape]), body, wait_for_trades=2)


def test_trades_come_in_the_form_of_the_channel_and_none_is_missing(tape):
    """All records arrive, in order, as strings, with count and source and a numeric seqId."""

    async def body(exchange: Exchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", TRADES)
            found = await rows(socket, 600)
        assert [int(row["tradeId"]) for row in found] == list(range(1000, 1600))
        assert list(found[3]) == [
            "instId", "tradeId", "px", "sz", "side", "ts", "count", "source", "seqId",
        ]  # fmt: skip
        assert {type(value) for key, value in found[3].items() if key != "seqId"} == {str}
        assert isinstance(found[3]["seqId"], int)
        assert found[3]["ts"] == str(START + 30)

    run(Recording([tape]), body)


def test_the_last_trade_is_replayed_to_who_subscribes(tape):
    """A new subscriber gets the newest record at once, though it is old."""

    async def body(exchange: Exchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", TRADES)
            assert (await hear(socket))["event"] == "subscribe"
            assert [row["tradeId"] for row in await rows(socket, 1)] == ["1099"]

    run(Recording([tape]), body, history_ms=1000, wait_for_trades=2)


def test_trades_all_gives_the_single_fills_on_the_business_path(tmp_path):
    """One message a fill, without count and seqId; sizes sum to the record's."""
    path = write_trades(tmp_path / "t", [record(9, 10), record(10)])

    async def body(exchange: Exchange) -> None:
        async with client(exchange, "business") as socket:
            await ask(socket, "subscribe", {"channel": "trades-all", "instId": BTC})
            found = await rows(socket, 11)
        assert [int(row["tradeId"]) for row in found] == list(range(1000, 1011))
        assert all("count" not in row and "seqId" not in row for row in found)
        assert {row["sz"] for row in found[:10]} == {"1"}

    run(Recording([path]), body)


@pytest.mark.parametrize(
    ("request_text", "code"),
    [
        ("{", "60012"),
        ('{"op":"subscribe","argss":[]}', "60012"),
        ('{"op":"subscribe","args":[]}', "60013"),
        ('{"op":"subscribe","args":["trades"]}', "60013"),
        ('{"op":"shout","args":[{"channel":"trades","instId":"BTC-USDT-SWAP"}]}', "60019"),
        ('{"op":"subscribe","args":[{"channel":"trades","instId":"NO-USDT-SWAP"}]}', "60018"),
        ('{"op":"subscribe","args":[{"channel":"trades-all","instId":"BTC-USDT-SWAP"}]}', "60018"),
        (
            '{"op":"subscribe","args":[{"channel":"books-l2-tbt","instId":"BTC-USDT-SWAP"}]}',
            "60011",
        ),
        ('{"id":"?","op":"subscribe","args":[{"channel":"books","instId":"B"}]}', "60033"),
    ],
)
def test_bad_requests_are_answered_with_their_code(tape, request_text, code):
    """An error event names the code as a string, and the connection lives on."""

    async def body(exchange: Exchange) -> None:
        async with client(exchange) as socket:
            await socket.send(request_text)
            answer = await hear(socket)
            assert (answer["event"], answer["code"]) == ("error", code)
            assert answer["msg"]
            await socket.send("ping")
            assert await socket.recv() == "pong"

    run(Recording([tape]), body)


def test_more_than_480_requests_an_hour_are_refused(tape):
    """Request 481 of an hour gets 60014; ping is no request."""

    async def body(exchange: Exchange) -> None:
        async with client(exchange) as socket:
            for _ in range(481):
                await socket.send("ping")
                await ask(socket, "unsubscribe", TRADES)
            answers = [await socket.recv() for _ in range(2 * 481)]
        assert answers.count("pong") == 481
        events = [json.loads(answer) for answer in answers if answer != "pong"]
        assert [event["event"] for event in events[:480]] == ["unsubscribe"] * 480
        assert events[480]["code"] == "60014"

    run(Recording([tape]), body)


def test_a_book_is_a_snapshot_and_a_chain_of_updates(tmp_path):
    """Snapshot first (prevSeqId -1), then every change chained to the one before; books5 whole."""
    books = write_books(tmp_path / "b", 20)

    async def body(exchange: Exchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", BOOKS, {"channel": "books5", "instId": BTC})
            messages = [await hear(socket) for _ in range(2 + 42)][2:]
        whole = [message for message in messages if message["arg"]["channel"] == "books5"]
        chain = [message for message in messages if message["arg"]["channel"] == "books"]
        assert [message["action"] for message in chain] == ["snapshot"] + ["update"] * 20
        sequence = [(m["data"][0]["prevSeqId"], m["data"][0]["seqId"]) for m in chain]
        assert sequence == [(-1, 10)] + [(10 + i, 11 + i) for i in range(20)]
        assert chain[0]["data"][0]["bids"] == [["100", "5", "0", "1"]]
        assert "action" not in whole[0]
        assert whole[-1]["data"][0]["asks"] == [["101", "21", "0", "1"]]
        assert not {"checksum", "prevSeqId"} & set(whole[0]["data"][0])

    run(Recording([], [books]), body, wait_for_trades=0, wait_for_books=2)


def test_a_late_subscriber_gets_the_book_as_it_stands(tmp_path):
    """The snapshot of a late subscriber continues the same chain."""
    books = write_books(tmp_path / "b", 40)

    async def body(exchange: Exchange) -> None:
        async with client(exchange) as first, client(exchange) as second:
            await ask(first, "subscribe", BOOKS)
            await rows(first, 10)
            await ask(second, "subscribe", BOOKS)
            seen = await rows(second, 5)
        assert seen[0]["prevSeqId"] == -1
        assert seen[0]["asks"] == [["101", str(seen[0]["seqId"] - 9), "0", "1"]]
        assert all(b["prevSeqId"] == a["seqId"] for a, b in itertools.pairwise(seen))

    run(Recording([], [books]), body, speed=2, wait_for_trades=0, wait_for_books=1)


def test_a_quiet_book_sends_heartbeats(tmp_path):
    """After 60 s without a change an empty update comes, seqId equal to prevSeqId."""
    books = write_books(tmp_path / "b", 2, quiet_ms=150_000)

    async def body(exchange: Exchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", BOOKS)
            found = await rows(socket, 5)
        assert [(row["prevSeqId"], row["seqId"]) for row in found] == [
            (-1, 10), (10, 11), (11, 11), (11, 11), (11, 12),
        ]  # fmt: skip
        assert (found[2]["bids"], found[2]["asks"]) == ([], [])

    run(Recording([], [books]), body, wait_for_trades=0, wait_for_books=1)


def test_history_is_paged_by_id_newest_first(tape):
    """after=X: rows with smaller ids; before=X: the newest rows above X; 100 at most."""

    async def body(exchange: Exchange) -> None:
        path = "market/history-trades"
        newest = await data(exchange, path, instId=BTC)
        assert [int(row["tradeId"]) for row in newest] == list(range(1599, 1499, -1))
        older = await data(exchange, path, instId=BTC, type=1, after=1200, limit=500)
        assert [int(row["tradeId"]) for row in older] == list(range(1199, 1099, -1))
        window = await data(exchange, path, instId=BTC, after=1010, before=1004)
        assert [int(row["tradeId"]) for row in window] == [1009, 1008, 1007, 1006, 1005]
        above = await data(exchange, path, instId=BTC, before=1000, limit=2)
        assert [row["tradeId"] for row in above] == ["1599", "1598"]
        assert await data(exchange, path, instId=BTC, after=1000) == []
        assert newest[0] == {
            "instId": BTC, "side": "buy", "sz": "600", "source": "0", "px": "100.5",
            "tradeId": "1599", "ts": str(START + 5990),
        }  # fmt: skip

    run(Recording([tape]), body, history_ms=6_000)


def test_history_is_paged_by_time_but_not_forward(tape):
    """type=2 with after: rows older than a moment; with before: error 50039."""

    async def body(exchange: Exchange) -> None:
        path = "market/history-trades"
        older = await data(exchange, path, instId=BTC, type=2, after=START + 50)
        assert [int(row["tradeId"]) for row in older] == [1004, 1003, 1002, 1001, 1000]
        _, answer = await get(exchange, path, instId=BTC, type=2, before=START)
        assert (answer["code"], answer["data"]) == ("50039", [])

    run(Recording([tape]), body, history_ms=6_000)


def test_rest_shows_single_fills_that_join_into_the_record(tmp_path):
    """A record of n ids is n rows whose sizes sum to it, also where a page cuts it in two."""
    made = [record(9, 10), record(12, 3), Trade(START + 200, 1015, "buy", "99.5", "0.01", 3)]
    path = write_trades(tmp_path / "t", made)

    async def body(exchange: Exchange) -> None:
        found = await data(exchange, "market/trades", instId=BTC, limit=500)
        fills = [
            Trade(int(row["ts"]), int(row["tradeId"]), row["side"], row["px"], row["sz"])
            for row in reversed(found)
        ]
        assert [fill.trade_id for fill in fills] == list(range(1000, 1016))
        assert list(records.join_fills(fills)) == made
        page = await data(exchange, "market/history-trades", instId=BTC, after=1005, limit=2)
        assert [row["tradeId"] for row in page] == ["1004", "1003"]

    run(Recording([path]), body, history_ms=1_000)


def test_rest_books_have_their_depth_and_shape(tmp_path):
    """books: four items a level, default one level, seqId; books-full: three items, none."""
    books = write_books(tmp_path / "b", 3)

    async def body(exchange: Exchange) -> None:
        (book,) = await data(exchange, "market/books", instId=BTC)
        assert book["asks"] == [["101", "4", "0", "1"]]
        assert book["seqId"] == 13
        (full,) = await data(exchange, "market/books-full", instId=BTC, sz=5000)
        assert full == {"asks": [["101", "4", "1"]], "bids": [["100", "5", "1"]], "ts": full["ts"]}
        _, answer = await get(exchange, "market/books", instId=BTC, sz=401)
        assert answer["code"] == "51000"

    run(Recording([], [books]), body, history_ms=1_000)


def test_rest_tells_instruments_and_the_markets_time(tape):
    """The instrument's row by type and id; the time is the market's."""

    async def body(exchange: Exchange) -> None:
        path = "public/instruments"
        (row,) = await data(exchange, path, instType="SWAP", instId=BTC)
        assert (row["ctVal"], row["tickSz"], row["state"]) == ("0.01", "0.1", "live")
        assert await data(exchange, path, instType="SPOT") == []
        assert (await get(exchange, path, instType="SWAP", instId="NO-USDT-SWAP"))[1][
            "code"
        ] == "51001"
        assert (await get(exchange, path))[1]["code"] == "50014"
        assert await data(exchange, "public/time") == [{"ts": str(START + 1000)}]
        status, answer = await get(exchange, "market/nothing")
        assert (status, answer["code"]) == (404, 404)

    run(Recording([tape]), body, history_ms=1_000)


def test_too_many_rest_requests_get_50011(tape):
    """Request 21 within two seconds is refused, in a shape without data."""

    async def body(exchange: Exchange) -> None:
        found = [await get(exchange, "market/history-trades", instId=BTC) for _ in range(21)]
        assert [status for status, _ in found[:20]] == [200] * 20
        assert found[20] == (429, {"msg": "Too Many Requests", "code": "50011"})

    run(Recording([tape]), body)


def test_a_silent_connection_is_closed_with_4004(tape):
    """Nothing subscribed and no ping: closed; a ping in between keeps it."""

    async def body(exchange: Exchange) -> None:
        async with client(exchange) as socket, client(exchange) as pinging:
            silence = asyncio.create_task(socket.recv())
            while not silence.done():
                await pinging.send("ping")
                assert await pinging.recv() == "pong"
                await asyncio.wait([silence], timeout=0.1)
            with pytest.raises(ConnectionClosed) as closed:
                await silence
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
                4004,
                "No data received in 30s.",
            )
            await pinging.send("ping")
            assert await pinging.recv() == "pong"

    run(Recording([tape]), body, idle_s=0.5)


def test_unknown_paths_are_refused_and_large_requests_closed(tape):
    """A path that is none is a 404; a request over 64 KB closes with 1009."""

    async def body(exchange: Exchange) -> None:
        with pytest.raises(Exception, match="404"):
            async with client(exchange, "elsewhere"):
                pass
        async with client(exchange) as socket:
            await socket.send("x" * 70_000)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009

    run(Recording([tape]), body)


def test_the_frame_log_has_every_record_and_every_frame(tape, tmp_path):
    """History, published records and the fate of each frame stand there once it is over."""
    log = tmp_path / "frames.jsonl"

    async def body(exchange: Exchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", TRADES)
            await rows(socket, 501)
            await exchange.ended.wait()

    run(Recording([tape]), body, history_ms=1_000, frame_log=log)
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    by_kind = {
        kind: [line for line in lines if line["kind"] == kind]
        for kind in ("history", "trade", "frame")
    }
    assert [line["tradeId"] for line in by_kind["history"]] == list(range(1000, 1100))
    assert [line["tradeId"] for line in by_kind["trade"]] == list(range(1100, 1600))
    assert [line["last"] for line in by_kind["frame"]] == list(range(1099, 1600))
    assert {line["fate"] for line in by_kind["frame"]} == {"sent"}


def test_the_exchange_is_done_when_its_clients_have_left(tape):
    """With exit_at_end REST stays up after the market, until the last client goes."""

    async def body(exchange: Exchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", TRADES)
            await rows(socket, 600)
            await exchange.ended.wait()
            assert len(await data(exchange, "market/trades", instId=BTC, limit=500)) == 500
            assert not exchange.done.is_set()
        await exchange.wait()
        assert exchange.done.is_set()

    run(Recording([tape]), body, exit_at_end=True)


def test_every_feed_row_reaches_several_clients(shared_data):
    """Two readers of a recording at once, compressed and plain, both get every record."""
    path = shared_data / "trades" / BTC / "2023-04-04.jsonl.gz"
    feed = Recording([path])
    number = len(Recording([path]).trades(feed.end_ms or 0))

    async def body(exchange: Exchange) -> None:
        url = f"{exchange.addresses['ws_url']}/public"
        async with connect(url, compression=None) as plain, connect(url) as compressed:
            for socket in (plain, compressed):
                await ask(socket, "subscribe", TRADES)
            found = await asyncio.gather(rows(plain, number), rows(compressed, number))
        assert found[0] == found[1]

    run(feed, body, wait_for_trades=2)
