"""The thresholds of an instrument's bands and walls, as exact numbers."""

from typing import NamedTuple

from ravequant import exact
from ravequant.settings import Settings, exactly


class Limits(NamedTuple):
    """The thresholds of one instrument, in units of ``10**-NOTIONAL_PLACES``."""

    band: int
    wall: int
    delta: int

    @classmethod
    def of(cls, inst_id: str, settings: Settings) -> "Limits":
        """Return the limits that the settings give ``inst_id``."""
        names = ("band_notional", "wall_notional", "delta_notional")
        return cls(*(exactly(settings, f"buckets.{name}", inst_id) for name in names))

    def scaled(self, places: int) -> "Limits":
        """Return the limits in coarser units: what is at least or above them stays so."""
        unit = 10 ** (exact.NOTIONAL_PLACES - places)
        return Limits(-(-self.band // unit), -(-self.wall // unit), self.delta // unit)
