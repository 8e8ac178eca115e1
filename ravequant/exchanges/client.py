"""The WebSocket client: keeps one subscribed connection open for ever, two during a hand-over.

`Client.run` opens, serves and reopens connections; `Client.batches` yields their events in order
of arrival. The exchange's session knows the protocol; this module only moves bytes and time.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidProxy, WebSocketException

from ravequant.exchanges import base
from ravequant.exchanges.base import Channel, Exchange
from ravequant.exchanges.url import USER_AGENT, check_url, unreachable

_OPEN_TIMEOUT_S: Final = 10.0
_CLOSE_TIMEOUT_S: Final = 1.0
_MAX_BACK_OFF_S: Final = 30.0
_FIRST_BACK_OFF_S: Final = 0.5
_PACE_SAFETY: Final = 1.02  # times the exchange's shortest time between two connections
_MAX_MESSAGE: Final = 4 << 20  # a 400-level snapshot is about 50 KB
_FRAMES_AHEAD: Final = (512, 128)  # read from the socket before our own queue takes them
_QUEUE_EVENTS: Final = 20_000
_OVERLAP_S: Final = 1.0  # of two connections, from the first row of the second on
_READY_WITHIN_S: Final = 15.0  # a quiet market delivers nothing: then answered is enough
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is gone; this is its last event."""

    reason: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event and the number of its connection (1 is the first)."""

    event: base.SessionEvent | Ended
    connection: int


class Pace:
    """Spreads new connections in time; clients of one address share it."""

    def __init__(self, per_second: float) -> None:
        self._every_s = _PACE_SAFETY / per_second
        self._next = 0.0

    async def wait(self) -> None:
        """Sleep until another connection is allowed."""
        loop = asyncio.get_running_loop()
        start = max(loop.time(), self._next)
        self._next = start + self._every_s
        await asyncio.sleep(start - loop.time())


class _Connect(connect):
    """A connection that follows no redirect: a redirect means a wrong address."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Link:
    """One connection from its opening to its end."""

    session: base.Session  # once it is open

    def __init__(self, number: int) -> None:
        self.number = number
        self.leaving = asyncio.Event()  # the exchange announced its end
        self.ready = asyncio.Event()  # subscribed and delivering
        self.ended = asyncio.Event()
        self.wake = asyncio.Event()  # the session has something to send
        self.socket: ClientConnection | None = None


class Client:
    """A subscriber of ``channels`` at ``url`` (with its path, like ``…/ws/v5/public``).

    The queue holds at most ``queue_events``. If the application is slower than the exchange, the
    sockets are not read meanwhile (``stalls`` counts that): memory stays bounded, and rows that the
    exchange then drops show as a gap.
    """

    def __init__(
        self,
        exchange: Exchange,
        url: str,
        channels: Iterable[Channel],
        *,
        queue_events: int = _QUEUE_EVENTS,
        pace: Pace | None = None,
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._proxy: Literal[True] | None = None if check_url(url, "wss", "ws") else True
        self._exchange = exchange
        self._url = url
        self._channels = dict.fromkeys(channels)
        self._spread = spread
        self._queue: deque[Arrival] = deque()
        self._most = queue_events
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._failures = 0
        self._pace = pace or Pace(exchange.connects_per_second)
        self._links = 0
        self._served: dict[int, _Link] = {}
        self.open_links = 0
        self.connects = self.stalls = self.frames = 0
        self.problem = ""  # why there is no connection

    async def batches(self) -> AsyncIterator[list[Arrival]]:
        """Yield the events that have arrived, oldest first, as soon as there are any."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            batch = list(self._queue)
            self._queue.clear()
            self._room.set()
            yield batch

    def add(self, channel: Channel) -> None:
        """Subscribe to one more channel, on every connection from now on."""
        self._channels[channel] = None
        for link in self._served.values():
            link.session.add(channel, asyncio.get_running_loop().time())
            link.wake.set()

    def drop(self, channel: Channel) -> None:
        """Give a channel up."""
        self._channels.pop(channel, None)
        for link in self._served.values():
            link.session.drop(channel)
            link.wake.set()

    async def run(self) -> None:
        """Keep connected until cancelled; never gives up."""
        async with asyncio.TaskGroup() as tasks:
            link = self._start(tasks)
            while True:
                await _first(link.leaving, link.ended)
                old, link = link, self._start(tasks)
                if not old.ended.is_set():
                    tasks.create_task(self._retire(old, link))

    def _start(self, tasks: asyncio.TaskGroup) -> _Link:
        self._links += 1
        link = _Link(self._links)
        tasks.create_task(self._live(link))
        return link

    async def _retire(self, old: _Link, new: _Link) -> None:
        """Close the older connection once the newer one delivers; either may end by itself."""
        await _first(new.ready, old.ended)
        await asyncio.sleep(_OVERLAP_S)
        if old.socket is not None:
            await old.socket.close()

    async def _live(self, link: _Link) -> None:
        try:
            socket = await self._open(link)
            link.session = self._exchange.session(self._channels)
            self.open_links += 1
            self._served[link.number] = link
            try:
                await self._serve(link, socket)
            finally:
                self.open_links -= 1
                del self._served[link.number]
                with suppress(WebSocketException, OSError):
                    await socket.close()
            await asyncio.sleep(self._back_off())
        finally:
            link.ended.set()

    async def _open(self, link: _Link) -> ClientConnection:
        while True:
            await self._pace.wait()
            try:
                link.socket = await _Connect(
                    self._url,
                    user_agent_header=USER_AGENT,
                    compression=None,  # rows are small; inflating costs more than it saves
                    open_timeout=_OPEN_TIMEOUT_S,
                    close_timeout=_CLOSE_TIMEOUT_S,
                    ping_interval=None,  # the session sends the pings that the exchange counts
                    max_size=_MAX_MESSAGE,
                    max_queue=_FRAMES_AHEAD,
                    proxy=self._proxy,
                )
            except (OSError, WebSocketException, ValueError, ImportError) as error:
                self._failures += 1
                wait = self._back_off()
                self.problem = unreachable(self._url, _reason(error))
                _log.warning(
                    "Cannot connect to %s: %s: %s; again in %.1f s (attempt %d)",
                    self._url,
                    type(error).__name__,
                    _reason(error),
                    wait,
                    self._failures,
                )
                await asyncio.sleep(wait)
            else:
                self.connects += 1
                self.problem = ""
                _log.info("Connected to %s (connection %d)", self._url, link.number)
                return link.socket

    def _back_off(self) -> float:
        """Full jitter: anything up to twice the last limit, which is at most 30 s."""
        limit = min(_MAX_BACK_OFF_S, _FIRST_BACK_OFF_S * 2 ** min(self._failures, 10))
        return self._spread(0.0, limit)

    async def _serve(self, link: _Link, socket: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        link.session.opened(loop.time())
        timer = asyncio.create_task(self._keep_time(link, socket))
        began = loop.time()
        try:
            await self._read(link, socket)
        except ConnectionClosed as error:
            self._put(Arrival(Ended(link.session.failed or str(error)), link.number))
            _log.warning(
                "Disconnected (connection %d): %s",
                link.number,
                link.session.failed or error,
            )
        finally:
            timer.cancel()
            with suppress(asyncio.CancelledError, WebSocketException, OSError):
                await timer
        if not link.session.delivering and loop.time() - began < _MAX_BACK_OFF_S:
            self._failures += 1  # it opened, but delivered nothing

    def renew(self, channel: Channel, connection: int) -> None:
        """Ask for a whole book of ``channel``, on the connection that brings it."""
        link = self._served.get(connection)
        if link is not None:
            link.session.renew(channel, asyncio.get_running_loop().time())
            link.wake.set()

    async def _read(self, link: _Link, socket: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            frame = await socket.recv(decode=False)
            self.frames += 1
            events = link.session.receive(frame, loop.time())
            for event in events:
                if not isinstance(event, base.Rows):
                    self._notable(link, event)
                    link.wake.set()
                self._put(Arrival(event, link.number))
            if not events:  # a message for the session alone may give it something to send
                link.wake.set()
            if not link.ready.is_set() and link.session.complete and link.session.delivering:
                self._failures = 0
                link.ready.set()
            if len(self._queue) >= self._most:
                self.stalls += 1
                self._room.clear()
                await self._room.wait()

    def _put(self, arrival: Arrival) -> None:
        self._queue.append(arrival)
        self._filled.set()

    def _notable(self, link: _Link, event: base.SessionEvent) -> None:
        match event:
            case base.Subscribed(channel=channel):
                _log.info("Subscribed %s %s", channel.name, channel.inst_id)
            case base.Resubscribing(channel=channel, silent_s=silent_s, reason=reason):
                _log.warning(
                    "Forced resubscribe of %s %s: %s, %.1f s after the last message",
                    channel.name,
                    channel.inst_id,
                    reason,
                    silent_s,
                )
            case base.Refused(channel=channel, code=code, message=message):
                name = f"{channel.name} {channel.inst_id}" if channel else "a request"
                _log.error("The exchange refused %s: code %s: %s", name, code, message)
            case base.HandOver(message=message, announced_by=notice):
                _log.warning("%s, opening the next connection first: %s", notice, message)
                link.leaving.set()
            case base.UnknownFrame(text=text):
                _log.info("Frame not understood: %.200s", text)

    async def _keep_time(self, link: _Link, socket: ClientConnection) -> None:
        """Send the messages that are due; close the connection once it is of no use."""
        loop = asyncio.get_running_loop()
        opened = loop.time()
        while True:
            now = loop.time()
            texts, events = link.session.due(now)
            for event in events:
                self._notable(link, event)
                self._put(Arrival(event, link.number))
            for text in texts:
                await socket.send(text)
            if link.session.failed:
                await socket.close()
                return
            if link.session.complete and now - opened > _READY_WITHIN_S:
                link.ready.set()
            pause = min(max(link.session.wake_at(now) - now, 0.01), 1.0)
            with suppress(TimeoutError):  # not wait_for: in 3.11 it may swallow a cancellation
                async with asyncio.timeout(pause):
                    await link.wake.wait()
            link.wake.clear()


def _reason(error: Exception) -> str:
    """Return the text of an error, without a proxy's address: that may hold a password."""
    if isinstance(error, InvalidProxy):
        return f"the proxy that the environment names is not valid: {error.msg}"
    return str(error)


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
