"""The heartbeat of a watch with alerts: whether they are sent, against a real webhook."""

import sys

import orjson
import pytest

from ravequant import times
from ravequant.alerts.delivery import DeliveryHeartbeat, SendingState, delivery
from ravequant.alerts.dispatcher import AlertDispatcher, Channels
from ravequant.alerts.hour import next_place, used_words
from tests.alerts.test_dispatcher import DISCORD, TOUCHED, a_round, clock_at, ended_round, few
from tests.support.made_signals import A, set_up

NEW_WEBHOOK = "make a new webhook in the channel's settings and start again"
GONE = b'{"code":10015,"message":"Unknown Webhook"}'


def now(vault) -> SendingState:
    """Return the state that a reader finds."""
    return delivery(vault, times.utc_now_ms())


def test_a_webhook_that_is_gone_stands_in_the_heartbeat(vault, there):
    """The reason, the remedy, since when, and how many wait; nothing is proven by a new start."""
    assert now(vault) == SendingState()
    there.answers = [(404, {}, GONE)]
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        assert (now(vault).problem, now(vault).proven) == ("", False)
        a_round(alerts, "a", "b")
        found = now(vault)
        assert found.problem == (
            f"Discord answered HTTP 404, code 10015: Unknown Webhook; {NEW_WEBHOOK}"
        )
        assert (found.waiting, found.proven) == (2, False)
        since = found.since_ms
        assert since is not None
        a_round(alerts, "a", "b")
        assert now(vault).since_ms == since
    beat = orjson.loads(vault.health("find_signals").read_bytes())
    assert (beat["stopped"], beat["waiting"], beat["component"]) == (True, 2, "find_signals")
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        assert now(vault).start != found.start or now(vault).problem == ""
        a_round(alerts, "a", "b")
        found = now(vault)
        assert (found.problem, found.since_ms, found.waiting, found.proven) == ("", None, 0, True)


@pytest.mark.parametrize(
    ("answer", "told", "waiting"),
    [
        (
            (500, {}, b""),
            "Discord did not take a message: HTTP 500; Discord itself failed, ",
            1,
        ),
        ((400, {}, b'{"code":50006}'), "Discord refused the last message: HTTP 400, code 50006", 0),
    ],
)
def test_each_failure_of_a_post_is_told_until_the_next_success(vault, there, answer, told, waiting):
    """The exchange of words with Discord decides, not a clock."""
    there.answers = [answer]
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        a_round(alerts, "a")
        assert now(vault).problem.startswith(told)
        assert now(vault).waiting == waiting
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        a_round(alerts, "a", "b")
        assert (now(vault).problem, now(vault).proven) == ("", True)


def test_a_command_that_fails_stands_there_too(vault, tmp_path):
    """Until it takes an alert again."""
    script = tmp_path / "notify.py"
    script.write_text("raise SystemExit(3)", "utf-8")
    channels = Channels(discord=False, command=f'"{sys.executable}" "{script}"', bell=False)
    with AlertDispatcher(vault, channels, few()) as alerts:
        a_round(alerts, "a")
    problem = now(vault).problem
    assert problem.startswith("--exec: ")
    assert " ended with exit code 3; run that command by hand with an alert" in problem
    script.write_text("", "utf-8")
    with AlertDispatcher(vault, channels, few()) as alerts:
        a_round(alerts, "b")
    assert (now(vault).problem, now(vault).proven) == ("", True)


def test_alerts_that_wait_for_the_hour_stand_there(vault, there, caplog):
    """The message of the last place says so; the log, once, and the heartbeat until when."""
    with AlertDispatcher(vault, DISCORD, few(1)) as alerts:
        assert now(vault).full_until_ms is None
        a_round(alerts, "a")
        found, moment = now(vault), times.utc_now_ms()
        until = found.full_until_ms
        assert until is not None
        assert found.full_hour(moment) == ""  # none waits
        for _ in range(2):
            a_round(alerts, "a", "b")
        words = used_words(1, until, 1)
        assert now(vault).full_hour(moment) == words
        assert now(vault).full_hour(until) == ""
    (post,) = there.posts
    assert f"1 of 1 this hour, {next_place(until)}" in post["embeds"][0]["description"]
    assert caplog.messages.count(f"alerts wait: {words}") == 1


def test_what_needs_no_place_does_not_wait_for_one(vault, there, caplog, monkeypatch):
    """An end that Discord does not take waits, but not for the hour."""
    clock_at(monkeypatch, A * 60_000 + 30_000)
    with AlertDispatcher(vault, DISCORD, few(1)) as alerts:
        ended_round(alerts, set_up())
        there.answers = [(500, {}, b"")]
        ended_round(alerts, TOUCHED)
        found = now(vault)
        assert (found.waiting, found.waiting_for_place) == (1, 0)
        assert found.full_hour(times.utc_now_ms()) == ""
    assert not [line for line in caplog.messages if line.startswith("alerts wait")]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"problem":3,"waiting":"x","sent_utc":7}', b'{"full_until_utc":7}']
)
def test_a_damaged_heartbeat_says_nothing(vault, content):
    """Whatever stands in the file."""
    DeliveryHeartbeat(vault).write("bad; mend it", 1, None, stopped=False)
    assert (now(vault).problem, now(vault).waiting) == ("bad; mend it", 1)
    vault.health("find_signals").write_bytes(content)
    found = now(vault)
    assert (found.problem, found.since_ms, found.waiting, found.proven) == ("", None, 0, False)
    assert found.full_until_ms is None
