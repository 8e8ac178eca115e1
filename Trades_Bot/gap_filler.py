"""Puts live rows and back-filled pages into one strictly increasing sequence; pure, no I/O.

One `GapFiller` per instrument (SPEC section 3, ARCHITECTURE rule 5). Live rows go in by `live`,
what REST answered by `page` or `failed`; `request` says what to ask, `take` hands out what to
write, in order. Time is a monotonic float of seconds that comes in with each call.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from ravequant.records import Trade, join, same_order
from ravequant.times import DAY_MS

PAGE_ROWS: Final = 100  # of history-trades
_FIRST_ASK_S: Final = 1.0  # REST may trail the stream; a second connection may heal it meanwhile
_ASK_AGAIN_S: Final = (0.25, 0.5, 1.0, 2.0)
_FRESH_MS: Final = 10_000  # a missing id this close to the newest row is asked for twice
_CONFIRM_S: Final = 2.0
_DEPTH_MS: Final = 80 * DAY_MS  # history-trades reaches back three months, a little less is sure
_BOGUS_ANSWERS: Final = 8  # that do not reach a gap's end, while newer rows lie inside it

Status = Literal["open", "repaired", "id_hole", "unrecoverable"]


@dataclass(frozen=True, slots=True)
class Detected:
    """A gap that REST is now asked to fill."""

    from_id: int
    to_id: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a stretch of missing ids: a line for the gap ledger."""

    from_id: int
    to_id: int
    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class Ask:
    """The page to fetch: ``history-trades?type=1&after={after}&limit=100``."""

    after: int
    fill: "_Fill"


Action = Trade | Detected | Settled


@dataclass(eq=False, slots=True)
class _Fill:
    """One stretch of missing ids while it is being fetched, oldest first."""

    next_id: int  # the first id not settled yet
    end: int  # the last one wanted
    progress_at: float
    ask_at: float
    reach: int = 0  # the page asked for next ends below this id
    bare: int = 0  # no ids were seen in next_id … bare - 1
    crowded: int = 0  # a page below this id was full and did not reach down to next_id; 0: none
    misses: int = 0
    group: Trade | None = None  # joined fills that may go on in the next page
    stretch: int = 0  # where the stretch fetched since the last ledger line begins
    in_flight: bool = False
    announced: bool = False
    suspect: tuple[int, int] | None = None
    suspect_at: float = 0.0
    contradicted: int = -1  # newest live row that came later but lies inside this gap
    trail: int = field(default=0)  # how often REST did not reach beyond the gap

    def __post_init__(self) -> None:
        self.stretch = self.next_id
        self.search_anew()

    def search_anew(self) -> None:
        self.reach, self.bare, self.crowded = self.next_id + PAGE_ROWS, self.next_id, 0

    def moved(self, next_id: int, now: float) -> None:
        self.next_id, self.progress_at = next_id, now
        self.misses = self.trail = 0
        self.search_anew()

    def later(self, now: float) -> None:
        self.ask_at = now + _ASK_AGAIN_S[min(self.trail, len(_ASK_AGAIN_S) - 1)]
        self.trail += 1


class GapFiller:
    """The order of one instrument's records.

    ``last`` is the newest id on disk, None for an empty vault (the first live row begins it);
    ``last_ts`` its exchange time. At most ``buffer_rows`` live rows wait while a gap is filled;
    further ones are dropped and fetched the same way. REST without success for ``patience_s``
    leaves a gap open.
    """

    def __init__(
        self, last: int | None, last_ts: int = 0, *, buffer_rows: int, patience_s: float
    ) -> None:
        self.last = last
        self.last_ts = last_ts
        self.duplicates = self.dropped = self.fetched = self.gaps = self.bogus = 0
        self._newest_ts = last_ts
        self._newest = -1 if last is None else last  # highest id seen live
        self._owed = -1  # highest id of rows dropped or not taken
        self._buffer_rows = buffer_rows
        self._patience_s = patience_s
        self._waiting: deque[Trade] = deque()
        self._fill: _Fill | None = None
        self._actions: list[Action] = []

    @property
    def waiting(self) -> int:
        """How many live rows wait for a gap to be filled."""
        return len(self._waiting)

    @property
    def filling(self) -> tuple[int, int] | None:
        """The ids that are still missing, first and last."""
        return (self._fill.next_id, self._fill.end) if self._fill else None

    def take(self) -> list[Action]:
        """Hand out what is to be written and noted, in this order."""
        actions, self._actions = self._actions, []
        return actions

    def live(self, trade: Trade, now: float) -> None:
        """Take in one row of the socket."""
        if self._fill is None and (self.last is None or trade.first_id == self.last + 1):
            self._newest = trade.trade_id
            self._write(trade)
        elif self._fill is not None and self._heals(self._fill, trade):
            self._write(trade)
            self._fill.contradicted = trade.trade_id
            self._fill.moved(trade.trade_id + 1, now)
            self._fill.stretch = self._fill.next_id
            self._finish_if_done(self._fill, now)
        elif trade.trade_id <= self._newest:
            self._drop_known(trade)
        else:
            self._wait(trade, now)

    def request(self, now: float) -> Ask | None:
        """Return the page to ask for now, None if there is nothing to ask yet."""
        fill = self._fill
        if fill is None or fill.in_flight or now < fill.ask_at:
            return None
        if not fill.announced:
            fill.announced = True
            self.gaps += 1
            self._actions.append(Detected(fill.next_id, fill.end))
        fill.in_flight = True
        return Ask(fill.reach, fill)

    def wake_at(self) -> float | None:
        """Return when `request` has something to say; None: not before something comes in."""
        return None if self._fill is None or self._fill.in_flight else self._fill.ask_at

    def failed(self, ask: Ask, now: float) -> None:
        """Say that REST gave no answer to ``ask``."""
        ask.fill.in_flight = False
        if ask.fill is self._fill:
            ask.fill.later(now)
            self._check_patience(ask.fill, "REST failed", now)

    def page(self, ask: Ask, rows: Sequence[Trade], now: float, *, unreadable: int = 0) -> None:
        """Take in the answer to ``ask``: single fills in any order, ids below ``ask.after``.

        With ``unreadable`` rows in it, ids that it lacks are not called an id hole.
        """
        fill = ask.fill
        fill.in_flight = False
        if fill is not self._fill:
            return
        known = {row.trade_id: row for row in rows}
        ordered = [known[trade_id] for trade_id in sorted(known)]
        fresh = [row for row in ordered if row.trade_id >= fill.next_id]
        if not fresh:
            self._nothing_new(fill, ask.after, now)
        elif len(fresh) < len(ordered) or fresh[0].first_id <= fill.next_id:
            self._accept(fill, fresh, now, unreadable=unreadable)
        else:
            self._too_far(fill, ask.after, fresh, now, unreadable=unreadable)
        if fill is self._fill:
            self._check_patience(fill, "REST does not reach beyond the gap", now)

    # -- live rows

    @staticmethod
    def _heals(fill: _Fill, trade: Trade) -> bool:
        return (
            fill.group is None and trade.first_id == fill.next_id and trade.trade_id <= fill.end
        )

    def _drop_known(self, trade: Trade) -> None:
        fill = self._fill
        if fill is not None and fill.next_id <= trade.first_id and trade.trade_id <= fill.end:
            fill.contradicted = max(fill.contradicted, trade.trade_id)  # REST brings it
        else:
            self.duplicates += 1

    def _wait(self, trade: Trade, now: float) -> None:
        self._newest = trade.trade_id
        self._newest_ts = max(self._newest_ts, trade.ts)
        if len(self._waiting) >= self._buffer_rows:
            self.dropped += 1
            self._owed = trade.trade_id
            return
        self._waiting.append(trade)
        self._advance(now)

    def _advance(self, now: float) -> None:
        """Write waiting rows as far as they follow; where they do not, begin to fill."""
        while self._fill is None and self._waiting:
            head = self._waiting[0]
            last = head.first_id - 1 if self.last is None else self.last
            if head.trade_id <= last:
                self.duplicates += 1
            elif head.first_id == last + 1:
                self._write(head)
            elif head.first_id > last + 1:
                self._begin(last + 1, head.first_id - 1, now)
                return
            else:  # part of it is known and its size cannot be split
                self._begin(last + 1, head.trade_id, now)
            self._waiting.popleft()
        if self._fill is None and self.last is not None and self._owed > self.last:
            self._begin(self.last + 1, self._owed, now)

    def _begin(self, first: int, end: int, now: float) -> None:
        self._fill = _Fill(first, end, now, now + _FIRST_ASK_S)

    def _write(self, trade: Trade) -> None:
        self._actions.append(trade)
        self.last = trade.trade_id
        self.last_ts = trade.ts
        self._newest_ts = max(self._newest_ts, trade.ts)

    # -- pages

    def _accept(self, fill: _Fill, fresh: list[Trade], now: float, *, unreadable: int) -> None:
        for row in fresh:
            if row.first_id > fill.next_id:
                absent = (fill.next_id, min(row.first_id - 1, fill.end))
                if not self._proven(fill, absent, row, now):
                    fill.search_anew()
                    fill.ask_at = now + _ASK_AGAIN_S[-2]
                    return
                self._settle_absent(fill, absent[1], now, unreadable=unreadable)
            elif row.first_id < fill.next_id:
                self._settle(
                    fill, row.trade_id, "unrecoverable", "REST joins them to ids on disk", now
                )
                continue
            if fill.next_id > fill.end:
                break
            self._push(fill, row)
            fill.moved(row.trade_id + 1, now)
        fill.ask_at = now
        self._finish_if_done(fill, now)

    def _proven(self, fill: _Fill, absent: tuple[int, int], after: Trade, now: float) -> bool:
        """Say whether ids that a page lacks are lacking for good, and not just late."""
        if self._newest_ts - after.ts > _FRESH_MS:
            return True
        if fill.suspect != absent:
            fill.suspect, fill.suspect_at = absent, now
        return now - fill.suspect_at >= _CONFIRM_S

    def _nothing_new(self, fill: _Fill, after: int, now: float) -> None:
        """REST trails, or no id exists for a while: ask again, then look farther up."""
        fill.misses += 1
        if after > fill.end + 1:
            if fill.contradicted >= 0 and fill.trail >= _BOGUS_ANSWERS:
                self._discard_waiting(fill, now)
                return
            fill.search_anew()
            fill.later(now)
        elif fill.misses < 2:
            fill.later(now)
        else:
            fill.bare = after
            self._look_between(fill, now)

    def _too_far(
        self, fill: _Fill, after: int, fresh: list[Trade], now: float, *, unreadable: int
    ) -> None:
        """The page begins above the id wanted: nothing is known of what lies between."""
        oldest = fresh[0]
        if oldest.trade_id < fill.bare:  # contradicts an earlier answer
            fill.search_anew()
            fill.later(now)
        elif len(fresh) < PAGE_ROWS and oldest.ts - self.last_ts > _DEPTH_MS:
            end = min(oldest.first_id - 1, fill.end)
            self._settle(fill, end, "unrecoverable", "older than the exchange serves", now)
            self._accept(fill, fresh, now, unreadable=unreadable)
        elif len(fresh) < PAGE_ROWS:  # nothing older, yet it must be there
            fill.search_anew()
            fill.later(now)
        else:
            fill.crowded = after
            self._look_between(fill, now)

    @staticmethod
    def _look_between(fill: _Fill, now: float) -> None:
        fill.ask_at = now
        if not fill.crowded:
            farther = fill.next_id + 2 * (fill.reach - fill.next_id)
            fill.reach = min(farther, fill.end + 1 + PAGE_ROWS)
        elif fill.crowded - fill.bare > 1:
            fill.reach = (fill.bare + fill.crowded) // 2
        else:
            fill.search_anew()
            fill.later(now)

    def _push(self, fill: _Fill, row: Trade) -> None:
        self.fetched += 1
        if fill.group is not None and same_order(fill.group, row):
            fill.group = join(fill.group, row)
            return
        self._flush(fill)
        fill.group = row

    def _flush(self, fill: _Fill) -> None:
        if fill.group is not None:
            self._write(fill.group)
            fill.group = None

    # -- the end of a gap, or of a part of it

    def _settle_absent(self, fill: _Fill, end: int, now: float, *, unreadable: int) -> None:
        if unreadable:
            self._settle(fill, end, "unrecoverable", "the exchange's rows are unreadable", now)
        else:
            self._settle(fill, end, "id_hole", "the exchange has no such ids", now)

    def _settle(self, fill: _Fill, end: int, status: Status, reason: str, now: float) -> None:
        """Close next_id … end without records; what was fetched before them is noted first."""
        self._flush(fill)
        self._note_repaired(fill)
        self._actions.append(Settled(fill.next_id, end, status, reason))
        self.last = end
        fill.moved(end + 1, now)
        fill.stretch = fill.next_id

    def _note_repaired(self, fill: _Fill) -> None:
        if fill.stretch < fill.next_id:
            end = min(fill.next_id - 1, fill.end)
            self._actions.append(Settled(fill.stretch, end, "repaired", "fetched by REST"))

    def _finish_if_done(self, fill: _Fill, now: float) -> None:
        if fill.next_id <= fill.end:
            return
        self._flush(fill)
        self._note_repaired(fill)
        self._fill = None
        self._advance(now)

    def _check_patience(self, fill: _Fill, reason: str, now: float) -> None:
        if now - fill.progress_at >= self._patience_s:
            self._settle(fill, fill.end, "open", f"{reason} for {self._patience_s:g} s", now)
            self._finish_if_done(fill, now)

    def _discard_waiting(self, fill: _Fill, now: float) -> None:
        """Drop waiting rows: REST knows nothing near their ids, and later rows lie below them."""
        self._flush(fill)
        self._note_repaired(fill)
        self.bogus += len(self._waiting)
        self._waiting.clear()
        self._fill = None
        self._newest = self._owed = max(fill.contradicted, fill.next_id - 1)
        self._advance(now)
