"""Net and delta: the worked examples, a plain computation fill by fill, intervals and blocks."""

import math
from collections import defaultdict
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Edge_Lab import inference
from Edge_Lab.distributions import t_quantile
from Edge_Lab.inference import DaySums, autocorrelation, block_of, joined

# real: (fills, sum in bps) of four days and two bins; 10 and 5 placebo fills a day
REAL = [[(2, -4), (1, -8)], [(1, 3), (2, -16)], [(0, 0), (2, -10)], [(1, -1), (1, -5)]]
FAKE = [[(10, -60), (5, -40)], [(10, -50), (5, -45)], [(10, -70), (5, -50)], [(10, -60), (5, -45)]]

PAIRS = np.array([1, 1, 1, -1, -1, 1, -1, -1, 1, 1, -1, -1], dtype=np.float64)


def net(real) -> Any:
    """Return the estimate of the mean net result."""
    return inference.net(real)


def delta(real, fake) -> Any:
    """Return the estimate of the lead over placebos."""
    return inference.delta(real, fake)


def sums(cells):
    """Return day sums of (fills, bps) by day and bin."""
    table = np.array(cells, dtype=np.int64)
    return DaySums(table[..., 0], table[..., 1] * 10_000)


def test_the_worked_example_of_delta():
    """Four days and two bins: every number of the example."""
    found = delta(sums(REAL), sums(FAKE))
    assert net(sums(REAL)).value == pytest.approx(-4.1)
    assert found.fake == pytest.approx(-7.8)
    assert found.value == pytest.approx(3.7)
    assert found.influence == pytest.approx([-0.36, -0.11, 0.31, 0.16])
    assert found.se == pytest.approx(0.5926, abs=5e-5)
    assert found.t == pytest.approx(6.2434, abs=5e-5)
    assert found.p == pytest.approx(0.0041, abs=5e-5)
    assert found.interval() == pytest.approx((1.814, 5.586), abs=5e-4)
    assert found.spread == pytest.approx(1.1852, abs=5e-5)
    assert (found.fills, found.clusters, found.block, found.left_out) == (10, 4, 1, 0)


def test_the_worked_example_of_net():
    """Five days of one bin."""
    found = net(sums([[(3, -3)], [(4, 12)], [(3, -9)], [(2, 4)], [(4, 6)]]))
    assert found.value == pytest.approx(0.625)
    assert found.se == pytest.approx(1.1095, abs=5e-5)
    assert found.t == pytest.approx(0.5633, abs=5e-5)
    assert found.interval() == pytest.approx((-2.455, 3.705), abs=5e-4)


RESULT = st.integers(-900_000, 900_000)
DAY = st.lists(st.lists(RESULT, max_size=4), min_size=3, max_size=3)
DAYS = st.lists(DAY, min_size=2, max_size=9)


def to_sums(days):
    """Return day sums of the results (units of 1e-4 bps) by day and bin."""
    return DaySums(
        np.array([[len(cell) for cell in day] for day in days], dtype=np.int64),
        np.array([[sum(cell) for cell in day] for day in days], dtype=np.int64),
    )


def plain_delta(real, fake):
    """Return the lead, its days' influence and the fills left out, one fill after the other."""
    by_bin: list[dict[int, list[Fraction]]] = [defaultdict(list), defaultdict(list)]
    for which, days in zip(by_bin, (real, fake), strict=True):
        for day in days:
            for number, cell in enumerate(day):
                which[number] += [Fraction(value, 10_000) for value in cell]
    ours, theirs = by_bin
    filled = sum(any(mine) or any(other) for mine, other in zip(real, fake, strict=True))
    seen = {number: sum(bool(day[number]) for day in fake) for number in range(3)}
    bins = [number for number in ours if ours[number] and seen[number] >= (2 if filled > 1 else 1)]
    count = sum(len(ours[number]) for number in bins)
    left = sum(len(values) for values in ours.values()) - count
    if not count:
        return None
    mean = {number: sum(theirs[number]) / len(theirs[number]) for number in bins}
    lead = sum(
        Fraction(len(ours[b]), count) * (sum(ours[b]) / len(ours[b]) - mean[b]) for b in bins
    )
    influence = []
    for mine, other in zip(real, fake, strict=True):
        part: Any = 0
        any_fill = False
        for b in bins:
            for value in mine[b]:
                part += (Fraction(value, 10_000) - mean[b] - lead) / count
                any_fill = True
            for value in other[b]:
                weight = Fraction(len(ours[b]), count * len(theirs[b]))
                part -= weight * (Fraction(value, 10_000) - mean[b])
                any_fill = True
        if any_fill:
            influence.append(part)
    return lead, influence, left


@given(DAYS, st.data())
def test_delta_is_what_each_fill_adds(real, data):
    """Day sums give what a plain loop over the fills gives, in exact fractions."""
    fake = data.draw(st.lists(DAY, min_size=len(real), max_size=len(real)))
    found, plain = delta(to_sums(real), to_sums(fake)), plain_delta(real, fake)
    if plain is None:
        assert found is None
        return
    lead, influence, left = plain
    assert found.value == pytest.approx(float(lead), abs=1e-9)
    assert found.influence == pytest.approx([float(part) for part in influence], abs=1e-9)
    assert found.left_out == left
    assert abs(sum(influence)) == 0


@given(DAYS)
def test_net_is_the_mean_of_the_fills(days):
    """The value is the exact mean, the influence sums to nothing, and the days are those filled."""
    found = net(to_sums(days))
    every = [Fraction(value, 10_000) for day in days for cell in day for value in cell]
    if not every:
        assert found is None
        return
    mean = sum(every) / len(every)
    by_day = [[Fraction(value, 10_000) for cell in day for value in cell] for day in days]
    influence = [sum(value - mean for value in day) / len(every) for day in by_day if day]
    assert found.value == pytest.approx(float(mean), abs=1e-9)
    assert found.influence == pytest.approx([float(part) for part in influence], abs=1e-9)
    assert found.days.tolist() == [bool(day) for day in by_day]
    assert math.fsum(found.series()) == pytest.approx(found.value, abs=1e-9)


def test_the_series_has_the_t_of_the_estimate():
    """The mean / (sd / sqrt G) of x_d is the value over its standard error."""
    found = delta(sums(REAL), sums(FAKE))
    series = found.series()
    t = series.mean() / (series.std(ddof=1) / math.sqrt(len(series)))
    assert t == pytest.approx(found.t)


def test_bins_without_a_placebo_leave_with_their_fills():
    """Three real fills stand in a bin that no placebo reached: they are counted, not compared."""
    real = sums([[(1, 5), (2, 100)], [(1, 7), (1, 50)]])
    fake = sums([[(4, 4), (0, 0)], [(4, 12), (0, 0)]])
    found = delta(real, fake)
    assert (found.value, found.fills, found.left_out) == (pytest.approx(4.0), 2, 3)


def test_bins_with_the_placebos_of_one_day_leave_with_their_fills():
    """How such days differ is not known there. A day alone asks for no spread."""
    real = sums([[(1, 5), (2, 100)], [(1, 7), (1, 50)]])
    fake = sums([[(4, 4), (9, 90)], [(4, 12), (0, 0)]])
    found = delta(real, fake)
    assert (found.value, found.fills, found.left_out) == (pytest.approx(4.0), 2, 3)
    alone = delta(sums([[(1, 5), (2, 100)]]), sums([[(4, 4), (9, 90)]]))
    assert (alone.fills, alone.left_out, alone.se) == (3, 0, None)


def test_intervals_cover_where_a_bin_has_the_placebos_of_one_day():
    """Days differ by 5 bps in a bin that holds one real fill of ten, its placebos are of one day.

    The interval of 95 % holds the truth in 95 of 100 samples; with that bin it does in 89.
    """
    chance, covered = np.random.default_rng(8), 0
    for _ in range(500):
        of_day = chance.normal(0, 5, (30, 2)) * (0.2, 1)  # by bin
        real_fills, fake_fills = np.full((30, 2), 6), np.full((30, 2), 60)
        real_fills[:, 1] = np.arange(30) % 3 == 0
        fake_fills[:, 1] = np.where(np.arange(30) == 4, 20, 0)
        parts = []
        for fills in (real_fills, fake_fills):
            noise = chance.normal(0, 5, (30, 2)) * np.sqrt(fills)
            total = np.rint((of_day * fills + noise) * 10_000).astype(np.int64)
            parts.append(DaySums(fills, np.where(fills > 0, total, 0)))
        low, high = delta(*parts).interval()
        covered += low <= 0 <= high
    assert 460 <= covered <= 490


def test_nothing_is_said_without_a_spread():
    """One day has no standard error, nor have days that are all alike; no fill has no value."""
    one = net(sums([[(3, 6)], [(0, 0)]]))
    alike = net(sums([[(3, 6)], [(1, 2)]]))
    for found in (one, alike):
        assert (found.value, found.se, found.t, found.p, found.spread) == (
            2,
            None,
            None,
            None,
            None,
        )
        assert found.interval() is None
    assert net(sums([[(0, 0)]])) is None
    assert delta(sums([[(0, 0)]]), sums([[(1, 1)]])) is None


def test_neighbouring_days_that_depend_are_joined():
    """Runs of days that go the same way count as blocks of 2, and still dependent ones as 5."""
    independent = np.array([1, -1, -1, 1, 1, -1, 1, 1, -1, -1, 1, -1], dtype=float)
    pairs = np.repeat(PAIRS, 2)
    slow = np.repeat([1.0, -1.0, 1.0, -1.0], 12)
    assert [block_of(series) for series in (independent, pairs, slow)] == [1, 2, 5]
    assert joined(slow, 5)[:4].tolist() == [5, 5, -1, -5]
    assert len(joined(slow, 5)) == 10  # the last has three days
    assert autocorrelation(np.zeros(4)) == 0


def test_blocks_are_the_clusters():
    """Standard error and degrees of freedom count blocks, not days."""
    days = np.repeat(PAIRS, 2)
    found = net(sums([[(1, value)] for value in days.tolist()]))
    blocks = [2 * value / 24 for value in days[::2].tolist()]
    assert (found.block, found.clusters) == (2, 12)
    assert found.se == pytest.approx(math.sqrt(12 / 11 * sum(b * b for b in blocks)))
    assert found.interval()[1] == pytest.approx(found.value + t_quantile(0.975, 11) * found.se)


def test_sums_that_cannot_be_are_refused():
    """Other shapes, fewer than no fills, and a sum without a fill."""
    with pytest.raises(ValueError, match="expected the same two"):
        DaySums(np.zeros((2, 1), np.int64), np.zeros((1, 2), np.int64))
    with pytest.raises(ValueError, match="fewer than 0 fills, or a sum without a fill"):
        DaySums(np.zeros((1, 1), np.int64), np.ones((1, 1), np.int64))
    with pytest.raises(ValueError, match="not the same days"):
        delta(sums([[(1, 1)]]), sums([[(1, 1)], [(1, 1)]]))
