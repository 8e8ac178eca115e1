"""Raw trades as closed minute bars: the source of every calculator that works on minutes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from ravequant import catalog, times
from ravequant.pipeline import runner
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.settings import Settings
from ravequant.trades.bar_builder import Closed
from ravequant.trades.bar_reader import BarReader
from ravequant.trades.parallel_scan import read_ahead
from ravequant.vault.cursor import Cursor
from ravequant.vault.gap_ledger import GapLedger
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Listing, Tail


class TradeInput:
    """The raw trades of a vault."""

    record: Final = "trade"

    def files(self, vault: Vault, inst_id: str) -> Listing:
        """Return the listing of the raw trade files."""
        return lambda: catalog.TRADES.files(vault, inst_id)

    def folder(self, vault: Vault, inst_id: str) -> Path:
        """Return the folder of the raw trades."""
        return vault.trades(inst_id)

    def source(self, vault: Vault, inst_id: str, chosen: Settings) -> runner.Source[Closed]:
        """Return the source of one instrument."""
        files = self.files(vault, inst_id)
        return runner.Source(
            files,
            decoder(vault, inst_id, chosen),
            read_ahead=partial(
                read_ahead, inst_id, chosen.bars.whale_notional, exchange=vault.exchange
            ),
            first_ms=lambda cursor: first_bar_ms(files, inst_id, cursor, vault.exchange),
        )


TRADES: Final = TradeInput()


def decoder(
    vault: Vault, inst_id: str, chosen: Settings
) -> Callable[[runner.Reject], runner.Decoder[Closed]]:
    """Return a factory of decoders of raw trades, with ledger and settings of ``inst_id``."""
    ledger = GapLedger(vault.gap_ledger(inst_id), inst_id)

    def is_gap(first_missing: int, last_missing: int) -> bool:
        ledger.refresh()  # the ledger is settled before the line behind the gap is written
        return ledger.is_gap(first_missing, last_missing)

    whale = chosen.bars.whale_notional
    return lambda reject: BarReader(inst_id, whale, is_gap, reject, exchange=vault.exchange)


def first_bar_ms(
    files: Listing, inst_id: str, cursor: Cursor | None, exchange: str = DEFAULT_EXCHANGE
) -> int | None:
    """Return the start of the first minute that reading from ``cursor`` gives; None without any.

    That is not always the first line's: a line of the minute before may follow it.
    """
    reader = BarReader(inst_id, 0, lambda *_: False, lambda *_: None, exchange=exchange)
    blocks = Tail(files, cursor, 0).blocks()
    closed = (reader.read(block.data, block.path.name).bars for block in blocks)
    bars = next(filter(None, closed), None) or reader.builder.open_bars
    return bars[0].minute * times.MINUTE_MS if bars else None
