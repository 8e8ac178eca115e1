"""Fault ``book_lag``: a feed whose books come late and carry the time at which they come."""

import random
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ravequant import exact
from ravequant.records import Trade
from ravequant.sim.faults import Fault
from ravequant.sim.feed import BookChange, Feed, Level


def of(feed: Feed, faults: Iterable[Fault], opened_ms: int) -> Feed:
    """Return the feed, with late books if a fault of the script asks for them."""
    late = [fault for fault in faults if fault.kind == "book_lag"]
    return LateBooks(feed, late, opened_ms) if late else feed


class LateBooks:
    """A feed that holds each change of a book back for a while; trades are on time."""

    def __init__(self, feed: Feed, faults: list[Fault], opened_ms: int) -> None:
        self._feed, self._faults, self._opened_ms = feed, faults, opened_ms
        self._random = random.Random("book_lag")
        self._waiting: dict[str, deque[tuple[int, BookChange]]] = {}
        self._shown: dict[str, _ShownBook] = {}
        self.instruments: Mapping[str, Mapping[str, Any]] = feed.instruments
        self.start_ms, self.end_ms = feed.start_ms, feed.end_ms

    def __getattr__(self, name: str) -> Any:
        return getattr(self._feed, name)  # such as the fills of a record

    def trades(self, until_ms: int) -> list[tuple[str, Trade]]:
        """Return the records of the feed."""
        return self._feed.trades(until_ms)

    def books(self, until_ms: int) -> list[BookChange]:
        """Return the changes whose time has come, with the time ``until_ms``."""
        for change in self._feed.books(until_ms):
            waiting = self._waiting.setdefault(change.inst_id, deque())
            due = change.ts + self._lag(change)
            waiting.append((max(due, waiting[-1][0]) if waiting else due, change))
        found = []
        for inst_id, waiting in self._waiting.items():
            while waiting and (waiting[0][0] <= until_ms or inst_id not in self._shown):
                change = replace(waiting.popleft()[1], ts=until_ms)
                self._shown.setdefault(inst_id, _ShownBook()).take(change)
                found.append(change)
        return found

    def _lag(self, change: BookChange) -> int:
        elapsed = change.ts - self._opened_ms
        for fault in self._faults:
            if fault.inst_id in (None, change.inst_id) and fault.in_time(elapsed):
                return self._random.randint(0, fault.delay_ms)
        return 0

    def snapshot(self, inst_id: str, depth: int) -> BookChange | None:
        """Return the late book; of more levels than a push has, the book as it is."""
        shown = self._shown.get(inst_id)
        if shown is None or depth > shown.depth:
            return self._feed.snapshot(inst_id, depth)
        return shown.book(depth)


class _ShownBook:
    """A book as its pushes have shown it."""

    def __init__(self) -> None:
        self.depth = 0
        self._newest: BookChange | None = None
        self._sides: tuple[dict[int, Level], dict[int, Level]] = ({}, {})

    def take(self, change: BookChange) -> None:
        """Apply a snapshot or an update."""
        if change.snapshot:
            self._sides = ({}, {})
            self.depth = max(len(change.bids), len(change.asks))
        for side, levels in zip(self._sides, (change.bids, change.asks), strict=True):
            for level in levels:
                price = exact.units(level[0], exact.PRICE_PLACES)
                if level[1] == "0":
                    side.pop(price, None)
                else:
                    side[price] = level
        self._newest = change

    def book(self, depth: int) -> BookChange | None:
        """Return it as a snapshot of so many levels a side."""
        if self._newest is None:
            return None
        bids, asks = self._sides
        return replace(
            self._newest,
            snapshot=True,
            bids=tuple(bids[price] for price in sorted(bids, reverse=True)[:depth]),
            asks=tuple(asks[price] for price in sorted(asks)[:depth]),
            prev_seq_id=-1,
        )
