"""The running market of the local exchange: its clock, its subscribers and their frames."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ravequant import exact
from ravequant.records import Trade
from ravequant.sim import frames
from ravequant.sim.context import ContextMarket, Push
from ravequant.sim.faultplan import FaultPlan, Frame
from ravequant.sim.faults import Fault
from ravequant.sim.feed import BookChange, Feed, KnowsFills, KnowsWalls
from ravequant.sim.framelog import FrameLog
from ravequant.sim.history import TradeHistory
from ravequant.sim.sessions import ChannelRequest, ClientSession, Key, Subscription
from ravequant.sim.sockets import Socket

BOOK_MS: Final = 100  # the books channels push this often
_FINE_MS: Final = 20
_COARSE_MS: Final = 1_000
_HEARTBEAT_MS: Final = 60_000
_BOOK_ORDER: Final = ("bbo-tbt", "books", "books5")  # order on one connection (v5 reference)


class MarketClock:
    """Market time: from `start` on it runs ``speed`` times as fast as wall time.

    With ``speed`` None it runs as fast as the clients take it.
    """

    def __init__(self, start_ms: int, speed: float | None) -> None:
        self.start_ms = start_ms
        self.speed = speed
        self._started_s: float | None = None

    def start(self, wall_s: float) -> None:
        """Start market time at this wall time (seconds)."""
        self._started_s = wall_s

    def target_ms(self, wall_s: float) -> int:
        """Return the market time that is due at a wall time."""
        if self._started_s is None or self.speed is None:
            return self.start_ms
        return self.start_ms + int((wall_s - self._started_s) * 1_000 * self.speed)

    def step_ms(self, *, books: bool) -> int:
        """Return the market time of one step: never across a push of a book with readers."""
        if self.speed is None:
            return BOOK_MS if books else _COARSE_MS
        return _FINE_MS if self.speed <= 2 else BOOK_MS

    def pause_s(self, step_ms: int) -> float:
        """Return the wall time of a step, at least 5 ms."""
        return max(step_ms / 1_000 / (self.speed or 1), 0.005)


@dataclass(eq=False, slots=True)
class Subscriber:
    """One client: its number in order of arrival, its socket and its subscriptions."""

    number: int
    socket: Socket
    session: ClientSession


class Trading:
    """The market as clients see it; ``now_ms`` is its time, ``opened_ms`` the time of its start."""

    def __init__(self, feed: Feed, opened_ms: int, plan: FaultPlan, log: FrameLog) -> None:
        self.opened_ms = opened_ms
        self.now_ms = opened_ms
        self._feed = feed
        self._plan = plan
        self._log = log
        self._histories = {inst_id: TradeHistory() for inst_id in feed.instruments}
        self._readers: dict[Key, dict[Subscriber, Subscription]] = defaultdict(dict)
        self._books_ms = 0  # market time of the newest look at the books
        self._seq_ids: dict[str, int] = {}  # newest of each book
        self._pushed_ms: dict[Key, int] = {}  # market time of the newest push of each book channel
        self._small_books: dict[Key, BookChange] = {}
        self.context = ContextMarket(feed.instruments)
        for inst_id, trade in feed.trades(opened_ms):
            self._histories[inst_id].append(trade)
            log.trade("history", inst_id, trade)

    @property
    def elapsed_ms(self) -> int:
        """Return the market time since the start."""
        return self.now_ms - self.opened_ms

    def readers(self, *channels: str) -> int:
        """Return the number of subscriptions to these channels."""
        return sum(len(found) for key, found in self._readers.items() if key[0] in channels)

    @property
    def has_book_readers(self) -> bool:
        """Return True if a client follows a book."""
        return any(found for key, found in self._readers.items() if key[0] in _BOOK_ORDER)

    # -- requests of REST

    def instrument_rows(self) -> list[Mapping[str, Any]]:
        """Return the rows of all instruments, as they are shown now."""
        rows = self._feed.instruments.values()
        return [self._plan.instrument(row, self.elapsed_ms) for row in rows]

    def history(self, inst_id: str) -> TradeHistory | None:
        """Return the published trades of an instrument; None if there is no such instrument."""
        return self._histories.get(inst_id)

    def split(self, inst_id: str) -> Callable[[Trade], list[Trade]]:
        """Return the function that splits a record of the instrument into single fills."""
        lot = exact.units(self._feed.instruments[inst_id]["lotSz"], exact.SIZE_PLACES)
        return partial(self._split, inst_id, lot)

    def _split(self, inst_id: str, lot: int, trade: Trade) -> list[Trade]:
        known = None
        if trade.count > 1 and isinstance(self._feed, KnowsFills):
            known = self._feed.fill_sizes(inst_id, trade.trade_id)
        return frames.fills(trade, known, lot)

    def book(self, inst_id: str, depth: int) -> BookChange | None:
        """Return the book as it stands."""
        self._look_at_books()
        return self._feed.snapshot(inst_id, depth)

    # -- requests of clients

    def ask(self, client: Subscriber, ask: ChannelRequest) -> None:
        """Subscribe or unsubscribe, acknowledge, and send the first row or book."""
        session = client.session
        ack = frames.event(ask.op, ask.arg, session.connection_id, ask.request_id)
        if ask.op == "unsubscribe":
            session.subscriptions.pop(ask.key, None)
            self._readers[ask.key].pop(client, None)
            client.socket.send(ack)
            return
        fault = self._plan.ack(client.number, *ask.key, self.elapsed_ms)
        kind = "" if fault is None else fault.kind
        self._log.note("subscribe", connection=client.number, arg=ask.arg, fault=kind)
        if fault is not None and kind == "subscribe-error":
            code = str(fault.code or 63999)
            error = frames.error(code, fault.msg, session.connection_id, ask.request_id)
            client.socket.send(error)
            return
        self._acknowledge(client, ack, fault)
        if ask.key not in session.subscriptions:  # asked again: an ack, no second copy
            subscription = Subscription(*ask.key, self.elapsed_ms)
            session.subscriptions[ask.key] = subscription
            self._first(client, subscription)
            if client.socket.open:
                self._readers[ask.key][client] = subscription

    def _acknowledge(self, client: Subscriber, ack: bytes, fault: Fault | None) -> None:
        kind = "" if fault is None else fault.kind
        if kind == "unknown-event":
            client.socket.send(frames.unknown_event(client.session.connection_id))
        if fault is not None and kind == "ack-delay":
            loop = asyncio.get_running_loop()
            loop.call_later(fault.delay_ms / 1_000, _send_late, client.socket, ack)
        elif kind != "ack-missing":
            client.socket.send(ack)

    def _first(self, client: Subscriber, subscription: Subscription) -> None:
        """Send the newest trade or the book at once, as OKX does."""
        channel, inst_id = subscription.key
        if channel in frames.CONTEXT:
            self._first_of_context(client, subscription)
            return
        history = self._histories[inst_id]
        if channel == "trades" and len(history):
            newest = history.record(-1)
            payload = frames.trades(inst_id, newest, self._seq_ids.get(inst_id, newest.trade_id))
            self._deliver(client, subscription, payload, _ids(newest))
        elif channel == "trades-all":
            for fill in history.newest(1, self.split(inst_id)):
                self._deliver(client, subscription, frames.trades_all(inst_id, fill), _ids(fill))
        elif channel in _BOOK_ORDER:
            self._look_at_books()
            self._send_book(client, subscription)

    def _first_of_context(self, client: Subscriber, subscription: Subscription) -> None:
        """Send the newest row of a context feed; with the first subscriber the feeds begin."""
        newest = {name: past.record(-1).price for name, past in self._histories.items() if past}
        self.context.start(self.now_ms, newest)
        push = self.context.first(*subscription.key, self.now_ms)
        if push is not None:
            self._deliver(client, subscription, push.payload, push.facts)

    def leave(self, client: Subscriber) -> None:
        """Forget a connection that is gone."""
        for key in client.session.subscriptions:
            self._readers[key].pop(client, None)
        for frame in self._plan.forget(client.number):
            self._log.lost(frame)

    def _send_book(self, client: Subscriber, subscription: Subscription) -> None:
        channel, inst_id = subscription.key
        depth = frames.BOOK_DEPTHS.get(channel, 400)
        book = self._feed.snapshot(inst_id, depth)
        if book is None:
            return
        small = channel in frames.BOOK_DEPTHS
        payload = frames.small_book(channel, book) if small else frames.books(book)
        self._seq_ids[inst_id] = book.seq_id
        self._pushed_ms.setdefault(subscription.key, self.now_ms)
        self._deliver(client, subscription, payload, _sequence(book))

    # -- the course of the market

    def step(self, until_ms: int, *, last: bool = False) -> None:
        """Go on to ``until_ms`` and send the new trades, and the books every 100 ms."""
        self.now_ms = until_ms
        for inst_id, trade in self._feed.trades(until_ms):
            self._publish_trade(inst_id, trade)
            if self.context.running:
                self.context.trade(inst_id, trade)
        for push in self.context.until(until_ms):
            self._publish_context(push)
        if self._log.on and isinstance(self._feed, KnowsWalls):
            for inst_id, change in self._feed.wall_changes():
                self._log.wall(inst_id, change)
        if self.has_book_readers and (last or until_ms >= self._books_ms + BOOK_MS):
            self._publish_books()

    def _publish_trade(self, inst_id: str, trade: Trade) -> None:
        self._histories[inst_id].append(trade)
        self._log.trade("trade", inst_id, trade)
        readers = self._readers.get(("trades", inst_id))
        if readers:
            payload = frames.trades(inst_id, trade, self._seq_ids.get(inst_id, trade.trade_id))
            facts = _ids(trade)
            for client, subscription in tuple(readers.items()):
                self._deliver(client, subscription, payload, facts)
        readers = self._readers.get(("trades-all", inst_id))
        if readers:
            for fill in self.split(inst_id)(trade):
                payload = frames.trades_all(inst_id, fill)
                for client, subscription in tuple(readers.items()):
                    self._deliver(client, subscription, payload, _ids(fill))

    def _publish_context(self, push: Push) -> None:
        if push.channel == frames.LIQUIDATIONS:
            self._log.note("liquidations", **push.facts)
        key = push.channel, push.name
        for client, subscription in tuple(self._readers.get(key, {}).items()):
            self._deliver(client, subscription, push.payload, push.facts)

    def _look_at_books(self) -> None:
        """Bring the books up to now where no client followed them, without sending the changes."""
        if not self.has_book_readers and self._books_ms < self.now_ms:
            self._books_ms = self.now_ms
            for change in self._feed.books(self.now_ms):
                self._seq_ids[change.inst_id] = change.seq_id

    def _publish_books(self) -> None:
        self._books_ms = self.now_ms
        changed = set()
        for change in self._feed.books(self.now_ms):
            self._seq_ids[change.inst_id] = change.seq_id
            changed.add(change.inst_id)
            self._publish_change(change)
        for key in [key for key, readers in self._readers.items() if readers]:
            if key[0] in frames.BOOK_DEPTHS and key[1] in changed:
                self._publish_small_book(key)
            if key[0] in _BOOK_ORDER and self.now_ms - self._pushed(key) >= _HEARTBEAT_MS:
                self._publish_heartbeat(key)

    def _pushed(self, key: Key) -> int:
        return self._pushed_ms.setdefault(key, self.now_ms)

    def _publish_change(self, change: BookChange) -> None:
        key = "books", change.inst_id
        readers = self._readers.get(key)
        if not readers:
            return
        self._pushed_ms[key] = self.now_ms
        payload = frames.books(change)
        for client, subscription in tuple(readers.items()):
            self._deliver(client, subscription, payload, _sequence(change))

    def _publish_small_book(self, key: Key) -> None:
        """Push a ``books5`` or ``bbo-tbt`` if its levels changed."""
        channel, inst_id = key
        book = self._feed.snapshot(inst_id, frames.BOOK_DEPTHS[channel])
        before = self._small_books.get(key)
        if book is None or (before and (before.bids, before.asks) == (book.bids, book.asks)):
            return
        self._small_books[key] = book
        self._push(key, frames.small_book(channel, book), _sequence(book))

    def _publish_heartbeat(self, key: Key) -> None:
        channel, inst_id = key
        if channel == "books" and inst_id in self._seq_ids:
            beat = frames.heartbeat(inst_id, self.now_ms, self._seq_ids[inst_id])
            self._push(key, frames.books(beat), _sequence(beat))
        elif key in self._small_books:
            book = self._small_books[key]
            self._push(key, frames.small_book(channel, book), _sequence(book))

    def _push(self, key: Key, payload: bytes, facts: Mapping[str, Any]) -> None:
        self._pushed_ms[key] = self.now_ms
        for client, subscription in tuple(self._readers[key].items()):
            self._deliver(client, subscription, payload, facts)

    # -- delivery of frames

    def _deliver(
        self,
        client: Subscriber,
        subscription: Subscription,
        payload: bytes,
        facts: Mapping[str, Any],
    ) -> None:
        channel, inst_id = subscription.key
        if not self._plan:
            fate = "sent" if client.socket.send(payload) else "lost"
            self._log.frame(client.number, channel, inst_id, facts, fate)
            return
        since = subscription.since_ms
        frame = Frame(client.number, channel, inst_id, payload, facts, since)
        treatment = self._plan.frame(frame, self.elapsed_ms)
        for fate, treated, sent in treatment.deliveries:
            gone = sent is not None and not client.socket.send(sent)
            settled = "lost" if gone else fate
            self._log.frame(client.number, channel, inst_id, treated.facts, settled)
        if treatment.strike is not None:
            self.strike(client, treatment.strike)

    def strike(self, client: Subscriber, fault: Fault) -> None:
        """Carry out a disconnect or a notice on a connection."""
        self._log.note("fault", connection=client.number, fault=fault.kind, how=fault.how)
        if fault.kind == "notice":
            client.socket.send(frames.notice(client.session.connection_id))
            loop = asyncio.get_running_loop()
            loop.call_later(fault.delay_ms / 1_000, client.socket.close, fault.code or 1000)
            return
        self.leave(client)
        match fault.how:
            case "close":
                client.socket.close(fault.code or 1000)
            case "reset":
                client.socket.reset()
            case "half-open":
                client.socket.fall_silent()
            case _:
                client.socket.drop()


def _send_late(socket: Socket, payload: bytes) -> None:
    socket.send(payload)
    socket.flush()


def _ids(trade: Trade) -> dict[str, int]:
    return {"first": trade.first_id, "last": trade.trade_id}


def _sequence(change: BookChange) -> dict[str, Any]:
    return {"ts": change.ts, "seqId": change.seq_id, "prevSeqId": change.prev_seq_id}
