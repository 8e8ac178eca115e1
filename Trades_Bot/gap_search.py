"""One stretch of missing ids while it is being fetched: where to look next, and what is proven.

REST pages only backwards: ``history-trades?type=1&after=X`` gives the newest 100 fills with an id
below X. Oldest first therefore means: ask below ``next_id + 100``. Where the ids have a hole wider
than a page that answer shows nothing new; then the search doubles its reach upwards, and halves it
again once a page is met that begins above ``next_id``, until one page shows both edges of the hole.
"""

from dataclasses import dataclass
from typing import Final, Literal

from ravequant.records import Trade

PAGE_ROWS: Final = 100  # of history-trades
_ASK_AGAIN_S: Final = (0.25, 0.5, 1.0, 2.0)
_LOOK_AGAIN_S: Final = 1.0
_FRESH_MS: Final = 10_000  # a missing id this close to the newest row is asked for twice
_CONFIRM_S: Final = 2.0

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


Action = Trade | Detected | Settled


@dataclass(eq=False, slots=True)
class Gap:
    """Missing ids ``next_id … end``, what has been fetched of them, and the state of the search."""

    next_id: int  # the first id not settled yet
    end: int  # the last one wanted
    progress_at: float  # when an id was last settled
    ask_at: float  # not to be asked for earlier
    group: Trade | None = None  # joined fills that may go on in the next page
    stretch: int = 0  # where the stretch fetched since the last ledger line begins
    in_flight: bool = False
    announced: bool = False
    reach: int = 0  # the next page ends below this id
    unreached: int = 0  # answers in a row that did not reach beyond the gap, or not at all
    contradicted: int = -1  # newest live row that came after the gap's end and lies inside it
    _bare: int = 0  # no ids were seen in next_id … _bare - 1
    _crowded: int = 0  # a page below this id was full and did not reach down to next_id; 0: none
    _misses: int = 0
    _suspect: tuple[int, int] = (0, 0)
    _suspect_at: float = 0.0

    def __post_init__(self) -> None:
        self.stretch = self.next_id
        self._search_anew()

    def moved(self, next_id: int, now: float) -> None:
        """Say that everything below ``next_id`` is settled."""
        self.next_id, self.progress_at = next_id, now
        self._misses = self.unreached = 0
        self._search_anew()

    def later(self, now: float) -> None:
        """Ask the same again, a little later from time to time."""
        self.ask_at = now + _ASK_AGAIN_S[min(self.unreached, len(_ASK_AGAIN_S) - 1)]
        self.unreached += 1

    def anew(self, now: float) -> None:
        """Begin the search again: answers contradict each other, or REST trails the stream."""
        self._search_anew()
        self.later(now)

    def nothing_new(self, after: int, now: float) -> None:
        """Take in a page below ``after`` that shows no id wanted."""
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
        """Say whether a page below ``after`` would show a row behind the gap if REST had one."""
        return after > self.end + 1

    def proven(self, absent: tuple[int, int], row: Trade, newest_ts: int, now: float) -> bool:
        """Say whether ids that a page lacks before ``row`` are lacking for good, and not just late.

        Close to the newest row the same must have been seen twice, two seconds apart.
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
        self.reach, self._bare, self._crowded = self.next_id + PAGE_ROWS, self.next_id, 0

    def _look_between(self, now: float) -> None:
        self.ask_at = now
        if not self._crowded:
            doubled = self.next_id + 2 * (self.reach - self.next_id)
            self.reach = min(doubled, self.end + 1 + PAGE_ROWS)
        elif self._crowded - self._bare > 1:
            self.reach = (self._bare + self._crowded) // 2
        else:
            self.anew(now)


@dataclass(frozen=True, slots=True)
class Ask:
    """The page to fetch: ``history-trades?type=1&after={after}&limit=100``."""

    after: int
    gap: Gap
