"""Signals in doubt: when they are, who is told, and that each message comes once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant.alerts import doubts
from ravequant.alerts.doubts import PATIENCE_MS, DoubtMessage, RecordingStop, RecordingStops, Sequel
from ravequant.alerts.policy import LATE_MS, AlertPolicy
from tests.alerts.test_dispatcher import answer
from tests.alerts.test_policy import again, end, ends_of, kinds, post, seen
from tests.alerts.test_policy_histories import NAMES, STEPS, History
from tests.support.alert_cases import NOW
from tests.support.made_signals import BTC, LIMITS, ask, hidden, only, set_up

HIGH, LOW, ETH = "BTC|1m|7|high", "BTC|1m|7|low", "ETH|1m|7|high"
LEVELS = {HIGH: "SHORT 97137.3", LOW: "LONG 95000"}


def told(*names, posts=True):
    """Return a policy that has told of signals."""
    alerts = AlertPolicy(10, posts=posts)
    seen(alerts, names)
    if posts:
        post(alerts, names, NOW)
    return alerts


def messages(alerts):
    """Post what is due about doubts, all of it accepted; return it."""
    found = doubts.due(alerts)
    for message in found:
        doubts.done(alerts, message)
    return found


STOPPED = DoubtMessage("BTC", stands=True, levels={HIGH: "SHORT 97137.3"})
GOES_ON = STOPPED._replace(stands=False)


# --- the rounds ------------------------------------------------------------------------------


def test_a_stop_is_news_after_its_patience():
    """By the recorder's own time; a reconnection is none. So is the recording that goes on."""
    stops = RecordingStops(NOW - 60_000)
    assert stops.take("BTC", "no net", NOW - PATIENCE_MS + 1, NOW) is None
    assert stops.take("BTC", "no net", NOW - PATIENCE_MS, NOW) is True
    assert stops["BTC"] == RecordingStop(NOW - PATIENCE_MS, "no net")
    assert stops.take("BTC", "", None, NOW + 1) is None
    assert "BTC" not in stops
    assert stops.take("BTC", "", None, NOW + PATIENCE_MS) is None
    assert stops.take("BTC", "", None, NOW + 1 + PATIENCE_MS) is False
    assert stops.take("BTC", "no net", None, NOW + 60_000) is None  # of now, as far as known
    assert stops.take("BTC", "no disk", None, NOW + 60_000 + PATIENCE_MS) is True
    assert stops["BTC"] == RecordingStop(NOW + 60_000, "no disk")


def test_a_stop_of_before_the_start_counts_from_the_start():
    """All programs may be starting; its own time is said all the same."""
    stops = RecordingStops(NOW)
    assert stops.take("BTC", "it has ended", NOW - 3_600_000, NOW + 3_000) is None
    assert stops.take("BTC", "it has ended", NOW - 3_600_000, NOW + PATIENCE_MS) is True
    assert stops["BTC"].since_ms == NOW - 3_600_000
    assert stops.take("BTC", "past trades", None, NOW + 60_000) is True  # it goes on
    assert stops["BTC"] == RecordingStop(NOW - 3_600_000, "past trades")


def test_a_time_that_is_still_to_come_is_none():
    """The clock went back: the stop counts from the round that found it."""
    stops = RecordingStops(NOW - 60_000)
    assert stops.take("BTC", "no net", NOW + 3_600_000, NOW) is None
    assert stops.take("BTC", "no net", NOW + 3_600_000, NOW + PATIENCE_MS) is True
    assert stops["BTC"].since_ms == NOW


# --- what is told ----------------------------------------------------------------------------


def test_the_doubt_of_a_told_signal_is_told_once_and_its_end_once():
    """Over restarts, outside of the budget; of one instrument alone."""
    alerts = told(HIGH, ETH)
    sent = alerts.state()["sent"]
    assert doubts.doubt(alerts, LEVELS) == {HIGH: "SHORT 97137.3"}
    assert doubts.doubt(alerts, LEVELS) == {}
    assert messages(alerts) == [STOPPED]
    alerts = again(alerts)
    assert (doubts.doubt(alerts, LEVELS), messages(alerts)) == ({}, [])
    assert doubts.trust(alerts, "ETH") == {}
    assert doubts.trust(alerts, "BTC") == {HIGH: "SHORT 97137.3"}
    assert messages(again(alerts)) == messages(alerts) == [GOES_ON]
    assert (doubts.trust(alerts, "BTC"), messages(alerts)) == ({}, [])
    assert alerts.state()["sent"] == sent
    assert alerts.state()["doubts"] == {}
    doubts.doubt(alerts, LEVELS)
    assert messages(alerts) == [STOPPED]  # another stop is news again


def test_the_signals_of_an_instrument_share_a_message():
    """One that is told of later has one of its own."""
    alerts = told(HIGH)
    seen(alerts, [LOW])
    assert doubts.doubt(alerts, LEVELS) == LEVELS  # the command was told of both
    assert messages(alerts) == [STOPPED]
    post(alerts, [LOW], NOW)
    assert messages(alerts) == [STOPPED._replace(levels={LOW: "LONG 95000"})]
    doubts.trust(alerts, "BTC")
    assert messages(alerts) == [GOES_ON._replace(levels=LEVELS)]


def test_a_doubt_that_was_not_taken_in_time_is_void():
    """The recording goes on before anybody was reached: there is nothing to take back."""
    alerts = told(HIGH)
    doubts.doubt(alerts, LEVELS)
    assert doubts.due(alerts) == doubts.due(again(alerts)) == [STOPPED]
    doubts.trust(alerts, "BTC")
    assert doubts.due(alerts) == []
    doubts.doubt(alerts, LEVELS)
    messages(alerts)
    doubts.trust(alerts, "BTC")
    doubts.doubt(alerts, LEVELS)
    assert doubts.due(alerts) == []  # the newest word is true again


def test_a_message_under_way_counts_when_it_is_accepted():
    """Though things have changed meanwhile."""
    alerts = told(HIGH)
    doubts.doubt(alerts, LEVELS)
    (message,) = doubts.due(alerts)
    doubts.trust(alerts, "BTC")
    doubts.done(alerts, message)
    assert messages(alerts) == [GOES_ON]


def test_a_message_that_a_crash_leaves_in_doubt_is_posted_again():
    """It may have reached somebody: if it is wrong by then, its end is posted in its place."""
    alerts = told(HIGH)
    doubts.doubt(alerts, LEVELS)
    doubts.sent(alerts, STOPPED)
    assert doubts.due(again(alerts)) == [STOPPED]
    alerts = again(alerts)
    doubts.trust(alerts, "BTC")
    doubts.sent(alerts, GOES_ON)
    assert doubts.due(alerts) == messages(again(alerts)) == messages(alerts) == [GOES_ON]
    assert (doubts.due(alerts), alerts.state()["doubts"]) == ([], {})


def test_the_end_of_a_signal_in_doubt_is_its_last_word():
    """Told as ever, also if it is found late; nothing follows about its doubt."""
    alerts = told(HIGH, LOW)
    doubts.doubt(alerts, LEVELS)
    messages(alerts)
    assert end(alerts, HIGH, ago=LATE_MS + 1) == [HIGH]
    assert doubts.trust(alerts, "BTC") == {LOW: "LONG 95000"}
    low = [GOES_ON._replace(levels={LOW: "LONG 95000"})]
    assert doubts.due(alerts) == low  # not of the other, whose end waits
    assert ends_of(alerts.due("", NOW)) == [("reached", HIGH)]
    post(alerts, "", NOW)
    assert doubts.due(alerts) == low


def test_a_signal_that_aged_out_meanwhile_is_told_of():
    """It ends without a word otherwise, and its holder waits for one."""
    alerts = told(HIGH)
    doubts.doubt(alerts, LEVELS)
    messages(alerts)
    assert end(alerts, HIGH, kind="aged") == []
    assert doubts.due(alerts) == []
    assert doubts.trust(alerts, "BTC") == {HIGH: "SHORT 97137.3"}
    assert messages(alerts) == [GOES_ON]


def test_a_signal_that_has_ended_comes_into_no_doubt():
    """Nor one that is not known, nor one whose wick no answer has."""
    alerts = told(HIGH)
    assert doubts.doubt(alerts, {LOW: "LONG 95000"}) == {}
    end(alerts, HIGH)
    assert doubts.doubt(alerts, LEVELS) == {}


def test_a_withdrawal_that_is_void_leaves_the_doubt_to_be_ended():
    """Not posted before its signal was an entry again: the newest word is still the doubt."""
    alerts = told(HIGH)
    end(alerts, HIGH, kind="withdrawn")
    seen(alerts, [HIGH], size=1)
    assert kinds(alerts, [HIGH]) == ["withdrawn", "back"]
    doubts.doubt(alerts, LEVELS)
    messages(alerts)
    end(alerts, HIGH, kind="withdrawn")
    assert doubts.due(alerts) == []
    assert kinds(alerts, [HIGH]) == []
    assert messages(alerts) == [GOES_ON]


def test_two_signals_that_are_one_level_now_share_their_doubt():
    """Under each name, whichever had it."""
    alerts = told(HIGH, LOW)
    doubts.doubt(alerts, {LOW: "LONG 95000"})
    messages(alerts)
    seen(alerts, [HIGH], others=(LOW,))
    assert doubts.trust(alerts, "BTC") == {HIGH: "LONG 95000"}
    assert messages(alerts) == [GOES_ON._replace(levels={HIGH: "LONG 95000"})]


def test_without_discord_a_doubt_is_for_the_command():
    """Nothing waits."""
    alerts = told(HIGH, posts=False)
    assert doubts.doubt(alerts, LEVELS) == {HIGH: "SHORT 97137.3"}
    assert doubts.trust(again(alerts), "BTC") == {HIGH: "SHORT 97137.3"}


CHANGES = st.one_of(
    STEPS,
    st.tuples(st.just("stop"), st.sampled_from(NAMES)),
    st.tuples(st.just("go_on"), st.sampled_from(NAMES)),
)


class DoubtHistory(History):
    """A history with stops of the recording; each name is an instrument."""

    def stop(self, name):
        doubts.doubt(self.alerts, {name: "SHORT 1"})

    def go_on(self, name):
        doubts.trust(self.alerts, name)
        doubts.trust(self.alerts, f"{name} twin")

    def post(self, fate):
        for message in doubts.due(self.alerts):
            doubts.sent(self.alerts, message)
            word = "doubt" if message.stands else "trust"
            if fate in {"accepted", "restart"}:
                doubts.done(self.alerts, message)
            for key in message.levels:
                name = key.partition(" ")[0]
                self.posted[name].append(word if fate in {"accepted", "restart"} else f"{word}?")
        super().post(fate)


@given(st.lists(CHANGES, min_size=12, max_size=40))
def test_any_history(steps):
    """Only what was told comes into doubt; a doubt is ended once, by a word or an end."""
    history = DoubtHistory(3)
    for name, *words in steps:
        getattr(history, name)(*words)
    for posted in history.posted.values():
        holds = doubted = maybe = False
        for word in posted:
            if word.startswith("doubt"):
                assert holds, posted
                assert not doubted, posted
                doubted, maybe = word == "doubt", True
            elif word.startswith("trust"):
                assert maybe, posted
                doubted, maybe = doubted and word == "trust?", word == "trust?"
            elif word in {"reached", "withdrawn"}:
                holds = doubted = maybe = False
            else:
                holds = True


# --- the words -------------------------------------------------------------------------------


def test_each_wick_of_an_answer_has_its_level():
    """Whatever its timeframe, and whether it is shown or not."""
    found = doubts.levels_of(answer(state=set_up()))
    assert found[hidden().event_id] == "SHORT 101250"
    assert len(found) == len(set_up().wicks)
    assert {level.partition(" ")[0] for level in found.values()} == {"SHORT", "LONG"}


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        ({}, Sequel(stands=True, words="still stands")),
        ({"in_contact": True},
         Sequel(stands=False, words="is no entry: price is at the tip: too late to enter")),
        ({"no_trade": "fees"}, Sequel(stands=False, words="is no entry: fees eat the reward")),
    ],
)  # fmt: skip
def test_the_sequel_of_a_doubt(other, wanted):
    """An entry again, shown and no entry, or not in the answer any more."""
    (signal,) = ask(set_up()).signals
    assert doubts.sequel(signal._replace(**other), LIMITS) == wanted
    assert doubts.sequel(None, LIMITS) == Sequel(stands=False, words="is no signal any more")


def test_the_rows_of_a_command():
    """Since when, why, and each signal; then whether it stands."""
    key = only(set_up()).wick.event_id
    message = DoubtMessage(BTC, stands=True, levels={key: "SHORT 101250"})
    signal = {"event_id": key, "direction": "SHORT", "wick_price": "101250"}
    assert doubts.stop_row(message, RecordingStop(NOW, "NOT RECORDING books: no net")) == {
        "alert": "not_recording", "instId": BTC, "since_utc": "2025-12-14T21:35:30.000Z",
        "why": "NOT RECORDING books: no net", "signals": [signal],
    }  # fmt: skip
    sequels = {key: Sequel(stands=True, words="still stands")}
    assert doubts.sequel_row(message._replace(stands=False), sequels) == {
        "alert": "recording", "instId": BTC,
        "signals": [signal | {"stands": True, "why": "still stands"}],
    }  # fmt: skip
