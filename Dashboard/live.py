"""The live pages: a socket each, which gets all changes since its last answer (SPEC 18).

One message to a page is under way; the next is made when the page has acknowledged it, of all that
changed meanwhile. So a slow page gets fewer messages, and no queue grows for it.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, NamedTuple

import orjson
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from Dashboard.app import Site
from Dashboard.feed import Forget, LookMoment, MarketFeed, ReadHealth, ReadHeat
from Dashboard.feed_state import Row
from Dashboard.guard import error
from Dashboard.market_view import PROTO
from Dashboard.watch import check_standing, why_void
from ravequant import times
from ravequant.errors import RaveQuantError, UsageError
from ravequant.records import check_inst_id
from ravequant.signals.clock import Clock

MOST_SOCKETS: Final = 16
_REMEMBERED_S: Final = 600.0  # of a picture: its page asks for the socket at once
_NO_ANSWER: Final = 4000  # close codes of our own
_AFTER_ERROR_S: Final = 5.0
_LAST_MINUTE: Final = 1 << 32
_log = logging.getLogger("dashboard")


@dataclass(frozen=True, slots=True)
class LiveTimes:
    """The times of the live pages, in seconds."""

    look: float = 0.5  # between two looks at the files; price is told no more often
    beat: float = 5.0  # without a message a page is sent a beat
    answer: float = 30.0  # a page that has not acknowledged for so long is closed


@dataclass(slots=True, eq=False)
class _Running:
    """A feed that is looked at for as long as a page shows it."""

    feed: MarketFeed
    pages: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    def tell(self) -> None:
        """Wake all pages that wait for a change."""
        self.changed, told = asyncio.Event(), self.changed
        told.set()


class Live:
    """All live pages of a site."""

    def __init__(
        self,
        site: Site,
        health: ReadHealth,
        heat: ReadHeat,
        spans: LiveTimes = LiveTimes(),
        *,
        forget: Forget,
    ) -> None:
        self._site, self._health, self._heat, self._times = site, health, heat, spans
        self._forget = forget
        self._running: dict[str, _Running] = {}
        self._thread = ThreadPoolExecutor(1, "live")
        self._open = 0
        self._lock = Lock()
        self._drawn: dict[str, dict[str, float]] = {}  # ids of wicks in pictures, by instrument
        self._read_clock = (0, 0.0)  # the clock of the answers (Unix ms) at a steady time

    @property
    def route(self) -> WebSocketRoute:
        """The route of the socket."""
        return WebSocketRoute("/api/v1/live/{inst_id}", self._serve)

    @property
    def pages(self) -> int:
        """The number of pages that are open."""
        return self._open

    def feeds(self) -> dict[str, MarketFeed]:
        """Return the feeds that are looked at, by instrument."""
        return {inst_id: running.feed for inst_id, running in self._running.items()}

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def seen(self, inst_id: str, view: Row) -> None:
        """Remember the wicks of a live picture: its page is told which of them are gone."""
        now = time.monotonic()
        with self._lock:
            kept = self._drawn.get(inst_id, {})
            ids = {name: at for name, at in kept.items() if now - at < _REMEMBERED_S}
            self._drawn[inst_id] = ids | dict.fromkeys(view["wicks"]["id"], now)

    def _gone(self, inst_id: str, drawn: Iterable[str]) -> list[str]:
        with self._lock:
            return sorted(self._drawn.get(inst_id, {}).keys() - set(drawn))

    # --- feeds -----------------------------------------------------------------------------------

    def _join(self, inst_id: str) -> _Running:
        running = self._running.get(inst_id)
        if running is None:
            feed = MarketFeed(self._site.vault, inst_id, self._health, self._heat, self._forget)
            running = self._running[inst_id] = _Running(feed)
            running.task = asyncio.create_task(self._look(running))
        running.pages += 1
        return running

    def _leave(self, inst_id: str, running: _Running) -> None:
        running.pages -= 1
        if not running.pages and running.task is not None:
            running.task.cancel()
            del self._running[inst_id]

    async def _look(self, running: _Running) -> None:
        """Look at the files of a feed again and again."""
        loop = asyncio.get_running_loop()
        while True:
            began, pause = loop.time(), self._times.look
            try:
                changed = await loop.run_in_executor(self._thread, self._look_once, running.feed)
            except RaveQuantError as failed:
                running.feed.void(self._site.public(str(failed)))
                changed, pause = True, _AFTER_ERROR_S
            except Exception:  # noqa: BLE001 - the pages hear of it, and the next look may succeed
                name = secrets.token_hex(4)
                _log.exception("%s: a look at the files", name)
                running.feed.void(f"this is a defect: {name}")
                changed, pause = True, _AFTER_ERROR_S
            if changed:
                running.tell()
            await asyncio.sleep(max(pause - (loop.time() - began), pause / 10))

    def _look_once(self, feed: MarketFeed) -> bool:
        return feed.look(LookMoment(self._clock(), times.utc_now_ms(), time.monotonic()))

    def _clock(self) -> Clock:
        """Return the time of now; that of a local exchange is asked for over the network."""
        now = self._site.clock.now()
        self._read_clock = now.ms, time.monotonic()
        return now

    def _now_ms(self) -> int:
        """Return the time of now, counted on from the last reading of the clock."""
        ms, steady_s = self._read_clock
        return ms + round(1_000 * self._site.clock.rate * (time.monotonic() - steady_s))

    # --- pages -----------------------------------------------------------------------------------

    async def _serve(self, socket: WebSocket) -> None:
        try:
            asked = _asked(socket)
        except UsageError as refused:
            await socket.send_denial_response(error(404, "not_found", str(refused)))
            return
        if self._open >= MOST_SOCKETS:
            text = f"{MOST_SOCKETS} pages are open, no more are served; close another one"
            await socket.send_denial_response(error(503, "busy", text))
            return
        self._open += 1
        try:
            await socket.accept()
            if not self._read_clock[0]:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._clock)
            running = self._join(asked.inst_id)
            try:
                await self._page(_LivePage(socket, self._times, self._now_ms), running, asked)
            finally:
                self._leave(asked.inst_id, running)
        finally:
            self._open -= 1

    async def _page(self, page: "_LivePage", running: _Running, asked: "_Asked") -> None:
        """Send to a page until it goes, or answers no more."""
        hearing = asyncio.create_task(page.hear())
        telling = asyncio.create_task(self._tell(page, running, asked))
        try:
            await asyncio.wait({hearing, telling}, return_when=asyncio.FIRST_COMPLETED)
            failed = telling.exception() if telling.done() else None
            if isinstance(failed, TimeoutError):
                await page.close()
            elif failed is not None and not isinstance(failed, WebSocketDisconnect):
                _log.error("a page is told no more", exc_info=failed)
        finally:
            for task in (hearing, telling):
                task.cancel()
            await asyncio.gather(hearing, telling, return_exceptions=True)

    async def _tell(self, page: "_LivePage", running: _Running, asked: "_Asked") -> None:
        await page.send("hello", {"proto": PROTO, "page": self._site.static.page_hash})
        cursor, void, stood = 0, running.feed.state.void_version, asked.rows
        while True:
            changed, state = running.changed, running.feed.state
            if state.void_version > max(cursor, void):
                await page.send("reset", {"reason": state.void})
                cursor = state.version
                continue
            if stood and state.version:  # from here on the feed notices changes itself
                reason, stood = await self._why_void(asked), ""
                if reason:
                    await page.send("reset", {"reason": reason})
                    cursor = state.version
                    continue
            parts = state.since(cursor, asked.first) if state.version > cursor else {}
            if parts and not cursor:
                drawn = [name for name, part in state.wicks.items() if part.value is not None]
                wicks = parts.setdefault("wicks", {"id": []})
                wicks["gone"] = self._gone(asked.inst_id, drawn)
            if parts:
                await page.send("rows", parts)
                cursor = state.version
            else:
                await page.wait(changed)

    async def _why_void(self, asked: "_Asked") -> str:
        """Return why the rows of the page's view are void; empty: they are not."""
        loop = asyncio.get_running_loop()
        told = self._site.vault, asked.inst_id, asked.rows
        try:
            return await loop.run_in_executor(self._thread, why_void, *told)
        except RaveQuantError as failed:
            return self._site.public(str(failed))


class _Asked(NamedTuple):
    """The question of a page."""

    inst_id: str
    first: int  # Unix minute of its first column
    rows: str  # of its view, empty without


class _LivePage:
    """A page at its socket."""

    def __init__(self, socket: WebSocket, spans: LiveTimes, now_ms: Callable[[], int]) -> None:
        self._socket, self._times, self._now_ms = socket, spans, now_ms
        self._seq = 0
        self._acknowledged = 0
        self._heard = asyncio.Event()

    async def hear(self) -> None:
        """Take the acknowledgements of the page until it goes."""
        with suppress(WebSocketDisconnect):
            while True:
                number = _ack_of(await self._socket.receive_text())
                if number is not None and self._acknowledged < number <= self._seq:
                    self._acknowledged = number
                    self._heard.set()

    async def send(self, kind: str, parts: Row) -> None:
        """Send a message, and wait until the page has it. Raises TimeoutError."""
        async with asyncio.timeout(self._times.answer):
            number = await self._send(kind, parts)
            while self._acknowledged < number:
                self._heard.clear()
                await self.wait(self._heard)

    async def wait(self, event: asyncio.Event) -> None:
        """Wait for an event, and send a beat if it does not come for some time."""
        try:
            await asyncio.wait_for(event.wait(), self._times.beat)
        except TimeoutError:
            await self._send("beat", {})

    async def close(self) -> None:
        """Close the socket of a page that does not answer."""
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            async with asyncio.timeout(1):  # its buffers may be full
                await self._socket.close(_NO_ANSWER, f"no answer for {self._times.answer:g} s")

    async def _send(self, kind: str, parts: Row) -> int:
        self._seq += 1
        head = {"type": kind, "seq": self._seq, "now_ms": self._now_ms()}
        await self._socket.send_text(orjson.dumps({**head, **parts}).decode())
        return self._seq


def _ack_of(text: str) -> int | None:
    try:
        number: Any = orjson.loads(text)["ack"]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        return None
    return number if type(number) is int else None


def _asked(socket: WebSocket) -> _Asked:
    """Return the question of a page. Raises UsageError."""
    words = socket.query_params
    inst_id = check_inst_id(socket.path_params["inst_id"])
    rows = words.get("rows", "")
    stood = check_standing(rows) if rows else ""
    return _Asked(inst_id, _first_of(words.get("from", "0")), stood)


def _first_of(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise UsageError(f"from={text[:40]!r}: expected a Unix minute")
    return min(int(text), _LAST_MINUTE)
