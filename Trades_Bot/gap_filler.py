"""Puts live rows and back-filled pages into one strictly increasing sequence; pure, no I/O.

One `GapFiller` per instrument (SPEC section 3). Live rows go in by `live`, answers of REST by
`page` or `failed`; `request` returns the next page to ask for, `take` the rows to write, in order.
Time is a monotonic float of seconds that comes in with each call.
"""

from collections.abc import Collection, Sequence
from typing import Final

from ravequant.exchanges.base import PageLimits
from ravequant.records import Trade, join, same_order
from Trades_Bot.gap_search import Action, GapDetected, GapSearch, GapSettled, PageRequest, Status
from Trades_Bot.waiting_rows import WaitingRows

_FIRST_ASK_S: Final = 1.0  # REST may lag behind the stream; a second connection may bring the rows
_BOGUS_ANSWERS: Final = 8  # that do not reach a gap's end, while newer rows lie inside it
_PORTION: Final = 4_096  # actions handed out at once


class GapFiller:
    """The order of one instrument's records.

    ``last`` is the newest id on disk, None for an empty vault (the first live row begins it);
    ``last_ts`` its exchange time, ``newest_ts`` that of the newest row known, if that is another
    row. A row that is ahead of its time counts for ids alone. ``pages`` are the limits of the
    exchange's REST. At most ``buffer_rows`` live rows wait while a gap is filled; further rows are
    dropped and fetched the same way. Once REST has failed for ``patience_s`` the gap is noted as
    ``open``, and recording goes on behind it.
    """

    def __init__(
        self,
        last: int | None,
        last_ts: int = 0,
        *,
        pages: PageLimits,
        buffer_rows: int,
        patience_s: float,
        newest_ts: int = 0,
    ) -> None:
        self.last = last  # highest id written or settled
        self.last_ts = last_ts
        self.duplicates = 0
        self.dropped = 0  # rows that the full buffer did not take
        self.bogus = 0  # rows thrown away because their ids cannot be true
        self._newest = -1 if last is None else last  # highest id seen live
        self.newest_ts = max(last_ts, newest_ts)
        self._owed = -1  # highest id of rows not taken: fetched once the others are written
        self._pages = pages
        self._buffer_rows = buffer_rows
        self._patience_s = patience_s
        self._waiting = WaitingRows()
        self._refused: Collection[int] = ()  # of the page being taken in
        self._gap: GapSearch | None = None
        self._actions: list[Action] = []
        self._now = 0.0

    @property
    def waiting(self) -> int:
        """Return the number of live rows that wait until a gap is filled."""
        return len(self._waiting)

    @property
    def progress_at(self) -> float | None:
        """Return when a missing id was last settled; None without a gap."""
        return self._gap.progress_at if self._gap else None

    @property
    def filling(self) -> tuple[int, int] | None:
        """Return the ids that are still missing, first and last; None without a gap."""
        return (self._gap.next_id, self._gap.end) if self._gap else None

    def take(self) -> list[Action]:
        """Return the rows and notes to write, in order; to be called until it returns nothing.

        A full buffer comes in portions, so that memory never holds it twice.
        """
        actions, self._actions = self._actions, []
        self._advance()
        return actions

    def live(self, trade: Trade, now: float) -> None:
        """Take in a row of the socket."""
        self._now = now
        gap, follows = self._gap, self.last is None or trade.first_id == self.last + 1
        if follows and gap is None and not self._waiting:
            self._newest = trade.trade_id
            self._write(trade)
        elif gap is not None and _heals(gap, trade):
            gap.contradicted = trade.trade_id
            self._write(trade)
            gap.moved(trade.trade_id + 1, now)
            gap.unsettled_from = gap.next_id  # not fetched, so no line in the ledger
            self._close_if_filled(gap)
        elif trade.trade_id > self._newest:
            self._wait(trade)
        elif gap is not None and gap.next_id <= trade.first_id and trade.trade_id <= gap.end:
            gap.contradicted = max(gap.contradicted, trade.trade_id)  # REST brings it
        else:
            self.duplicates += 1

    def missed(self, newest_id: int, now: float) -> None:
        """Take in that the exchange has ids up to ``newest_id`` that the socket did not bring."""
        self._now = now
        if self.last is not None and newest_id > self._newest:
            self._newest = self._owed = newest_id
            self._advance()

    def request(self, now: float) -> PageRequest | None:
        """Return the page to ask for now; None if there is nothing to ask yet."""
        gap = self._gap
        if gap is None or gap.in_flight or now < gap.ask_at:
            return None
        self._announce(gap)
        gap.in_flight = True
        return PageRequest(gap.reach, gap)

    def wake_at(self) -> float | None:
        """Return the time of the next `request`; None: not before something comes in."""
        return None if self._gap is None or self._gap.in_flight else self._gap.ask_at

    def failed(self, ask: PageRequest, now: float) -> None:
        """Take in that REST gave no answer to ``ask``."""
        self._now, ask.gap.in_flight = now, False
        if ask.gap is self._gap:
            ask.gap.later(now)
            self._check_patience(ask.gap, "REST failed")

    def page(
        self,
        ask: PageRequest,
        rows: Sequence[Trade],
        now: float,
        *,
        unreadable: int = 0,
        refused: Collection[int] = (),
    ) -> None:
        """Take in the answer to ``ask``: single fills in any order, ids below ``ask.after``.

        If the page has ``unreadable`` rows, ids absent from it are not booked as an id hole. Rows
        with ``refused`` ids are there, but are not to be recorded.
        """
        gap = ask.gap
        self._now, gap.in_flight = now, False
        self._refused = refused
        if gap is not self._gap:
            return
        known = {row.trade_id: row for row in rows}
        ordered = [known[trade_id] for trade_id in sorted(known)]
        fresh = [row for row in ordered if row.trade_id >= gap.next_id]
        absent: Status = "unrecoverable" if unreadable else "id_hole"
        if not fresh:
            self._nothing_new(gap, ask.after)
        elif len(fresh) < len(ordered) or fresh[0].first_id <= gap.next_id:
            self._accept(gap, fresh, absent)
        else:
            self._too_far(gap, ask.after, fresh, absent)
        if gap is self._gap:
            self._check_patience(gap, "REST does not reach beyond the gap")
        else:
            self._use_again(ordered, gap, absent)

    # -- live rows

    def _wait(self, trade: Trade) -> None:
        self._newest = trade.trade_id
        self._see(trade)
        if len(self._waiting) >= self._buffer_rows:
            self.dropped += 1
            self._owed = trade.trade_id
            return
        self._waiting.append(trade)
        self._advance()

    def _advance(self) -> None:
        """Write waiting rows as far as their ids follow; at a gap, begin to fetch."""
        if self.last is None:
            return
        while self._gap is None and self._waiting and len(self._actions) < _PORTION:
            head = self._waiting.head()
            if head.first_id > self.last + 1:
                self._begin(head.first_id - 1)
                return
            self._waiting.drop_head()
            if head.first_id == self.last + 1:
                self._write(head)
            elif head.trade_id > self.last:  # part of it is on disk, and its size cannot be split
                self._begin(head.trade_id)
            else:
                self.duplicates += 1
        if self._gap is None and not self._waiting and self._owed > self.last:
            self._begin(self._owed)

    def _begin(self, end: int) -> None:
        first = (self.last or 0) + 1
        just_seen = len(self._waiting) <= 1 and self._owed < first
        ask_at = self._now + _FIRST_ASK_S if just_seen else self._now
        self._gap = GapSearch(first, end, self._pages.rows, self._now, ask_at)

    def _write(self, trade: Trade) -> None:
        self._actions.append(trade)
        self.last = trade.trade_id
        if not trade.ahead:
            self.last_ts = trade.ts
        self._see(trade)

    def _see(self, trade: Trade) -> None:
        if not trade.ahead:
            self.newest_ts = max(self.newest_ts, trade.ts)

    # -- pages

    def _accept(self, gap: GapSearch, fresh: list[Trade], absent: Status) -> None:
        """Write fills in order; ids between them do not exist on the exchange."""
        for row in fresh:
            if row.first_id < gap.next_id:
                self._settle(gap, row.trade_id, "unrecoverable", "REST joins them to known ids")
                continue
            if row.first_id > gap.next_id:
                jumped = (gap.next_id, min(row.first_id - 1, gap.end))
                if not gap.proven(jumped, row, self.newest_ts, self._now):
                    return
                self._settle(gap, jumped[1], absent, _ABSENT[absent])
            if gap.next_id > gap.end:
                break
            if row.trade_id in self._refused:
                self._settle(gap, row.trade_id, "unrecoverable", "older than was asked for")
            else:
                self._push(gap, row)
        gap.ask_at = self._now
        self._close_if_filled(gap)

    def _nothing_new(self, gap: GapSearch, after: int) -> None:
        doubtful = gap.contradicted >= 0 and gap.unreached >= _BOGUS_ANSWERS
        if doubtful and gap.beyond(after):
            self._discard_waiting(gap)
        else:
            gap.nothing_new(after, self._now)

    def _too_far(self, gap: GapSearch, after: int, fresh: list[Trade], absent: Status) -> None:
        """Take in a page that begins above the id wanted: the ids between are unknown."""
        oldest = fresh[0]
        if len(fresh) >= self._pages.rows:
            gap.too_far(after, self._now)
        elif not oldest.ahead and oldest.ts - self.last_ts > self._pages.depth_ms:
            end = min(oldest.first_id - 1, gap.end)
            self._settle(gap, end, "unrecoverable", "older than the exchange serves")
            self._accept(gap, fresh, absent)
        else:  # nothing older, yet it must be there
            gap.anew(self._now)

    def _use_again(self, rows: list[Trade], done: GapSearch, absent: Status) -> None:
        """Fill the next gaps among the waiting rows from the same page."""
        while self._gap is not None and self._gap is not done:
            done = self._gap
            fresh = [row for row in rows if row.trade_id >= done.next_id]
            if fresh:
                self._announce(done)
                self._accept(done, fresh, absent)

    def _push(self, gap: GapSearch, row: Trade) -> None:
        if gap.group is not None and same_order(gap.group, row):
            gap.group = join(gap.group, row)
        else:
            self._flush(gap)
            gap.group = row
        gap.moved(row.trade_id + 1, self._now)

    def _flush(self, gap: GapSearch) -> None:
        if gap.group is not None:
            self._write(gap.group)
            gap.group = None

    # -- the ledger, and the end of a gap

    def _announce(self, gap: GapSearch) -> None:
        if not gap.announced:
            gap.announced = True
            self._actions.append(GapDetected(gap.next_id, gap.end))

    def _settle(self, gap: GapSearch, end: int, status: Status, reason: str) -> None:
        """Close next_id … end without records; rows fetched before them are noted first."""
        self._note_repaired(gap)
        self._actions.append(GapSettled(gap.next_id, end, status, reason))
        self.last = end
        gap.moved(end + 1, self._now)
        gap.unsettled_from = gap.next_id

    def _note_repaired(self, gap: GapSearch) -> None:
        self._flush(gap)
        if gap.unsettled_from < gap.next_id:
            end = min(gap.next_id - 1, gap.end)
            self._actions.append(GapSettled(gap.unsettled_from, end, "repaired", "fetched by REST"))

    def _close_if_filled(self, gap: GapSearch) -> None:
        if gap.next_id > gap.end:
            self._note_repaired(gap)
            self._gap = None
            self._advance()

    def _check_patience(self, gap: GapSearch, reason: str) -> None:
        if self._now - gap.progress_at >= self._patience_s:
            self._settle(gap, gap.end, "open", f"{reason} for {self._patience_s:g} s")
            self._close_if_filled(gap)

    def _discard_waiting(self, gap: GapSearch) -> None:
        """Drop waiting rows: REST has nothing near their ids, and later rows lie below them."""
        self._note_repaired(gap)
        self.bogus += len(self._waiting)
        self._waiting.clear()
        self._gap = None
        self._newest = self._owed = max(gap.contradicted, gap.next_id - 1)
        self._advance()


_ABSENT: Final = {
    "id_hole": "the exchange has no such ids",
    "unrecoverable": "the exchange's rows are unreadable",
}


def _heals(gap: GapSearch, trade: Trade) -> bool:
    """Return True if a live row is the next missing row, so that REST need not be asked for it."""
    return gap.group is None and trade.first_id == gap.next_id and trade.trade_id <= gap.end
