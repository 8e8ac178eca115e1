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


def pending(subject, moment):
    """Nothing is due a millisecond before ``moment``; return what is then, without pings."""
    early = round(moment - 0.001, 3)
    subject.receive(b"pong", early)
    assert subject.due(early) == ([], [])
    assert subject.wake_at(early) == moment
    texts, events = subject.due(moment)
    return asked(texts), events


def names(first, last):
    return [Channel("trades", f"C{number}-USDT-SWAP") for number in range(first, last)]


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


# -- times, to the millisecond


def test_a_ping_follows_8_seconds_of_silence_and_an_end_5_more():
    """Counted from the last frame; one ping, however often the time is looked at."""
    subject = live(BTC, at=100.0)
    subject.receive(b"pong", 101.0)
    assert subject.wake_at(101.0) == 109.0
    assert subject.due(108.999) == ([], [])
    assert subject.due(109.0) == (["ping"], [])
    assert subject.wake_at(109.0) == 114.0
    assert subject.due(113.999) == ([], [])
    assert subject.failed is None
    assert subject.due(114.0) == ([], [])
    assert subject.failed == "no pong within 5 s"


def test_the_answer_to_a_ping_begins_the_silence_anew():
    """At the last moment, and the next ping is 8 seconds later."""
    subject = live(BTC)
    subject.receive(trade(BTC, 1), 5.0)
    assert subject.due(13.0) == (["ping"], [])
    subject.receive(b"pong", 17.999)
    assert subject.wake_at(17.999) == 24.0  # when the channel is stale
    assert subject.due(18.0) == ([], [])
    assert subject.failed is None


def test_a_request_without_answer_is_repeated_ever_later():
    """After 10 s, 20 s and so on up to a minute; an answer begins the count anew."""
    subject, moment = opened(BTC), 0.0
    subject.due(moment)
    for wait in (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 60.0):
        moment += wait
        assert pending(subject, moment) == ([("subscribe", [BTC.inst_id])], [])
    subject.receive(ack(BTC), moment)
    subject.receive(trade(BTC, 1), moment)
    moment += 19.0
    found, events = pending(subject, moment)
    assert (found, events) == ([("unsubscribe", [BTC.inst_id])], [Resubscribing(BTC, 19.0)])
    moment += 10.0
    assert pending(subject, moment) == ([("subscribe", [BTC.inst_id])], [])


@pytest.mark.parametrize(("rows", "patience"), [(1, 19.0), (3, 19.0), (4, 100.0)])
def test_a_channel_is_stale_after_19_s_or_ten_times_its_spacing(rows, patience):
    """Three spacings make a median; the first row has none."""
    subject = live(BTC)
    for number in range(rows):
        subject.receive(trade(BTC, number), 1.0 + 10 * number)
    last = 1.0 + 10 * (rows - 1)
    found, events = pending(subject, last + patience)
    assert found == [("unsubscribe", [BTC.inst_id])]
    assert events == [Resubscribing(BTC, patience)]


@pytest.mark.parametrize(("quick", "patience"), [(16, 100.0), (17, 20.0)])
def test_the_spacing_is_the_median_of_the_newest_33(quick, patience):
    """Seventeen spacings of 10 s, then as many of 2 s."""
    subject, now = live(BTC), 0.0
    for number, spacing in enumerate([1.0, *[10.0] * 17, *[2.0] * quick]):
        now += spacing
        subject.receive(trade(BTC, number), now)
    assert pending(subject, now + patience)[1] == [Resubscribing(BTC, patience)]


def test_a_quiet_market_is_asked_less_often_up_to_ten_minutes():
    """Each resubscribe without a new row doubles the patience, five times; a new row ends that."""
    subject, now = live(BTC), 0.0
    subject.receive(trade(BTC, 7), now)
    for patience in (19.0, 38.0, 76.0, 152.0, 304.0, 608.0, 608.0):
        now += patience
        assert pending(subject, now)[1] == [Resubscribing(BTC, patience)]
        subject.receive(ack(BTC, "unsubscribe"), now)
        assert asked(subject.due(now)[0]) == [("subscribe", [BTC.inst_id])]
        subject.receive(ack(BTC), now)
        subject.receive(trade(BTC, 7), now)
    subject.receive(trade(BTC, 8), now)
    assert subject.failed is None
    assert pending(subject, now + 19.0)[1] == [Resubscribing(BTC, 19.0)]


@pytest.mark.parametrize("once_heard", [True, False])
def test_a_channel_that_stays_silent_ends_the_connection_at_its_third_silence(once_heard):
    """Not before: two resubscribes are tried, also for a channel that never brought a row."""
    subject, now = live(BTC), 0.0
    if once_heard:
        subject.receive(trade(BTC, 1), now)
    for patience in (19.0, 38.0):
        now += patience
        assert pending(subject, now)[1] == [Resubscribing(BTC, patience)]
        subject.receive(ack(BTC, "unsubscribe"), now)
        subject.due(now)
        subject.receive(ack(BTC), now)
    assert pending(subject, now + 76.0) == ([], [])
    assert subject.failed == "trades of BTC-USDT-SWAP stays silent"


def test_a_refused_channel_is_asked_for_again_after_300_seconds():
    """Counted from the refusal."""
    subject = opened(ODD)
    subject.due(0.0)
    subject.receive(error("60018", ODD), 0.5)
    assert subject.complete
    subject.receive(b"pong", 295.0)
    assert pending(subject, 300.5) == ([("subscribe", [ODD.inst_id])], [])
    assert not subject.complete


def test_after_60014_nothing_is_asked_for_30_seconds():
    """What is due within them waits; the channel is not refused."""
    subject = opened(BTC)
    subject.due(0.0)
    assert subject.receive(error("60014"), 0.5) == [Refused(None, "60014", "no")]
    subject.receive(b"pong", 10.0)
    assert subject.due(10.0) == ([], [])
    assert pending(subject, 30.5) == ([("subscribe", [BTC.inst_id])], [])


def test_470_requests_are_sent_in_an_hour():
    """The next follows when the oldest is an hour old. A hundred channels never answer."""
    subject = opened(*names(0, 100))
    assert len(asked(subject.due(0.0)[0])) == 1
    subject.receive(error("60018", request_id="s1"), 0.5)
    sent = [len(asked(subject.due(moment)[0])) for moment in (0.5, 20.5, 50.5, 90.5, 140.5, 200.5)]
    assert sent == [100, 100, 100, 100, 69, 0]
    assert len(pending(subject, 3600.0)[0]) == 1
    assert len(pending(subject, 3600.5)[0]) == 99  # the one of 3600.0 waits for its answer


def test_after_120_resubscribes_in_an_hour_the_others_are_45_seconds_apart():
    """A hundred and thirty channels go silent at once."""
    channels = names(0, 130)
    subject = live(*channels)
    events = pending(subject, 19.0)[1]
    assert [event.channel for event in events] == channels[:120]
    for number in range(120, 123):
        moment = 64.0 + 45.0 * (number - 120)
        subject.receive(b"pong", moment)
        assert subject.due(moment - 0.001)[1] == []
        assert [event.channel for event in subject.due(moment)[1]] == [channels[number]]


# -- requests and answers


def test_a_request_has_at_most_a_hundred_channels():
    """Those that are asked for by themselves come last."""
    channels = names(0, 201)
    subject = opened(*channels)
    texts, _ = subject.due(0.0)
    assert [len(found) for _, found in asked(texts)] == [100, 100, 1]
    assert [orjson.loads(text)["id"] for text in texts] == ["s1", "s2", "s3"]
    subject.receive(error("60018", request_id="s1"), 0.1)
    found = asked(subject.due(0.1)[0])
    assert found == [("subscribe", [channel.inst_id]) for channel in channels[:100]]


def test_the_newest_64_requests_are_remembered():
    """An error that names an older one, or one that never was, is of no known channel."""
    channels = names(0, 100)
    subject = opened(*channels)
    subject.due(0.0)
    subject.receive(error("60018", request_id="s1"), 0.1)
    subject.due(0.1)  # s2 to s101
    assert subject.receive(error("60018", request_id="s37"), 0.2) == [Refused(None, "60018", "no")]
    assert subject.receive(error("60018", request_id="s38"), 0.2) == [
        Refused(channels[36], "60018", "no")
    ]
    assert subject.receive(error("60018", request_id="x"), 0.2) == [Refused(None, "60018", "no")]


def test_an_unsubscribe_has_an_id_of_its_own_kind_and_may_be_refused():
    """It was left, and is asked for again like a refused subscribe."""
    subject = live(BTC)
    texts, _ = subject.due(19.0)
    assert [orjson.loads(text)["id"] for text in texts if text != "ping"] == ["u2"]
    assert subject.receive(error("64003", request_id="u2"), 19.5) == [Refused(BTC, "64003", "no")]
    assert subject.complete
    assert pending(subject, 319.5) == ([("subscribe", [BTC.inst_id])], [])


def test_an_error_of_a_live_channel_changes_nothing():
    """Only a request that waits can be refused; nor does that of a channel unknown here."""
    subject = live(BTC)
    for channel in (BTC, ETH):
        assert subject.receive(error("60018", channel), 1.0) == [Refused(channel, "60018", "no")]
    assert pending(subject, 19.0)[1] == [Resubscribing(BTC, 19.0)]


def test_an_error_that_is_none_of_the_configuration_is_waited_out():
    """The request counts as not answered."""
    subject = opened(BTC)
    subject.due(0.0)
    assert subject.receive(error("63999", request_id="s1"), 1.0) == [Refused(BTC, "63999", "no")]
    assert pending(subject, 10.0) == ([("subscribe", [BTC.inst_id])], [])


def test_a_second_ack_is_reported_and_changes_nothing():
    """Neither of a subscribe nor of an unsubscribe that was not asked for."""
    subject = live(BTC)
    subject.receive(trade(BTC, 1), 1.0)
    assert subject.receive(ack(BTC), 2.0) == [Subscribed(BTC)]
    assert subject.receive(ack(BTC, "unsubscribe"), 2.0) == []
    assert subject.delivering
    assert pending(subject, 20.0)[1] == [Resubscribing(BTC, 19.0)]


def test_data_of_a_channel_that_is_left_do_not_make_it_live():
    """They are handed on; it is asked for again after the ack."""
    subject = live(BTC)
    subject.due(19.0)
    (event,) = subject.receive(trade(BTC, 1), 19.1)
    assert isinstance(event, TradeRows)
    assert not subject.complete
    assert subject.receive(ack(BTC), 19.2) == [Subscribed(BTC)]
    assert not subject.complete
    subject.receive(ack(BTC, "unsubscribe"), 19.3)
    assert asked(subject.due(19.3)[0]) == [("subscribe", [BTC.inst_id])]


def test_a_row_that_cannot_be_read_is_no_activity():
    """The channel is as silent as without it."""
    subject = live(BTC)
    (event,) = subject.receive(trade(BTC, "x"), 5.0)
    assert event.rejected
    assert not subject.delivering
    assert pending(subject, 19.0)[1] == [Resubscribing(BTC, 19.0)]


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (b"{", "{"),
        (trade(ETH, 1), f"data of {ETH}, which nobody asked for"),
        (ack(ETH), f"subscribe of {ETH} acknowledged, which nobody asked for"),
        (
            ack(ETH, "unsubscribe"),
            f"unsubscribe of {ETH} acknowledged, which nobody asked for",
        ),
        (b'{"event":"notice","code":"1","msg":"hello"}', "notice 1: hello"),
    ],
)
def test_what_is_not_understood_is_reported(frame, text):
    """In words for the log."""
    assert live(BTC).receive(frame, 1.0) == [UnknownFrame(text)]


def test_a_channel_joins_a_connection_that_is_open():
    """It is asked for at once, by itself; a second time it is not."""
    subject = live(BTC)
    subject.add(ETH, 5.0)
    subject.add(BTC, 5.0)
    assert asked(subject.due(5.0)[0]) == [("subscribe", [ETH.inst_id])]
    assert not subject.complete
    assert subject.receive(ack(ETH), 5.1) == [Subscribed(ETH)]
    subject.add(ETH, 6.0)
    assert subject.due(6.0) == ([], [])
    assert subject.complete


def test_a_channel_that_is_dropped_is_given_up_and_its_silence_is_nothing():
    """The others stay; an answer to the farewell is no strange frame."""
    subject = live(BTC, ETH)
    subject.receive(trade(BTC, 1), 0.5)
    subject.drop(ETH)
    assert asked(subject.due(1.0)[0]) == [("unsubscribe", [ETH.inst_id])]
    assert subject.receive(ack(ETH, "unsubscribe"), 1.1) == []
    frames = [(2.0 + number, trade(BTC, 2 + number)) for number in range(300)]
    texts, events = run(subject, 2.0, 300.0, frames)
    assert not [text for _, text in texts if text != "ping"]
    assert not [event for _, event in events if isinstance(event, Resubscribing)]
    assert subject.failed is None
    subject.add(ETH, 301.0)
    assert asked(subject.due(301.0)[0]) == [("subscribe", [ETH.inst_id])]


def test_a_channel_that_was_not_asked_for_yet_is_dropped_without_a_word():
    """Nothing is to be unsubscribed from."""
    subject = opened(BTC, ETH)
    subject.drop(ETH)
    assert asked(subject.due(0.0)[0]) == [("subscribe", [BTC.inst_id])]
