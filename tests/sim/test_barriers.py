"""Defended prices of the model: walls that stand, walls that are pulled, tips held to the tick."""

import random

from ravequant.sim.barriers import ASK, BID, Barrier, Barriers
from ravequant.sim.instruments import listing
from ravequant.sim.market import ModelMarket
from tests.support.measures import book, candles, wicks

BTC = "BTC-USDT-SWAP"


def test_tips_are_defended_to_the_tick():
    """Some wicks are born at the very tip of an older one, and some stay untouched."""
    market = ModelMarket(1, (BTC,), rows_per_second=1)
    rows = market.trades(market.start_ms + 12 * 3_600_000)
    found = wicks(candles(trade for _, trade in rows))
    exact = sum(wick.exact for wick in found)
    assert len(found) / 100 < exact < len(found) / 5
    assert any(wick.touched is None for wick in found)


def test_walls_stand_or_are_pulled():
    """Some walls rest for ten minutes and more; some go while price is still far from them."""
    market = ModelMarket(2, (BTC,), rows_per_second=1)
    now = market.start_ms
    seen: dict[str, int] = {}  # wall to its first minute
    pulled = longest = 0
    for minute in range(90):
        now += 60_000
        market.trades(now)
        shown = book(market, BTC, 5000)
        mid = float(shown.bids[0][0])
        levels = shown.bids + shown.asks
        walls = {px for px, size, _ in levels if float(px) * float(size) * 0.01 > 1e6}
        inside = (float(shown.bids[-1][0]), float(shown.asks[-1][0]))
        gone = [px for px in seen if px not in walls and inside[0] < float(px) < inside[1]]
        pulled += sum(abs(float(px) - mid) / mid > 15e-4 for px in gone)
        seen = {px: seen.get(px, minute) for px in walls}
        longest = max(longest, *(minute - since for since in seen.values()), 0)
    assert longest >= 10
    assert pulled >= 3


def test_nearest_is_the_first_that_a_move_meets():
    """On each side the one next to the best price counts, the best price included."""
    barriers = Barriers(random.Random(1), listing(BTC))
    for side, tick in ((ASK, 110), (ASK, 105), (BID, 90), (BID, 95), (BID, 100)):
        barriers.add(Barrier(side, tick, 1, 1_000))
    found = [barriers.nearest(side, 99, 105) for side in (ASK, BID)]
    assert [barrier.tick for barrier in found if barrier] == [105, 95]
    assert barriers.nearest(ASK, 119, 120) is None


def test_wall_goes_when_it_is_eaten_or_price_is_near():
    """An eaten wall takes its defender along; a shy one is withdrawn in time."""
    barriers = Barriers(random.Random(1), listing(BTC))
    barriers.add(Barrier(ASK, 10_100, 1, 10_000, visible=True), 50)
    barriers.add(Barrier(ASK, 10_200, 1, 10_000, visible=True, pulled_within=300), 70)
    shown = barriers.walls
    barriers.set_wall(ASK, 10_100, 0)
    assert shown[ASK] == {10_100: 50, 10_200: 70}  # what was shown stays as it was
    assert barriers.walls[ASK] == {10_200: 70}
    barriers.prune(1, 9_998, 9_999)
    assert barriers.walls[ASK] == {}
    assert barriers.nearest(ASK, 9_998, 9_999) is None
