"""The two wall machines of SPEC section 10: a whole band, and a single price.

Both measure how long a wall has stood. Neither takes a change of the view for a change of the book:
a band whose source changed is held, and the age of a price that comes into reach is unknown.
Times are exact Unix milliseconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ravequant import exact

SECOND_MS: Final = 1_000
NONE, TENTATIVE, YOUNG, ESTABLISHED = "none", "tentative", "young", "established"


@dataclass(frozen=True, slots=True)
class Patience:
    """The time limits of both machines, in milliseconds."""

    confirm: int = 30_000  # at or above the threshold this long: no spoof
    young: int = 3_600_000  # longer than this: established
    hold: int = 60_000  # not to be seen longer than this: forgotten


class BandWall:
    """The young wall of one side of a band, if there is one (the notes' rule).

    ``step`` takes a snapshot whose band comes from the same source as the snapshot before it;
    ``hold`` takes a snapshot of another source, or of only a part of the band. A deep band that
    no newer deep snapshot shows takes neither: its state stands.
    """

    __slots__ = ("_dip", "_held_since", "_patience", "_since", "_state")

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._state = NONE
        self._since: int | None = None  # when it came to or above the threshold
        self._held_since: int | None = None  # first held snapshot since the last step
        self._dip = False  # a timer starts only once the band has been seen below

    def step(self, ts: int, *, above: bool) -> None:
        """Take in a snapshot at ``ts`` ms: the band at or ``above`` the threshold, or below it."""
        self._held_since = None
        if not above:
            self._state, self._since, self._dip = NONE, None, False
            return
        if self._state == NONE:
            if not self._dip:
                self._state, self._since = TENTATIVE, ts
            return
        self._dip = False
        age = ts - (self._since or 0)
        if self._state == TENTATIVE and age >= self._patience.confirm:
            self._state = YOUNG
        if self._state == YOUNG and age > self._patience.young:
            self._state = ESTABLISHED

    def hold(self, ts: int) -> None:
        """Keep the state, but not for ever."""
        if self._held_since is None:
            self._held_since = ts
        if ts - self._held_since > self._patience.hold:
            self._state, self._since = NONE, None
        self._dip = True

    def age_s(self, ts: int) -> int | None:
        """Return the whole seconds since the crossing while young, else None."""
        if self._state != YOUNG or self._since is None:
            return None
        return (ts - self._since) // SECOND_MS

    def state(self) -> list[Any]:
        """Return the state, JSON-able."""
        return [self._state, self._since, self._held_since, self._dip]

    @classmethod
    def restore(cls, patience: Patience, state: list[Any]) -> "BandWall":
        """Return the machine of a state that ``state()`` returned."""
        wall = cls(patience)
        wall._state, wall._since, wall._held_since, wall._dip = state
        return wall


class Reaches(Protocol):
    """The reach of one side of a snapshot."""

    def source(self, price: int) -> str | None:
        """Return ``ws`` or ``deep``, None for a price that is out of reach."""


@dataclass(slots=True)
class _Standing:
    since: int | None  # first snapshot that showed it; None: it may have stood before
    confirmed: bool = False  # seen again long enough after
    away_since: int | None = None  # first snapshot since which its price is out of reach


class PriceWalls:
    """The large levels of one side, price by price; prices in units of ``10**-PRICE_PLACES``."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._standing: dict[int, _Standing] = {}
        self._before: Reaches | None = None  # of the previous snapshot; None: there is none

    def step(self, ts: int, reach: Reaches, shown: Iterable[int], *, newer_deep: bool) -> None:
        """Take the prices of the large levels that a snapshot shows.

        ``newer_deep``: its deep snapshot is another than the previous one's.
        """
        prices = set(shown)
        for price in list(self._standing):
            self._see_again(
                ts, price, reach.source(price), shown=price in prices, newer_deep=newer_deep
            )
        for price in prices - self._standing.keys():
            if self._before is None or self._before.source(price) is None:
                self._standing[price] = _Standing(None)
            elif newer_deep or reach.source(price) != "deep":
                self._standing[price] = _Standing(ts)
            # else an old deep snapshot shows a wall that the book before no longer had
        self._before = reach

    def _see_again(
        self, ts: int, price: int, source: str | None, *, shown: bool, newer_deep: bool
    ) -> None:
        wall = self._standing[price]
        if source is None:
            wall.away_since = ts if wall.away_since is None else wall.away_since
            if ts - wall.away_since > self._patience.hold:
                del self._standing[price]
            return
        wall.away_since = None
        if source == "deep" and not newer_deep:
            return
        if not shown:
            del self._standing[price]
        elif wall.since is not None and ts - wall.since >= self._patience.confirm:
            wall.confirmed = True

    def age_ms(self, ts: int, price: int) -> int | None:
        """Return how long the wall at ``price`` has stood; None if that is unknown."""
        wall = self._standing.get(price)
        return None if wall is None or wall.since is None else ts - wall.since

    def young(self, ts: int, price: int) -> bool:
        """Return True if its age is known, confirmed and not yet established."""
        wall = self._standing.get(price)
        if wall is None or wall.since is None:
            return False
        return wall.confirmed and ts - wall.since <= self._patience.young

    def reset(self) -> None:
        """Forget everything: the next snapshot counts as the first."""
        self._standing.clear()
        self._before = None

    def state(self) -> list[Any]:
        """Return the standing walls, JSON-able; the reach before is restored by its owner."""
        return [
            [exact.text(price, exact.PRICE_PLACES), wall.since, wall.confirmed, wall.away_since]
            for price, wall in sorted(self._standing.items())
        ]

    def restore(self, state: list[Any], before: Reaches | None) -> None:
        """Restore a state, with the reach of the previous snapshot."""
        self._before = before
        self._standing = {
            exact.units(price, exact.PRICE_PLACES): _Standing(since, confirmed, away)
            for price, since, confirmed, away in state
        }
