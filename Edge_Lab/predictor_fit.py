"""Fits the model of a fade, and tries it on days that it does not know; needs scikit-learn.

Logistic regression with an L2 penalty of C = 0.1, which is not tuned. Each test of the walk-forward
is judged by a model of the days before it; the model that is kept is fitted on all days. Gradient
boosting is tried on the same days, to compare, and never kept: so few fills do not carry it.
"""

import importlib.util
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np

from Edge_Lab.calibration import Calibration, Flags, calibration
from Edge_Lab.inference import Floats
from Edge_Lab.predictor import OUTER_PCT, FadeModel, FilledTrials, LogisticModel, inputs_of
from Edge_Lab.walk_forward import folds, trials_of
from ravequant import times
from ravequant.errors import NoDataError, RaveQuantError

PENALTY: Final = "0.1"  # scikit-learn's C: the smaller, the closer to the base rate
_PLACES: Final = 6  # of coefficients: the last digits depend on the processor
_TOLERANCE: Final = 1e-9
_MOST_STEPS: Final = 1_000
_TREES: Final = {"max_iter": 100, "max_depth": 3, "early_stopping": False, "random_state": 0}
_FEWEST_TREES: Final = 100  # fills that a tree ensemble needs at all
Learner = Callable[[FilledTrials], Callable[[Floats], Floats]]


class OutOfSample(NamedTuple):
    """Probabilities of trials that the models had not seen, in order of time."""

    chances: Floats
    base: Floats  # the share of wins in the training of each
    won: Flags
    day: Any  # days since 1970

    @property
    def score(self) -> Calibration | None:
        """The calibration; None without a trial."""
        return calibration(self.chances, self.base, self.won, self.day)


def require() -> None:
    """Raise RaveQuantError, with the words that install it, if scikit-learn is missing."""
    if importlib.util.find_spec("sklearn") is None:
        raise RaveQuantError(
            f"scikit-learn is not installed for {sys.executable}; install what `predict fit` needs "
            f'with: "{sys.executable}" -m pip install -e ".[edge]", in the folder of RaveQuant'
        )


def fit(
    trials: FilledTrials,
    days: Sequence[str],
    *,
    config_id: str,
    data_id: str,
    instruments: Sequence[str],
    compare: bool = True,
) -> FadeModel:
    """Return the model of all trials, with its score on days unknown to the models of the folds.

    ``days`` are the judged UTC days, ascending; ``compare`` tries gradient boosting too.
    NoDataError if the trials do not have both outcomes, RaveQuantError without scikit-learn.
    """
    require()
    fills, wins = len(trials.won), int(trials.won.sum())
    if not 0 < wins < fills:
        raise NoDataError(
            f"{fills} filled trials on {len(days)} days, {wins} of them paid; a model needs both "
            "outcomes: record and judge more days"
        )
    with _one_thread():
        tested = out_of_sample(trials, days, _logistic_learner).score
        trees = out_of_sample(trials, days, _tree_learner).score if compare and tested else None
        logistic = logistic_model(trials)
    low, high = _outer(trials.facts)
    return FadeModel(
        config_id=config_id,
        data_id=data_id,
        instruments=tuple(instruments),
        days=len(days),
        fills=fills,
        wins=wins,
        from_ms=int(trials.begun.min()),
        until_ms=int(trials.ended.max()),
        logistic=logistic,
        low=low,
        high=high,
        tested=tested,
        boosting_brier=None if trees is None else trees.brier,
    )


def out_of_sample(trials: FilledTrials, days: Sequence[str], learner: Learner) -> OutOfSample:
    """Return the probabilities of a walk-forward; trials without a training have none.

    A training with one outcome only gives its base rate.
    """
    parts: list[OutOfSample] = []
    for fold in folds(days):
        chosen = trials_of(fold, trials.begun, trials.ended)
        known, new = trials.select(chosen.train), trials.select(chosen.test)
        if not (len(known.won) and len(new.won)):
            continue
        rate = np.full(len(new.won), int(known.won.sum()) / len(known.won))
        both = bool(known.won.any() and not known.won.all())
        chances = learner(known)(new.facts) if both else rate
        parts.append(OutOfSample(chances, rate, new.won, new.begun // times.DAY_MS))
    if not parts:
        nothing = np.empty(0)
        return OutOfSample(nothing, nothing, np.empty(0, dtype=bool), nothing)
    return OutOfSample(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def logistic_model(trials: FilledTrials) -> LogisticModel:
    """Return the penalised logistic regression of trials that have both outcomes."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - an extra

    inputs = inputs_of(trials.facts)
    means, sds = (np.array(column) for column in zip(*map(_spread, inputs.T), strict=True))
    empty = LogisticModel(means, sds, np.zeros(len(means)), 0.0)
    found = LogisticRegression(C=float(PENALTY), tol=_TOLERANCE, max_iter=_MOST_STEPS)
    found.fit(empty.standardised(trials.facts), trials.won)
    coefficients = np.round(found.coef_[0], _PLACES)
    return LogisticModel(means, sds, coefficients, round(float(found.intercept_[0]), _PLACES))


def _logistic_learner(known: FilledTrials) -> Callable[[Floats], Floats]:
    return logistic_model(known).chances


def _tree_learner(known: FilledTrials) -> Callable[[Floats], Floats]:
    """Return the chances of gradient boosting; the base rate where there are too few fills."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - an extra

    if len(known.won) < _FEWEST_TREES:
        return lambda facts: np.full(len(facts), known.won.mean())
    found: Any = HistGradientBoostingClassifier(**_TREES).fit(known.facts, known.won)
    return lambda facts: np.asarray(found.predict_proba(facts)[:, 1], dtype=np.float64)


def _spread(column: Floats) -> tuple[float, float]:
    """Return mean and standard deviation of the known values, rounded once; 0 without a value."""
    known = column[~np.isnan(column)].tolist()
    if not known:
        return 0.0, 0.0
    mean = math.fsum(known) / len(known)
    if min(known) == max(known):
        return mean, 0.0
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in known) / len(known))


def _outer(facts: Floats) -> tuple[Floats, Floats]:
    """Return OUTER_PCT of each fact; NaN where it was never known."""
    low, high = (np.full(facts.shape[1], math.nan) for _ in OUTER_PCT)
    for place, column in enumerate(facts.T):
        known = column[~np.isnan(column)]
        if len(known):
            low[place], high[place] = np.percentile(known, OUTER_PCT)
    return low, high


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hold the linear algebra to one thread: sums in another order would give other digits."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with scikit-learn

    with threadpool_limits(1):
        yield
