"""The terms of an instrument (tick size, contract) at any moment, kept up to date while it runs."""

from typing import Final

from ravequant.vault import instruments
from ravequant.vault.instruments import Metadata
from ravequant.vault.paths import Vault

_ABSENT: Final = (-1, -1)


class Terms:
    """The metadata in force when; VaultError at once if there are none."""

    def __init__(self, vault: Vault, inst_id: str) -> None:
        self._vault, self._inst_id = vault, inst_id
        self._path = vault.metadata_history(inst_id)
        self._stamp: tuple[int, int] | None = None
        self._changes: instruments.History = ()
        self.refresh()

    def refresh(self) -> None:
        """Read the history again if its file has changed.

        Called once the records to be judged are read: a change is on disk before any later record.
        """
        try:
            facts = self._path.stat()
            stamp = facts.st_mtime_ns, facts.st_size
        except FileNotFoundError:
            stamp = _ABSENT
        if stamp == self._stamp:
            return
        changes = instruments.history(self._vault, self._inst_id)
        self._changes = changes or [(None, instruments.load(self._vault, self._inst_id))]
        self._stamp = stamp

    def at(self, ts: int) -> Metadata:
        """Return what holds for a record of the moment ``ts`` (Unix milliseconds)."""
        return instruments.in_force(self._changes, ts)
