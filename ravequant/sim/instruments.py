"""The instruments of the local exchange: their REST rows (v5 reference) and model markets."""

from dataclasses import dataclass, replace
from typing import Any, Final

from ravequant import exact
from ravequant.contract import Contract
from ravequant.errors import UsageError
from ravequant.records import check_inst_id

_CACHED_TEXTS: Final = 200_000
# instId -> (tickSz, lotSz): the sizes on the exchange, used where a recording does not deny them
KNOWN_SIZES: Final = {
    "BTC-USDT-SWAP": ("0.1", "0.01"),
    "ETH-USDT-SWAP": ("0.01", "0.01"),
    "BTC-USD-SWAP": ("0.1", "1"),
}
_CONTRACTS: Final = {
    "ETH-USDT-SWAP": Contract("0.1", "1", "linear"),
    "BTC-USD-SWAP": Contract("100", "1", "inverse"),
}


@dataclass(frozen=True, slots=True)
class Decimals:
    """The most decimals met in a recording's prices and sizes."""

    price: int = 0
    size: int = 0

    def merged(self, other: "Decimals") -> "Decimals":
        """Return the larger of both, field by field."""
        return Decimals(max(self.price, other.price), max(self.size, other.size))


def step(decimals: int) -> str:
    """Return the smallest step with so many decimals: ``0.01`` for 2, ``1`` for 0."""
    return f"0.{'1'.rjust(decimals, '0')}" if decimals else "1"


def _places(size: str) -> int:
    return len(size.partition(".")[2])


def sizes(inst_id: str, met: Decimals) -> tuple[str, str]:
    """Return (tickSz, lotSz): the known sizes, or finer ones if the recording has finer values."""
    tick, lot = KNOWN_SIZES.get(inst_id, ("1", "1"))
    if inst_id not in KNOWN_SIZES or met.price > _places(tick):
        tick = step(met.price)
    if inst_id not in KNOWN_SIZES or met.size > _places(lot):
        lot = step(met.size)
    return tick, lot


def contract(inst_id: str) -> Contract:
    """Return the contract for a recording of books alone, which names none."""
    return _CONTRACTS.get(inst_id, Contract("0.01", "1", "linear"))


def swap_row(inst_id: str, contract: Contract, tick: str, lot: str) -> dict[str, Any]:
    """Return the row of ``/api/v5/public/instruments`` of one perpetual swap."""
    base, pair = inst_id.split("-")[:2]
    quote = pair.partition("_")[0]  # USD of USD_UM
    linear = contract.ct_type == "linear"
    row: dict[str, Any] = dict.fromkeys(_EMPTY.split(), "")
    row.update(
        category="1",
        ctMult=contract.ct_mult,
        ctType=contract.ct_type,
        ctVal=contract.ct_val,
        ctValCcy=base if linear else quote,
        futureSettlement=False,
        instFamily=f"{base}-{pair}",
        instId=inst_id,
        instIdCode=10_000 + sum(inst_id.encode()) % 10_000,
        instType="SWAP",
        lever="100",
        listTime="1573557408000",
        lotSz=lot,
        maxLmtSz="100000000",
        maxMktSz="12000",
        minSz=lot,
        ruleType="normal",
        settleCcy=quote if linear else base,
        state="live",
        tickSz=tick,
        tradeQuoteCcyList=[],
        uly=f"{base}-{quote}",
    )
    return row


_EMPTY: Final = (
    "alias auctionEndTime baseCcy contTdSwTime expTime maxIcebergSz maxLmtAmt maxMktAmt "
    "maxPlatOILmt maxStopSz maxTriggerSz maxTwapSz openType optType posLmtAmt posLmtPct "
    "preMktSwTime quoteCcy stk"
)


# -- the instruments of the model market


class Steps:
    """Whole steps (ticks or lots) as decimal text, the way the exchange writes it."""

    def __init__(self, step: str) -> None:
        self._places = len(step.partition(".")[2])
        self._size = exact.units(step, self._places)
        self._texts: dict[int, str] = {}

    def __call__(self, steps: int) -> str:
        """Return a number of steps as decimal text: ``972500`` of ``0.1`` is ``97250``."""
        known = self._texts.get(steps)
        if known is None:
            if len(self._texts) > _CACHED_TEXTS:
                self._texts.clear()
            known = self._texts[steps] = exact.text(steps * self._size, self._places)
        return known


@dataclass(frozen=True, slots=True)
class Listing:
    """One linear perpetual and the figures its model market aims at."""

    inst_id: str
    price: str  # the first price
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
        """Return the first price, in ticks."""
        return exact.units(self.price, 20) // exact.units(self.tick, 20)

    @property
    def usd_per_lot_tick(self) -> float:
        """Return the USD value of one lot per tick of its price."""
        return float(self.ct_val) * float(self.lot) * float(self.tick)

    def lots(self, usd: float, tick: int) -> int:
        """Return the whole lots of a notional (USD) at a price (ticks), at least 1."""
        return max(1, int(usd / (self.usd_per_lot_tick * tick)))

    def row(self) -> dict[str, Any]:
        """Return the row of the exchange's REST."""
        return swap_row(self.inst_id, Contract(self.ct_val, "1", "linear"), self.tick, self.lot)


_MODELS: Final = (
    Listing("BTC-USDT-SWAP", "97250", "0.1", "0.01", "0.01", 2_832_749_635,
            0.42, 10.5e6, 0.30e6, 2.4e6, 4.0, 1.0),
    Listing("ETH-USDT-SWAP", "3420", "0.01", "0.01", "0.1", 1_947_300_112,
            0.60, 3.75e6, 0.10e6, 1.2e6, 5.0, 0.6),
    Listing("SOL-USDT-SWAP", "182", "0.01", "0.01", "1", 912_004_551,
            0.90, 1.6e6, 0.06e6, 0.5e6, 6.0, 0.4),
    Listing("", "100", "0.001", "0.1", "1", 400_000_000,  # any other name
            0.70, 0.9e6, 0.03e6, 0.3e6, 7.0, 0.3),
)  # fmt: skip
_OTHER: Final = _MODELS[-1]
_LINEAR: Final = ("USDT", "USDC", "USD_UM")


def listing(inst_id: str) -> Listing:
    """Return the listing of an instrument; an unknown legal name gets plausible figures.

    Raises UsageError for an illegal name and for one that is not a linear perpetual.
    """
    check_inst_id(inst_id)
    for known in _MODELS:
        if known.inst_id == inst_id:
            return known
    parts = inst_id.split("-")
    if len(parts) != 3 or parts[1] not in _LINEAR or parts[2] != "SWAP":
        raise UsageError(
            f"instrument {inst_id!r} is not one the model market can make: expected a linear "
            "perpetual like SOL-USDT-SWAP; replay a recording for any other"
        )
    number = int.from_bytes(parts[0].encode("ascii"), "big")
    return replace(_OTHER, inst_id=inst_id, first_trade_id=_OTHER.first_trade_id + number % 99_991)
