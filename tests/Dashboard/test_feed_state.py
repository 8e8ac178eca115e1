"""Dashboard/feed_state.py: what a page has not seen yet."""

from Dashboard.feed_state import FeedState

COLUMNS = ("c", "vol")


def with_minutes(state, first, *closes, kept=10):
    columns = {"c": list(closes), "vol": [1.0] * len(closes)}
    return state.with_minutes(range(first, first + len(closes)), columns, kept)


def test_a_part_is_told_once_and_again_when_it_changes():
    """A page gets the parts that changed after the look that it has seen."""
    first = FeedState().with_parts({"price": 1, "book": None})
    assert first.since(0, 0) == {"price": 1, "book": None}
    assert first.since(first.version, 0) == {}
    second = first.with_parts({"price": 2, "book": None})
    assert second.since(first.version, 0) == {"price": 2}
    third = second.with_parts({"book": 3})
    assert third.since(first.version, 0) == {"price": 2, "book": 3}
    assert third.since(second.version, 0) == {"book": 3}


def test_what_is_the_same_is_no_change():
    """A look that finds nothing new leaves the state as it is."""
    state = with_minutes(FeedState().with_parts({"price": 1}), 5, 1.0, None)
    state = state.with_wicks([("a", 1)])
    assert state.with_parts({"price": 1}) is state
    assert with_minutes(state, 5, 1.0, None) is state
    assert state.with_wicks([("a", 1)]) is state


def test_columns_begin_at_the_first_minute_that_changed():
    """A minute is told again when a calculator reaches it later than another."""
    first = with_minutes(FeedState(), 5, 1.0, None, None)
    second = with_minutes(first, 5, 1.0, None, 3.0, 4.0)
    assert second.since(first.version, 0)["minutes"] == {
        "first": 7, "every": 1, "c": [3.0, 4.0], "vol": [1.0, 1.0],
    }  # fmt: skip
    third = with_minutes(second, 6, 2.0, 3.0, 4.0)
    assert third.since(second.version, 0)["minutes"]["c"] == [2.0, 3.0, 4.0]
    assert third.since(0, 7)["minutes"]["first"] == 7
    assert "minutes" not in third.since(0, 9)


def test_a_minute_that_was_left_out_is_null():
    """Columns are dense."""
    state = with_minutes(with_minutes(FeedState(), 5, 1.0), 8, 4.0)
    assert state.since(0, 0)["minutes"]["c"] == [1.0, None, None, 4.0]


def test_few_minutes_are_kept():
    """The newest ones: a page that lacks older ones loads its picture anew."""
    state = with_minutes(FeedState(), 0, *map(float, range(50)), kept=3)
    assert state.since(0, 0)["minutes"]["c"] == [47.0, 48.0, 49.0]


def test_wicks_are_told_by_id_and_those_not_drawn_any_more_as_gone():
    """A row that changed replaces the old one; an id that is not drawn any more is gone."""
    a, b = ("a", "1m", "upper", 9.0, 5, None, 1, 0), ("b", "1m", "lower", 8.0, 6, None, 1, 0)
    first = FeedState().with_wicks([a, b])
    assert first.since(0, 0)["wicks"]["id"] == ["a", "b"]
    touched = (*a[:5], 7, 1, 0)
    second = first.with_wicks([touched])
    told = second.since(first.version, 0)["wicks"]
    assert (told["id"], told["touch"], told["gone"]) == (["a"], [7], ["b"])
    third = second.with_wicks([touched, b])
    assert third.since(first.version, 0)["wicks"]["gone"] == []
    assert third.since(second.version, 0)["wicks"]["id"] == ["b"]


def test_void_begins_anew():
    """After it nothing of before is told, and the number of looks goes on."""
    state = with_minutes(FeedState().with_parts({"price": 1}), 5, 1.0).voided("rebuilt")
    assert (state.version, state.void_version, state.void) == (3, 3, "rebuilt")
    assert state.since(0, 0) == {}
