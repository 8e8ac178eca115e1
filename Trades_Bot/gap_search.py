"""The search for a range of missing ids by REST: the next page to ask for, and the ids proven.

REST pages only backwards: a page holds the newest fills with an id below X, 100 of them on OKX.
Oldest first therefore means: ask below ``next_id`` + 100. If the ids have a gap wider than a page,
that answer shows nothing new; then the search doubles its reach upwards, and halves it again after
a page that begins above ``next_id``, until one page shows both edges of the gap.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from ravequant.records import Trade

_ASK_AGAIN_S: Final = (0.25, 0.5, 1.0, 2.0)
_LOOK_AGAIN_S: Final = 1.0
_FRESH_MS: Final = 10_000  # absent ids this close to the newest row are looked for twice
_CONFIRM_S: Final = 2.0

Status = Literal["open", "repaired", "id_hole", "unrecoverable"]


@dataclass(frozen=True, slots=True)
class GapDetected:
    """A gap that is now fetched by REST."""

    from_id: int
    to_id: int


@dataclass(frozen=True, slots=True)
class GapSettled:
    """The outcome for a range of missing ids: a line of the gap ledger."""

    from_id: int
    to_id: int
    status: Status
    reason: str


Action = Trade | GapDetected | GapSettled


@dataclass(eq=False, slots=True)
class GapSearch:
    """Missing ids ``next_id … end`` and the state of their search."""

    next_id: int  # the first id not settled yet
    end: int  # the last id wanted
    page_rows: int  # fills in a full page of REST
    progress_at: float  # the time at which an id was last settled
    ask_at: float  # the earliest time of the next request
    group: Trade | None = None  # joined fills that may go on in the next page
    unsettled_from: int = field(init=False)  # first id fetched since the last line of the ledger
    in_flight: bool = False
    announced: bool = False
    reach: int = field(init=False)  # the next page ends below this id
    unreached: int = 0  # answers in a row that did not reach beyond the gap, or not at all
    contradicted: int = -1  # newest live row inside the gap that came after its end
    _bare: int = field(init=False)  # no ids were seen in next_id … _bare - 1
    # a page below this id was full and did not reach down to next_id; 0: none
    _crowded: int = field(init=False)
    _misses: int = 0
    _suspect: tuple[int, int] | None = None  # ids that were absent from the last page
    _suspect_at: float = field(init=False)  # since when

    def __post_init__(self) -> None:
        self.unsettled_from = self.next_id
        self._search_anew()

    def moved(self, next_id: int, now: float) -> None:
        """Settle all ids below ``next_id``."""
        self.next_id, self.progress_at = next_id, now
        self._misses = self.unreached = 0
        self._search_anew()

    def later(self, now: float) -> None:
        """Ask for the same page again, each time a little later."""
        self.ask_at = now + _ASK_AGAIN_S[min(self.unreached, len(_ASK_AGAIN_S) - 1)]
        self.unreached += 1

    def anew(self, now: float) -> None:
        """Begin the search again: answers contradict each other, or REST lags behind the stream."""
        self._search_anew()
        self.later(now)

    def nothing_new(self, after: int, now: float) -> None:
        """Take in a page below ``after`` without a wanted id."""
        self._misses += 1
        if self.beyond(after):
            self.anew(now)
        elif self._misses < 2:
            self.later(now)
        else:
            self._bare = after
            self._look_between(now)

    def too_far(self, after: int, now: float) -> None:
        """Take in a full page below ``after`` that begins above ``next_id``."""
        self._crowded = after
        self._look_between(now)

    def beyond(self, after: int) -> bool:
        """Return True if a page below ``after`` reaches beyond the gap."""
        return after > self.end + 1

    def proven(self, absent: tuple[int, int], row: Trade, newest_ts: int, now: float) -> bool:
        """Return True if the ids ``absent`` before ``row`` are absent for good, not just late.

        Close to the newest row they must be absent from two pages, two seconds apart.
        """
        if newest_ts - row.ts > _FRESH_MS:
            return True
        if self._suspect != absent:
            self._suspect, self._suspect_at = absent, now
        if now - self._suspect_at >= _CONFIRM_S:
            return True
        self._search_anew()
        self.ask_at = now + _LOOK_AGAIN_S
        return False

    def _search_anew(self) -> None:
        self.reach, self._bare, self._crowded = self.next_id + self.page_rows, self.next_id, 0

    def _look_between(self, now: float) -> None:
        self.ask_at = now
        if not self._crowded:
            doubled = self.next_id + 2 * (self.reach - self.next_id)
            self.reach = min(doubled, self.end + 1 + self.page_rows)
        elif self._crowded - self._bare > 1:
            self.reach = (self._bare + self._crowded) // 2
        else:
            self.anew(now)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page to fetch: the newest fills with an id below ``after``."""

    after: int
    gap: GapSearch
