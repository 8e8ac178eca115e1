"""The price levels of many minutes at once, from columns of trades.

The buckets of all minutes are summed in one pass: minute and bucket of a record make one number.
Columns are int64 where Python's integers prove that nothing can overflow; else, and where prices
lie too far apart, record by record, with the same levels.
"""

from math import gcd
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ravequant import contract, exact
from ravequant.contract import Worth
from ravequant.swar_digits import fits
from ravequant.trades.price_levels import PriceLevels
from ravequant.trades.scanner import TradeColumns

_CELLS: Final = 64  # buckets of all minutes for each record, counted: more are too many
_LEAST: Final = 1 << 12  # so many are never too many
Rows = NDArray[np.int64]


def levels_of_runs(trades: TradeColumns, firsts: Rows, height: int) -> list[PriceLevels]:
    """Return the levels of each run of records; the runs begin at ``firsts``.

    ``height`` of a bucket is in units of ``exact.PRICE_PLACES``.
    """
    worth = contract.worth_of(trades.contract)
    found = _in_columns(trades, worth, firsts, height)
    return _one_by_one(trades, worth, firsts, height) if found is None else found


def _in_columns(
    trades: TradeColumns, worth: Worth, firsts: Rows, height: int
) -> list[PriceLevels] | None:
    """Return the levels; None for values that do not fit, or prices too far apart."""
    price, qty = trades.price, trades.qty
    if object in (price.dtype, qty.dtype):
        return None
    low, high = int(price.min()), int(price.max())
    if not fits(int(qty.max()) * len(qty)):
        return None
    most = (1 if worth.inverse else high) * int(qty.sum()) * worth.factor
    above, below = _ratio(trades.price_decimals, height)
    if not fits(most) or not fits(high * above) or not fits(below):
        return None
    lowest = low * above // below
    width, runs = high * above // below - lowest + 1, len(firsts)
    cells = width * runs
    if cells > _CELLS * len(price) + _LEAST:
        return None
    lengths = np.diff(firsts, append=len(price))
    cell = (price * above if above > 1 else price) // below
    cell += np.repeat(np.arange(-lowest, cells - lowest, width), lengths)
    notional = qty * worth.factor if worth.inverse else worth.notional(price, qty) * worth.factor
    signed = np.where(trades.buy, notional, -notional)
    traded = np.bincount(cell, minlength=cells)
    total, delta = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
    np.add.at(total, cell, notional)
    np.add.at(delta, cell, signed)
    there = traded.nonzero()[0]
    bought = (total + delta)[there] >> 1
    columns = (there % width + lowest, bought, total[there] - bought, traded[there])
    numbers, buys, sells, counts = (column.tolist() for column in columns)
    ends = np.searchsorted(there, np.arange(width, cells + 1, width)).tolist()
    running = np.cumsum(signed)
    before = np.concatenate((np.zeros(1, np.int64), running[firsts[1:] - 1]))
    highest = np.maximum(np.maximum.reduceat(running, firsts) - before, 0).tolist()
    least = np.minimum(np.minimum.reduceat(running, firsts) - before, 0).tolist()
    places = worth.scale(trades.price_decimals, trades.qty_decimals).notional
    parts = zip([0, *ends], ends, highest, least, strict=False)
    return [
        PriceLevels(places, numbers[a:b], buys[a:b], sells[a:b], counts[a:b], most, last)
        for a, b, most, last in parts
    ]


def _ratio(price_decimals: int, height: int) -> tuple[int, int]:
    """Return (a, b): the bucket of a price in units of its decimals is price x a // b."""
    one = 10 ** (exact.PRICE_PLACES - price_decimals)
    common = gcd(one, height)
    return one // common, height // common


def _one_by_one(trades: TradeColumns, worth: Worth, firsts: Rows, height: int) -> list[PriceLevels]:
    above, below = _ratio(trades.price_decimals, height)
    places = worth.scale(trades.price_decimals, trades.qty_decimals).notional
    rows = list(zip(trades.price.tolist(), trades.qty.tolist(), trades.buy.tolist(), strict=True))
    starts = firsts.tolist()
    found = []
    for begin, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        bought: dict[int, int] = {}
        sold: dict[int, int] = {}
        traded: dict[int, int] = {}
        delta = highest = lowest = 0
        for price, qty, buy in rows[begin:end]:
            notional = (qty if worth.inverse else price * qty) * worth.factor
            number = price * above // below
            traded[number] = traded.get(number, 0) + 1
            side = bought if buy else sold
            side[number] = side.get(number, 0) + notional
            delta += notional if buy else -notional
            highest, lowest = max(highest, delta), min(lowest, delta)
        numbers = sorted(traded)
        buys, sells, counts = ([part.get(n, 0) for n in numbers] for part in (bought, sold, traded))
        found.append(PriceLevels(places, numbers, buys, sells, counts, highest, lowest))
    return found
