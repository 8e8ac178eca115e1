"""Columns of trades to bars: what is in order as whole parts, the rest record by record.

SPEC sections 3 and 4 decide on each record; of a stretch in which ids and minutes increase every
decision is known, and its sums are taken in columns.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from ravequant import exact, times
from ravequant.trades import column_sums
from ravequant.trades.bar_builder import BarBuilder, Closed, IsHole, Jump, Part
from ravequant.trades.minute_bar import Record
from ravequant.trades.scanner import Trades

FEW: Final = 64  # records that are sooner taken one by one than in columns


def closed_by(builder: BarBuilder, trades: Trades, is_hole: IsHole) -> Iterator[Closed]:
    """Add a stretch to ``builder``, whatever the order of its records; yield what it closes."""
    part = partial(trades, builder.whale_notional)
    if part is not None and builder.follows(part):
        yield builder.absorb(part, is_hole)
        return
    for piece in _in_order(trades):
        behind = _behind(builder, piece) if len(piece) > FEW else len(piece)
        if behind:
            few = piece.select(slice(behind))
            yield builder.take(_records(few), is_hole)
        part = partial(piece.select(slice(behind, None)), builder.whale_notional)
        if part is not None:
            yield builder.absorb(part, is_hole)


def _in_order(trades: Trades) -> Iterator[Trades]:
    """Cut a stretch where an id does not increase or a minute goes back."""
    ids, minutes = trades.trade_id, trades.ts // times.MINUTE_MS
    back = (ids[1:] <= ids[:-1]) | (minutes[1:] < minutes[:-1])
    for first, last in pairwise([0, *(np.flatnonzero(back) + 1).tolist(), len(trades)]):
        yield trades.select(slice(first, last))


def _behind(builder: BarBuilder, piece: Trades) -> int:
    """Return how many records of a piece in order repeat, or belong before, what was read."""
    if builder.last_id is None or builder.watermark is None:
        return 0
    repeated = np.searchsorted(piece.trade_id, builder.last_id, side="right")
    minutes = piece.ts // times.MINUTE_MS
    before = np.searchsorted(minutes, builder.watermark // times.MINUTE_MS, side="left")
    return int(max(repeated, before))


def _records(trades: Trades) -> Iterator[Record]:
    price_one = 10 ** (exact.PRICE_PLACES - trades.price_decimals)
    qty_one = 10 ** (exact.SIZE_PLACES - trades.qty_decimals)
    columns = trades.ts, trades.trade_id, trades.count, trades.buy, trades.price, trades.qty
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for ts, trade_id, ids, buy, price, qty in rows:
        yield Record(ts, trade_id, ids, buy, price * price_one, qty * qty_one, trades.contract)


def partial(trades: Trades, whale_notional: int) -> Part | None:
    """Return the partial bars of a stretch; None if its ids or minutes do not increase.

    Ids must increase strictly, minutes may stand still; in one minute times may go back, since
    nothing is late there. ``whale_notional`` is in units of ``exact.NOTIONAL_PLACES``.
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
    jumps = [
        Jump(int(ids[at]) + 1, int(before[at + 1]), int(ts[: at + 1].max()), int(ts[at + 1]))
        for at in ((missing > 0).nonzero()[0] if unusual else ())
    ]
    return Part(
        column_sums.fold(trades, firsts, minutes.tolist(), whale_notional),
        jumps,
        len(ids),
        int(before[0]) + 1,
        int(ids[0]),
        int(ids[-1]),
        int(ts[0]),
        int(ts.max()),
    )
