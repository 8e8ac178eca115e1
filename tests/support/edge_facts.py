"""Facts of a verdict with estimates of a wanted value and interval."""

import math
from typing import Any

import numpy as np

from Edge_Lab.distributions import t_quantile
from Edge_Lab.inference import Estimate
from Edge_Lab.verdict import Claim, Forward, VerdictFacts

DAYS = 60


def estimate(value, half):
    """Return an estimate over 60 days whose 95 % interval is value ± half."""
    se = half / t_quantile(0.975, DAYS - 1)
    each = se / math.sqrt(DAYS / (DAYS - 1) * DAYS)
    influence = np.array([each, -each] * (DAYS // 2))
    return Estimate(value, 2_000, influence, np.ones(DAYS, dtype=np.bool_), 1)


def facts(**changed) -> VerdictFacts:
    """Return facts that past days prove and the forward test has not yet."""
    claim = Claim(estimate(2.1, 1.3), estimate(2.6, 1.2))
    values: dict[str, Any] = {
        "days": DAYS,
        "days_seen": 20,
        "fills": 2_000,
        "claims": dict.fromkeys(("touch", "queue", "through"), claim),
        "mirror": estimate(0.9, 1.5),
        "random": estimate(1.1, 1.5),
        "p_net": 0.004,
        "p_lead": 0.001,
        "sharpe": 0.97,
        "gap_share": 0.04,
        "unknown_share": 0.1,
        "trials": 24,
        "wins_pct": 61.2,
        "chance_pct": 33.3,
        "break_even_pct": 56.67,
        "mean_r": 0.12,
        "worst_day": -14.25,
        "losing_run": 9,
        "forward": Forward(11),
    }
    return VerdictFacts(**values | changed)


def claims(net, lead=(2.6, 1.2), **models):
    """Return claims with one net and lead; ``through=(net, lead)`` changes those of a model."""
    made = {"touch": (net, lead), "queue": (net, lead), "through": (net, lead)} | models
    return {
        model: Claim(*(found and estimate(*found) for found in pair))
        for model, pair in made.items()
    }
