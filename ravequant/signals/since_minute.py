"""The seconds after the minute of an answer: their changes to it (SPEC section 11). Pure.

A tip that a trade has reached since is no entry any more, nor is one that a mid has passed; a wick
that a trade has reached is no target any more. Price and distance are the newest ones; evidence and
conviction stay those of the minute.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from ravequant import times
from ravequant.signals.candidates import LastPrice
from ravequant.signals.inputs import Side
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState
from ravequant.signals.rules import QueryResult, Reached, Signal
from ravequant.signals.seen import NewestPrice, NoEntry, RawTail, RawTrade
from ravequant.signals.trade_plan import TradePlan, plan, recent_untouched


def since_minute(
    result: QueryResult, limits: SignalLimits, tail: RawTail, newest: NewestPrice | None
) -> QueryResult:
    """Return ``result`` as it stands after the raw lines of ``tail``, nearest first."""
    last = result.last if newest is None else LastPrice(newest.price, newest.source)
    gone = _reached(result.state, tail.trades) if result.signals else frozenset()
    aimed = [_aimed(signal, limits, gone) for signal in result.signals]
    signals = [_since(signal, tail, last) for signal in aimed]
    return result._replace(last=last, signals=tuple(sorted(signals, key=_nearness)))


def _nearness(signal: Signal) -> tuple[int, str]:
    away = 0 if signal.last is None else abs(signal.wick.tip - signal.last.price)
    return away, signal.wick.event_id


def _reached(state: MarketState, trades: Sequence[RawTrade]) -> frozenset[str]:
    """Return the event_ids of the untouched wicks that a trade has reached since their birth."""
    if not trades:
        return frozenset()
    ordered = sorted(trades, key=lambda trade: trade.ts)
    moments = [trade.ts for trade in ordered]
    prices = [trade.price for trade in reversed(ordered)]
    farthest = {  # at each place: of this trade and all later ones
        "high": [*accumulate(prices, max)][::-1],
        "low": [*accumulate(prices, min)][::-1],
    }
    found = []
    for wick in recent_untouched(state):
        first = bisect_left(moments, wick.birth * times.MINUTE_MS)
        if first < len(moments) and _beyond(wick.side, farthest[wick.side][first], wick.tip):
            found.append(wick.event_id)
    return frozenset(found)


def _aimed(signal: Signal, limits: SignalLimits, gone: frozenset[str]) -> Signal:
    """Return a signal with a target that stands: the next one, or none."""
    if signal.plan.target_event_id not in gone:
        return signal
    trade = plan(signal.state, limits, signal.wick, signal.wicks, gone)
    return signal._replace(plan=trade, no_trade=trade.no_trade)


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


def without_entry(result: QueryResult, why: NoEntry) -> QueryResult:
    """Return ``result`` with no signal that could be traded now.

    ``clock``: this computer's is wrong. ``recorder``: one does not record now; a signal that has no
    trade by itself keeps its own reason then.
    """
    signals = (
        signal._replace(no_trade=why, plan=TradePlan())
        if why == "clock" or signal.no_trade is None
        else signal
        for signal in result.signals
    )
    return result._replace(signals=tuple(signals))
