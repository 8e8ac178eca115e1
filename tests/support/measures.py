"""What tests of the model market measure with: candles and wicks of SPEC 8, slow and plain."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ravequant.records import Trade
from ravequant.sim.feed import BookChange, Feed


def book(feed: Feed, inst_id: str, depth: int) -> BookChange:
    """Return the book, which must be there."""
    found = feed.snapshot(inst_id, depth)
    assert found is not None, f"no book of {inst_id}"
    return found


@dataclass(slots=True)
class Candle:
    """One minute's prices."""

    open: float
    high: float
    low: float
    close: float


@dataclass(slots=True, eq=False)
class Wick:
    """One wick; ``birth`` and ``touched`` are the minutes at whose start it came and went."""

    high: bool
    tip: float
    size: float
    birth: int
    exact: bool  # an older one with this very tip was touched by its own candle
    touched: int | None = None


def candles(trades: Iterable[Trade]) -> dict[int, Candle]:
    """Return the candles by minute."""
    found: dict[int, Candle] = {}
    for trade in trades:
        price = float(trade.price)
        candle = found.setdefault(trade.ts // 60_000, Candle(price, price, price, price))
        candle.high, candle.low = max(candle.high, price), min(candle.low, price)
        candle.close = price
    return found


def wicks(found: Mapping[int, Candle]) -> list[Wick]:
    """Return all wicks in the order of their births."""
    born: list[Wick] = []
    untouched: list[Wick] = []
    for minute in sorted(found):
        candle = found[minute]
        hit = [w for w in untouched if _reaches(candle, w)]
        for wick in hit:
            wick.touched = minute + 1
        untouched = [w for w in untouched if w.touched is None]
        top, bottom = max(candle.open, candle.close), min(candle.open, candle.close)
        for high, tip, size in (
            (True, candle.high, candle.high - top),
            (False, candle.low, bottom - candle.low),
        ):
            if size > 0:
                exact = any(w.high == high and w.tip == tip for w in hit)
                born.append(Wick(high, tip, size, minute + 1, exact))
                untouched.append(born[-1])
    return born


def _reaches(candle: Candle, wick: Wick) -> bool:
    return candle.high >= wick.tip if wick.high else candle.low <= wick.tip


def signed_notional(
    trades: Iterable[Trade], ct_val: float
) -> tuple[dict[int, float], dict[int, float]]:
    """Return (notional, buys less sells) by minute, in quote currency."""
    volume: dict[int, float] = {}
    delta: dict[int, float] = {}
    for trade in trades:
        minute, usd = trade.ts // 60_000, float(trade.price) * float(trade.qty) * ct_val
        volume[minute] = volume.get(minute, 0.0) + usd
        delta[minute] = delta.get(minute, 0.0) + (usd if trade.side == "buy" else -usd)
    return volume, delta
