"""The 15 facts of a trial that were known at A (SPEC section 17). Pure.

None stands for a fact that is missing, stale or over a gap. There is no fact of the touch.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import cos, log, log1p, pi, sin
from typing import Final

from ravequant import exact, times
from ravequant.signals.candidates import Candidate, LastPrice
from ravequant.signals.evidence import largest_wall
from ravequant.signals.inputs import VolumeRow
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState

Fact = str | int | None
_CLOSES: Final = 60  # minutes of closes in the realised variance
_FEWEST_CLOSES: Final = 30
_FLOW_MINUTES: Final = 15
_DAY: Final = times.DAY_MINUTES


def facts_at(
    state: MarketState, limits: SignalLimits, found: Candidate, last: LastPrice
) -> dict[str, Fact]:
    """Return the facts of a candidate as of the minute of the state, decimals as text."""
    wick, sign = found.wick, -1 if found.wick.side == "high" else 1
    angle = 2 * pi * (state.minute % _DAY) / _DAY
    median = found.twice_median
    return {
        "age": state.minute - wick.birth,
        "touched_share": _share(found.touched, len(found.others)),
        "size_median": None if median is None else _share(2 * wick.size_ticks, median),
        "tip_exact": int(wick.tip_exact),
        "distance_bps": _share(10_000 * abs(wick.tip - last.price), last.price),
        "hour_sin": _text(sin(angle)),
        "hour_cos": _text(cos(angle)),
        "log_variance": _log_variance(state, limits),
        **_tape(state, limits),
        "vwap_deviation_bps": _vwap_deviation(state, limits, sign),
        **_book(state, limits, found, sign),
    }


def _text(value: float) -> str:
    """Return six places; no minus before zero."""
    return f"{value:z.6f}"


def _share(part: int, whole: int) -> str | None:
    return _text(part / whole) if whole else None


def _log_variance(state: MarketState, limits: SignalLimits) -> str | None:
    """Return the log of the sum of squared log returns of the closes of the last hour."""
    if state.defect("vwap", limits) not in (None, "partial"):
        return None
    rows = state.vwap[-_CLOSES:]
    closes = [row.close for row in rows if row.minute >= state.minute - _CLOSES]
    if len(closes) < _FEWEST_CLOSES:
        return None
    returns = (log(new / old) for old, new in pairwise(closes))
    variance = sum(change * change for change in returns)
    return _text(log(variance)) if variance else None


def _tape(state: MarketState, limits: SignalLimits) -> dict[str, Fact]:
    """Return the facts of the newest minutes of volume and CVD."""
    ratio = delta = flow = None
    if state.defect("volume", limits) is None:
        ratio = state.volume[-1].ratio
        if state.defect("cvd", limits) is None:
            delta, flow = _delta_share(state, 1), _delta_share(state, _FLOW_MINUTES)
    return {"volume_ratio": ratio, "delta_share": delta, "cvd_change_15m_share": flow}


def _delta_share(state: MarketState, minutes: int) -> str | None:
    """Return the sum of cvd_1m over the volume of as many minutes up to the newest row's."""
    newest = state.cvd[-1].minute
    if state.volume[-1].minute != newest:
        return None
    first = newest - minutes + 1
    total = _total(state.volume_since(first))
    deltas = [row.delta for row in state.cvd[-minutes:] if row.minute >= first]
    return None if total is None else _share(sum(map(_signed, deltas)), total)


def _total(rows: Sequence[VolumeRow]) -> int | None:
    try:
        return sum(exact.units(row.total or "", exact.NOTIONAL_PLACES) for row in rows)
    except (ValueError, TypeError):
        return None  # no rule of the query reads it, so it was not checked


def _signed(text: str) -> int:
    size = exact.units(text.lstrip("+-"), exact.NOTIONAL_PLACES)
    return -size if text.startswith("-") else size


def _vwap_deviation(state: MarketState, limits: SignalLimits, sign: int) -> str | None:
    """Return (close - vwap_4h) / vwap_4h in bps, + where it is to the trade's side."""
    if state.defect("vwap", limits) is not None:
        return None
    row = state.vwap[-1]
    return _share(sign * 10_000 * (row.close - row.vwap_4h), row.vwap_4h)


def _book(state: MarketState, limits: SignalLimits, found: Candidate, sign: int) -> dict[str, Fact]:
    """Return the imbalance of the tip's band, + for the trade, and the wall at the tip."""
    book, wick = state.book, found.wick
    if book is None or state.defect("buckets", limits) is not None:
        return {"imbalance": None, "log_wall": None, "wall_age_s": None}
    band = book.band(wick.tip)
    lean = None if band is None else book.imbalance[band]
    wall = largest_wall(book, limits, wick.side, wick.tip)
    return {
        "imbalance": None if lean is None else _share(sign * lean, 100),
        "log_wall": _text(log1p(0 if wall is None else wall.notional / exact.NOTIONAL_ONE)),
        "wall_age_s": None if wall is None else wall.age_s,
    }
