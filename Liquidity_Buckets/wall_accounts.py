"""The account of a wall: how much of it was filled, pulled, refilled and added (SPEC section 16).

Between two books, with D = quantity before - after and T = contracts taken at the price:

    filled = T    pulled = max(D - T, 0)    x = max(T - D, 0)
    refilled = min(T, x)    added = x - refilled

so after = before - filled - pulled + refilled + added, always. Where trades or books are missing
the change is ``unknown``.
"""

from dataclasses import dataclass, fields
from typing import Any, Final

from ravequant import exact
from ravequant.trades.taker_tape import Taken

FILLED, PULLED, MIXED, UNSEEN, UNKNOWN = "filled", "pulled", "mixed", "unseen", "unknown"
_CLEAR: Final = 8, 10  # this share of the takings and pullings decides


@dataclass(slots=True)
class WallAccount:
    """A wall; all quantities are contracts, in units of 10**-SIZE_PLACES."""

    since: int  # first book that showed it, ms
    known: bool  # it was placed then; False: it may have stood before
    seen: int  # newest book that showed it, ms
    placed: int  # its first quantity
    qty: int
    largest: int
    filled: int = 0
    pulled: int = 0
    refilled: int = 0
    added: int = 0
    unknown: int = 0  # net change while trades were missing
    carry: int = 0  # taken just before the newest book, which does not show it yet
    last_filled: int = 0  # since it last showed its largest quantity
    last_pulled: int = 0
    doubt: bool = False  # and with missing trades since then

    @classmethod
    def new(cls, qty: int, at: int, *, known: bool) -> "WallAccount":
        """Return the account of a wall that a book shows for the first time."""
        return cls(at, known, at, qty, qty, qty)

    def change(self, qty: int, at: int, taken: Taken | None, *, stands: bool) -> bool:
        """Take in the next book that shows the price; return True if the wall stands on.

        ``taken`` are the trades since the book before; None: some may be missing. With
        ``stands`` the quantity is still enough for a wall.
        """
        before, self.seen = self.qty, at
        if taken is None:
            self.unknown += qty - before
            self.qty, self.carry, self.doubt = qty, 0, True
        else:
            stands = stands and not taken.beyond
            self._settle(before, 0 if taken.beyond else qty, taken, carries=stands)
        if stands and self.qty >= self.largest:
            self.largest, self.last_filled, self.last_pulled = self.qty, 0, 0
            self.doubt = False
        return stands

    def _settle(self, before: int, after: int, taken: Taken, *, carries: bool) -> None:
        contracts, lost = taken.contracts + self.carry, before - after
        more = max(contracts - lost, 0)
        self.carry = min(more, taken.recent) if carries else 0
        contracts, more = contracts - self.carry, more - self.carry
        pulled, refilled = max(lost - contracts, 0), min(contracts, more)
        self.filled += contracts
        self.pulled += pulled
        self.refilled += refilled
        self.added += more - refilled
        self.last_filled += contracts
        self.last_pulled += pulled
        self.qty = after

    def verdict(self) -> str:
        """Return how a wall that stands no more has ended."""
        both, (part, whole) = self.last_filled + self.last_pulled, _CLEAR
        if self.doubt or not both:
            return UNKNOWN
        if self.last_filled * whole >= part * both:
            return FILLED
        return PULLED if self.last_pulled * whole >= part * both else MIXED

    def amounts(self) -> dict[str, str]:
        """Return its quantities in contracts, as a record has them."""
        names = ("placed", "largest", "qty", "filled", "pulled", "refilled", "added")
        found = {name: exact.text(getattr(self, name), exact.SIZE_PLACES) for name in names}
        return {**found, "unknown": exact.signed(exact.text(self.unknown, exact.SIZE_PLACES))}

    def state(self) -> list[Any]:
        """Return the account, JSON-able: the quantities may be wider than 64 bits."""
        values = (getattr(self, field.name) for field in fields(self))
        return [str(v) if type(v) is int else v for v in values]

    @classmethod
    def restore(cls, state: list[Any]) -> "WallAccount":
        """Return the account that ``state()`` returned."""
        values: list[Any] = [int(v) if isinstance(v, str) else v for v in state]
        return cls(*values)
