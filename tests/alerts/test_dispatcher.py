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
from ravequant.alerts.ends import RoundAnswer
from ravequant.alerts.policy import AlertPolicy
from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.errors import LockedError
from ravequant.settings import Alerts as AlertSettings
from ravequant.settings import Settings
from ravequant.signals.candidates import Query
from ravequant.signals.rules import QueryResult
from tests.support.alert_cases import SECRET, hook, keeping, until
from tests.support.made_signals import (
    LIMITS,
    A,
    ask,
    book,
    hidden,
    made_verdict,
    only,
    set_up,
    surrounding,
    wick,
)

DISCORD = Channels(discord=True, command=None, bell=False)
APPROACH = Settings().alerts.approach_bps


def a_signal(name, minutes_ago=32, tip="101250"):
    """Return the notes' signal under a name of its own."""
    return only(set_up(the_wick=hidden(event_id=name, birth=hidden().birth + 32 - minutes_ago)))


def answer(*signals, min_score=0, state=None):
    """Return the answer of a round."""
    found = state or (signals[0].state if signals else set_up())
    return RoundAnswer(QueryResult(found, None, signals, None), Query(), LIMITS, min_score)


def a_round(alerts, *names):
    """Tell of a round in which these signals stand."""
    signals = [a_signal(name) for name in names]
    alerts.add(answer(*signals), [{"event_id": name} for name in names])
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


def ended_round(alerts, state, min_score=0):
    """Tell of a round whose answer is that of a state."""
    result = ask(state)
    shown = [found for found in result.signals if found.score >= min_score]
    rows = [{"event_id": found.wick.event_id} for found in shown]
    alerts.add(RoundAnswer(result, Query(), LIMITS, min_score), rows)
    alerts.notify()
    alerts.rest(0.01)


TOUCHED = set_up(the_wick=hidden(status="touched", ended=A))


def clock_at(monkeypatch, ms):
    monkeypatch.setattr(times, "utc_now_ms", lambda: ms)


def test_a_told_signal_is_told_to_be_reached(vault, there, monkeypatch):
    """Once, over restarts, with price and time, and outside of the budget."""
    clock_at(monkeypatch, A * 60_000 + 30_000)
    for state in (set_up(), TOUCHED, TOUCHED, set_up()):
        with AlertDispatcher(vault, DISCORD, few(1)) as alerts:
            ended_round(alerts, state)
    assert there.titles == [
        "BTC-USDT-SWAP SHORT 101250 MAX x3",
        "REACHED BTC-USDT-SWAP SHORT 101250",
    ]
    (embed,) = there.posts[1]["embeds"]
    assert embed["description"] == "touched in the minute 21:34 UTC\n<t:1765748130:R>"
    assert embed["footer"]["text"] == hidden().event_id
    assert "flags" not in there.posts[1]
    assert len(json.loads(vault.alerts().read_bytes())["sent"]) == 1


def test_a_withdrawn_signal_is_told_silently(vault, there, monkeypatch):
    """Discord shows it and rings nowhere; the signal is told once more if it is an entry again."""
    clock_at(monkeypatch, A * 60_000 + 30_000)
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        ended_round(alerts, set_up(), 60)
        ended_round(alerts, set_up(vwap=()), 60)
        ended_round(alerts, set_up(), 60)
        ended_round(alerts, set_up(), 60)
    assert there.titles[1:] == [
        "WITHDRAWN BTC-USDT-SWAP SHORT 101250",
        "BACK BTC-USDT-SWAP SHORT 101250 MAX x3",
    ]
    (embed,) = there.posts[1]["embeds"]
    assert embed["description"].startswith("no trade any more: no target within 60 bps\n")
    assert there.posts[1]["flags"] == 4096  # SUPPRESS_NOTIFICATIONS


def test_a_signal_that_grows_is_told_again(vault, there, tmp_path):
    """Once for each size, over restarts; the command gets the kind."""
    got, keeps = keeping(tmp_path)
    channels = Channels(discord=True, command=keeps, bell=False)
    weaker = hidden(tip_exact=False, tip_strength=None)
    small = set_up(the_wick=weaker, book=None)
    assert (only(small).size, only(set_up()).size) == (1, 3)
    for state in (small, set_up(), small, set_up()):
        with AlertDispatcher(vault, channels, few()) as alerts:
            ended_round(alerts, state)
    assert there.titles == [
        "BTC-USDT-SWAP SHORT 101250 WATCH x1",
        "GROWN BTC-USDT-SWAP SHORT 101250 MAX x3",
        "SHRUNK BTC-USDT-SWAP SHORT 101250 WATCH x1, score 55",
    ]
    assert there.posts[2]["flags"] == 4096  # SUPPRESS_NOTIFICATIONS
    rows = [json.loads(line) for line in got.read_text("utf-8").splitlines()]
    assert [row["alert"] for row in rows] == ["new", "grown", "shrunk"]


def test_no_trade_is_not_told(vault, there):
    """A plan that cannot win, whatever its evidence; once it can, it is told."""
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        ended_round(alerts, set_up(vwap=()))
        assert there.titles == []
        ended_round(alerts, set_up())
    assert there.titles == ["BTC-USDT-SWAP SHORT 101250 MAX x3"]


def test_a_level_is_told_once_whichever_wick_leads_it(vault, there):
    """A near twin that becomes the stronger one is no new signal."""
    twin = wick(31, "101255", tip_exact=True, tip_strength="EXACT")
    weaker = hidden(tip_exact=False, tip_strength=None)
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        ended_round(alerts, set_up(the_wick=weaker))
        ended_round(alerts, set_up([*surrounding(), twin], weaker))
    assert there.titles == ["BTC-USDT-SWAP SHORT 101250 MAX x3"]


def test_an_end_reaches_the_command_and_the_bell(vault, tmp_path, capsys, monkeypatch):
    """The command gets both ends as JSON; the bell rings for the one that was reached."""
    clock_at(monkeypatch, A * 60_000 + 30_000)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    got, keeps = keeping(tmp_path)
    channels = Channels(discord=False, command=keeps, bell=True)
    low = wick(30, "100900.5", "low", size_ticks=9)
    both = set_up([*surrounding(), low])
    then = replace(both, wicks=(TOUCHED.wicks[0], *both.wicks[1:]))
    with AlertDispatcher(vault, channels, few()) as alerts:
        ended_round(alerts, both, 20)
        assert capsys.readouterr().err == "\a"
        ended_round(alerts, both, 90)
        assert capsys.readouterr().err == ""
        ended_round(alerts, then, 90)
        assert capsys.readouterr().err == "\a"
        ended_round(alerts, then, 20)
    rows = [json.loads(line) for line in got.read_text("utf-8").splitlines()]
    assert [row["alert"] for row in rows] == ["new", "new", "withdrawn", "reached", "back"]
    assert rows[2] == {
        "alert": "withdrawn", "event_id": low.event_id, "instId": "BTC-USDT-SWAP",
        "direction": "LONG", "wick_price": "100900.5",
        "why": "its score is 30 now, below 90", "reached": None,
    }  # fmt: skip
    assert rows[3]["reached"] == {"price": "101250", "time_utc": "2025-12-14T21:35:00.000Z"}


def test_a_new_verdict_is_no_news_of_a_signal(vault, there, tmp_path):
    """Told once with any; the command gets the size that the verdict of then leaves."""
    got, keeps = keeping(tmp_path)
    channels = Channels(discord=True, command=keeps, bell=False)
    for word in ("PROMISING", "LOSES", "PROVEN"):
        with AlertDispatcher(vault, channels, few()) as alerts:
            ended_round(alerts, set_up(verdict=made_verdict(word)))
    assert there.titles == ["BTC-USDT-SWAP SHORT 101250 MAX (x1, promising)"]
    (row,) = map(json.loads, got.read_text("utf-8").splitlines())
    assert (row["size_shown"], row["verdict"]) == (1, "PROMISING")


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
        alerts.add(answer(a_signal("a")), [{}])
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


def test_a_forum_counts_nothing_as_told(vault, there, caplog):
    """The reason and the remedy are said once; with a thread in the address the alert is posted."""
    forum = b'{"code":220001,"message":"Webhooks posted to forum channels must have a thread"}'
    there.answers = [(400, {}, forum)]
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        a_round(alerts, "a")
        a_round(alerts, "a")
    assert len(there.asked) == 1
    assert (
        "nothing is posted to Discord until the next start: HTTP 400, code 220001: Webhooks posted "
        "to forum channels must have a thread from the webhook; end the webhook's address in "
        "?thread_id=NUMBER, the last number of the link of a thread or post of that channel"
    ) in caplog.text
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        a_round(alerts, "a")
    assert footers(there) == ["a"]


def test_rest_posts_again_when_the_wait_is_over(vault, there, monkeypatch):
    """A long pause between two rounds is no reason to be silent as long."""
    monkeypatch.setattr(dispatcher, "_PAUSE_S", 0.01)
    there.answers = [(429, {"Retry-After": "4"}, b"")]
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        monkeypatch.setattr(alerts._discord, "_clock", lambda: time.monotonic() * 20)
        alerts.add(answer(a_signal("a")), [{}])
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
        b'{"version":1,"known":{"a":[]},"waiting":[["a",true,"x",1,true]],"sent":[],"left_out":0}',
        b'{"version":2,"known":[[[],1,true,true,false,null]],"waiting":[],"sent":[],"left_out":0}',
        b'{"version":2,"known":[["a",1,true,true,false,null]],"waiting":[],"sent":[],"left_out":0}',
        b'{"version":2,"known":[[["a"],1,true,1,false,null]],"waiting":[],"sent":[],"left_out":0}',
        b'{"version":2,"known":[],"waiting":[["a","odd","x",1,true,""]],"sent":[],"left_out":0}',
        b'{"version":2,"known":{},"waiting":[],"sent":[],"left_out":-1}',
        b'{"version":2,"known":[],"waiting":[[]],"sent":[],"left_out":0}',
        b'{"version":3,"known":[[["a"],1,true,true,false,null,2]],"waiting":[],"sent":[],"left_out":0}',
        b'{"version":3,"known":[[["a"],1,true,true,true,null,2,1]],"waiting":[],"sent":[],"left_out":0}',
        b'{"version":3,"known":[],"waiting":[["a","new","x",1,true,"",-1]],"sent":[],"left_out":0}',
        b'{"version":6,"known":[],"waiting":[],"sent":[],"left_out":0}',
        b"[" * 5_000_000,
    ],
    ids=range(28),
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
