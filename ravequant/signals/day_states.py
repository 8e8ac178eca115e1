"""The market state as of each minute of a span, each file read once (SPEC section 11, "As of").

It is the state that ``as_of.read`` gives of each minute, without snapshots of the past.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic

from ravequant import times
from ravequant.signals import inputs
from ravequant.signals.derived_rows import (
    FILES,
    Record,
    WickEvent,
    first_minute,
    parsed,
    take_event,
    terms,
    tick_at,
    tracked,
    whole,
    wick_event,
)
from ravequant.signals.inputs import VwapRow, WickAsOf
from ravequant.signals.limits import Stream
from ravequant.signals.market_state import MarketState
from ravequant.signals.newest_as_of import BooksAsOf, TradesAsOf
from ravequant.vault.line_file import TIME_KEY, LineFile, is_there
from ravequant.vault.paths import StrPath, Vault


class DayStates:
    """The market states of an instrument at the minutes of a span, asked in ascending order.

    Wicks reach ``back`` minutes farther than a day. Raises VaultError for a file that cannot be
    read.
    """

    def __init__(
        self, vault: Vault, inst_id: str, first_minute: int, last_minute: int, *, back: int
    ) -> None:
        self._inst_id, self._root, self._back = inst_id, vault.root, back
        self._tracked = tracked(vault, inst_id)  # before the events: a commit writes these first
        self._places = {name: data.place(vault, inst_id) for name, data in FILES.items()}
        day_before, oldest = first_minute - times.DAY_MINUTES, self._since(first_minute)
        until = _ms(last_minute)
        self._wicks = _WicksAsOf(self._places["wicks"], oldest, until)
        self._volume = _RowsAsOf(self._places["volume"], inputs.volume, oldest, until)
        self._cvd = _RowsAsOf(self._places["cvd"], inputs.cvd, day_before, until)
        self._vwap = _RowsAsOf(
            self._places["vwap"], _vwap_parser(self._places["vwap"]), day_before, until
        )
        self._books = BooksAsOf(vault, inst_id)
        self._trades = TradesAsOf(vault, inst_id, _ms(first_minute), until)
        self._terms = terms(vault, inst_id)

    def _since(self, minute: int) -> int:
        return minute - times.DAY_MINUTES - self._back

    def at(self, minute: int) -> MarketState:
        """Return the state as of a minute of the span, not earlier than that asked before."""
        since, day_before = self._since(minute), minute - times.DAY_MINUTES
        wicks, newest_event = self._wicks.at(since, minute)
        book_file, book = self._books.at(_ms(minute))
        trade_file, trade = self._trades.at(_ms(minute))
        files = self._places | {"trades": trade_file, "buckets": book_file}
        return MarketState(
            inst_id=self._inst_id,
            minute=minute,
            wicks=wicks,
            newest_event=newest_event,
            tracked=None if self._tracked is None else min(self._tracked, minute),
            volume=self._volume.at(since, minute),
            cvd=self._cvd.at(day_before, minute),
            vwap=self._vwap.at(day_before, minute),
            book=book,
            trade=trade,
            tick=tick_at(self._terms, minute),
            files=self._names(files),
        )

    def _names(self, files: dict[Stream, Path]) -> dict[Stream, str]:
        return {name: path.relative_to(self._root).as_posix() for name, path in files.items()}


def _ms(minute: int) -> int:
    return minute * times.MINUTE_MS


# --- minute rows and wick events -----------------------------------------------------------------


class _Span(Generic[Record]):
    """The lines of a file from a minute on, parsed, and how many of them a moment has behind it."""

    def __init__(
        self, path: StrPath, key: str, parse: Callable[[Any], Record], since: int, until: int
    ) -> None:
        self._path, self._key, self._parse, self._before = path, key, parse, _ms(since) - 1
        self.records: list[Record] = []
        self._counts: list[int] = []  # valid records before each line
        self._times: list[int | None] = []
        if is_there(path):
            with LineFile(path, key) as file:
                lines = file.between(self._before, until)
                self.records.extend(parsed(path, self._counted(file, lines), parse))
        self._counts.append(len(self.records))
        known = (-1 if moment is None else moment for moment in self._times)
        self._newest = list(accumulate(known, max))

    def _counted(self, file: LineFile, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            self._counts.append(len(self.records))
            self._times.append(file.time_of(line))
            yield line

    def count(self, moment: int) -> int:
        """Return the number of records before the first line later than ``moment`` (Unix ms)."""
        return self._counts[bisect_right(self._newest, moment)]

    def newest_minute(self, moment: int) -> int | None:
        """Return the minute of the newest line, valid or not, that is not later than a moment."""
        lines = reversed(self._times[: bisect_right(self._newest, moment)])
        found = next((time for time in lines if time is not None), None)
        return self._oldest if found is None else found // times.MINUTE_MS

    @cached_property
    def older(self) -> Record | None:
        """The newest valid record before the span."""
        if not is_there(self._path):
            return None
        with LineFile(self._path, self._key) as file:
            return next(parsed(self._path, file.newest(self._before), self._parse), None)

    @cached_property
    def _oldest(self) -> int | None:
        if not is_there(self._path):
            return None
        with LineFile(self._path, self._key) as file:
            return first_minute(file, file.newest(self._before))


class _RowsAsOf(Generic[Record]):
    """The rows of a minute file that ended by a minute."""

    def __init__(
        self, path: StrPath, parse: Callable[[Any], Record], since: int, until: int
    ) -> None:
        self._span = _Span(path, TIME_KEY, parse, since, until)

    def at(self, since: int, minute: int) -> tuple[Record, ...]:
        span = self._span
        end = span.count(_ms(minute - 1))
        found = tuple(span.records[span.count(_ms(since) - 1) : end])
        if found:
            return found
        newest = span.records[end - 1] if end else span.older
        return () if newest is None else (newest,)


def _vwap_parser(path: StrPath) -> Callable[[Any], VwapRow]:
    """Return the parser of the rows of this file, which knows where it begins."""
    first = None
    if is_there(path):
        with LineFile(path) as file:
            first = first_minute(file, file.forward(0))
    return lambda row: whole(inputs.vwap(row), first)


class _WicksAsOf:
    """The wicks by their status as of a minute: events come in at one end, and leave at the other.

    Without an older created event its wick is gone, as if it had never been.
    """

    def __init__(self, path: StrPath, since: int, until: int) -> None:
        self._span = _Span(path, FILES["wicks"].key, wick_event, since, until)
        self._born: dict[str, WickAsOf] = {}
        self._created = Counter[str]()  # created events of each name among those taken
        self._first = self._end = 0

    def at(self, since: int, minute: int) -> tuple[tuple[WickAsOf, ...], int | None]:
        """Return the wicks, and the minute of the newest event."""
        events = self._span.records
        first, end = self._span.count(_ms(since) - 1), self._span.count(_ms(minute))
        for event in events[self._end : end]:
            take_event(self._born, event)
            self._created.update(_name_of_created(event))
        again = False
        for event in events[self._first : first]:
            for name in _name_of_created(event):
                self._created[name] -= 1
                again = again or self._created[name] > 0
                self._born.pop(name, None)
        self._first, self._end = first, end
        if again:  # another event of that name remains
            self._born = {}
            for event in events[first:end]:
                take_event(self._born, event)
        newest = events[end - 1].known if end > first else self._span.newest_minute(_ms(minute))
        return tuple(self._born.values()), newest


def _name_of_created(event: WickEvent) -> Sequence[str]:
    return (event.wick.event_id,) if isinstance(event.wick, WickAsOf) else ()
