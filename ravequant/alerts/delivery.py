"""The heartbeat of a watch with alerts: whether they are sent, and if not, why.

``state/health/find_signals.json`` holds ``problem`` (null, or why alerts are not sent, with the
remedy), ``problem_since_utc``, ``waiting`` (alerts), ``sent_utc`` (null until an alert was sent
since the start, on every channel), ``per_hour``, ``full_until_utc`` (null while the hour has a
place for a message to Discord) and ``waiting_for_place`` (those of the alerts that need one).
"""

from dataclasses import dataclass
from typing import Any, Final

from ravequant import times
from ravequant.alerts.hour import used_words
from ravequant.vault import heartbeat
from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.paths import Vault

COMPONENT: Final = "find_signals"


@dataclass(frozen=True, slots=True)
class SendingState:
    """The state of sending, as the newest heartbeat has it."""

    start: str = ""  # names the start of the watch; empty: there was none
    problem: str = ""  # empty: alerts are sent, as far as known
    since_ms: int | None = None
    waiting: int = 0  # alerts
    proven: bool = False  # an alert was sent since the start, on every channel
    age_ms: int = 0
    per_hour: int = 0  # places
    full_until_ms: int | None = None  # None: the hour has a place
    waiting_for_place: int = 0  # alerts

    def full_hour(self, now: int) -> str:
        """Return the line about alerts that wait for a place; empty if none waits."""
        until, waiting = self.full_until_ms, self.waiting_for_place
        if until is None or until <= now or not waiting:
            return ""
        return used_words(self.per_hour, until, waiting)


def delivery(vault: Vault, now: int) -> SendingState:
    """Return the state of sending; ``now`` is the wall clock.

    A field that is absent or damaged counts as nothing.
    """
    beat = heartbeat.read(vault, COMPONENT)
    if beat is None:
        return SendingState()
    problem = beat.get("problem")
    return SendingState(
        f"{beat.get('started_utc')} {beat.get('pid')}",
        problem if isinstance(problem, str) else "",
        _time(beat.get("problem_since_utc")),
        _count(beat.get("waiting")),
        _time(beat.get("sent_utc")) is not None,
        heartbeat.age_ms(beat, now),
        _count(beat.get("per_hour")),
        _time(beat.get("full_until_utc")),
        _count(beat.get("waiting_for_place")),
    )


class DeliveryHeartbeat:
    """Writes the state of sending."""

    def __init__(self, vault: Vault) -> None:
        self._heartbeat = Heartbeat(vault, COMPONENT)
        self._since: int | None = None

    def write(
        self,
        problem: str,
        waiting: int,
        sent_ms: int | None,
        hour: tuple[int, int | None, int] = (0, None, 0),
        *,
        stopped: bool,
    ) -> None:
        """Write it; a problem that changes its words lasts since the first of them.

        ``hour``: its places, until when it is full, and how many alerts wait for a place.
        """
        if not problem:
            self._since = None
        elif self._since is None:
            self._since = times.utc_now_ms()
        self._heartbeat.write(
            {
                "problem": problem or None,
                "problem_since_utc": _iso(self._since),
                "waiting": waiting,
                "sent_utc": _iso(sent_ms),
                "per_hour": hour[0],
                "full_until_utc": _iso(hour[1]),
                "waiting_for_place": hour[2],
                "stopped": stopped,
            }
        )


def _iso(moment: int | None) -> str | None:
    return None if moment is None else times.iso(moment)


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _time(value: Any) -> int | None:
    try:
        return times.parse_iso(value)
    except (TypeError, ValueError):
        return None
