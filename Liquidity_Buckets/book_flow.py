"""Book flow of each minute: order-flow imbalance, and walls filled, pulled and refilled (SPEC 16).

    ofi_1m     coins that came to the bids and left the asks, less the other way, at the best prices
    wall       how much of it takers ate, how much its owner took away, how much came again

One reading of the books serves this and the liquidity buckets: both are brought up to date. The
formulas are in ``flow_levels.py`` and ``wall_accounts.py``; here they become records.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from Liquidity_Buckets.flow_levels import FlowMeasure, Imbalance, Ranked, Sighting, WallSightings
from Liquidity_Buckets.l2_bucketizer import CALCULATOR as BUCKETS
from Liquidity_Buckets.wall_accounts import UNKNOWN, UNSEEN, WallAccount
from Liquidity_Buckets.walls import SECOND_MS
from ravequant import catalog, cli, exact, times
from ravequant.contract import amounts, worth_of
from ravequant.pipeline import side_by_side
from ravequant.pipeline.calculator import Calculator
from ravequant.pipeline.flow_source import BOOKS_AND_TRADES, FlowBatch
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.settings import Settings
from ravequant.trades.taker_tape import TakerTape
from ravequant.vault.instruments import InForce, InstrumentHistory

if TYPE_CHECKING:
    from ravequant.books.snapshot_reader import Books, Deep, Head

SIDES: Final = "bid", "ask"
NOWHERE: Final = -1  # the minute before the first


class WaitingBook(NamedTuple):
    """A snapshot as far as later records need it; it waits for the trades around it."""

    ts: int
    gap: bool  # books are missing before it
    flow: Imbalance | None  # from the snapshot before
    sightings: list[Sighting]

    @property
    def settled(self) -> int:
        """The time up to which all trades must be read: the end of its latest interval."""
        if not self.sightings:
            return self.ts
        return max(self.ts, *(sighting.at for sighting in self.sightings))

    def state(self) -> list[Any]:
        """Return it, JSON-able: the numbers are wider than 64 bits."""
        flow = None
        if self.flow is not None:
            best, ranks = exact.packed(self.flow.best), exact.packed(self.flow.ranks)
            flow = [best, ranks, self.flow.complete]
        seen = [
            [side, exact.packed(price), None if qty is None else exact.packed(qty), *rest]
            for side, price, qty, *rest in self.sightings
        ]
        return [self.ts, self.gap, flow, seen]

    @classmethod
    def restore(cls, state: list[Any]) -> "WaitingBook":
        """Return the look of a state that ``state()`` returned."""
        ts, gap, flow, seen = state
        sightings = [
            Sighting(
                side, exact.unpacked(price), None if qty is None else exact.unpacked(qty), *rest
            )
            for side, price, qty, *rest in seen
        ]
        if flow is None:
            return cls(ts, gap, None, sightings)
        best, ranks = map(exact.unpacked, flow[:2])
        return cls(ts, gap, Imbalance(best, ranks, flow[2]), sightings)


class FlowFold:
    """Books and the trades around them in; records of whole minutes out."""

    def __init__(
        self,
        inst_id: str,
        settings: Settings,
        instrument: InForce,
        exchange: str = DEFAULT_EXCHANGE,
    ) -> None:
        chosen = settings.buckets
        self._inst_id, self._exchange = inst_id, exchange
        self._instrument = instrument
        self._gap_ms = chosen.gap_s * SECOND_MS
        self._deep_age_ms = chosen.deep_age_s * SECOND_MS
        self._hold_ms = chosen.hold_s * SECOND_MS
        self._measure = FlowMeasure()
        self._finder = WallSightings(
            chosen.wall_notional.of(inst_id), settings.l2.depth_levels, self._hold_ms
        )
        self._ts: int | None = None  # of the newest snapshot
        self._broken = True  # nothing follows it: it showed a break, or there is none
        self._looks: deque[WaitingBook] = deque()
        self._settled_ts = 0  # of the newest snapshot that waits no more
        self._walls: dict[tuple[int, int], WallAccount] = {}  # by side and price
        self._minute = NOWHERE
        self._reset_minute()

    def _reset_minute(self) -> None:
        self._best = self._ranks = self._intervals = 0
        self._gap = False
        self._ended: list[dict[str, Any]] = []

    # -- books

    def update(self, batch: FlowBatch) -> Iterator[dict[str, Any]]:
        """Yield the records of the minutes that the books and trades complete."""
        self._instrument.refresh()
        for books in batch.books:
            self._look(books)
        yield from self._settle(batch.tape)

    def _look(self, books: "Books") -> None:
        worths = [worth_of(self._instrument.at(head.ts).contract) for head in books.heads]
        first = 0
        for worth, group in groupby(worths):
            numbers = range(first, first + len(list(group)))
            flows = self._measure.flows(books, numbers, worth)
            own = self._finder.large(books, worth)
            for number, flow in zip(numbers, flows, strict=True):
                head = books.heads[number]
                gap = head.gap_detected or (
                    self._ts is not None and head.ts - self._ts > self._gap_ms
                )
                if gap:
                    self._finder.reset()
                sightings = list[Sighting]()
                if not head.gap_detected:
                    deep = self._in_use(books.deeps[number], head)
                    sightings = self._finder.look(head, number, own, worth, deep)
                known = None if gap or self._broken else flow
                self._looks.append(WaitingBook(head.ts, gap, known, sightings))
                self._ts, self._broken = head.ts, head.gap_detected
            first = numbers.stop

    def _in_use(self, deep: "Deep | None", head: "Head") -> "Deep | None":
        return None if deep is None or head.ts - deep.ts > self._deep_age_ms else deep

    # -- trades

    def _settle(self, tape: TakerTape) -> Iterator[dict[str, Any]]:
        """Take in the books around which all trades are read, minute by minute."""
        while self._looks:
            look = self._looks[0]
            minute = look.ts // times.MINUTE_MS
            if minute != self._minute:
                yield from self._records(cut=look.gap)
                self._minute = minute
            if not tape.is_settled(look.settled):
                break
            self._looks.popleft()
            self._take(look, tape)
            self._settled_ts = look.ts
        # a later book may show a wall by a deep snapshot that is so much older
        earliest = self._settled_ts - self._deep_age_ms
        tape.forget(min([earliest, *(wall.seen for wall in self._walls.values())]))

    def _take(self, look: WaitingBook, tape: TakerTape) -> None:
        if look.flow is None:
            self._gap = True
        else:
            self._best += look.flow.best
            self._ranks += look.flow.ranks
            self._intervals += 1
            self._gap |= not look.flow.complete
        if look.gap:
            for place in list(self._walls):
                self._end(place, UNKNOWN, look.ts)
        for sighting in look.sightings:
            self._see(sighting, look, tape)

    def _see(self, seen: Sighting, look: WaitingBook, tape: TakerTape) -> None:
        place = seen.side, seen.price
        wall = self._walls.get(place)
        if seen.qty is None:
            if wall is not None and not seen.stands:
                self._end(place, UNSEEN, wall.seen)
            return
        swept = False
        if wall is not None:
            span, taken = (wall.seen, seen.at), None
            if tape.is_known(*span):
                taken = tape.taken(
                    seen.price, *span, look.settled, bought=SIDES[seen.side] == "ask"
                )
            if wall.change(seen.qty, seen.at, taken, stands=seen.stands):
                return
            swept = taken is not None and taken.beyond_recent
            self._end(place, wall.verdict(), seen.at)
        if seen.stands and not swept:  # a book just behind the takers may still show the old wall
            known = seen.fresh or wall is not None
            self._walls[place] = WallAccount.new(seen.qty, seen.at, known=known)

    def _end(self, place: tuple[int, int], verdict: str, ts: int) -> None:
        self._ended.append(self._wall(place, self._walls.pop(place), verdict, ts))

    # -- records

    def _records(self, *, cut: bool) -> Iterator[dict[str, Any]]:
        """Yield the records of the minute that is over: flow, walls that ended, those that stand.

        ``cut``: books are missing at its end.
        """
        if self._minute == NOWHERE:
            return
        yield {
            **self._head("flow"),
            "ofi_1m": exact.signed(exact.text(self._best, exact.BASE_PLACES)),
            "ofi10_1m": exact.signed(exact.text(self._ranks, exact.BASE_PLACES)),
            "intervals": self._intervals,
            "gap": self._gap or cut,
        }
        yield from self._ended
        for place, wall in sorted(self._walls.items()):
            yield self._wall(place, wall, None, wall.seen)
        self._reset_minute()

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "timestamp_utc": times.iso_minute(self._minute),
            "exchange": self._exchange,
            "market": "perp",
            "instId": self._inst_id,
            "kind": kind,
        }

    def _wall(
        self, place: tuple[int, int], wall: WallAccount, verdict: str | None, ts: int
    ) -> dict[str, Any]:
        side, price = place
        contract = self._instrument.at(wall.seen).contract
        notional = amounts(contract, price, wall.largest)[1]
        return {
            **self._head("wall"),
            "side": SIDES[side],
            "price": exact.text(price, exact.PRICE_PLACES),
            "notional": exact.text(notional, exact.NOTIONAL_PLACES),
            **wall.amounts(),
            "since_utc": times.iso(wall.since),
            "placed_known": wall.known,
            "held_s": (ts - wall.since) // SECOND_MS,
            "end": verdict,
            "end_utc": None if verdict is None else times.iso(ts),
        }

    # -- state

    def state(self) -> dict[str, Any]:
        """Return everything that later records depend on."""
        before = self._measure.before
        return {
            "ts": self._ts,
            "broken": self._broken,
            "ranked": None
            if before is None
            else [list(map(exact.packed, part)) for part in before],
            "finder": self._finder.state(),
            "settled_ts": self._settled_ts,
            "looks": [look.state() for look in self._looks],
            "walls": [
                [side, exact.text(price, exact.PRICE_PLACES), wall.state()]
                for (side, price), wall in self._walls.items()
            ],
            "minute": self._minute,
            "sums": [str(self._best), str(self._ranks), self._intervals, self._gap],
            "ended": self._ended,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned."""
        self._ts, self._broken, self._minute = state["ts"], state["broken"], state["minute"]
        if state["ranked"] is not None:
            prices, base = (list(map(exact.unpacked, part)) for part in state["ranked"])
            self._measure.before = Ranked(prices, base)
        self._settled_ts = state["settled_ts"]
        self._finder.restore(state["finder"])
        self._looks = deque(map(WaitingBook.restore, state["looks"]))
        self._walls = {
            (side, exact.units(price, exact.PRICE_PLACES)): WallAccount.restore(wall)
            for side, price, wall in state["walls"]
        }
        best, ranks, self._intervals, self._gap = state["sums"]
        self._best, self._ranks = int(best), int(ranks)
        self._ended = list(state["ended"])


def _parameters(inst_id: str, settings: Settings) -> dict[str, Any]:
    chosen = settings.buckets
    return {
        "wall_notional": exact.text(chosen.wall_notional.of(inst_id), exact.NOTIONAL_PLACES),
        "gap_s": chosen.gap_s,
        "hold_s": chosen.hold_s,
        "deep_age_s": chosen.deep_age_s,
        "depth_levels": settings.l2.depth_levels,
    }


CALCULATOR: Final = Calculator(
    description="Order-flow imbalance and the honesty of walls, from books and raw trades.",
    input=BOOKS_AND_TRADES,
    fold=lambda vault, inst_id, settings: FlowFold(
        inst_id, settings, InstrumentHistory(vault, inst_id), vault.exchange
    ),
    output=catalog.BOOK_FLOW,
    parameters=_parameters,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Bring buckets and book flow of the given instruments up to date."""
    return side_by_side.main((BUCKETS, CALCULATOR), argv)


if __name__ == "__main__":
    cli.leave(main())
