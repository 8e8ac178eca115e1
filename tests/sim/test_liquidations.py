"""Liquidations of the model market: late, out of order, repeated, foreign; the same every time."""

import itertools

from ravequant.sim.liquidations import FOREIGN, LATEST_MS, Liquidation, Liquidations
from ravequant.sim.market import ModelMarket
from ravequant.times import SECOND_MS, parse_iso

BTC = "BTC-USDT-SWAP"
START = parse_iso("2025-12-14T21:00:00.000Z")
ROWS = ModelMarket(1).instruments


def published(seconds: int, seed: int = 1) -> list[tuple[int, Liquidation]]:
    """Return the rows of a market that falls, with the time of their publication."""
    made = Liquidations(ROWS, seed)
    found = []
    for number in range(seconds):
        prices = {BTC: str(97_000 - number % 600)}
        at = START + number * SECOND_MS
        found += [(at + SECOND_MS, row) for row in made.second(at, prices)]
    return found


def test_the_same_market_has_the_same_liquidations():
    """They follow from seed, prices and time alone."""
    assert published(900) == published(900)
    assert published(900) != published(900, seed=2)


def test_rows_are_late_out_of_order_repeated_and_foreign():
    """An hour of a falling market shows each of the stream's bad habits."""
    found = published(3_600)
    delays = [at - row.ts for at, row in found]
    assert min(delays) > 0
    assert max(delays) > 4 * 60 * SECOND_MS
    assert all(delay <= LATEST_MS + 130 * SECOND_MS for delay in delays)
    moments = [row.ts for _, row in found]
    assert moments != sorted(moments)
    rows = [row for _, row in found]
    assert len(set(rows)) < len(rows)
    twins = [(one, two) for one, two in itertools.pairwise(found) if one == two]
    assert twins
    assert {row.inst_id for row in rows} >= {BTC, *FOREIGN}
    assert "net" in {row.pos_side for row in rows}


def test_a_fall_closes_longs():
    """Most rows of an instrument that falls are sells."""
    rows = [row for _, row in published(590) if row.inst_id == BTC]
    assert sum(row.side == "sell" for row in rows) > 0.7 * len(rows)
