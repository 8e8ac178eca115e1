"""The bar of one UTC minute, of a single record, and of two bars merged.

Every amount is a count of units at the places of ``ravequant.exact``.
"""

from typing import Final, NamedTuple

from ravequant import exact, times
from ravequant.contract import Contract, amounts
from ravequant.records import Trade
from ravequant.trades import price_levels
from ravequant.trades.price_levels import PriceLevels, levels_of

NEVER: Final = 1 << 62  # later than any time


class MinuteBar(NamedTuple):
    """The trades of one UTC minute, summed. ``buy`` and ``sell`` are the taker's side."""

    minute: int  # Unix minutes, the minute's start
    open: int  # prices in units of exact.PRICE_PLACES, in file order
    high: int
    low: int
    close: int
    trade_count: int  # records, not fills
    base: int  # coins, exact.BASE_PLACES
    buy_base: int
    sell_base: int
    notional: int  # quote currency, exact.NOTIONAL_PLACES
    buy_notional: int
    sell_notional: int
    price_notional: int  # sum of price x notional, PRICE_PLACES + NOTIONAL_PLACES
    price_base: int  # sum of price x base, PRICE_PLACES + BASE_PLACES
    whale_count: int  # records at or above the whale notional
    whale_buy_notional: int
    whale_sell_notional: int
    first_id: int  # first id the first record covers
    last_id: int
    gap: bool = False  # a gap touches this minute
    # sum of price² x notional, 2 x PRICE_PLACES + NOTIONAL_PLACES; None: the minute was open in the
    # state of a calculator that does not need it
    square_notional: int | None = None
    # by price, for readers that ask for that: base … whale_sell_notional are then 0, and the sum
    # above is None
    levels: PriceLevels | None = None


NO_SUMS: Final = (0,) * 11  # base … whale_sell_notional of a bar with levels


def merge(earlier: MinuteBar, later: MinuteBar, *, late: bool = False) -> MinuteBar:
    """Return two bars of one minute as one; ``late`` records move no price (SPEC section 4)."""
    prices = earlier if late else later
    return MinuteBar(
        earlier.minute,
        earlier.open,
        max(earlier.high, prices.high),
        min(earlier.low, prices.low),
        prices.close,
        earlier.trade_count + later.trade_count,
        earlier.base + later.base,
        earlier.buy_base + later.buy_base,
        earlier.sell_base + later.sell_base,
        earlier.notional + later.notional,
        earlier.buy_notional + later.buy_notional,
        earlier.sell_notional + later.sell_notional,
        earlier.price_notional + later.price_notional,
        earlier.price_base + later.price_base,
        earlier.whale_count + later.whale_count,
        earlier.whale_buy_notional + later.whale_buy_notional,
        earlier.whale_sell_notional + later.whale_sell_notional,
        earlier.first_id,
        max(earlier.last_id, later.last_id),
        earlier.gap or later.gap,
        None
        if earlier.square_notional is None or later.square_notional is None
        else earlier.square_notional + later.square_notional,
        price_levels.joined(earlier.levels, later.levels),
    )


def with_gap(bar: MinuteBar) -> MinuteBar:
    """Return the bar, marked."""
    return bar._replace(gap=True)


class Record(NamedTuple):
    """A trade as exact numbers."""

    ts: int  # Unix milliseconds
    trade_id: int  # the last id it covers
    ids: int  # how many it covers
    buy: bool  # the taker's side
    price: int  # units of exact.PRICE_PLACES
    qty: int  # contracts, units of exact.SIZE_PLACES
    contract: Contract
    ahead: bool = False  # its time is not to be believed

    @property
    def minute(self) -> int:
        """The Unix minute it was made in."""
        return self.ts // times.MINUTE_MS

    @property
    def first_id(self) -> int:
        """The first id it covers."""
        return self.trade_id - self.ids + 1

    def until(self, end: int) -> "Record":
        """Return it as ahead if its time is ``end`` (Unix ms; of its file's day) or later."""
        return self._replace(ahead=True) if self.ts >= end else self


def record_of(trade: Trade, contract: Contract) -> Record:
    """Return the numbers of a valid trade."""
    return Record(
        trade.ts,
        trade.trade_id,
        trade.count,
        trade.side == "buy",
        exact.units(trade.price, exact.PRICE_PLACES),
        exact.units(trade.qty, exact.SIZE_PLACES),
        contract,
        trade.ahead,
    )


def bar_of(record: Record, whale_notional: int, bucket: int = 0) -> MinuteBar:
    """Return the bar of a record; ``whale_notional`` is in units of ``exact.NOTIONAL_PLACES``.

    With ``bucket``, the height of price levels in units of ``exact.PRICE_PLACES``, it has levels in
    place of sums.
    """
    price = record.price
    base, notional = amounts(record.contract, price, record.qty)
    if bucket:
        levels = levels_of(price, notional, bucket, buy=record.buy)
        ids = record.first_id, record.trade_id
        return MinuteBar(
            record.minute, price, price, price, price, 1, *NO_SUMS, *ids, levels=levels
        )
    bought = notional if record.buy else 0
    whale = notional >= whale_notional
    return MinuteBar(
        minute=record.minute,
        open=price,
        high=price,
        low=price,
        close=price,
        trade_count=1,
        base=base,
        buy_base=base if record.buy else 0,
        sell_base=0 if record.buy else base,
        notional=notional,
        buy_notional=bought,
        sell_notional=notional - bought,
        price_notional=price * notional,
        price_base=price * base,
        whale_count=int(whale),
        whale_buy_notional=bought if whale else 0,
        whale_sell_notional=notional - bought if whale else 0,
        first_id=record.first_id,
        last_id=record.trade_id,
        square_notional=price * price * notional,
    )
