"""The heartbeat of a watch with alerts: whether they are sent, and if not, why.

``state/health/find_signals.json`` holds ``problem`` (null, or why alerts are not sent, with the
remedy), ``problem_since_utc``, ``waiting`` (alerts) and ``sent_utc`` (null until an alert was sent
since the start, on every channel).
"""

from dataclasses import dataclass
from typing import Any, Final

from ravequant import times
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


def delivery(vault: Vault, now: int) -> SendingState:
    """Return the state of sending; ``now`` is the wall clock.

    A field that is absent or damaged counts as nothing.
    """
    beat = heartbeat.read(vault, COMPONENT)
    if beat is None:
        return SendingState()
    problem, waiting = beat.get("problem"), beat.get("waiting")
    return SendingState(
        f"{beat.get('started_utc')} {beat.get('pid')}",
        problem if isinstance(problem, str) else "",
        _time(beat.get("problem_since_utc")),
        waiting if isinstance(waiting, int) else 0,
        _time(beat.get("sent_utc")) is not None,
        heartbeat.age_ms(beat, now),
    )


class DeliveryHeartbeat:
    """Writes the state of sending."""

    def __init__(self, vault: Vault) -> None:
        self._heartbeat = Heartbeat(vault, COMPONENT)
        self._since: int | None = None

    def write(self, problem: str, waiting: int, sent_ms: int | None, *, stopped: bool) -> None:
        """Write it; a problem that changes its words lasts since the first of them."""
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
                "stopped": stopped,
            }
        )


def _iso(moment: int | None) -> str | None:
    return None if moment is None else times.iso(moment)


def _time(value: Any) -> int | None:
    try:
        return times.parse_iso(value)
    except (TypeError, ValueError):
        return None
