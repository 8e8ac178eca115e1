"""Minutes of fills: exact sums, whatever the blocks and their decimals."""

import pytest

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.exchanges.okx.archive.minutes import MinuteOfFills, MinuteSums
from ravequant.records import Trade
from ravequant.trades.joining import columns_of
from tests.support.archive_files import market_fills

LINEAR = Contract("0.01", "1", "linear")


@pytest.mark.parametrize("size", [1, 7, 2_000])
def test_minutes_are_those_of_the_plain_loop(size):
    """Open, high, low, close in order of id; contracts and coins summed."""
    fills = market_fills(2_000, times.parse_iso("2025-12-14T00:00:00Z"))
    sums = MinuteSums()
    for at in range(0, len(fills), size):
        sums.add(columns_of(fills[at : at + size]).columns)
    wanted: dict[int, list[Trade]] = {}
    for fill in fills:
        wanted.setdefault(fill.ts // times.MINUTE_MS, []).append(fill)
    found = sums.minutes(LINEAR)
    assert found == {minute: plain(its) for minute, its in wanted.items()}
    assert len(found) > 1


def plain(fills: list[Trade]) -> MinuteOfFills:
    """Return the minute of fills."""
    prices = [exact.units(fill.price, exact.PRICE_PLACES) for fill in fills]
    qty = sum(exact.units(fill.qty, exact.SIZE_PLACES) for fill in fills)
    coins = qty * 10 ** (exact.BASE_PLACES - exact.SIZE_PLACES) // 100
    return MinuteOfFills(prices[0], max(prices), min(prices), prices[-1], qty, coins)


def test_an_inverse_contract_has_no_exact_coins():
    """They are divided by the price."""
    sums = MinuteSums()
    sums.add(columns_of([Trade(1_765_670_400_000, 1, "buy", "100", "1")]).columns)
    [minute] = sums.minutes(Contract("100", "1", "inverse")).values()
    assert minute.coins is None
