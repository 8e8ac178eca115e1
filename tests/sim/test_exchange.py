"""The local exchange speaks v5 over its sockets as the fact sheet says."""

import asyncio
import itertools
import json
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from ravequant import times
from ravequant.errors import UsageError
from ravequant.sim.exchange import SimExchange, SimOptions
from ravequant.sim.recording import Recording
from tests.support import recordings
from tests.support.exchange_client import (
    BOOKS,
    BTC,
    START,
    TRADES,
    ask,
    client,
    data,
    hear,
    record,
    rows,
    run,
    write_books,
    write_trades,
)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Return a recording of 600 trades, 6 s long."""
    return write_trades(tmp_path / "trades.jsonl", [record(i) for i in range(600)])


def test_each_argument_is_acknowledged_with_id_and_connection(tape):
    """One ack an argument, with the request's id and the connection's id; asked twice: acks."""

    async def body(exchange: SimExchange) -> None:
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

    async def body(exchange: SimExchange) -> None:
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

    async def body(exchange: SimExchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", TRADES)
            assert (await hear(socket))["event"] == "subscribe"
            assert [row["tradeId"] for row in await rows(socket, 1)] == ["1099"]
            await ask(socket, "subscribe", TRADES)  # once more: an ack, and nothing else
            assert (await hear(socket))["event"] == "subscribe"
            await socket.send("ping")
            assert await socket.recv() == "pong"

    run(Recording([tape]), body, history_ms=1000, wait_for_trades=2)


def test_trades_all_gives_the_single_fills_on_the_business_path(tmp_path):
    """One message a fill, without count and seqId; sizes sum to the record's."""
    path = write_trades(tmp_path / "t", [record(9, 10), record(10)])

    async def body(exchange: SimExchange) -> None:
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

    async def body(exchange: SimExchange) -> None:
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

    async def body(exchange: SimExchange) -> None:
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

    async def body(exchange: SimExchange) -> None:
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

    async def body(exchange: SimExchange) -> None:
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

    async def body(exchange: SimExchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", BOOKS)
            found = await rows(socket, 5)
        assert [(row["prevSeqId"], row["seqId"]) for row in found] == [
            (-1, 10), (10, 11), (11, 11), (11, 11), (11, 12),
        ]  # fmt: skip
        assert (found[2]["bids"], found[2]["asks"]) == ([], [])

    run(Recording([], [books]), body, wait_for_trades=0, wait_for_books=1)


def test_a_silent_connection_is_closed_with_4004(tape):
    """Nothing subscribed and no ping: closed; a ping in between keeps it."""

    async def body(exchange: SimExchange) -> None:
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

    async def body(exchange: SimExchange) -> None:
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


def test_garbage_ends_its_connection_alone(tape):
    """The exchange goes on."""

    async def body(exchange: SimExchange) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", exchange.port)
        writer.write(b"hello\r\n\r\n")
        assert b'"code":"0"' not in await reader.read()
        writer.close()
        assert await data(exchange, "public/time")

    run(Recording([tape]), body)


def test_a_market_of_now_has_the_time_of_this_computer(tape, monkeypatch):
    """Making its history, and waiting for clients, takes a while: it catches up at its start."""
    monkeypatch.setattr(times, "utc_now_ms", lambda: START + 3_000)

    async def body(exchange: SimExchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", {"channel": "trades", "instId": BTC})
            await rows(socket, 200)
            (row,) = await data(exchange, "public/time")
            assert int(row["ts"]) >= START + 3_000

    run(Recording([tape]), body, with_the_clock=True, speed=1.0)
    for options in (SimOptions(), SimOptions(with_the_clock=True, speed=2.0)):
        assert SimExchange(Recording([tape]), options)._late_s() == 0


def test_a_port_that_is_taken_is_named(tape):
    """With the remedy."""

    async def body(exchange: SimExchange) -> None:
        taken = SimExchange(Recording([tape]), SimOptions(port=exchange.port))
        message = f"--port {exchange.port} cannot be served: .*--port 0"
        with pytest.raises(UsageError, match=message):
            await taken.__aenter__()

    run(Recording([tape]), body)


def test_the_frame_log_has_every_record_and_every_frame(tape, tmp_path):
    """History, published records and the fate of each frame stand there once it is over."""
    log = tmp_path / "frames.jsonl"

    async def body(exchange: SimExchange) -> None:
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

    async def body(exchange: SimExchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", TRADES)
            await rows(socket, 600)
            await exchange.ended.wait()
            assert len(await data(exchange, "market/trades", instId=BTC, limit=500)) == 500
            assert not exchange.done.is_set()
        await exchange.wait()
        assert exchange.done.is_set()

    run(Recording([tape]), body, exit_at_end=True)


@recordings.each(*recordings.MIDNIGHT)
def test_every_feed_row_reaches_several_clients(recording):
    """Two readers of a recording at once, compressed and plain, both get every record."""
    path = recording.trade_files[0]
    feed = Recording([path])
    number = len(Recording([path]).trades(feed.end_ms or 0))

    async def body(exchange: SimExchange) -> None:
        url = f"{exchange.addresses['ws_url']}/public"
        async with connect(url, compression=None) as plain, connect(url) as compressed:
            for socket in (plain, compressed):
                await ask(socket, "subscribe", TRADES)
            found = await asyncio.gather(rows(plain, number), rows(compressed, number))
        assert found[0] == found[1]

    run(feed, body, wait_for_trades=2)
