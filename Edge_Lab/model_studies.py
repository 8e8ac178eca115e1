"""Studies of model markets: days as sums, drawn into studies, and the word of each. Pure.

A day is simulated once. Its sums by family, model and bin are all that a study needs, so thousands
of studies can be drawn from the same days.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from Edge_Lab import model_trials, multiplicity, power
from Edge_Lab.exits import ExitRules
from Edge_Lab.families import REGISTERED
from Edge_Lab.fills import MODELS, Model, RestingOrder, fills
from Edge_Lab.inference import PLACES, DaySums, Estimate, delta, net
from Edge_Lab.model_markets import TICKS_A_BP, DayMarket, made_day, words
from Edge_Lab.model_trials import FAMILIES
from Edge_Lab.placebo import KINDS
from Edge_Lab.trial_digest import COUNTS, Integers, sums_of
from Edge_Lab.trials import TrialMarket, TrialPlan, TrialRules, line_of, plan_clock, results
from Edge_Lab.verdict import Claim, Forward, VerdictFacts, Word, decide

STUDY_DAYS: Final = 30
FORWARD_DAYS: Final = 60
PLANTED: Final = "absorption"  # the layer whose fills can be given an edge: a quarter of all
_QUEUE: Final = MODELS.index("queue")
_SHIFTED: Final = KINDS.index("shifted")
_PASSED: Final = Estimate(1.0, 1, np.zeros(1), np.ones(1, dtype=np.bool_), 1)


class MarketDays(NamedTuple):
    """Days of a market; the first axis of each array is the day. Sums are those of `TrialSums`."""

    real: Integers  # by family, model, bin; fills and sum of net results
    shifted: Integers  # by family, model, bin; fills and sum of net results
    of_filled: Integers  # by bin: the placebos of base and ``queue`` whose trial was filled
    planted: Integers  # by family, bin: fills that belong to PLANTED as well
    counts: Integers  # by family: trials, fills with an unknown queue
    moves: Integers  # by model: fills, raw moves from fill record to exit record, their squares

    @property
    def number(self) -> int:
        """The count of days."""
        return len(self.real)

    def chosen(self, days: Sequence[int] | Integers) -> "MarketDays":
        """Return some of the days, in that order."""
        return MarketDays(*(column[days] for column in self))

    def with_edge(self, bps: int) -> "MarketDays":
        """Return the days with that much more on each fill of PLANTED, under ``queue``."""
        real = self.real.copy()
        real[:, :, _QUEUE, :, 1] += self.planted * bps * 10**PLACES
        return self._replace(real=real)


def joined(parts: Iterable[MarketDays]) -> MarketDays:
    """Return days of several parts as one."""
    return MarketDays(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


# --- a day ---------------------------------------------------------------------------------------


def simulated(market: DayMarket, number: int, exits: ExitRules, *, ahead: int = 0) -> MarketDays:
    """Return a day of a market, its trials put through the engine; ``ahead`` is a mutation."""
    rules = TrialRules(exits=exits, kinds=("shifted",))
    day = made_day(market, number)
    plans = list(model_trials.plans_of(day, model_trials.day_wicks(day), ahead=ahead))
    around = model_trials.market_of(day)
    trials = [(plan, line_of(plan, around, rules)) for plan in plans]
    filled = (plan for plan, line in trials if line is not None and line["status"] == "filled")
    return summed([line for _, line in trials if line], moves_of(filled, around, rules))


def moves_of(filled: Iterable[TrialPlan], market: TrialMarket, rules: TrialRules) -> Integers:
    """Return, by model, fills, raw moves in the trade's favour in units of the tape, and squares.

    The move is that from the price of the fill record to that of the exit record, before the worse
    of two prices and the walk: by optional stopping its mean is 0.
    """
    sums = np.zeros((len(MODELS), 3), dtype=np.int64)
    for plan in filled:
        clock = plan_clock(plan, market, rules)
        if clock is None:
            continue
        order = RestingOrder(plan.bracket, clock, plan.size, market.tick)
        found = fills(market.trades, market.books, order)
        ended = results(market, order, found, rules.exits)
        for row, model in enumerate(MODELS):
            outcome = ended[model]
            if outcome is not None:
                left, entered = market.trades.price[[outcome.exit_place, outcome.fill_place]]
                move = plan.bracket.side * int(left - entered)
                sums[row] += (1, move, move * move)
    return sums


def summed(lines: Sequence[Mapping[str, Any]], moves: Integers) -> MarketDays:
    """Return the lines of one day as sums."""
    sums = sums_of(lines, FAMILIES, kinds=("shifted",))
    also = [line for line in lines if PLANTED in line["families"]]
    of_filled = [line for line in lines if line["queue"] is not None]
    parts = (
        sums.real,
        sums.fake[:, _SHIFTED],
        sums_of(of_filled, ["base"], kinds=("shifted",)).fake[0, _SHIFTED, _QUEUE],
        sums_of(also, FAMILIES, models=("queue",), kinds=()).real[:, _QUEUE, :, 0],
        sums.counts[:, [COUNTS.index(name) for name in ("trials", "unknown")]],
        moves,
    )
    return MarketDays(*(part[None] for part in parts))


# --- bounds of a market --------------------------------------------------------------------------


def mean_moves(days: MarketDays) -> list[tuple[int, float, float]]:
    """Return fills, mean raw move in bps of the first price, and its standard error, by model."""
    found = []
    for count, total, square in days.moves.sum(axis=0).tolist():
        mean = total / count
        error = math.sqrt((square / count - mean**2) / count)
        found.append((count, mean / TICKS_A_BP, error / TICKS_A_BP))
    return found


def lead(
    days: MarketDays, *, model: Model = "queue", family: str = "base", of_filled: bool = False
) -> Estimate | None:
    """Return the lead of a family over shifted placebos; ``of_filled`` is a mutation."""
    row, place = FAMILIES.index(family), MODELS.index(model)
    fake = days.of_filled if of_filled else days.shifted[:, row, place]
    return delta(_sums(days.real[:, row, place]), _sums(fake))


def mean_net(days: MarketDays, *, model: Model = "queue", family: str = "base") -> Estimate | None:
    """Return the mean net result of a family."""
    return net(_sums(days.real[:, FAMILIES.index(family), MODELS.index(model)]))


def _sums(cells: Integers) -> DaySums:
    return DaySums(cells[..., 0], cells[..., 1])


# --- studies -------------------------------------------------------------------------------------


def drawn(name: str, of: int, count: int) -> Integers:
    """Return ``count`` different days of ``of``, drawn by the words of a name."""
    if count > of:
        raise ValueError(f"{count} days cannot be drawn from {of}")
    return np.argsort(words(name, of), kind="stable")[:count].astype(np.int64)


def study_facts(past: MarketDays) -> dict[str, VerdictFacts]:
    """Return the facts of each family; all 24 stand in the ledger.

    The levels of the other two kinds are not made: they count as passed, so a wrong claim is more
    frequent here than it would be with them.
    """
    nets = [mean_net(past, family=family) for family in FAMILIES]
    leads = [lead(past, family=family) for family in FAMILIES]
    p_net, p_lead = adjusted(nets, past.number), adjusted(leads, past.number)
    moments = [None if one is None else multiplicity.moments(one.series()) for one in nets]
    ratios = [one.sharpe for one in moments if one is not None]
    variance = float(np.var(ratios, ddof=1)) if len(ratios) > 1 else 0.0
    made = {}
    for row, family in enumerate(FAMILIES):
        moment, fills_made = moments[row], int(past.real[:, row, _QUEUE, :, 0].sum())
        sharpe = 0.0
        if moment is not None:
            sharpe = multiplicity.deflated_sharpe(moment, variance, len(FAMILIES))
        others = {
            model: Claim(mean_net(past, model=model, family=family), None) for model in MODELS
        }
        made[family] = VerdictFacts(
            days=past.number,
            fills=fills_made,
            claims=others | {"queue": Claim(nets[row], leads[row])},
            mirror=_PASSED,
            random=_PASSED,
            p_net=float(p_net[row]),
            p_lead=float(p_lead[row]),
            sharpe=sharpe,
            unknown_share=int(past.counts[:, row, 1].sum()) / max(1, fills_made),
        )
    return made


def adjusted(found: Sequence[Estimate | None], days: int) -> NDArray[np.float64]:
    """Return the p-values of the step-down over estimates of the same days, in their own blocks."""
    series = np.full((len(found), days), np.nan)
    for row, one in enumerate(found):
        if one is not None:
            series[row, one.days] = one.series()
    p_values = np.ones(len(found))
    for block in {one.block for one in found if one is not None}:
        own = [row for row, one in enumerate(found) if one is not None and one.block == block]
        p_values[own] = multiplicity.step_down(series, block=block).adjusted[own]
    return p_values


def forward(ahead: MarketDays, family: str) -> Forward:
    """Return the forward test of a family, stopped at the first look that proves."""
    found = Forward(0)
    for day in range(power.BURN_IN, ahead.number + 1):
        so_far = ahead.chosen(np.arange(day))
        found = Forward.of(mean_net(so_far, family=family), lead(so_far, family=family))
        if found.proves:
            break
    return found


def study_words(days: MarketDays, name: str, *, with_lead: bool = True) -> dict[str, Word]:
    """Return the word of each family in a study of STUDY_DAYS that a name draws.

    Other days, FORWARD_DAYS of them, are those of the forward test of the registered families.
    Without ``with_lead`` the lead over fake levels does not count: a mutation.
    """
    order = drawn(name, days.number, STUDY_DAYS + FORWARD_DAYS)
    said: dict[str, Word] = {}
    for family, facts in study_facts(days.chosen(order[:STUDY_DAYS])).items():
        found = facts if with_lead else replace(facts, p_lead=0.0)
        word = decide(found).word
        if word == "PROMISING" and family in REGISTERED:
            ahead = forward(days.chosen(order[STUDY_DAYS:]), family)
            word = decide(replace(found, forward=ahead)).word
        said[family] = word
    return said
