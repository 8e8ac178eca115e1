"""Which alerts are due when, and what is remembered of them."""

import orjson

from ravequant.alerts import policy
from ravequant.alerts.policy import AlertPolicy, SignalEnd
from tests.support.alert_cases import MINUTE, NOW, seen_signal

HOUR = 60 * MINUTE


def keys(messages):
    """Return the signals of each message; those of a list stand in a list."""
    found = []
    for message in messages:
        names = [alert.key for alert in message.alerts]
        found.append(names if message.is_list else names[0])
    return found


def post(alerts, standing, now):
    """Post what is due, all of it accepted; return it."""
    messages = alerts.due(standing, now)
    for message in messages:
        alerts.accepted(message, now)
    return keys(messages)


def seen(alerts, names, now=NOW, **other):
    """See signals of these names in a round."""
    return alerts.add([seen_signal(name, **other) for name in names], now)


def end(alerts, key, now=NOW, kind="reached", ago=0):
    """End a signal; return the keys that are notified."""
    found = SignalEnd(kind, key, f"line {key}", f"{kind} why", now - ago, "97150")
    return [ended.key for ended in alerts.end([found], now)]


def ends_of(messages):
    return [(message.alerts[0].kind, message.alerts[0].key) for message in messages]


def kinds(alerts, names, now=NOW):
    """Post what is due, all of it accepted; return the kinds."""
    messages = alerts.due(names, now)
    for message in messages:
        alerts.accepted(message, now)
    return [message.alerts[0].kind for message in messages]


def again(alerts, per_hour=10):
    """Return what a restart makes of a policy."""
    found = AlertPolicy(per_hour)
    found.restore(orjson.loads(orjson.dumps(alerts.state())))
    return found


# --- which ----------------------------------------------------------------------------------


def test_a_signal_is_told_once():
    """RoundAnswer after round the same signal: one message."""
    alerts = AlertPolicy(10)
    for minute in range(30):
        seen(alerts, "a", NOW + minute * MINUTE)
        assert post(alerts, "a", NOW + minute * MINUTE) == (["a"] if minute == 0 else [])


def test_the_oldest_wick_goes_first():
    """Whatever the order in which a round finds them."""
    alerts = AlertPolicy(10)
    new = alerts.add([seen_signal("c", 3), seen_signal("a", 2), seen_signal("b", 1)], NOW)
    assert [found.key for found in new] == ["b", "a", "c"]
    assert post(alerts, "abc", NOW) == ["b", "a", "c"]


def test_one_price_on_several_timeframes_is_one_signal():
    """Known by any of its wicks, then by all of them, on whatever timeframe it is asked for."""
    alerts = AlertPolicy(10)
    assert seen(alerts, "a", others=("five",))
    assert seen(alerts, ["five"]) == []
    assert seen(alerts, "b", others=("a",)) == []


def test_an_approach_is_told_once():
    """Near the tip, away and near again: the second message, and no third."""
    alerts = AlertPolicy(10)
    posted = []
    for near in (False, True, False, True):
        seen(alerts, "a", near=near)
        posted += [alert.kind for message in alerts.due("a", NOW) for alert in message.alerts]
        post(alerts, "a", NOW)
    assert posted == ["new", "near"]


def test_first_seen_near_is_one_message():
    """What is new and near at once is said once, as near."""
    alerts = AlertPolicy(10)
    seen(alerts, "a", near=True)
    (message,) = alerts.due("a", NOW)
    assert message.alerts[0].kind == "near"
    post(alerts, "a", NOW)
    assert seen(alerts, "a", near=True) == []


def test_near_before_it_was_posted_is_one_message():
    """A new signal that still waits becomes the approach."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    assert seen(alerts, "a", near=True)
    (message,) = alerts.due("a", NOW)
    assert message.alerts[0].kind == "near"


def test_an_approach_while_the_first_is_under_way_is_not_lost():
    """What was accepted is the first message; the approach still waits."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    (first,) = alerts.due("a", NOW)
    seen(alerts, "a", near=True)
    alerts.accepted(first, NOW)
    assert post(alerts, "a", NOW) == ["a"]


def test_contact_is_neither_new_nor_an_approach():
    """At the tip there is no entry any more; a signal that comes free again is new."""
    alerts = AlertPolicy(10)
    assert seen(alerts, "a", near=True, no_entry=True) == []
    assert seen(alerts, "a")
    assert seen(alerts, "a", near=True, no_entry=True) == []


# --- when -----------------------------------------------------------------------------------


def test_the_budget_of_an_hour():
    """Above it nothing is posted; when a place is free again all the rest is one list."""
    alerts = AlertPolicy(3)
    seen(alerts, "abc")
    assert post(alerts, "abc", NOW) == ["a", "b", "c"]
    seen(alerts, "de", NOW + MINUTE)
    assert post(alerts, "abcde", NOW + MINUTE) == []
    assert post(alerts, "abcde", NOW + HOUR - 1) == []
    assert post(alerts, "abcde", NOW + HOUR) == [["d", "e"]]
    seen(alerts, "f", NOW + HOUR)
    assert post(alerts, "f", NOW + HOUR) == ["f"]


def test_what_was_above_the_budget_is_not_posted_on_its_own():
    """Not even if the next place is free a moment later: its turn is gone."""
    alerts = AlertPolicy(1)
    seen(alerts, "a")
    post(alerts, "a", NOW)
    almost = NOW + HOUR - MINUTE
    seen(alerts, "b", almost)
    assert post(alerts, "b", almost) == []
    assert post(alerts, "b", NOW + HOUR) == [["b"]]


def test_the_last_place_goes_to_a_list():
    """More at once than fit: told now, together, rather than in an hour."""
    alerts = AlertPolicy(3)
    seen(alerts, "abcde")
    assert post(alerts, "abcde", NOW) == ["a", "b", ["c", "d", "e"]]
    assert post(alerts, "abcde", NOW) == []


def test_the_largest_size_goes_first():
    """Alone and within a list, both when places are free and when one comes free."""
    alerts = AlertPolicy(2)
    sizes = {"a": 0, "b": 2, "c": 1, "d": 3}
    alerts.add([seen_signal(name, size=size) for name, size in sizes.items()], NOW)
    assert keys(alerts.due("abcd", NOW)) == ["d", ["b", "c", "a"]]
    post(alerts, "d", NOW)
    seen(alerts, "e", size=3)
    post(alerts, "e", NOW)
    seen(alerts, "f", size=3)
    assert post(alerts, "abcf", NOW + MINUTE) == []
    assert post(alerts, "abcf", NOW + HOUR) == [["f", "b", "c", "a"]]


def test_the_message_of_the_last_place_names_the_next():
    """Of several at once the last one; none while a place is left."""
    alerts = AlertPolicy(3)
    seen(alerts, "a")
    (first,) = alerts.due("a", NOW)
    alerts.accepted(first, NOW)
    seen(alerts, "bc", NOW + MINUTE)
    found = [first, *alerts.due("bc", NOW + MINUTE)]
    assert [message.full_until_ms for message in found] == [None, None, NOW + HOUR]


def test_a_list_goes_before_what_is_new():
    """Order is kept: what waited longest is said first."""
    alerts = AlertPolicy(2)
    seen(alerts, "ab")
    post(alerts, "ab", NOW)
    seen(alerts, "c", NOW + MINUTE)
    post(alerts, "c", NOW + MINUTE)
    later = NOW + 2 * HOUR
    seen(alerts, "d", later)
    assert post(alerts, "d", later) == [["c"], "d"]
    alerts = AlertPolicy(3)
    seen(alerts, "a")
    later = NOW + 20 * MINUTE
    seen(alerts, "b", later)
    assert post(alerts, "ab", later) == [["a"], "b"]


def test_a_late_alert_is_no_alert():
    """What nobody took for a quarter of an hour is listed, never posted on its own."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    assert keys(alerts.due("a", NOW + policy.LATE_MS)) == ["a"]
    assert post(alerts, "a", NOW + policy.LATE_MS + 1) == [["a"]]
    assert post(alerts, "a", NOW + HOUR) == []


def test_what_does_not_stand_any_more_is_not_posted():
    """The wick was touched before the network came back: listed when it is late."""
    alerts = AlertPolicy(10)
    seen(alerts, "ab")
    assert post(alerts, "b", NOW + MINUTE) == ["b"]
    assert post(alerts, "", NOW + HOUR) == [["a"]]


def test_without_discord_nothing_waits():
    """For a command or the bell what is new is told apart, and that is all."""
    alerts = AlertPolicy(10, posts=False)
    assert seen(alerts, "a")
    assert (alerts.pending, alerts.due("a", NOW)) == (0, [])


def test_a_clock_that_went_back():
    """Neither the budget nor what waits hangs on a moment that lies ahead."""
    alerts = AlertPolicy(1)
    seen(alerts, "a", NOW + 9 * HOUR)
    post(alerts, "a", NOW + 9 * HOUR)
    seen(alerts, "b", NOW)
    assert post(alerts, "b", NOW) == ["b"]
    seen(alerts, "c", NOW + 9 * HOUR)
    assert post(alerts, "", NOW + 2 * HOUR) == []
    assert post(alerts, "c", NOW + 2 * HOUR + policy.LATE_MS + 1) == [["c"]]


# --- what is remembered ---------------------------------------------------------------------


def test_a_restart_remembers_all():
    """What was told, what waits, what the hour has had."""
    alerts = AlertPolicy(2)
    seen(alerts, "a", others=("five",))
    post(alerts, "a", NOW)
    seen(alerts, "bcd")
    alerts = again(alerts, 2)
    assert seen(alerts, "a") == seen(alerts, ["five"]) == []
    assert keys(alerts.due("abcd", NOW)) == [["b", "c", "d"]]
    assert again(alerts).state() == alerts.state()


def test_a_message_in_doubt_is_posted_again():
    """A crash before it is known to be accepted: rather twice than never."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    assert keys(alerts.due("a", NOW)) == ["a"]
    assert keys(again(alerts).due("a", NOW)) == ["a"]


def test_what_is_remembered_stays_small():
    """Old signals go after eight days, the oldest of too many sooner; what waits has an end too."""
    alerts = AlertPolicy(1)
    seen(alerts, [f"old{number}" for number in range(50)], NOW - 9 * 24 * HOUR)
    for number in range(0, 3_000, 20):
        seen(alerts, [f"name{part}" for part in range(number, number + 20)])
    seen(alerts, ())
    state = alerts.state()
    assert len(state["known"]) == policy.MOST_KNOWN
    assert state["known"][-1][0] == ["name2999"]
    assert len(state["waiting"]) == policy.MOST_WAITING
    assert state["left_out"] == 3_050 - policy.MOST_WAITING
    assert len(orjson.dumps(state)) < 150_000
    (message,) = alerts.due("", NOW + HOUR)
    assert message.left_out == state["left_out"]
    alerts.accepted(message, NOW)
    assert (alerts.pending, alerts.state()["left_out"]) == (0, 0)


def test_a_clock_ahead_forgets_nothing_that_was_told():
    """Once it is right again, a signal that still stands is not told a second time."""
    alerts = AlertPolicy(10)
    seen(alerts, "a")
    seen(alerts, (), NOW + 15 * 24 * HOUR)
    assert seen(alerts, "a", NOW + MINUTE) == []


def test_the_state_of_the_version_before_is_read():
    """What was told is not told again, what waits is posted, and ends are told of both."""
    before = {
        "version": 1,
        "known": {"a": [NOW - 5, False], "five": [NOW - 5, False], "w": [NOW - 3, True]},
        "waiting": [["w", True, "line w", NOW - 3, False], ["old", False, "line", 5, True]],
        "sent": [NOW - 5],
        "left_out": 2,
    }
    alerts = AlertPolicy(10)
    alerts.restore(before)
    assert seen(alerts, ["a"]) == seen(alerts, ["five"]) == seen(alerts, ["w"], near=True) == []
    assert seen(alerts, ["a"], near=True, size=1)
    assert alerts.open_keys == ["a", "five", "w"]
    assert end(alerts, "five") == ["five"]
    assert end(alerts, "w") == ["w"]
    found = alerts.due("a", NOW)
    assert ends_of(found) == [("reached", "five"), ("new", "old"), ("near", "a")]
    assert found[1].left_out == 2
    assert again(alerts).state() == alerts.state()
