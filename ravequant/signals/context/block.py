"""Gives the signals of a result their context (SPEC section 11): one small reader a stream."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from ravequant.errors import VaultError
from ravequant.signals.context.fields import NOTHING, Context
from ravequant.signals.context.moment import ContextMoment
from ravequant.signals.context.walls import WallsAsOf
from ravequant.signals.inputs import WickAsOf
from ravequant.signals.limits import SignalLimits
from ravequant.signals.rules import QueryResult
from ravequant.vault.paths import Vault

_log = logging.getLogger("find_signals")


class ContextStream(Protocol):
    """A stream as of a moment."""

    def of(self, wick: WickAsOf, /) -> Context:
        """Return its fields, some of FIELDS, for a signal at the tip of a wick."""


# by the name of the stream; None: it is missing or stale
READERS: Final[Mapping[str, Callable[[ContextMoment], ContextStream | None]]] = {
    "book_flow": WallsAsOf.read
}


def with_context(result: QueryResult, vault: Vault, limits: SignalLimits) -> QueryResult:
    """Return a result whose signals have their context; a file that cannot be read gives none."""
    if not result.signals:
        return result
    moment = ContextMoment.of(vault, result.state, limits)
    streams = list(_streams(moment))
    signals = (signal._replace(context=_context(streams, signal.wick)) for signal in result.signals)
    return result._replace(signals=tuple(signals))


def _streams(moment: ContextMoment) -> Iterator[ContextStream]:
    for name, read in READERS.items():
        try:
            found = read(moment)
        except VaultError as error:
            _log.warning("signals go without %s: %s", name, error)
            continue
        if found is not None:
            yield found


def _context(streams: Sequence[ContextStream], wick: WickAsOf) -> Context:
    found = dict(NOTHING)
    for stream in streams:
        found |= stream.of(wick)
    return found
