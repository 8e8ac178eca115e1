"""Exact sums over columns of trades: minute bars, many records at a time.

Columns are int64 while Python's integers prove that nothing can overflow, else Python integers;
the sums are the same. Every amount is a count of units at the places of ``ravequant.exact``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravequant import exact, swar_digits
from ravequant.swar_digits import Ints
from ravequant.trades.minute_bar import INVERSE_BASE_PLACES, MinuteBar, contract_worth
from ravequant.trades.scanner import Trades


def fold(
    trades: Trades, firsts: NDArray[np.int64], minutes: list[int], whale_notional: int
) -> list[MinuteBar]:
    """Return a bar for each run of records, which begin at ``firsts`` and belong to ``minutes``."""
    lows, highs = (bound.reduceat(trades.price, firsts) for bound in (np.minimum, np.maximum))
    if trades.contract.ct_type == "linear":
        amounts = _linear(trades, firsts, int(lows.min()), int(highs.max()), whale_notional)
    else:
        amounts = _inverse(trades, firsts, whale_notional)
    ends = np.concatenate((firsts[1:], [len(trades)]))
    lasts = ends - 1
    one = 10 ** (exact.PRICE_PLACES - trades.price_decimals)
    opens, closes = trades.price[firsts].tolist(), trades.price[lasts].tolist()
    low, high = lows.tolist(), highs.tolist()
    counts = (ends - firsts).tolist()
    first_ids = (trades.trade_id[firsts] - trades.count[firsts] + 1).tolist()
    last_ids = trades.trade_id[lasts].tolist()
    return [
        MinuteBar(
            minute,
            opens[i] * one,
            high[i] * one,
            low[i] * one,
            closes[i] * one,
            counts[i],
            *amounts[i],
            first_ids[i],
            last_ids[i],
        )
        for i, minute in enumerate(minutes)
    ]


Amounts = tuple[int, int, int, int, int, int, int, int, int, int, int]  # base … whale_sell_notional


def _linear(
    trades: Trades, starts: NDArray[np.int64], floor: int, top: int, whale_notional: int
) -> list[Amounts]:
    """Base is qty x worth and notional is base x price, so price x base is the notional again.

    ``floor`` and ``top`` are the lowest and the highest price.
    """
    price, qty = _safe(trades.price, trades.qty, floor, top)
    above = price - floor
    turnover = price * qty
    worth = contract_worth(trades.contract)
    base_one = worth * 10 ** (exact.SIZE_PLACES - trades.qty_decimals)
    decimals = trades.price_decimals + trades.qty_decimals
    one = worth * 10 ** (exact.PRICE_PLACES + exact.SIZE_PLACES - decimals)
    squares_one = one * 10 ** (exact.PRICE_PLACES - trades.price_decimals)
    to_price_base = 10 ** (exact.NOTIONAL_PLACES - exact.PRICE_PLACES - exact.BASE_PLACES)
    sizes, buy_sizes = _split(qty, trades.buy, starts)
    turnovers, buy_turnovers = _split(turnover, trades.buy, starts)
    whales = _whales(turnover, trades.buy, starts, -(-whale_notional // one))
    excess = np.add.reduceat(turnover * above, starts).tolist()
    return [
        (
            size * base_one,
            buy_size * base_one,
            (size - buy_size) * base_one,
            total * one,
            buy_total * one,
            (total - buy_total) * one,
            (over + floor * total) * squares_one,
            total * one // to_price_base,
            count,
            whale_buy * one,
            (whale - whale_buy) * one,
        )
        for size, buy_size, total, buy_total, over, (count, whale, whale_buy) in zip(
            sizes, buy_sizes, turnovers, buy_turnovers, excess, whales, strict=True
        )
    ]


def _safe(price: Ints, qty: Ints, floor: int, top: int) -> tuple[Ints, Ints]:
    """Return int64 columns if their products, summed, fit; else columns of Python integers."""
    small = object not in (price.dtype, qty.dtype)
    if small and swar_digits.fits(int(qty.max()) * len(qty)):
        turnover = top * int(qty.sum())
        if swar_digits.fits(turnover * max(top - floor, 1)):
            return price, qty
    return price.astype(object), qty.astype(object)


def _split(
    values: Ints, buy: NDArray[np.bool_], starts: NDArray[np.int64]
) -> tuple[list[int], list[int]]:
    """Return the sums of each run: of all, and of the taker's buys."""
    bought = np.add.reduceat(values * buy, starts).tolist()
    return np.add.reduceat(values, starts).tolist(), bought


def _whales(
    turnover: Ints, buy: NDArray[np.bool_], starts: NDArray[np.int64], threshold: int
) -> list[tuple[int, int, int]]:
    """Return (count, sum, sum of buys) of each run's records at or above ``threshold``."""
    found = [(0, 0, 0)] * len(starts)
    if int(turnover.max()) < threshold:
        return found
    rows = (turnover >= threshold).nonzero()[0]
    runs = (np.searchsorted(starts, rows, side="right") - 1).tolist()
    for run, value, bought in zip(runs, turnover[rows].tolist(), buy[rows].tolist(), strict=True):
        count, total, total_bought = found[run]
        found[run] = count + 1, total + value, total_bought + value * bought
    return found


def _inverse(trades: Trades, starts: NDArray[np.int64], whale_notional: int) -> list[Amounts]:
    """Notional is qty x worth; base is notional / price, rounded half-even, record by record."""
    price, qty = trades.price.astype(object), trades.qty.astype(object)
    worth = contract_worth(trades.contract)
    above, below = 10**trades.price_decimals, 10 ** (trades.qty_decimals + 2 * exact.SIZE_PLACES)
    base: NDArray[Any] = np.empty(len(trades), dtype=object)
    base[:] = [
        exact.divide(size * worth * above, at * below, INVERSE_BASE_PLACES)
        for size, at in zip(qty, price, strict=True)
    ]
    base_one = 10 ** (exact.BASE_PLACES - INVERSE_BASE_PLACES)
    price_one = 10 ** (exact.PRICE_PLACES - trades.price_decimals)
    one = worth * 10 ** (exact.NOTIONAL_PLACES - 2 * exact.SIZE_PLACES - trades.qty_decimals)
    bases, buy_bases = _split(base, trades.buy, starts)
    sizes, buy_sizes = _split(qty, trades.buy, starts)
    price_sizes = np.add.reduceat(price * qty, starts).tolist()
    price_bases = np.add.reduceat(price * base, starts).tolist()
    whales = _whales(qty, trades.buy, starts, -(-whale_notional // one))
    return [
        (
            bases[i] * base_one,
            buy_bases[i] * base_one,
            (bases[i] - buy_bases[i]) * base_one,
            sizes[i] * one,
            buy_sizes[i] * one,
            (sizes[i] - buy_sizes[i]) * one,
            price_sizes[i] * one * price_one,
            price_bases[i] * base_one * price_one,
            count,
            whale_buy * one,
            (whale - whale_buy) * one,
        )
        for i, (count, whale, whale_buy) in enumerate(whales)
    ]
