"""Which alerts are due: each signal once, its approach once, within a budget per hour. Pure.

The rounds of a watch, the time and the results of posts go in; messages come out. A message counts
once it was accepted, so a message that a crash leaves in doubt is posted again. An alert gets a
message of its own only while its signal stands in the newest round; an alert that waited too long,
or is above the budget, is listed in a message of several, since a late alert is no alert.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from ravequant import times

VERSION: Final = 1
LATE_MS: Final = 15 * times.MINUTE_MS  # an alert that waited longer is listed
KEPT_MS: Final = 8 * times.DAY_MS  # a wick lives 7 days
MOST_KNOWN: Final = 2_000  # names of signals
MOST_WAITING: Final = 100  # alerts
MOST_TEXT: Final = 200  # characters of a name or a line


class SignalSeen(NamedTuple):
    """A signal as it stands in a round."""

    key: str  # event_id of its wick
    others: tuple[str, ...]  # event_ids of its price on other timeframes: the same signal
    line: str  # its line in a list
    birth: int  # of its wick, Unix minute
    near: bool  # price is near the tip
    in_contact: bool


@dataclass(frozen=True, slots=True)
class PendingAlert:
    """An alert that was not posted yet."""

    key: str
    near: bool  # price is near the tip
    line: str
    since_ms: int
    listed: bool = False  # too late or above the budget: it gets no message of its own


class AlertMessage(NamedTuple):
    """A message to post: one alert, or a list of alerts that were not posted in time."""

    alerts: tuple[PendingAlert, ...]
    is_list: bool
    left_out: int = 0  # alerts that the list was too short for


class AlertPolicy:
    """The signals that are known, the alerts that wait, and the times of accepted messages.

    All times are Unix milliseconds. Without ``posts`` no alert waits; only the answer of ``add``
    counts.
    """

    def __init__(self, per_hour: int, *, posts: bool = True) -> None:
        self._per_hour, self._posts = per_hour, posts
        self._known: dict[str, tuple[int, bool]] = {}  # name -> (first notified, near by then)
        self._pending: list[PendingAlert] = []
        self._sent: list[int] = []
        self._left_out = 0

    def add(self, signals: Iterable[SignalSeen], now: int) -> list[SignalSeen]:
        """Take the signals of a round; return those to notify, the oldest wick first."""
        self._forget(now)
        ordered = sorted(signals, key=lambda signal: (signal.birth, signal.key))
        return [signal for signal in ordered if self._is_new(signal, now)]

    def due(self, standing: Container[str], now: int) -> list[AlertMessage]:
        """Return the messages that may be posted now, in order.

        ``standing``: the keys of this round's signals. If more alerts wait than the hour has places
        for, the last place goes to a list of the rest.
        """
        self._list_late(now)
        free = self._per_hour - sum(now - times.HOUR_MS < at for at in self._sent)
        listed = [alert for alert in self._pending if alert.listed]
        fresh = [alert for alert in self._pending if not alert.listed and alert.key in standing]
        if free <= 0:
            self._list(fresh)
            return []
        if not listed and len(fresh) <= free:
            return [AlertMessage((alert,), is_list=False) for alert in fresh]
        alone, rest = fresh[: free - 1], fresh[free - 1 :]
        messages = [AlertMessage((alert,), is_list=False) for alert in alone]
        messages.insert(
            0 if listed else len(messages),
            AlertMessage((*listed, *rest), is_list=True, left_out=self._left_out),
        )
        return messages

    def accepted(self, message: AlertMessage, now: int) -> None:
        """Count a message that was posted."""
        self._sent.append(now)
        self.dropped(message)

    def dropped(self, message: AlertMessage) -> None:
        """Remove a message's alerts; an alert that has become an approach meanwhile waits on."""
        done = {(alert.key, alert.near) for alert in message.alerts}
        self._pending = [alert for alert in self._pending if (alert.key, alert.near) not in done]
        self._left_out -= message.left_out

    @property
    def pending(self) -> int:
        """The number of alerts that wait."""
        return len(self._pending)

    def _is_new(self, signal: SignalSeen, now: int) -> bool:
        names = [name[:MOST_TEXT] for name in (signal.key, *signal.others)]
        known = [self._known[name] for name in names if name in self._known]
        if signal.in_contact or (known and (not signal.near or any(near for _, near in known))):
            return False  # no entry any more, or notified before
        first = min((at for at, _ in known), default=now)
        self._known |= dict.fromkeys(names, (first, signal.near))
        if self._posts:
            self._wait(names, PendingAlert(names[0], signal.near, signal.line[:MOST_TEXT], now))
        return True

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
        chosen = set(alerts)
        self._pending = [
            replace(alert, listed=True) if alert in chosen else alert for alert in self._pending
        ]

    def _forget(self, now: int) -> None:
        """Keep the state small."""
        self._sent = [at for at in self._sent if now - times.HOUR_MS < at <= now]
        old = [name for name, (at, _) in self._known.items() if now - at > KEPT_MS]
        surplus = max(len(self._known) - MOST_KNOWN, 0)
        for name in {*old, *list(self._known)[:surplus]}:
            del self._known[name]
        surplus = max(len(self._pending) - MOST_WAITING, 0)
        self._pending, self._left_out = self._pending[surplus:], self._left_out + surplus

    def state(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "version": VERSION,
            "known": {name: [at, near] for name, (at, near) in self._known.items()},
            "waiting": [
                [alert.key, alert.near, alert.line, alert.since_ms, alert.listed]
                for alert in self._pending
            ],
            "sent": self._sent,
            "left_out": self._left_out,
        }

    def restore(self, state: Any) -> None:
        """Go on from ``state()``; ValueError, KeyError or TypeError for anything else."""
        if state["version"] != VERSION:
            raise ValueError(f"version {state['version']!r:.20}, expected {VERSION}")
        known = {
            _text(name): (_count(at), _flag(near)) for name, (at, near) in state["known"].items()
        }
        pending = [
            PendingAlert(_text(key), _flag(near), _text(line), _count(since_ms), _flag(listed))
            for key, near, line, since_ms, listed in state["waiting"]
        ]
        sent, left_out = [_count(at) for at in state["sent"]], _count(state["left_out"])
        self._known, self._pending, self._sent = known, pending, sent
        self._left_out = left_out


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
