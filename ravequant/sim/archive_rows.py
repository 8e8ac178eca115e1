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
_LATE_MS: Final = times.SECOND_MS  # so long a candle stays open for fills stamped before others
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
class _OpenCandle:
    """A minute in the making: prices as text, amounts in units of `exact`."""

    open: str
    high: str
    low: str
    close: str
    contracts: int = 0
    coins: int = 0
    quote: int = 0

    def add(self, fill: Trade, contract: Contract) -> None:
        """Add a fill."""
        price, size = _price(fill.price), exact.units(fill.qty, exact.SIZE_PLACES)
        self.high = fill.price if price > _price(self.high) else self.high
        self.low = fill.price if price < _price(self.low) else self.low
        self.close = fill.price
        coins, quote = amounts(contract, price, size)
        self.contracts += size
        self.coins += coins
        self.quote += quote

    def line(self, inst_id: str, minute: int) -> bytes:
        """Return its line."""
        fields = (
            inst_id, self.open, self.high, self.low, self.close,
            exact.text(self.contracts, exact.SIZE_PLACES),
            exact.text(self.coins, exact.BASE_PLACES),
            exact.text(self.quote, exact.NOTIONAL_PLACES),
            str(minute * times.MINUTE_MS), "1",
        )  # fmt: skip
        return ",".join(fields).encode() + b"\n"


class CandleMaker:
    """Fills of one instrument to candle lines, a line for each minute from the first fill on.

    A fill counts for the minute of its own time, also if the fill ahead of it has a later one.
    """

    def __init__(self, inst_id: str, contract: Contract) -> None:
        self._inst_id, self._contract = inst_id, contract
        self._open: dict[int, _OpenCandle] = {}
        self._next: int | None = None  # the first minute without a line
        self._close = ""

    def add(self, fill: Trade) -> Iterator[tuple[int, bytes]]:
        """Add a fill; yield (minute, line) of each candle that is over."""
        minute = fill.ts // times.MINUTE_MS
        self._next = minute if self._next is None else self._next
        yield from self.close_until((fill.ts - _LATE_MS) // times.MINUTE_MS)
        minute = max(minute, self._next)
        candle = self._open.get(minute)
        if candle is None:
            candle = self._open[minute] = _OpenCandle(*(fill.price,) * 4)
        candle.add(fill, self._contract)

    def close_until(self, minute: int) -> Iterator[tuple[int, bytes]]:
        """Yield (minute, line) of the candles before a minute; those without fills are flat."""
        while self._next is not None and self._next < minute:
            candle = self._open.pop(self._next, None) or _OpenCandle(*(self._close,) * 4)
            self._close = candle.close
            yield self._next, candle.line(self._inst_id, self._next)
            self._next += 1


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
