"""Which alerts are due when, and what is remembered of them."""

import orjson
import pytest

from ravequant.alerts import policy, told_state
from ravequant.alerts.policy import AlertBook
from tests.support.sightings import MINUTE, NOW, sighting

HOUR = 60 * MINUTE


def keys(messages):
    """Return the signals of each message; those of a list stand in a list."""
    found = []
    for message in messages:
        names = [alert.key for alert in message.alerts]
        found.append(names if message.is_list else names[0])
    return found


def post(book, standing, now):
    """Post what is due, all of it accepted; return it."""
    messages = book.due(standing, now)
    for message in messages:
        book.accepted(message, now)
    return keys(messages)


def seen(book, names, now=NOW, **other):
    """See signals of these names in a round."""
    return book.see([sighting(name, **other) for name in names], now)


# --- which ----------------------------------------------------------------------------------


def test_a_signal_is_told_once():
    """Round after round the same signal: one message."""
    book = AlertBook(10)
    for minute in range(30):
        seen(book, "a", NOW + minute * MINUTE)
        assert post(book, "a", NOW + minute * MINUTE) == (["a"] if minute == 0 else [])


def test_the_oldest_wick_goes_first():
    """Whatever the order in which a round finds them."""
    book = AlertBook(10)
    told = book.see([sighting("c", 3), sighting("a", 2), sighting("b", 1)], NOW)
    assert [found.key for found in told] == ["b", "a", "c"]
    assert post(book, "abc", NOW) == ["b", "a", "c"]


def test_one_price_on_several_timeframes_is_one_signal():
    """Known by any of its wicks, then by all of them, on whatever timeframe it is asked for."""
    book = AlertBook(10)
    assert seen(book, "a", others=("five",))
    assert seen(book, ["five"]) == []
    assert seen(book, "b", others=("a",)) == []


def test_an_approach_is_told_once():
    """Near the tip, away and near again: the second message, and no third."""
    book = AlertBook(10)
    posted = []
    for near in (False, True, False, True):
        seen(book, "a", near=near)
        posted += [(alert.near) for message in book.due("a", NOW) for alert in message.alerts]
        post(book, "a", NOW)
    assert posted == [False, True]


def test_first_seen_near_is_one_message():
    """What is new and near at once is said once, as near."""
    book = AlertBook(10)
    seen(book, "a", near=True)
    (message,) = book.due("a", NOW)
    assert message.alerts[0].near
    post(book, "a", NOW)
    assert seen(book, "a", near=True) == []


def test_near_before_it_was_posted_is_one_message():
    """A new signal that still waits becomes the approach."""
    book = AlertBook(10)
    seen(book, "a")
    assert seen(book, "a", near=True)
    (message,) = book.due("a", NOW)
    assert message.alerts[0].near


def test_an_approach_while_the_first_is_under_way_is_not_lost():
    """What was accepted is the first message; the approach still waits."""
    book = AlertBook(10)
    seen(book, "a")
    (first,) = book.due("a", NOW)
    seen(book, "a", near=True)
    book.accepted(first, NOW)
    assert post(book, "a", NOW) == ["a"]


def test_contact_is_neither_new_nor_an_approach():
    """At the tip there is no entry any more; a signal that comes free again is new."""
    book = AlertBook(10)
    assert seen(book, "a", near=True, in_contact=True) == []
    assert seen(book, "a")
    assert seen(book, "a", near=True, in_contact=True) == []


# --- when -----------------------------------------------------------------------------------


def test_the_budget_of_an_hour():
    """Above it nothing is posted; when a place is free again all the rest is one list."""
    book = AlertBook(3)
    seen(book, "abc")
    assert post(book, "abc", NOW) == ["a", "b", "c"]
    seen(book, "de", NOW + MINUTE)
    assert post(book, "abcde", NOW + MINUTE) == []
    assert post(book, "abcde", NOW + HOUR - 1) == []
    assert post(book, "abcde", NOW + HOUR) == [["d", "e"]]
    seen(book, "f", NOW + HOUR)
    assert post(book, "f", NOW + HOUR) == ["f"]


def test_what_was_above_the_budget_is_not_posted_on_its_own():
    """Not even if the next place is free a moment later: its turn is gone."""
    book = AlertBook(1)
    seen(book, "a")
    post(book, "a", NOW)
    almost = NOW + HOUR - MINUTE
    seen(book, "b", almost)
    assert post(book, "b", almost) == []
    assert post(book, "b", NOW + HOUR) == [["b"]]


def test_the_last_place_goes_to_a_list():
    """More at once than fit: told now, together, rather than in an hour."""
    book = AlertBook(3)
    seen(book, "abcde")
    assert post(book, "abcde", NOW) == ["a", "b", ["c", "d", "e"]]
    assert post(book, "abcde", NOW) == []


def test_a_list_goes_before_what_is_new():
    """Order is kept: what waited longest is said first."""
    book = AlertBook(2)
    seen(book, "ab")
    post(book, "ab", NOW)
    seen(book, "c", NOW + MINUTE)
    post(book, "c", NOW + MINUTE)
    later = NOW + 2 * HOUR
    seen(book, "d", later)
    assert post(book, "d", later) == [["c"], "d"]
    book = AlertBook(3)
    seen(book, "a")
    later = NOW + 20 * MINUTE
    seen(book, "b", later)
    assert post(book, "ab", later) == [["a"], "b"]


def test_a_late_alert_is_no_alert():
    """What nobody took for a quarter of an hour is listed, never posted on its own."""
    book = AlertBook(10)
    seen(book, "a")
    assert keys(book.due("a", NOW + policy.LATE_MS)) == ["a"]
    assert post(book, "a", NOW + policy.LATE_MS + 1) == [["a"]]
    assert post(book, "a", NOW + HOUR) == []


def test_what_does_not_stand_any_more_is_not_posted():
    """The wick was touched before the network came back: listed when it is late."""
    book = AlertBook(10)
    seen(book, "ab")
    assert post(book, "b", NOW + MINUTE) == ["b"]
    assert post(book, "", NOW + HOUR) == [["a"]]


def test_without_discord_nothing_waits():
    """For a command or the bell what is new is told apart, and that is all."""
    book = AlertBook(10, posts=False)
    assert seen(book, "a")
    assert (book.waiting, book.due("a", NOW)) == (0, [])


def test_a_clock_that_went_back():
    """Neither the budget nor what waits hangs on a moment that lies ahead."""
    book = AlertBook(1)
    seen(book, "a", NOW + 9 * HOUR)
    post(book, "a", NOW + 9 * HOUR)
    seen(book, "b", NOW)
    assert post(book, "b", NOW) == ["b"]
    seen(book, "c", NOW + 9 * HOUR)
    assert post(book, "", NOW + 2 * HOUR) == []
    assert post(book, "c", NOW + 2 * HOUR + policy.LATE_MS + 1) == [["c"]]


# --- what is remembered ---------------------------------------------------------------------


def again(book, per_hour=10):
    """Return what a restart makes of a book."""
    found = AlertBook(per_hour)
    found.restore(orjson.loads(orjson.dumps(book.state())))
    return found


def test_a_restart_remembers_all():
    """What was told, what waits, what the hour has had."""
    book = AlertBook(2)
    seen(book, "a", others=("five",))
    post(book, "a", NOW)
    seen(book, "bcd")
    book = again(book, 2)
    assert seen(book, "a") == seen(book, ["five"]) == []
    assert keys(book.due("abcd", NOW)) == [["b", "c", "d"]]
    assert again(book).state() == book.state()


def test_a_message_in_doubt_is_posted_again():
    """A crash before it is known to be accepted: rather twice than never."""
    book = AlertBook(10)
    seen(book, "a")
    assert keys(book.due("a", NOW)) == ["a"]
    assert keys(again(book).due("a", NOW)) == ["a"]


def test_what_is_remembered_stays_small():
    """Old signals go after eight days, the oldest of too many sooner; what waits has an end too."""
    book = AlertBook(1)
    seen(book, [f"old{number}" for number in range(50)], NOW - 9 * 24 * HOUR)
    for number in range(0, 3_000, 20):
        seen(book, [f"name{part}" for part in range(number, number + 20)])
    seen(book, ())
    state = book.state()
    assert len(state["known"]) == policy.MOST_KNOWN
    assert "name2999" in state["known"]
    assert len(state["waiting"]) == policy.MOST_WAITING
    assert state["left_out"] == 3_050 - policy.MOST_WAITING
    assert len(orjson.dumps(state)) < 100_000
    (message,) = book.due("", NOW + HOUR)
    assert message.left_out == state["left_out"]
    book.accepted(message, NOW)
    assert (book.waiting, book.state()["left_out"]) == (0, 0)


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
    book = AlertBook(10)
    told_state.restore(book, path)
    assert book.state() == AlertBook(10).state()
    assert not path.exists()
    assert path.with_name("alerts.json.damaged").stat().st_size == len(damaged)
    assert "alerts.json is damaged: " in caplog.text
    assert "was set aside as alerts.json.damaged" in caplog.text
