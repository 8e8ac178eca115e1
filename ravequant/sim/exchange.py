"""A local OKX: WebSocket and REST of v5 on one port, from any Feed, with scripted faults."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final, Self, cast
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from ravequant import times
from ravequant.errors import UsageError
from ravequant.sim import late_books
from ravequant.sim.archive import PublishedFolder
from ravequant.sim.coinalyze import CoinalyzeDesk
from ravequant.sim.faultplan import FaultPlan
from ravequant.sim.faults import Fault
from ravequant.sim.feed import Feed
from ravequant.sim.framelog import FrameLog
from ravequant.sim.replies import HttpAnswer
from ravequant.sim.rest import RateLimits, RestApi
from ravequant.sim.sessions import PATHS, ChannelRequest, ClientSession
from ravequant.sim.sockets import Connection, Socket, reset
from ravequant.sim.trading import MarketClock, Subscriber, Trading

_FLUSH_S: Final = 0.005  # frames wait at most this long before they are written
_FLUSH_BYTES: Final = 65_536
_REQUEST_BYTES: Final = 65_536  # a longer subscribe is answered with close 1009
_HEADERS: Final = ("Range", "If-Range", "api_key")  # that answers depend on
_UNREAD_BYTES: Final = 64 << 20  # unread by a client; beyond that it is closed with 4005
_protocol_log = logging.getLogger(f"{__name__}.protocol")
_protocol_log.setLevel(logging.CRITICAL)  # fault scripts break connections on purpose


@dataclass(frozen=True, slots=True)
class SimOptions:
    """Options of the local exchange."""

    host: str = "127.0.0.1"
    port: int = 0
    speed: float | None = 1.0  # market time per wall time; None: as fast as the clients take it
    with_the_clock: bool = False  # at speed 1: market time is that of this computer
    history_ms: int = 0  # history that REST has when the market starts
    wait_for_trades: int = 1  # subscriptions to trades before the market starts
    wait_for_books: int = 0
    until_ms: int | None = None  # market time since the start at which the market ends
    exit_at_end: bool = False
    grace_s: float = 30.0  # how long the exchange outlives its market for clients that stay
    rest_limit_factor: float = 1.0
    idle_s: float = 30.0
    frame_log: Path | None = None
    archive: Path | None = None  # the folder of its published files


class SimExchange:
    """The running exchange. ``async with`` opens the port and starts the market."""

    def __init__(self, feed: Feed, options: SimOptions, plan: FaultPlan | None = None) -> None:
        self.ended = asyncio.Event()  # the market is over
        self.done = asyncio.Event()  # and the grace period of its clients too
        self._options = options
        self._plan = plan or FaultPlan()
        self._log = FrameLog(options.frame_log)
        opened_ms = feed.start_ms + options.history_ms
        self._log.note("start", start_ms=feed.start_ms, opened_ms=opened_ms, end_ms=feed.end_ms)
        feed = late_books.of(feed, self._plan.faults, opened_ms)
        self.trading = Trading(feed, opened_ms, self._plan, self._log)
        self._end_ms = _earliest(feed.end_ms, opened_ms, options.until_ms)
        limits = RateLimits(options.rest_limit_factor)
        desk = CoinalyzeDesk(tuple(feed.instruments), options.rest_limit_factor)
        self._rest = RestApi(self.trading, limits, self._published(options.archive), desk)
        self._clock = MarketClock(opened_ms, options.speed)
        self._instruments = frozenset(feed.instruments)
        self._clients: dict[int, Subscriber] = {}
        self._asked = asyncio.Event()  # a client asked for something
        self._numbers = 0
        self._server: Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._server = await self._listen(self._options.host, self._options.port)
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._watch())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in tuple(self._clients.values()):
            client.socket.close(1001)
            client.socket.drop()
        if self._server is not None:
            self._server.close(close_connections=False)
        self._log.close()

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("the exchange is not open yet")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def addresses(self) -> dict[str, str]:
        """The base addresses of its WebSocket and its REST side."""
        place = f"{self._options.host}:{self.port}"
        return {"ws_url": f"ws://{place}/ws/v5", "rest_url": f"http://{place}"}

    def _published(self, folder: Path | None) -> PublishedFolder | None:
        """Return the archive in a folder of files."""
        if folder is None:
            return None
        return PublishedFolder(
            folder,
            self._plan,
            lambda: (self.trading.now_ms, self.trading.elapsed_ms),
            lambda: f"{self._options.host}:{self.port}",
        )

    async def wait(self) -> None:
        """Wait until it is done (``exit_at_end``); an error that broke the market is raised."""
        done = asyncio.create_task(self.done.wait())
        finished, _ = await asyncio.wait([done, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        done.cancel()
        for task in finished:
            task.result()

    # -- connections and requests

    async def _listen(self, host: str, port: int) -> Server:
        """Listen on a port, 0 for any free port; UsageError if the port cannot be used."""
        try:
            return await serve(
                self._welcome,
                host,
                port,
                process_request=self._answer,
                create_connection=Connection,
                logger=_protocol_log,
                max_size=_REQUEST_BYTES,
                open_timeout=None,
                ping_interval=None,
            )
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"--host {host} --port {port} cannot be served: {error}; --port 0 takes any free "
                "port"
            ) from None

    def _refuses(self) -> bool:
        """Return True during an outage: connections are refused."""
        return self._plan.outage(self.trading.elapsed_ms)

    async def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return the answer to a request of REST; None where a WebSocket begins."""
        url = urlsplit(request.path)
        if not self._refuses():
            if url.path in PATHS:
                return None
            answer, fault = self._get(url.path, dict(parse_qsl(url.query)), request.headers)
            await asyncio.sleep(0 if fault is None else fault.delay_ms / 1_000)
            if fault is None or fault.kind != "rest-timeout":
                return _response(answer)
        reset(connection.transport)
        await connection.wait_closed()
        return None

    def _get(
        self, path: str, query: Mapping[str, str], headers: Headers
    ) -> tuple[HttpAnswer, Fault | None]:
        """Return the answer to a GET, and the fault that delays it."""
        fault = self._plan.rest(path, query.get("instId", ""), self.trading.elapsed_ms)
        found = {name: headers[name] for name in _HEADERS if name in headers}
        answer = self._rest.answer(path, query, time.monotonic(), fault, found)
        kind = "" if fault is None else fault.kind
        status = answer.status
        self._log.note("rest", path=path, query=query, status=status, rows=answer.rows, fault=kind)
        delays = fault is not None and fault.kind in ("rest-slow", "rest-timeout")
        return answer, fault if delays else None

    async def _welcome(self, connection: ServerConnection) -> None:
        """Serve a WebSocket to its end."""
        path = urlsplit(connection.request.path).path if connection.request else ""
        socket = Socket(cast("Connection", connection))
        self._numbers += 1
        session = ClientSession(path, _connection_id(self._numbers), self._instruments)
        client = Subscriber(self._numbers, socket, session)
        self._clients[client.number] = client
        self._log.note("connect", connection=client.number, path=path)
        self._log.flush()  # so that the log holds all records published before
        try:
            async for text in socket.texts():
                self._hear(client, text)
        finally:
            self.trading.leave(client)
            self._clients.pop(client.number, None)
            self._log.note("disconnect", connection=client.number)

    def _hear(self, client: Subscriber, text: str) -> None:
        for answer in client.session.receive(text, time.monotonic()):
            if isinstance(answer, ChannelRequest):
                self.trading.ask(client, answer)
            else:
                client.socket.send(answer)
        client.socket.flush()
        self._asked.set()

    # -- the course of the market

    async def _run(self) -> None:
        await self._wait_for_clients()
        self._clock.start(time.monotonic() - self._late_s())
        if self._options.speed is None:
            await self._run_at_once()
        else:
            await self._run_by_the_clock()
        await self._flush()
        self._log.note("end", now_ms=self.trading.now_ms)
        self.ended.set()
        await self._wait_for_farewell()
        self.done.set()

    def _late_s(self) -> float:
        """Return how long ago the market should have started: making its history took a while."""
        if not self._options.with_the_clock or self._options.speed != 1.0:
            return 0.0
        return max(0, times.utc_now_ms() - self._clock.start_ms) / 1_000

    async def _wait_for_clients(self) -> None:
        options = self._options
        while (
            self.trading.readers("trades", "trades-all") < options.wait_for_trades
            or self.trading.readers("books", "books5", "bbo-tbt") < options.wait_for_books
        ):
            self._asked.clear()
            await self._asked.wait()

    @property
    def _over(self) -> bool:
        return self._end_ms is not None and self.trading.now_ms >= self._end_ms

    async def _run_by_the_clock(self) -> None:
        while not self._over:
            step_ms = self._clock.step_ms(books=self.trading.has_book_readers)
            target_ms = self._clock.target_ms(time.monotonic())
            if self.trading.now_ms + step_ms > target_ms:
                await self._flush()
                await asyncio.sleep(self._clock.pause_s(step_ms))
                continue
            flush_at = time.monotonic() + _FLUSH_S
            while self.trading.now_ms + step_ms <= target_ms and not self._over:
                self._step(step_ms)
                if time.monotonic() > flush_at:
                    break
            await self._flush()

    async def _run_at_once(self) -> None:
        while not self._over:
            flush_at = time.monotonic() + _FLUSH_S
            while not (self._over or self._without_readers()):
                self._step(self._clock.step_ms(books=self.trading.has_book_readers))
                waiting = max((c.socket.waiting_bytes for c in self._clients.values()), default=0)
                if waiting > _FLUSH_BYTES or time.monotonic() > flush_at:
                    break
            await self._flush()
            for client in tuple(self._clients.values()):
                await client.socket.drain()
            await asyncio.sleep(0.01 if self._without_readers() else 0)

    def _without_readers(self) -> bool:
        """Return True if a market without a pace should wait for subscribers."""
        followed = self.trading.readers("trades", "trades-all") or self.trading.has_book_readers
        waits = self._options.wait_for_trades or self._options.wait_for_books
        return bool(waits) and not followed and not self._refuses()

    def _step(self, step_ms: int) -> None:
        until_ms = self.trading.now_ms + step_ms
        if self._end_ms is None or until_ms < self._end_ms:
            self.trading.step(until_ms)
        else:
            self.trading.step(self._end_ms, last=True)
        if not self._plan:
            return
        for fault in self._plan.due(self.trading.elapsed_ms):
            for client in tuple(self._clients.values()):
                if fault.connection in (None, client.number):
                    self.trading.strike(client, fault)
        if self._refuses():
            for client in tuple(self._clients.values()):
                self.trading.leave(client)
                client.socket.reset()

    async def _flush(self) -> None:
        for client in tuple(self._clients.values()):
            client.socket.flush()
            if client.socket.unread_bytes > _UNREAD_BYTES and self._options.speed is not None:
                client.socket.close(4005, "Connection buffer is full")
        await asyncio.sleep(0)

    async def _wait_for_farewell(self) -> None:
        """Wait until the clients that saw the end have left, or the grace period is over."""
        if not self._options.exit_at_end:
            await asyncio.Event().wait()
        seen = False
        deadline = time.monotonic() + self._options.grace_s
        while time.monotonic() < deadline and not (seen and not self._clients):
            seen = seen or bool(self._clients)
            await self._flush()
            await asyncio.sleep(0.05)

    async def _watch(self) -> None:
        """Flush the log once a second and close connections that were silent for too long."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, self._options.idle_s / 4))
            self._log.flush()
            for client in tuple(self._clients.values()):
                if loop.time() - client.socket.heard_s > self._options.idle_s:
                    client.socket.close(4004, "No data received in 30s.")


def _response(answer: HttpAnswer) -> Response:
    """Return an answer of REST as HTTP; the connection is closed after it."""
    headers = Headers(
        {
            "Content-Type": answer.content_type,
            "Content-Length": str(len(answer.body)),
            "Connection": "close",
            **answer.headers,
        }
    )
    return Response(answer.status, HTTPStatus(answer.status).phrase, headers, answer.body)


def _earliest(end_ms: int | None, opened_ms: int, until_ms: int | None) -> int | None:
    """Return the time at which the market ends; None if it never does."""
    ends = [end_ms, None if until_ms is None else opened_ms + until_ms]
    return min((end for end in ends if end is not None), default=None)


def _connection_id(number: int) -> str:
    return f"{0xA4D3_0000 + number:08x}"
