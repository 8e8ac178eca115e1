"""The limits of the query: the settings under ``[signals]``, for an instrument. Pure."""

from typing import Final, Literal

from ravequant import exact, times
from ravequant.settings import Settings, Signals

BPS: Final = 10_000 * exact.SIZE_ONE  # 1 in units of a bps with SIZE_PLACES
Stream = Literal["wicks", "volume", "cvd", "vwap", "buckets", "trades"]
STREAMS: Final[tuple[Stream, ...]] = ("trades", "buckets", "wicks", "volume", "cvd", "vwap")


class SignalLimits(Signals):
    """The settings of the query, and the size of a wall of the instrument."""

    least_wall: int  # in units of exact.NOTIONAL_PLACES
    young_from_s: int  # the bucketizer calls a wall young from this age
    young_to_s: int  # no more at an age above this

    @classmethod
    def of(cls, inst_id: str, settings: Settings) -> "SignalLimits":
        """Return the limits of an instrument."""
        made = cls._make(settings.signals)
        made.least_wall = made.wall_notional.of(inst_id)
        made.young_from_s = settings.buckets.confirm_s
        made.young_to_s = settings.buckets.young_s
        return made

    def wall_reach(self, tip: int) -> int:
        """Return how far from a tip a wall may rest to be there, in units of a price."""
        return self.wall_bps * tip // BPS

    def stale_ms(self, stream: Stream) -> int | None:
        """Return the age above which a stream does not count, None if any age counts."""
        seconds = {
            "wicks": self.wicks_stale_s,
            "volume": self.volume_stale_s,
            "cvd": self.cvd_stale_s,
            "vwap": self.vwap_stale_s,
            "buckets": self.buckets_stale_s,
        }.get(stream)
        return None if seconds is None else seconds * times.SECOND_MS
