"""Trade ids rise: a record whose id is not above all before it is a repetition."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ravequant.records import DEFAULT_EXCHANGE, RecordError, parse_trade
from ravequant.trades.scanner import TradeColumns

NO_ID = -1  # before the first record


def largest_id(
    lines: Iterable[bytes], inst_id: str, exchange: str = DEFAULT_EXCHANGE, *, ahead: bool = True
) -> int:
    """Return the largest id of the valid lines, NO_ID without one.

    Without ``ahead`` lines whose time is ahead do not count.
    """
    largest = NO_ID
    for line in lines:
        try:
            trade, _ = parse_trade(line, inst_id, exchange)
        except RecordError:
            continue
        if ahead or not trade.ahead:
            largest = max(largest, trade.trade_id)
    return largest


def rising(trades: TradeColumns, after: int) -> tuple[TradeColumns, int]:
    """Return the records whose ids are above ``after`` and all before them, and the largest id."""
    fresh = is_fresh(trades.trade_id, after)
    newest = max(after, int(trades.trade_id.max())) if len(trades) else after
    return trades if fresh.all() else trades.select(fresh), newest


def is_fresh(trade_id: NDArray[np.int64], after: int) -> NDArray[np.bool_]:
    """Return which ids are above ``after`` and all before them."""
    before = np.maximum.accumulate(np.concatenate(([after], trade_id)))
    fresh: NDArray[np.bool_] = trade_id > before[:-1]
    return fresh
