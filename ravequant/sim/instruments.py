"""What the exchange says of a perpetual: the REST row of okx-v5 section 7, filled in."""

from dataclasses import dataclass
from typing import Any, Final

from ravequant.contract import Contract

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
    """Return (tickSz, lotSz): the known ones unless finer values were met, else what was met."""
    tick, lot = KNOWN_SIZES.get(inst_id, ("1", "1"))
    if inst_id not in KNOWN_SIZES or met.price > _places(tick):
        tick = step(met.price)
    if inst_id not in KNOWN_SIZES or met.size > _places(lot):
        lot = step(met.size)
    return tick, lot


def contract(inst_id: str) -> Contract:
    """Return the contract that stands in where a recording, of books alone, says none."""
    return _CONTRACTS.get(inst_id, Contract("0.01", "1", "linear"))


def swap_row(inst_id: str, contract: Contract, tick: str, lot: str) -> dict[str, Any]:
    """Return the row of ``/api/v5/public/instruments`` of one perpetual swap."""
    base, quote = inst_id.split("-")[:2]
    linear = contract.ct_type == "linear"
    row: dict[str, Any] = dict.fromkeys(_EMPTY, "")
    row.update(
        category="1",
        ctMult=contract.ct_mult,
        ctType=contract.ct_type,
        ctVal=contract.ct_val,
        ctValCcy=base if linear else quote,
        futureSettlement=False,
        instFamily=f"{base}-{quote}",
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
    "alias", "auctionEndTime", "baseCcy", "contTdSwTime", "expTime", "maxIcebergSz",
    "maxLmtAmt", "maxMktAmt", "maxPlatOILmt", "maxStopSz", "maxTriggerSz", "maxTwapSz", "openType",
    "optType", "posLmtAmt", "posLmtPct", "preMktSwTime", "quoteCcy", "stk",
)  # fmt: skip
