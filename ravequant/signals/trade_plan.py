"""The trade at a wick's tip: entry, stop, target, fees (SPEC section 11, rule 7). Pure.

net reward = |target - entry| - maker fee of the entry - taker fee of the target
net risk   = |stop - entry|   + maker fee of the entry + taker fee of the stop
break-even = net risk / (net risk + net reward)          the share of trades that must win
"""

from typing import Literal, NamedTuple

from ravequant import exact, times
from ravequant.signals.evidence import BPS
from ravequant.signals.inputs import TIMEFRAMES, WickAsOf
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState


class TradePlan(NamedTuple):
    """Prices in units of exact.PRICE_PLACES; a missing target or stop leaves its ratios None."""

    entry: int | None = None
    stop: int | None = None
    target: int | None = None
    target_from: Literal["wick", "vwap_4h"] | None = None
    target_event_id: str | None = None
    reward_risk: str | None = None
    reward_risk_net: str | None = None
    break_even_pct: str | None = None  # None with a target: fees eat the reward


def plan(state: MarketState, limits: SignalLimits, wick: WickAsOf) -> TradePlan:
    """Return the trade that fades the tip of ``wick``."""
    entry = wick.tip
    stop = None if state.tick is None else stop_at(wick, state.tick, limits.stop_bps)
    opposite = nearest_opposite(state, wick)
    if opposite is not None:
        ratios = _ratios(limits, entry, stop, opposite.tip)
        return TradePlan(entry, stop, opposite.tip, "wick", opposite.event_id, *ratios)
    vwap = _vwap_beyond(state, limits, wick)
    if vwap is not None:
        return TradePlan(entry, stop, vwap, "vwap_4h", None, *_ratios(limits, entry, stop, vwap))
    return TradePlan(entry, stop)


def stop_at(wick: WickAsOf, tick: int, stop_bps: int) -> int:
    """Return the tip, moved away from the trade by ``stop_bps`` and then to the next tick."""
    unit = tick * BPS
    if wick.side == "high":
        return -(-wick.tip * (BPS + stop_bps) // unit) * tick
    return wick.tip * (BPS - stop_bps) // unit * tick


def recent_untouched(state: MarketState) -> list[WickAsOf]:
    """Return the untouched wicks born within the last 24 h."""
    return [
        wick
        for wick in state.wicks
        if wick.status == "untouched" and wick.birth >= state.minute - times.DAY_MINUTES
    ]


def nearest_opposite(state: MarketState, wick: WickAsOf) -> WickAsOf | None:
    """Return the nearest untouched wick of the other side and same timeframe in the trade's way."""
    short = wick.side == "high"
    on_the_way = [
        other
        for other in recent_untouched(state)
        if other.timeframe == wick.timeframe
        and other.side != wick.side
        and (other.tip < wick.tip if short else other.tip > wick.tip)
    ]
    return min(
        on_the_way,
        key=lambda other: (abs(wick.tip - other.tip), other.birth, other.event_id),
        default=None,
    )


def same_price(state: MarketState, wick: WickAsOf) -> list[WickAsOf]:
    """Return the untouched wicks of its price and side, itself included, by timeframe."""
    same = [
        other
        for other in recent_untouched(state)
        if other.side == wick.side and other.tip == wick.tip and other != wick
    ]
    return sorted([wick, *same], key=lambda other: (TIMEFRAMES[other.timeframe], other.birth))


def _vwap_beyond(state: MarketState, limits: SignalLimits, wick: WickAsOf) -> int | None:
    if state.defect("vwap", limits) is not None:
        return None
    vwap = state.vwap[-1].vwap_4h
    return vwap if (vwap < wick.tip if wick.side == "high" else vwap > wick.tip) else None


def _ratios(
    limits: SignalLimits, entry: int, stop: int | None, target: int
) -> tuple[str | None, str | None, str | None]:
    if stop is None or stop == entry:
        return None, None, None
    reward, risk = abs(entry - target), abs(stop - entry)
    fee_in = entry * limits.maker_bps
    net_reward = reward * BPS - fee_in - target * limits.taker_bps
    net_risk = risk * BPS + fee_in + stop * limits.taker_bps
    share = exact.divide(100 * net_risk, net_risk + net_reward, 2) if net_reward > 0 else None
    return (
        exact.fixed(exact.divide(reward, risk, 2), 2),
        exact.fixed(exact.divide(net_reward, net_risk, 2), 2),
        None if share is None else exact.fixed(share, 2),
    )
