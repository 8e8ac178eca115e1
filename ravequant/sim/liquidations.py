"""Liquidations of the model market, each with the time at which it is published; pure and seeded.

As on the exchange they come out of order, most within three seconds and some up to eight minutes
late; now and then a row is published again, or twice in one frame.
"""

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, Final

from ravequant import exact
from ravequant.times import MINUTE_MS, SECOND_MS

LATEST_MS: Final = 8 * MINUTE_MS
FOREIGN: Final = {  # other swaps of the type-wide stream, and their price
    "DOGE-USDT-SWAP": "0.38215",
    "1INCH-USDT-SWAP": "0.2934",
    "BTC-USD_UM-SWAP": "97250.5",
}
_USUAL_CHANCE: Final = 0.03  # of an instrument in a second without a move
_CHANCE_A_BP: Final = 0.01  # of the move of the last minute
_MOVE_S: Final = 60
_BURST: Final = 3
_REPEATED: Final = 0.04
_TWINS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Liquidation:
    """One liquidation; ``px`` is the bankruptcy price, ``sz`` in contracts."""

    inst_id: str
    ts: int  # Unix ms
    side: str  # of the liquidating order: sell closes a long
    pos_side: str
    px: str
    sz: str

    def detail(self) -> dict[str, str]:
        """Return its row in ``details`` of a frame."""
        return {
            "bkLoss": "0",
            "bkPx": self.px,
            "ccy": "",
            "posSide": self.pos_side,
            "side": self.side,
            "sz": self.sz,
            "ts": str(self.ts),
        }

    def facts(self) -> list[Any]:
        """Return the row for the frame log."""
        return [self.inst_id, self.ts, self.side, self.px, self.sz]


class Liquidations:
    """The liquidations of each second, and those that are due for publication."""

    def __init__(self, instruments: Mapping[str, Mapping[str, Any]], seed: int) -> None:
        self._seed = seed
        self._steps = {name: (row["tickSz"], row["lotSz"]) for name, row in instruments.items()}
        self._prices: dict[str, deque[int]] = {}
        self._waiting: list[tuple[int, int, Liquidation]] = []
        self._number = 0

    def second(self, start: int, prices: Mapping[str, str]) -> list[Liquidation]:
        """Go through the second from ``start`` (Unix ms) on; return the rows to publish at its end.

        ``prices``: the newest price of each instrument that has one.
        """
        for inst_id, price in prices.items():
            self._happen(inst_id, start, exact.units(price, exact.PRICE_PLACES))
        for inst_id, price in FOREIGN.items():
            if inst_id not in self._steps:
                self._happen(inst_id, start, exact.units(price, exact.PRICE_PLACES))
        found = []
        while self._waiting and self._waiting[0][0] <= start + SECOND_MS:
            found.append(heappop(self._waiting)[2])
        return found

    def _happen(self, inst_id: str, start: int, price: int) -> None:
        past = self._prices.setdefault(inst_id, deque(maxlen=_MOVE_S))
        past.append(price)
        move_bps = (price - past[0]) * 10_000 / past[0]
        dice = random.Random(f"{self._seed}|{inst_id}|{start}")
        if dice.random() >= _USUAL_CHANCE + _CHANCE_A_BP * abs(move_bps):
            return
        for _ in range(dice.randint(1, _BURST)):
            self._add(dice, self._made(dice, inst_id, start, price, move_bps))

    def _made(
        self, dice: random.Random, inst_id: str, start: int, price: int, move_bps: float
    ) -> Liquidation:
        tick, lot = self._steps.get(inst_id, ("0.00001", "1"))
        falls = dice.random() < (0.5 if not move_bps else 0.85 if move_bps < 0 else 0.15)
        side, pos_side = ("sell", "long") if falls else ("buy", "short")
        step = exact.units(tick, exact.PRICE_PLACES)
        away = price * dice.randint(10_000 - 20, 10_000 + 20) // 10_000
        lots = dice.randint(1, 40) ** 2
        return Liquidation(
            inst_id,
            start + dice.randrange(SECOND_MS),
            side,
            "net" if dice.random() < 0.1 else pos_side,
            exact.text(away // step * step, exact.PRICE_PLACES),
            exact.text(lots * exact.units(lot, exact.SIZE_PLACES), exact.SIZE_PLACES),
        )

    def _add(self, dice: random.Random, made: Liquidation) -> None:
        late = dice.random()
        most = 3 * SECOND_MS if late < 0.85 else MINUTE_MS if late < 0.97 else LATEST_MS
        due = made.ts + dice.randrange(most)
        self._wait(due, made)
        if dice.random() < _TWINS:
            self._wait(due, made)
        if dice.random() < _REPEATED:
            self._wait(due + 2 * SECOND_MS + dice.randrange(2 * MINUTE_MS), made)

    def _wait(self, due: int, made: Liquidation) -> None:
        self._number += 1
        heappush(self._waiting, (due, self._number, made))
