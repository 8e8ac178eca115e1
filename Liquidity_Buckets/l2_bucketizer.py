"""Liquidity buckets of each book snapshot: six distance bands and the walls in them (SPEC 10).

    band i     levels with previous edge < |price - mid| / mid x 10,000 <= edge, bids and asks apart
    imbalance  (bid - ask) / (bid + ask) of a band's notional
    delta      the change of a band's notional since the previous snapshot
    walls      since when a band, or a single price, has held more than its threshold

The sums are in ``bands.py``, the memory of walls in ``walls.py``; here they become records.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from Liquidity_Buckets.band_view import DEEP, PARTIAL, BookView, Reach, SideView, Wall, views
from Liquidity_Buckets.bands import BANDS_BPS, BandMeasure, SnapshotRun
from Liquidity_Buckets.walls import SECOND_MS, BandWall, Patience, PriceWalls
from ravequant import catalog, cli, exact, times
from ravequant.contract import Scale, worth_of
from ravequant.pipeline import calculator
from ravequant.pipeline.book_source import BOOKS
from ravequant.pipeline.calculator import Calculator
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.settings import Buckets, Settings
from ravequant.settings_schema import as_typed
from ravequant.vault.instruments import InForce, InstrumentHistory

if TYPE_CHECKING:
    from ravequant.books.snapshot_reader import Books, Deep

BANDS: Final = range(len(BANDS_BPS))


class Thresholds(NamedTuple):
    """The amounts of one instrument, in units of ``10**-NOTIONAL_PLACES``."""

    band: int  # a band that holds as much may have a wall
    wall: int  # and so may a single price
    delta: int  # a band that changes by more has changed significantly

    @classmethod
    def of(cls, inst_id: str, chosen: Buckets) -> "Thresholds":
        """Return the thresholds of the settings for ``inst_id``."""
        tables = chosen.band_notional, chosen.wall_notional
        band, wall = (amounts.of(inst_id) for amounts in tables)
        return cls(band, wall, chosen.delta_notional)

    def scaled(self, places: int) -> "Thresholds":
        """Return them in coarser units; an amount compares to them as before."""
        unit = 10 ** (exact.NOTIONAL_PLACES - places)
        return Thresholds(-(-self.band // unit), -(-self.wall // unit), self.delta // unit)


class BucketFold:
    """Snapshots in, one record each out."""

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
        self._exact_thresholds = Thresholds.of(inst_id, chosen)
        self._delta_ratio = chosen.delta_ratio
        self._gap_ms = chosen.gap_s * SECOND_MS
        self._deep_age_ms = chosen.deep_age_s * SECOND_MS
        self._listed = chosen.listed_walls
        self._patience = Patience(
            chosen.confirm_s * SECOND_MS, chosen.young_s * SECOND_MS, chosen.hold_s * SECOND_MS
        )
        self._measure = BandMeasure(settings.l2.depth_levels)
        self._scale = Scale(0, 0)
        self._thresholds = self._exact_thresholds.scaled(0)
        self._ts: int | None = None  # of the previous snapshot
        self._walls = (PriceWalls(self._patience), PriceWalls(self._patience))
        self._reset()

    def _reset(self) -> None:
        """Forget the previous snapshot: the next snapshot counts as the first."""
        self._source: list[str] | None = None  # of the previous snapshot's bands; None: no such
        self._deep_ts: int | None = None  # of the previous snapshot's deep data
        self._stepped = [[0] * len(BANDS), [0] * len(BANDS)]  # notional at each band's last step
        self._reaches: tuple[Reach, Reach] | None = None
        self._bands = [[BandWall(self._patience) for _ in BANDS] for _ in "ba"]
        for walls in self._walls:
            walls.reset()

    def update(self, batch: "list[Books]") -> Iterator[dict[str, Any]]:
        """Yield one record for each snapshot, in order."""
        self._instrument.refresh()
        for books in batch:
            deeps = [
                self._in_use(deep, head.ts)
                for head, deep in zip(books.heads, books.deeps, strict=True)
            ]
            worths = [worth_of(self._instrument.at(head.ts).contract) for head in books.heads]
            first = 0
            for worth, group in groupby(worths):
                last = first + len(list(group))
                part = SnapshotRun(books, range(first, last), deeps[first:last])
                self._refine(self._measure.scale(part, worth))
                sums = self._measure.sums(part, worth, self._scale)
                for view in views(part, sums, self._thresholds.wall):
                    yield self._record(view)
                first = last

    def _in_use(self, deep: "Deep | None", ts: int) -> "Deep | None":
        return None if deep is None or ts - deep.ts > self._deep_age_ms else deep

    def _refine(self, needed: Scale) -> None:
        """Count in finer units from here on, if these are needed; never in coarser ones."""
        notional = max(needed.notional, self._scale.notional)
        if notional > self._scale.notional:
            finer = 10 ** (notional - self._scale.notional)
            self._stepped = [[value * finer for value in side] for side in self._stepped]
            self._thresholds = self._exact_thresholds.scaled(notional)
        self._scale = Scale(notional, max(needed.base, self._scale.base))

    def _record(self, view: BookView) -> dict[str, Any]:
        head, ts = view.head, view.head.ts
        gap = head.gap_detected or (self._ts is not None and ts - self._ts > self._gap_ms)
        if gap:
            self._reset()
        bid_delta, ask_delta = _no_deltas(), _no_deltas()
        if not head.gap_detected:
            self._step(view, (bid_delta, ask_delta))
        self._ts = ts
        bid, ask = view.bid, view.ask
        bid_young, ask_young = ([wall.age_s(ts) for wall in walls] for walls in self._bands)
        notional, base = self._scale.notional, self._scale.base
        return {
            "timestamp_utc": times.iso(ts),
            "exchange": self._exchange,
            "market": "perp",
            "instId": self._inst_id,
            "mid_price": exact.text(head.twice_mid * 5, exact.PRICE_PLACES + 1),
            "bands_bps": BANDS_BPS,
            "bid_notional": [exact.text(value, notional) for value in bid.notional],
            "ask_notional": [exact.text(value, notional) for value in ask.notional],
            "bid_base": [exact.text(value, base) for value in bid.base],
            "ask_base": [exact.text(value, base) for value in ask.base],
            "imbalance": list(map(_imbalance, bid.notional, ask.notional, view.source)),
            "bid_delta_notional": bid_delta.texts,
            "ask_delta_notional": ask_delta.texts,
            "bid_delta_significant": bid_delta.significant,
            "ask_delta_significant": ask_delta.significant,
            "bid_young_age_s": bid_young,
            "ask_young_age_s": ask_young,
            "bid_young_active": [age is not None for age in bid_young],
            "ask_young_active": [age is not None for age in ask_young],
            "bid_walls": self._listing(ts, bid, self._walls[0]),
            "ask_walls": self._listing(ts, ask, self._walls[1]),
            "bid_depth_bps": bid.depth_bps,
            "ask_depth_bps": ask.depth_bps,
            "band_source": view.source,
            "deep_age_s": None if view.deep_ts is None else max(0, ts - view.deep_ts) // SECOND_MS,
            "gap": gap,
        }

    def _step(self, view: BookView, deltas: "tuple[_Deltas, _Deltas]") -> None:
        """Take a snapshot into the machines and fill in the changes of the bands."""
        ts, before = view.head.ts, self._source
        newer = view.deep_ts is not None and (self._deep_ts is None or view.deep_ts > self._deep_ts)
        sides = view.bid, view.ask
        for band, source in enumerate(view.source):
            held = source == PARTIAL or (before is not None and before[band] != source)
            if not held and source == DEEP and not newer:
                continue
            for side in (0, 1):
                value, wall = sides[side].notional[band], self._bands[side][band]
                if held:
                    wall.hold(ts)
                else:
                    wall.step(ts, above=value >= self._thresholds.band)
                    if before is not None:
                        self._compare(deltas[side], band, value, self._stepped[side][band])
                self._stepped[side][band] = value
        for walls, side_view in zip(self._walls, sides, strict=True):
            prices = [wall.price for wall in side_view.walls]
            walls.step(ts, side_view.reach, prices, newer_deep=newer)
        self._source, self._deep_ts = view.source, view.deep_ts
        self._reaches = view.bid.reach, view.ask.reach

    def _compare(self, deltas: "_Deltas", band: int, value: int, previous: int) -> None:
        delta = value - previous
        deltas.texts[band] = exact.signed_text(delta, self._scale.notional)
        deltas.significant[band] = abs(delta) > self._thresholds.delta or (
            previous > 0 and abs(delta) * exact.SIZE_ONE > self._delta_ratio * previous
        )

    def _listing(self, ts: int, side: SideView, walls: PriceWalls) -> list[dict[str, Any]]:
        return [self._listed_wall(ts, side, wall, walls) for wall in side.walls[: self._listed]]

    def _listed_wall(
        self, ts: int, side: SideView, wall: Wall, walls: PriceWalls
    ) -> dict[str, Any]:
        age_ms = walls.age_ms(ts, wall.price)
        ratio = exact.divide(2 * wall.weight, side.middle_pair(wall.band), 2)
        return {
            "price": _text(wall.price, exact.PRICE_PLACES),
            "notional": _text(wall.weight * side.money, self._scale.notional),
            "age_s": None if age_ms is None else age_ms // SECOND_MS,
            "young": walls.young(ts, wall.price),
            "ratio": exact.fixed(ratio, 2),
        }

    def state(self) -> dict[str, Any]:
        """Return everything that later records depend on."""
        places = self._scale.notional
        stepped = [[exact.text(value, places) for value in side] for side in self._stepped]
        return {
            "ts": self._ts,
            "source": self._source,
            "deep_ts": self._deep_ts,
            "stepped": stepped,
            "bands": [[wall.state() for wall in walls] for walls in self._bands],
            "reaches": None
            if self._reaches is None
            else [reach.state() for reach in self._reaches],
            "walls": [walls.state() for walls in self._walls],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned."""
        self._ts, self._deep_ts, self._source = state["ts"], state["deep_ts"], state["source"]
        texts = state["stepped"]
        self._refine(Scale(max(_decimals(text) for side in texts for text in side), 0))
        places = self._scale.notional
        self._stepped = [[_units(text, places) for text in side] for side in texts]
        self._bands = [
            [BandWall.restore(self._patience, wall) for wall in walls] for walls in state["bands"]
        ]
        if state["reaches"] is not None:
            bid, ask = map(Reach.restore, state["reaches"])
            self._reaches = bid, ask
        for side, walls in enumerate(self._walls):
            walls.restore(state["walls"][side], self._reaches[side] if self._reaches else None)


_text = lru_cache(maxsize=1 << 12)(exact.text)  # most walls are those of the snapshot before


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _units(text: str, places: int) -> int:
    """Return a sum, which may be wider than any price, in units of ``10**-places``."""
    one: int = 10 ** (places - _decimals(text))
    return int(text.replace(".", "")) * one


class _Deltas(NamedTuple):
    """The changes of the bands of one side."""

    texts: list[str | None]
    significant: list[bool]


def _no_deltas() -> _Deltas:
    return _Deltas([None] * len(BANDS), [False] * len(BANDS))


def _imbalance(bid: int, ask: int, source: str) -> str | None:
    if source == PARTIAL or bid + ask == 0:
        return None
    return _hundredths(exact.divide(bid - ask, bid + ask, 2))


@lru_cache(maxsize=1 << 8)
def _hundredths(value: int) -> str:
    return exact.signed_fixed(value, 2)


def _parameters(inst_id: str, settings: "Settings") -> dict[str, Any]:
    amounts = Thresholds.of(inst_id, settings.buckets)
    own = (exact.text(amount, exact.NOTIONAL_PLACES) for amount in amounts)
    return {
        **as_typed(settings.buckets),
        **dict(zip(("band_notional", "wall_notional", "delta_notional"), own, strict=True)),
        "depth_levels": settings.l2.depth_levels,
    }


CALCULATOR: Final = Calculator(
    description="Six distance bands and walls of each order book snapshot.",
    input=BOOKS,
    fold=lambda vault, inst_id, settings: BucketFold(
        inst_id, settings, InstrumentHistory(vault, inst_id), vault.exchange
    ),
    output=catalog.BUCKETS,
    parameters=_parameters,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Bring the buckets of the given instruments up to date."""
    return calculator.main(CALCULATOR, argv)


if __name__ == "__main__":
    cli.leave(main())
