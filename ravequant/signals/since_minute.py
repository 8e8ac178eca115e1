"""The seconds after the minute of an answer: their changes to it (SPEC section 11). Pure.

A tip that a trade has reached since is no entry any more, nor is one that a mid has passed. Price
and distance are the newest ones; evidence, target and conviction stay those of the minute.
"""

from collections.abc import Iterable

from ravequant import times
from ravequant.signals.candidates import LastPrice
from ravequant.signals.inputs import Side
from ravequant.signals.rules import QueryResult, Reached, Signal
from ravequant.signals.seen import NewestPrice, RawTail
from ravequant.signals.trade_plan import TradePlan


def since_minute(result: QueryResult, tail: RawTail, newest: NewestPrice | None) -> QueryResult:
    """Return ``result`` as it stands after the raw lines of ``tail``, nearest first."""
    last = result.last if newest is None else LastPrice(newest.price, newest.source)
    signals = [_since(signal, tail, last) for signal in result.signals]
    return result._replace(last=last, signals=tuple(sorted(signals, key=_nearness)))


def _nearness(signal: Signal) -> tuple[int, str]:
    away = 0 if signal.last is None else abs(signal.wick.tip - signal.last.price)
    return away, signal.wick.event_id


def _since(signal: Signal, tail: RawTail, last: LastPrice | None) -> Signal:
    wick = signal.wick
    signal = signal._replace(last=last)
    reaching = [
        Reached(trade.ts, trade.price)
        for trade in tail.trades
        if trade.ts >= wick.birth * times.MINUTE_MS and _beyond(wick.side, trade.price, wick.tip)
    ]
    if reaching:
        first = min(reaching, key=lambda found: found.ts)
        return signal._replace(no_trade="touched", reached=first, plan=TradePlan())
    if _passed(wick.side, wick.tip, (mid.price for mid in tail.mids)):
        return signal._replace(in_contact=True, plan=TradePlan())
    return signal


def _beyond(side: Side, price: int, tip: int) -> bool:
    return price >= tip if side == "high" else price <= tip


def _passed(side: Side, tip: int, prices: Iterable[int]) -> bool:
    return any(_beyond(side, price, tip) for price in prices)


def without_entry(result: QueryResult) -> QueryResult:
    """Return ``result`` with no signal that could be traded: the clock is wrong."""
    signals = (signal._replace(no_trade="clock", plan=TradePlan()) for signal in result.signals)
    return result._replace(signals=tuple(signals))
