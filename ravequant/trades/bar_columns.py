"""Columns of trades to minute bars: records in order as partial bars, the rest one by one.

SPEC sections 3 and 4 decide on each record. Where ids and minutes increase every decision is known
beforehand, so the sums of many records are taken at once. Columns are int64 where Python's integers
prove that nothing can overflow, else Python integers; the sums are the same.
"""

from collections.abc import Iterator
from itertools import pairwise, repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ravequant import contract, exact, swar_digits, times
from ravequant.swar_digits import Ints
from ravequant.trades.bar_builder import BarBuilder, Closed, IdGap, IsGap, PartialBars
from ravequant.trades.level_columns import levels_of_runs
from ravequant.trades.minute_bar import NEVER, NO_SUMS, MinuteBar, Record
from ravequant.trades.scanner import TradeColumns

FEW: Final = 64  # records that are taken one by one faster than in columns
_LOW_HALF: Final = (1 << 32) - 1
Rows = NDArray[np.int64]
# base … whale_sell_notional, and square_notional
Amounts = tuple[tuple[int, int, int, int, int, int, int, int, int, int, int], int]


def closed_by(
    builder: BarBuilder, trades: TradeColumns, is_gap: IsGap, end: int = NEVER
) -> Iterator[Closed]:
    """Add trades in any order to ``builder``; yield the minutes that they close.

    ``end`` (Unix ms) is that of their file's day: a trade from there on is ahead.
    """
    partial = None if trades.ahead else partial_bars(trades, builder.whale_notional, builder.bucket)
    if partial is not None and partial.watermark < end and builder.follows(partial):
        yield builder.absorb(partial, is_gap)
        return
    for part in trades.until(end):
        if part.ahead:
            yield builder.take(_records(part), is_gap)
        else:
            yield from _closed_in_order(builder, part, is_gap)


def _closed_in_order(builder: BarBuilder, trades: TradeColumns, is_gap: IsGap) -> Iterator[Closed]:
    for ordered in _in_order(trades):
        behind = _behind(builder, ordered) if len(ordered) > FEW else len(ordered)
        if behind:
            few = ordered.select(slice(behind))
            yield builder.take(_records(few), is_gap)
        rest = ordered.select(slice(behind, None))
        partial = partial_bars(rest, builder.whale_notional, builder.bucket)
        if partial is not None:
            yield builder.absorb(partial, is_gap)


def _in_order(trades: TradeColumns) -> Iterator[TradeColumns]:
    """Cut trades where an id does not increase or a minute goes back."""
    ids, minutes = trades.trade_id, trades.ts // times.MINUTE_MS
    back = (ids[1:] <= ids[:-1]) | (minutes[1:] < minutes[:-1])
    for first, last in pairwise([0, *(np.flatnonzero(back) + 1).tolist(), len(trades)]):
        yield trades.select(slice(first, last))


def _behind(builder: BarBuilder, ordered: TradeColumns) -> int:
    """Return how many of the first records repeat, or precede, the last record read."""
    if builder.last_id is None:
        return 0
    repeated = np.searchsorted(ordered.trade_id, builder.last_id, side="right")
    minutes = ordered.ts // times.MINUTE_MS
    before = np.searchsorted(minutes, builder.reached // times.MINUTE_MS, side="left")
    return int(max(repeated, before))


def _records(trades: TradeColumns) -> Iterator[Record]:
    price_one = 10 ** (exact.PRICE_PLACES - trades.price_decimals)
    qty_one = 10 ** (exact.SIZE_PLACES - trades.qty_decimals)
    columns = trades.ts, trades.trade_id, trades.count, trades.buy, trades.price, trades.qty
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for ts, trade_id, ids, buy, price, qty in rows:
        numbers = ts, trade_id, ids, buy, price * price_one, qty * qty_one
        yield Record(*numbers, trades.contract, trades.ahead)


def partial_bars(trades: TradeColumns, whale_notional: int, bucket: int = 0) -> PartialBars | None:
    """Return trades as partial bars; None without any, or if ids or minutes do not increase.

    Ids must increase strictly, minutes may stand still; in one minute times may go back, since
    nothing is late there. ``whale_notional`` is in units of ``exact.NOTIONAL_PLACES``, ``bucket``,
    the height of price levels, in those of ``exact.PRICE_PLACES``; 0: no levels.
    """
    if not len(trades):
        return None
    ids, ts = trades.trade_id, trades.ts
    before = ids - trades.count  # the id before those of the record
    missing = before[1:] - ids[:-1]  # above 0: ids that no record has; below: ids that two have
    unusual = bool(missing.any())
    if unusual and not bool((ids[1:] > ids[:-1]).all()):
        return None
    minutes = ts // times.MINUTE_MS
    firsts = np.concatenate(([0], (minutes[1:] != minutes[:-1]).nonzero()[0] + 1))
    minutes = minutes[firsts]
    if not bool((minutes[1:] > minutes[:-1]).all()):
        return None
    id_gaps = [
        IdGap(int(ids[at]) + 1, int(before[at + 1]), int(ts[: at + 1].max()), int(ts[at + 1]))
        for at in ((missing > 0).nonzero()[0] if unusual else ())
    ]
    return PartialBars(
        _bars(trades, firsts, minutes.tolist(), whale_notional, bucket),
        id_gaps,
        len(ids),
        int(before[0]) + 1,
        int(ids[0]),
        int(ids[-1]),
        int(ts[0]),
        int(ts.max()),
    )


def _bars(
    trades: TradeColumns, firsts: Rows, minutes: list[int], whale_notional: int, bucket: int
) -> list[MinuteBar]:
    """Return a bar for each run of records, which begin at ``firsts`` and belong to ``minutes``."""
    lows, highs = (bound.reduceat(trades.price, firsts) for bound in (np.minimum, np.maximum))
    ends = np.concatenate((firsts[1:], [len(trades)]))
    lasts = ends - 1
    one = 10 ** (exact.PRICE_PLACES - trades.price_decimals)
    opens, closes = trades.price[firsts].tolist(), trades.price[lasts].tolist()
    low, high = lows.tolist(), highs.tolist()
    counts = (ends - firsts).tolist()
    first_ids = (trades.trade_id[firsts] - trades.count[firsts] + 1).tolist()
    last_ids = trades.trade_id[lasts].tolist()
    if bucket:
        prices = ([price * one for price in column] for column in (opens, high, low, closes))
        levels = levels_of_runs(trades, firsts, bucket)
        fixed = map(repeat, (*NO_SUMS,))
        columns = (minutes, *prices, counts, *fixed, first_ids, last_ids)
        rest = (repeat(False), repeat(None), levels)  # noqa: FBT003 - no gap yet
        return list(map(MinuteBar._make, zip(*columns, *rest, strict=False)))
    amounts = _amounts(trades, firsts, int(lows.min()), int(highs.max()), whale_notional)
    return [
        MinuteBar(
            minute,
            opens[i] * one,
            high[i] * one,
            low[i] * one,
            closes[i] * one,
            counts[i],
            *amounts[i][0],
            first_ids[i],
            last_ids[i],
            square_notional=amounts[i][1],
        )
        for i, minute in enumerate(minutes)
    ]


def _amounts(
    trades: TradeColumns, starts: Rows, lowest: int, highest: int, whale_notional: int
) -> list[Amounts]:
    """Return the amounts of each run; ``lowest`` and ``highest`` are prices of all of them.

    The sums of price x notional are taken with the prices above the lowest one: smaller products.
    """
    worth = contract.worth_of(trades.contract)
    places = trades.price_decimals, trades.qty_decimals
    price, qty = _safe(trades.price, trades.qty, lowest, highest, inverse=worth.inverse)
    notional, base = worth.notional(price, qty), qty
    if worth.inverse:
        base = np.array(worth.inverse_base(price, qty, *places), dtype=object)
    one, base_one = worth.factors(*places, contract.FINEST)
    price_one = 10 ** (exact.PRICE_PLACES - trades.price_decimals)
    bases, buy_bases = _split(base, trades.buy, starts)
    totals, buy_totals = _split(notional, trades.buy, starts)
    above = price - lowest
    excesses = notional * above
    excess = np.add.reduceat(excesses, starts).tolist()
    squares = _square_sums(excesses, above, highest - lowest, starts)
    price_bases = totals  # linear: price x size once more
    if worth.inverse:
        price_bases = np.add.reduceat(price * base, starts).tolist()
    whales = _whales(notional, trades.buy, starts, -(-whale_notional // one))
    return [
        (
            (
                bases[i] * base_one,
                buy_bases[i] * base_one,
                (bases[i] - buy_bases[i]) * base_one,
                totals[i] * one,
                buy_totals[i] * one,
                (totals[i] - buy_totals[i]) * one,
                (excess[i] + lowest * totals[i]) * one * price_one,
                price_bases[i] * base_one * price_one,
                count,
                whale_buy * one,
                (whale - whale_buy) * one,
            ),
            (squares[i] + lowest * (2 * excess[i] + lowest * totals[i])) * one * price_one**2,
        )
        for i, (count, whale, whale_buy) in enumerate(whales)
    ]


def _square_sums(excesses: Ints, above: Ints, highest: int, starts: Rows) -> list[int]:
    """Return the sums of excess x price above the lowest one of each run.

    Of int64 columns the products need more than 64 bits, so the excesses are taken in two halves;
    ``highest`` is the largest price above the lowest one.
    """
    if excesses.dtype != object and swar_digits.fits((len(above) << 32) * max(highest, 1)):
        high, low = (
            np.add.reduceat(half * above, starts).tolist()
            for half in (excesses >> 32, excesses & _LOW_HALF)
        )
        return [(upper << 32) + lower for upper, lower in zip(high, low, strict=True)]
    return list(np.add.reduceat(excesses.astype(object) * above, starts).tolist())


def _safe(price: Ints, qty: Ints, lowest: int, highest: int, *, inverse: bool) -> tuple[Ints, Ints]:
    """Return int64 columns if their products, summed, fit; else columns of Python integers."""
    small = object not in (price.dtype, qty.dtype) and not inverse
    if small and swar_digits.fits(int(qty.max()) * len(qty)):
        turnover = highest * int(qty.sum())
        if swar_digits.fits(turnover * max(highest - lowest, 1)):
            return price, qty
    return price.astype(object), qty.astype(object)


def _split(values: Ints, buy: NDArray[np.bool_], starts: Rows) -> tuple[list[int], list[int]]:
    """Return the sums of each run: of all, and of the taker's buys."""
    bought = np.add.reduceat(values * buy, starts).tolist()
    return np.add.reduceat(values, starts).tolist(), bought


def _whales(
    notional: Ints, buy: NDArray[np.bool_], starts: Rows, threshold: int
) -> list[tuple[int, int, int]]:
    """Return (count, sum, sum of buys) of each run's records at or above ``threshold``."""
    found = [(0, 0, 0)] * len(starts)
    if int(notional.max()) < threshold:
        return found
    rows = (notional >= threshold).nonzero()[0]
    runs = (np.searchsorted(starts, rows, side="right") - 1).tolist()
    for run, value, bought in zip(runs, notional[rows].tolist(), buy[rows].tolist(), strict=True):
        count, total, total_bought = found[run]
        found[run] = count + 1, total + value, total_bought + value * bought
    return found
