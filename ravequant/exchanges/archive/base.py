"""The files that an exchange publishes of the past, in the form that importers need.

The importers know these types and no exchange: `ravequant.exchanges.load_archive` returns the form
of one by its name.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ravequant.contract import Contract
from ravequant.vault.imports.id_spans import IdSpan
from ravequant.vault.imports.merge import LineBlock


class PublishedName(Protocol):
    """A file, by the parts of its name."""

    @property
    def stream(self) -> str:
        """The kind of its rows: trades, candles, funding, books, books_deep."""

    @property
    def inst_id(self) -> str:
        """The instrument."""

    @property
    def label(self) -> str:
        """The day or month that it is named after."""


class ReadFile(Protocol):
    """A file that was read to its end."""

    @property
    def name(self) -> str:
        """Its bare name."""

    @property
    def bytes(self) -> int:
        """Its size."""

    @property
    def sha256(self) -> str:
        """Its hash."""

    @property
    def header(self) -> str:
        """Its header line; empty if it has none."""


class TradeDayRead(Protocol):
    """The facts of a day that was read to its end."""

    @property
    def files(self) -> Sequence[ReadFile]:
        """The files."""

    @property
    def rows(self) -> int:
        """The rows of the day, covered or not."""

    @property
    def records(self) -> int:
        """The lines that came out."""

    @property
    def first_id(self) -> int | None:
        """The first id of the day's rows; None without any."""

    @property
    def last_id(self) -> int | None:
        """The last id of them."""

    @property
    def dropped_covered(self) -> int:
        """The rows that recorded lines cover."""

    @property
    def jumps(self) -> Sequence[IdSpan]:
        """The ids missing before rows of the day."""

    @property
    def minutes(self) -> Mapping[int, Any]:
        """The sums of its minutes, for the comparison with candles."""


class TradeDayReader(Protocol):
    """One UTC day of trades out of published files."""

    @property
    def facts(self) -> TradeDayRead:
        """The facts, once ``blocks`` has ended."""

    def blocks(self) -> Iterator[LineBlock]:
        """Yield the day's lines. Raises ArchiveError; then nothing of the day counts."""


class FundingSettlement(Protocol):
    """A settled funding rate."""

    @property
    def ts(self) -> int:
        """Its time (Unix ms)."""

    def line(self, inst_id: str, exchange: str = ..., /) -> bytes:
        """Return the record as one line."""


@dataclass(frozen=True, slots=True)
class CandleForm:
    """How files of candles are read and compared."""

    read: Callable[..., Any]  # (paths, inst_id, day)
    differing: Callable[..., Sequence[object]]  # (minutes of trades, candles): sentences
    contract_in_force: Callable[..., str | None]  # (candles, ctType): ctVal x ctMult


@dataclass(frozen=True, slots=True)
class Archive:
    """The form of an exchange's published files."""

    parse_name: Callable[[str], PublishedName | None]
    labels_of: Callable[[Any, str], tuple[str, ...]]  # stream, UTC day
    trade_day: Callable[..., TradeDayReader]  # (paths, inst_id, day, contract, covered)
    candles: CandleForm
    settlements: Callable[..., Sequence[FundingSettlement]]  # (paths, inst_id, time before them)
    everybody: str  # in the place of an instrument: the file has the rows of all of them


def contract_with(known: Contract, worth: str | None) -> Contract:
    """Return a contract that is worth ``worth`` in place of ctVal x ctMult."""
    return known if worth is None else Contract(worth, "1", known.ct_type)
