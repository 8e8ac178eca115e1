"""OKX's published files as one `Archive`, for the importers, which know no exchange."""

from typing import Final

from ravequant.exchanges.archive.base import Archive, CandleForm
from ravequant.exchanges.okx.archive import candles
from ravequant.exchanges.okx.archive.funding import read_funding
from ravequant.exchanges.okx.archive.names import ALL_SWAPS, labels_of, parse_name
from ravequant.exchanges.okx.archive.trade_day import TradeDay

ARCHIVE: Final = Archive(
    parse_name=parse_name,
    labels_of=labels_of,
    trade_day=TradeDay,
    candles=CandleForm(candles.read_candles, candles.differing, candles.contract_in_force),
    settlements=read_funding,
    everybody=ALL_SWAPS,
)
