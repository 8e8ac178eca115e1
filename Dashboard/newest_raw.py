"""Reads the raw lines that come, each once: the newest price, and the minute that is under way.

Neither feeds a signal, a wick or a volume: a person sees them move (SPEC section 3).
"""

from functools import partial
from typing import Any, Final, NamedTuple

from Dashboard.watch import NewestFile
from ravequant import catalog, contract, exact, times
from ravequant.exact import price_text
from ravequant.records import RecordError, Trade, parse_trade
from ravequant.signals.seen import NewestPrice
from ravequant.vault.line_file import LineFile, is_there, newest_time_in, reading, record_time
from ravequant.vault.paths import Vault

_MID: Final = b'"mid_price":"'
_MOST_READ: Final = 4 << 20  # bytes of trades at a look; more are read at the next one
_MINUTES: Final = 2  # that are held


class Forming(NamedTuple):
    """A minute of raw trades that may not be over; prices in units, the notional in its own."""

    minute: int
    open: int
    high: int
    low: int
    close: int
    notional: int = 0

    def with_trade(self, price: int, notional: int) -> "Forming":
        """Return the minute with one more trade."""
        return Forming(
            self.minute,
            self.open,
            max(self.high, price),
            min(self.low, price),
            price,
            self.notional + notional,
        )

    @property
    def row(self) -> dict[str, Any]:
        """The minute as JSON, for drawing."""
        o, h, l, c = (float(price_text(price)) for price in self[1:5])  # noqa: E741 - its letters
        vol = self.notional / exact.NOTIONAL_ONE
        return {"minute": self.minute, "o": o, "h": h, "l": l, "c": c, "vol": vol}


class NewestRaw:
    """The newest raw lines of an instrument. Methods raise VaultError for an unreadable file."""

    def __init__(self, vault: Vault, inst_id: str) -> None:
        self._vault, self._inst_id = vault, inst_id
        self._file: NewestFile | None = None
        self._place = 0
        self._last_id = -1
        self._minutes: dict[int, Forming] = {}
        self._trade: NewestPrice | None = None
        self._mid: NewestPrice | None = None
        self.low: int | None = None  # of the prices that came since `forget_range`
        self.high: int | None = None

    @property
    def price(self) -> NewestPrice | None:
        """The newest price, that of the mid where both are of the same time."""
        found = [price for price in (self._trade, self._mid) if price is not None]
        return max(found, key=lambda price: (price.ts, price.source == "mid"), default=None)

    def forming(self, since: int) -> Forming | None:
        """Return the oldest of the two newest minutes of trades from ``since`` on, None without.

        ``since`` is the first minute without a row: it is drawn until its row is there.
        """
        found = min((minute for minute in self._minutes if minute >= since), default=None)
        return None if found is None else self._minutes[found]

    def forget_range(self) -> None:
        """Begin the lowest and the highest price anew, at the newest one."""
        newest = self.price
        self.low = self.high = None if newest is None else newest.price

    def read_book(self, newest: NewestFile) -> None:
        """Read the mid of the newest whole snapshot; of a packed hour none, which is not of now."""
        if newest.path.suffix == ".gz":
            return
        with LineFile(newest.path, time_of=partial(record_time, key=newest.key)) as file:
            for line in file.backward(file.size):
                moment, at = file.time_of(line), line.rfind(_MID)
                if moment is None or at < 0:
                    continue
                text = line[at + len(_MID) : line.find(b'"', at + len(_MID))]
                try:
                    price = exact.units(text.decode("ascii"), exact.PRICE_PLACES)
                except ValueError:
                    continue
                self._mid = NewestPrice(moment, price, "mid")
                self._met(price)
                return

    def read_trades(self, newest: NewestFile) -> bool:
        """Read the trades that came; True if there are more than are read at once."""
        if self._file is None or self._file.path != newest.path:
            before, self._file = self._file, None
            while before is not None and is_there(before.path) and self._read_on(before):
                pass  # the last lines of the day before
            self._place = self._begin(newest) if before is None else 0
            self._file = newest
        return self._read_on(newest)

    def _read_on(self, newest: NewestFile) -> bool:
        if newest.path.suffix == ".gz":
            return False
        with reading(newest.path), newest.path.open("rb") as file:
            file.seek(self._place)
            block = file.read(_MOST_READ)
        whole = block.rfind(b"\n") + 1
        self._place += whole
        for line in block[:whole].splitlines():
            self._take(line, newest.key)
        return len(block) == _MOST_READ

    def _begin(self, newest: NewestFile) -> int:
        """Return the place from which the two newest minutes of a file are whole."""
        moment = newest_time_in(newest.path, newest.key)
        if moment is None:
            return 0
        first_ms = moment - moment % times.MINUTE_MS - (_MINUTES - 1) * times.MINUTE_MS
        with LineFile(newest.path, time_of=partial(record_time, key=newest.key)) as file:
            return file.after(first_ms - 1)

    def _take(self, line: bytes, key: str) -> None:
        try:
            trade, terms = parse_trade(line, self._inst_id, self._vault.exchange)
        except RecordError:
            return
        if trade.trade_id <= self._last_id:
            return
        self._last_id = trade.trade_id
        if trade.ahead or times.day(trade.ts) > key[:10]:
            return
        self._count(trade, terms)

    def _count(self, trade: Trade, terms: contract.Contract) -> None:
        price = exact.units(trade.price, exact.PRICE_PLACES)
        _, notional = contract.amounts(terms, price, exact.units(trade.qty, exact.SIZE_PLACES))
        minute = trade.ts // times.MINUTE_MS
        begun = self._minutes.get(minute) or Forming(minute, price, price, price, price)
        self._minutes[minute] = begun.with_trade(price, notional)
        while len(self._minutes) > _MINUTES:
            del self._minutes[min(self._minutes)]
        if self._trade is None or trade.ts >= self._trade.ts:
            self._trade = NewestPrice(trade.ts, price, "trade")
        self._met(price)

    def _met(self, price: int) -> None:
        self.low = price if self.low is None else min(self.low, price)
        self.high = price if self.high is None else max(self.high, price)


def forming_of(vault: Vault, inst_id: str, since: int) -> Forming | None:
    """Return the minute of a live picture that is under way; see ``NewestRaw.forming``."""
    newest = max(catalog.TRADES.files(vault, inst_id), default=None)
    if newest is None:
        return None
    raw = NewestRaw(vault, inst_id)
    while raw.read_trades(NewestFile(*newest)):
        pass
    return raw.forming(since)
