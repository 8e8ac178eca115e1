"""What the rules of the query judge: the facts as of one minute; and the limits of the settings."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final, Literal

from ravequant import times
from ravequant.settings import Settings
from ravequant.signals.inputs import BookRow, CvdRow, LastTrade, VolumeRow, VwapRow, Wick

Stream = Literal["wicks", "volume", "cvd", "vwap", "buckets", "trades"]
STREAMS: Final[tuple[Stream, ...]] = ("trades", "buckets", "wicks", "volume", "cvd", "vwap")


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings of the query in exact numbers; bps in units of ``10**-SIZE_PLACES``."""

    surrounding_minutes: int
    very_high_touched: int
    reach_bps: int
    near_bps: int
    tape_minutes: int
    wall_notional: int
    wall_bps: int
    wall_fresh_s: int
    imbalance: int  # hundredths
    vwap_bps: int
    stale_ms: Mapping[Stream, int]
    stop_bps: int
    maker_bps: int
    taker_bps: int
    whale_count: int
    whale_volume: int

    @classmethod
    def of(cls, inst_id: str, settings: Settings) -> "Limits":
        """Return the limits that hold for an instrument."""
        chosen = settings.signals

        stale_s: dict[Stream, int] = {
            "wicks": chosen.wicks_stale_s,
            "volume": chosen.volume_stale_s,
            "cvd": chosen.cvd_stale_s,
            "vwap": chosen.vwap_stale_s,
            "buckets": chosen.buckets_stale_s,
        }
        return cls(
            surrounding_minutes=chosen.surrounding_minutes,
            very_high_touched=chosen.very_high_touched,
            reach_bps=chosen.reach_bps,
            near_bps=chosen.near_bps,
            tape_minutes=chosen.tape_minutes,
            wall_notional=chosen.wall_notional.of(inst_id),
            wall_bps=chosen.wall_bps,
            wall_fresh_s=chosen.wall_fresh_s,
            imbalance=chosen.imbalance,
            vwap_bps=chosen.vwap_bps,
            stale_ms={name: limit * times.SECOND_MS for name, limit in stale_s.items()},
            stop_bps=chosen.stop_bps,
            maker_bps=chosen.maker_bps,
            taker_bps=chosen.taker_bps,
            whale_count=chosen.whale_count,
            whale_volume=chosen.whale_volume,
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was known of an instrument at the minute asked for; rows oldest first."""

    inst_id: str
    minute: int  # A: rows that ended by its start, events, snapshots and trades known by then
    wicks: Sequence[Wick] = ()
    newest_event: int | None = None  # Unix minute of the newest wick event
    tracked: int | None = None  # that up to which the tracker has committed; None: nobody knows
    volume: Sequence[VolumeRow] = ()
    cvd: Sequence[CvdRow] = ()
    vwap: Sequence[VwapRow] = ()
    book: BookRow | None = None
    trade: LastTrade | None = None
    tick: int | None = None  # tick size in units of a price
    files: Mapping[Stream, str] = field(
        default_factory=dict
    )  # where each was read, from the vault's root
    past_books: Sequence[BookRow] = ()  # snapshots of the last day at equal distances

    @property
    def ms(self) -> int:
        """The moment asked for."""
        return self.minute * times.MINUTE_MS

    @property
    def wicks_reach(self) -> int | None:
        """The minute up to which the tracker has certainly seen the market."""
        volume_end = self.volume[-1].minute + 1 if self.volume else None
        return reach(self.newest_event, self.tracked, volume_end)

    def volume_since(self, minute: int) -> "Sequence[VolumeRow]":
        """Return the volume rows from a minute on."""
        return self.volume[bisect_left(self.volume, minute, key=attrgetter("minute")) :]

    def age_ms(self, stream: Stream) -> int | None:
        """Return how old the newest of a stream is, a minute from its end; None: there is none."""
        ends: dict[Stream, int | None] = {
            "wicks": _start(self.wicks_reach),
            "volume": _end(self.volume),
            "cvd": _end(self.cvd),
            "vwap": _end(self.vwap),
            "buckets": self.book.ts if self.book else None,
            "trades": self.trade.ts if self.trade else None,
        }
        end = ends[stream]
        return None if end is None else self.ms - end

    def state(self, stream: Stream, limits: Limits) -> Literal["missing", "stale", "gap"] | None:
        """Say why a stream cannot be judged by, None if it can."""
        age = self.age_ms(stream)
        if age is None:
            return "missing"
        if age > limits.stale_ms.get(stream, age):
            return "stale"
        return "gap" if self._newest_gap(stream) else None

    def _newest_gap(self, stream: Stream) -> bool:
        rows: dict[Stream, Sequence[VolumeRow | CvdRow | VwapRow]] = {
            "volume": self.volume[-1:],
            "cvd": self.cvd[-1:],
            "vwap": self.vwap[-1:],
        }
        if stream == "buckets":
            return self.book is not None and self.book.gap
        return any(row.gap for row in rows.get(stream, ()))


def reach(newest_event: int | None, tracked: int | None, volume_end: int | None) -> int | None:
    """Return the minute up to which wicks are certainly known, None if there are none.

    Minutes without a birth or touch make no event: up to the newest minute with trades they count
    as seen if the tracker has committed them. Where that is not known its newest event decides.
    """
    if newest_event is None or tracked is None:
        return newest_event
    return min(tracked, max(newest_event, volume_end or newest_event))


def _start(minute: int | None) -> int | None:
    return None if minute is None else minute * times.MINUTE_MS


def _end(rows: "Sequence[VolumeRow | CvdRow | VwapRow]") -> int | None:
    return (rows[-1].minute + 1) * times.MINUTE_MS if rows else None
