"""The fit: what it finds, what it refuses, and that noise does not pass."""

import importlib.util
import math
from typing import Any

import numpy as np
import pytest

from Edge_Lab.model_file import written
from Edge_Lab.predictor import FACTS, INPUTS, FilledTrials, weaknesses
from Edge_Lab.predictor_fit import fit, logistic_model, out_of_sample
from Edge_Lab.walk_forward import folds, trials_of
from ravequant import times
from ravequant.errors import NoDataError, RaveQuantError
from tests.support.fade_trials import made_trials
from tests.test_layers import MODULES, imports

IDS: dict[str, Any] = {
    "config_id": "0" * 12,
    "data_id": "1" * 12,
    "instruments": ("BTC-USDT-SWAP",),
}


def fitted(made, *, compare=False):
    """Return the model of made-up trials; skip without scikit-learn."""
    pytest.importorskip("sklearn", reason="needs the extra [edge]")
    return fit(*made, **IDS, compare=compare)


def test_nothing_of_ours_can_load_code_from_a_file():
    """pickle, joblib and cloudpickle are imported nowhere but in tests of our own classes."""
    loaders = {"pickle", "cPickle", "_pickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"}
    own = {"tests.test_settings_schema", "tests.vault.test_paths"}
    found = {
        module
        for module in MODULES
        if {name.partition(".")[0] for name in imports(module)} & loaders
    }
    assert found <= own


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    """The message is a command."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RaveQuantError, match=r'-m pip install -e "\.\[edge\]"'):
        fit(*made_trials(1, 2, 0), **IDS)


def test_a_walk_forward_knows_only_the_days_before():
    """Each learner is given the trials of its fold, purged; all days after the 20th are judged."""
    trials, days = made_trials(2, 32, 0)
    seen: list[FilledTrials] = []

    def learner(known):
        seen.append(known)
        return lambda facts: np.full(len(facts), 0.25)

    found = out_of_sample(trials, days, learner)
    cuts = [trials_of(fold, trials.begun, trials.ended) for fold in folds(days)]
    assert len(cuts) == len(seen) == 3
    for known, cut in zip(seen, cuts, strict=True):
        assert known.begun.tolist() == trials.begun[cut.train].tolist()
    later = trials.begun >= times.day_start_ms(days[20])
    assert found.won.tolist() == trials.won[later].tolist()
    rates = [np.full(cut.test.sum(), trials.won[cut.train].mean()) for cut in cuts]
    assert found.base == pytest.approx(np.concatenate(rates))
    assert found.day.tolist() == (trials.begun[later] // times.DAY_MS).tolist()


def test_a_training_of_one_outcome_gives_its_base_rate():
    """Nothing can be learnt from it, and nothing is claimed."""
    trials, days = made_trials(3, 22, 0)
    lost = FilledTrials(trials.facts, np.zeros_like(trials.won), trials.begun, trials.ended)
    found = out_of_sample(lost, days, lambda _: pytest.fail("a learner was asked"))
    assert set(found.chances.tolist()) == {0.0}


def test_too_few_days_leave_nothing_to_try_it_on():
    """20 days are a training without a test."""
    trials, days = made_trials(4, 20, 0)
    found = out_of_sample(trials, days, lambda _: pytest.fail("a learner was asked"))
    assert found.score is None


def test_one_outcome_is_no_model():
    """Exit code 3: more days are needed."""
    pytest.importorskip("sklearn", reason="needs the extra [edge]")
    trials, days = made_trials(5, 3, 0)
    lost = FilledTrials(trials.facts, np.zeros_like(trials.won), trials.begun, trials.ended)
    with pytest.raises(NoDataError, match="0 of them paid; a model needs both outcomes"):
        fit(lost, days, **IDS)


def test_the_coefficients_are_the_least_of_the_penalised_loss():
    """The gradient of C * loss + half the squares is 0; a fact never known has no weight."""
    pytest.importorskip("sklearn", reason="needs the extra [edge]")
    trials, _ = made_trials(6, 30, 0.5)
    trials.facts[:, 4] = math.nan
    model = logistic_model(trials)
    z = model.standardised(trials.facts)
    errors = model.chances(trials.facts) - trials.won
    assert model.coefficients + 0.1 * z.T @ errors == pytest.approx(0, abs=1e-3)
    assert errors.sum() == pytest.approx(0, abs=1e-2)
    assert model.coefficients[0] > 0.25
    assert model.coefficients[[4, INPUTS.index(f"no {FACTS[4]}")]].tolist() == [0, 0]
    known = ~np.isnan(trials.facts[:, -1])
    assert z[known, len(FACTS) - 1].std() == pytest.approx(1)
    assert set(z[~known, len(FACTS) - 1].tolist()) == {0}


def test_the_same_trials_give_the_same_bytes():
    """And the numbers of the training stand in the model."""
    made = made_trials(7, 31, 0.5)
    model = fitted(made, compare=True)
    assert written(model, "1") == written(fitted(made, compare=True), "1")
    assert (model.fills, model.wins) == (len(made.trials.won), made.trials.won.sum())
    assert model.low[0] == pytest.approx(np.percentile(made.trials.facts[:, 0], 1))
    assert model.until_ms == made.trials.ended.max()
    assert model.boosting_brier != pytest.approx(model.tested.brier)


def test_noise_does_not_pass():
    """Facts that say nothing: not one of 12 models; measured once, none of 310."""
    assert all(weaknesses(fitted(made_trials(seed, 40, 0))) for seed in range(12))


def test_a_strong_fact_passes():
    """Half of the models with one fact that really bears on the outcome, at least."""
    passed = [not weaknesses(fitted(made_trials(seed, 40, 1.0))) for seed in range(6)]
    assert sum(passed) >= 3
