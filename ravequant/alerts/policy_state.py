"""The state of the alerts as `alerts.json` holds it, of this version and those before. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Any, Final, Literal, get_args

VERSION: Final = 5
MOST_TEXT: Final = 200  # characters of a name or a line
Kind = Literal["new", "near", "grown", "back", "shrunk", "reached", "withdrawn"]
_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_ENDS: Final = frozenset({"reached", "withdrawn"})
_LARGEST: Final = 3  # size of a signal


@dataclass(frozen=True, slots=True)
class PendingAlert:
    """An alert that was not posted yet."""

    key: str
    kind: Kind
    line: str
    since_ms: int
    listed: bool = False  # too late or above the budget: it gets no message of its own
    detail: str = ""  # of an end
    size: int = 0  # of the signal

    @property
    def is_end(self) -> bool:
        """True for the end of a signal."""
        return self.kind in _ENDS

    @property
    def is_free(self) -> bool:
        """True for an end, or a smaller size: it takes no place of the hour."""
        return self.is_end or self.kind == "shrunk"


@dataclass(slots=True)
class KnownSignal:
    """A signal that was notified of."""

    names: list[str]  # every event_id of its level, that of its wick first
    at_ms: int
    near: bool  # its approach too
    told: bool  # somebody was reached
    over: bool = False
    end: PendingAlert | None = None  # waits for the alert before it to be accepted
    size: int = 0  # the largest that was notified of
    may_return: bool = True  # notified of again if it is withdrawn and then an entry
    last_size: int = 0  # the newest that was notified of
    told_size: int = 0  # the largest in an accepted message
    told_last: int = 0  # the newest in one
    fitted_size: int = 0  # the newest that an accepted message has, or that waits
    doubt: str = ""  # direction and price, while nobody knows whether it stands
    sent_doubt: str = ""  # the same, of a message that may have reached somebody
    told_doubt: bool = False  # that message was accepted


def known_row(known: KnownSignal) -> list[Any]:
    """Return a known signal as JSON."""
    end = None if known.end is None else alert_row(known.end)
    return [
        known.names, known.at_ms, known.near, known.told, known.over, end, known.size,
        known.may_return, known.last_size, known.told_size, known.told_last, known.fitted_size,
    ]  # fmt: skip


def alert_row(alert: PendingAlert) -> list[Any]:
    """Return an alert as JSON."""
    return list(astuple(alert))


def upgraded(state: Any) -> Any:
    """Return a state of an earlier version as one of this version."""
    version = state["version"]
    if version == VERSION:
        return state
    if version not in (1, 2, 3, 4):
        raise ValueError(f"version {version!r:.20}, expected {VERSION}")
    if version == 3:  # the largest size counts as the newest
        state = {**state, "known": [[*row, row[6]] for row in state["known"]]}
    elif version < 3:
        state = _fourth(state if version == 2 else _second(state))
    return {**state, "known": [_fifth(*row) for row in state["known"]]}


def _fifth(*row: Any) -> list[Any]:
    """Return a signal of version 4: the sizes that were notified of count as accepted."""
    *_, size, _, last_size = row
    return [*row, size, last_size, last_size]


def _fourth(state: Any) -> Any:
    """Return a state of version 2 as one of version 4: as if each signal had the largest size."""
    known = [
        [names, at, near, told, over, None if end is None else [*end, 0], _LARGEST, not over, 0]
        for names, at, near, told, over, end in state["known"]
    ]
    waiting = [
        [key, kind, *rest, 0 if kind in _ENDS else _LARGEST]
        for key, kind, *rest in state["waiting"]
    ]
    return {**state, "known": known, "waiting": waiting}


def _second(state: Any) -> Any:
    """Return a state of version 1 as one of version 2.

    It knew no ends, and each name by itself; a name that became known together with an alert that
    still waits has reached nobody.
    """
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


def doubt_rows(signals: Iterable[KnownSignal]) -> dict[str, list[Any]]:
    """Return the doubts of known signals as JSON, by key."""
    return {
        known.names[0]: [known.doubt, known.sent_doubt, known.told_doubt]
        for known in signals
        if known.doubt or known.sent_doubt
    }


def take_doubts(known: Mapping[str, KnownSignal], rows: Any) -> None:
    """Put doubts of their JSON back; KeyError, TypeError or the like if it is none."""
    for name, (doubt, sent_doubt, told_doubt) in rows.items():
        signal = known[name]
        signal.doubt, signal.sent_doubt = _text(doubt), _text(sent_doubt)
        signal.told_doubt = _flag(told_doubt)


def known_of(row: Any) -> KnownSignal:
    """Return the known signal of its JSON; ValueError or TypeError if it is none."""
    names, at_ms, near, told, over, end, size, may_return, *sizes = row
    last_size, told_size, told_last, fitted_size = sizes
    if not isinstance(names, list) or not names:
        raise ValueError("expected the names of a signal")
    return KnownSignal(
        [_text(name) for name in names],
        count(at_ms),
        _flag(near),
        _flag(told),
        _flag(over),
        None if end is None else alert_of(end),
        count(size),
        _flag(may_return),
        count(last_size),
        count(told_size),
        count(told_last),
        count(fitted_size),
    )


def alert_of(row: Any) -> PendingAlert:
    """Return the alert of its JSON; ValueError or TypeError if it is none."""
    key, kind, line, since_ms, listed, detail, size = row
    if kind not in _KINDS:
        raise ValueError(f"{kind!r:.20} is no alert")
    return PendingAlert(
        _text(key), kind, _text(line), count(since_ms), _flag(listed), _text(detail), count(size)
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise ValueError("expected a short text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("expected true or false")
    return value


def count(value: Any) -> int:
    """Return a whole number of 0 or more; TypeError for anything else."""
    if type(value) is not int or value < 0:
        raise TypeError("expected a whole number of 0 or more")
    return value
