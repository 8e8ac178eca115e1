"""The state of the alerts: what each version wrote is read, anything else is refused."""

import pytest

from ravequant.alerts import policy_state
from ravequant.alerts.policy import AlertPolicy
from ravequant.alerts.policy_state import KnownSignal, PendingAlert
from tests.support.alert_cases import NOW, seen_signal


def test_rows_are_read_as_they_were_written():
    """A known signal with the end that waits, and each kind of alert."""
    end = PendingAlert("a", "withdrawn", "line a", 7, detail="why")
    known = KnownSignal(["a", "b"], 5, near=True, told=False, over=True, end=end, size=2)
    assert policy_state.known_of(policy_state.known_row(known)) == known
    known.end, known.may_return, known.last_size = None, False, 1
    known.told_size, known.told_last, known.fitted_size = 3, 4, 5
    assert policy_state.known_of(policy_state.known_row(known)) == known
    for kind in ("new", "near", "grown", "back", "shrunk"):
        alert = PendingAlert("a", kind, "line a", 7, listed=True, size=3)
        assert policy_state.alert_of(policy_state.alert_row(alert)) == alert
        assert not alert.is_end
        assert alert.is_free is (kind == "shrunk")
    assert end.is_end


BEFORE = {
    "version": 2,
    "known": [
        [["a", "five"], NOW - 5, False, True, False, None],
        [["b"], NOW - 4, True, True, True, None],
        [["c"], NOW - 3, False, False, True, ["c", "withdrawn", "c", NOW - 2, False, "why"]],
    ],
    "waiting": [
        ["c", "new", "line c", NOW - 3, False, ""],
        ["b", "reached", "line b", NOW - 2, False, "why"],
    ],
    "sent": [NOW - 5],
    "left_out": 1,
}


def test_the_state_of_version_2_is_read():
    """What was told is not told again, nor its growth; an ended signal does not come back."""
    alerts = AlertPolicy(10)
    alerts.restore(BEFORE)
    again = [seen_signal(name, size=3) for name in ("a", "five", "b", "c")]
    assert alerts.add(again, NOW) == []
    assert alerts.open_keys == ["five"]
    assert [
        (alert.key, alert.kind) for alert in alerts.add([seen_signal("a", near=True, size=3)], NOW)
    ] == [("a", "near")]
    state = alerts.state()
    assert (state["version"], state["sent"], state["left_out"]) == (5, [NOW - 5], 1)
    assert [row[5] and len(row[5]) for row in state["known"]] == [None, None, 7]


def test_the_state_of_version_3_is_read():
    """Its largest size counts as the newest: one that is smaller now is told to be."""
    known = [["a"], NOW, False, True, False, None, 2, True]
    before = {"version": 3, "known": [known], "waiting": [], "sent": [], "left_out": 0}
    alerts = AlertPolicy(10)
    alerts.restore(before)
    assert alerts.add([seen_signal("a", size=2)], NOW) == []
    assert [alert.kind for alert in alerts.add([seen_signal("a", size=1)], NOW)] == ["shrunk"]


def test_the_state_of_version_4_is_read():
    """Its largest size counts as told, and the newest that was notified of as the newest told."""
    known = [["a"], NOW, False, True, False, None, 3, True, 2]
    before = {"version": 4, "known": [known], "waiting": [], "sent": [], "left_out": 0}
    for size, pending in ((2, 0), (3, 0), (1, 1)):
        alerts = AlertPolicy(10)
        alerts.restore(before)
        alerts.add([seen_signal("a", size=size)], NOW)
        assert alerts.pending == pending


@pytest.mark.parametrize("version", [0, 6, "3", None])
def test_another_version_is_refused(version):
    """Whoever wrote it knows more, or it is no state."""
    with pytest.raises(ValueError, match="expected 5"):
        policy_state.upgraded({"version": version})


@pytest.mark.parametrize("value", [-1, True, 1.0, "1", None])
def test_a_count_is_a_whole_number(value):
    """Of 0 or more."""
    assert policy_state.count(0) == 0
    with pytest.raises(TypeError, match="a whole number of 0 or more"):
        policy_state.count(value)
