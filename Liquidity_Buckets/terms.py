"""By what an instrument's snapshots are measured: its contract at the time, and its thresholds."""

from typing import NamedTuple, Protocol

from ravequant import exact
from ravequant.contract import Contract
from ravequant.settings import Settings, exactly
from ravequant.vault.paths import Vault
from ravequant.vault.terms import Terms


class Contracts(Protocol):
    """What a contract was worth, and when."""

    def refresh(self) -> None:
        """Take in what became known since; called once the snapshots to be measured are read."""

    def at(self, ts: int) -> Contract:
        """Return the contract in force for a record of the moment ``ts``."""


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


class ContractHistory:
    """The contract of an instrument by its metadata; VaultError at once if there are none."""

    def __init__(self, vault: Vault, inst_id: str) -> None:
        self._terms = Terms(vault, inst_id)

    def refresh(self) -> None:
        """Read the history again if its file has changed."""
        self._terms.refresh()

    def at(self, ts: int) -> Contract:
        """Return the contract in force for a record of the moment ``ts``."""
        return self._terms.at(ts).contract
