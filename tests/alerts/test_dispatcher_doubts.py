"""The holders of told signals are told when the recording stands, and when it goes on."""

import json
import sys
from dataclasses import replace

import pytest

from ravequant import times
from ravequant.alerts import dispatcher
from ravequant.alerts.dispatcher import AlertDispatcher, Channels
from ravequant.alerts.ends import RoundAnswer
from ravequant.signals.candidates import Query
from ravequant.signals.since_minute import without_entry
from ravequant.vault.heartbeat import Heartbeat
from tests.alerts.test_dispatcher import DISCORD, TOUCHED, few
from tests.support.alert_cases import keeping
from tests.support.made_signals import BTC, LIMITS, A, ask, hidden, set_up

START = A * times.MINUTE_MS + 30_000
ENDED = "NOT RECORDING trades: trades_exporter has ended"
SIGNAL, STOPPED, GOES_ON = (
    f"{BTC} SHORT 101250 MAX x3",
    f"{BTC}: NOT RECORDING since 21:35:40 UTC",
    f"{BTC}: RECORDING AGAIN",
)


@pytest.fixture
def clock(monkeypatch):
    """Return a function that sets the clock to so many seconds after the start."""

    def at(seconds):
        monkeypatch.setattr(times, "utc_now_ms", lambda: START + seconds * 1_000)

    at(0)
    return at


def a_round(alerts, why="", state=None, *, posts=True):
    """Tell of a round; ``why``: the instrument is not recorded."""
    result = ask(set_up() if state is None else state)
    if why:
        result = without_entry(result, "recorder")
    rows = [{"event_id": found.wick.event_id} for found in result.signals]
    alerts.add(RoundAnswer(result, Query(), LIMITS, 0, why), rows)
    alerts.notify()
    if posts:
        alerts.rest(0.01)


def stopped(vault, clock, seconds=10):
    """Write the last heartbeat of an exporter."""
    clock(seconds)
    Heartbeat(vault, "trades_exporter").write({"stopped": True})


def test_a_stop_and_its_end_are_told_once(vault, there, clock):
    """Once each, over restarts, though no place of the hour is free; with since when and why."""
    with AlertDispatcher(vault, DISCORD, few(1)) as alerts:
        a_round(alerts)
        stopped(vault, clock)
        for second in (15, 45, 75):
            clock(second)
            a_round(alerts, ENDED)
    assert there.titles == [SIGNAL, STOPPED]
    (embed,) = there.posts[1]["embeds"]
    assert embed["description"].splitlines() == [
        "nobody knows whether SHORT 101250 still stands; do not use",
        "trades: trades_exporter has ended",
        "<t:1765748140:R>",
    ]
    assert embed["footer"]["text"] == hidden().event_id
    assert "flags" not in there.posts[1]
    with AlertDispatcher(vault, DISCORD, few(1)) as alerts:
        for second in (78, 108):
            clock(second)
            a_round(alerts, ENDED)
        for second in (138, 168, 198):
            clock(second)
            a_round(alerts)
    assert there.titles == [SIGNAL, STOPPED, GOES_ON]
    (embed,) = there.posts[2]["embeds"]
    assert embed["description"] == "SHORT 101250 still stands"
    assert "flags" not in there.posts[2]


def test_a_signal_that_was_reached_meanwhile_is_told_so(vault, there, clock):
    """As ever, and also if that is long ago; it is not named again."""
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        a_round(alerts)
        stopped(vault, clock)
        clock(40)
        a_round(alerts, ENDED)
        for second in (1_870, 1_900, 1_930):
            clock(second)
            a_round(alerts, state=TOUCHED)
    assert there.titles == [SIGNAL, STOPPED, f"REACHED {BTC} SHORT 101250"]


def test_a_signal_that_is_too_old_by_then_is_told_silently(vault, there, clock):
    """It is no signal any more."""
    young = set_up()
    old = replace(young, minute=young.minute + 30)
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        a_round(alerts)
        stopped(vault, clock)
        clock(40)
        a_round(alerts, ENDED)
        for second in (1_870, 1_900):
            clock(second)
            a_round(alerts, state=old)
    assert there.titles == [SIGNAL, STOPPED, GOES_ON]
    assert there.posts[2]["embeds"][0]["description"] == "SHORT 101250 is no signal any more"
    assert there.posts[2]["flags"] == 4096  # SUPPRESS_NOTIFICATIONS


def test_without_a_told_signal_nobody_is_told(vault, there, clock):
    """The window of run_all and doctor say that the recording stands."""
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        stopped(vault, clock)
        for second in (40, 70):
            clock(second)
            a_round(alerts, ENDED)
    assert there.titles == []


def test_a_message_that_was_not_taken_is_posted_again(vault, there, clock):
    """After a restart, as any alert; one that Discord refuses for good is not."""
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        a_round(alerts)
        stopped(vault, clock)
        clock(40)
        there.answers = [(500, {}, b"")]
        a_round(alerts, ENDED)
        beat = json.loads(vault.health("find_signals").read_bytes())
        assert (beat["waiting"], beat["waiting_for_place"]) == (1, 0)
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        clock(60)
        a_round(alerts, ENDED)
        assert there.titles == [SIGNAL, STOPPED]
        for second in (90, 120, 150):
            clock(second)
            there.answers = [(400, {}, b"")]
            a_round(alerts)
    assert there.titles == [SIGNAL, STOPPED]
    assert len(there.asked) == 4


def test_a_message_that_may_be_wrong_by_now_waits(vault, there, clock):
    """It seems to be recorded again, or its round failed; the one that holds later is posted."""
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        a_round(alerts)
        stopped(vault, clock)
        clock(40)
        there.answers = [(500, {}, b"")]
        a_round(alerts, ENDED)
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        clock(70)
        a_round(alerts)
        assert there.titles == [SIGNAL]
        clock(75)
        a_round(alerts, ENDED)
        assert there.titles == [SIGNAL, STOPPED]
        for second in (100, 130):
            clock(second)
            there.answers = [(500, {}, b"")]
            a_round(alerts)
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        clock(160)
        alerts.notify()
        alerts.rest(0.01)
        assert there.titles == [SIGNAL, STOPPED]
        clock(190)
        a_round(alerts)
    assert there.titles == [SIGNAL, STOPPED, GOES_ON]


def test_a_message_goes_out_between_two_rounds(vault, there, clock, monkeypatch):
    """A long pause between two rounds is no reason to be silent as long."""
    with AlertDispatcher(vault, DISCORD, few()) as alerts:
        a_round(alerts)
        stopped(vault, clock)
        clock(40)
        there.answers = [(429, {"Retry-After": "4"}, b"")]
        monkeypatch.setattr(dispatcher, "_PAUSE_S", 0.01)
        a_round(alerts, ENDED, posts=False)
        assert there.titles == [SIGNAL]
        assert alerts._discord is not None
        alerts._discord._not_before = 0
        alerts.rest(0.5)
    assert there.titles == [SIGNAL, STOPPED]


def test_the_command_and_the_bell_are_told(vault, tmp_path, clock, capsys, monkeypatch):
    """Both times, once, over restarts."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    got, keeps = keeping(tmp_path)
    rang = []
    stopped(vault, clock)
    for second, why in ((12, ""), (45, ENDED), (75, ENDED), (105, ""), (135, ""), (165, "")):
        clock(second - 11)
        with AlertDispatcher(vault, Channels(discord=False, command=keeps, bell=True), few()) as it:
            a_round(it, why, posts=False)
            clock(second)
            a_round(it, why)
        rang.append(capsys.readouterr().err.count("\a"))
    rows = [json.loads(line) for line in got.read_text("utf-8").splitlines()]
    assert rang == [1, 1, 0, 1, 0, 0]
    assert [row["alert"] for row in rows] == ["new", "not_recording", "recording"]
    key = hidden().event_id
    signal = {"event_id": key, "direction": "SHORT", "wick_price": "101250"}
    assert rows[1] == {
        "alert": "not_recording", "instId": BTC, "since_utc": "2025-12-14T21:35:40.000Z",
        "why": ENDED, "signals": [signal],
    }  # fmt: skip
    stands = signal | {"stands": True, "why": "still stands"}
    assert rows[2] == {"alert": "recording", "instId": BTC, "signals": [stands]}
