"""The seeded model market: a Feed whose every trade and book follows from one number."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ravequant.records import Trade
from ravequant.sim.barriers import ASK, BID
from ravequant.sim.depth import Levels
from ravequant.sim.feed import BookChange, Level, WallChange
from ravequant.sim.flow import Flow, SlotBook
from ravequant.sim.instruments import Steps, listing
from ravequant.sim.plant import Script
from ravequant.sim.regime import SLOT_MS

WINDOW: Final = 400  # levels a side of the ``books`` channel
START_MS: Final = 1_765_670_400_000  # 2025-12-14T00:00:00Z
DEFAULT_ROWS: Final = 15.0

_BEHIND_SLOTS: Final = 10  # trades so far ahead of the book: it has no readers, so it may jump
_STEP: Final = (-1, 1)
_SIDES: Final = ("bid", "ask")


class ModelMarket:
    """Instruments that trade like the market does; endless; a Feed.

    The same seed, instruments, start and rate give the same records and books on any platform,
    no matter how often and when a caller asks. Times move on in slots of 100 ms from ``start_ms``:
    a book has the time of the last whole slot before the moment asked for.
    ``rows_per_second`` is the mean of BTC-USDT-SWAP, and of trades only: the traded notional of a
    minute does not depend on it. It may be set anew at any time (a thin history, then a thick
    present). ``plant`` makes the first instrument show a complete set-up (sim/plant.py): the
    moment in Unix ms at which it is complete, or True for five hours after the start.
    """

    def __init__(
        self,
        seed: int,
        instruments: Sequence[str] = ("BTC-USDT-SWAP", "ETH-USDT-SWAP"),
        *,
        start_ms: int = START_MS,
        rows_per_second: float = DEFAULT_ROWS,
        plant: bool | int = False,
    ) -> None:
        self.start_ms = start_ms
        self.end_ms: int | None = None
        self._rate = rows_per_second
        self._lines: dict[str, _Instrument] = {}
        for inst_id in instruments:
            script = Script.complete_at(plant, start_ms) if plant and not self._lines else None
            self._lines[inst_id] = _Instrument(seed, inst_id, start_ms, rows_per_second, script)
        self.instruments: Mapping[str, Mapping[str, Any]] = {
            inst_id: line.row for inst_id, line in self._lines.items()
        }

    @property
    def rows_per_second(self) -> float:
        """Mean records a second of BTC-USDT-SWAP; the others have their share of it."""
        return self._rate

    @rows_per_second.setter
    def rows_per_second(self, rate: float) -> None:
        self._rate = rate
        for line in self._lines.values():
            line.set_rate(rate)

    def trades(self, until_ms: int) -> list[tuple[str, Trade]]:
        """Return records with ts < ``until_ms`` not handed out before (see Feed)."""
        keyed = [
            (latest, number, place, inst_id, trade)
            for number, (inst_id, line) in enumerate(self._lines.items())
            for place, (latest, trade) in enumerate(_in_time(line.trades(until_ms)))
        ]
        if len(self._lines) > 1:
            keyed.sort()  # never reaches the instrument's name: number and place are unique
        return [(inst_id, trade) for _, _, _, inst_id, trade in keyed]

    def books(self, until_ms: int) -> list[BookChange]:
        """Return one change for each window that has changed since the last call.

        The first change of an instrument is a snapshot.
        """
        changes = (line.change(until_ms) for line in self._lines.values())
        return [change for change in changes if change is not None]

    def wall_changes(self) -> list[tuple[str, WallChange]]:
        """Return the changes of walls not handed out before, up to the last trades handed out."""
        lines = self._lines.items()
        return [(inst_id, change) for inst_id, line in lines for change in line.wall_changes()]

    def snapshot(self, inst_id: str, depth: int) -> BookChange | None:
        """Return the book as of the last call of ``books``.

        The next change follows its ``seq_id``. If trades were asked for and no book
        for a second or more, it is the book of the last trades, since the old book has no readers.
        """
        line = self._lines.get(inst_id)
        return None if line is None else line.snapshot(depth)


def _in_time(trades: list[Trade]) -> Iterator[tuple[int, Trade]]:
    """Yield each trade with the largest ts so far: it orders instruments, and never ids."""
    latest = 0
    for trade in trades:
        latest = max(latest, trade.ts)
        yield latest, trade


class _Instrument:
    """One instrument: its flow, and the window of its book as last handed out."""

    def __init__(
        self, seed: int, inst_id: str, start_ms: int, rate: float, script: Script | None
    ) -> None:
        self._listing = listing(inst_id)
        self.row = self._listing.row()
        self._start_ms = start_ms
        self._flow = Flow(
            f"{seed}|{inst_id}", self._listing, start_ms, rate * self._listing.pace, script
        )
        self._price_text, self._size_text = Steps(self._listing.tick), Steps(self._listing.lot)
        self._frame = self._flow.frame()
        self._shown: SlotBook | None = None
        self._window: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._seq = -1

    def set_rate(self, rate: float) -> None:
        self._flow.rows_per_second = rate * self._listing.pace

    def trades(self, until_ms: int) -> list[Trade]:
        self._advance(until_ms)
        made = self._flow.tape.trades
        ready = len(made)
        if self._start_ms + self._flow.slot * SLOT_MS > until_ms:  # the last slot is not over
            ready = next((i for i, trade in enumerate(made) if trade.ts >= until_ms), ready)
        handed = made[:ready]
        del made[:ready]
        return handed

    def wall_changes(self) -> list[WallChange]:
        price, size, acts = self._price_text, self._size_text, self._flow.wall_acts
        made = [
            WallChange(
                self._start_ms + slot * SLOT_MS,
                _SIDES[act.side],
                price(act.tick),
                act.how,
                size(act.lots),
                size(act.left),
            )
            for slot, act in acts
        ]
        acts.clear()
        return made

    def change(self, until_ms: int) -> BookChange | None:
        self._advance(until_ms)
        if self._shown is None:
            return self.snapshot(WINDOW)
        if self._frame.slot == self._shown.slot:
            return None
        before, seq = self._window, self._seq
        self._show()
        bids, asks = (
            self._texts(_difference(before[side], self._window[side])) for side in (BID, ASK)
        )
        if not bids and not asks:
            self._seq = seq
            return None
        return BookChange(
            self.row["instId"],
            self._ts,
            snapshot=False,
            bids=bids,
            asks=asks,
            seq_id=self._seq,
            prev_seq_id=seq,
        )

    def snapshot(self, depth: int) -> BookChange:
        if self._shown is None or self._frame.slot - self._shown.slot >= _BEHIND_SLOTS:
            self._show()
        bids, asks = (self._texts(self._levels(side, depth)) for side in (BID, ASK))
        return BookChange(
            self.row["instId"],
            self._ts,
            snapshot=True,
            bids=bids,
            asks=asks,
            seq_id=self._seq,
            prev_seq_id=-1,
        )

    @property
    def _ts(self) -> int:
        shown = self._shown or self._frame
        return self._start_ms + shown.slot * SLOT_MS

    def _advance(self, until_ms: int) -> None:
        """Go through all slots that begin before a time; keep the book of the last whole slot."""
        flow = self._flow
        last = (until_ms - self._start_ms) // SLOT_MS
        if flow.slot > last:
            return
        while flow.slot < last:
            flow.step()
        if self._frame.slot != last:
            self._frame = flow.frame()
        if self._start_ms + last * SLOT_MS < until_ms:
            flow.step()

    def _show(self) -> None:
        self._shown = self._frame
        self._window = dict(self._levels(BID, WINDOW)), dict(self._levels(ASK, WINDOW))
        # grows with every slot and trade, jumps as the exchange's does
        self._seq = 100_000_000_000 + self._frame.slot * 7 + 3 * self._frame.last_id

    def _levels(self, side: int, depth: int) -> Levels:
        frame = self._shown or self._frame
        return self._flow.depth[side].levels(
            frame.touch[side], _STEP[side], frame.slot, frame.walls[side], depth
        )

    def _texts(self, levels: Levels) -> tuple[Level, ...]:
        price, size = self._price_text, self._size_text
        return tuple((price(tick), size(lots), _orders(tick, lots)) for tick, lots in levels)


def _difference(before: dict[int, int], after: dict[int, int]) -> Levels:
    changed = [(tick, lots) for tick, lots in after.items() if before.get(tick) != lots]
    return [(tick, 0) for tick in before if tick not in after] + changed


def _orders(tick: int, lots: int) -> str:
    """Return the number of orders of a level; a large level seldom has a single order."""
    return str(1 + (tick * 31 + lots) % (2 + lots.bit_length())) if lots else "0"
