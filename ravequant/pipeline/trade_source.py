"""Raw trades as closed minute bars: the source of every calculator that works on minutes."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from ravequant import catalog, times
from ravequant.pipeline.job import Decoder, Leg, Reject, Source
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.settings import Settings
from ravequant.trades.bar_builder import Closed, IsGap
from ravequant.trades.bar_reader import BarReader
from ravequant.trades.parallel_scan import read_ahead
from ravequant.vault.cursor import Cursor
from ravequant.vault.gap_ledger import GapLedger
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Listing, Tail

_TWO: Final = 2  # files, of which the older one is finished


class TradeInput:
    """The raw trades of a vault; ``squares``: for a fold that needs the sums of squares."""

    record: Final = "trade"

    def __init__(self, *, squares: bool = False) -> None:
        self.squares = squares

    def files(self, vault: Vault, inst_id: str) -> Listing:
        """Return the listing of the raw trade files."""
        return lambda: catalog.TRADES.files(vault, inst_id)

    def folder(self, vault: Vault, inst_id: str) -> Path:
        """Return the folder of the raw trades."""
        return vault.trades(inst_id)

    def source(self, vault: Vault, inst_id: str, chosen: Settings) -> Source[Closed]:
        """Return the source of one instrument."""
        files = self.files(vault, inst_id)
        source = source_of(vault, inst_id, chosen, files, squares=self.squares)
        whale = chosen.bars.whale_notional
        ahead = partial(read_ahead, inst_id, whale, exchange=vault.exchange)
        return replace(source, read_ahead=ahead)


TRADES: Final = TradeInput()
TRADES_WITH_SQUARES: Final = TradeInput(squares=True)


def source_of(
    vault: Vault, inst_id: str, chosen: Settings, files: Listing, *, squares: bool = False
) -> Source[Closed]:
    """Return the source of an instrument whose raw files are ``files``; none is read ahead."""

    def legs(reader: BarReader, cursor: Cursor | None, generation: int) -> Iterator[Leg[Closed]]:
        keys = [key for key, _ in files()]
        if len(keys) < _TWO or (cursor is not None and cursor.file >= keys[-1]):
            return iter(())  # no day is finished
        from ravequant.pipeline.kept_minutes import KeptMinutes  # noqa: PLC0415 - as most runs

        whale = chosen.bars.whale_notional
        return KeptMinutes(vault, inst_id, whale, files, generation).legs(reader, cursor)

    return Source(
        files,
        decoder(vault, inst_id, chosen, squares=squares),
        first_ms=lambda cursor: first_bar_ms(files, inst_id, cursor, vault.exchange),
        legs=legs,
    )


def decoder(
    vault: Vault, inst_id: str, chosen: Settings, *, squares: bool = False, bucket: int = 0
) -> Callable[[Reject], Decoder[Closed]]:
    """Return a factory of decoders of raw trades, with ledger and settings of ``inst_id``.

    ``squares``: their state holds the sums of squares of the open minutes. ``bucket``: the height
    of price levels, in units of ``exact.PRICE_PLACES``; 0: the minutes have none.
    """
    is_gap, whale = ledger_of(vault, inst_id), chosen.bars.whale_notional
    return lambda reject: BarReader(
        inst_id, whale, is_gap, reject, exchange=vault.exchange, squares=squares, bucket=bucket
    )


def ledger_of(vault: Vault, inst_id: str) -> IsGap:
    """Return the function that asks the ledger of an instrument about missing ids."""
    ledger = GapLedger(vault.gap_ledger(inst_id), inst_id)

    def is_gap(first_missing: int, last_missing: int) -> bool:
        ledger.refresh()  # the ledger is settled before the line behind the gap is written
        return ledger.is_gap(first_missing, last_missing)

    return is_gap


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
