"""OKX's published files as one `Archive`, for the importers, which know no exchange."""

from typing import Final

from ravequant.exchanges.archive.base import Archive
from ravequant.exchanges.okx.archive.names import labels_of, parse_name
from ravequant.exchanges.okx.archive.trade_day import TradeDay

ARCHIVE: Final = Archive(parse_name=parse_name, labels_of=labels_of, trade_day=TradeDay)
