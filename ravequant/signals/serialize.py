"""A signal as a JSON object, the same for `--json` and for `signals.jsonl`. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from ravequant import times
from ravequant.exact import price_text
from ravequant.signals.base_rates import Rates
from ravequant.signals.evidence import Evidence
from ravequant.signals.limits import STREAMS, SignalLimits, Stream
from ravequant.signals.market_state import MarketState
from ravequant.signals.rules import Signal

# Fields that change with the clock or with price: a change of these makes no new line.
_MOVING: Final = (
    "as_of_utc age_minutes last_price last_price_from distance_bps data clock_age_s layers touched "
    "surrounding target target_from target_event_id reward_risk reward_risk_net break_even_pct "
    "wicks context at_utc seen touched_since"
)
MOVING: Final = frozenset(_MOVING.split())
# Fields of a recorded signal that are of its question; signals of each question have own lines.
OF_QUESTION: Final = frozenset({"detected_utc", "query", "min_score", "query_id"})


def as_json(
    signal: Signal, limits: SignalLimits, rates: Rates, clock_ms: int | None = None
) -> dict[str, Any]:
    """Return a signal as JSON; ``clock_ms`` adds the age of its minute at the clock."""
    state, wick, plan = signal.state, signal.wick, signal.plan
    return {
        "as_of_utc": times.iso_minute(state.minute),
        "instId": state.inst_id,
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
        "confluences_strict": signal.confluences_strict,
        "conviction": signal.conviction,
        "conviction_uncapped": signal.readings.uncapped,
        "capped_by": signal.capped_by,
        "conviction_notes": signal.conviction_notes,
        "capped_by_divergence": signal.readings.diverges,
        "max_rule": signal.max_rule,
        "no_trade": signal.no_trade,
        "size": signal.size,
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
                "wick_price": price_text(other.tip),
                "age_minutes": state.minute - other.birth,
            }
            for other in signal.wicks
        ],
        "layers": [_layer(layer, state, rates) for layer in signal.layers],
        "data": {name: _stream(state, limits, name) for name in STREAMS},
        "context": dict(signal.context),
        **_instant(signal),
        **({} if clock_ms is None else {"clock_age_s": (clock_ms - state.ms) // times.SECOND_MS}),
    }


def _instant(signal: Signal) -> dict[str, Any]:
    """Return the fields of an answer to the instant."""
    instant, reached = signal.state.instant, signal.reached
    if instant is None:
        return {}
    touch = None
    if reached is not None:
        touch = {
            "time_utc": times.iso(reached.ts),
            "price": price_text(reached.price),
            "seconds": (instant.ms - reached.ts) // times.SECOND_MS,
        }
    return {"at_utc": times.iso(instant.ms), "seen": instant.seen.text, "touched_since": touch}


def shown_fields(signal: Signal) -> dict[str, Any]:
    """Return the fields that are shown with a signal, and are none of the market."""
    verdict = signal.state.verdict
    return {
        "size_shown": signal.size_shown,
        "verdict": None if verdict is None else verdict.word,
    }


def fingerprint(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a signal whose change makes a new line."""
    return {
        **{name: row[name] for name in row if name not in MOVING | OF_QUESTION},
        "layers": [[layer["layer"], layer["state"]] for layer in row["layers"]],
        "wicks": [wick["event_id"] for wick in row["wicks"]],
    }


def _layer(layer: Evidence, state: MarketState, rates: Rates) -> dict[str, Any]:
    rate = rates.get(layer.name)
    return {
        "layer": layer.name,
        "state": layer.state,
        "points": layer.points,
        "of": layer.most,
        "condition": layer.condition,
        "value": layer.value,
        "file": state.files.get(layer.stream),
        "age_s": seconds(layer.age_ms),
        "base_rate_pct": rate.percent if rate else None,
        "base_rate_of": rate.moments if rate else 0,
    }


def _stream(state: MarketState, limits: SignalLimits, name: Stream) -> dict[str, Any]:
    return {"age_s": seconds(state.age_ms(name)), "state": state.defect(name, limits) or "fresh"}


def seconds(age_ms: int | None) -> int | None:
    """Return whole seconds of an age."""
    return None if age_ms is None else age_ms // times.SECOND_MS


def _price(price: int | None) -> str | None:
    return None if price is None else price_text(price)
