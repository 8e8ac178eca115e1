"""Many trials: the worked examples, plain computations of each rule, ties and empty cases."""

import itertools
import math
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Edge_Lab.distributions import normal_cdf
from Edge_Lab.multiplicity import (
    SharpeMoments,
    deflated_sharpe,
    expected_best,
    moments,
    overfitting,
    probabilistic_sharpe,
    sign_patterns,
    step_down,
)
from tests.support.examples import often

ROWS = [[2, 1, 3, -1, 2], [1, -2, 2, 0, 1], [-1, 1, -2, 1, -3]]
GRID = [[1, 0, 0], [2, 1, -1], [-1, 1, 0], [0, 2, 1], [1, -1, 2], [2, 0, 1], [0, 1, -2], [-1, 2, 0]]
PAPER = SharpeMoments(2.5 / math.sqrt(250), 1250, -3.0, 10.0)


def t_value(values):
    """Return mean / (sd / sqrt n), infinite without a spread."""
    spread = statistics.stdev(values)
    mean = sum(values) / len(values)
    if spread < 1e-12:
        return math.copysign(math.inf, mean) if mean else math.nan
    return mean / (spread / math.sqrt(len(values)))


def plain_step_down(rows):
    """Return single and adjusted p-values by flipping every pattern of signs, one at a time."""
    observed = [t_value(row) for row in rows]
    order = sorted(range(len(rows)), key=lambda trial: -observed[trial])
    flipped = [
        [t_value([sign * x for sign, x in zip(signs, row, strict=True)]) for row in rows]
        for signs in itertools.product((1, -1), repeat=len(rows[0]))
    ]
    single, adjusted, before = {}, {}, 0.0
    for step, trial in enumerate(order):
        bound = observed[trial] - 1e-9 * (1 + abs(observed[trial]))
        alone = sum(found[trial] >= bound for found in flipped)
        together = sum(max(found[rest] for rest in order[step:]) >= bound for found in flipped)
        single[trial] = alone / len(flipped)
        before = adjusted[trial] = max(before, together / len(flipped))
    return [single[trial] for trial in sorted(single)], [adjusted[t] for t in sorted(adjusted)]


def test_the_worked_step_down():
    """Three trials of five days: t, single and adjusted p-values."""
    found = step_down(np.array(ROWS, dtype=float))
    assert found.t == pytest.approx([2.0642, 0.5898, -1], abs=5e-5)
    assert found.single.tolist() == [0.09375, 0.375, 0.875]
    assert found.adjusted.tolist() == [0.15625, 0.625, 0.875]


@settings(max_examples=often(20, 40), deadline=None)
@given(st.integers(4, 7).flatmap(lambda days: st.lists(
    st.lists(st.integers(-50, 50), min_size=days, max_size=days, unique=True)
    .filter(lambda row: len({abs(x) for x in row}) > 1),
    min_size=1, max_size=4,
)))  # fmt: skip
def test_step_down_is_every_pattern_of_signs(rows):
    """Few days: a plain loop over all patterns finds the same p-values."""
    found = step_down(np.array(rows, dtype=float))
    single, adjusted = plain_step_down(rows)
    assert found.single.tolist() == pytest.approx(single)
    assert found.adjusted.tolist() == pytest.approx(adjusted)
    assert (found.adjusted >= found.single - 1e-12).all()


def test_many_days_flip_at_random_and_always_alike():
    """Above 12 days 9,999 patterns are tried; p is near the exhaustive share, and repeatable."""
    values = np.array([[1.1, 0.4, -0.6, 1.3, 0.9, -0.2, 0.8, 0.1, -0.4, 1.0, 0.7, 0.3, -0.5]])
    found = step_down(values)
    patterns = np.array(list(itertools.product((1, -1), repeat=13)), dtype=float)
    every = (patterns @ values[0] >= values.sum() - 1e-9).mean()
    assert found.single[0] == pytest.approx(every, abs=4 * math.sqrt(every / 9_999))
    assert step_down(values).single[0] == found.single[0]
    assert (found.single * 10_000 % 1).max() < 1e-9  # the observed pattern is the ten-thousandth


def test_signs_are_even_and_independent():
    """Patterns of random signs: half of them positive in each day, and days are uncorrelated."""
    signs = np.concatenate(list(sign_patterns(20)))
    assert signs.shape == (9_999, 20)
    assert np.abs(signs.mean(axis=0)).max() < 4 / math.sqrt(9_999)
    shared = signs.T @ signs / 9_999 - np.eye(20)
    assert np.abs(shared).max() < 5 / math.sqrt(9_999)


def test_a_day_without_fills_counts_for_no_trial():
    """A trial that lacks a day has the t-value and the p-value of its other days."""
    gaps = np.array([[2, np.nan, 1, 3, -1, 2], [1, 4, -2, 2, 0, 1]])
    found, alone = step_down(gaps), step_down(np.array(ROWS[:1], dtype=float))
    assert found.t[0] == pytest.approx(alone.t[0])
    assert found.single[0] == alone.single[0]


def test_blocks_of_days_share_a_sign():
    """Joined days are one cluster: the p-values are those of their sums."""
    days = np.array([[1.0, 2, -1, 3, 2, 1, 1, -2, 3, 1]])
    sums = days.reshape(5, 2).sum(axis=1)[None]
    assert step_down(days, block=2).single[0] == step_down(sums).single[0]
    assert step_down(days, block=2).t[0] == pytest.approx(step_down(sums).t[0])


def test_a_trial_without_a_spread_claims_nothing():
    """Days that are all alike, a single day, and no day: p-values of 1, and no t."""
    rows = np.full((4, 3), np.nan)
    rows[0], rows[1, 0], rows[3] = 0.1, 5.0, (1, 2, 3)
    found = step_down(rows)
    assert np.isnan(found.t[:3]).all()
    assert found.single[:3].tolist() == found.adjusted[:3].tolist() == [1, 1, 1]
    assert found.single[3] == 0.125
    assert step_down(np.full((1, 3), np.nan)).adjusted.tolist() == [1]


def test_ties_count_against_a_claim():
    """A pattern that does exactly as well is counted: rounding cannot lower a p-value."""
    row = [0.1, 0.2, 0.3, 0.1, 0.2, -0.3]  # many patterns have the same sum
    assert step_down(np.array([row])).single[0] == plain_step_down([[1, 2, 3, 1, 2, -3]])[0][0]


# --- deflated Sharpe ratio -----------------------------------------------------------------------


def test_the_examples_of_the_paper():
    """Bailey and López de Prado: 100, 46 and 88 trials."""
    variance = 0.5 / 250
    assert expected_best(variance, 100) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe(PAPER, variance, 100) == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe(PAPER, variance, 46) == pytest.approx(0.9505, abs=5e-5)
    normal = SharpeMoments(PAPER.sharpe, 1250)
    assert deflated_sharpe(normal, variance, 88) == pytest.approx(0.9505, abs=5e-5)


def test_the_example_of_forty_days():
    """0.30 a day looks good alone, and is less than the best of 24 without an edge."""
    found = SharpeMoments(0.30, 40, 0.8, 5.0)
    assert expected_best(1 / 39, 24) == pytest.approx(0.3170, abs=5e-5)
    assert deflated_sharpe(found, 1 / 39, 24) == pytest.approx(0.4541, abs=5e-5)
    assert probabilistic_sharpe(found) == pytest.approx(0.9789, abs=5e-5)


def test_one_trial_is_deflated_by_nothing():
    """The best of one is that one: the threshold is 0."""
    assert expected_best(0.5, 1) == expected_best(0.0, 5) == 0
    assert deflated_sharpe(PAPER, 0.5, 1) == probabilistic_sharpe(PAPER)


def test_more_trials_deflate_more():
    """The threshold rises with the trials, and is near the mean of the best in a simulation."""
    thresholds = [expected_best(1.0, trials) for trials in (2, 3, 5, 10, 24, 100, 1_000)]
    assert thresholds == sorted(thresholds)
    best = np.random.default_rng(7).standard_normal((20_000, 24)).max(axis=1).mean()
    assert expected_best(1.0, 24) == pytest.approx(best, abs=0.05)


@given(
    st.lists(st.integers(-1_000, 1_000), min_size=3, max_size=40).filter(lambda x: len(set(x)) > 1)
)
def test_moments_are_those_of_the_days(values):
    """Mean over standard deviation of n - 1; skew and kurtosis of the population."""
    found: Any = moments(np.array(values, dtype=float))
    mean, spread = statistics.mean(values), statistics.pstdev(values)
    assert found.sharpe == pytest.approx(mean / statistics.stdev(values), abs=1e-9)
    third = statistics.mean([(x - mean) ** 3 for x in values]) / spread**3
    fourth = statistics.mean([(x - mean) ** 4 for x in values]) / spread**4
    assert (found.skew, found.kurtosis) == pytest.approx((third, fourth), abs=1e-6)
    assert found.days == len(values)


def test_no_moments_without_a_spread():
    """One day, or days that are all alike, have no Sharpe ratio."""
    assert moments(np.array([3.0])) is moments(np.full(5, 0.1)) is None


def test_the_probability_is_that_of_the_formula():
    """Phi of the distance in standard errors, written out."""
    error = math.sqrt(1 + 3 * 0.1 + 9 / 4 * 0.01)
    plain = normal_cdf((0.1 - 0.02) * math.sqrt(99) / error)
    assert probabilistic_sharpe(SharpeMoments(0.1, 100, -3.0, 10.0), 0.02) == pytest.approx(plain)


# --- overfitting ---------------------------------------------------------------------------------


def plain_overfitting(rows, blocks, criterion):
    """Return the logits, split by split and setting by setting."""
    parts = [part.tolist() for part in np.array_split(np.array(rows, dtype=float), blocks)]
    settings_count, logits = len(rows[0]), []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        inside = [row for part in chosen for row in parts[part]]
        outside = [row for part in range(blocks) if part not in chosen for row in parts[part]]
        scores = [
            [round(criterion([row[k] for row in half]), 12) for k in range(settings_count)]
            for half in (inside, outside)
        ]
        best = scores[0].index(max(scores[0]))
        below = sum(score < scores[1][best] for score in scores[1])
        equal = sum(score == scores[1][best] for score in scores[1])
        share = (below + (equal + 1) / 2) / (settings_count + 1)
        logits.append(math.log(share / (1 - share)))
    return logits


def sharpe(values):
    """Return mean over standard deviation, 0 for a mean of 0."""
    mean = statistics.mean(values)
    if abs(mean) < 1e-9:
        return 0.0
    spread = statistics.stdev(values)
    return mean / spread if spread else math.copysign(math.inf, mean)


def test_the_worked_splits():
    """Eight days, three settings, four blocks, best mean: six logits and their share."""
    found = overfitting(np.array(GRID, dtype=float), blocks=4, criterion="mean")
    expected = [0.5108, -1.0986, -0.5108, -1.0986, -1.0986, 0]
    assert found.logits == pytest.approx(expected, abs=5e-5)
    assert found.probability == pytest.approx(0.8333, abs=5e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(8, 13), st.integers(2, 4), st.randoms(use_true_random=False))
def test_splits_are_those_of_a_plain_loop(days, count, random):
    """Both criteria, with uneven blocks and ties."""
    rows = [[random.randint(-3, 3) for _ in range(count)] for _ in range(days)]
    table = np.array(rows, dtype=float)
    mean = overfitting(table, blocks=4, criterion="mean")
    assert mean.logits == pytest.approx(plain_overfitting(rows, 4, statistics.mean))
    ratio = overfitting(table, blocks=4)
    assert ratio.logits == pytest.approx(plain_overfitting(rows, 4, sharpe))


def test_a_setting_that_is_always_best_is_not_overfitted():
    """One setting ahead on every day: probability 0. Settings that are alike: 1."""
    noise = np.random.default_rng(3).standard_normal((64, 12))
    noise[:, 5] += 5
    assert overfitting(noise).probability == 0
    assert len(overfitting(noise).logits) == math.comb(16, 8)
    assert overfitting(np.repeat(noise[:, :1], 12, axis=1)).probability == 1


def test_blocks_follow_the_days():
    """Below 64 days there are 8 blocks; what cannot be halved is refused."""
    noise = np.random.default_rng(3).standard_normal((63, 3))
    assert len(overfitting(noise).logits) == math.comb(8, 4)
    for table, blocks in ((noise[:, :1], 4), (noise, 3), (noise, 0), (noise[:3], 4)):
        with pytest.raises(ValueError, match="expected two settings or more, an even number"):
            overfitting(table, blocks=blocks)
