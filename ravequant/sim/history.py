"""The trades the exchange has published, for REST: columns per instrument, paged by id or time."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import islice
from sys import intern

from ravequant.records import Side, Trade

Split = Callable[[Trade], list[Trade]]  # a record to its single fills, ascending in id


class TradeHistory:
    """Records of one instrument, ascending in id; a million take some 60 MB."""

    def __init__(self) -> None:
        self._ids = array("q")
        self._counts = array("q")
        self._times = array("q")
        self._latest = array("q")  # largest time so far, for paging by time
        self._sides: list[Side] = []
        self._prices: list[str] = []
        self._sizes: list[str] = []
        self._sources: list[str] = []

    def __len__(self) -> int:
        return len(self._ids)

    def append(self, trade: Trade) -> None:
        """Add the newest record."""
        latest = self._latest[-1] if self._latest else 0
        self._ids.append(trade.trade_id)
        self._counts.append(trade.count)
        self._times.append(trade.ts)
        self._latest.append(max(latest, trade.ts))
        self._sides.append(trade.side)
        self._prices.append(intern(trade.price))
        self._sizes.append(intern(trade.qty))
        self._sources.append(trade.source)

    def record(self, index: int) -> Trade:
        """Return the record at an index; negative ones count from the end."""
        return Trade(
            self._times[index],
            self._ids[index],
            self._sides[index],
            self._prices[index],
            self._sizes[index],
            self._counts[index],
            self._sources[index],
        )

    def newest(self, limit: int, split: Split) -> list[Trade]:
        """Return the newest single fills, newest first."""
        return _take(self._backwards(len(self), split), limit)

    def by_id(self, after: int | None, before: int | None, limit: int, split: Split) -> list[Trade]:
        """Return fills with before < id < after, newest first."""
        index = len(self) if after is None else bisect_left(self._ids, after)
        # the record at the index ends at or above `after`, but may begin below it
        page = []
        for fill in self._backwards(min(index + 1, len(self)), split):
            if before is not None and fill.trade_id <= before:
                break
            if after is None or fill.trade_id < after:
                page.append(fill)
                if len(page) == limit:
                    break
        return page

    def by_time(self, after_ms: int | None, limit: int, split: Split) -> list[Trade]:
        """Return fills older than ``after_ms``, newest first."""
        index = len(self) if after_ms is None else bisect_left(self._latest, after_ms)
        return _take(self._backwards(index, split), limit)

    def _backwards(self, end: int, split: Split) -> Iterator[Trade]:
        for index in range(end - 1, -1, -1):
            yield from reversed(split(self.record(index)))


def _take(fills: Iterator[Trade], limit: int) -> list[Trade]:
    return list(islice(fills, limit))
