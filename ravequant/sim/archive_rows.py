"""The lines of a published file: trades in every header form, candles, funding, books; pure."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ravequant import exact, times
from ravequant.contract import Contract, amounts
from ravequant.records import Trade
from ravequant.sim.feed import BookChange, Level

NAMED: Final = "named"
HEADERS: Final = {  # form -> first line of a trade file
    NAMED: "instrument_name,trade_id,side,price,size,created_time",
    "source": "instrument_name,trade_id,side,price,size,created_time,source",
    "chinese": "trade_id/交易id,side/交易方向,size/数量,price/价格,created_time/成交时间",
    "chinese-match": "trade_id/撮合id,side/交易方向,size/数量,price/价格,created_time/成交时间",
    "bare": "",
}
CANDLES: Final = "instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time,confirm\n"
FUNDING: Final = "instrument_name,funding_rate,funding_time\n"
FUNDING_MS: Final = 8 * times.HOUR_MS
_FIVE: Final = ("chinese", "chinese-match", "bare")  # size before price, no instrument


def float_text(decimal: str) -> str:
    """Return a decimal as the archive writes it: ``38`` is ``38.0``; up to 15 digits are exact."""
    return repr(float(decimal))


def trade_header(form: str) -> bytes:
    """Return the first line of a trade file, in the bytes of its time; empty if there is none."""
    header = HEADERS[form]
    return f"{header}\n".encode("gbk") if header else b""


def trade_row(form: str, inst_id: str, fill: Trade) -> bytes:
    """Return the line of a single fill."""
    price, size = float_text(fill.price), float_text(fill.qty)
    if form in _FIVE:
        return f"{fill.trade_id},{fill.side},{size},{price},{fill.ts}\n".encode()
    more = f",{fill.source}" if form == "source" else ""
    return f"{inst_id},{fill.trade_id},{fill.side},{price},{size},{fill.ts}{more}\n".encode()


@dataclass(slots=True)
class CandleMaker:
    """Fills of one instrument to candle lines, a line for each minute from the first fill on."""

    inst_id: str
    contract: Contract
    minute: int | None = None  # of the open candle, Unix minutes
    prices: tuple[str, str, str, str] = ("", "", "", "")  # open, high, low, close
    contracts: int = 0  # units of 10**-SIZE_PLACES
    coins: int = 0  # units of 10**-BASE_PLACES
    quote: int = 0  # units of 10**-NOTIONAL_PLACES

    def add(self, fill: Trade) -> Iterator[tuple[int, bytes]]:
        """Add a fill; yield (minute, line) of each candle that is over.

        A fill stamped before the minute of the fill ahead of it counts for the later minute.
        """
        yield from self.close_until(fill.ts // times.MINUTE_MS)
        if self.minute is None or not self.contracts:
            self.minute = max(self.minute or 0, fill.ts // times.MINUTE_MS)
            self.prices = (fill.price,) * 4
        first, high, low, _ = self.prices
        key = _price(fill.price)
        high = fill.price if key > _price(high) else high
        low = fill.price if key < _price(low) else low
        self.prices = first, high, low, fill.price
        size = exact.units(fill.qty, exact.SIZE_PLACES)
        coins, quote = amounts(self.contract, key, size)
        self.contracts += size
        self.coins += coins
        self.quote += quote

    def close_until(self, minute: int) -> Iterator[tuple[int, bytes]]:
        """Yield (minute, line) of the candles before a minute; those without fills are flat."""
        while self.minute is not None and self.minute < minute:
            yield self.minute, self._line(self.minute)
            self.minute += 1
            self.prices = (self.prices[3],) * 4
            self.contracts = self.coins = self.quote = 0

    def _line(self, minute: int) -> bytes:
        volumes = (
            exact.text(self.contracts, exact.SIZE_PLACES),
            exact.text(self.coins, exact.BASE_PLACES),
            exact.text(self.quote, exact.NOTIONAL_PLACES),
        )
        opened = minute * times.MINUTE_MS
        return f"{','.join((self.inst_id, *self.prices, *volumes))},{opened},1\n".encode()


def _price(text: str) -> int:
    return exact.units(text, exact.PRICE_PLACES)


def funding_rate(inst_id: str, ts: int) -> str:
    """Return the made-up rate that was settled at a time (Unix ms): about ±0.05 %, 16 places."""
    drawn = zlib.crc32(f"{inst_id}|{ts}".encode()) * 1_000_003 % 8_000_000_000_000
    return exact.text(drawn - 3_000_000_000_000, 16)


def funding_row(inst_id: str, ts: int) -> bytes:
    """Return the line of a settlement."""
    return f"{inst_id},{funding_rate(inst_id, ts)},{ts}\n".encode()


def book_line(change: BookChange, *, floats: bool) -> bytes:
    """Return the line of a book message; ``floats``: sizes as ``240.0``, as files of 2024 have."""
    action = "snapshot" if change.snapshot else "update"
    asks, bids = (_levels(side, floats=floats) for side in (change.asks, change.bids))
    return (
        f'{{"instId":"{change.inst_id}","action":"{action}","ts":"{change.ts}",'
        f'"asks":[{asks}],"bids":[{bids}]}}\n'
    ).encode()


def _levels(levels: tuple[Level, ...], *, floats: bool) -> str:
    return ",".join(
        f'["{price}","{float_text(size) if floats else size}","{orders}"]'
        for price, size, orders in levels
    )
