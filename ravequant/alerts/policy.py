"""Which alerts are due: each signal, its approach, its growth, its end; a budget an hour. Pure.

Each comes once; one that was withdrawn comes once more if it is an entry again, with an end again.
The rounds of a watch, the time and the results of posts go in; messages come out. A message counts
once it was accepted, so a message that a crash leaves in doubt is posted again. An alert gets a
message of its own only while its signal stands in the newest round; an alert that waited too long,
or is above the budget, is listed in a message of several, since a late alert is no alert. The end
of a signal is announced as well, outside of the budget.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple

from ravequant import times
from ravequant.alerts import policy_state
from ravequant.alerts.due_kind import SignalSeen, due_kind, fitted, is_entry, told_change
from ravequant.alerts.hour import HourBudget
from ravequant.alerts.policy_state import MOST_TEXT, Kind, KnownSignal, PendingAlert

LATE_MS: Final = 15 * times.MINUTE_MS  # an alert that waited longer is listed
KEPT_MS: Final = 8 * times.DAY_MS  # a wick lives 7 days
MOST_KNOWN: Final = 2_000  # names of signals
MOST_WAITING: Final = 100  # alerts
EndKind = Literal["reached", "withdrawn", "aged"]


class NewAlert(NamedTuple):
    """An alert that a round brought."""

    key: str
    kind: Kind


class SignalEnd(NamedTuple):
    """The end of an announced signal; one that has aged out ends without a word."""

    kind: EndKind
    key: str
    line: str  # instrument, direction, price
    detail: str  # why, or the trade that reached it
    at_ms: int
    price: str | None = None  # at which it was reached
    for_size: bool = False  # it has no size any more: the end of a signal that was told with one


class AlertMessage(NamedTuple):
    """A message to post: one alert, or a list of alerts that were not posted in time."""

    alerts: tuple[PendingAlert, ...]
    is_list: bool
    left_out: int = 0  # alerts that the list was too short for
    full_until_ms: int | None = None  # of the one that takes the hour's last place: the next


class AlertPolicy:
    """The signals that are known, the alerts that wait, and the times of accepted messages.

    All times are Unix milliseconds. Without ``posts`` no alert waits; only the answers of ``add``
    and ``end`` count.
    """

    def __init__(self, per_hour: int, *, posts: bool = True) -> None:
        self.hour, self._posts = HourBudget(per_hour), posts
        self._known: dict[str, KnownSignal] = {}  # by each name
        self._pending: list[PendingAlert] = []
        self._left_out = 0

    def add(self, signals: Iterable[SignalSeen], now: int) -> list[NewAlert]:
        """Take the signals of a round; return the alerts to notify, the oldest wick first."""
        self._forget(now)
        ordered = sorted(signals, key=lambda signal: (signal.birth, signal.key))
        kinds = [(signal.key, self._take(signal, now)) for signal in ordered]
        return [NewAlert(key, kind) for key, kind in kinds if kind is not None]

    def stands(self, key: str, size: int) -> bool:
        """Return True if a signal of this size is an entry; a size that was lost is none."""
        known = self._known.get(key)
        return size > 0 or known is None or not known.size

    @property
    def open_keys(self) -> list[str]:
        """The keys of the signals that were notified of and have not ended."""
        return [known.names[0] for known in self.signals() if not known.over]

    def names(self, key: str) -> Sequence[str]:
        """Return all names of a known signal."""
        return tuple(self._known[key].names)

    def signals(self) -> list[KnownSignal]:
        """Return the known signals, each once."""
        return list({id(known): known for known in self._known.values()}.values())

    def end(self, ends: Iterable[SignalEnd], now: int) -> list[SignalEnd]:
        """Take the ends of open signals; return those to notify.

        An end of long ago is not announced any more, but that of a signal in doubt.
        """
        return [end for end in ends if self._ends(end, now)]

    def _ends(self, end: SignalEnd, now: int) -> bool:
        known = self._known.get(end.key)
        if known is None or known.over or (end.for_size and not known.size):
            return False
        known.over = True
        doubted = known.doubt or known.sent_doubt
        if end.kind == "aged" or (now - end.at_ms > LATE_MS and not doubted):
            known.may_return = False
            return False
        known.doubt = ""
        known.may_return = known.may_return and end.kind == "withdrawn"
        alert = PendingAlert(
            known.names[0], end.kind, end.line[:MOST_TEXT], now, detail=end.detail[:MOST_TEXT]
        )
        if self._posts and known.told:
            self._close(known, alert)
        elif self._posts:
            known.end = alert
        return True

    def end_waits(self, known: KnownSignal) -> bool:
        """Return True if a signal has an end that was not posted yet."""
        ends = (alert.key for alert in self._pending if alert.is_end)
        return known.end is not None or not set(known.names).isdisjoint(ends)

    def _close(self, known: KnownSignal, end: PendingAlert) -> None:
        """Let the end of a posted signal wait, in the place of all that still waits of it."""
        self._pending = [
            alert for alert in self._pending if alert.is_end or alert.key not in known.names
        ]
        self._pending.append(end)

    def due(self, standing: Container[str], now: int) -> list[AlertMessage]:
        """Return the messages that may be posted now, in order.

        ``standing``: the keys of this round's signals. If more alerts wait than the hour has places
        for, the last place goes to a list of the rest. The largest sizes go first, ends before
        them, which take no place.
        """
        self._revive(standing)
        self._list_late(now)
        at_once = [alert for alert in self._pending if alert.is_free]
        free = self.hour.free(now)
        waiting = self._largest_first()
        listed = [alert for alert in waiting if alert.listed and not self._is_void(alert)]
        fresh = [alert for alert in waiting if self._is_fresh(alert, standing)]
        if not free:
            self._list(fresh)
            return [_alone(one) for one in at_once if not self._waits_for_back(one, standing)]
        whole = not listed and len(fresh) <= free
        messages = [_alone(alert) for alert in (fresh if whole else fresh[: free - 1])]
        if not whole:
            rest = (*listed, *fresh[free - 1 :])
            made = AlertMessage(rest, is_list=True, left_out=self._left_out)
            messages.insert(0 if listed else len(messages), made)
        if messages:
            full = self.hour.full_until(now, len(messages))
            messages[-1] = messages[-1]._replace(full_until_ms=full)
        return [*map(_alone, at_once), *messages]

    def _largest_first(self) -> list[PendingAlert]:
        """Return the alerts that wait, by the sizes of their signals, largest first."""
        sizes: dict[int, int] = {}
        for alert in self._pending:
            of = id(self._known.get(alert.key))
            sizes[of] = max(sizes.get(of, 0), alert.size)
        return sorted(self._pending, key=lambda alert: -sizes[id(self._known.get(alert.key))])

    def _revive(self, standing: Container[str]) -> None:
        """Void the last withdrawal, not announced yet, of a signal that stands again."""
        for alert in list(self._pending):
            known = self._known.get(alert.key)
            if known is None or known.may_return or alert.key not in standing:
                continue
            if alert.kind == "withdrawn" and known.over:
                known.over = False
                self._pending.remove(alert)
            elif known.end is not None and known.end.kind == "withdrawn":
                known.over, known.end = False, None

    def _is_void(self, alert: PendingAlert) -> bool:
        """Return True for an alert of a BACK whose end came before its post."""
        known = self._known.get(alert.key)
        if known is None or known.end is None or alert.is_free:
            return False
        first = self._beginning(known)
        return first is not None and first.kind == "back"

    def _drop(self, void: PendingAlert) -> None:
        """Drop an alert of BACK, together with its end."""
        known = self._known[void.key]
        if known.end is not None:
            known.may_return, known.end = known.end.kind == "withdrawn", None
        self._pending = [
            alert for alert in self._pending if alert.is_end or alert.key not in known.names
        ]

    def _is_fresh(self, alert: PendingAlert, standing: Container[str]) -> bool:
        """Return True if an alert gets a message of its own."""
        apart = alert.is_free or alert.listed or self._is_void(alert)
        return not apart and alert.key in standing

    def _waits_for_back(self, end: PendingAlert, standing: Container[str]) -> bool:
        """Return True for the end of a signal that stands again, if the alert of it waits too."""
        known = self._known.get(end.key) if end.is_end else None
        waits = None if known is None or known.over else self._beginning(known)
        return waits is not None and waits.key in standing

    def _beginning(self, known: KnownSignal) -> PendingAlert | None:
        """Return the first alert of a signal that still waits."""
        waiting = (alert for alert in self._pending if not alert.is_free)
        return next((alert for alert in waiting if alert.key in known.names), None)

    def accepted(self, message: AlertMessage, now: int) -> None:
        """Count a message that was posted."""
        for alert in message.alerts:
            known = self._known.get(alert.key)
            if known is not None and alert.is_end:
                known.sent_doubt, known.told_doubt = "", False
            elif known is not None:
                known.told_size = max(known.told_size, alert.size)
                known.told, known.told_last, known.fitted_size = True, alert.size, alert.size
        self.dropped(message, told=True)
        told = [alert for alert in message.alerts if not alert.is_free]
        if told or message.is_list:
            self.hour.take(now)
        for alert in told:
            known = self._known.get(alert.key)
            if known is not None:
                if known.end is not None:
                    self._close(known, known.end)
                known.end = None

    def dropped(self, message: AlertMessage, *, told: bool = False) -> None:
        """Remove a message's alerts; one that became an approach, or has another size, waits on."""
        done = {(alert.key, alert.kind): alert.size for alert in message.alerts}
        left = []
        for alert in self._pending:
            size, known = done.get((alert.key, alert.kind)), self._known.get(alert.key)
            if size is None:
                left.append(alert)
            elif known is not None and (size < alert.size or told or alert.is_free):
                left += told_change(alert, known) * (size != alert.size)
        self._pending = left
        self._left_out -= message.left_out

    @property
    def pending(self) -> int:
        """The number of alerts that wait."""
        return len(self._pending)

    @property
    def waiting_for_place(self) -> int:
        """The number of alerts that wait and take a place of the hour."""
        return sum(not alert.is_free for alert in self._pending)

    def _take(self, signal: SignalSeen, now: int) -> Kind | None:
        """Take a signal in; return the alert to notify, None if there is none."""
        names = [name[:MOST_TEXT] for name in (signal.key, *signal.others)]
        found = list({id(self._known[name]): self._known[name] for name in names
                      if name in self._known}.values())  # fmt: skip
        if found:
            self._join(found, names)
        known = found[0] if found else None
        kind = due_kind(signal, known)
        alert = PendingAlert(
            names[0], kind or "shrunk", signal.line[:MOST_TEXT], now, size=signal.size
        )
        if kind is None:
            if known is not None and is_entry(signal, known):
                self._fit(known, alert)  # a message may have another size
            return None
        if known is None:
            known = KnownSignal(names, now, signal.near, told=not self._posts)
            self._known |= dict.fromkeys(names, known)
        waits = known.over and self._reopen(known)
        known.near, known.size = known.near or signal.near, max(known.size, signal.size)
        known.last_size = signal.size
        if waits or kind in {"grown", "shrunk"}:
            self._fit(known, alert)
        elif self._posts:
            known.fitted_size = signal.size
            self._wait(names, alert)
        return kind

    def _fit(self, known: KnownSignal, alert: PendingAlert) -> None:
        """Let the alerts of a signal that wait say its newest size, and no other."""
        if not self._posts or alert.size == known.fitted_size:
            return
        known.fitted_size = alert.size
        mine = [one for one in self._pending if one.key in known.names and not one.is_end]
        others = [one for one in self._pending if one not in mine]
        place = self._pending.index(mine[0]) if mine else len(others)
        self._pending = [*others[:place], *fitted(mine, alert, known), *others[place:]]

    def _join(self, found: Sequence[KnownSignal], names: Sequence[str]) -> None:
        """Make one signal of those that are one level now, the level's own name first."""
        one = found[0]
        every = [*names, *(name for known in found for name in known.names)]
        one.names = list(dict.fromkeys(every))
        one.at_ms = min(known.at_ms for known in found)
        one.near = any(known.near for known in found)
        one.told = any(known.told for known in found)
        one.size = max(known.size for known in found)
        one.last_size = max(known.last_size for known in found)
        one.told_size = max(known.told_size for known in found)
        one.told_last = max(known.told_last for known in found)
        one.doubt = max(known.doubt for known in found)
        one.sent_doubt = max(known.sent_doubt for known in found)
        one.told_doubt = any(known.told_doubt for known in found)
        over = [known.over for known in found]
        one.may_return = all(known.may_return for known in found) and len({*over}) == 1
        one.over = any(over)
        self._known |= dict.fromkeys(one.names, one)

    def _reopen(self, known: KnownSignal) -> bool:
        """Take up an ended signal, for the only time; return True if its first alert waits yet."""
        untold = known.end is not None
        known.over, known.may_return, known.told, known.end = False, False, not self._posts, None
        return untold and self._beginning(known) is not None

    def _wait(self, names: Container[str], alert: PendingAlert) -> None:
        """Add an alert, in the place of an unlisted alert of the same signal.

        One that is back and comes near has an alert for each.
        """
        for number, other in enumerate(self._pending):
            if other.is_free or (other.kind, alert.kind) == ("back", "near"):
                continue
            if other.key in names and not other.listed:
                self._pending[number] = alert
                return
        self._pending.append(alert)

    def _list_late(self, now: int) -> None:
        """List the late alerts; if the clock went back an alert waits from now on.

        A late BACK that has ended is dropped with its end; it may return again.
        """
        self._pending = [
            replace(alert, since_ms=min(alert.since_ms, now)) for alert in self._pending
        ]
        late = [alert for alert in self._pending if now - alert.since_ms > LATE_MS]
        for void in [alert for alert in late if self._is_void(alert)]:
            self._drop(void)
        self._list(late)

    def _list(self, alerts: Iterable[PendingAlert]) -> None:
        chosen = {alert for alert in alerts if not alert.is_free}
        self._pending = [
            replace(alert, listed=True) if alert in chosen else alert for alert in self._pending
        ]

    def _forget(self, now: int) -> None:
        """Keep the state small; a clock that runs ahead makes nothing known old."""
        self.hour.forget(now)
        newest = max((known.at_ms for known in self._known.values()), default=now)
        moment = min(now, newest + times.HOUR_MS)
        old = [name for name, known in self._known.items() if moment - known.at_ms > KEPT_MS]
        surplus = max(len(self._known) - MOST_KNOWN, 0)
        for name in {*old, *list(self._known)[:surplus]}:
            known = self._known.pop(name)
            known.names.remove(name)
        ends = [alert for alert in self._pending if alert.is_free]
        alerts = [alert for alert in self._pending if not alert.is_free]
        surplus = max(len(alerts) - MOST_WAITING, 0)
        self._pending = [*ends[-MOST_WAITING:], *alerts[surplus:]]
        self._left_out += surplus

    def state(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "version": policy_state.VERSION,
            "known": [policy_state.known_row(known) for known in self.signals()],
            "waiting": [policy_state.alert_row(alert) for alert in self._pending],
            "sent": self.hour.sent,
            "left_out": self._left_out,
            "doubts": policy_state.doubt_rows(self.signals()),
        }

    def restore(self, state: Any) -> None:
        """Go on from ``state()``, of this version or one before.

        Raises ValueError, KeyError or TypeError for anything else.
        """
        state = policy_state.upgraded(state)
        signals = [policy_state.known_of(row) for row in state["known"]]
        pending = [policy_state.alert_of(row) for row in state["waiting"]]
        sent = [policy_state.count(at) for at in state["sent"]]
        by_name = {name: known for known in signals for name in known.names}
        policy_state.take_doubts(by_name, state.get("doubts", {}))  # absent until it was known
        self._left_out = policy_state.count(state["left_out"])
        self._known = by_name
        self._pending, self.hour.sent = pending, sent


def _alone(alert: PendingAlert) -> AlertMessage:
    return AlertMessage((alert,), is_list=False)
