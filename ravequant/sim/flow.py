"""The order flow of one model instrument: side, size and rate of trades, in slots of 100 ms.

A slot begins with the book as it was last shown. Takers hit its best prices, level after level;
then the fair price moves and the quotes follow.
"""

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ravequant.sim.barriers import ASK, BID, Barrier, WallAct
from ravequant.sim.depth import Depth
from ravequant.sim.instruments import Listing
from ravequant.sim.plant import Cue, Script
from ravequant.sim.quotes import STEP, Quotes
from ravequant.sim.regime import NORMAL, SLOT_MS, SLOTS_PER_MINUTE, SLOTS_PER_SECOND, Regime
from ravequant.sim.tape import Tape

_SAME_SIDE: Final = 0.68  # chance that an order takes the side of the order before it
_RETAIL: Final = 0.03  # share of orders filled by retail price improvement, source 1
_MOST_LEVELS: Final = 10  # an order gives up after so many levels
_MOST_PRESSED: Final = 40  # rows of a slot in which a defended price is pressed
_WHALES_A_SECOND: Final = 0.015
_WHALE_USD: Final = 110_000.0
_LEAST_WHALE_USD: Final = 100_000.0
_PUSH: Final = 0.4  # median moves that a minute's whole volume on one side would push
_ACTS: Final = 10_000  # of walls that are kept until somebody asks for them
_ROOT_OF_MOVES: Final = 5.77e-6  # 1e-4 / sqrt(300): half of a minute's slots move the fair price

# sizes relative to their mean; whole thousandths, so that every platform has the same
_TAIL: Final = 1.3
_RAW: Final = [round(1000 * ((i + 0.5) / 4096) ** (-1 / _TAIL)) for i in range(4096)]
_ORDER_SIZE: Final = tuple(raw * 4096 / sum(_RAW) for raw in _RAW)


@dataclass(frozen=True, slots=True)
class SlotBook:
    """The state from which the book of a slot is made."""

    slot: int
    touch: tuple[tuple[int, int], tuple[int, int]]  # best bid, best ask: (tick, lots)
    walls: tuple[Mapping[int, int], Mapping[int, int]]
    last_id: int  # of the trades behind it


class Flow:
    """One instrument, slot by slot, from its own seed."""

    def __init__(
        self, seed: str, listing: Listing, start_ms: int, rows: float, script: Script | None
    ) -> None:
        self.rows_per_second = rows
        self._rng = rng = random.Random(seed)
        self._listing = listing
        self._start_ms = start_ms
        self._offset = start_ms % 60_000 // 1000 * SLOTS_PER_SECOND  # so that minutes are UTC's
        self._script = script
        self._cue: Cue | None = None  # the wishes of the script for this second
        self._regime = Regime(rng)
        self._quotes = Quotes(rng, listing)
        self.tape = Tape(rng, listing)
        # of the newest walls: the first slot whose book shows it, and the act
        self.wall_acts: deque[tuple[int, WallAct]] = deque(maxlen=_ACTS)
        self._minute_fair: deque[float] = deque([self._quotes.fair], maxlen=240)
        self._side, self._buy_share, self._mood = ASK, 0.5, 0.0
        self._rate = self._sigma = self._push = self._mean_lots = 0.0
        self._whale = 0  # lots waiting for a best price that can fill them
        for _ in range(6):
            self._quotes.barriers.minute(0, *self._quotes.tick)

    @property
    def slot(self) -> int:
        """Return the present slot, which has not begun."""
        return self._quotes.slot

    @property
    def depth(self) -> tuple[Depth, Depth]:
        """Return the resting sizes of bids and asks."""
        return self._quotes.depth

    def frame(self) -> SlotBook:
        """Return the book at the start of the present slot."""
        quotes = self._quotes
        (bid, ask), (bid_lots, ask_lots) = quotes.tick, quotes.lots
        touch = (bid, bid_lots), (ask, ask_lots)
        return SlotBook(quotes.slot, touch, quotes.barriers.walls, self.tape.last_id)

    def step(self) -> None:
        """Advance the market by a slot."""
        quotes, rng = self._quotes, self._rng
        if quotes.slot % SLOTS_PER_SECOND == 0:
            self._second()
        wanted = int(self._rate + rng.random())
        if self._whale or wanted:
            self._trade(wanted)
        if self._cue is None:
            quotes.move(self._sigma, self._regime.direction)
        else:
            self._play(self._cue)
        quotes.quote()
        if quotes.barriers.acts:
            self.wall_acts.extend((quotes.slot, act) for act in quotes.barriers.acts)
            quotes.barriers.acts.clear()
        if quotes.slot & 63 == 0:
            self._lean_depth()

    # -- the second

    def _second(self) -> None:
        regime, listing, quotes = self._regime, self._listing, self._quotes
        if (quotes.slot + self._offset) % SLOTS_PER_MINUTE == 0 and quotes.slot:
            self._minute()
        quotes.barriers.prune(quotes.slot, *quotes.tick)
        quotes.look_ahead()
        self._rate = regime.second(self.rows_per_second) / SLOTS_PER_SECOND
        price = quotes.fair
        lot_usd = listing.usd_per_lot_tick * price
        self._sigma = price * listing.minute_bps * regime.volatility * _ROOT_OF_MOVES
        self._push = _PUSH * listing.minute_bps * 1e-4 * price * lot_usd / listing.minute_usd
        self._mean_lots = 0.8 * listing.minute_usd / 60 / self.rows_per_second / lot_usd
        self._buy_share = min(0.9, max(0.1, 0.5 + self._mood + 0.25 * regime.direction))
        if self._rng.random() < _WHALES_A_SECOND * regime.volatility:
            part = self._rng.random()
            self._whale = int(_WHALE_USD * (1 + 6 * part * part * part) / lot_usd)
        if self._script is not None:
            self._follow(self._script)

    def _minute(self) -> None:
        quotes, tape = self._quotes, self.tape
        self._regime.minute()
        tips = quotes.tick if self._cue else (tape.low, tape.high)
        quotes.barriers.minute(quotes.slot, *quotes.tick, *tips)
        tape.high, tape.low = quotes.tick
        self._mood = 0.8 * self._mood + 0.05 * NORMAL[self._rng.getrandbits(12)]
        self._minute_fair.append(quotes.fair)

    def _lean_depth(self) -> None:
        lean = max(-150, min(150, int(500 * self._mood)))
        shares = (1000 + lean, 1000 - lean) if self._cue is None else self._cue.lean
        for side in (BID, ASK):
            self._quotes.depth[side].lean(shares[side])

    # -- orders

    def _trade(self, wanted: int) -> None:
        rng, tape = self._rng, self.tape
        if self._quotes.press:
            wanted = min(3 * wanted, max(wanted, _MOST_PRESSED))
        if self._whale:
            self._trade_whale()
        moment = 0.0
        pause = 2.0 * SLOT_MS / (wanted + 1)
        orders = 8 * wanted  # neighbours of one moment, side and price become one record
        while len(tape) < wanted and orders:
            orders -= 1
            moment += pause * rng.random()
            lots = int(self._mean_lots * _ORDER_SIZE[rng.getrandbits(12)])
            self._order(min(SLOT_MS - 1, int(moment)), self._choose(), lots or 1)
        tape.publish()

    def _trade_whale(self) -> None:
        quotes, side = self._quotes, self._choose()
        least = self._listing.lots(_LEAST_WHALE_USD, quotes.tick[BID]) + 1
        if quotes.lots[side] >= least:
            self._order(0, side, max(least, self._whale))
            self._whale = 0

    def _choose(self) -> int:
        """Return the side of the book that the next taker hits."""
        rng = self._rng
        if rng.random() >= _SAME_SIDE:
            share = self._buy_share + 0.3 * self._quotes.press
            self._side = ASK if rng.random() < share else BID
        return self._side

    def _order(self, moment: int, side: int, lots: int) -> None:
        quotes, tape = self._quotes, self.tape
        ts = self._start_ms + quotes.slot * SLOT_MS + moment
        if self._rng.random() < _RETAIL:
            inside = quotes.tick[ASK] - quotes.tick[BID] > 1
            tape.fill(ts, side, quotes.tick[side] - STEP[side] * inside, lots, "1")
            return
        for _ in range(_MOST_LEVELS):
            taken = min(lots, quotes.lots[side])
            tape.fill(ts, side, quotes.tick[side], taken, "0")
            quotes.take(side, taken)
            quotes.fair += STEP[side] * taken * self._push
            lots -= taken
            if not lots:
                return

    # -- a planted set-up

    def _follow(self, script: Script) -> None:
        """Apply the script's cue for this second, if there is one."""
        quotes, before = self._quotes, self._cue
        average = sum(self._minute_fair) / len(self._minute_fair)
        self._cue = cue = script.cue(self._start_ms + quotes.slot * SLOT_MS, quotes.fair, average)
        if cue is None:
            return
        if before is None:
            quotes.barriers.clear(cue.tip)
        if cue.wall_usd and cue.tip not in quotes.barriers.walls[ASK]:
            until = quotes.slot + 10 * SLOTS_PER_MINUTE
            wall = Barrier(ASK, cue.tip, 3, until, visible=True)
            quotes.barriers.add(wall, self._listing.lots(cue.wall_usd, cue.tip))
        quotes.play(cue.lid)
        pace = cue.pace * self.rows_per_second * (0.5 + self._rng.random())
        self._rate = max(pace, cue.least_rows) / SLOTS_PER_SECOND
        self._buy_share, self._push, self._whale = cue.buy_share, 0.0, 0

    def _play(self, cue: Cue) -> None:
        """Go where the script wants to be at the end of this second."""
        quotes = self._quotes
        noise = NORMAL[self._rng.getrandbits(12)]
        quotes.fair += (cue.target - quotes.fair) / (SLOTS_PER_SECOND - quotes.slot % 10)
        if not cue.exact:
            quotes.fair = min(cue.lid - 0.5, quotes.fair + 0.2 * self._sigma * noise)
