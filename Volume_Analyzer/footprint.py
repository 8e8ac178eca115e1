"""The footprint of each minute: bought and sold at each price, delta, imbalances (SPEC section 15).

    imbalance   bought in a bucket >= 3 x sold in the bucket below; sold >= 3 x bought above
    stacked     three imbalances of a side or more, one upon the other

Trades are summed by buckets of price. All amounts are notional and exact.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from math import gcd
from operator import add
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ravequant import catalog, cli, exact, times
from ravequant.pipeline import calculator
from ravequant.pipeline.calculator import Calculator
from ravequant.pipeline.level_source import LEVELS, PriceBuckets, buckets_of
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.settings_schema import as_typed

if TYPE_CHECKING:
    from ravequant.settings import Footprint
    from ravequant.trades.bar_builder import Closed
    from ravequant.trades.minute_bar import MinuteBar
    from ravequant.trades.price_levels import PriceLevels

BUY: Final = "buy"
SELL: Final = "sell"
NO_BUCKET: Final = -2  # below the first
_EDGES: Final = 1 << 14


class FootprintFold:
    """Closed minutes with price levels in, footprints out."""

    def __init__(
        self,
        inst_id: str,
        limits: "Footprint",
        buckets: PriceBuckets,
        exchange: str = DEFAULT_EXCHANGE,
    ) -> None:
        self._inst_id, self._exchange = inst_id, exchange
        self._limits, self._buckets = ImbalanceLimits.of(limits), buckets
        self._height = exact.price_text(buckets.height)
        self._edge = lru_cache(_EDGES)(self._low_edge)  # prices come again and again

    def update(self, closed: "Closed") -> Iterator[dict[str, Any]]:
        """Yield one record for each closed minute that had trades."""
        for bar in closed.bars:
            yield self._record(bar)

    def _record(self, bar: "MinuteBar") -> dict[str, Any]:
        assert bar.levels is not None  # noqa: S101 - the input gives them
        places, numbers, bought, sold, trades, highest, lowest = levels = bar.levels
        edge, written, signed = self._edge, exact.text, exact.signed_text
        poc = point_of_control(levels, self._buckets.height, bar.close)
        buys, sells = imbalances(levels, self._limits)
        return {
            "timestamp_utc": times.iso_minute(bar.minute),
            "instId": self._inst_id,
            "exchange": self._exchange,
            "market": "perp",
            "close": exact.price_text(bar.close),
            "bucket": self._height,
            "rows": [
                (edge(number), written(bought_here, places), written(sold_here, places), count)
                for number, bought_here, sold_here, count in zip(
                    numbers, bought, sold, trades, strict=True
                )
            ],
            "poc": edge(poc),
            "delta": signed(levels.delta, places),
            "max_delta": signed(highest, places),
            "min_delta": signed(lowest, places),
            "imbalances": [(edge(at), BUY) for at in buys] + [(edge(at), SELL) for at in sells],
            "stacked": [*self._stacked(buys, BUY), *self._stacked(sells, SELL)],
            "gap": bar.gap,
        }

    def _stacked(self, numbers: list[int], side: str) -> list[tuple[str, str, str]]:
        least = self._limits.stacked
        if len(numbers) < least:
            return []
        return [(self._edge(low), self._edge(high), side) for low, high in runs(numbers, least)]

    def _low_edge(self, number: int) -> str:
        return exact.text(number * self._buckets.height, exact.PRICE_PLACES)

    def state(self) -> dict[str, Any]:
        """Return the state: no record depends on those before it, but all on the buckets."""
        return self._buckets.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on behind ``state``. Raises SupersededStateError if its buckets were others."""
        self._buckets.check(state)


def point_of_control(levels: "PriceLevels", height: int, close: int) -> int:
    """Return the number of the bucket with the largest total.

    Of equals that whose middle is nearest to ``close``, then the lower.
    """
    totals = list(map(add, levels.bought, levels.sold))
    most = max(totals)
    if totals.count(most) == 1:
        return levels.numbers[totals.index(most)]
    best = [number for number, total in zip(levels.numbers, totals, strict=True) if total == most]
    return min(best, key=lambda number: (abs((2 * number + 1) * height - 2 * close), number))


class ImbalanceLimits(NamedTuple):
    """When a bucket is an imbalance, as whole numbers."""

    least: int  # units of exact.NOTIONAL_PLACES
    ratio: tuple[int, int]  # at least ratio[0] / ratio[1] times the other side
    stacked: int  # so many one upon the other, at least

    @classmethod
    def of(cls, chosen: "Footprint") -> "ImbalanceLimits":
        """Return the limits of the settings."""
        common = gcd(chosen.imbalance_ratio, exact.SIZE_ONE)
        ratio = chosen.imbalance_ratio // common, exact.SIZE_ONE // common
        return cls(int(chosen.imbalance_notional), ratio, max(chosen.stacked, 1))


@lru_cache(maxsize=exact.NOTIONAL_PLACES)
def _least(limits: ImbalanceLimits, places: int) -> int:
    """Return the least imbalance in units of ``10**-places``, rounded up."""
    one: int = 10 ** (exact.NOTIONAL_PLACES - places)
    return -(-limits.least // one)


def imbalances(levels: "PriceLevels", limits: ImbalanceLimits) -> tuple[list[int], list[int]]:
    """Return the numbers of the buckets with an imbalance of buys, and of sells, rising.

    Buys of a bucket are compared with the sells of the bucket below, sells with the buys of the one
    above; 0 there counts as 1.
    """
    places, numbers, bought, sold, *_ = levels
    least, one, (above, below) = _least(limits, places), 10**places, limits.ratio
    buys, sells = list[int](), list[int]()
    last, left = NO_BUCKET, -1  # the bucket before, and the sells in it
    for number, bought_here, sold_here in zip(numbers, bought, sold, strict=True):
        beside = number - 1 == last
        if bought_here >= least:
            other = (left if beside else 0) or one
            if bought_here * below >= above * other:
                buys.append(number)
        if left >= least:
            other = (bought_here if beside else 0) or one
            if left * below >= above * other:
                sells.append(last)
        last, left = number, sold_here
    if left >= least and left * below >= above * one:
        sells.append(last)
    return buys, sells


def runs(numbers: list[int], least: int) -> list[tuple[int, int]]:
    """Return the runs of at least ``least`` numbers that follow each other: (first, behind last).

    ``numbers`` rise.
    """
    ends = [at for at, number in enumerate(numbers, 1) if numbers[at : at + 1] != [number + 1]]
    return [
        (numbers[begin], numbers[end - 1] + 1)
        for begin, end in pairwise([0, *ends])
        if end - begin >= least
    ]


CALCULATOR: Final = Calculator(
    description="Footprint per minute: bought and sold at each price, delta, imbalances.",
    input=LEVELS,
    fold=lambda vault, inst_id, settings: FootprintFold(
        inst_id, settings.footprint, buckets_of(vault, inst_id, settings), vault.exchange
    ),
    output=catalog.FOOTPRINT,
    parameters=lambda inst_id, settings: {
        **as_typed(settings.footprint),
        "bucket": settings.footprint.bucket.of(inst_id).text,
    },
)


def main(argv: Sequence[str] | None = None) -> int:
    """Bring the footprint of the given instruments up to date."""
    return calculator.main(CALCULATOR, argv)


if __name__ == "__main__":
    cli.leave(main())
