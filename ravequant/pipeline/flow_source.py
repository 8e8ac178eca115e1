"""Raw order book snapshots together with the raw trades around them, on a tape."""

from dataclasses import dataclass, replace
from typing import Any, Final

from ravequant import catalog
from ravequant.books.snapshot_reader import Books
from ravequant.pipeline.book_source import DEEP_CURSOR, BookInput
from ravequant.pipeline.job import Decoder, Source
from ravequant.pipeline.trade_source import ledger_of
from ravequant.settings import Settings
from ravequant.trades.taker_tape import TakerTape
from ravequant.vault.paths import Vault

TAPE_CURSOR: Final = "tape"  # of the trades, in a state


@dataclass(frozen=True, slots=True)
class FlowBatch:
    """Books in order, and the tape that says who traded before, between and behind them."""

    books: list[Books]
    tape: TakerTape


class FlowReader:
    """Blocks of snapshot lines in, batches with the tape out."""

    def __init__(self, books: Decoder[list[Books]], tape: TakerTape) -> None:
        self._books, self._tape = books, tape
        tape.begin()

    def read(self, block: bytes, file: str) -> FlowBatch:
        """Read a block of whole lines, which stands in the file of that name."""
        self._tape.look_again()
        return FlowBatch(self._books.read(block, file), self._tape)

    def news(self) -> FlowBatch:
        """Return a batch without a book: trades may have come since the last."""
        self._tape.look_again()
        return FlowBatch([], self._tape)

    def state(self) -> dict[str, Any]:
        """Return everything that later batches depend on."""
        return {**self._books.state(), "tape": self._tape.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned."""
        self._books.restore(state)
        self._tape.restore(state["tape"])

    def counts(self) -> dict[str, int]:
        """Return the counters of this run."""
        tape = self._tape
        return {**self._books.counts(), "trade_lines": tape.lines, "trade_rejected": tape.rejected}


class FlowInput(BookInput):
    """The raw snapshots and trades of a vault."""

    def source(self, vault: Vault, inst_id: str, chosen: Settings) -> Source[Any]:
        """Return the source of one instrument."""
        found = super().source(vault, inst_id, chosen)
        tape = TakerTape(
            lambda: catalog.TRADES.files(vault, inst_id),
            inst_id,
            ledger_of(vault, inst_id),
            vault.exchange,
        )
        books = found.decoder
        return replace(
            found,
            decoder=lambda reject: FlowReader(books(reject), tape),
            side_inputs={DEEP_CURSOR: found.side_inputs[DEEP_CURSOR], TAPE_CURSOR: tape},
            repaired=True,
            side_news=FlowReader.news,
        )


BOOKS_AND_TRADES: Final = FlowInput()
