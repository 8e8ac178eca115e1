"""Scripted faults strike where and when the script says, and the log tells what became of all."""

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import UsageError
from ravequant.records import Trade, TradeEncoder
from ravequant.sim import faults
from ravequant.sim.exchange import SimExchange, SimOptions
from ravequant.sim.faultplan import FaultPlan
from ravequant.sim.recording import Recording
from ravequant.sim.sockets import reset

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T21:34:00.000Z")
TRADES = {"channel": "trades", "instId": BTC}


def plan(*rows: dict[str, Any], seed: int = 7) -> FaultPlan:
    return FaultPlan(*faults.parse(orjson.dumps({"seed": seed, "faults": rows}), "faults.json"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[]", "faults.json: no fault script"),
        (b'{"faults":[{"kind":"rain"}]}', "fault 1: kind 'rain' is none of drop, duplicate,"),
        (b'{"faults":[{"kind":"drop","evry":2}]}', "fault 1: evry = 2 is unknown or of the wrong"),
        (b'{"faults":[{"kind":"drop","at":2}]}', "fault 1: at = 2 is unknown or of the wrong type"),
        (b'{"faults":[{"kind":"drop","after":3}]}', "after = 3 is not a duration like 10s"),
        (b'{"faults":[{"kind":"drop","how":"x"}]}', "how 'x' is none of this kind"),
        (b'{"faults":[{"kind":"archive"}]}', "how is lacking: one of missing, cut, crc, bomb"),
        (b'{"faults":[{"kind":"outage","after":"1s"}]}', "an outage needs after"),
    ],
)
def test_a_script_that_cannot_be_meant_is_refused(text, message):
    """The message names the file, the fault and the key."""
    with pytest.raises(UsageError) as refused:
        faults.parse(text, "faults.json")
    assert message in str(refused.value)


# Over real sockets


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Return a recording of 300 trades, 30 s long."""
    encoder = TradeEncoder(BTC, Contract("0.01", "1", "linear"))
    made = [Trade(START + 100 * i, 1000 + i, "buy", "100.5", "1") for i in range(300)]
    path = tmp_path / "trades.jsonl"
    path.write_bytes(b"".join(map(encoder.line, made)))
    return path


class Scene:
    """A running exchange with faults, and what its clients do."""

    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange

    async def connect(self) -> ClientConnection:
        url = f"{self.exchange.addresses['ws_url']}/public"
        return await connect(url, max_queue=None, close_timeout=0.5)

    async def subscribed(self) -> ClientConnection:
        socket = await self.connect()
        await socket.send(json.dumps({"op": "subscribe", "args": [TRADES]}))
        return socket

    async def hear(self, socket: ClientConnection, number: int) -> list[dict[str, Any]]:
        return [json.loads(await socket.recv()) for _ in range(number)]

    async def hear_all(self, socket: ClientConnection) -> tuple[list[int], ConnectionClosed]:
        """Return the trade ids that came until the connection ended, and its end."""
        ids: list[int] = []
        try:
            while True:
                message = json.loads(await socket.recv())
                ids += [int(row["tradeId"]) for row in message.get("data", [])]
        except ConnectionClosed as end:
            return ids, end

    async def get(self, path: str, **query: Any) -> requests.Response:
        url = f"{self.exchange.addresses['rest_url']}/api/v5/{path}"
        return await asyncio.to_thread(requests.get, url, params=query, timeout=5)


def run(tape: Path, body: Any, *rows: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    """Run ``body`` against an exchange with these faults; return its frame log."""
    log = tape.with_name("frames.jsonl")

    async def scene() -> None:
        chosen = SimOptions(**{"speed": None, "frame_log": log, **options})
        feed = Recording([tape])
        async with asyncio.timeout(20), SimExchange(feed, chosen, plan(*rows)) as exchange:
            await body(Scene(exchange))

    asyncio.run(scene())
    return [json.loads(line) for line in log.read_bytes().splitlines()]


@pytest.mark.parametrize(
    ("how", "code"), [("drop", None), ("reset", None), ("close", 1000), ("", None)]
)
def test_a_disconnect_comes_with_or_without_a_close_frame(tape, how, code):
    """The frame that struck is lost; a dropped connection still brings what was sent before."""

    async def body(scene: Scene) -> None:
        ids, end = await scene.hear_all(await scene.subscribed())
        assert (end.rcvd.code if end.rcvd else None) == code
        if how != "reset":
            assert ids == list(range(1000, 1099))

    log = run(tape, body, {"kind": "disconnect", "at": [100], "how": how})
    assert [line["last"] for line in log if line.get("fate") == "dropped"] == [1099]


def test_a_half_open_connection_is_silent(tape):
    """It does not end, not even for its silence, and no ping is answered."""

    async def body(scene: Scene) -> None:
        socket = await scene.subscribed()
        await scene.hear(socket, 3)
        await socket.send("ping")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.3)

    run(tape, body, {"kind": "disconnect", "at": [3], "how": "half-open"}, idle_s=0.1)


def test_a_notice_comes_before_the_close(tape):
    """64008 first, data goes on, then the connection is closed."""

    async def body(scene: Scene) -> None:
        socket = await scene.subscribed()
        messages = await scene.hear(socket, 302)
        (notice,) = [message for message in messages if message.get("event") == "notice"]
        assert (notice["code"], "connId" in notice) == ("64008", True)
        with pytest.raises(ConnectionClosed):
            await socket.recv()

    run(tape, body, {"kind": "notice", "after": "10s", "delay": "200ms"})


def test_acks_are_missing_late_or_errors(tape):
    """Each subscription in turn: no ack, an ack after data, an error, an unknown event."""

    async def body(scene: Scene) -> None:
        (first,) = await scene.hear(await scene.subscribed(), 1)
        assert first["data"][0]["tradeId"] == "1099"
        late = await scene.hear(await scene.subscribed(), 2)
        assert ["data" in late[0], late[1].get("event")] == [True, "subscribe"]
        (error,) = await scene.hear(await scene.subscribed(), 1)
        assert (error["event"], error["code"]) == ("error", "64007")
        odd = await scene.hear(await scene.subscribed(), 2)
        assert [message["event"] for message in odd] == ["channel-conn-count", "subscribe"]

    run(
        tape,
        body,
        {"kind": "ack-missing", "times": 1},
        {"kind": "ack-delay", "times": 1, "delay": "100ms"},
        {"kind": "subscribe-error", "times": 1, "code": 64007},
        {"kind": "unknown-event", "times": 1},
        history_ms=10_000,
        wait_for_trades=99,
    )


def test_rest_answers_are_spoiled_one_after_the_other(tape):
    """429, 50011 in a 200, HTML, an empty page, the page before; then the truth again."""
    path = "market/history-trades"

    async def body(scene: Scene) -> None:
        truth = (await scene.get(path, instId=BTC)).json()
        answer = await scene.get(path, instId=BTC)
        assert (answer.status_code, answer.json()["code"]) == (429, "50011")
        answer = await scene.get(path, instId=BTC)
        assert (answer.status_code, answer.json()["code"]) == (200, "50011")
        assert (await scene.get(path, instId=BTC)).text.startswith("<!DOCTYPE html>")
        assert (await scene.get(path, instId=BTC)).json() == {"code": "0", "msg": "", "data": []}
        assert (await scene.get(path, instId=BTC, after=1010)).json() == truth
        assert (await scene.get(path, instId=BTC, after=1010)).json() != truth
        assert (await scene.get("public/time")).json()["code"] == "0"
        corrupted = (await scene.get(path, instId=BTC)).json()["data"]
        assert corrupted == [{**truth["data"][0], "ts": "1"}, *truth["data"][1:]]

    where = {"path": "history-trades", "times": 1}
    log = run(
        tape,
        body,
        {"kind": "rest-status", "status": 429, **where, "at": [2]},
        {"kind": "rest-limit", **where, "at": [2]},
        {"kind": "rest-html", **where, "at": [2]},
        {"kind": "rest-empty", **where, "at": [2]},
        {"kind": "rest-repeat", **where, "at": [2]},
        {"kind": "rest-corrupt", **where, "at": [3], "field": "ts", "value": "1"},
        history_ms=10_000,
    )
    kinds = [line["fault"] for line in log if line["kind"] == "rest"]
    assert kinds == [
        "",
        "rest-status",
        "rest-limit",
        "rest-html",
        "rest-empty",
        "rest-repeat",
        "",
        "",
        "rest-corrupt",
    ]


def test_a_rest_answer_that_never_comes_ends_the_connection(tape):
    """A time-out holds the request, then the connection is gone."""

    async def body(scene: Scene) -> None:
        with pytest.raises(requests.ConnectionError):
            await scene.get("public/time")
        assert (await scene.get("public/time")).status_code == 200

    run(tape, body, {"kind": "rest-timeout", "delay": "100ms", "times": 1})


def test_a_slow_rest_answer_comes_after_its_delay(tape):
    """It is the whole answer; other requests are not held up by it."""

    async def body(scene: Scene) -> None:
        slow = asyncio.create_task(scene.get("public/time"))
        await asyncio.sleep(0.1)
        assert (await scene.get("public/time")).status_code == 200
        assert not slow.done()
        assert (await slow).json()["code"] == "0"

    run(tape, body, {"kind": "rest-slow", "delay": "700ms", "times": 1})


def test_an_outage_refuses_requests_of_rest(tape):
    """Their connections are reset without an answer."""

    async def body(scene: Scene) -> None:
        await scene.subscribed()
        await asyncio.sleep(0.5)
        with pytest.raises(requests.ConnectionError):
            await scene.get("public/time")

    run(tape, body, {"kind": "outage", "after": "1s", "for": "9h"}, speed=10.0)


def test_an_outage_cuts_refuses_and_passes_while_the_market_goes_on(tape):
    """Trades of the outage reach nobody by socket, but REST has them afterwards."""

    async def body(scene: Scene) -> None:
        ids, end = await scene.hear_all(await scene.subscribed())
        assert end.rcvd is None
        assert ids == list(range(1000, 1000 + len(ids)))
        while True:
            try:
                socket = await scene.subscribed()
                break
            except (OSError, EOFError, ConnectionClosed):
                await asyncio.sleep(0.01)
            except Exception as error:  # noqa: BLE001 - whatever a cut handshake raises
                assert "HTTP" in str(error)  # noqa: PT017 - the loop is the point
        later, _ = await scene.hear(socket, 2)
        assert later["event"] == "subscribe"
        page = (await scene.get("market/history-trades", instId=BTC, after=1200)).json()["data"]
        assert [int(row["tradeId"]) for row in page] == list(range(1199, 1099, -1))

    log = run(tape, body, {"kind": "outage", "after": "5s", "for": "20s"})
    sent = {line["last"] for line in log if line.get("fate") == "sent"}
    assert {line["tradeId"] for line in log if line["kind"] == "trade"} - sent >= set(
        range(1050, 1240)
    )


def test_a_broken_connection_may_be_broken_again():
    """A step of the market may come before the client's task has seen the end of it."""

    async def scene() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        _, writer = await asyncio.open_connection(host, port)
        reset(writer.transport)
        await asyncio.sleep(0)
        reset(writer.transport)
        server.close()

    asyncio.run(scene())


def test_an_instrument_changes_for_rest(tape):
    """The contract's value is another one from a moment on."""

    async def body(scene: Scene) -> None:
        query = {"instType": "SWAP", "instId": BTC}
        before = (await scene.get("public/instruments", **query)).json()["data"][0]
        await scene.hear(await scene.subscribed(), 301)
        after = (await scene.get("public/instruments", **query)).json()["data"][0]
        assert (before["ctVal"], after["ctVal"]) == ("0.01", "0.1")
        assert {**after, "ctVal": "0.01"} == before

    run(tape, body, {"kind": "instrument", "instId": BTC, "set": {"ctVal": "0.1"}, "after": "10s"})
