"""The running market: its clock, and the frames that subscribers get."""

from itertools import pairwise
from typing import Any

import orjson
import pytest

from ravequant.sim.faultplan import FaultPlan
from ravequant.sim.framelog import FrameLog
from ravequant.sim.market import ModelMarket
from ravequant.sim.sessions import ChannelRequest, ClientSession
from ravequant.sim.trading import BOOK_MS, MarketClock, Subscriber, Trading

BTC = "BTC-USDT-SWAP"


def test_market_time_runs_at_its_speed_from_its_start():
    """Before the start it stands still."""
    clock = MarketClock(1_000, 10.0)
    assert clock.target_ms(5.0) == 1_000
    clock.start(100.0)
    assert clock.target_ms(100.5) == 6_000


def test_without_a_speed_the_clock_names_no_time():
    """The market then goes on as fast as its clients take it."""
    clock = MarketClock(1_000, None)
    clock.start(0.0)
    assert clock.target_ms(99.0) == 1_000


@pytest.mark.parametrize(
    ("speed", "books", "step_ms"),
    [(None, True, 100), (None, False, 1_000), (1.0, True, 20), (2.0, False, 20), (5.0, True, 100)],
)
def test_a_step_never_crosses_a_push_of_books(speed, books, step_ms):
    """Fine steps at the market's own pace, coarse steps where there are no readers of books."""
    assert MarketClock(0, speed).step_ms(books=books) == step_ms


def test_a_pause_is_five_milliseconds_at_least():
    """However fast the market."""
    assert MarketClock(0, 1.0).pause_s(20) == 0.02
    assert MarketClock(0, 1_000.0).pause_s(100) == 0.005


class MadeSocket:
    """Keeps what was sent."""

    open = True

    def __init__(self):
        self.sent = []

    def send(self, payload):
        self.sent.append(orjson.loads(payload))
        return True


@pytest.fixture
def trading():
    market = ModelMarket(1, (BTC,), rows_per_second=50)
    return Trading(market, market.start_ms + 1_000, FaultPlan(), FrameLog(None))


def subscribed(trading, channel):
    socket: Any = MadeSocket()
    session = ClientSession("/ws/v5/public", "c1", frozenset({BTC}))
    subscriber = Subscriber(1, socket, session)
    arg = {"channel": channel, "instId": BTC}
    trading.ask(subscriber, ChannelRequest("subscribe", arg, "a1"))
    return subscriber


def test_a_subscriber_gets_an_ack_the_newest_trade_and_then_each_trade(trading):
    """Ids go on from the history without a hole."""
    socket = subscribed(trading, "trades").socket
    ack, newest = socket.sent
    assert (ack["event"], ack["id"]) == ("subscribe", "a1")
    last = trading.history(BTC).record(-1).trade_id
    assert newest["data"][0]["tradeId"] == str(last)
    trading.step(trading.now_ms + 2_000)
    rows = [message["data"][0] for message in socket.sent[2:]]
    for row in rows:
        assert int(row["tradeId"]) - int(row["count"]) == last
        last = int(row["tradeId"])
    assert len(rows) > 20


def test_a_reader_of_books_gets_a_snapshot_and_a_chain_every_100_ms(trading):
    """No update in between."""
    socket = subscribed(trading, "books").socket
    assert trading.has_book_readers
    trading.step(trading.now_ms + BOOK_MS)
    trading.step(trading.now_ms + BOOK_MS // 2)
    seen = len(socket.sent)
    trading.step(trading.now_ms + BOOK_MS // 2)
    assert len(socket.sent) == seen + 1
    messages = socket.sent[1:]
    assert [message["action"] for message in messages] == ["snapshot", "update", "update"]
    for before, after in pairwise(messages):
        assert after["data"][0]["prevSeqId"] == before["data"][0]["seqId"]


def test_who_has_left_or_unsubscribed_gets_nothing_more(trading):
    """Neither counts as a reader."""
    gone, quiet = subscribed(trading, "trades"), subscribed(trading, "trades")
    assert trading.readers("trades") == 2
    trading.leave(gone)
    arg = {"channel": "trades", "instId": BTC}
    trading.ask(quiet, ChannelRequest("unsubscribe", arg, None))
    assert trading.readers("trades") == 0
    seen = len(gone.socket.sent), len(quiet.socket.sent)
    trading.step(trading.now_ms + 1_000)
    assert (len(gone.socket.sent), len(quiet.socket.sent)) == seen
