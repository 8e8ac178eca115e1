"""Made-up filled trials: facts of noise, of which the first may bear on the outcome."""

import math
from typing import Any, NamedTuple

import numpy as np

from Edge_Lab.predictor import FACTS, FilledTrials
from ravequant import times

FIRST_DAY = times.day_start_ms("2026-01-01")
LIFE_MS = 100 * times.MINUTE_MS


class MadeTrials(NamedTuple):
    """Trials, and the UTC days that they stand on."""

    trials: FilledTrials
    days: list[str]


def made_trials(seed: int, days: int, beta: float, fills: int = 36) -> MadeTrials:
    """Return trials that pay in about 3 of 10 cases; days differ by chance, as they do.

    ``beta``: the weight of the first fact in the logit; the last one is often not known.
    """
    rng = np.random.default_rng([seed, days, round(beta * 100)])
    begun, facts, won = [], [], []
    for day in range(days):
        count = int(rng.poisson(fills))
        minutes = np.sort(rng.integers(0, times.DAY_MINUTES, count))
        values = rng.normal(size=(count, len(FACTS)))
        values[rng.random(count) < 0.4, -1] = math.nan
        logits = -0.85 + beta * values[:, 0] + 0.2 * rng.normal()
        begun.append(FIRST_DAY + day * times.DAY_MS + minutes * times.MINUTE_MS)
        facts.append(values)
        won.append(rng.random(count) < 1 / (1 + np.exp(-logits)))
    moments = np.concatenate(begun)
    trials = FilledTrials(np.concatenate(facts), np.concatenate(won), moments, moments + LIFE_MS)
    return MadeTrials(trials, [times.day(FIRST_DAY + day * times.DAY_MS) for day in range(days)])


def lines_of(made: MadeTrials, inst_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return the trials as lines by UTC day, as far as a fit reads them."""
    lines: dict[str, list[dict[str, Any]]] = {day: [] for day in made.days}
    rows = zip(made.trials.facts.tolist(), made.trials.won, made.trials.begun.tolist(), strict=True)
    for number, (facts, won, begun) in enumerate(rows):
        known = (None if math.isnan(value) else f"{value:.6f}" for value in facts)
        lines[times.day(begun)].append(
            {
                "event_id": f"{inst_id}|{number}",
                "A_utc": times.iso_minute(begun // times.MINUTE_MS),
                "X_utc": times.iso(begun + LIFE_MS),
                "status": "filled",
                "families": ["base"],
                "facts": dict(zip(FACTS, known, strict=True)),
                "queue": {"net_bps": "1.0000" if won else "-8.2747"},
            }
        )
    return lines
