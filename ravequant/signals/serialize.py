"""A signal as one JSON object: what `--json` prints and `signals.jsonl` keeps. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from ravequant import times
from ravequant.signals.base_rates import Rates
from ravequant.signals.evidence import Layer, price_text
from ravequant.signals.market_state import STREAMS, Facts, Limits, Stream
from ravequant.signals.rules import Signal

# What moves with the clock or with price and makes no other signal of it.
MOVING: Final = frozenset(
    {"as_of_utc", "age_minutes", "last_price", "last_price_from", "distance_bps", "data",
     "clock_age_s", "layers", "touched", "surrounding", "target", "target_from", "target_event_id",
     "reward_risk", "reward_risk_net", "break_even_pct", "wicks"}
)  # fmt: skip


def as_json(
    signal: Signal, limits: Limits, rates: Rates, clock_ms: int | None = None
) -> dict[str, Any]:
    """Return all of a signal; ``clock_ms`` adds how long ago the minute asked for is."""
    facts, wick, plan = signal.facts, signal.wick, signal.plan
    return {
        "as_of_utc": times.iso_minute(facts.minute),
        "instId": facts.inst_id,
        "event_id": wick.event_id,
        "timeframe": wick.timeframe,
        "direction": signal.direction,
        "wick_type": wick.side,
        "wick_price": price_text(wick.tip),
        "creation_time_utc": times.iso_minute(wick.birth),
        "age_minutes": signal.age_minutes,
        "touched": signal.candidate.touched,
        "surrounding": len(signal.candidate.others),
        "wick_size_ticks": wick.size_ticks,
        "median_size_ticks": signal.candidate.median_text,
        "small": signal.candidate.small,
        "tip_exact": wick.tip_exact,
        "signal_strength": wick.tip_strength,
        "strength": signal.strength,
        "last_price": price_text(signal.last.price) if signal.last else None,
        "last_price_from": signal.last.source if signal.last else None,
        "distance_bps": signal.distance_bps,
        "in_contact": signal.in_contact,
        "confluences": signal.confluences,
        "conviction": signal.conviction,
        "size": signal.size,
        "capped_by_divergence": signal.capped,
        "score": signal.score,
        "entry": _price(plan.entry),
        "stop": _price(plan.stop),
        "target": _price(plan.target),
        "target_from": plan.target_from,
        "target_event_id": plan.target_event_id,
        "reward_risk": plan.reward_risk,
        "reward_risk_net": plan.reward_risk_net,
        "break_even_pct": plan.break_even_pct,
        "tags": list(signal.tags),
        "wicks": [
            {
                "timeframe": other.timeframe,
                "event_id": other.event_id,
                "age_minutes": facts.minute - other.birth,
            }
            for other in signal.wicks
        ],
        "layers": [_layer(layer, facts, rates) for layer in signal.layers],
        "data": {name: _stream(facts, limits, name) for name in STREAMS},
        **({} if clock_ms is None else {"clock_age_s": (clock_ms - facts.ms) // times.SECOND_MS}),
    }


def fingerprint(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a signal makes it another one when it changes, its met layers included."""
    return {
        **{name: row[name] for name in row if name not in MOVING},
        "layers": [[layer["layer"], layer["state"]] for layer in row["layers"]],
        "wicks": [wick["event_id"] for wick in row["wicks"]],
    }


def _layer(layer: Layer, facts: Facts, rates: Rates) -> dict[str, Any]:
    rate = rates.get(layer.name)
    return {
        "layer": layer.name,
        "state": layer.state,
        "points": layer.points,
        "of": layer.most,
        "condition": layer.condition,
        "value": layer.value,
        "file": facts.files.get(layer.stream),
        "age_s": seconds(layer.age_ms),
        "base_rate_pct": rate.percent if rate else None,
        "base_rate_of": rate.moments if rate else 0,
    }


def _stream(facts: Facts, limits: Limits, name: Stream) -> dict[str, Any]:
    return {"age_s": seconds(facts.age_ms(name)), "state": facts.state(name, limits) or "fresh"}


def seconds(age_ms: int | None) -> int | None:
    """Return whole seconds of an age."""
    return None if age_ms is None else age_ms // times.SECOND_MS


def _price(price: int | None) -> str | None:
    return None if price is None else price_text(price)
