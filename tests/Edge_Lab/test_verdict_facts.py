"""Facts of a verdict: counted from single trials, and claims among all trials of the ledger."""

import math

import numpy as np
import pytest

from Edge_Lab.evaluations import evaluated, of_group
from Edge_Lab.families import FAMILIES, FILTERS, name_of
from Edge_Lab.fills import MODELS
from Edge_Lab.multiplicity import deflated_sharpe, moments, step_down
from Edge_Lab.placebo import chosen_in_sets
from Edge_Lab.series_files import TrialSeries, values_of
from Edge_Lab.trial_digest import FillColumns, digest, units_of
from Edge_Lab.verdict_facts import (
    LabState,
    Significance,
    facts_of,
    fills_of,
    losing_run,
    one_at_a_time,
    significance,
    win_rates,
)
from ravequant import times
from tests.support.made_trials import BTC, ETH, day_lines, day_of

GROUPS = (*FAMILIES, *map(name_of, FILTERS))
DAYS = [day_of(number) for number in range(-2, 6)]
LINES = {day: [day_lines(day, inst_id, trials=15) for inst_id in (BTC, ETH)] for day in DAYS}
FLAT = [line for parts in LINES.values() for part in parts for line in part]
DIGESTS = {day: [digest(part, GROUPS) for part in parts] for day, parts in LINES.items()}
BASE = of_group(DIGESTS, "base")
LEFT = Significance(trials=24, p_net=0.5, p_lead=0.4, sharpe=0.1)
MADE = [evaluated("0", "base", model, BASE) for model in MODELS]


def columns(*rows):
    """Return fills of (fill, exit, net, exit kind, stop, target)."""
    table = np.array(rows, dtype=np.int64).reshape(-1, 6).T
    fill, exit_, net, kind, stop, target = table
    return FillColumns(np.arange(len(fill)), fill, exit_, net, net, kind, stop, target)


def test_counts_are_those_of_the_lines():
    """Days, seen days, fills, shares, R, the worst day: one line after the other."""
    found = facts_of(BASE, MADE, LEFT, LabState(fees_bps=7.0))
    fills = [line["queue"] for line in FLAT if line["queue"]]
    assert (found.days, found.days_seen, found.fills) == (8, 2, len(fills))
    assert found.gap_share == sum(line["status"] == "gap" for line in FLAT) / len(FLAT)
    assert found.unknown_share == sum(not fill["queue_known"] for fill in fills) / len(fills)
    assert found.mean_r is not None
    assert math.isclose(found.mean_r, sum(float(f["net_r"]) for f in fills) / len(fills))
    by_day = [
        sum(units_of(line["queue"]["net_bps"]) for part in parts for line in part if line["queue"])
        for parts in LINES.values()
    ]
    assert found.worst_day == min(by_day) / 10_000
    wins = sum(fill["exit"] == "target" for fill in fills) / len(fills)
    assert found.wins_pct is not None
    assert math.isclose(found.wins_pct, 100 * wins)
    assert (found.chance_pct, found.break_even_pct) == (25.0, 42.5)
    assert (found.trials, found.p_net, found.p_lead, found.sharpe) == (24, 0.5, 0.4, 0.1)
    assert found.mirror is not None
    assert found.random is not None


def test_the_rank_is_that_of_single_sets():
    """Each set holds a random level of every trial; a rank counts the real ones too."""
    found = facts_of(BASE, MADE, LEFT, LabState())
    real = found.claims["queue"].net
    assert real is not None
    total = np.zeros((999, 2))
    for line in FLAT:
        levels = line["placebo"].get("random_queue", [])
        if levels:
            for number, chosen in enumerate(chosen_in_sets(line["event_id"], len(levels))):
                if levels[chosen] is not None:
                    total[number] += 1, levels[chosen] / 10_000
    better = (total[:, 1] / total[:, 0] >= real.value).sum()
    assert found.rank == (1 + better) / 1000
    assert facts_of(of_group(DIGESTS, "wall"), MADE, LEFT, LabState()).rank is None


def test_the_state_of_the_lab_is_handed_on():
    """With books or without, and with all kinds of placebos or not."""
    found = facts_of(BASE, MADE, LEFT, LabState(books=False, all_kinds=False, fees_bps=4.0))
    assert (found.books, found.all_kinds, found.fees_bps) == (False, False, 4.0)
    assert (found.mirror, found.random, found.rank) == (None, None, None)
    assert found.agreement is None
    assert found.forward is None
    assert found.break_even_pct == 100 * 14 / 40


def test_fills_come_in_the_order_of_their_moments():
    """All instruments and days together."""
    found = fills_of(BASE)
    assert (np.diff(found.fill_ms) >= 0).all()
    assert sorted(found.net.tolist()) == sorted(
        units_of(line["queue"]["net_bps"]) for line in FLAT if line["queue"]
    )


def test_rates_of_unequal_brackets():
    """Chance is a mean; at break-even the sum of all results is 0; without a target unknown."""
    one = (0, 1, 5, 1, 100_000, 300_000)
    two = (2, 3, -5, 0, 10_000, 90_000)
    free = (4, 5, -5, 0, 10_000, 0)
    found = win_rates(columns(one, two, free), 7.0)
    assert found is not None
    assert found.wins == 50.0
    assert found.chance == pytest.approx((25 + 10) / 2)
    assert found.break_even == pytest.approx(100 * (17 + 8) / 50)
    assert win_rates(columns(free), 7.0) is None
    never = win_rates(columns((0, 1, 5, 1, 10_000, 60_000)), 7.0)
    assert never is not None
    assert never.break_even is None


def test_the_longest_losing_run():
    """Of fills in a row; a fill of exactly 0 ends it."""
    nets = [-1, -1, 3, -1, -1, -1, 0, -1]
    rows = [(number, number, net, 0, 1, 1) for number, net in enumerate(nets)]
    assert losing_run(columns(*rows)) == 3
    assert losing_run(columns()) == 0


def test_one_at_a_time_passes_over_what_comes_while_a_position_is_open():
    """Of overlapping fills the first is taken; the next one that finds none open follows."""
    found = one_at_a_time(BASE)
    free, taken = 0, list[float]()
    ordered = fills_of(BASE)
    for fill, exit_, net in zip(ordered.fill_ms, ordered.exit_ms, ordered.net, strict=True):
        if fill >= free:
            free, taken = exit_, [*taken, net / 10_000]
    assert found is not None
    assert found.fills == len(taken) < len(ordered.net)
    assert math.isclose(found.value, sum(taken) / len(taken))


def test_one_at_a_time_goes_by_the_fill_and_not_by_the_day_of_a():
    """A fill after midnight of yesterday's trial is open when a later one of today comes first."""
    yesterday, today = DAYS[2:4]
    start = times.day_start_ms(today)
    moments_of = {yesterday: (start + 900_000, start + 1_800_000), today: (start, start + 60_000)}
    selection = {}
    for day, (filled, left) in moments_of.items():
        (line, *_) = (line for line in day_lines(day) if line["queue"])
        line["queue"] |= {"fill_utc": times.iso(filled), "exit_utc": times.iso(left)}
        selection[day] = [(digest([line], GROUPS), "base")]
    found = one_at_a_time(selection)
    assert found is not None
    assert found.fills == 2


def series_of(found):
    """Return an evaluation's day series."""
    days = tuple(found.gathered.days)
    net, lead = (values_of(made, len(days)) for made in (found.net, found.lead))
    return TrialSeries(found.family, "queue", days, net, lead)


def test_claims_stand_among_all_trials():
    """p-values of the step-down and the deflated ratio, over the rows of the other trials."""
    own = MADE[1]
    others = [
        series_of(evaluated("0", name, "queue", of_group(DIGESTS, name))) for name in GROUPS[1:9]
    ]
    found = significance(own, others, 40)
    rows = np.stack([series_of(own).net, *(other.net for other in others)])
    leads = np.stack([series_of(own).delta, *(other.delta for other in others)])
    assert own.net is not None
    assert own.lead is not None
    assert found.p_net == step_down(rows, block=own.net.block).adjusted[0]
    assert found.p_lead == step_down(leads, block=own.lead.block).adjusted[0]
    ratios = [moments(row[~np.isnan(row)]) for row in rows]
    sharpes = [ratio.sharpe for ratio in ratios if ratio is not None]
    assert ratios[0] is not None
    assert found.sharpe == deflated_sharpe(ratios[0], float(np.var(sharpes, ddof=1)), 40)
    assert found.trials == 40


def test_days_of_other_trials_are_matched_by_date():
    """A series that is longer, shorter or of other days counts on the days that it shares."""
    own = MADE[1]
    whole = series_of(own)
    padded = TrialSeries(
        "x", "queue", ("2020-01-01", *whole.days), np.array([9.0, *whole.net]),
        np.array([9.0, *whole.delta]),
    )  # fmt: skip
    assert significance(own, [padded], 2) == significance(own, [whole], 2)
    elsewhere = TrialSeries("x", "queue", ("2020-01-01",), np.array([9.0]), np.array([9.0]))
    assert significance(own, [elsewhere], 1).p_net == significance(own, [], 1).p_net


def test_nothing_filled_claims_nothing():
    """No estimate: p-values of 1 and a ratio of 0."""
    empty = evaluated("0", "base", "queue", {day: [(digest([], GROUPS), "base")] for day in DAYS})
    assert significance(empty, [], 1) == Significance(1, 1.0, 1.0, 0.0)
