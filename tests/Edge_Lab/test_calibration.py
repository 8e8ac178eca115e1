"""Brier score and its parts: the worked example, the plain definition, and the p-value by days."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Edge_Lab import calibration as calibrated
from Edge_Lab.calibration import isotonic
from Edge_Lab.distributions import t_tail

CHANCES = [0.2, 0.2, 0.4, 0.4, 0.6, 0.8]
WON = [0, 1, 0, 0, 1, 1]


def calibration(chances, won, base=0.5, day=None) -> Any:
    """Return the score of probabilities against one base rate."""
    said = np.array(chances, dtype=np.float64)
    day = np.arange(len(won)) if day is None else np.array(day)
    return calibrated.calibration(
        said, np.full(len(won), base), np.array(won, dtype=bool), day.astype(np.int64)
    )


def test_the_worked_example():
    """Six probabilities: the score, the skill, the pooled blocks and the three parts."""
    found = calibration(CHANCES, WON)
    assert (found.outcomes, found.days) == (6, 6)
    assert found.brier == pytest.approx(0.2)
    assert found.uncertainty == pytest.approx(0.25)
    assert found.skill == pytest.approx(0.2)
    assert found.miscalibration == pytest.approx(0.075)
    assert found.discrimination == pytest.approx(0.125)
    blocks, fitted = isotonic(np.array(CHANCES), np.array(WON, dtype=bool))
    assert fitted.tolist() == [0.25, 0.25, 0.25, 0.25, 1, 1]
    assert blocks == found.reliability
    assert [block[1:] for block in blocks] == [(0.25, 4), (1, 2)]
    assert [block.said for block in blocks] == pytest.approx([0.3, 0.7])


def test_without_an_outcome_there_is_no_score():
    """Nothing is claimed of nothing."""
    assert calibration([], []) is None


def test_the_p_value_takes_the_day_as_the_sample():
    """Three days of unequal size, computed by hand from the ratio's linear parts."""
    chances, won, day = [0.9, 0.8, 0.1, 0.4, 0.7, 0.3], [1, 1, 0, 1, 1, 0], [1, 1, 1, 2, 3, 3]
    saved = [0.25 - (p - y) ** 2 for p, y in zip(chances, won, strict=True)]
    mean = sum(saved) / 6
    parts = [
        sum(s - mean for s, d in zip(saved, day, strict=True) if d == n) / 6 for n in (1, 2, 3)
    ]
    se = math.sqrt(3 / 2 * sum(part**2 for part in parts))
    assert calibration(chances, won, day=day).p == pytest.approx(t_tail(mean / se, 2))
    assert calibration(chances, won, day=[4] * 6).p is None


def test_the_base_rate_has_no_skill():
    """Probabilities that are the base rate save nothing, and have no p-value."""
    found = calibration([0.3] * 4, [0, 0, 1, 0], base=0.3)
    assert (found.skill, found.p, found.discrimination) == (0, None, 0)


def smallest_loss(chances, won):
    """Return the least squares of all ways to cut the distinct probabilities into rising blocks."""
    groups = [
        [y for p, y in zip(chances, won, strict=True) if p == value]
        for value in sorted(set(chances))
    ]
    best = math.inf
    for cuts in itertools.product((False, True), repeat=len(groups) - 1):
        parts = [list(groups[0])]
        for cut, group in zip(cuts, groups[1:], strict=True):
            if cut:
                parts.append(list(group))
            else:
                parts[-1] += group
        means = [sum(part) / len(part) for part in parts]
        if means == sorted(means):
            loss = sum(
                (y - mean) ** 2 for part, mean in zip(parts, means, strict=True) for y in part
            )
            best = min(best, loss)
    return best


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30))
def test_the_recalibration_is_the_best_that_rises(outcomes):
    """Isotonic regression by its definition; the parts add up, and none of them is negative."""
    chances = [number / 6 for number, _ in outcomes]
    won = [flag for _, flag in outcomes]
    _, fitted = isotonic(np.array(chances), np.array(won, dtype=bool))
    order = np.argsort(chances)
    assert (np.diff(fitted[order]) >= 0).all()
    loss = math.fsum((f - y) ** 2 for f, y in zip(fitted.tolist(), won, strict=True))
    assert loss == pytest.approx(smallest_loss(chances, won), abs=1e-9)
    found = calibration(chances, won)
    parts = found.miscalibration - found.discrimination + found.uncertainty
    assert found.brier == pytest.approx(parts, abs=1e-12)
    assert min(found.miscalibration, found.discrimination) >= -1e-12
    assert sum(block.outcomes for block in found.reliability) == len(won)
