"""The bounds by themselves: what each counts, and that each can fail."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from Edge_Lab import lab_bounds
from Edge_Lab.exits import ExitRules
from Edge_Lab.fills import MODELS
from Edge_Lab.lab_bounds import Bound, ruin, ruin_trades, table
from Edge_Lab.model_studies import STUDY_DAYS, joined, simulated


@pytest.fixture(scope="module")
def days():
    """Return 90 days, of which four were simulated."""
    four = joined(simulated("M2", number, ExitRules()) for number in range(4))
    return four.chosen(np.arange(90) % 4)


def test_trades_of_a_walk_follow_each_other():
    """No trade begins before the last one ended, and the sides take turns."""
    found = [trade for _, trade in ruin_trades("touch", 8, 8, [0])]
    assert all(late.fill_place > early.exit_place for early, late in pairwise(found))
    assert {trade.exit for trade in found} == {"stop", "target"}
    assert len(found) > 1_000


def test_a_win_rate_that_is_not_that_of_chance_fails():
    """Winners alone are no sample."""
    honest = ruin("touch", 8, 8, 500)
    assert (honest.holds, honest.sample) == (True, "M1, 500 trades")
    assert honest.limit == "50.00 ± 8.94 %"
    assert not ruin("touch", 8, 8, 100, counted=lambda _, found: found.exit == "target").holds


def test_a_mean_move_fails_beyond_four_errors(days):
    """A tick on each fill is seen as soon as there are enough of them."""
    assert [bound.name for bound in lab_bounds.identity(days)] == [
        f"Identity, {model}" for model in MODELS
    ]
    moved = days.moves.copy()
    moved[..., 2] += 120 * moved[..., 1] + 3_600 * moved[..., 0]
    moved[..., 1] += 60 * moved[..., 0]  # 6 bps
    assert not any(bound.holds for bound in lab_bounds.identity(days._replace(moves=moved)))


def test_a_lead_fails_beyond_four_errors(days):
    """No fill, no lead: that fails as well."""
    assert lab_bounds.no_lead("M2", days.chosen(np.arange(4))).holds
    real = days.real.copy()
    real[..., 1] += real[..., 0] * 90_000
    assert not lab_bounds.no_lead("M2", days._replace(real=real)).holds
    assert not lab_bounds.no_lead("M2", days._replace(real=days.real * 0)).holds


def test_each_study_has_days_of_its_own(days):
    """As many as a study has, others in each."""
    first, second = lab_bounds.studies(days, 2, "a")
    assert first.number == second.number == STUDY_DAYS
    assert (first.real != second.real).any()


def test_size_counts_claims(days):
    """With a lead in every fill each study claims it."""
    real = days.real.copy()
    real[..., 1] += real[..., 0] * 90_000
    bounds = lab_bounds.size("M2", days._replace(real=real), 5)
    assert [(bound.seen, bound.holds) for bound in bounds] == [("100.0 %", False)] * 2


def test_studies_lose_and_claim_nothing(days):
    """With the default fees; an edge beyond doubt is claimed, and found."""
    assert lab_bounds.loses(days, 2).seen.startswith("LOSES 2; Net -")
    assert lab_bounds.words_with_fees(days, 2).holds
    assert lab_bounds.words_without_fees(days, 2).holds
    assert lab_bounds.planted(days, 2, bps=50).holds
    assert not lab_bounds.planted(days, 2, bps=-50).holds


def test_the_word_of_a_study_is_the_boldest(days, monkeypatch):
    """One promising family of 24 is a claim."""
    said = iter([{"base": "LOSES", "cvd": "PROMISING"}, {"base": "PROVEN"}, {"a": "TOO EARLY"}])
    monkeypatch.setattr(lab_bounds, "study_words", lambda *_, **__: next(said))
    assert lab_bounds.best_words(days, 3) == Counter(PROMISING=1, PROVEN=1, **{"TOO EARLY": 1})
    said = iter([{"a": "PROMISING"}])
    assert not lab_bounds.words_with_fees(days, 1).holds
    said = iter([{"a": "PROVEN"}] + [{"a": "LOSES"}] * 99)
    assert not lab_bounds.words_without_fees(days, 100).holds


def test_bounds_as_a_table():
    """A line each, a failure in capitals."""
    made = [Bound("a", "b", "c", "d", holds=True), Bound("e", "f", "g", "h", holds=False)]
    assert table(made)[2:] == ["| a | b | c | d | yes |", "| e | f | g | h | NO |"]
