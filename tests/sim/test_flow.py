"""The model's trades look like the market's: measured here, fact by fact."""

import statistics
from collections import Counter
from functools import cache
from itertools import pairwise

import pytest

from ravequant.records import Trade
from ravequant.sim.market import ModelMarket
from tests.support.examples import often

BTC = "BTC-USDT-SWAP"
HOURS = 24
SEEDS = range(1, often(2, 4))


@cache
def day(seed: int) -> tuple[Trade, ...]:
    """Return a day of BTC at one row a second."""
    market = ModelMarket(seed, (BTC,), rows_per_second=1)
    rows = market.trades(market.start_ms + HOURS * 3_600_000)
    return tuple(trade for _, trade in rows)


@cache
def returns(seed: int) -> tuple[float, ...]:
    """Return the one-minute returns of that day, in bps."""
    closes = {trade.ts // 60_000: float(trade.price) for trade in day(seed)}
    prices = [closes[minute] for minute in sorted(closes)]
    return tuple((late - early) / early * 10_000 for early, late in pairwise(prices))


def autocorrelation(values: list[float], lag: int) -> float:
    """Return the correlation of a series with itself, so many steps later."""
    mean = statistics.fmean(values)
    apart = [value - mean for value in values]
    products = (a * b for a, b in zip(apart, apart[lag:], strict=False))
    return sum(products) / sum(a * a for a in apart)


def notional(trade: Trade) -> float:
    """Return a BTC record's notional in USD."""
    return float(trade.price) * float(trade.qty) * 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_returns_have_fat_tails(seed):
    """One-minute returns: excess kurtosis above 3, a few bps wide."""
    found = returns(seed)
    mean, deviation = statistics.fmean(found), statistics.pstdev(found)
    kurtosis = statistics.fmean((value - mean) ** 4 for value in found) / deviation**4 - 3
    assert kurtosis > 3
    assert 3 < deviation < 15


@pytest.mark.parametrize("seed", SEEDS)
def test_volatility_clusters(seed):
    """The size of a minute's return tells of the size ten minutes later; its sign does not."""
    found = list(returns(seed))
    assert autocorrelation([abs(value) for value in found], 10) > 0.1
    assert abs(autocorrelation(found, 10)) < 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_takers_follow_each_other(seed):
    """Trade signs are positively correlated, at once and five trades on."""
    signs = [1.0 if trade.side == "buy" else -1.0 for trade in day(seed)]
    assert autocorrelation(signs, 1) > 0.3
    assert autocorrelation(signs, 5) > 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_whales_among_many(seed):
    """Records of 100,000 USD and more come all day, and are few among the rest."""
    whales = [trade for trade in day(seed) if notional(trade) >= 100_000]
    assert len({trade.ts // 3_600_000 for trade in whales}) == HOURS
    assert len(whales) < len(day(seed)) / 5


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_come_in_bursts(seed):
    """Between half a row and 500 rows a second, about as many as asked for on average."""
    market = ModelMarket(seed, (BTC,))
    hours = 2
    rows = market.trades(market.start_ms + hours * 3_600_000)
    seconds = Counter(trade.ts // 1_000 for _, trade in rows)
    minutes = Counter(trade.ts // 60_000 for _, trade in rows)
    assert len(minutes) == hours * 60
    assert min(minutes.values()) / 60 >= 0.5
    assert 100 < max(seconds.values()) <= 500
    assert 15 / 3 < len(rows) / (hours * 3_600) < 15 * 3


@pytest.mark.parametrize("seed", SEEDS)
def test_absorption_happens(seed):
    """Some minutes trade more than twice the median and go nowhere (SPEC 7)."""
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    volume: dict[int, float] = {}
    for trade in day(seed):
        minute = trade.ts // 60_000
        first.setdefault(minute, float(trade.price))
        last[minute] = float(trade.price)
        volume[minute] = volume.get(minute, 0.0) + notional(trade)
    usual = statistics.median(volume.values())
    absorbed = [
        minute
        for minute, total in volume.items()
        if total > 2 * usual and abs(last[minute] / first[minute] - 1) < 0.001
    ]
    assert len(absorbed) > 50
