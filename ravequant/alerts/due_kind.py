"""Which alert a signal of a round is due, and for which change of its size. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from ravequant.alerts.policy_state import Kind, KnownSignal, PendingAlert

_SMALLER: Final = "its size has fallen to this one: fit the order to it"
_OF_SIZE: Final = frozenset({"grown", "shrunk"})


class SignalSeen(NamedTuple):
    """A signal as it stands in a round."""

    key: str  # event_id of its wick
    others: tuple[str, ...]  # the other event_ids of its level: the same signal
    line: str  # its line in a list
    birth: int  # of its wick, Unix minute
    near: bool  # price is near the tip
    no_entry: bool  # no alert: price is at the tip, or there is no trade
    size: int = 0


def is_entry(signal: SignalSeen, known: KnownSignal) -> bool:
    """Return True for a signal that goes on as an entry with a size."""
    return not (known.over or signal.no_entry) and signal.size > 0


def due_kind(signal: SignalSeen, known: KnownSignal | None) -> Kind | None:
    """Return the alert that a signal is due, None if it is due none."""
    lost = known is not None and known.size > 0 and not signal.size  # it has no size any more
    if signal.no_entry or lost or (known is not None and known.over and not known.may_return):
        return None
    if known is None or (known.over and known.end is not None):  # nobody was notified
        return "near" if signal.near else "new"
    if known.over:
        return "back"
    if signal.near and not known.near:
        return "near"
    if signal.size < known.last_size:
        return "shrunk"
    return "grown" if signal.size > known.size else None


def told_change(alert: PendingAlert, known: KnownSignal) -> list[PendingAlert]:
    """Return the alert that a size is due after the accepted ones; empty if there is none.

    ``alert``: of any kind, with the newest size.
    """
    if alert.size > known.told_size:
        return [replace(alert, kind="grown", detail="")]
    if known.told and alert.size < known.told_last:
        return [replace(alert, kind="shrunk", detail=_SMALLER, listed=False)]
    return []


def fitted(
    waiting: Sequence[PendingAlert], alert: PendingAlert, known: KnownSignal
) -> list[PendingAlert]:
    """Return the alerts of a signal that wait once it has another size.

    ``waiting``: those before, without ends. ``alert``: of the newest size; of kind ``grown`` if it
    is larger than each before. An alert that waits takes on the size; one in a list does not
    hide growth.
    """
    firsts = [other for other in waiting if other.kind not in _OF_SIZE]
    grows = alert.kind == "grown"
    if firsts and not (grows and all(other.listed for other in firsts)):
        return [_with_size(other, alert, renewed=grows and not other.listed) for other in firsts]
    if grows:
        return [*firsts, alert]
    if waiting:
        return told_change(_with_size(waiting[-1], alert, renewed=False), known)
    return told_change(alert, known) if known.told else []


def _with_size(other: PendingAlert, alert: PendingAlert, *, renewed: bool) -> PendingAlert:
    since = alert.since_ms if renewed else other.since_ms
    return replace(other, line=alert.line, size=alert.size, since_ms=since)
