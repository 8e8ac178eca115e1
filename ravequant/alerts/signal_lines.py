"""The lines of a watch about its signals, in its log: each signal, its growth, its end, once."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ravequant.alerts.dispatcher import signal_seen
from ravequant.alerts.due_kind import SignalSeen
from ravequant.alerts.ends import RoundAnswer, ends
from ravequant.alerts.policy import AlertPolicy, SignalEnd
from ravequant.alerts.policy_state import Kind
from ravequant.signals.proof import stop_line
from ravequant.signals.rules import Signal
from ravequant.signals.wording import other_reading, worth

_HEADS: Final[dict[Kind, str]] = {
    "new": "SIGNAL",
    "grown": "GROWN",
    "back": "BACK",
    "shrunk": "SHRUNK",
}
HEADS: Final = (*_HEADS.values(), "REACHED", "WITHDRAWN")  # the first word of every line
SILENT: Final = ("SHRUNK", "WITHDRAWN")  # ring nowhere


class SignalLines:
    """The signals of one watch since its start; one without a size has no line."""

    def __init__(self) -> None:
        self._policy = AlertPolicy(0, posts=False)
        self._answers: list[RoundAnswer] = []
        self._seen = list[SignalSeen]()
        self._found: dict[str, tuple[Signal, Mapping[str, Any]]] = {}

    def add(self, answer: RoundAnswer, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take the answer for one instrument in this round; ``rows``: its standing signals."""
        self._answers.append(answer)
        for signal, row in zip(answer.standing, rows, strict=True):
            if signal.size:
                self._seen.append(signal_seen(signal, 0))
                self._found[signal.wick.event_id] = signal, row

    def lines(self, now: int) -> list[str]:
        """End a round: return the ends and the new lines."""
        told = {key: self._policy.names(key) for key in self._policy.open_keys}
        found = (end for answer in self._answers for end in ends(told, answer))
        made = [_end_line(end) for end in self._policy.end(found, now)]
        new = self._policy.add(self._seen, now)
        made += [_line(_HEADS[alert.kind], *self._found[alert.key]) for alert in new]
        self._answers, self._seen, self._found = [], [], {}
        return made


def _end_line(end: SignalEnd) -> str:
    inst_id, direction, price = end.line.split(" ")
    return f"{end.kind.upper()} {direction} {inst_id} at {price}: {end.detail}"


def _line(head: str, signal: Signal, row: Mapping[str, Any]) -> str:
    other, stop = other_reading(signal), stop_line(signal.state.verdict)
    parts = [
        worth(signal),
        *([other] if other else []),
        f"score {row['score']}",
        f"{row['distance_bps']} bps away",
        f"stop {row['stop'] or '-'}",
        f"target {row['target'] or '-'}",
        f"net R/R {row['reward_risk_net'] or '-'}",
    ]
    said = f"{head} {row['direction']} {row['instId']} at {row['entry']}: {', '.join(parts)}"
    return f"{said}; {stop}" if stop else said
