"""How a signal ends, comes back, and grows: what of it is an alert, and once."""

import pytest

from ravequant.alerts import policy
from ravequant.alerts.policy import AlertPolicy
from tests.alerts.test_policy import HOUR, again, end, ends_of, keys, kinds, post, seen
from tests.support.alert_cases import MINUTE, NOW


@pytest.mark.parametrize("kind", ["reached", "withdrawn"])
def test_the_end_of_a_told_signal_is_told_once(kind):
    """One that was reached is never told again, whatever it does later."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    post(alerts, "a", NOW)
    assert alerts.open_keys == ["a"]
    assert end(alerts, "a", kind=kind) == ["a"]
    (message,) = alerts.due("", NOW)
    (alert,) = message.alerts
    assert (alert.kind, alert.key, alert.line, alert.detail) == (kind, "a", "line a", f"{kind} why")
    alerts.accepted(message, NOW)
    assert (end(alerts, "a"), alerts.open_keys, alerts.pending) == ([], [], 0)
    if kind == "reached":
        assert seen(alerts, "a") == seen(alerts, "a", near=True, size=3) == []
    assert alerts.due("a", NOW) == []


def test_a_withdrawn_signal_that_is_an_entry_again_is_told_once_more():
    """As back, over restarts, with an end again; after that it is over."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    told = kinds(alerts, "a")
    for _ in range(3):
        end(alerts, "a", kind="withdrawn")
        told += kinds(alerts, "")
        alerts = again(alerts)
        assert seen(alerts, "a", no_entry=True) == []
        seen(alerts, "a", near=True, size=3)
        told += kinds(alerts, "a")
        assert seen(alerts, "a", near=True, size=3) == []
    assert told == ["new", "withdrawn", "back", "withdrawn"]
    assert alerts.state()["sent"] == [NOW, NOW]  # the hour counts it as any other


def test_back_reached_the_command_and_the_bell_too():
    """Where nothing is posted it is told apart, once; its end can be that it was reached."""
    alerts = AlertPolicy(10, posts=False)
    seen(alerts, "a")
    found = []
    for _ in range(3):
        end(alerts, "a", kind="withdrawn")
        found += [alert.kind for alert in seen(alerts, "a")]
    assert found == ["back"]
    seen(alerts, "b")
    end(alerts, "b", kind="withdrawn")
    assert [alert.kind for alert in seen(alerts, "b")] == ["back"]
    assert end(alerts, "b") == ["b"]


def test_a_withdrawal_that_waits_is_told_before_its_signal_is_back():
    """In this order, whenever the network comes back."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    post(alerts, "a", NOW)
    end(alerts, "a", kind="withdrawn")
    assert seen(alerts, "a")
    assert kinds(again(alerts), "a") == ["withdrawn", "back"]


def test_one_that_is_back_and_comes_near_is_told_both():
    """It is not near alone, since its withdrawal was the last word."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    post(alerts, "a", NOW)
    end(alerts, "a", kind="withdrawn")
    seen(alerts, "a")
    seen(alerts, "a", near=True, size=2)
    assert kinds(alerts, "a") == ["withdrawn", "back", "near"]


def test_what_nobody_was_told_is_not_back():
    """Withdrawn before its alert was taken: it is that alert that still waits, once."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    end(alerts, "a", kind="withdrawn")
    assert [alert.kind for alert in seen(alerts, "a", size=1)] == ["new"]
    assert kinds(alerts, "a") == ["new"]
    assert end(alerts, "a", kind="withdrawn") == ["a"]
    assert kinds(alerts, "") == ["withdrawn"]
    assert seen(alerts, "a") == []
    seen(alerts, "b")
    (message,) = alerts.due("b", NOW)
    end(alerts, "b", kind="withdrawn")
    alerts.dropped(message)  # refused for good
    assert [alert.kind for alert in seen(alerts, "b", near=True)] == ["near"]
    assert kinds(alerts, "b") == ["near"]


def test_a_back_that_was_not_taken_ends_without_a_word():
    """Its withdrawal was the last that was told; once it was taken its end follows."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    post(alerts, "a", NOW)
    end(alerts, "a", kind="withdrawn")
    post(alerts, "", NOW)
    seen(alerts, "a")
    (back,) = alerts.due("a", NOW)
    end(alerts, "a", kind="withdrawn")
    assert alerts.due("", NOW) == []
    alerts.accepted(back, NOW)
    assert kinds(alerts, "") == ["withdrawn"]


@pytest.mark.parametrize(("kind", "ago"), [("aged", 0), ("withdrawn", policy.LATE_MS + 1)])
def test_what_ended_without_a_word_does_not_come_back(kind, ago):
    """Too old, or found out too late: nobody was told that it ended."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    post(alerts, "a", NOW)
    assert end(alerts, "a", kind=kind, ago=ago) == []
    assert seen(alerts, "a") == seen(again(alerts), "a") == []


def test_a_level_of_which_one_stands_is_not_back():
    """A withdrawn twin joins a signal that was told and goes on: that is no news."""
    alerts = AlertPolicy(10)
    seen(alerts, "ab")
    post(alerts, "ab", NOW)
    end(alerts, "b", kind="withdrawn")
    assert seen(alerts, "a", others=("b",)) == []


def test_an_end_takes_no_place_of_the_hour():
    """It is posted though the hour is full, and leaves the hour as it was; first of all."""
    alerts = AlertPolicy(1)
    seen(alerts, "a")
    post(alerts, "a", NOW)
    end(alerts, "a", NOW + MINUTE)
    assert ends_of(alerts.due("", NOW + MINUTE)) == [("reached", "a")]
    post(alerts, "", NOW + MINUTE)
    assert alerts.state()["sent"] == [NOW]
    alerts = AlertPolicy(2)
    seen(alerts, "a")
    post(alerts, "a", NOW)
    seen(alerts, "b")
    end(alerts, "a")
    assert ends_of(alerts.due("b", NOW)) == [("reached", "a"), ("new", "b")]


def test_what_nobody_was_told_ends_without_a_word():
    """An alert that was never accepted; neither does its end go to a list."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    end(alerts, "a")
    assert alerts.due("", NOW) == []
    (message,) = alerts.due("", NOW + HOUR)  # listed as late
    assert keys([message]) == [["a"]]
    alerts.dropped(message)
    assert alerts.pending == 0


def test_an_end_waits_for_the_alert_that_is_under_way():
    """What was told and ended meanwhile is told to have ended, in this order."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    (first,) = alerts.due("a", NOW)
    assert end(alerts, "a") == ["a"]
    assert alerts.pending == 1
    alerts = again(alerts)
    alerts.accepted(first, NOW)
    assert ends_of(alerts.due("", NOW)) == [("reached", "a")]


def test_ageing_out_is_not_told():
    """Neither is an end of long ago; both end the signal."""
    alerts = AlertPolicy(10)
    seen(alerts, "abc")
    post(alerts, "abc", NOW)
    assert end(alerts, "a", kind="aged") == []
    assert end(alerts, "b", ago=policy.LATE_MS + 1) == []
    assert end(alerts, "c", ago=policy.LATE_MS) == ["c"]
    assert (alerts.open_keys, alerts.pending) == ([], 1)
    assert end(alerts, "unknown") == []


def test_an_end_that_waits_is_not_late():
    """Whoever was told has to know, also after a quarter of an hour."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    post(alerts, "a", NOW)
    end(alerts, "a")
    assert ends_of(alerts.due("", NOW + HOUR)) == [("reached", "a")]


def test_a_group_is_known_by_each_of_its_names():
    """Whichever wick leads it now; two that were told and are one level now are one signal."""
    alerts = AlertPolicy(10)
    seen(alerts, "a", others=("b",))
    seen(alerts, "c")
    post(alerts, "ac", NOW)
    assert seen(alerts, ["b"], others=("d",)) == seen(alerts, "d") == []
    assert alerts.open_keys == ["d", "c"]  # the wick that leads it now
    assert alerts.names("a") == ("d", "b", "a")
    assert seen(alerts, ["c"], others=("a",)) == []
    assert alerts.open_keys == ["c"]
    assert end(alerts, "d") == ["d"]
    assert ends_of(alerts.due("", NOW)) == [("reached", "c")]  # by the name that it has now
    assert seen(alerts, "abcd") == []


def test_without_discord_ends_are_told_apart():
    """For a command or the bell; nothing waits."""
    alerts = AlertPolicy(10, posts=False)
    seen(alerts, "a")
    assert end(alerts, "a", kind="withdrawn") == ["a"]
    assert (end(alerts, "a"), alerts.pending) == ([], 0)
