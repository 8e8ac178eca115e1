"""Book messages as the archive has them: steps of 10 ms, a whole book at times; pure."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ravequant import times
from ravequant.sim.bookframes import RecordedBook
from ravequant.sim.feed import BookChange, Feed, Level

STEP_MS: Final = 10
DEEP_LEVELS: Final = 5000
LEVELS: Final = 400
_MOST_STEPS: Final = 7
_LOOK_MS: Final = 100
_DEEP_MS: Final = 1_000
_FEW: Final = 200  # levels removed on a side; more of them, and the message stays whole


def fine_steps(change: BookChange) -> list[BookChange]:
    """Return an update as several, 10 ms apart, of which the last has its time and its seq_id.

    Levels are removed before others are set, so no book on the way is crossed or too deep. A
    snapshot stays whole, and so does an update whose sequence has no ids between.
    """
    levels = _removals_first(change)
    room = change.seq_id - change.prev_seq_id
    count = 1 if change.snapshot or levels is None else min(_MOST_STEPS, room, len(levels))
    if levels is None or count <= 1:
        return [change]
    steps = []
    for k in range(count):
        part = levels[len(levels) * k // count : len(levels) * (k + 1) // count]
        last = k == count - 1
        steps.append(
            BookChange(
                change.inst_id,
                change.ts - STEP_MS * (count - 1 - k),
                snapshot=False,
                bids=tuple(level for is_bid, level in part if is_bid),
                asks=tuple(level for is_bid, level in part if not is_bid),
                seq_id=change.seq_id if last else change.prev_seq_id + k + 1,
                prev_seq_id=change.prev_seq_id + k,
            )
        )
    return steps


def _removals_first(change: BookChange) -> list[tuple[bool, Level]] | None:
    """Return (is a bid, level) of all levels; None if a side would lose most of its levels."""
    sides = [(True, level) for level in change.bids], [(False, level) for level in change.asks]
    gone = [[pair for pair in side if float(pair[1][1]) == 0] for side in sides]
    if max(map(len, gone)) >= _FEW:
        return None
    set_anew = [pair for side in sides for pair in side if float(pair[1][1]) != 0]
    return gone[0] + gone[1] + set_anew


def book_messages(
    feed: Feed, until_ms: int, *, snapshot_every_ms: int = times.MINUTE_MS, fine: bool = True
) -> Iterator[BookChange]:
    """Yield the messages of all instruments of a feed up to a time, as the archive has them.

    Each UTC day of an instrument begins with a snapshot, and each ``snapshot_every_ms`` of its
    time a further snapshot stands in the place of the update of that moment. ``fine``: steps of
    10 ms.
    """
    books: dict[str, RecordedBook] = {}
    periods: dict[str, int] = {}
    for now in _moments(feed, until_ms, _LOOK_MS):
        feed.trades(now)
        for change in feed.books(now):
            book = books.setdefault(change.inst_id, RecordedBook(change.inst_id))
            for step in fine_steps(change) if fine else [change]:
                book.apply(step)
                period = step.ts // snapshot_every_ms
                if periods.get(change.inst_id) == period and not step.snapshot:
                    yield step
                    continue
                periods[change.inst_id] = period
                yield replace(book.snapshot(LEVELS), prev_seq_id=-1)


def deep_messages(
    feed: Feed, until_ms: int, *, snapshot_every_ms: int = 15 * times.MINUTE_MS
) -> Iterator[BookChange]:
    """Yield the messages of the 5000-level books of a feed: one a second, of changed books."""
    shown: dict[str, BookChange] = {}
    periods: dict[str, int] = {}
    for now in _moments(feed, until_ms, _DEEP_MS):
        feed.trades(now)
        feed.books(now)
        for inst_id in feed.instruments:
            book = feed.snapshot(inst_id, DEEP_LEVELS)
            before = shown.get(inst_id)
            if book is None or (before is not None and book.ts <= before.ts):
                continue
            shown[inst_id] = book
            period = book.ts // snapshot_every_ms
            fresh = periods.get(inst_id) != period
            periods[inst_id] = period
            message = book if before is None or fresh else _between(before, book)
            if message.bids or message.asks:
                yield message


def _moments(feed: Feed, until_ms: int, step_ms: int) -> Iterator[int]:
    """Yield the times at which the feed is asked: whole steps, and the end."""
    yield from range(feed.start_ms + step_ms, until_ms, step_ms)
    yield until_ms


def _between(before: BookChange, book: BookChange) -> BookChange:
    return BookChange(
        book.inst_id,
        book.ts,
        snapshot=False,
        bids=_changed(before.bids, book.bids),
        asks=_changed(before.asks, book.asks),
        seq_id=book.seq_id,
        prev_seq_id=before.seq_id,
    )


def _changed(before: tuple[Level, ...], after: tuple[Level, ...]) -> tuple[Level, ...]:
    known = {level[0]: level for level in before}
    kept = {level[0] for level in after}
    gone = tuple((price, "0", "0") for price in known if price not in kept)
    return gone + tuple(level for level in after if known.get(level[0]) != level)
