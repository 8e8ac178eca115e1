"""The alerts of a watch: what is sent, when, over restarts and failures."""

import json
import sys
import threading
import time
from dataclasses import replace

import pytest

from ravequant import times
from ravequant.alerts import dispatcher
from ravequant.alerts.dispatcher import AlertDispatcher, Channels, restore, signal_seen
from ravequant.alerts.policy import AlertPolicy
from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.errors import LockedError
from ravequant.settings import Alerts as AlertSettings
from ravequant.settings import Settings
from tests.support.alert_cases import SECRET, hook, until
from tests.support.made_signals import LIMITS, book, hidden, only, set_up, surrounding, wick

DISCORD = Channels(discord=True, command=None, bell=False)
APPROACH = Settings().alerts.approach_bps


def a_signal(name, minutes_ago=32, tip="101250"):
    """Return the notes' signal under a name of its own."""
    return only(set_up(the_wick=hidden(event_id=name, birth=hidden().birth + 32 - minutes_ago)))


def a_round(alerts, *names):
    """Tell of a round in which these signals stand."""
    signals = [a_signal(name) for name in names]
    alerts.add(signals, [{"event_id": name} for name in names], LIMITS)
    alerts.notify()
    alerts.rest(0.01)


def few(per_hour=10):
    """Return settings with a budget."""
    return Settings(alerts=AlertSettings(per_hour=per_hour))


def footers(there):
    """Return the signals posted, in order; a list is its title."""
    embeds = [post["embeds"][0] for post in there.posts]
    return [embed.get("footer", {}).get("text") or embed["title"] for embed in embeds]


def test_each_signal_once_in_order_over_restarts(vault, there):
    """Posted as they came; the next round and the next start post nothing again."""
    for _ in range(2):
        with AlertDispatcher(vault, DISCORD, few()) as alerts:
            a_round(alerts, "b", "a")
            a_round(alerts, "b", "a")
    assert footers(there) == ["a", "b"]
    assert {path for path, _ in there.asked} == {f"/api/webhooks/12345/{SECRET}?wait=true"}


def test_the_budget_and_the_list(vault, there, monkeypatch):
    """Two messages an hour; an hour later the rest in one, and what came since in the other."""
    now = times.utc_now_ms()
    with AlertDispatcher(vault, DISCORD, few(2)) as alerts:
        a_round(alerts, "a")
        a_round(alerts, "a", "b")
        a_round(alerts, "b", "c", "d")
    monkeypatch.setattr(times, "utc_now_ms", lambda: now + times.HOUR_MS + 60_000)
    with AlertDispatcher(vault, DISCORD, few(2)) as alerts:
        a_round(alerts, "e")
    assert footers(there) == ["a", "b", "2 earlier alerts", "e"]


def test_only_one_tells_for_a_vault(vault, there):
    """A second watch with alerts would double them."""
    with (
        AlertDispatcher(vault, DISCORD, few()),
        pytest.raises(LockedError),
        AlertDispatcher(vault, DISCORD, few()),
    ):
        pass


def test_a_slow_discord_does_not_hold_up_the_round(vault, monkeypatch):
    """The round goes on; the answer is noted when it comes."""
    answer = threading.Event()
    monkeypatch.setattr(dispatcher, "_PATIENCE_S", 0.01)
    with hook() as there:
        monkeypatch.setenv(WEBHOOK_VARIABLE, there.url)
        taken = there.answer
        monkeypatch.setattr(
            there, "answer", lambda path, body: (answer.wait(), taken(path, body))[1]
        )
        with AlertDispatcher(vault, DISCORD, few()) as alerts:
            a_round(alerts, "a")
            a_round(alerts, "a", "b")
            assert json.loads(vault.alerts().read_bytes())["sent"] == []
            answer.set()
            until(lambda: a_round(alerts, "a", "b") or len(there.posts) == 2)
    assert footers(there) == ["a", "b"]
    assert len(json.loads(vault.alerts().read_bytes())["sent"]) == 2


def test_an_answer_between_two_rounds_is_noted_before_the_next_post(vault, there, monkeypatch):
    """Accepted, but after the patience of its round: it is not posted a second time."""
    monkeypatch.setattr(dispatcher, "_PATIENCE_S", 0)
    monkeypatch.setattr(dispatcher, "_PAUSE_S", 0.01)
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        alerts.add([a_signal("a")], [{}], LIMITS)
        alerts.notify()
        until(lambda: alerts._discord is not None and alerts._discord.idle)
        alerts.rest(0.1)
    assert footers(there) == ["a"]


def test_what_was_not_taken_is_posted_after_a_restart(vault, there, caplog):
    """Nobody reached: it waits in the vault, and stands in the log without the address."""
    there.answers = [(500, {}, b"")]
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        a_round(alerts, "a")
    assert footers(there) == []
    assert "Discord did not take a message: HTTP 500; again in " in caplog.text
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        a_round(alerts, "a")
    assert footers(there) == ["a"]


def test_rest_posts_again_when_the_wait_is_over(vault, there, monkeypatch):
    """A long pause between two rounds is no reason to be silent as long."""
    monkeypatch.setattr(dispatcher, "_PAUSE_S", 0.01)
    there.answers = [(429, {"Retry-After": "4"}, b"")]
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        monkeypatch.setattr(alerts._discord, "_clock", lambda: time.monotonic() * 20)
        alerts.add([a_signal("a")], [{}], LIMITS)
        alerts.notify()
        assert footers(there) == []
        alerts.rest(0.8)
    assert footers(there) == ["a"]


def test_what_cannot_be_remembered_is_not_told_twice(vault, there, caplog, monkeypatch):
    """A full disk: said, and this watch knows all the same."""
    from ravequant.errors import VaultError

    def full(*_, **__):
        raise VaultError("the disk is full")

    monkeypatch.setattr(dispatcher, "replace_file", full)
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        a_round(alerts, "a")
        a_round(alerts, "a")
    assert footers(there) == ["a"]
    assert "alerts: what was told is not kept: the disk is full" in caplog.text


def test_the_bell_is_for_a_terminal(vault, capsys, monkeypatch):
    """Once a round with something new; a file or a pipe gets none."""
    bell = Channels(discord=False, command=None, bell=True)
    with AlertDispatcher(vault, bell, few()) as alerts:
        a_round(alerts, "a")
        assert "\a" not in "".join(capsys.readouterr())
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        a_round(alerts, "a", "b", "c")
        a_round(alerts, "a", "b", "c")
        assert capsys.readouterr().err == "\a"


# --- a signal as the policy takes it ------------------------------------------------------------


def at(bps_away):
    """Return the set-up with price so far below the tip."""
    facts = set_up()
    tip = hidden().tip
    return replace(facts, book=book(mid=round(tip / (1 + bps_away / 10_000))))


@pytest.mark.parametrize(("bps", "near"), [(4.99, True), (5.01, False), (0.5, True)])
def test_near_is_within_the_setting(bps, near):
    """Five bps, exactly."""
    assert signal_seen(only(at(bps)), APPROACH).near is near


def test_wicks_of_one_price_name_one_signal():
    """The signal lists them; so does what is remembered."""
    other = wick(90, "101250", timeframe="5m")
    found = signal_seen(only(set_up(around=[*surrounding(), other])), APPROACH)
    assert (found.key, found.others) == (hidden().event_id, (other.event_id,))
    assert found.line == "BTC-USDT-SWAP SHORT 101250 MAX x3, score 100"


# --- the state of the last watch ----------------------------------------------------------------


@pytest.mark.parametrize(
    "damaged",
    [
        b"", b'{"version":1,"kno', b"[]", b"null", b"7", b'{"version":2}', b'{"version":1}',
        b'{"version":1,"known":[],"waiting":[],"sent":[],"left_out":0}',
        b'{"version":1,"known":{"a":[1]},"waiting":[],"sent":[],"left_out":0}',
        b'{"version":1,"known":{"a":["x",true]},"waiting":[],"sent":[],"left_out":0}',
        b'{"version":1,"known":{"a":[1,1]},"waiting":[],"sent":[],"left_out":0}',
        b'{"version":1,"known":{},"waiting":[["a",true,"x",1]],"sent":[],"left_out":0}',
        b'{"version":1,"known":{},"waiting":[["a",true,5,1,true]],"sent":[],"left_out":0}',
        b'{"version":1,"known":{},"waiting":[],"sent":[-1],"left_out":0}',
        b'{"version":1,"known":{},"waiting":[],"sent":[true],"left_out":0}',
        b'{"version":1,"known":{},"waiting":[],"sent":[],"left_out":null}',
        b"[" * 5_000_000,
    ],
    ids=range(17),
)  # fmt: skip
def test_a_damaged_memory_is_set_aside(vault, caplog, damaged):
    """Said once, kept for who wants to look, and the watch begins with an empty one."""
    path = vault.alerts()
    path.parent.mkdir(parents=True)
    path.write_bytes(damaged)
    policy = AlertPolicy(10)
    restore(policy, path)
    assert policy.state() == AlertPolicy(10).state()
    assert not path.exists()
    assert path.with_name("alerts.json.damaged").stat().st_size == len(damaged)
    assert "alerts.json is damaged: " in caplog.text
    assert "was set aside as alerts.json.damaged" in caplog.text
