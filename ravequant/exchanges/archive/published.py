"""Files that an exchange publishes of the past, as its listing names them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file to be fetched; its name is a bare name of the exchange's own form."""

    name: str  # ``BTC-USDT-SWAP-trades-2025-01-31.zip``
    stream: str  # trades, candles, funding, books, books_deep
    inst_id: str
    label: str  # the day or month it is named after, in the exchange's own zone
    url: str  # on a host of the exchange's files
    size_hint: int  # bytes, rounded by the exchange; 0: not known


@dataclass(frozen=True, slots=True)
class Published:
    """The answer of a listing: files in the order of their labels, and the labels without one."""

    files: tuple[PublishedFile, ...]
    absent: tuple[str, ...]
