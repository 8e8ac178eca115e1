"""The newest snapshot and the newest raw trade as of rising moments, each file read once.

They are those of ``as_of.read``. Times of snapshots may be out of order as long as few lines claim
to be older than their place.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from functools import partial
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravequant import exact, times
from ravequant.signals import as_of, inputs
from ravequant.signals.derived_rows import FILES, newest_book, parsed
from ravequant.signals.inputs import BookRow, LastTrade
from ravequant.signals.seen import CLOSING_MS
from ravequant.trades.bar_reader import end_of
from ravequant.trades.rising_ids import NO_ID, largest_id, rising
from ravequant.trades.scanner import Scanner
from ravequant.vault.line_file import line_time, lines_backward, lines_forward
from ravequant.vault.paths import Vault, day_files
from ravequant.vault.tail import Tail

_BOOK_LINES: Final = 64  # newest lines of a minute among which a valid snapshot stands
_LOOK_BACK: Final = 1 << 9  # trades in which the newest of a minute is looked for first
_REMEDY: Final = "ask for the day again"


class BooksAsOf:
    """The newest snapshot as of rising moments: of each minute's lines one is decoded."""

    def __init__(self, vault: Vault, inst_id: str) -> None:
        self._vault, self._inst_id = vault, inst_id
        self._day = ""
        self._path: Path | None = None
        self._found: BookRow | None = None
        self._older: tuple[Path, BookRow | None] | None = None

    def at(self, until: int) -> tuple[Path, BookRow | None]:
        """Return the file of the newest snapshot not later than ``until`` (Unix ms), and it."""
        if times.day(until) != self._day:
            self._begin(times.day(until))
        if self._path is not None:
            self._go_on(self._path, until)
            if self._found is not None:
                return self._path, self._found
        if self._older is None:  # lines of older files are of their days
            self._older = newest_book(self._vault, self._inst_id, until)
        return self._older

    def _begin(self, day: str) -> None:
        self._day = day
        self._path = dict(FILES["buckets"].files(self._vault, self._inst_id)).get(day)
        self._lines = iter(()) if self._path is None else lines_forward(self._path)
        self._next = next(self._lines, None)
        self._found = self._older = None

    def _go_on(self, path: Path, until: int) -> None:
        """Read on to the first line later than ``until``."""
        newest = deque[bytes](maxlen=_BOOK_LINES)
        passed = 0
        while self._next is not None:
            time = line_time(self._next)
            if time is not None and time > until:
                break
            newest.append(self._next)
            passed += 1
            self._next = next(self._lines, None)
        row = next(parsed(path, reversed(newest), inputs.book), None)
        if row is not None:
            self._found = row
        elif passed > len(newest):  # none of so many is valid: an older one may be
            found_in, row = newest_book(self._vault, self._inst_id, until)
            self._found = row if found_in == path else self._found


# --- the newest raw trade ------------------------------------------------------------------------


class _TradePart(NamedTuple):
    """Consecutive believed trades of rising ids, of one file."""

    path: Path
    ts: NDArray[np.int64]
    price: NDArray[Any]  # in units of 10**-places
    places: int


class TradesAsOf:
    """The newest raw trade as of moments, by the rule of ``as_of.newest_trade``."""

    def __init__(self, vault: Vault, inst_id: str, first_ms: int, last_ms: int) -> None:
        self._vault, self._inst_id = vault, inst_id
        self._files = list(day_files(vault.trades(inst_id)))
        self._days = [day for day, _ in self._files]
        self._parts = self._read(first_ms, last_ms + CLOSING_MS)
        stamps = [part.ts for part in self._parts]
        self._ts = np.concatenate(stamps) if stamps else np.empty(0, dtype=np.int64)
        self._highest = np.maximum.accumulate(self._ts)
        self._starts = list(accumulate((len(part.ts) for part in self._parts), initial=0))
        self._plain = partial(as_of.newest_trade, vault, inst_id)
        self._asked: tuple[tuple[int | None, Path | None], tuple[Path, LastTrade | None]] | None
        self._asked = None

    def _read(self, first_ms: int, until: int) -> list[_TradePart]:
        """Read the files of the span; of trades before it the last is enough."""
        found: list[_TradePart] = []
        last_id = self._last_id_before(times.day(first_ms))
        for day, path in self._files:
            if not times.day(first_ms) <= day <= times.day(until):
                continue
            scanner = Scanner(self._inst_id, self._vault.exchange)
            tail = Tail(partial(iter, [(day, path)]), None, 0, remedy=_REMEDY)
            for block in tail.blocks():
                for trades in scanner.scan(block.data).stretches:
                    for stretch in trades.until(end_of(path.name)):
                        if stretch.ahead:
                            continue
                        trades_of, last_id = rising(stretch, last_id)
                        part = _TradePart(
                            path, trades_of.ts, trades_of.price, trades_of.price_decimals
                        )
                        if len(part.ts) and part.ts.max() < first_ms - times.HOUR_MS:
                            part = part._replace(
                                ts=part.ts[-1:].copy(), price=part.price[-1:].copy()
                            )
                            found.clear()
                        if len(part.ts):
                            found.append(part)
        return found

    def _last_id_before(self, day: str) -> int:
        """Return the largest id among the newest lines of the file before a day."""
        place = bisect_left(self._days, day) - 1
        if place < 0:
            return NO_ID
        lines = islice(lines_backward(self._files[place][1]), as_of.OVERLAP)
        return largest_id(lines, self._inst_id, self._vault.exchange, ahead=False)

    def at(self, until: int) -> tuple[Path, LastTrade | None]:
        """Return the newest trade as of ``until`` (Unix ms), None without any, and its file."""
        closing = until + CLOSING_MS
        newest = bisect_right(self._days, times.day(closing)) - 1
        newest_file = self._files[newest][1] if newest >= 0 else None
        place = self._place(until, int(np.searchsorted(self._highest, closing)))
        if place is not None:
            number = bisect_right(self._starts, place) - 1
            part = self._parts[number]
            if part.path == newest_file:
                price = int(part.price[place - self._starts[number]])
                scale = 10 ** (exact.PRICE_PLACES - part.places)
                return part.path, LastTrade(int(self._ts[place]), price * scale)
        key = place, newest_file
        if self._asked is None or self._asked[0] != key:  # soon after midnight, or idle since
            self._asked = key, self._plain(until)
        return self._asked[1]

    def _place(self, until: int, end: int) -> int | None:
        """Return the place of the last trade before ``end`` that is not later than ``until``."""
        size = _LOOK_BACK
        while end > 0:
            start = max(0, end - size)
            found = np.flatnonzero(self._ts[start:end] <= until)
            if len(found):
                return start + int(found[-1])
            end, size = start, 2 * size
        return None
