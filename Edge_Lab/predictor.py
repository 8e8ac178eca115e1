"""Chance that a fade pays, if its order fills: the facts, the model, the refusals. Pure.

    P(net > 0 | filled, model `queue`) = 1 / (1 + exp(-(intercept + sum of coefficient * z)))
    z = (fact - mean) / sd of the training; a fact that is not known: 0, and its indicator speaks

``predictor_fit.py`` makes the model, ``model_file.py`` writes and reads it. Refusing is the normal
case, and a refusal gives its reasons.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from Edge_Lab import power
from Edge_Lab.calibration import Calibration, Flags
from Edge_Lab.inference import Floats
from Edge_Lab.trial_digest import units_of
from Edge_Lab.verdict import MOST_P
from ravequant import times
from ravequant.errors import shown

FACTS: Final = (
    "age", "touched_share", "size_median", "tip_exact", "distance_bps", "hour_sin", "hour_cos",
    "log_variance", "volume_ratio", "delta_share", "cvd_change_15m_share", "vwap_deviation_bps",
    "imbalance", "log_wall", "wall_age_s",
)  # fmt: skip
INPUTS: Final = (*FACTS, *(f"no {name}" for name in FACTS))  # of the model, with the indicators
FEWEST_OUTCOMES: Final = 200  # of the rarer: about 13 a fact
MOST_AGE_DAYS: Final = 30  # of the newest day that the model was fitted on
OUTER_PCT: Final = (1, 99)  # of the training; beyond them a fact is a stranger
MOST_STRANGE: Final = 2  # facts
_FARTHEST_SD: Final = 1e6  # only a damaged file or fact lies as far
_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,30})?(?:e[-+]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True, eq=False)
class FilledTrials:
    """The filled trials of the default family, oldest first; rows of equal number."""

    facts: Floats  # trials x FACTS; NaN: not known
    won: Flags  # net > 0
    begun: NDArray[np.int64]  # A, Unix ms
    ended: NDArray[np.int64]  # X, Unix ms

    def select(self, chosen: Flags) -> "FilledTrials":
        """Return some of them."""
        return FilledTrials(
            self.facts[chosen], self.won[chosen], self.begun[chosen], self.ended[chosen]
        )


def filled(lines: Iterable[Mapping[str, Any]]) -> FilledTrials:
    """Return the trials of the lines that the ``queue`` model fills; lines in any order.

    ValueError for a fact that is no number, with the event's id.
    """
    chosen = sorted(
        (line for line in lines if line["queue"] is not None and "base" in line["families"]),
        key=lambda line: (line["A_utc"], line["event_id"]),
    )
    facts = np.empty((len(chosen), len(FACTS)), dtype=np.float64)
    for row, line in enumerate(chosen):
        try:
            facts[row] = values_of(line["facts"])
        except ValueError as error:
            raise ValueError(f"trial {shown(line['event_id'])}: {error}") from None
    return FilledTrials(
        facts,
        np.array([units_of(line["queue"]["net_bps"]) > 0 for line in chosen], dtype=bool),
        *(
            np.array([times.parse_iso(line[name]) for line in chosen], dtype=np.int64)
            for name in ("A_utc", "X_utc")
        ),
    )


def values_of(facts: Mapping[str, Any]) -> Floats:
    """Return facts in the order of FACTS, NaN for those not known. ValueError for other values."""
    values = (facts.get(name) for name in FACTS)
    known = (math.nan if value is None else number_of(value) for value in values)
    return np.fromiter(known, dtype=np.float64, count=len(FACTS))


def number_of(value: Any) -> float:
    """Return a number written as an integer or decimal text. ValueError for anything else."""
    if _NUMBER.fullmatch(value if isinstance(value, str) else str(value)):
        return float(value)
    raise ValueError(f"{shown(value)} is no number such as 12 or -0.5")


def inputs_of(facts: Floats) -> Floats:
    """Return facts (trials x FACTS) with the indicators of those not known (trials x INPUTS)."""
    return np.hstack([facts, np.isnan(facts)])


@dataclass(frozen=True, slots=True, eq=False)
class LogisticModel:
    """A logistic regression over standardised inputs; columns in the order of INPUTS."""

    means: Floats
    sds: Floats  # 0: the input never changed, and says nothing
    coefficients: Floats
    intercept: float

    def standardised(self, facts: Floats) -> Floats:
        """Return (trials x INPUTS) in standard deviations from the mean; not known: 0."""
        inputs = inputs_of(facts)
        usable = ~np.isnan(inputs) & (self.sds > 0)
        found = np.zeros_like(inputs)
        with np.errstate(over="ignore"):
            np.divide(inputs - self.means, self.sds, out=found, where=usable)
        return np.clip(found, -_FARTHEST_SD, _FARTHEST_SD)

    def chances(self, facts: Floats) -> Floats:
        """Return the chance of each row of facts (trials x FACTS)."""
        moved = self.standardised(facts) * self.coefficients
        logits = [math.fsum([self.intercept, *row]) for row in moved.tolist()]
        return np.array([_logistic(logit) for logit in logits], dtype=np.float64)


def _logistic(logit: float) -> float:
    """Return 1 / (1 + exp(-logit)), without an overflow."""
    if logit < 0:
        return 1 - _logistic(-logit)
    return 1 / (1 + math.exp(-logit))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FadeModel:
    """A fitted model, the trials that it was fitted on, and how it did on days unknown to it."""

    config_id: str  # of the settings of the trials
    data_id: str  # of the files of the trials
    instruments: tuple[str, ...]
    days: int  # UTC days with judged trials
    fills: int
    wins: int
    from_ms: int  # first A of the training
    until_ms: int  # last X of the training
    logistic: LogisticModel
    low: Floats  # of FACTS: OUTER_PCT of the training; NaN where a fact was never known
    high: Floats
    tested: Calibration | None  # None: too few days for a test
    boosting_brier: float | None = None  # of gradient boosting on the same days, to compare

    @property
    def rate(self) -> float:
        """The share of the fills that paid."""
        return self.wins / self.fills


# --- refusals ------------------------------------------------------------------------------------


def weaknesses(model: FadeModel) -> list[str]:
    """Return why no chance of the model is to be believed; nothing if it has passed."""
    found = []
    rarer = min(model.wins, model.fills - model.wins)
    if rarer < FEWEST_OUTCOMES:
        found.append(
            f"{rarer} of {model.fills} fills have the rarer outcome; at least {FEWEST_OUTCOMES} "
            "are needed"
        )
    if model.days < power.FEWEST_DAYS:
        found.append(f"{model.days} days; at least {power.FEWEST_DAYS} are needed")
    tested = model.tested
    if tested is None:
        return [*found, "no day was left to try it on"]
    if tested.p is None or tested.p > MOST_P:
        p = "none" if tested.p is None else f"{tested.p:.3f}"
        found.append(
            f"on days unknown to it it is not proven better than the base rate: p {p}, at most "
            f"{MOST_P} is allowed"
        )
    if tested.miscalibration > tested.discrimination:
        found.append(
            f"its chances are off by more than they set apart: MCB {tested.miscalibration:.4f}, "
            f"DSC {tested.discrimination:.4f}"
        )
    return found


def other_settings(model: FadeModel, config_id: str) -> list[str]:
    """Return a sentence if the model is of other settings than those now; else nothing."""
    if config_id == model.config_id:
        return []
    return [f"it was fitted under other settings: {model.config_id}, now {config_id}"]


def refusals(model: FadeModel, facts: Mapping[str, Any], minute: int, config_id: str) -> list[str]:
    """Return why the model gives no chance for the facts as of a minute; nothing if it gives one.

    ``config_id`` is that of the settings now. ValueError for a fact that is no number.
    """
    found = [*weaknesses(model), *other_settings(model, config_id)]
    now = minute * times.MINUTE_MS
    if now < model.until_ms:
        found.append(
            f"{times.iso_minute(minute)} is not after the trials that it was fitted on, which "
            f"end at {times.iso(model.until_ms)}"
        )
    elif now - model.until_ms > MOST_AGE_DAYS * times.DAY_MS:
        found.append(
            f"the trials that it was fitted on end at {times.iso(model.until_ms)}, more than "
            f"{MOST_AGE_DAYS} days before"
        )
    strange = strangers(model, values_of(facts))
    if len(strange) > MOST_STRANGE:
        found.append(
            f"{len(strange)} facts lie outside of the middle {OUTER_PCT[1] - OUTER_PCT[0]} % of "
            f"the training, {MOST_STRANGE} may: {', '.join(strange)}"
        )
    if lacking := [name for name in FACTS if _lacks(facts, name)]:
        found.append(f"missing, stale or over a gap: {', '.join(lacking)}")
    return found


def _lacks(facts: Mapping[str, Any], name: str) -> bool:
    """Return True if a fact is not known. A wall that is not there has no age: nothing lacks."""
    known = "log_wall" if name == "wall_age_s" else name
    return facts.get(known) is None


def strangers(model: FadeModel, values: Floats) -> list[str]:
    """Return the facts beyond the training; one not known counts if it was known all the time."""
    always_known = model.logistic.means[len(FACTS) :] == 0
    inside = (model.low <= values) & (values <= model.high)
    outside = np.where(np.isnan(values), always_known, ~inside)
    return [name for name, out in zip(FACTS, outside.tolist(), strict=True) if out]


def chance(model: FadeModel, facts: Mapping[str, Any]) -> float:
    """Return the chance that a filled order pays; ask ``refusals`` before."""
    return float(model.logistic.chances(values_of(facts)[np.newaxis])[0])
