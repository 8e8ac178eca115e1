"""The model's book looks like the market's: depth, reach and walls, measured."""

import random
import statistics
from functools import cache

import pytest

from ravequant.sim.depth import Depth, size_table
from ravequant.sim.market import ModelMarket
from tests.support.examples import often
from tests.support.measures import book

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
COINS = {BTC: 0.01, ETH: 0.1}  # a contract's
SEEDS = range(1, often(2, 4))
SNAPSHOTS = 40

Side = list[tuple[float, float]]  # (bps from mid, notional in USD)


@cache
def books(seed: int, inst_id: str) -> list[tuple[Side, Side]]:
    """Return a deep book every three minutes, bids and asks."""
    market = ModelMarket(seed, (inst_id,), rows_per_second=1)
    found = []
    for number in range(1, SNAPSHOTS + 1):
        market.trades(market.start_ms + number * 180_000)
        shown = book(market, inst_id, 5000)
        sides = [
            [(float(px), float(px) * float(size) * COINS[inst_id]) for px, size, _ in side]
            for side in (shown.bids, shown.asks)
        ]
        mid = (sides[0][0][0] + sides[1][0][0]) / 2
        bids, asks = ([(abs(px - mid) / mid * 1e4, usd) for px, usd in side] for side in sides)
        found.append((bids, asks))
    return found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("inst_id", "least", "most"), [(BTC, 8e6, 15e6), (ETH, 3.5e6, 4e6)])
def test_first_band_holds_what_it_should(seed, inst_id, least, most):
    """0-10 bps from mid, each side (SPEC 10 sums them apart): 8-15 M in BTC, 3.5-4 M in ETH."""
    sums = [
        sum(usd for bps, usd in side if bps <= 10) for both in books(seed, inst_id) for side in both
    ]
    assert least < statistics.median(sums) < most
    assert min(sums) > least / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_four_hundred_levels_do_not_reach_far(seed):
    """400 BTC levels reach 7 to 15 bps, 5000 some 120: most walls lie outside the first."""
    sides = [side for both in books(seed, BTC) for side in both]
    assert {len(side) for side in sides} == {5000}
    assert all(7 < side[399][0] < 15 for side in sides)
    assert all(100 < side[-1][0] < 200 for side in sides)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("inst_id", [BTC, ETH])
def test_walls_rest_far_out(seed, inst_id):
    """Single levels of 1-5 M USD, most of them 50 to 200 bps away; nothing else is so large."""
    walls = [
        level for both in books(seed, inst_id) for side in both for level in side if level[1] >= 1e6
    ]
    assert len(walls) > SNAPSHOTS
    assert all(usd < 5.3e6 for _, usd in walls)
    far = sum(50 <= bps <= 200 for bps, _ in walls)
    assert far > len(walls) / 2


def test_size_depends_on_price_and_moment_only():
    """A block asked for in any order of slots shows the sizes that single prices show."""
    table = size_table(random.Random(1), 0.5, 100)
    assert abs(statistics.fmean(table) - 100) < 2
    depth = Depth(random.Random(2), table)
    for _ in range(4):
        depth.lean(500)
    for slot in (0, 1, 2, 70, 71, 200, 64, 250):
        levels = dict(depth.levels((1_000, 7), 1, slot, {1_050: 9_999}, 60))
        assert levels.pop(1_000) == 7
        assert levels.pop(1_050) == 9_999
        last = max(levels)
        wanted = {tick: depth.lots(tick, slot) for tick in range(1_001, last + 1)}
        wanted.pop(1_050)
        assert levels == {tick: lots for tick, lots in wanted.items() if lots}


def test_few_prices_change_in_a_slot():
    """One price in 64 is renewed in a slot; the others stay as they are."""
    depth = Depth(random.Random(2), size_table(random.Random(1), 0.5, 100))
    before, after = (dict(depth.levels((9_000, 1), -1, slot, {}, 400)) for slot in (10, 11))
    changed = {tick for tick in before | after if before.get(tick) != after.get(tick)}
    assert 0 < len(changed) < 40
