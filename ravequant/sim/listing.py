"""The instruments of the model exchange: their REST rows and the figures their markets aim at."""

from dataclasses import dataclass
from typing import Any, Final

from ravequant import exact
from ravequant.contract import Contract
from ravequant.errors import UsageError
from ravequant.records import check_inst_id
from ravequant.sim.instruments import swap_row

_CACHED_TEXTS: Final = 200_000


class Steps:
    """Whole steps (ticks or lots) as decimal text, the way the exchange writes it."""

    def __init__(self, step: str) -> None:
        self._places = len(step.partition(".")[2])
        self._size = exact.units(step, self._places)
        self._texts: dict[int, str] = {}

    def __call__(self, steps: int) -> str:
        """So many steps as text: ``972500`` of ``0.1`` is ``97250``."""
        known = self._texts.get(steps)
        if known is None:
            if len(self._texts) > _CACHED_TEXTS:
                self._texts.clear()
            known = self._texts[steps] = exact.text(steps * self._size, self._places)
        return known


@dataclass(frozen=True, slots=True)
class Listing:
    """One linear perpetual and what its market looks like."""

    inst_id: str
    price: str  # the first one
    tick: str
    lot: str  # contracts
    ct_val: str  # coins per contract
    first_trade_id: int
    fill: float  # share of ticks that hold a level
    band_usd: float  # resting notional within 10 bps, each side
    touch_usd: float  # mean notional at the best price
    minute_usd: float  # mean traded notional of a minute
    minute_bps: float  # median standard deviation of a minute's return
    pace: float  # trades in relation to BTC

    @property
    def first_tick(self) -> int:
        """The first price, in ticks."""
        return exact.units(self.price, 20) // exact.units(self.tick, 20)

    @property
    def usd_per_lot_tick(self) -> float:
        """What one lot is worth for each tick of its price."""
        return float(self.ct_val) * float(self.lot) * float(self.tick)

    def lots(self, usd: float, tick: int) -> int:
        """Whole lots for that notional at that price, one at least."""
        return max(1, int(usd / (self.usd_per_lot_tick * tick)))

    def row(self) -> dict[str, Any]:
        """The row that the exchange's REST answers."""
        return swap_row(self.inst_id, Contract(self.ct_val, "1", "linear"), self.tick, self.lot)


_KNOWN: Final = (
    Listing("BTC-USDT-SWAP", "97250", "0.1", "0.01", "0.01", 2_832_749_635,
            0.42, 10.5e6, 0.30e6, 2.4e6, 4.0, 1.0),
    Listing("ETH-USDT-SWAP", "3420", "0.01", "0.01", "0.1", 1_947_300_112,
            0.60, 3.75e6, 0.10e6, 1.2e6, 5.0, 0.6),
    Listing("SOL-USDT-SWAP", "182", "0.01", "0.01", "1", 912_004_551,
            0.90, 1.6e6, 0.06e6, 0.5e6, 6.0, 0.4),
)  # fmt: skip


def listing(inst_id: str) -> Listing:
    """Return the listing of an instrument; a legal name nobody knows gets plausible figures.

    Raises UsageError for an illegal name and for one that is not a linear perpetual.
    """
    check_inst_id(inst_id)
    for known in _KNOWN:
        if known.inst_id == inst_id:
            return known
    parts = inst_id.split("-")
    if len(parts) != 3 or parts[1] not in ("USDT", "USDC") or parts[2] != "SWAP":
        raise UsageError(
            f"instrument {inst_id!r} is not one the model market can make: expected a linear "
            "perpetual like SOL-USDT-SWAP; replay a recording for any other"
        )
    number = int.from_bytes(parts[0].encode("ascii"), "big")
    return Listing(
        inst_id, "100", "0.001", "0.1", "1", 400_000_000 + number % 99_991,
        0.70, 0.9e6, 0.03e6, 0.3e6, 7.0, 0.3,
    )  # fmt: skip
