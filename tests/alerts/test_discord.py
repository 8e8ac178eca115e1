"""What Discord answers, or does not; and the batches that are posted: in order, never silent."""

import logging
import socket
import threading
import time

import pytest

from ravequant.alerts import discord, dispatcher
from ravequant.alerts.discord import DiscordClient, DiscordSender, PostResult, result
from ravequant.alerts.policy import AlertMessage
from ravequant.alerts.refusals import DeliveryStatus
from ravequant.alerts.webhook import Webhook
from tests.support.alert_cases import SECRET, TAKEN, hook

ACCEPTED = PostResult(DeliveryStatus.ACCEPTED)
ITSELF = "Discord itself failed, the watch tries again by itself"
NEW = "make a new webhook in the channel's settings and start again"


# --- what Discord answers -------------------------------------------------------------------


def poster(url):
    return DiscordClient(Webhook(url))


def asks_for(seconds):
    return PostResult(DeliveryStatus.LATER, "HTTP 429", seconds)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (TAKEN, ACCEPTED),
        ((204, {}, b""), ACCEPTED),
        ((429, {"Retry-After": "2"}, b'{"retry_after":1.337}'), asks_for(2.0)),
        ((429, {}, b'{"retry_after":1.337,"global":true}'), asks_for(1.337)),
        ((429, {"Retry-After": "1e9"}, b"{}"), asks_for(900.0)),
        ((429, {"Retry-After": "nan"}, b'{"retry_after":-1}'), asks_for(5.0)),
        ((429, {"Retry-After": "0"}, b"<html>"), asks_for(0.1)),
        ((429, {}, b"[" * 300_000), asks_for(5.0)),
        ((429, {}, b'{"retry_after":[1]}'), asks_for(5.0)),
        ((500, {}, b""), PostResult(DeliveryStatus.LATER, "HTTP 500", remedy=ITSELF)),
        (
            (503, {"Retry-After": "9"}, b""),
            PostResult(DeliveryStatus.LATER, "HTTP 503", remedy=ITSELF),
        ),
        ((400, {}, b'{"embeds":["0"]}'), PostResult(DeliveryStatus.REFUSED, "HTTP 400")),
        ((401, {}, b""), PostResult(DeliveryStatus.OFF, "HTTP 401", remedy=NEW)),
        (
            (404, {}, b'{"code":10015,"message":"Unknown Webhook"}'),
            PostResult(DeliveryStatus.OFF, "HTTP 404, code 10015: Unknown Webhook", remedy=NEW),
        ),
    ],
)  # fmt: skip
def test_what_an_answer_means(there, answer, outcome):
    """Taken, refused, later (and when), or never again."""
    there.answers = [answer]
    assert poster(there.url).post({"content": "x"}) == outcome
    assert result(*(answer[0], answer[1].get("Retry-After", ""), answer[2])) == outcome


def test_a_redirection_is_not_followed(there):
    """The message is for nobody else, wherever the address sends it."""
    with hook() as elsewhere:
        there.answers = [(307, {"Location": elsewhere.url}, b"")]
        outcome = poster(there.url).post({"content": "x"})
        assert elsewhere.asked == []
    assert outcome == PostResult(
        DeliveryStatus.OFF,
        "HTTP 307, a redirection, which is not followed",
        remedy="copy the address again from the channel's settings and start again",
    )


def test_a_thread_is_named_in_the_request(there):
    """The address ends in the thread's number; the answer is waited for as always."""
    assert poster(f"{there.url}?thread_id=987654321098765432").post({}) == ACCEPTED
    assert poster(f"{there.url}?wait=true&thread_id=12345").post({}) == ACCEPTED
    path = f"/api/webhooks/12345/{SECRET}"
    assert [asked for asked, _ in there.asked] == [
        f"{path}?wait=true&thread_id=987654321098765432",
        f"{path}?wait=true&thread_id=12345",
    ]


def test_what_a_refusal_says_is_shown_without_the_secret(there):
    """Discord's own words, but never a part of the address."""
    there.answers = [(400, {}, b'{"code":50035,"message":"bad key ' + SECRET.encode() + b'"}')]
    found = poster(there.url).post({})
    assert found == PostResult(DeliveryStatus.REFUSED, "HTTP 400, code 50035: bad key ...")


def closed_port():
    """Return a port at which nobody is."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_nobody_there(caplog):
    """Refused, cut off, no HTTP: later, by the kind of the error alone."""
    url = f"http://127.0.0.1:{closed_port()}/api/webhooks/12345/{SECRET}"
    assert poster(url).post({}) == PostResult(DeliveryStatus.LATER, "ConnectionError")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/api/webhooks/12345/{SECRET}"
        found = []
        thread = threading.Thread(target=lambda: found.append(poster(url).post({})))
        thread.start()
        server.accept()[0].close()
        thread.join()
    assert found == [PostResult(DeliveryStatus.LATER, "ConnectionError")]


def test_a_server_that_speaks_nonsense(there):
    """No HTTP at all, and headers that no library likes: nothing is raised, nothing shown."""
    for noise in (b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n: \x00bad\r\nbroken\r\n\r\n"):
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}/api/webhooks/12345/{SECRET}"
            found: list[PostResult] = []
            thread = threading.Thread(
                target=lambda url=url, into=found: into.append(poster(url).post({}))
            )
            thread.start()
            peer = server.accept()[0]
            with peer:
                peer.recv(1 << 16)
                peer.sendall(noise)
            thread.join()
        assert found[0].status in {DeliveryStatus.LATER, DeliveryStatus.ACCEPTED}


# --- batches --------------------------------------------------------------------------------


def batch(*names):
    return [(AlertMessage((), is_list=False, left_out=number), {"name": name})
            for number, name in enumerate(names)]  # fmt: skip


class Answers:
    """Answers as told, and what was posted and waited for."""

    def __init__(self, *outcomes):
        self.outcomes, self.posted, self.waits = list(outcomes), [], []

    def post(self, body):
        self.posted.append(body["name"])
        found = self.outcomes.pop(0) if self.outcomes else ACCEPTED
        if isinstance(found, Exception):
            raise found
        return found


def carried(answers, *names, clock=lambda: 0.0):
    """Carry a batch; return the sender and what was done."""
    sender = DiscordSender(answers.post, clock=clock, pause=answers.waits.append)
    sender.send(batch(*names))
    return sender, sender.collect(10.0)


def test_a_short_wait_is_spent_in_the_batch():
    """Discord asks for a second: the same message again, then the others, in order."""
    answers = Answers(ACCEPTED, asks_for(1.0))
    sender, done = carried(answers, "a", "b", "c")
    assert (answers.posted, answers.waits) == (["a", "b", "b", "c"], [1.0])
    assert (len(done), sender.ready) == (3, True)


def test_a_long_wait_ends_the_batch():
    """What was taken counts; the others wait as long as Discord asks."""
    now = [100.0]
    answers = Answers(ACCEPTED, asks_for(60.0))
    sender, done = carried(answers, "a", "b", "c", clock=lambda: now[0])
    assert (answers.posted, [message.left_out for message, _ in done]) == (["a", "b"], [0])
    now[0] = 159.9
    assert not sender.ready
    now[0] = 160.1
    assert sender.ready


def test_a_discord_that_always_asks_for_a_moment_is_let_alone():
    """Three short waits of a message, no more."""
    answers = Answers(*[asks_for(0.1)] * 9)
    sender, done = carried(answers, "a", clock=time.monotonic)
    assert (len(answers.posted), done) == (4, [])
    assert sender.wait_s <= 0.1


def test_pauses_grow_and_end_with_success():
    """Ten seconds, then twice as much, never more than five minutes; half of it by chance."""
    now = [0.0]
    answers = Answers(*[PostResult(DeliveryStatus.LATER, "HTTP 500")] * 8)
    sender = DiscordSender(answers.post, clock=lambda: now[0], pause=answers.waits.append)
    longest = []
    for _ in range(8):
        sender.send(batch("a"))
        sender.collect(10.0)
        longest.append(sender.wait_s)
        now[0] += sender.wait_s
    for wait, most in zip(longest, (10, 20, 40, 80, 160, 300, 300, 300), strict=True):
        assert most / 2 <= wait <= most
    sender.send(batch("a"))
    assert sender.collect(10.0) == [(batch("a")[0][0], True)]
    assert sender.ready
    answers.outcomes.append(PostResult(DeliveryStatus.LATER, "HTTP 500"))
    sender.send(batch("a"))
    sender.collect(10.0)
    assert 5 <= sender.wait_s <= 10


def test_a_refused_message_does_not_stop_the_others(caplog):
    """It is dropped and said; the next one goes."""
    _, done = carried(Answers(PostResult(DeliveryStatus.REFUSED, "HTTP 400")), "a", "b")
    assert [accepted for _, accepted in done] == [False, True]
    assert "alerts: Discord refused a message: HTTP 400; it is dropped" in caplog.text


def test_a_webhook_that_is_gone_is_said_once(caplog):
    """Loud, then off until the next start."""
    answers = Answers(PostResult(DeliveryStatus.OFF, "HTTP 404", remedy=NEW))
    sender, done = carried(answers, "a", "b")
    assert (answers.posted, done, sender.ready, sender.off) == (["a"], [], False, True)
    (said,) = [one for one in caplog.records if one.name == "find_signals"]
    assert said.levelno == logging.ERROR
    assert said.getMessage() == (
        "alerts: nothing is posted to Discord until the next start: HTTP 404 from the webhook; "
        "make a new webhook in the channel's settings and start again"
    )


def test_an_answer_that_never_ends_is_said(caplog):
    """The watch goes on; that nothing is posted is not kept from anybody."""
    now, answer = [0.0], threading.Event()
    sender = DiscordSender(lambda _: (answer.wait(), ACCEPTED)[1], clock=lambda: now[0])
    sender.send(batch("a"))
    for now[0] in (299.0, 301.0, 302.0):
        assert sender.collect(0) == []
    assert caplog.text.count("has not ended its answer for minutes") == 1
    answer.set()
    assert len(sender.collect(10.0)) == 1


def test_an_error_nobody_thought_of_is_no_silence(caplog):
    """The thread lives on, and the words of the error, which may hold the address, are not said."""
    answers = Answers(RuntimeError(f"https://discord.com/api/webhooks/1/{SECRET}"))
    sender, _ = carried(answers, "a")
    assert "did not take a message: RuntimeError; again in" in caplog.text
    sender.send(batch("b"))
    assert [accepted for _, accepted in sender.collect(10.0)] == [True]


def test_the_patience_of_a_round_is_short():
    """What the loop may wait for Discord, by its own constants."""
    assert dispatcher._PATIENCE_S <= 2
    assert discord._SHORT_WAIT_S * discord._SHORT_WAITS <= 10
