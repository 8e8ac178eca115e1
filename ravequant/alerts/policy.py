"""Which alerts are due: each signal once, its approach once, a budget an hour, late ones listed.

Pure: rounds, moments and what became of a message in; messages out. A message counts once it was
accepted, so what a crash leaves in doubt is told again. An alert is only ever posted on its own
while its signal stands in the newest round; what waited too long goes into a list of what was not
posted in time, since a late alert is no alert.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from ravequant import times

VERSION: Final = 1
LATE_MS: Final = 15 * times.MINUTE_MS  # what waited longer is listed
KEPT_MS: Final = 8 * times.DAY_MS  # a wick lives 7 days
MOST_KNOWN: Final = 2_000  # signals
MOST_WAITING: Final = 100  # alerts
MOST_TEXT: Final = 200  # characters of a name or a line


class Sighting(NamedTuple):
    """A signal as it stands in this round."""

    key: str  # event_id of its wick
    others: tuple[str, ...]  # event_ids of its price on other timeframes: the same signal
    line: str  # for a list
    birth: int  # of its wick, Unix minute
    near: bool  # price is near the tip
    in_contact: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """An alert that nobody has been told yet."""

    key: str
    near: bool  # price is near the tip
    line: str
    since_ms: int
    listed: bool = False  # too late, or above the budget: never to be posted on its own


class Message(NamedTuple):
    """Something to post: one alert, or a list of those that were not posted in time."""

    alerts: tuple[Waiting, ...]
    is_list: bool
    left_out: int = 0  # alerts of a list that was too long


class AlertBook:
    """What is known, what waits, and when messages were accepted; Unix milliseconds throughout.

    ``posts``: whether alerts wait to be posted at all; without it they are only told apart.
    """

    def __init__(self, per_hour: int, *, posts: bool = True) -> None:
        self._per_hour, self._posts = per_hour, posts
        self._known: dict[str, tuple[int, bool]] = {}  # name -> (first told, whether near)
        self._waiting: list[Waiting] = []
        self._sent: list[int] = []
        self._left_out = 0

    def see(self, sightings: Iterable[Sighting], now: int) -> list[Sighting]:
        """Take the signals of a round; return those that are to be told, the oldest wick first."""
        self._forget(now)
        ordered = sorted(sightings, key=lambda found: (found.birth, found.key))
        return [found for found in ordered if self._is_new(found, now)]

    def due(self, standing: Container[str], now: int) -> list[Message]:
        """Return what may be posted now, in order; ``standing`` are the signals of this round.

        If more waits than the hour has room for, its last free place goes to a list of the rest.
        """
        self._late(now)
        free = self._per_hour - sum(now - times.HOUR_MS < at for at in self._sent)
        listed = [alert for alert in self._waiting if alert.listed]
        fresh = [alert for alert in self._waiting if not alert.listed and alert.key in standing]
        if free <= 0:
            self._list(fresh)
            return []
        if not listed and len(fresh) <= free:
            return [Message((alert,), is_list=False) for alert in fresh]
        alone, rest = fresh[: free - 1], fresh[free - 1 :]
        messages = [Message((alert,), is_list=False) for alert in alone]
        messages.insert(
            0 if listed else len(messages),
            Message((*listed, *rest), is_list=True, left_out=self._left_out),
        )
        return messages

    def accepted(self, message: Message, now: int) -> None:
        """Take note that a message was posted."""
        self._sent.append(now)
        self.dropped(message)

    def dropped(self, message: Message) -> None:
        """Let go of a message; what has become an approach since then waits on."""
        done = {(alert.key, alert.near) for alert in message.alerts}
        self._waiting = [one for one in self._waiting if (one.key, one.near) not in done]
        self._left_out -= message.left_out

    @property
    def waiting(self) -> int:
        """How many alerts wait."""
        return len(self._waiting)

    def _is_new(self, found: Sighting, now: int) -> bool:
        names = [name[:MOST_TEXT] for name in (found.key, *found.others)]
        known = [self._known[name] for name in names if name in self._known]
        if found.in_contact or (known and (not found.near or any(near for _, near in known))):
            return False  # no entry any more; or all was said
        first = min((at for at, _ in known), default=now)
        self._known |= dict.fromkeys(names, (first, found.near))
        if self._posts:
            self._wait(names, Waiting(names[0], found.near, found.line[:MOST_TEXT], now))
        return True

    def _wait(self, names: Container[str], alert: Waiting) -> None:
        """Have an alert wait; an unlisted one of the same signal becomes it."""
        for number, other in enumerate(self._waiting):
            if other.key in names and not other.listed:
                self._waiting[number] = alert
                return
        self._waiting.append(alert)

    def _late(self, now: int) -> None:
        """List what waited too long; a clock that went back makes it wait from now on."""
        self._waiting = [replace(one, since_ms=min(one.since_ms, now)) for one in self._waiting]
        self._list([one for one in self._waiting if now - one.since_ms > LATE_MS])

    def _list(self, late: Iterable[Waiting]) -> None:
        chosen = set(late)
        self._waiting = [replace(one, listed=True) if one in chosen else one
                         for one in self._waiting]  # fmt: skip

    def _forget(self, now: int) -> None:
        """Keep the state small."""
        self._sent = [at for at in self._sent if now - times.HOUR_MS < at <= now]
        old = [name for name, (at, _) in self._known.items() if now - at > KEPT_MS]
        surplus = max(len(self._known) - MOST_KNOWN, 0)
        for name in {*old, *list(self._known)[:surplus]}:
            del self._known[name]
        surplus = max(len(self._waiting) - MOST_WAITING, 0)
        self._waiting, self._left_out = self._waiting[surplus:], self._left_out + surplus

    def state(self) -> dict[str, Any]:
        """Return all that is remembered, as JSON."""
        return {
            "version": VERSION,
            "known": {name: [at, near] for name, (at, near) in self._known.items()},
            "waiting": [
                [one.key, one.near, one.line, one.since_ms, one.listed] for one in self._waiting
            ],
            "sent": self._sent,
            "left_out": self._left_out,
        }

    def restore(self, state: Any) -> None:
        """Go on from ``state()``; ValueError, KeyError or TypeError for anything else."""
        if state["version"] != VERSION:
            raise ValueError(f"version {state['version']!r:.20}, expected {VERSION}")
        known = {_text(name): _pair(pair) for name, pair in state["known"].items()}
        waiting = [_waiting(*fields) for fields in state["waiting"]]
        sent, left_out = [_count(at) for at in state["sent"]], _count(state["left_out"])
        self._known, self._waiting, self._sent = known, waiting, sent
        self._left_out = left_out


def _pair(pair: Any) -> tuple[int, bool]:
    at, near = pair
    return _count(at), _flag(near)


def _waiting(key: Any, near: Any, line: Any, since_ms: Any, listed: Any) -> Waiting:
    return Waiting(_text(key), _flag(near), _text(line), _count(since_ms), _flag(listed))


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise ValueError("expected a short text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("expected true or false")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("expected a whole number of 0 or more")
    return value
