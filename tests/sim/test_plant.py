"""A planted set-up holds, at its moment, all that SPEC 11 scores; without it nothing is planted."""

import statistics

import pytest

from ravequant.errors import UsageError
from ravequant.sim.market import START_MS, ModelMarket
from tests.support.measures import Candle, Wick, book, candles, signed_notional, wicks

BTC = "BTC-USDT-SWAP"
HOURS = 2
CT_VAL = 0.01
DEPTH = 1500  # levels that reach beyond 25 bps


class Scene:
    """A market at the moment of its set-up: candles, wicks and the book."""

    def __init__(self, seed: int, rate: float, *, plant: bool) -> None:
        moment = START_MS + HOURS * 3_600_000
        market = ModelMarket(seed, (BTC,), rows_per_second=rate, plant=plant and moment)
        until = market.start_ms + HOURS * 3_600_000
        self.minute = until // 60_000
        trades = [trade for _, trade in market.trades(until)]
        self.candles: dict[int, Candle] = candles(trades)
        self.wicks: list[Wick] = wicks(self.candles)
        self.volume, self.delta = signed_notional(trades, CT_VAL)
        shown = book(market, BTC, DEPTH)
        self.bids, self.asks = (
            [(float(px), float(px) * float(size) * CT_VAL) for px, size, _ in side]
            for side in (shown.bids, shown.asks)
        )
        self.mid = (self.bids[0][0] + self.asks[0][0]) / 2

    def around(self, wick: Wick) -> list[Wick]:
        """The other wicks born within ten minutes of it."""
        return [w for w in self.wicks if w is not wick and abs(w.birth - wick.birth) <= 10]

    def perfect(self) -> list[Wick]:
        """Untouched high wicks of 20 to 40 minutes, tip exact, small, 15 touched around them."""
        return [
            wick
            for wick in self.wicks
            if wick.high and wick.touched is None and wick.exact
            if 20 <= self.minute - wick.birth <= 40
            if wick.size <= statistics.median(w.size for w in self.around(wick))
            if sum(w.touched is not None for w in self.around(wick)) >= 15
        ]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("rate", [1, 15])
def test_all_layers_meet(seed, rate):
    """One perfect wick with a target; wall, imbalance, absorption, cvd and vwap are at its side."""
    scene = Scene(seed, rate, plant=True)
    (wick,) = scene.perfect()
    tip = wick.tip
    lows = [w for w in scene.wicks if not w.high and w.touched is None]
    assert [25e-4 < tip / w.tip - 1 < 28e-4 for w in lows if w.birth == scene.minute - 13] == [True]
    walls = [usd for px, usd in scene.asks if abs(px - tip) / tip < 2e-4 and usd >= 2e6]
    assert len(walls) == 1
    assert 12e-4 < tip / scene.mid - 1 < 24e-4  # the second band, and near enough for volume
    near, far = scene.mid * 10e-4, scene.mid * 25e-4
    bids = sum(usd for px, usd in scene.bids if near < scene.mid - px <= far)
    asks = sum(usd for px, usd in scene.asks if near < px - scene.mid <= far)
    assert (bids - asks) / (bids + asks) <= -0.70
    minute = scene.minute - 3
    usual = statistics.median(scene.volume[m] for m in sorted(scene.volume) if m < minute)
    candle = scene.candles[minute]
    assert scene.volume[minute] > 2 * usual
    assert abs(candle.close / candle.open - 1) < 0.001
    assert scene.delta[minute] > 0
    assert scene.delta[scene.minute - 1] < 0
    hours = range(scene.minute - 240, scene.minute)
    weights = {m: scene.volume.get(m, 0.0) for m in hours}
    vwap = sum(scene.candles[m].close * w for m, w in weights.items() if w) / sum(weights.values())
    assert tip / vwap - 1 > 10e-4


def test_wall_comes_at_its_moment():
    """The wall of the set-up is not there two minutes before, and young at the moment."""
    market = ModelMarket(1, (BTC,), rows_per_second=1, plant=True)
    moment = market.start_ms + 5 * 3_600_000  # the one that is meant if none is given
    seen = []
    for before in (120, 60, 0, -60):
        market.trades(moment - before * 1_000)
        asks = book(market, BTC, DEPTH).asks
        seen.append(any(float(px) * float(size) * CT_VAL > 2e6 for px, size, _ in asks))
    assert seen == [False, True, True, True]


def test_nothing_is_planted_unasked():
    """Seeds without a plant show no such wick with such a wall."""
    for seed in (1, 2):
        scene = Scene(seed, 1, plant=False)
        for wick in scene.perfect():
            assert not any(
                usd >= 2e6 and abs(px - wick.tip) / wick.tip < 2e-4 for px, usd in scene.asks
            )


def test_moment_may_be_given():
    """The moment is any minute that leaves the script its time; else the error says how much."""
    start = ModelMarket(1).start_ms
    assert ModelMarket(1, plant=start + 80 * 60_000).trades(start + 1_000) is not None
    with pytest.raises(UsageError) as caught:
        ModelMarket(1, plant=start + 60_000)
    assert str(caught.value) == (
        f"a set-up at {start + 60_000} cannot be planted in a market that starts at {start}: "
        "expected at least 75 minutes between them; start it earlier"
    )
