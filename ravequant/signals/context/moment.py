"""The moment of a context: an instrument, a minute, and how far each stream is read."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from ravequant import times
from ravequant.signals.limits import SignalLimits, Stream
from ravequant.signals.market_state import MarketState
from ravequant.signals.seen import Lagging
from ravequant.vault.paths import Vault


class ContextMoment(NamedTuple):
    """All that a reader of the context may depend on, but for the signal's wick."""

    vault: Vault
    inst_id: str
    limits: SignalLimits
    minute: int  # A: rows that ended by its start
    asked_ms: int  # ages count to it
    book_ms: int | None  # of the newest snapshot not later than A
    ends: Mapping[Lagging, int] = {}  # Unix ms; of streams that are read no further than that

    @classmethod
    def of(cls, vault: Vault, state: MarketState, limits: SignalLimits) -> Self:
        """Return the moment of a state."""
        ends = {} if state.instant is None else state.instant.seen.reach
        book_ms = None if state.book is None else state.book.ts
        return cls(vault, state.inst_id, limits, state.minute, state.asked_ms, book_ms, ends)

    def end_ms(self, name: Lagging) -> int:
        """Return the time up to which the rows of a stream are read."""
        minute_ms = self.minute * times.MINUTE_MS
        return min(minute_ms, self.ends.get(name, minute_ms))

    def is_stale(self, like: Stream, minute: int) -> bool:
        """Return True if a minute row is too old, by the limit of another stream of such rows."""
        return self.is_old(like, (minute + 1) * times.MINUTE_MS)

    def is_old(self, like: Stream, ms: int, asked_ms: int | None = None) -> bool:
        """Return True if a record of ``ms`` is too old at a moment (None: that of the question)."""
        most = self.limits.stale_ms(like)
        age = (self.asked_ms if asked_ms is None else asked_ms) - ms
        return most is not None and age > most
