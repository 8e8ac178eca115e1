"""The fixed grids of the lab: 24 families of signals, 72 filters of wicks, 16 exits. Pure.

They are constants and no settings, so that the number of trials is known before anything is tried
(SPEC section 17). A family is asked of the signals of the default filter, that of the query
itself; it has the reach of the settings, and is one more where the grid has none with that.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import Final, NamedTuple

from ravequant import exact, times
from ravequant.signals.candidates import Query
from ravequant.signals.conviction import SIZES, Conviction
from ravequant.signals.evidence import largest_wall, shown, within
from ravequant.signals.inputs import WickAsOf
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState
from ravequant.signals.rules import Signal

Family = Callable[[Signal], bool]
WALL_NOTIONAL: Final = 10**6 * exact.NOTIONAL_ONE  # of the filters with a wall at the tip
_NEAR_BPS: Final = 25 * exact.SIZE_ONE
_HOURS: Final = 8  # of a third of a day


def _convinced(least: Conviction, signal: Signal) -> bool:
    """Judge without the cap of a book or tape that was not recorded, as SPEC 11.6 has it."""
    return SIZES[signal.readings.uncapped] >= SIZES[least]


def _scored(least: int, signal: Signal) -> bool:
    return signal.score >= least


def _met(name: str, signal: Signal) -> bool:
    return any(layer.name == name and layer.state == "met" for layer in signal.layers)


def _faces(direction: str, signal: Signal) -> bool:
    return signal.direction == direction


def _of_third(third: int, signal: Signal) -> bool:
    return signal.state.minute % times.DAY_MINUTES // (60 * _HOURS) == third


def _near(signal: Signal) -> bool:
    last = signal.last
    return last is not None and within(signal.wick.tip - last.price, _NEAR_BPS, last.price)


FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        "base": lambda _: True,
        "conviction>=HIGH": partial(_convinced, "HIGH"),
        "conviction=MAX": partial(_convinced, "MAX"),
        "notes=MAX": lambda signal: signal.conviction_notes == "MAX",
        "score>=40": partial(_scored, 40),
        "score>=60": partial(_scored, 60),
        "score>=80": partial(_scored, 80),
        "volume_tier": partial(_met, "volume_tier"),
        "absorption": partial(_met, "absorption"),
        "wall": partial(_met, "wall"),
        "imbalance": partial(_met, "imbalance"),
        "young_wall": partial(_met, "young_wall"),
        "cvd": partial(_met, "cvd"),
        "vwap": partial(_met, "vwap"),
        "tip_exact": lambda signal: signal.wick.tip_exact,
        "VERY_HIGH": lambda signal: signal.strength == "VERY_HIGH",
        "whales": lambda signal: "whales" in signal.tags,
        "SHORT": partial(_faces, "SHORT"),
        "LONG": partial(_faces, "LONG"),
        "00-08": partial(_of_third, 0),
        "08-16": partial(_of_third, 1),
        "16-24": partial(_of_third, 2),
        "distance<=25": _near,
        "distance>25": lambda signal: signal.last is not None and not _near(signal),
    }
)
REGISTERED: Final = ("base", "VERY_HIGH", "conviction=MAX")


class WickFilter(NamedTuple):
    """A query of the grid, and whether a wall must rest at the tip."""

    age_min: int = 20  # minutes
    age_max: int = 40
    min_touched: int = 10
    reach_bps: int = 500 * exact.SIZE_ONE  # in units of 10**-SIZE_PLACES
    wall: bool = False  # of WALL_NOTIONAL, within `wall_bps` of the tip

    @property
    def query(self) -> Query:
        """The query of these wicks; its reach stands in the limits."""
        return Query(self.age_min, self.age_max, min_touched=self.min_touched)

    def takes(self, state: MarketState, wick: WickAsOf, limits: SignalLimits) -> bool:
        """Return True if a signal of its query has the wall that it asks for at its tip."""
        if not self.wall:
            return True
        if state.book is None or state.defect("buckets", limits) is not None:
            return False
        found = largest_wall(state.book, limits, wick.side, wick.tip)
        return found is not None and found.notional >= WALL_NOTIONAL


def name_of(wick_filter: WickFilter) -> str:
    """Return the name of a filter: ``20-40 10 500``, or ``20-40 10 500 wall``."""
    age_min, age_max, min_touched, reach_bps, wall = wick_filter
    return f"{age_min}-{age_max} {min_touched} {shown(reach_bps)}" + " wall" * wall


def default_filter(reach_bps: int) -> WickFilter:
    """Return the filter of the query under settings of this reach (units of 10**-SIZE_PLACES)."""
    return WickFilter(reach_bps=reach_bps)


_AGES: Final = ((20, 40), (10, 30), (30, 60), (40, 120))
FILTERS: Final = tuple(
    WickFilter(*age, touched, reach * exact.SIZE_ONE, wall)
    for age, touched, reach, wall in product(_AGES, (8, 10, 15), (25, 100, 500), (False, True))
)


class ExitChoice(NamedTuple):
    """A stop and a target, in bps of the entry."""

    stop_bps: str = "1"
    target_bps: str | None = None  # None: the plan's


EXITS: Final = tuple(
    ExitChoice(stop, target)
    for stop, target in product(("1", "3", "5", "10"), (None, "10", "20", "40"))
)
