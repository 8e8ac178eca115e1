"""The protocol of one connection, driven by hand: frames in, requests out, time as a number."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant.exchanges.base import (
    Channel,
    HandOver,
    Refused,
    Resubscribing,
    Subscribed,
    TradeRows,
    UnknownFrame,
)
from ravequant.exchanges.okx import session
from ravequant.exchanges.okx.messages import argument
from ravequant.exchanges.okx.session import OkxSession

BTC = Channel("trades", "BTC-USDT-SWAP")
ETH = Channel("trades", "ETH-USDT-SWAP")
ODD = Channel("trades", "ODD-USDT-SWAP")


def ack(channel, op="subscribe", **more):
    return orjson.dumps({"event": op, "arg": argument(channel), "connId": "a", **more})


def error(code, channel=None, request_id=""):
    body = {"event": "error", "code": code, "msg": "no", "id": request_id}
    return orjson.dumps(body | ({"arg": argument(channel)} if channel else {}))


def trade(channel, trade_id):
    row = {
        "instId": channel.inst_id, "tradeId": str(trade_id), "px": "1", "sz": "1", "side": "buy",
        "ts": "1786540436090",
    }  # fmt: skip
    return orjson.dumps({"arg": argument(channel), "data": [row]})


def asked(texts):
    """The requests among texts as (op, instruments)."""
    found = [orjson.loads(text) for text in texts if text != "ping"]
    return [(item["op"], [arg["instId"] for arg in item["args"]]) for item in found]


def opened(*channels, at=0.0):
    subject = OkxSession(channels)
    subject.opened(at)
    return subject


def live(*channels, at=0.0):
    subject = opened(*channels, at=at)
    subject.due(at)
    for channel in channels:
        subject.receive(ack(channel), at)
    return subject


def run(subject, start, end, frames=(), step=0.5):
    """Let time pass; ``frames`` maps a moment to a frame. Returns texts and events with times."""
    texts, events, now = [], [], start
    pending = sorted(frames)
    while now <= end:
        while pending and pending[0][0] <= now:
            moment, frame = pending.pop(0)
            events += [(moment, event) for event in subject.receive(frame, moment)]
        sent, happened = subject.due(now)
        texts += [(now, text) for text in sent]
        events += [(now, event) for event in happened]
        now += step
    return texts, events


def test_all_channels_are_asked_for_in_one_request():
    """One subscribe with both arguments, acknowledged one by one."""
    subject = opened(BTC, ETH)
    texts, events = subject.due(0.0)
    assert asked(texts) == [("subscribe", [BTC.inst_id, ETH.inst_id])]
    assert events == []
    assert subject.receive(ack(BTC), 0.1) == [Subscribed(BTC)]
    assert not subject.complete
    subject.receive(ack(ETH), 0.1)
    assert subject.complete


def test_a_missing_ack_is_asked_for_again_after_ten_seconds():
    """Only the argument without an answer is repeated."""
    subject = opened(BTC, ETH)
    subject.due(0.0)
    subject.receive(ack(ETH), 0.1)
    subject.receive(trade(ETH, 1), 9.0)
    assert asked(subject.due(9.9)[0]) == []
    assert asked(subject.due(10.0)[0]) == [("subscribe", [BTC.inst_id])]


def test_data_before_its_ack_is_accepted():
    """The rows go through, and no second subscribe follows."""
    subject = opened(BTC)
    subject.due(0.0)
    (event,) = subject.receive(trade(BTC, 7), 0.1)
    assert isinstance(event, TradeRows)
    assert subject.complete
    assert subject.delivering
    assert asked(subject.due(12.0)[0]) == []


def test_a_quiet_socket_is_pinged_and_given_up_without_pong():
    """A text ping well before 25 s of silence; without any answer the connection has failed."""
    subject = live(BTC)
    texts, _ = run(subject, 0.0, session.PING_AFTER_S)
    assert texts == [(session.PING_AFTER_S, "ping")]
    assert subject.failed is None
    run(subject, session.PING_AFTER_S, session.PING_AFTER_S + session.PONG_WITHIN_S)
    assert subject.failed == "no pong within 5 s"
    assert session.PING_AFTER_S + session.PONG_WITHIN_S <= 15.0


def test_a_pong_keeps_the_connection():
    """Any frame, a pong too, restarts the silence."""
    subject = live(BTC)
    run(subject, 0.0, 8.0)
    assert subject.receive(b"pong", 9.0) == []
    run(subject, 9.0, 16.5)
    assert subject.failed is None


def test_a_silent_channel_is_resubscribed_while_the_other_lives():
    """Trades of BTC stop, ETH goes on: unsubscribe, ack, subscribe, within 20 s."""
    subject = live(BTC, ETH)
    subject.receive(trade(BTC, 1), 0.0)
    frames = [(now / 2, trade(ETH, now)) for now in range(1, 60)]
    texts, events = run(subject, 0.5, 20.0, frames)
    assert asked(text for _, text in texts) == [("unsubscribe", [BTC.inst_id])]
    ((moment, _),) = [found for found in events if isinstance(found[1], Resubscribing)]
    assert moment <= 20.0
    subject.receive(ack(BTC, "unsubscribe"), 20.1)
    assert asked(subject.due(20.2)[0]) == [("subscribe", [BTC.inst_id])]


def test_an_illiquid_instrument_is_given_ten_times_its_spacing():
    """A trade every 10 s: no resubscribe before 100 s of silence."""
    subject = live(BTC)
    frames = [(10.0 * n, trade(BTC, n)) for n in range(10)] + [
        (90.0 + 5 * n, b"pong") for n in range(1, 30)
    ]
    _, events = run(subject, 0.5, 189.0, frames)
    assert not [event for _, event in events if isinstance(event, Resubscribing)]
    _, events = run(subject, 189.5, 191.0)
    assert [event for _, event in events if isinstance(event, Resubscribing)]


def test_the_replay_after_a_subscribe_is_no_activity():
    """Each resubscribe brings the last trade again: a quiet market is asked less and less often."""
    subject = live(BTC)
    subject.receive(trade(BTC, 7), 0.0)
    resubscribed, now = [], 0.0
    while now < 3600.0:
        now += 0.5
        subject.receive(b"pong", now)
        texts, events = subject.due(now)
        resubscribed += [now for event in events if isinstance(event, Resubscribing)]
        for op, _ in asked(texts):
            subject.receive(ack(BTC, op), now)
            if op == "subscribe":
                subject.receive(trade(BTC, 7), now)
    assert subject.failed is None
    assert resubscribed[:5] == pytest.approx([19.0, 57.0, 133.0, 285.0, 589.0], abs=3.0)
    assert len(resubscribed) < 12


def test_a_channel_that_stays_dead_ends_the_connection():
    """Resubscribed twice without a single row: a new connection is worth more than a third try."""
    subject = live(BTC)
    subject.receive(trade(BTC, 1), 0.0)
    now = 0.0
    while subject.failed is None and now < 600:
        now += 0.5
        subject.receive(b"pong", now)
        for op, _ in asked(subject.due(now)[0]):
            subject.receive(ack(BTC, op), now)
    assert subject.failed == "trades of BTC-USDT-SWAP stays silent"


def test_a_configuration_error_is_not_retried_fast():
    """60018 for one channel: the others live on, it is asked for again after minutes only."""
    subject = opened(BTC, ODD)
    subject.due(0.0)
    subject.receive(ack(BTC), 0.1)
    assert subject.receive(error("60018", ODD), 0.1) == [Refused(ODD, "60018", "no")]
    frames = [(now / 1.0, trade(BTC, now)) for now in range(1, 400)]
    texts, _ = run(subject, 0.5, 299.0, frames)
    assert asked(text for _, text in texts) == []
    texts, _ = run(subject, 299.5, 301.0, frames[299:])
    assert asked(text for _, text in texts) == [("subscribe", [ODD.inst_id])]


def test_an_error_that_names_no_channel_is_traced_one_by_one():
    """A refused batch is repeated argument by argument, so the good ones come through."""
    subject = opened(BTC, ODD)
    (text,), _ = subject.due(0.0)
    subject.receive(error("60018", request_id=orjson.loads(text)["id"]), 0.1)
    texts, _ = subject.due(0.2)
    assert asked(texts) == [("subscribe", [BTC.inst_id]), ("subscribe", [ODD.inst_id])]
    subject.receive(ack(BTC), 0.3)
    found = subject.receive(error("60018", request_id=orjson.loads(texts[1])["id"]), 0.3)
    assert found == [Refused(ODD, "60018", "no")]
    assert subject.complete


def test_too_frequent_requests_are_followed_by_quiet():
    """60014 carries neither id nor channel: nothing is asked for half a minute."""
    subject = opened(BTC)
    subject.due(0.0)
    subject.receive(error("60014"), 0.1)
    texts, _ = run(subject, 0.5, 29.5, [(now / 1.0, b"pong") for now in range(1, 30)])
    assert asked(text for _, text in texts) == []
    assert asked(subject.due(31.0)[0]) == [("subscribe", [BTC.inst_id])]


def test_notice_64008_asks_for_a_hand_over():
    """The client opens the next connection; other notices are only reported."""
    subject = live(BTC)
    notice = b'{"event":"notice","code":"64008","msg":"upgrade"}'
    assert subject.receive(notice, 1.0) == [HandOver("upgrade", "Notice 64008")]


def test_rows_of_a_channel_nobody_asked_for_are_kept_out():
    """They are reported as strange and never reach the application as data."""
    subject = live(BTC)
    (event,) = subject.receive(trade(ETH, 1), 1.0)
    assert isinstance(event, UnknownFrame)


@pytest.mark.parametrize("answer", ["none", "ack", "error"])
def test_no_hour_sees_more_than_480_requests_or_200_resubscribes(answer):
    """Sixty dead channels, deaf, acknowledged or refused: the pace holds in every hour."""
    channels = [Channel("trades", f"C{n}-USDT-SWAP") for n in range(60)]
    subject = opened(*channels)
    requests, resubscribes, now = [], [], 0.0
    while now < 9000.0:
        now += 1.0
        subject.receive(b"pong", now)
        texts, events = subject.due(now)
        resubscribes += [now for event in events if isinstance(event, Resubscribing)]
        for text in texts:
            if text == "ping":
                continue
            requests.append(now)
            body = orjson.loads(text)
            if answer == "error":
                subject.receive(error("60018", request_id=body["id"]), now)
            for arg in body["args"] if answer == "ack" else ():
                channel = Channel(arg["channel"], arg["instId"])
                subject.receive(ack(channel, body["op"]), now)
                subject.receive(trade(channel, 1), now)
    for moments, limit in ((requests, 480), (resubscribes, 200)):
        for start in moments:
            assert sum(start <= moment < start + 3600 for moment in moments) <= limit
    assert requests


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(
            [
                b"pong", b"{", ack(BTC), ack(ETH), ack(BTC, "unsubscribe"), trade(BTC, 5),
                trade(ETH, 6), error("60014"), error("60018", BTC), error("63999"),
                error("60018", request_id="s1"), error("60012", request_id="u2"), None,
            ]
        ),
        max_size=80,
    )
)  # fmt: skip
def test_after_any_history_the_session_recovers_once_the_exchange_answers(history):
    """Whatever was received, an exchange that answers gets both channels live again."""
    subject, now = opened(BTC, ETH), 0.0
    for frame in history:
        now += 0.7
        if frame is not None:
            subject.receive(frame, now)
        subject.due(now)
        assert subject.wake_at(now) > now - 1e-9 or subject.failed
    if subject.failed:
        return
    number = 10
    for _ in range(1500):
        now += 0.5
        number += 1
        texts, _ = subject.due(now)
        subject.receive(b"pong", now)
        for op, names in asked(texts):
            for name in names:
                subject.receive(ack(Channel("trades", name), op), now)
        for channel in (BTC, ETH):
            subject.receive(trade(channel, number), now)
    assert subject.complete
    assert subject.failed is None
