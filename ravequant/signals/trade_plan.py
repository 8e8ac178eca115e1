"""The trade at a level: entry, stop, target, fees, and whether it can win (SPEC 11.7). Pure.

net reward = |target - entry| - maker fee of the entry - taker fee of the target
net risk   = |stop - entry|   + maker fee of the entry + taker fee of the stop
break-even = net risk / (net risk + net reward)          the share of trades that must win
"""

from collections.abc import Container, Sequence
from typing import Literal, NamedTuple

from ravequant import exact, times
from ravequant.signals.evidence import within
from ravequant.signals.inputs import TIMEFRAMES, WickAsOf
from ravequant.signals.limits import BPS, SignalLimits
from ravequant.signals.market_state import MarketState

NoTrade = Literal["fees", "break-even", "target", "touched", "clock", "recorder"]


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
    no_trade: NoTrade | None = None  # the reason why it cannot win


class _Exit(NamedTuple):
    """A price to get out at, and the wick that made it."""

    price: int
    source: Literal["wick", "vwap_4h"]
    event_id: str | None = None


def plan(
    state: MarketState,
    limits: SignalLimits,
    wick: WickAsOf,
    group: Sequence[WickAsOf] = (),
    gone: Container[str] = (),
) -> TradePlan:
    """Return the trade that fades the tip of ``wick``; the stop lies beyond each tip of ``group``.

    The target is the nearer of the next untouched wick on the other side and the 4 h VWAP.
    ``gone``: the event_ids of wicks that price has touched since the minute of the state.
    """
    entry, stop = wick.tip, None
    if state.tick is not None:
        stop = stop_at(farthest(wick, group), state.tick, limits.stop_bps)
    opposite = nearest_opposite(state, wick, gone)
    exits = [] if opposite is None else [_Exit(opposite.tip, "wick", opposite.event_id)]
    vwap = _vwap_beyond(state, limits, wick)
    exits += [] if vwap is None else [_Exit(vwap, "vwap_4h")]
    nearest = min(exits, key=lambda found: abs(found.price - entry), default=None)
    if nearest is None or not within(nearest.price - entry, limits.target_max_bps, entry):
        return TradePlan(entry, stop, no_trade="target")
    gross, net, share, no_trade = _worth(limits, entry, stop, nearest.price)
    return TradePlan(entry, stop, *nearest, gross, net, share, no_trade)


def farthest(wick: WickAsOf, group: Sequence[WickAsOf]) -> WickAsOf:
    """Return the wick of a group whose tip lies farthest away from the trade."""
    return max((wick, *group), key=lambda other: _beyond(wick, other.tip))


def _beyond(wick: WickAsOf, price: int) -> int:
    """Return how far a price lies beyond the tip of ``wick``, away from the trade."""
    return price - wick.tip if wick.side == "high" else wick.tip - price


def stop_at(wick: WickAsOf, tick: int, stop_bps: int) -> int:
    """Return the tip, moved away from the trade by ``stop_bps`` and then to the next tick."""
    return moved(wick.tip, tick, stop_bps if wick.side == "high" else -stop_bps)


def moved(price: int, tick: int, bps: int) -> int:
    """Return a price moved by ``bps`` (of exact.SIZE_PLACES, signed) and then on to a tick."""
    unit = tick * BPS
    return -(-price * (BPS + bps) // unit) * tick if bps > 0 else price * (BPS + bps) // unit * tick


def recent_untouched(state: MarketState) -> list[WickAsOf]:
    """Return the untouched wicks born within the last 24 h."""
    return [
        wick
        for wick in state.wicks
        if wick.status == "untouched" and wick.birth >= state.minute - times.DAY_MINUTES
    ]


def nearest_opposite(
    state: MarketState, wick: WickAsOf, gone: Container[str] = ()
) -> WickAsOf | None:
    """Return the nearest untouched wick of the other side and same timeframe in the trade's way.

    ``gone``: see ``plan``.
    """
    short = wick.side == "high"
    on_the_way = [
        other
        for other in recent_untouched(state)
        if other.timeframe == wick.timeframe
        and other.side != wick.side
        and other.event_id not in gone
        and (other.tip < wick.tip if short else other.tip > wick.tip)
    ]
    return min(
        on_the_way,
        key=lambda other: (abs(wick.tip - other.tip), other.birth, other.event_id),
        default=None,
    )


def same_price(state: MarketState, group: Sequence[WickAsOf]) -> list[WickAsOf]:
    """Return the untouched wicks at the prices of a group of one side, by timeframe."""
    side, tips = group[0].side, {wick.tip for wick in group}
    same = [
        other
        for other in recent_untouched(state)
        if other.side == side and other.tip in tips and other not in group
    ]
    return sorted([*group, *same], key=lambda other: (TIMEFRAMES[other.timeframe], other.birth))


def _vwap_beyond(state: MarketState, limits: SignalLimits, wick: WickAsOf) -> int | None:
    if state.defect("vwap", limits) is not None:
        return None
    vwap = state.vwap[-1].vwap_4h
    return vwap if (vwap < wick.tip if wick.side == "high" else vwap > wick.tip) else None


def _worth(
    limits: SignalLimits, entry: int, stop: int | None, target: int
) -> tuple[str | None, str | None, str | None, NoTrade | None]:
    """Return reward to risk before and after fees, the break-even share, and why not to trade."""
    reward, fee_in = abs(entry - target), entry * limits.maker_bps
    net_reward = reward * BPS - fee_in - target * limits.taker_bps
    if stop is None or stop == entry:  # the risk is unknown
        return None, None, None, "break-even" if net_reward > 0 else "fees"
    risk = abs(stop - entry)
    net_risk = risk * BPS + fee_in + stop * limits.taker_bps
    gross, net = _ratio(reward, risk), _ratio(net_reward, net_risk)
    if net_reward <= 0:
        return gross, net, None, "fees"
    whole = net_risk + net_reward
    too_often = 100 * exact.SIZE_ONE * net_risk > limits.break_even_max_pct * whole
    return gross, net, _ratio(100 * net_risk, whole), "break-even" if too_often else None


def _ratio(part: int, whole: int) -> str:
    return exact.fixed(exact.divide(part, whole, 2), 2)
