"""Whatever happens in whatever order: each alert once, then its end, within the hour's budget."""

from collections import Counter
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from ravequant.alerts.policy import AlertPolicy, EndKind, SignalEnd
from tests.support.alert_cases import MINUTE, NOW, seen_signal

HOUR = 60 * MINUTE
NAMES = "ab"
ENDS: list[EndKind] = ["reached", "withdrawn", "aged"]
STEPS = st.one_of(
    st.tuples(
        st.just("seen"), st.sampled_from(NAMES), st.booleans(), st.booleans(), st.integers(0, 3)
    ),
    st.tuples(st.just("end"), st.sampled_from(NAMES), st.sampled_from(ENDS)),
    st.tuples(st.just("post"), st.sampled_from(["accepted", "dropped", "later", "restart"])),
    st.tuples(st.just("wait"), st.integers(1, 40)),
)


class History:
    """A policy, the time, and what was posted."""

    def __init__(self, per_hour: int) -> None:
        self.alerts, self.per_hour, self.now = AlertPolicy(per_hour), per_hour, NOW
        self.standing = set[str]()
        self.posted: dict[str, list[str]] = {name: [] for name in NAMES}
        self.counted = list[int]()  # times of the messages that take a place of the hour

    def wait(self, minutes: int) -> None:
        self.now += minutes * MINUTE

    def seen(self, name: str, near: bool, grouped: bool, size: int) -> None:  # noqa: FBT001 - drawn
        others = (f"{name} twin",) if grouped else ()
        self.alerts.add([seen_signal(name, near=near, others=others, size=size)], self.now)
        self.standing.add(name)

    def end(self, name: str, kind: EndKind) -> None:
        self.alerts.end([SignalEnd(kind, name, f"line {name}", "why", self.now)], self.now)
        self.standing.discard(name)

    def post(self, fate: str) -> None:
        for message in self.alerts.due(self.standing, self.now):
            if fate == "dropped":
                self.alerts.dropped(message)
            if fate not in {"accepted", "restart"}:
                continue
            self.alerts.accepted(message, self.now)
            self.counted += [] if message.alerts[0].is_free else [self.now]
            for alert in message.alerts:
                self.posted[alert.key].append(alert.kind)
        if fate == "restart":
            state: Any = orjson.loads(orjson.dumps(self.alerts.state()))
            self.alerts = AlertPolicy(self.per_hour)
            self.alerts.restore(state)
            assert self.alerts.state() == state


# a signal has three sizes above the first, ends twice, and shrinks to two after each other alert
MOST = {"grown": 3, "withdrawn": 2, "shrunk": 12}


@given(st.lists(STEPS, min_size=12, max_size=40), st.integers(1, 3))
def test_any_history(steps, per_hour):
    """Each alert once; an end ends what was told; only a withdrawn signal comes back, and once."""
    history = History(per_hour)
    for name, *words in steps:
        getattr(history, name)(*words)
    for kinds in history.posted.values():
        counted = Counter(kinds)
        assert all(count <= MOST.get(kind, 1) for kind, count in counted.items()), kinds
        ends = [number for number, kind in enumerate(kinds) if kind in ENDS]
        assert len(ends) <= 1 + counted["back"]
        for number in ends:
            assert number > 0  # only what was told ends
            assert kinds[number - 1] not in ENDS
            after = kinds[number + 1 : number + 2]
            assert after in ([], ["back"] if kinds[number] == "withdrawn" else []), kinds
    for at in history.counted:
        assert sum(at - HOUR < other <= at for other in history.counted) <= per_hour


def kinds_posted(alerts: AlertPolicy, now: int, standing: str = "a") -> list[str]:
    """Post what is due of signal ``a``, all of it accepted; return the kinds."""
    posted: list[str] = []
    for message in alerts.due(standing, now):
        alerts.accepted(message, now)
        posted += [alert.kind for alert in message.alerts]
    return posted


def test_after_its_end_nothing_that_waited_is_told():
    """An approach that was not posted in time is of no use any more."""
    alerts = AlertPolicy(10)
    alerts.add([seen_signal("a")], NOW)
    assert kinds_posted(alerts, NOW) == ["new"]
    alerts.add([seen_signal("a", near=True)], NOW)
    alerts.end([SignalEnd("withdrawn", "a", "line", "why", NOW)], NOW)
    assert kinds_posted(alerts, NOW) == ["withdrawn"]
    assert alerts.pending == 0


def test_the_end_is_the_last_word_of_a_signal_told_late():
    """A list tells of a signal that has come near and ended meanwhile."""
    alerts = AlertPolicy(1)
    alerts.add([seen_signal("a")], NOW)
    later = NOW + 20 * MINUTE
    alerts.due("b", later)  # listed: it waited too long
    alerts.add([seen_signal("a", near=True)], later)
    alerts.end([SignalEnd("withdrawn", "a", "line", "why", later)], later)
    posted = [kind for hour in range(4) for kind in kinds_posted(alerts, later + hour * HOUR)]
    assert posted == ["new", "near", "withdrawn"]


class TruthfulHistory(History):
    """A history in which a round decides, as a watch does; what is posted is held against it."""

    def __init__(self) -> None:
        super().__init__(2)
        self.stands = dict.fromkeys(NAMES, False)

    def round(self, name: str, stands: bool) -> None:  # noqa: FBT001 - drawn
        """Take the state of a signal, its end before its alerts, as each round does."""
        self.stands[name] = stands
        if not stands and name in self.alerts.open_keys:
            self.end(name, "withdrawn")
        self.standing = {name for name, entry in self.stands.items() if entry}
        self.alerts.add([seen_signal(name) for name in sorted(self.standing)], self.now)

    def deliver(self, taken: int) -> None:
        """Post what is due until the webhook fails, after ``taken`` messages."""
        said = set[str]()
        while taken and (due := self.alerts.due(self.standing, self.now)):
            message, taken = due[0], taken - 1
            self.alerts.accepted(message, self.now)
            for alert in message.alerts:
                self.posted[alert.key].append(alert.kind)
                said.add(alert.key)
        for name in said if taken else ():
            assert (self.posted[name][-1] == "withdrawn") is not self.stands[name], self.posted


ROUNDS = st.tuples(st.booleans(), st.sampled_from([0, 1, 99]), st.sampled_from([1, 1, 16, 61]))


@given(st.lists(ROUNDS, min_size=6, max_size=14))
def test_the_last_word_is_the_state_of_the_signal(rounds):
    """However often posts fail: an end is said of what does not stand, all else of what does."""
    history = TruthfulHistory()
    for stands, taken, minutes in rounds:
        history.round("a", stands)
        history.deliver(taken)
        history.wait(minutes)


def back_untold() -> AlertPolicy:
    """Return a policy whose signal was told, withdrawn, and withdrawn again before its return."""
    alerts = AlertPolicy(10)
    withdrawn = SignalEnd("withdrawn", "a", "line", "why", NOW)
    alerts.add([seen_signal("a")], NOW)
    assert kinds_posted(alerts, NOW) == ["new"]
    alerts.end([withdrawn], NOW)
    assert kinds_posted(alerts, NOW) == ["withdrawn"]
    alerts.add([seen_signal("a")], NOW)
    alerts.due("a", NOW)  # the webhook fails
    alerts.end([withdrawn], NOW)
    return alerts


def test_a_withdrawal_older_than_the_return_is_not_told():
    """The signal stands again as its return is taken: no end follows, until it ends."""
    alerts = back_untold()
    assert alerts.due("", NOW) == []
    assert alerts.add([seen_signal("a")], NOW + MINUTE) == []
    assert kinds_posted(alerts, NOW + MINUTE) == ["back"]
    assert (kinds_posted(alerts, NOW + MINUTE), alerts.open_keys) == ([], ["a"])
    alerts.end([SignalEnd("withdrawn", "a", "line", "why", NOW + MINUTE)], NOW + MINUTE)
    assert kinds_posted(alerts, NOW + MINUTE, standing="") == ["withdrawn"]


def test_a_withdrawal_that_waits_is_void_once_its_signal_stands():
    """The right to return is spent: nothing else would say that the signal stands."""
    alerts = AlertPolicy(10)
    alerts.add([seen_signal("a")], NOW)
    assert kinds_posted(alerts, NOW) == ["new"]
    alerts.end([SignalEnd("withdrawn", "a", "line", "why", NOW)], NOW)
    alerts.add([seen_signal("a")], NOW)
    assert kinds_posted(alerts, NOW) == ["withdrawn", "back"]
    alerts.end([SignalEnd("withdrawn", "a", "line", "why", NOW)], NOW)
    alerts.due("", NOW)  # the webhook fails
    assert (kinds_posted(alerts, NOW), alerts.open_keys) == ([], ["a"])


def test_a_return_that_ended_untold_is_dropped_with_its_end():
    """It goes to no list; an entry later is the return, since nobody was told of one."""
    alerts, later = back_untold(), NOW + 16 * MINUTE
    assert alerts.due("", later) == []
    assert alerts.pending == 0
    assert [alert.kind for alert in alerts.add([seen_signal("a")], later)] == ["back"]
    assert kinds_posted(alerts, later) == ["back"]
