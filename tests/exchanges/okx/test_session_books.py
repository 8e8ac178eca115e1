"""A subscription that begins whole: when a whole book is asked for anew, and how often."""

import itertools
from typing import Any

import orjson
import pytest

from ravequant.exchanges.base import Channel, ChannelData, Resubscribing, SessionEvent
from ravequant.exchanges.okx.messages import argument
from ravequant.exchanges.okx.session import OkxSession

BTC = Channel("books", "BTC-USDT-SWAP")
ETH = Channel("books", "ETH-USDT-SWAP")
MS = 1 / 1024  # seconds; exact as a float


def ack(channel: Channel, op: str = "subscribe") -> bytes:
    return orjson.dumps({"event": op, "arg": argument(channel), "connId": "a"})


def book(channel: Channel, action: str = "update") -> bytes:
    return orjson.dumps({"arg": argument(channel), "action": action, "data": [{}]})


def asked(texts: list[str]) -> list[tuple[str, list[str]]]:
    found = [orjson.loads(text) for text in texts if text != "ping"]
    return [(one["op"], [arg["instId"] for arg in one["args"]]) for one in found]


def live(*channels: Channel) -> OkxSession:
    """Return a session at 0.0 whose books are whole."""
    subject = OkxSession(channels)
    subject.opened(0.0)
    subject.due(0.0)
    for channel in channels:
        subject.receive(ack(channel), 0.0)
        subject.receive(book(channel, "snapshot"), 0.0)
    return subject


def answer(subject: OkxSession, channel: Channel, now: float) -> list[tuple[str, list[str]]]:
    """Let the exchange answer a renewal at once, with a snapshot; what was asked for."""
    found = asked(subject.due(now)[0])
    subject.receive(ack(channel, "unsubscribe"), now)
    found += asked(subject.due(now)[0])
    subject.receive(ack(channel), now)
    subject.receive(book(channel, "snapshot"), now)
    return found


def test_renewal_is_unsubscribe_then_subscribe_of_that_book_only():
    """At once, each step after the ack of the one before; the other book is left alone."""
    subject = live(BTC, ETH)
    subject.renew(BTC, 5.0)
    assert subject.wake_at(5.0) <= 5.0
    texts, events = subject.due(5.0)
    assert asked(texts) == [("unsubscribe", ["BTC-USDT-SWAP"])]
    assert events == [Resubscribing(BTC, 5.0, "a whole book is wanted")]
    assert subject.due(5.0)[0] == []
    subject.receive(ack(BTC, "unsubscribe"), 5.1)
    assert asked(subject.due(5.1)[0]) == [("subscribe", ["BTC-USDT-SWAP"])]
    assert isinstance(subject.receive(book(ETH), 5.2)[0], ChannelData)


def test_one_renewal_is_in_flight():
    """Whatever the book says meanwhile, from the wish to the snapshot nothing more is asked."""
    subject = live(BTC)
    sent: list[str] = []
    subject.renew(BTC, 5.0)
    subject.renew(BTC, 5.0)
    sent += subject.due(5.0)[0]
    subject.renew(BTC, 5.1)
    sent += subject.due(5.1)[0]
    subject.receive(ack(BTC, "unsubscribe"), 5.2)
    subject.renew(BTC, 5.2)
    sent += subject.due(5.2)[0]
    subject.renew(BTC, 5.3)
    subject.receive(ack(BTC), 5.4)
    subject.renew(BTC, 5.4)  # acknowledged, its snapshot is on the way
    sent += subject.due(5.4)[0]
    subject.receive(book(BTC, "snapshot"), 5.5)
    sent += subject.due(5.6)[0]
    assert [op for op, _ in asked(sent)] == ["unsubscribe", "subscribe"]


def test_book_that_does_not_come_is_asked_for_again():
    """Ten seconds after the ack without a snapshot, though updates flow; then less often."""
    subject = OkxSession([BTC])
    subject.opened(0.0)
    subject.due(0.0)
    subject.receive(ack(BTC), 0.0)
    for second in range(1, 10):
        subject.receive(book(BTC), float(second))
        assert subject.due(float(second))[0] == []
    subject.receive(book(BTC), 9.9)
    texts, events = subject.due(10.0)
    assert asked(texts) == [("unsubscribe", ["BTC-USDT-SWAP"])]
    assert next(event for event in events if isinstance(event, Resubscribing)).reason == (
        "no snapshot has come"
    )


def test_trades_are_not_waited_for_as_a_whole():
    """Only books begin with a snapshot."""
    trades = Channel("trades", "BTC-USDT-SWAP")
    subject = OkxSession([trades])
    subject.opened(0.0)
    subject.due(0.0)
    subject.receive(ack(trades), 0.0)
    assert asked(subject.due(12.0)[0]) == []


def test_renewal_of_an_unknown_channel_does_nothing():
    """Nobody subscribed to it here."""
    subject = live(BTC)
    subject.renew(ETH, 1.0)
    assert subject.due(1.0) == ([], [])


@pytest.mark.parametrize("soundness_s", [0.1, 1.0, 3.0, 10.0])
def test_a_feed_that_breaks_for_ever_is_no_storm(soundness_s: float):
    """Never over 200 renewals in an hour, whatever breaks and however often; and never an end."""
    subject, now, renewed = live(BTC), 0.0, [-1e9]
    while now < 3 * 3600.0:
        now += soundness_s
        subject.receive(book(BTC), now)
        subject.renew(BTC, now)
        now = max(now, subject.wake_at(now))
        if answer(subject, BTC, now):
            renewed.append(now)
    made = [moment for moment in renewed if moment >= 0]
    worst = max(sum(start <= moment < start + 3600 for moment in made) for start in made)
    assert worst <= 200
    assert max(after - before for before, after in itertools.pairwise(made)) < 120
    assert made[0] == soundness_s


def test_requests_of_many_broken_books_are_batched():
    """Ninety books that break at once cost one request to leave, and each is asked for once."""
    channels = [Channel("books", f"C{number}-USDT-SWAP") for number in range(90)]
    subject = live(*channels)
    for channel in channels:
        subject.renew(channel, 100.0)
    first: list[Any] = asked(subject.due(100.0)[0])
    assert [(op, len(names)) for op, names in first] == [("unsubscribe", 90)]


def renewed_at(subject: OkxSession, moment: float) -> list[SessionEvent]:
    """Nothing is asked for a millisecond before ``moment``; return the events of then."""
    early = moment - MS
    subject.receive(book(BTC), early)
    assert subject.due(early) == ([], [])
    assert subject.wake_at(early) == moment
    texts, events = subject.due(moment)
    assert asked(texts) == [("unsubscribe", ["BTC-USDT-SWAP"])]
    return events


def subscribed_again(subject: OkxSession, now: float) -> None:
    subject.receive(ack(BTC, "unsubscribe"), now)
    subject.due(now)
    subject.receive(ack(BTC), now)


def test_a_snapshot_is_waited_for_10_seconds_then_twice_as_long_each_time():
    """Up to 320 s; updates meanwhile are no snapshot."""
    subject, now = OkxSession([BTC]), 0.0
    subject.opened(now)
    subject.due(now)
    subject.receive(ack(BTC), now)
    for patience in (10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 320.0):
        for second in range(5, int(patience), 5):
            subject.receive(book(BTC), now + second)
        now += patience
        assert renewed_at(subject, now) == [Resubscribing(BTC, MS, "no snapshot has come")]
        subscribed_again(subject, now)


def test_the_tenth_book_that_breaks_at_once_is_the_last_asked_for_soon():
    """Each 50 ms later than the one before, then 2 s, 4 s and so on up to 32.

    A crossed book lasts a while, and no answer before its end is of use. A book that lasts half a
    second ends all that.
    """
    subject, now = live(BTC), 0.0
    at_once = [(0.499, 0.05 * number) for number in range(10)]
    slower = [(0.499, wait) for wait in (2.0, 4.0, 8.0, 16.0, 32.0, 32.0)]
    for lasted, wait in (*at_once, *slower, (0.5, 0.0), *at_once, slower[0]):
        now += lasted
        subject.receive(book(BTC), now)
        subject.renew(BTC, now)
        now += wait
        if wait:
            renewed_at(subject, now)
        else:
            assert subject.wake_at(now) == now
            assert asked(subject.due(now)[0]) == [("unsubscribe", ["BTC-USDT-SWAP"])]
        subscribed_again(subject, now)
        now = round(now + 1.0)
        subject.receive(book(BTC, "snapshot"), now)


def test_a_whole_book_is_wanted_of_a_live_channel_only():
    """While one is asked for, or given up, a wish changes nothing."""
    subject = OkxSession([BTC])
    subject.opened(0.0)
    subject.renew(BTC, 0.0)
    assert asked(subject.due(0.0)[0]) == [("subscribe", ["BTC-USDT-SWAP"])]
    subject.renew(BTC, 0.1)
    subject.receive(ack(BTC), 0.2)
    subject.receive(book(BTC, "snapshot"), 0.2)
    assert subject.due(0.2) == ([], [])
    assert subject.wake_at(0.2) == 8.2  # a ping


def test_a_silent_book_is_stale_like_any_other_channel():
    """Nineteen seconds after its last row."""
    subject = live(BTC)
    subject.receive(book(BTC), 1.0)
    subject.receive(b"pong", 12.0)
    assert subject.due(19.999) == ([], [])
    assert subject.due(20.0)[1] == [Resubscribing(BTC, 19.0, "silent")]


def test_renewals_count_among_the_120_resubscribes_before_the_pace():
    """A hundred and thirty books break at once: ten wait, 45 seconds apart."""
    channels = [Channel("books", f"C{number}-USDT-SWAP") for number in range(130)]
    subject = live(*channels)
    for channel in channels:
        subject.renew(channel, 5.0)
    events = subject.due(5.0)[1]
    assert events == [
        Resubscribing(channel, 5.0, "a whole book is wanted") for channel in channels[:120]
    ]
    for channel in channels:
        subject.receive(book(channel), 49.0)
    assert subject.due(49.999)[1] == []
    (event,) = subject.due(50.0)[1]
    assert event == Resubscribing(channels[120], 1.0, "a whole book is wanted")
