"""How the size of a signal is told: growth above the largest told, a fall below the newest."""

import pytest

from ravequant.alerts.policy import AlertPolicy, SignalEnd
from tests.alerts.test_policy import HOUR, again, end, kinds, post, seen
from tests.support.alert_cases import MINUTE, NOW, seen_signal


def test_a_signal_that_grows_is_told_once_more_for_each_size():
    """Over restarts; as large as before it is no news. It takes a place; a smaller size none."""
    alerts, told = AlertPolicy(10), []
    for size in (1, 1, 2, 1, 2, 3, 0, 3):
        found = seen(alerts, "a", size=size)
        told += [(size, kind) for kind in kinds(alerts, "a")]
        assert [alert.kind for alert in found] == ([told[-1][1]] if found else [])
        alerts = again(alerts)
    assert told == [(1, "new"), (2, "grown"), (1, "shrunk"), (3, "grown")]
    assert len(alerts.state()["sent"]) == 3


def test_each_smaller_size_is_told_once():
    """However often it changes; the hour may be full. It begins anew with growth and a return."""
    alerts, told = AlertPolicy(1), []
    for size in (3, 2, 3, 2, 1, 3, 1, 2):
        seen(alerts, "a", size=size)
        told += [(size, kind) for kind in kinds(alerts, "a")]
        alerts = again(alerts, 1)
    assert told == [(3, "new"), (2, "shrunk"), (1, "shrunk")]
    assert seen(alerts, "a", size=1, no_entry=True) == seen(alerts, "a") == []
    end(alerts, "a", kind="withdrawn")
    assert [alert.kind for size in (3, 1, 1) for alert in seen(alerts, "a", size=size)] == [
        "back",
        "shrunk",
    ]


def test_a_smaller_size_before_a_message_is_that_message():
    """With the line of the smaller size; a growth that holds in part is that growth."""
    alerts = AlertPolicy(10)
    seen(alerts, "a", size=3)
    assert [alert.kind for alert in seen(alerts, "a", size=1, line="smaller")] == ["shrunk"]
    (message,) = alerts.due("a", NOW)
    assert [(alert.kind, alert.line, alert.size) for alert in message.alerts] == [
        ("new", "smaller", 1)
    ]
    seen(alerts, "b", size=1)
    post(alerts, "ab", NOW)
    seen(alerts, "b", size=3)
    seen(alerts, "b", size=2)  # who knows x1 has no order of x3 to make smaller
    assert kinds(alerts, "b") == ["grown"]


@pytest.mark.parametrize(
    ("told", "sizes", "later"),
    [
        (1, (3, 2), [("grown", 2)]),  # still more than was told
        (1, (3, 2, 3), [("grown", 3)]),
        (2, (3, 2), []),  # as it was told
        (2, (3, 2, 3), [("grown", 3)]),
        (2, (3, 1), [("shrunk", 1)]),
        (1, (3, 0, 3), [("grown", 3)]),
    ],
)
def test_what_a_full_hour_keeps_back_was_not_told(told, sizes, later):
    """A size is held against the messages that were accepted; over restarts too."""
    alerts, posted = AlertPolicy(1), []
    seen(alerts, "a", size=told)
    assert kinds(alerts, "a") == ["new"]
    for now in (*[NOW + MINUTE] * len(sizes), NOW + HOUR + MINUTE):
        if now < NOW + HOUR:
            seen(alerts, "a", now, size=sizes[0])
            sizes = sizes[1:]
        for message in alerts.due("a", now):
            alerts.accepted(message, now)
            posted += [(alert.kind, alert.size) for alert in message.alerts]
        alerts = again(alerts, 1)
    assert (posted, alerts.pending) == (later, 0)


def test_growth_that_fell_back_while_it_was_under_way_has_shrunk():
    """The reader knows the larger size; of a growth that was refused there is nothing to say."""
    for accepted in (True, False):
        alerts = AlertPolicy(10)
        seen(alerts, "a", size=1)
        post(alerts, "a", NOW)
        seen(alerts, "a", size=3)
        (growth,) = alerts.due("a", NOW)
        seen(alerts, "a", size=1)
        if accepted:
            alerts.accepted(growth, NOW)
        else:
            alerts.dropped(growth)
        told = []
        for _ in range(3):
            seen(alerts, "a", size=1)
            told += kinds(alerts, "a")
        assert told == ["shrunk"] * accepted


def test_a_growth_that_was_refused_is_not_tried_again():
    """Only another size is."""
    alerts = AlertPolicy(10)
    seen(alerts, "a", size=1)
    post(alerts, "a", NOW)
    seen(alerts, "a", size=3)
    (growth,) = alerts.due("a", NOW)
    alerts.dropped(growth)
    assert (seen(alerts, "a", size=3), alerts.pending) == ([], 0)


def test_a_smaller_size_waits_for_no_place():
    """Though the hour is full, and an approach of the same signal waits; only an end does."""
    alerts = AlertPolicy(1)
    seen(alerts, "a", size=3)
    post(alerts, "a", NOW)
    seen(alerts, "a", size=2)
    seen(alerts, "a", size=2, near=True)
    assert (alerts.pending, alerts.waiting_for_place) == (2, 1)
    assert kinds(alerts, "a") == ["shrunk"]


def test_a_smaller_size_while_a_message_is_under_way_is_not_lost():
    """The larger one was accepted; of a message that was refused nothing is left."""
    for accepted in (True, False):
        alerts = AlertPolicy(10)
        seen(alerts, "a", size=3)
        (first,) = alerts.due("a", NOW)
        seen(alerts, "a", size=1)
        if accepted:
            alerts.accepted(first, NOW)
        else:
            alerts.dropped(first)
        assert kinds(alerts, "a") == ["shrunk"] * accepted


def test_without_a_size_it_is_withdrawn_and_may_return():
    """A signal that was told with one; one of size 0 from the beginning goes on."""
    alerts = AlertPolicy(10)
    alerts.add([seen_signal("a", size=2), seen_signal("b")], NOW)
    post(alerts, "ab", NOW)
    for first in (True, False):
        ends = [
            SignalEnd("withdrawn", key, f"line {key}", "why", NOW, for_size=True) for key in "ab"
        ]
        assert [found.key for found in alerts.end(ends, NOW)] == ["a"] * first
        assert seen(alerts, "ab") == []
        assert (alerts.stands("a", 0), alerts.stands("b", 0)) == (False, True)
    assert kinds(alerts, "b") == ["withdrawn"]
    assert [alert.kind for alert in seen(alerts, "a", size=1)] == ["back"]


def test_a_signal_that_grows_at_the_tip_or_without_a_trade_is_not_told():
    """There is no entry; when there is one again it is told."""
    alerts = AlertPolicy(10)
    seen(alerts, "a", size=1)
    assert seen(alerts, "a", size=3, no_entry=True) == []
    assert [alert.kind for alert in seen(alerts, "a", size=3)] == ["grown"]


def test_its_approach_tells_its_size_too():
    """One message for both; what grows after it is told apart."""
    alerts = AlertPolicy(10)
    seen(alerts, "a", size=1)
    assert kinds(alerts, "a") == ["new"]
    seen(alerts, "a", size=2, near=True)
    assert kinds(alerts, "a") == ["near"]
    seen(alerts, "a", size=2, near=True)
    assert kinds(alerts, "a") == []
    seen(alerts, "b", size=2)
    seen(alerts, "b", size=1, near=True)
    assert kinds(alerts, "b") == ["near"]
    assert seen(alerts, "b", size=2) == []
    seen(alerts, "a", size=3, near=True)
    assert kinds(alerts, "a") == ["grown"]


@pytest.mark.parametrize("near", [False, True])
def test_growth_before_the_first_message_is_that_message(near):
    """With the line of the larger size."""
    alerts = AlertPolicy(10)
    seen(alerts, "a", size=1, near=near)
    assert seen(alerts, "a", size=2, near=near, line="larger")
    (message,) = alerts.due("a", NOW)
    (alert,) = message.alerts
    assert (alert.kind, alert.line, alert.size) == ("near" if near else "new", "larger", 2)


def test_growth_while_the_first_message_is_under_way_is_not_lost():
    """What was accepted was the smaller one; over a restart too."""
    alerts = AlertPolicy(10)
    seen(alerts, "a", size=1)
    (first,) = alerts.due("a", NOW)
    seen(alerts, "a", size=2)
    alerts = again(alerts)
    alerts.accepted(first, NOW)
    assert kinds(alerts, "a") == ["grown"]
    assert kinds(alerts, "a") == []


def test_twins_that_become_one_level_have_told_the_larger_size():
    """Of one level no more than what was told is known."""
    alerts = AlertPolicy(10)
    seen(alerts, "a", size=1)
    seen(alerts, "b", size=2)
    post(alerts, "ab", NOW)
    assert seen(alerts, "a", size=2, others=("b",)) == []
    assert [alert.kind for alert in seen(alerts, "b", size=3, others=("a",))] == ["grown"]
