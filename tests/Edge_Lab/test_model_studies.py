"""Studies of model markets: a day's sums are those of its lines, and each study is drawn."""

from dataclasses import replace

import numpy as np
import pytest

from Edge_Lab import model_trials
from Edge_Lab.day_sums import gathered
from Edge_Lab.exits import ExitRules
from Edge_Lab.fills import MODELS
from Edge_Lab.inference import delta
from Edge_Lab.model_markets import made_day
from Edge_Lab.model_studies import (
    FORWARD_DAYS,
    PLANTED,
    STUDY_DAYS,
    drawn,
    forward,
    joined,
    lead,
    mean_moves,
    mean_net,
    simulated,
    study_facts,
    study_words,
    summed,
)
from Edge_Lab.model_trials import FAMILIES, FREE
from Edge_Lab.trials import TrialRules, line_of
from Edge_Lab.verdict import Forward, decide

RULES = TrialRules(exits=ExitRules(), kinds=("shifted",))


@pytest.fixture(scope="module")
def lines():
    """Return the lines of a day."""
    day = made_day("M2", 4)
    market = model_trials.market_of(day)
    plans = model_trials.plans_of(day, model_trials.day_wicks(day))
    return [line for plan in plans if (line := line_of(plan, market, RULES))]


@pytest.fixture(scope="module")
def days():
    """Return three days of M2; the models fill other numbers of them."""
    return joined(simulated("M2", number, ExitRules()) for number in range(4, 7))


def test_a_day_is_the_sums_of_its_lines(lines, days):
    """Estimates of the sums are those of the lines, for each family and model."""
    day = summed(lines, np.zeros((3, 3), dtype=np.int64))
    assert all((ours == theirs[:1]).all() for ours, theirs in zip(day[:-1], days[:-1], strict=True))
    for family in ("base", "SHORT", PLANTED):
        for model in MODELS:
            found = gathered(lines, family, model)
            direct, ours = delta(found.real, found.fake), lead(day, model=model, family=family)
            assert direct is not None
            assert ours is not None
            assert (direct.value, direct.fills) == (ours.value, ours.fills)
    row = FAMILIES.index("base")
    assert day.counts[0, row].tolist() == [len(lines), 0]
    assert day.moves.shape == (1, 3, 3)


def test_moves_are_those_from_fill_to_exit(days):
    """As many as fills, by model, and of the size of a bracket."""
    counts = set()
    for (count, mean, error), model in zip(mean_moves(days), MODELS, strict=True):
        found = mean_net(days, model=model)
        assert found is not None
        assert count == found.fills
        counts.add(count)
        assert abs(mean) < 5 * error
        assert 0.1 < error < 3
    assert len(counts) == 3


def test_a_planted_edge_is_on_its_layer_alone(days):
    """Each fill of the layer gains, in whatever family it is; others do not."""
    more = days.with_edge(2)
    layer = mean_net(days, family=PLANTED)
    assert layer is not None
    for family in (PLANTED, "base"):
        before, after = mean_net(days, family=family), mean_net(more, family=family)
        assert before is not None
        assert after is not None
        assert after.value - before.value == pytest.approx(2 * layer.fills / before.fills)
    assert (days.real[:, :, 0] == more.real[:, :, 0]).all()


def test_days_are_drawn_once_each():
    """By the words of a name, without a repetition; more than there are is refused."""
    found = drawn("study 1", 100, 90).tolist()
    assert len(set(found)) == 90
    assert found == drawn("study 1", 100, 90).tolist()
    assert found != drawn("study 2", 100, 90).tolist()
    with pytest.raises(ValueError, match="91 days cannot be drawn from 90"):
        drawn("study", 90, 91)


def test_a_study_loses_with_fees(days):
    """With the default fees each family that has enough fills loses, and none is ever promising."""
    many = days.chosen(np.arange(120) % 3)
    words = study_words(many, "study 0")
    assert words["base"] == "LOSES"
    assert set(words.values()) <= {"LOSES", "TOO EARLY", "NOT PROVEN"}


def test_the_lead_is_what_protects_where_every_fade_earns(days):
    """With a p-value of 1 for the lead nothing is promising, however much a fill earns."""
    facts = study_facts(days.with_edge(60).chosen(np.arange(STUDY_DAYS) % 3))[PLANTED]
    facts = replace(facts, claims=dict.fromkeys(MODELS, facts.claims["queue"]))
    assert facts.p_net <= 0.025
    assert decide(replace(facts, p_lead=1.0, fills=200)).word == "NOT PROVEN"
    assert decide(replace(facts, p_lead=0.0, fills=200, sharpe=1.0)).word == "PROMISING"


def test_a_forward_test_ends_with_its_proof(days):
    """An edge beyond doubt is proven at the first look; without one the last look is the last."""
    order = np.random.default_rng(1).integers(0, 3, FORWARD_DAYS)
    many = days.chosen(order)
    sure, none = forward(many.with_edge(60), PLANTED), forward(many, PLANTED)
    assert (sure.day, sure.proves) == (20, True)
    assert (none.day, none.proves) == (FORWARD_DAYS, False)
    short = forward(many.chosen(np.arange(19)), "base")
    assert (short.day, short.net) == (0, None)


def test_the_bound_of_days_that_depend_counts_blocks(days):
    """As that of the lab does: three days that take turns are blocks of two."""
    many = days.chosen(np.arange(FORWARD_DAYS) % 3)
    found, ours = forward(many, PLANTED), mean_net(many, family=PLANTED)
    assert ours is not None
    assert ours.block > 1
    assert found == Forward.of(ours, lead(many, family=PLANTED))
    assert found.day == ours.clusters == FORWARD_DAYS // ours.block


def test_without_fees_a_fill_costs_nothing():
    """The other half of the studies of words stands on these rules."""
    free = mean_net(simulated("M3", 0, FREE))
    paid = mean_net(simulated("M3", 0, ExitRules()))
    assert free is not None
    assert paid is not None
    assert free.value - paid.value == pytest.approx(8, abs=0.05)
