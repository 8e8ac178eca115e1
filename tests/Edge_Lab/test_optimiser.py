"""The search: its grid, its plateaus, its folds, and what luck promises."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Edge_Lab import optimiser
from Edge_Lab.families import EXITS, FILTERS, WickFilter, default_filter, name_of
from Edge_Lab.optimiser import (
    FEWEST_FILLS,
    GridPoint,
    PointTrials,
    grid_around,
    place,
    steps,
)
from Edge_Lab.walk_forward import EMBARGO_MS, folds, trials_of
from ravequant import exact, times
from tests.support.made_trials import day_of

DEFAULT_FILTER = WickFilter()
GRID = grid_around(DEFAULT_FILTER)
POINTS, NEIGHBOURS = GRID.points, GRID.neighbours
DEFAULT_POINT = POINTS[0]
NONE = [None] * len(POINTS)


def choose(scores):
    return optimiser.choose(scores, GRID)


def walk_forward(days, trials):
    return optimiser.walk_forward(days, trials, GRID)


def test_there_are_87_points_and_the_default_is_the_first():
    """72 filters with the default exit, 15 other exits with the default filter, each once."""
    assert len(POINTS) == len(set(POINTS)) == 87
    assert POINTS[0] == GridPoint(DEFAULT_FILTER, EXITS[0])
    assert Counter(point.exit == EXITS[0] for point in POINTS) == {True: 72, False: 15}
    assert len({point.name for point in POINTS}) == 87
    assert POINTS[0].name == "20-40 10 500"
    assert GridPoint(DEFAULT_FILTER, EXITS[6]).name == "20-40 10 500, stop 3, target 20"
    assert GridPoint(DEFAULT_FILTER, EXITS[4]).name == "20-40 10 500, stop 3, target of the plan"


def test_neighbours_are_one_step_away():
    """A step along one axis of the grid; the default touches both the filters and the exits."""
    around = {POINTS[number] for number in NEIGHBOURS[0]}
    filters = {point.wick_filter for point in around if point.exit == EXITS[0]}
    assert filters == {
        DEFAULT_FILTER,
        DEFAULT_FILTER._replace(age_min=10, age_max=30),
        DEFAULT_FILTER._replace(age_min=30, age_max=60),
        DEFAULT_FILTER._replace(min_touched=8),
        DEFAULT_FILTER._replace(min_touched=15),
        DEFAULT_FILTER._replace(reach_bps=DEFAULT_FILTER.reach_bps // 5),
        DEFAULT_FILTER._replace(wall=True),
    }
    assert {point.exit for point in around} == {EXITS[0], EXITS[1], EXITS[4]}
    for number, others in enumerate(NEIGHBOURS):
        assert number in others
        assert all(number in NEIGHBOURS[other] for other in others)
    assert steps(GridPoint(WickFilter(40, 120, 15), EXITS[0]), DEFAULT_POINT) == 3
    assert len(place(DEFAULT_POINT)) == 6


@pytest.mark.parametrize(
    ("reach", "size", "beside"), [(300, 88, 500), (600, 88, 500), (10, 88, 25), (100, 87, 100)]
)
def test_a_reach_of_the_settings_is_one_point_more_or_one_of_the_grid(reach, size, beside):
    """The default has it, the other points stay; outside of the grid it is beside the next."""
    own = default_filter(reach * exact.SIZE_ONE)
    grid = grid_around(own)
    assert len(grid.points) == len({point.name for point in grid.points}) == size
    assert grid.points[0].name == name_of(own) == f"20-40 10 {reach}"
    assert {point.wick_filter for point in grid.points} == {*FILTERS, own}
    assert all(point.wick_filter == own for point in grid.points[-15:])
    assert place(grid.points[0]) == place(
        GridPoint(default_filter(beside * exact.SIZE_ONE), EXITS[0])
    )
    assert sum(away == 0 for away in grid.away) == 1 + (size == 88)


def test_the_largest_plateau_is_chosen_and_no_peak():
    """A single high point loses to a lower one among good neighbours."""
    peak = next(n for n in range(87) if len(NEIGHBOURS[n]) == 5 and 0 not in NEIGHBOURS[n])
    plateau = next(n for n in range(1, 87) if not set(NEIGHBOURS[n]) & {peak, *NEIGHBOURS[peak]})
    scores = [-1.0] * 87
    scores[peak] = 5.0
    for number in NEIGHBOURS[plateau]:
        scores[number] = 1.0
    assert choose(scores) == plateau


def test_the_default_stays_where_nothing_is_above_0():
    """Losses, nothing known, and averages of exactly 0."""
    assert choose([-0.1] * 87) == choose(NONE) == choose([0.0] * 87) == 0


def test_of_equal_plateaus_the_nearest_to_the_default_is_taken():
    """All points alike: the default itself."""
    assert choose([1.0] * 87) == 0


def test_a_point_without_a_score_is_never_chosen_and_earns_nothing():
    """It counts as 0 for its neighbours."""
    scores: list[float | None] = list(NONE)
    scores[5] = 3.0
    assert choose(scores) == 5
    scores[0] = -20.0
    found = choose([None if number in NEIGHBOURS[5] else -1.0 for number in range(87)])
    assert found == 0


@settings(max_examples=25)
@given(st.lists(st.none() | st.floats(-10, 10), min_size=87, max_size=87))
def test_a_choice_has_a_plateau_above_0_that_no_other_exceeds(scores):
    """Or it is the default."""
    chosen = choose(scores)

    def plateau(number):
        return sum(scores[other] or 0.0 for other in NEIGHBOURS[number]) / len(NEIGHBOURS[number])

    known = [number for number, score in enumerate(scores) if score is not None]
    best = max((plateau(number) for number in known), default=0.0)
    assert (chosen == 0 and best <= 0) or plateau(chosen) == best


def made_trials(days, each=30, *, edges=(), seed=0, share=0.5, mean=-7.0):
    """Return trials whose net is noise around a mean; a point of ``edges`` has so much more."""
    rng = np.random.default_rng(seed)
    start = times.day_start_ms(day_of(0))
    size = days * each
    begun = np.sort(start + rng.integers(0, days * times.DAY_MS, size))
    ended = begun + rng.integers(60, 180, size) * times.MINUTE_MS
    member = rng.random((len(POINTS), size)) < share
    member[0] = True
    net = rng.normal(mean, 17.0, size)
    for point, edge in edges:
        net += edge * member[point]
    rows = [np.flatnonzero(row) for row in member]
    return PointTrials(begun, ended, rng.random(size) < 0.7, np.rint(net * 1e4).astype(int), rows)


def test_an_edge_of_a_point_is_found():
    """A point and its neighbours earn more: it, or one beside it, is chosen in each fold."""
    centre = 40
    trials = made_trials(40, 60, edges=[(number, 8.0) for number in NEIGHBOURS[centre]])
    found = walk_forward([day_of(number) for number in range(40)], trials)
    assert len(found) == 4
    assert all(steps(POINTS[choice.point], POINTS[centre]) <= 1 for choice in found)


def test_few_fills_in_training_keep_the_default():
    """A hundred of the default are needed, whatever a point would have earned."""
    edges = [(number, 90.0) for number in NEIGHBOURS[40]]
    days = [day_of(number) for number in range(26)]
    few, enough = made_trials(26, 6, edges=edges), made_trials(26, 12, edges=edges)
    assert [choice.point for choice in walk_forward(days, few)] == [0, 0]
    assert all(choice.fills < FEWEST_FILLS for choice in walk_forward(days, few))
    assert all(choice.point for choice in walk_forward(days, enough))


def test_what_is_promised_is_more_than_what_comes():
    """Fees of 0 and no edge: a point that was chosen promised a gain, and delivers nothing."""
    days = [day_of(number) for number in range(30)]
    promised, delivered = [], []
    for seed in range(12):
        trials = made_trials(30, 60, seed=seed, share=0.1, mean=0.0)
        for choice in walk_forward(days, trials):
            first = times.day_start_ms(choice.test[0]) // times.DAY_MS
            tested = (trials.day >= first) & (trials.day < first + len(choice.test))
            out = trials.estimate(choice.point, tested)
            if choice.point and choice.promised is not None and out is not None:
                promised.append(choice.promised)
                delivered.append(out.value)
    assert len(promised) > 10
    assert np.mean(promised) > 1.0
    assert np.mean(promised) - np.mean(delivered) > 1.0


@given(st.integers(0, 2**32 - 1), st.integers(21, 34))
def test_no_training_window_meets_a_test_window(seed, days):
    """PURGE: [A, X) of each training trial ends 4 h before the first A of the test."""
    trials = made_trials(days, 20, seed=seed)
    for fold in folds([day_of(number) for number in range(days)]):
        train, test = trials_of(fold, trials.begun, trials.ended)
        if train.any():
            first, last = trials.begun[test].min(), trials.ended[test].max()
            assert trials.ended[train].max() <= first - EMBARGO_MS < last
            assert not (train & test).any()


def test_a_trial_that_ends_in_the_test_is_not_learnt_from():
    """The same trials with lives of three days: the last days of training leave."""
    days = [day_of(number) for number in range(25)]
    trials = made_trials(25, 30)
    longer = PointTrials(
        trials.begun, trials.begun + 3 * times.DAY_MS, trials.filled, trials.net, trials.rows
    )
    (short,), (long_,) = walk_forward(days, trials), walk_forward(days, longer)
    assert long_.fills < short.fills * 18 / 20


@pytest.mark.parametrize("count", [0, 5, 20])
def test_too_few_days_have_no_fold(count):
    """Twenty days to learn from, and one to be tried on."""
    assert walk_forward([day_of(number) for number in range(count)], made_trials(21)) == []
