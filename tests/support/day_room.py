"""A calculator under test that writes a file for each UTC day."""

from ravequant.vault.paths import Vault
from tests.support.trade_streams import BTC, Room


class DayRoom(Room):
    """Its output, a pattern of names, is that of all days, one after the other."""

    def lines(self, vault: Vault, inst_id: str = BTC) -> bytes:
        """Return what has been written so far."""
        files = sorted(vault.derived(self.metric, inst_id).glob(self.output))
        return b"".join(path.read_bytes() for path in files)
