"""The worth of a contract: base and notional of trades and levels, exactly (SPEC section 2).

    linear    base     = qty x ctVal x ctMult     notional = base x price
    inverse   notional = qty x ctVal x ctMult     base     = notional / price

Only the division of an inverse contract rounds: trade by trade or level by level, half to even,
to 12 places. ``amounts`` takes one price and size; ``Worth`` does the same for columns.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from ravequant import exact

if TYPE_CHECKING:
    from ravequant.swar_digits import Ints

INVERSE_BASE_PLACES: Final = 12
_INVERSE_BASE_ONE: Final = 10 ** (exact.BASE_PLACES - INVERSE_BASE_PLACES)


class Contract(NamedTuple):
    """An instrument's contract as the exchange describes it, in decimal text."""

    ct_val: str  # coins (linear) or quote currency (inverse)
    ct_mult: str  # multiplies ct_val
    ct_type: Literal["linear", "inverse"]


@lru_cache(maxsize=1 << 6)
def _one(contract: Contract) -> int:
    """Return ctVal x ctMult in units of ``10**-(2 * SIZE_PLACES)``."""
    value = exact.units(contract.ct_val, exact.SIZE_PLACES)
    return value * exact.units(contract.ct_mult, exact.SIZE_PLACES)


def amounts(contract: Contract, price: int, qty: int) -> tuple[int, int]:
    """Return base and notional of ``qty`` contracts at ``price``.

    All four numbers count units of their kind in ``ravequant.exact``: SIZE_PLACES and PRICE_PLACES
    in, BASE_PLACES and NOTIONAL_PLACES out.
    """
    worth = qty * _one(contract)
    if contract.ct_type == "linear":
        return worth, worth * price
    notional = worth * exact.PRICE_ONE
    base = exact.divide(notional, price * exact.BASE_ONE, INVERSE_BASE_PLACES)
    return base * _INVERSE_BASE_ONE, notional


class Scale(NamedTuple):
    """The units in which amounts are counted: ``10**-notional`` and ``10**-base``."""

    notional: int
    base: int


FINEST: Final = Scale(exact.NOTIONAL_PLACES, exact.BASE_PLACES)


class Worth(NamedTuple):
    """ctVal x ctMult of a contract as a number, for columns of prices and sizes.

    The columns hold integers in units of ``10**-price_places`` and ``10**-qty_places``; the columns
    that come out must be multiplied by ``factors`` to be amounts, so that they stay small.
    """

    inverse: bool
    factor: int  # per contract, units of 10**-places: coins (linear) or quote currency (inverse)
    places: int  # the fewest that hold it

    def scale(self, price_places: int, qty_places: int) -> Scale:
        """Return the coarsest units that hold the amounts of columns with these decimals."""
        size = qty_places + self.places
        return (
            Scale(size, INVERSE_BASE_PLACES) if self.inverse else Scale(size + price_places, size)
        )

    def factors(self, price_places: int, qty_places: int, wanted: Scale) -> tuple[int, int]:
        """Return the factors (notional, base) from columns to amounts in units of ``wanted``.

        ``wanted`` must be at least as fine as ``scale`` says.
        """
        coarsest = self.scale(price_places, qty_places)
        base = 1 if self.inverse else self.factor
        notional = self.factor * 10 ** (wanted.notional - coarsest.notional)
        return notional, base * 10 ** (wanted.base - coarsest.base)

    def notional(self, price: "Ints", qty: "Ints") -> "Ints":
        """Return the column of notionals; int64 columns must hold the product of their largest."""
        return qty if self.inverse else price * qty

    def inverse_base(
        self, price: "Ints", qty: "Ints", price_places: int, qty_places: int
    ) -> list[int]:
        """Return the bases of an inverse contract (those of a linear one are the sizes)."""
        above = self.factor * 10**price_places
        below = 10 ** (qty_places + self.places)
        return [
            exact.divide(size * above, at * below, INVERSE_BASE_PLACES)
            for at, size in zip(price.tolist(), qty.tolist(), strict=True)
        ]


@lru_cache(maxsize=1 << 6)
def worth_of(contract: Contract) -> Worth:
    """Return the worth of one contract; contracts that differ in spelling alone are worth alike."""
    factor, places = _one(contract), 2 * exact.SIZE_PLACES
    while places and factor % 10 == 0:
        factor, places = factor // 10, places - 1
    return Worth(contract.ct_type == "inverse", factor, places)
