"""Gives the signals of a result their context (SPEC section 11): one small reader a stream."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from ravequant.errors import VaultError
from ravequant.signals.context.fields import NOTHING, Context, Feed, Unknown
from ravequant.signals.context.funding import read_funding
from ravequant.signals.context.interest import read_interest
from ravequant.signals.context.liquidated import read_liquidated
from ravequant.signals.context.moment import ContextMoment
from ravequant.signals.context.poor_ends import PoorEndsAsOf
from ravequant.signals.context.ratios import read_ratios
from ravequant.signals.context.walls import WallsAsOf
from ravequant.signals.inputs import WickAsOf
from ravequant.signals.limits import SignalLimits
from ravequant.signals.rules import QueryResult
from ravequant.vault.paths import Vault

_log = logging.getLogger("find_signals")
Found = TypeVar("Found")


class ContextStream(Protocol):
    """A stream as of a moment."""

    def of(self, wick: WickAsOf, /) -> Context:
        """Return its fields, some of FIELDS, for a signal at the tip of a wick."""


# by the name of the field that is null if the stream is not known; each knows the reason
READERS: Final[Mapping[str, Callable[[ContextMoment], ContextStream | Unknown]]] = {
    "walls_24h": WallsAsOf.read,
    "poor": PoorEndsAsOf.read,
}
# by the name of the field; each knows its object, or the reason why it is null
FEEDS: Final[Mapping[str, Callable[[ContextMoment], Feed]]] = {
    "funding": read_funding,
    "interest": read_interest,
    "liquidated_5m": read_liquidated,
    "ratios": read_ratios,
}


def with_context(result: QueryResult, vault: Vault, limits: SignalLimits) -> QueryResult:
    """Return a result whose signals have their context; a file that cannot be read gives none."""
    if not result.signals:
        return result
    moment = ContextMoment.of(vault, result.state, limits)
    unknown: dict[str, str] = {}
    streams, feeds = list(_streams(moment, unknown)), _feeds(moment, unknown)
    signals = (
        signal._replace(context=_context(streams, signal.wick) | feeds) for signal in result.signals
    )
    return result._replace(signals=tuple(signals))


def _streams(moment: ContextMoment, unknown: dict[str, str]) -> Iterator[ContextStream]:
    for name, read in READERS.items():
        found = _known(name, read, moment)
        if isinstance(found, str):
            unknown[name] = found
        else:
            yield found


def _feeds(moment: ContextMoment, unknown: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, read in FEEDS.items():
        feed = _known(name, read, moment)
        if isinstance(feed, str):
            found[name], unknown[name] = None, feed
        else:
            found[name] = feed
    return {**found, "unknown": unknown}


def _known(
    name: str, read: Callable[[ContextMoment], Found | Unknown], moment: ContextMoment
) -> Found | Unknown:
    try:
        return read(moment)
    except VaultError as error:
        _log.warning("signals go without %s: %s", name, error)
        return "not readable"


def _context(streams: Sequence[ContextStream], wick: WickAsOf) -> dict[str, Any]:
    found = dict(NOTHING)
    for stream in streams:
        found |= stream.of(wick)
    return found
