"""The records that the query reads, one class for each file, checked and in exact numbers. Pure.

Prices are in units of ``exact.PRICE_PLACES``, amounts in units of ``exact.NOTIONAL_PLACES``, times
in Unix milliseconds (``ts``) or Unix minutes. A row that is not as SPEC sections 5 to 10 describe
it raises ``ValueError``, ``KeyError`` or ``TypeError``.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from ravequant import exact, times

Side = Literal["high", "low"]
Status = Literal["untouched", "touched", "expired"]
Row = Mapping[str, Any]

TIMEFRAMES: Final = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240}  # minutes
SIDES: Final[tuple[Side, Side]] = ("high", "low")
VWAP_MINUTES: Final = 240  # of vwap_4h, its own minute included
WHOLE_MINUTES: Final = 228  # 95 %: with trades in so many its window is whole at any start
STRENGTHS: Final = (None, "EXACT", "NEAR", "CLOSE")  # of a tip on an older one
BOOK_SIDES: Final[Mapping[Side, str]] = {
    "high": "ask",
    "low": "bid",
}  # of a wick's wall


class WickAsOf(NamedTuple):
    """A wick and its status as of the moment asked for."""

    event_id: str
    timeframe: str
    side: Side
    birth: int  # Unix minute: the end of its candle
    tip: int
    size_ticks: int
    tip_exact: bool
    tip_strength: str | None  # EXACT, NEAR, CLOSE; None: no tip-to-tip
    gap: bool  # trades are missing in its candle
    status: Status = "untouched"
    ended: int | None = None  # Unix minute at which it was known to be touched or expired


class VolumeRow(NamedTuple):
    """A minute of the volume analyzer."""

    minute: int
    high: int
    low: int
    tier: str | None
    ratio: str | None
    absorption: bool
    absorbed_side: str | None
    divergence: str | None  # bullish or bearish
    whale_count: int
    whale_volume: int
    gap: bool
    total: str | None = None  # notional of the minute, as written: no rule of the query reads it


class CvdRow(NamedTuple):
    """A minute of the CVD calculator."""

    minute: int
    delta: str  # cvd_1m, signed
    gap: bool


class VwapRow(NamedTuple):
    """A minute of the VWAP calculator."""

    minute: int
    close: int
    vwap_4h: int
    gap: bool
    traded: int = VWAP_MINUTES  # minutes of the 4 h that had trades
    whole: bool = True  # the recording covers the 4 h


class RestingWall(NamedTuple):
    """A large level at one price."""

    price: int
    notional: int
    age_s: int | None  # None: unknown
    young: bool


class BookSide(NamedTuple):
    """One side of a snapshot, band by band."""

    walls: tuple[RestingWall, ...]
    young_age_s: tuple[int | None, ...]
    significant: tuple[bool, ...]  # change of each band's notional
    depth: int  # farthest level used, in hundredths of a bps


class BookRow(NamedTuple):
    """The buckets of a snapshot."""

    ts: int
    mid: int
    bands_bps: tuple[int, ...]
    imbalance: tuple[int | None, ...]  # hundredths
    sides: Mapping[Side, BookSide]
    gap: bool

    def band(self, price: int) -> int | None:
        """Return the band that holds ``price`` on either side of mid; None beyond the last."""
        distance = abs(price - self.mid) * 10_000
        for number, edge in enumerate(self.bands_bps):
            if distance <= edge * self.mid:
                return number
        return None


class LastTrade(NamedTuple):
    """The newest raw trade."""

    ts: int
    price: int


def price(text: str) -> int:
    """Return a price in units."""
    found = exact.units(text, exact.PRICE_PLACES)
    if found == 0:
        raise ValueError(f"{text!r} is no price")
    return found


def mean(text: str) -> int:
    """Return a mean of prices, which may have more places than a price, in units of a price."""
    found = exact.divide(
        exact.units(text, exact.MEAN_PLACES), 10**exact.MEAN_PLACES, exact.PRICE_PLACES
    )
    if found == 0:
        raise ValueError(f"{text!r} is no price")
    return found


def age(seconds: Any) -> int | None:
    """Return an age in whole seconds; None: it is unknown."""
    if seconds is not None and type(seconds) is not int:
        raise ValueError(f"{seconds!r} is no age in seconds")
    return seconds


def hundredths(text: str) -> int:
    """Return a signed two-place number as whole hundredths: ``"-0.78"`` is -78."""
    size = exact.units(text.lstrip("+-"), 2)
    return -size if text.startswith("-") else size


@lru_cache(maxsize=1 << 12)
def minute_of(text: str) -> int:
    """Return the Unix minute of a UTC time."""
    return times.parse_iso(text) // times.MINUTE_MS


def wick(row: Row) -> WickAsOf:
    """Return the wick that an event of any kind carries, untouched as it was born."""
    side, timeframe = row["wick_type"], row["timeframe"]
    strength = row["signal_strength"]
    if side not in SIDES or timeframe not in TIMEFRAMES or strength not in STRENGTHS:
        raise ValueError(f"{side!r}, {timeframe!r}, {strength!r}: not a wick's")
    return WickAsOf(
        event_id=str(row["event_id"]),
        timeframe=timeframe,
        side=side,
        birth=minute_of(row["creation_time_utc"]),
        tip=price(row["wick_price"]),
        size_ticks=int(row["wick_size_ticks"]),
        tip_exact=bool(row["tip_exact"]),
        tip_strength=strength,
        gap=bool(row["gap"]),
    )


def volume(row: Row) -> VolumeRow:
    """Return a record of ``volume_1m.jsonl``."""
    return VolumeRow(
        minute=minute_of(row["timestamp_utc"]),
        high=price(row["high"]),
        low=price(row["low"]),
        tier=row["volume_tier"],
        ratio=row["volume_ratio"],
        absorption=bool(row["absorption"]),
        absorbed_side=row["absorbed_side"],
        divergence=row["divergence_type"],
        whale_count=int(row["whale_count"]),
        whale_volume=exact.units(row["whale_volume"], exact.NOTIONAL_PLACES),
        gap=bool(row["gap"]),
        total=row.get("total_volume"),
    )


def cvd(row: Row) -> CvdRow:
    """Return a record of ``cvd_1m.jsonl``."""
    delta = row["cvd_1m"]
    exact.units(delta.lstrip("+-"), exact.NOTIONAL_PLACES)  # a number it is
    return CvdRow(minute_of(row["timestamp_utc"]), delta, bool(row["gap"]))


def vwap(row: Row) -> VwapRow:
    """Return a record of ``vwap_1m.jsonl``, whole if it shows that by itself."""
    minute, traded = minute_of(row["timestamp_utc"]), int(row["minutes_4h"])
    return VwapRow(
        minute, price(row["close"]), mean(row["vwap_4h"]), bool(row["gap"]), traded,
        whole=traded >= WHOLE_MINUTES,
    )  # fmt: skip


def book(row: Row) -> BookRow:
    """Return a record of the liquidity buckets."""
    bands = tuple(map(int, row["bands_bps"]))
    found = BookRow(
        ts=times.parse_iso(row["timestamp_utc"]),
        mid=price(row["mid_price"]),
        bands_bps=bands,
        imbalance=tuple(None if text is None else hundredths(text) for text in row["imbalance"]),
        sides={side: _book_side(row, BOOK_SIDES[side]) for side in SIDES},
        gap=bool(row["gap"]),
    )
    lengths = {len(found.imbalance)} | {
        len(column)
        for side in found.sides.values()
        for column in (side.young_age_s, side.significant)
    }
    if lengths != {len(bands)}:
        raise ValueError(f"columns of {sorted(lengths)} bands, expected {len(bands)} in each")
    return found


def _book_side(row: Row, name: str) -> BookSide:
    return BookSide(
        walls=_walls(row[f"{name}_walls"]),
        young_age_s=tuple(map(age, row[f"{name}_young_age_s"])),
        significant=tuple(map(bool, row[f"{name}_delta_significant"])),
        depth=hundredths(row[f"{name}_depth_bps"]),
    )


def _walls(rows: Sequence[Row]) -> tuple[RestingWall, ...]:
    return tuple(
        RestingWall(
            price=price(row["price"]),
            notional=exact.units(row["notional"], exact.NOTIONAL_PLACES),
            age_s=age(row["age_s"]),
            young=bool(row["young"]),
        )
        for row in rows
    )
