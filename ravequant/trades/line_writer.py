"""Columns of records to raw lines, as `records.TradeEncoder` writes them."""

from collections.abc import Iterator

from ravequant import exact
from ravequant.contract import Contract
from ravequant.records import DEFAULT_EXCHANGE, Trade, TradeEncoder
from ravequant.trades.joining import SourcedColumns


class LineWriter:
    """Writes the records of one instrument and contract as canonical lines."""

    def __init__(self, inst_id: str, contract: Contract, exchange: str = DEFAULT_EXCHANGE) -> None:
        self._encoder = TradeEncoder(inst_id, contract, exchange)

    def lines(self, records: SourcedColumns) -> bytes:
        """Return the lines of the records, in their order."""
        return b"".join(map(self._encoder.line, trades(records)))


def trades(records: SourcedColumns) -> Iterator[Trade]:
    """Yield the records one by one; prices and sizes in canonical text."""
    of = records.columns
    columns = (of.ts, of.trade_id, of.buy, of.price, of.qty, of.count, records.source)
    for ts, trade_id, buy, price, qty, count, source in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        yield Trade(
            ts,
            trade_id,
            "buy" if buy else "sell",
            exact.text(price, of.price_decimals),
            exact.text(qty, of.qty_decimals),
            count,
            str(source),
        )
