"""Raw order book snapshots, with the newest deep one for each, as exact levels."""

from pathlib import Path
from typing import Final

from ravequant import catalog
from ravequant.books.snapshot_reader import Books, SnapshotReader
from ravequant.pipeline.job import Source
from ravequant.settings import Settings
from ravequant.vault.paths import Vault
from ravequant.vault.side_input import SideInput
from ravequant.vault.tail import Listing


class BookInput:
    """The raw snapshots of a vault."""

    record: Final = "snapshot"

    def files(self, vault: Vault, inst_id: str) -> Listing:
        """Return the listing of the raw snapshot files."""
        return lambda: catalog.BOOK.files(vault, inst_id)

    def folder(self, vault: Vault, inst_id: str) -> Path:
        """Return the folder of the raw snapshots."""
        return vault.snapshots(inst_id)

    def source(self, vault: Vault, inst_id: str, _chosen: Settings) -> Source[list[Books]]:
        """Return the source of one instrument."""
        deep = SideInput(lambda: catalog.DEEP.files(vault, inst_id))
        return Source(
            self.files(vault, inst_id),
            lambda reject: SnapshotReader(inst_id, deep, reject, vault.exchange),
            side_input=deep,
            expires=True,
        )


BOOKS: Final = BookInput()
