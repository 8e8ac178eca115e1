"""Raw order book snapshots, with the newest deep one for each, as exact levels."""

from pathlib import Path
from typing import Any, Final, Self

from ravequant import catalog
from ravequant.books.kept_books import BLOCK_BYTES, KeptBooks
from ravequant.books.snapshot_reader import SnapshotReader
from ravequant.pipeline.job import Source
from ravequant.settings import Settings
from ravequant.vault.paths import Vault
from ravequant.vault.side_input import SideInput
from ravequant.vault.tail import Listing

DEEP_CURSOR: Final = "beside"  # of the deep lines, in a state


class BookInput:
    """The raw snapshots of a vault; ``kept``: those that another reader of them has read."""

    record: Final = "snapshot"

    def __init__(self, kept: KeptBooks | None = None) -> None:
        self._kept = kept

    def sharing(self, kept: KeptBooks) -> Self:
        """Return the same input, with books that another reader of them may have read."""
        return type(self)(kept)

    def files(self, vault: Vault, inst_id: str) -> Listing:
        """Return the listing of the raw snapshot files."""
        return lambda: catalog.BOOK.files(vault, inst_id)

    def folder(self, vault: Vault, inst_id: str) -> Path:
        """Return the folder of the raw snapshots."""
        return vault.snapshots(inst_id)

    def source(self, vault: Vault, inst_id: str, _chosen: Settings) -> Source[Any]:
        """Return the source of one instrument."""
        deep = SideInput(lambda: catalog.DEEP.files(vault, inst_id))
        return Source(
            self.files(vault, inst_id),
            lambda reject: SnapshotReader(inst_id, deep, reject, vault.exchange, self._kept),
            side_inputs={DEEP_CURSOR: deep},
            block_bytes=BLOCK_BYTES,
            expires=True,
            repaired=False,
        )


BOOKS: Final = BookInput()
