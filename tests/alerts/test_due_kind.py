"""Which alert a signal is due, and which change of its size is told."""

import pytest

from ravequant.alerts.due_kind import due_kind, fitted, is_entry, told_change
from ravequant.alerts.policy_state import KnownSignal, PendingAlert
from tests.support.alert_cases import NOW, seen_signal


def known(**other):
    """Return a signal of size 2 that was told."""
    facts = {
        "told": True,
        "size": 2,
        "last_size": 2,
        "told_size": 2,
        "told_last": 2,
        "fitted_size": 2,
    }
    return KnownSignal(["a"], NOW, near=False, **facts | other)


def alert(kind="new", size=2, **other):
    """Return an alert that waits."""
    return PendingAlert("a", kind, f"line x{size}", NOW, size=size, **other)


@pytest.mark.parametrize(("size", "kind"), [(0, None), (1, "shrunk"), (2, None), (3, "grown")])
def test_a_signal_is_due_what_it_was_not_notified_of(size, kind):
    """By its size; without one it is no entry any more."""
    assert due_kind(seen_signal(size=size), known()) == kind
    assert due_kind(seen_signal(size=size, no_entry=True), known()) is None
    assert is_entry(seen_signal(size=size), known()) is (size > 0)
    assert not is_entry(seen_signal(size=size), known(over=True))
    assert due_kind(seen_signal(size=size), None) == "new"


@pytest.mark.parametrize(("size", "kinds"), [(1, ["shrunk"]), (2, []), (3, []), (4, ["grown"])])
def test_a_change_is_told_above_the_largest_and_below_the_newest(size, kinds):
    """Between them it is no news."""
    told = known(told_size=3)
    assert [one.kind for one in told_change(alert(size=size), told)] == kinds
    assert [one.kind for one in fitted([], alert("shrunk", size), told)] == kinds
    assert fitted([], alert("shrunk", size), known(told=False)) == []


def test_what_waits_takes_on_the_size():
    """Its kind stays; beside an alert in a list growth has one of its own."""
    for size, kind in ((1, "shrunk"), (3, "grown")):
        assert fitted([alert()], alert(kind, size), known()) == [alert(size=size)]
    listed = alert(listed=True)
    assert fitted([listed], alert("grown", 3), known()) == [listed, alert("grown", 3)]
    assert fitted([listed], alert("shrunk", 1), known()) == [alert(size=1, listed=True)]
