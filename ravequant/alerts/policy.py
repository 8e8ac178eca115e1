"""Which alerts are due: each signal once, its approach once, its end once; a budget an hour. Pure.

The rounds of a watch, the time and the results of posts go in; messages come out. A message counts
once it was accepted, so a message that a crash leaves in doubt is posted again. An alert gets a
message of its own only while its signal stands in the newest round; an alert that waited too long,
or is above the budget, is listed in a message of several, since a late alert is no alert. The end
of a signal is announced as well, outside of the budget.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NamedTuple

from ravequant import times

VERSION: Final = 2
LATE_MS: Final = 15 * times.MINUTE_MS  # an alert that waited longer is listed
KEPT_MS: Final = 8 * times.DAY_MS  # a wick lives 7 days
MOST_KNOWN: Final = 2_000  # names of signals
MOST_WAITING: Final = 100  # alerts
MOST_TEXT: Final = 200  # characters of a name or a line
EndKind = Literal["reached", "withdrawn", "aged"]
Kind = Literal["new", "near", "reached", "withdrawn"]
_KINDS: Final[tuple[Kind, ...]] = ("new", "near", "reached", "withdrawn")
_ENDS: Final = frozenset({"reached", "withdrawn"})


class SignalSeen(NamedTuple):
    """A signal as it stands in a round."""

    key: str  # event_id of its wick
    others: tuple[str, ...]  # the other event_ids of its level: the same signal
    line: str  # its line in a list
    birth: int  # of its wick, Unix minute
    near: bool  # price is near the tip
    no_entry: bool  # no alert: price is at the tip, or there is no trade


class SignalEnd(NamedTuple):
    """The end of an announced signal; one that has aged out ends without a word."""

    kind: EndKind
    key: str
    line: str  # instrument, direction, price
    detail: str  # why, or the trade that reached it
    at_ms: int
    price: str | None = None  # at which it was reached


@dataclass(frozen=True, slots=True)
class PendingAlert:
    """An alert that was not posted yet."""

    key: str
    kind: Kind
    line: str
    since_ms: int
    listed: bool = False  # too late or above the budget: it gets no message of its own
    detail: str = ""  # of an end

    @property
    def is_end(self) -> bool:
        """True for the end of a signal."""
        return self.kind in _ENDS


class AlertMessage(NamedTuple):
    """A message to post: one alert, or a list of alerts that were not posted in time."""

    alerts: tuple[PendingAlert, ...]
    is_list: bool
    left_out: int = 0  # alerts that the list was too short for


@dataclass(slots=True)
class _Known:
    """A signal that was notified of."""

    names: list[str]  # every event_id of its level, that of its wick first
    at_ms: int
    near: bool  # its approach too
    told: bool  # somebody was reached
    over: bool = False
    end: PendingAlert | None = None  # waits for the alert before it to be accepted


class AlertPolicy:
    """The signals that are known, the alerts that wait, and the times of accepted messages.

    All times are Unix milliseconds. Without ``posts`` no alert waits; only the answers of ``add``
    and ``end`` count.
    """

    def __init__(self, per_hour: int, *, posts: bool = True) -> None:
        self._per_hour, self._posts = per_hour, posts
        self._known: dict[str, _Known] = {}  # by each name
        self._pending: list[PendingAlert] = []
        self._sent: list[int] = []
        self._left_out = 0

    def add(self, signals: Iterable[SignalSeen], now: int) -> list[SignalSeen]:
        """Take the signals of a round; return those to notify, the oldest wick first."""
        self._forget(now)
        ordered = sorted(signals, key=lambda signal: (signal.birth, signal.key))
        return [signal for signal in ordered if self._is_new(signal, now)]

    @property
    def open_keys(self) -> list[str]:
        """The keys of the signals that were notified of and have not ended."""
        return [known.names[0] for known in self._signals() if not known.over]

    def names(self, key: str) -> Sequence[str]:
        """Return all names of a known signal."""
        return tuple(self._known[key].names)

    def _signals(self) -> list[_Known]:
        return list({id(known): known for known in self._known.values()}.values())

    def end(self, ends: Iterable[SignalEnd], now: int) -> list[SignalEnd]:
        """Take the ends of open signals; return those to notify.

        An end of long ago is not announced any more.
        """
        return [end for end in ends if self._ends(end, now)]

    def _ends(self, end: SignalEnd, now: int) -> bool:
        known = self._known.get(end.key)
        if known is None or known.over:
            return False
        known.over = True
        if end.kind == "aged" or now - end.at_ms > LATE_MS:
            return False
        alert = PendingAlert(
            known.names[0], end.kind, end.line[:MOST_TEXT], now, detail=end.detail[:MOST_TEXT]
        )
        if self._posts and known.told:
            self._close(known, alert)
        elif self._posts:
            known.end = alert
        return True

    def _close(self, known: _Known, end: PendingAlert) -> None:
        """Let the end of a told signal wait, in the place of all that still waits of it."""
        self._pending = [
            alert for alert in self._pending if alert.is_end or alert.key not in known.names
        ]
        self._pending.append(end)

    def due(self, standing: Container[str], now: int) -> list[AlertMessage]:
        """Return the messages that may be posted now, in order.

        ``standing``: the keys of this round's signals. If more alerts wait than the hour has places
        for, the last place goes to a list of the rest. Ends take no place and come first.
        """
        self._list_late(now)
        ends = [_alone(alert) for alert in self._pending if alert.is_end]
        free = self._per_hour - sum(now - times.HOUR_MS < at for at in self._sent)
        listed = [alert for alert in self._pending if alert.listed]
        fresh = [
            alert
            for alert in self._pending
            if not alert.is_end and not alert.listed and alert.key in standing
        ]
        if free <= 0:
            self._list(fresh)
            return ends
        if not listed and len(fresh) <= free:
            return [*ends, *map(_alone, fresh)]
        alone, rest = fresh[: free - 1], fresh[free - 1 :]
        messages = [_alone(alert) for alert in alone]
        messages.insert(
            0 if listed else len(messages),
            AlertMessage((*listed, *rest), is_list=True, left_out=self._left_out),
        )
        return [*ends, *messages]

    def accepted(self, message: AlertMessage, now: int) -> None:
        """Count a message that was posted."""
        self.dropped(message)
        told = [alert for alert in message.alerts if not alert.is_end]
        self._sent += [now] * bool(told or message.is_list)
        for alert in told:
            known = self._known.get(alert.key)
            if known is not None:
                known.told = True
                if known.end is not None:
                    self._close(known, known.end)
                known.end = None

    def dropped(self, message: AlertMessage) -> None:
        """Remove a message's alerts; an alert that has become an approach meanwhile waits on."""
        done = {(alert.key, alert.kind) for alert in message.alerts}
        self._pending = [alert for alert in self._pending if (alert.key, alert.kind) not in done]
        self._left_out -= message.left_out

    @property
    def pending(self) -> int:
        """The number of alerts that wait."""
        return len(self._pending)

    def _is_new(self, signal: SignalSeen, now: int) -> bool:
        names = [name[:MOST_TEXT] for name in (signal.key, *signal.others)]
        found = list({id(self._known[name]): self._known[name] for name in names
                      if name in self._known}.values())  # fmt: skip
        if found:
            self._join(found, names)
        near = any(known.near for known in found)
        if signal.no_entry or any(known.over for known in found):
            return False
        if found and (near or not signal.near):
            return False  # notified before
        if not found:
            known = _Known(names, now, signal.near, told=not self._posts)
            self._known |= dict.fromkeys(names, known)
        else:
            found[0].near = True
        if self._posts:
            kind: Kind = "near" if signal.near else "new"
            self._wait(names, PendingAlert(names[0], kind, signal.line[:MOST_TEXT], now))
        return True

    def _join(self, found: Sequence[_Known], names: Sequence[str]) -> None:
        """Make one signal of those that are one level now, the level's own name first."""
        one = found[0]
        every = [*names, *(name for known in found for name in known.names)]
        one.names = list(dict.fromkeys(every))
        one.at_ms = min(known.at_ms for known in found)
        one.near = any(known.near for known in found)
        one.told = any(known.told for known in found)
        one.over = any(known.over for known in found)
        self._known |= dict.fromkeys(one.names, one)

    def _wait(self, names: Container[str], alert: PendingAlert) -> None:
        """Add an alert, in the place of an unlisted alert of the same signal."""
        for number, other in enumerate(self._pending):
            if other.key in names and not other.listed:
                self._pending[number] = alert
                return
        self._pending.append(alert)

    def _list_late(self, now: int) -> None:
        """List the late alerts; if the clock went back an alert waits from now on."""
        self._pending = [
            replace(alert, since_ms=min(alert.since_ms, now)) for alert in self._pending
        ]
        self._list([alert for alert in self._pending if now - alert.since_ms > LATE_MS])

    def _list(self, alerts: Iterable[PendingAlert]) -> None:
        chosen = {alert for alert in alerts if not alert.is_end}
        self._pending = [
            replace(alert, listed=True) if alert in chosen else alert for alert in self._pending
        ]

    def _forget(self, now: int) -> None:
        """Keep the state small; a clock that runs ahead makes nothing that was told old."""
        self._sent = [at for at in self._sent if now - times.HOUR_MS < at <= now]
        newest = max((known.at_ms for known in self._known.values()), default=now)
        moment = min(now, newest + times.HOUR_MS)
        old = [name for name, known in self._known.items() if moment - known.at_ms > KEPT_MS]
        surplus = max(len(self._known) - MOST_KNOWN, 0)
        for name in {*old, *list(self._known)[:surplus]}:
            known = self._known.pop(name)
            known.names.remove(name)
        ends = [alert for alert in self._pending if alert.is_end]
        alerts = [alert for alert in self._pending if not alert.is_end]
        surplus = max(len(alerts) - MOST_WAITING, 0)
        self._pending = [*ends[-MOST_WAITING:], *alerts[surplus:]]
        self._left_out += surplus

    def state(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "version": VERSION,
            "known": [
                [known.names, known.at_ms, known.near, known.told, known.over, _packed(known.end)]
                for known in self._signals()
            ],
            "waiting": [_packed(alert) for alert in self._pending],
            "sent": self._sent,
            "left_out": self._left_out,
        }

    def restore(self, state: Any) -> None:
        """Go on from ``state()``, of this version or the one before.

        Raises ValueError, KeyError or TypeError for anything else.
        """
        state = _upgraded(state)
        signals = [_signal(row) for row in state["known"]]
        pending = [_alert(row) for row in state["waiting"]]
        sent, left_out = [_count(at) for at in state["sent"]], _count(state["left_out"])
        self._known = {name: known for known in signals for name in known.names}
        self._pending, self._sent, self._left_out = pending, sent, left_out


def _alone(alert: PendingAlert) -> AlertMessage:
    return AlertMessage((alert,), is_list=False)


def _packed(alert: PendingAlert | None) -> list[Any] | None:
    if alert is None:
        return None
    return [alert.key, alert.kind, alert.line, alert.since_ms, alert.listed, alert.detail]


def _upgraded(state: Any) -> Any:
    """Return a state of version 1 as one of this version.

    It knew no ends, and each name by itself; a name that became known together with an alert that
    still waits has reached nobody.
    """
    if state["version"] == VERSION:
        return state
    if state["version"] != 1:
        raise ValueError(f"version {state['version']!r:.20}, expected {VERSION}")
    known = {name: (at, near) for name, (at, near) in state["known"].items()}
    waiting = state["waiting"]
    untold = {known[key][0] for key, *_ in waiting if key in known}
    return {
        **state,
        "known": [
            [[name], at, near, at not in untold, False, None] for name, (at, near) in known.items()
        ],
        "waiting": [
            [key, "near" if _flag(near) else "new", line, since_ms, listed, ""]
            for key, near, line, since_ms, listed in waiting
        ],
    }


def _signal(row: Any) -> _Known:
    names, at_ms, near, told, over, end = row
    if not isinstance(names, list) or not names:
        raise ValueError("expected the names of a signal")
    return _Known(
        [_text(name) for name in names],
        _count(at_ms),
        _flag(near),
        _flag(told),
        _flag(over),
        None if end is None else _alert(end),
    )


def _alert(row: Any) -> PendingAlert:
    key, kind, line, since_ms, listed, detail = row
    if kind not in _KINDS:
        raise ValueError(f"{kind!r:.20} is no alert")
    return PendingAlert(
        _text(key), kind, _text(line), _count(since_ms), _flag(listed), _text(detail)
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise ValueError("expected a short text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("expected true or false")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("expected a whole number of 0 or more")
    return value
