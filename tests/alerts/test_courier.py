"""The thread that posts: in order, as patient as Discord asks, never silent for ever."""

import logging
import threading
import time

import pytest

from ravequant.alerts import courier as courier_module
from ravequant.alerts import dispatcher
from ravequant.alerts.courier import Courier, Done, Letter
from ravequant.alerts.discord import Became, Outcome
from ravequant.alerts.policy import Message
from tests.support.sightings import SECRET


@pytest.fixture(autouse=True)
def _log_shows_no_address(caplog):
    """Whatever is logged in any of these tests: the address is not in it."""
    caplog.set_level("DEBUG", logger="find_signals")
    yield
    assert SECRET not in caplog.text
    assert "/api/webhooks/" not in caplog.text


def letters(*names):
    return [Letter(Message((), is_list=False, left_out=number), {"name": name})
            for number, name in enumerate(names)]  # fmt: skip


class Answers:
    """Answers as told, and what was posted and waited for."""

    def __init__(self, *outcomes):
        self.outcomes, self.posted, self.waits = list(outcomes), [], []

    def post(self, body):
        self.posted.append(body["name"])
        found = self.outcomes.pop(0) if self.outcomes else Outcome(Became.ACCEPTED)
        if isinstance(found, Exception):
            raise found
        return found


def carried(answers, *names, clock=lambda: 0.0):
    """Carry a batch; return the courier and what was done."""
    courier = Courier(answers.post, clock=clock, pause=answers.waits.append)
    courier.carry(letters(*names))
    return courier, courier.collect(10.0)


def test_a_short_wait_is_spent_in_the_batch():
    """Discord asks for a second: the same message again, then the others, in order."""
    answers = Answers(Outcome(Became.ACCEPTED), Outcome(Became.LATER, "HTTP 429", 1.0))
    courier, done = carried(answers, "a", "b", "c")
    assert (answers.posted, answers.waits) == (["a", "b", "b", "c"], [1.0])
    assert (len(done), courier.ready) == (3, True)


def test_a_long_wait_ends_the_batch():
    """What was taken counts; the others wait as long as Discord asks."""
    now = [100.0]
    answers = Answers(Outcome(Became.ACCEPTED), Outcome(Became.LATER, "HTTP 429", 60.0))
    courier, done = carried(answers, "a", "b", "c", clock=lambda: now[0])
    assert (answers.posted, [one.message.left_out for one in done]) == (["a", "b"], [0])
    now[0] = 159.9
    assert not courier.ready
    now[0] = 160.1
    assert courier.ready


def test_a_discord_that_always_asks_for_a_moment_is_let_alone():
    """Three short waits of a message, no more."""
    answers = Answers(*[Outcome(Became.LATER, "HTTP 429", 0.1)] * 9)
    courier, done = carried(answers, "a", clock=time.monotonic)
    assert (len(answers.posted), done) == (4, [])
    assert courier.wait_s <= 0.1


def test_pauses_grow_and_end_with_success():
    """Ten seconds, then twice as much, never more than five minutes; half of it by chance."""
    now = [0.0]
    answers = Answers(*[Outcome(Became.LATER, "HTTP 500")] * 8)
    courier = Courier(answers.post, clock=lambda: now[0], pause=answers.waits.append)
    longest = []
    for _ in range(8):
        courier.carry(letters("a"))
        courier.collect(10.0)
        longest.append(courier.wait_s)
        now[0] += courier.wait_s
    for wait, most in zip(longest, (10, 20, 40, 80, 160, 300, 300, 300), strict=True):
        assert most / 2 <= wait <= most
    courier.carry(letters("a"))
    assert courier.collect(10.0) == [Done(letters("a")[0].message, accepted=True)]
    assert courier.ready
    answers.outcomes.append(Outcome(Became.LATER, "HTTP 500"))
    courier.carry(letters("a"))
    courier.collect(10.0)
    assert 5 <= courier.wait_s <= 10


def test_a_refused_message_does_not_stop_the_others(caplog):
    """It is dropped and said; the next one goes."""
    _, done = carried(Answers(Outcome(Became.REFUSED, "HTTP 400")), "a", "b")
    assert [one.accepted for one in done] == [False, True]
    assert "alerts: Discord refused a message: HTTP 400; it is dropped" in caplog.text


def test_a_webhook_that_is_gone_is_said_once(caplog):
    """Loud, then off until the next start."""
    answers = Answers(Outcome(Became.OFF, "HTTP 404"))
    courier, done = carried(answers, "a", "b")
    assert (answers.posted, done, courier.ready, courier.off) == (["a"], [], False, True)
    (said,) = [one for one in caplog.records if one.name == "find_signals"]
    assert said.levelno == logging.ERROR
    assert said.getMessage() == (
        "alerts: nothing is posted to Discord until the next start: HTTP 404 from the webhook; "
        "make a new one in the channel's settings and start again"
    )


def test_an_answer_that_never_ends_is_said(caplog):
    """The watch goes on; that nothing is posted is not kept from anybody."""
    now, answer = [0.0], threading.Event()
    courier = Courier(lambda _: (answer.wait(), Outcome(Became.ACCEPTED))[1], clock=lambda: now[0])
    courier.carry(letters("a"))
    for now[0] in (299.0, 301.0, 302.0):
        assert courier.collect(0) == []
    assert caplog.text.count("has not ended its answer for minutes") == 1
    answer.set()
    assert len(courier.collect(10.0)) == 1


def test_an_error_nobody_thought_of_is_no_silence(caplog):
    """The thread lives on, and the words of the error, which may hold the address, are not said."""
    answers = Answers(RuntimeError(f"https://discord.com/api/webhooks/1/{SECRET}"))
    courier, _ = carried(answers, "a")
    assert "did not take a message: RuntimeError; again in" in caplog.text
    courier.carry(letters("b"))
    assert [one.accepted for one in courier.collect(10.0)] == [True]


def test_the_patience_of_a_round_is_short():
    """What the loop may wait for Discord, by its own constants."""
    assert dispatcher._PATIENCE_S <= 2
    assert courier_module._SHORT_WAIT_S * courier_module._SHORT_WAITS <= 10
