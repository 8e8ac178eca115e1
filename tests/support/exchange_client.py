"""What tests of the local exchange share: small recordings, a running exchange, a plain client."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import orjson
import requests
from websockets.asyncio.client import ClientConnection, connect

from ravequant import records, times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.sim.exchange import SimExchange, SimOptions
from ravequant.sim.faultplan import FaultPlan
from ravequant.sim.feed import Feed

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


Body = Callable[[SimExchange], Coroutine[Any, Any, None]]


def run(feed: Feed, body: Body, plan: FaultPlan | None = None, **options: Any) -> None:
    """Run ``body`` against a running exchange."""

    async def scene() -> None:
        chosen = SimOptions(**{"speed": None, **options})
        async with asyncio.timeout(20), SimExchange(feed, chosen, plan) as exchange:
            await body(exchange)

    asyncio.run(scene())


@contextlib.asynccontextmanager
async def client(exchange: SimExchange, path: str = "public") -> AsyncIterator[ClientConnection]:
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


async def get(exchange: SimExchange, path: str, **query: Any) -> tuple[int, Any]:
    url = f"{exchange.addresses['rest_url']}/api/v5/{path}"
    response = await asyncio.to_thread(requests.get, url, params=query, timeout=10)
    return response.status_code, response.json()


async def data(exchange: SimExchange, path: str, **query: Any) -> list[dict[str, Any]]:
    status, answer = await get(exchange, path, **query)
    assert (status, answer["code"], answer["msg"]) == (200, "0", "")
    found: list[dict[str, Any]] = answer["data"]
    return found
