"""The minutes of a day's fills, which the archive's own candles must show too."""

from typing import NamedTuple

import numpy as np

from ravequant import exact, times
from ravequant.contract import Contract, amounts
from ravequant.trades.fast_scan import Columns
from ravequant.trades.joining import sums


class MinuteOfFills(NamedTuple):
    """One UTC minute with fills, in order of their ids; all numbers count units of `exact`."""

    open: int
    high: int
    low: int
    close: int
    qty: int  # contracts
    coins: int | None = None  # in units of a base; None for an inverse contract, where it rounds


class MinuteSums:
    """Adds fills up by the minute of their own time."""

    def __init__(self) -> None:
        self._minutes: dict[int, tuple[int, int, int, int, int]] = {}

    def add(self, of: Columns) -> None:
        """Take in the next fills (at least one)."""
        minute = of.ts // times.MINUTE_MS
        starts = np.concatenate(([0], (minute[1:] != minute[:-1]).nonzero()[0] + 1))
        ends = np.append(starts[1:], len(minute)) - 1
        price = 10 ** (exact.PRICE_PLACES - of.price_decimals)
        qty = 10 ** (exact.SIZE_PLACES - of.qty_decimals)
        columns = (
            (of.price[starts], price),
            (np.maximum.reduceat(of.price, starts), price),
            (np.minimum.reduceat(of.price, starts), price),
            (of.price[ends], price),
            (sums(of.qty, starts), qty),
        )
        found = zip(*([value * unit for value in c.tolist()] for c, unit in columns), strict=True)
        for number, (first, high, low, last, size) in zip(
            minute[starts].tolist(), found, strict=True
        ):
            known = self._minutes.get(number)
            if known is None:
                self._minutes[number] = first, high, low, last, size
            else:
                merged = known[0], max(known[1], high), min(known[2], low), last, known[4] + size
                self._minutes[number] = merged

    def minutes(self, contract: Contract) -> dict[int, MinuteOfFills]:
        """Return all minutes so far, with the coins of a linear contract."""
        worth = amounts(contract, 1, 1)[0] if contract.ct_type == "linear" else None
        return {
            number: MinuteOfFills(*found, None if worth is None else found[4] * worth)
            for number, found in self._minutes.items()
        }
