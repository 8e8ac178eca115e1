"""Facts, the chance of a logistic model, and each reason to refuse one."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from Edge_Lab.calibration import Calibration
from Edge_Lab.predictor import (
    FACTS,
    INPUTS,
    FadeModel,
    LogisticModel,
    chance,
    filled,
    refusals,
    strangers,
    values_of,
    weaknesses,
)
from ravequant import times
from tests.support.fade_trials import lines_of, made_trials

NOW = times.parse_iso("2026-02-20T12:00:00Z") // times.MINUTE_MS
FACTS_NOW: dict[str, Any] = dict.fromkeys(FACTS, "0.5")
CONFIG = "8b5096857f9b"
GOOD = Calibration(
    outcomes=900, days=25, brier=0.2, base_brier=0.21, p=0.01, miscalibration=0.004,
    discrimination=0.014, uncertainty=0.21, reliability=(),
)  # fmt: skip


def model_of(**changed) -> FadeModel:
    """Return a model that passes, of 45 days; only its first fact and last indicator speak."""
    count = len(INPUTS)
    coefficients = np.zeros(count)
    coefficients[[0, -1]] = 0.5, -0.25
    means, sds = np.zeros(count), np.ones(count)
    means[-1] = 0.4  # the last fact was often not known, the others always
    sds[len(FACTS) : -1] = 0
    values: dict[str, Any] = {
        "config_id": CONFIG,
        "data_id": "0123456789ab",
        "instruments": ("BTC-USDT-SWAP",),
        "days": 45,
        "fills": 1_600,
        "wins": 480,
        "from_ms": times.parse_iso("2026-01-01T00:08:00Z"),
        "until_ms": times.parse_iso("2026-02-15T01:30:00Z"),
        "logistic": LogisticModel(means, sds, coefficients, -1.0),
        "low": np.full(len(FACTS), -2.0),
        "high": np.full(len(FACTS), 2.0),
        "tested": GOOD,
    }
    return FadeModel(**values | changed)


def asked(model=None, facts=None, **changed):
    """Return the refusals of a question that would be answered, if nothing is changed."""
    question: dict[str, Any] = {"minute": NOW, "config_id": CONFIG}
    return refusals(model or model_of(), facts or FACTS_NOW, **question | changed)


def test_the_chance_is_the_logistic_function_of_the_facts():
    """-1 + 0.5 * 0.5 - 0.25 * (0 - 0.4) of a question whose last fact is known, and without it."""
    known = 1 / (1 + math.exp(1 - 0.25 - 0.1))
    assert chance(model_of(), FACTS_NOW) == pytest.approx(known)
    unknown = 1 / (1 + math.exp(1 - 0.25 + 0.15))
    assert chance(model_of(), FACTS_NOW | {FACTS[-1]: None}) == pytest.approx(unknown)


def test_an_input_that_never_changed_says_nothing():
    """A deviation of 0 does not divide, and a fact far away does not overflow."""
    logistic = model_of().logistic
    still = replace(logistic, sds=np.zeros(len(INPUTS)))
    assert chance(model_of(logistic=still), FACTS_NOW) == pytest.approx(1 / (1 + math.e))
    far = FACTS_NOW | {FACTS[0]: "9e99"}
    assert chance(model_of(), far) == 1
    assert chance(model_of(), far | {FACTS[0]: "-9e99"}) == 0


def test_facts_are_read_as_a_line_holds_them():
    """Integers, decimal text and null; text of another kind is refused."""
    found = values_of({FACTS[0]: 31, FACTS[1]: "-0.25", FACTS[2]: None})
    assert found[:2].tolist() == [31, -0.25]
    assert np.isnan(found[2:]).all()
    wrongs: tuple[Any, ...] = ("nan", "1_0", "", [], True, "0x1")
    for wrong in wrongs:
        with pytest.raises(ValueError, match="is no number such as"):
            values_of({FACTS[0]: wrong})


def test_only_filled_trials_of_the_default_family_are_learnt_from():
    """In order of time; won is a net result above 0."""
    made = made_trials(1, 3, 0.5)
    lines = [line for day in lines_of(made, "BTC-USDT-SWAP").values() for line in day]
    others = [lines[0] | {"queue": None}, lines[0] | {"families": []}]
    found = filled([*reversed(lines), *others])
    assert sorted(found.begun.tolist()) == found.begun.tolist()
    assert len(found.won) == len(made.trials.won)
    assert found.won.sum() == made.trials.won.sum()
    assert set(found.ended - found.begun) == {100 * times.MINUTE_MS}
    lines[3]["facts"] = {FACTS[0]: "many"}
    with pytest.raises(ValueError, match=r"trial 'BTC-USDT-SWAP\|3': 'many' is no number"):
        filled(lines)


def test_a_model_that_has_passed_answers():
    """Nothing is refused without a reason."""
    assert asked() == []


UNPROVEN = (
    "on days unknown to it it is not proven better than the base rate: p {}, at most 0.025 is "
    "allowed"
).format
BEFORE = (
    "2026-02-15T01:29:00Z is not after the trials that it was fitted on, which end at "
    "2026-02-15T01:30:00.000Z"
)
OLD = "the trials that it was fitted on end at 2026-02-15T01:30:00.000Z, more than 30 days before"
STRANGE = (
    "3 facts lie outside of the middle 98 % of the training, 2 may: age, touched_share, size_median"
)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"wins": 199}, "199 of 1600 fills have the rarer outcome; at least 200 are needed"),
        ({"wins": 1_401}, "199 of 1600 fills have the rarer outcome; at least 200 are needed"),
        ({"days": 29}, "29 days; at least 30 are needed"),
        ({"tested": None}, "no day was left to try it on"),
        ({"tested": replace(GOOD, p=0.026)}, UNPROVEN("0.026")),
        ({"tested": replace(GOOD, p=None)}, UNPROVEN("none")),
        (
            {"tested": replace(GOOD, miscalibration=0.015)},
            "its chances are off by more than they set apart: MCB 0.0150, DSC 0.0140",
        ),
    ],
)
def test_a_weak_model_refuses_everything(changed, reason):
    """Each weakness with its numbers, whatever is asked."""
    model = model_of(**changed)
    assert weaknesses(model) == asked(model) == [reason]


def test_borders_that_still_pass():
    """200 of the rarer outcome, 30 days, p of 2.5 %, MCB equal to DSC."""
    score = replace(GOOD, p=0.025, miscalibration=GOOD.discrimination)
    assert weaknesses(model_of(wins=200, days=30, tested=score)) == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"config_id": "0" * 12},
            "it was fitted under other settings: 8b5096857f9b, now 000000000000",
        ),
        ({"minute": times.parse_iso("2026-02-15T01:29:00Z") // times.MINUTE_MS}, BEFORE),
        ({"minute": times.parse_iso("2026-03-17T01:31:00Z") // times.MINUTE_MS}, OLD),
        (
            {"facts": FACTS_NOW | {"log_wall": None, "imbalance": None, "wall_age_s": None}},
            "missing, stale or over a gap: imbalance, log_wall, wall_age_s",
        ),
        ({"facts": FACTS_NOW | dict.fromkeys(FACTS[:3], "2.1")}, STRANGE),
    ],
)
def test_a_question_that_is_refused(changed, reason):
    """Settings, time, records and facts that the model does not know."""
    assert asked(**changed) == [reason]


def test_questions_at_the_border_are_answered():
    """The minute at which the training ends, 30 days after it, two strange facts."""
    for moment in ("2026-02-15T01:30:00Z", "2026-03-17T01:30:00Z"):
        assert asked(minute=times.parse_iso(moment) // times.MINUTE_MS) == []
    assert asked(facts=FACTS_NOW | dict.fromkeys(FACTS[:2], "-2.1")) == []
    assert asked(facts=FACTS_NOW | {"wall_age_s": None}) == []  # no wall is there


def test_a_fact_that_was_always_known_is_strange_without_its_value():
    """And one that never was is strange with it."""
    values = values_of(FACTS_NOW | {FACTS[0]: None, FACTS[-1]: None})
    assert strangers(model_of(), values) == [FACTS[0]]
    never = model_of(low=np.full(len(FACTS), math.nan))
    assert strangers(never, values_of(FACTS_NOW)) == list(FACTS)
