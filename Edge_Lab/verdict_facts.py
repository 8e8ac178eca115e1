"""The facts of a verdict, from the trials of the judged days and the ledger's day series. Pure."""

from collections.abc import Sequence
from dataclasses import fields
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np

from Edge_Lab.day_sums import pooled
from Edge_Lab.evaluations import VERDICT_MODEL, Evaluated, Selection, sums_of
from Edge_Lab.inference import PLACES, DaySums, Estimate, Floats, delta, net
from Edge_Lab.multiplicity import deflated_sharpe, moments, step_down
from Edge_Lab.placebo import Kind, rank_among
from Edge_Lab.series_files import TrialSeries, values_of
from Edge_Lab.trial_digest import (
    EXIT_KINDS,
    NO_TARGET,
    SET_GROUP,
    FillColumns,
    Integers,
    TrialDigest,
)
from Edge_Lab.verdict import Agreement, Claim, Forward, VerdictFacts

FIRST_CLEAN_DAY: Final = "2025-12-14"  # the trader had watched the days before it
_ONE: Final = 10**PLACES
_FEWEST_SHARPE: Final = 2  # ratios that have a variance


class Significance(NamedTuple):
    """The strength of a claim among all trials of the ledger."""

    trials: int  # in the ledger, over these days
    p_net: float
    p_lead: float
    sharpe: float  # probability of the deflated Sharpe ratio
    lost_series: int = 0  # trials whose day series are gone


class WinRates(NamedTuple):
    """Of the fills with a target, in percent."""

    wins: float  # reached the target
    chance: float  # would reach it without any edge
    break_even: float | None  # must reach it to pay the fees; None: never


class LabState(NamedTuple):
    """The lab of which a verdict is made: its inputs, its forward test."""

    books: bool = True
    all_kinds: bool = True  # of placebos were judged with the exits of all trials
    agreement: Agreement | None = None
    forward: Forward | None = None
    fees_bps: float = 7.0


def significance(own: Evaluated, others: Sequence[TrialSeries], trials: int) -> Significance:
    """Return the strength of the claims of ``own`` among the series of the other trials."""
    days = own.gathered.days
    nets = _matrix(days, values_of(own.net, len(days)), others, "net")
    leads = _matrix(days, values_of(own.lead, len(days)), others, "delta")
    return Significance(
        trials,
        _adjusted(nets, own.net),
        _adjusted(leads, own.lead),
        _deflated(nets, trials),
    )


def _matrix(days: Sequence[str], own: Floats, others: Sequence[TrialSeries], name: str) -> Floats:
    """Return a row for each trial, its own first, and a column for each day."""
    column = {day: number for number, day in enumerate(days)}
    rows = np.full((1 + len(others), len(days)), np.nan)
    rows[0] = own
    for row, other in zip(rows[1:], others, strict=True):
        for day, value in zip(other.days, getattr(other, name).tolist(), strict=True):
            if day in column:
                row[column[day]] = value
    return rows


def _adjusted(rows: Floats, found: Estimate | None) -> float:
    block = 1 if found is None else found.block
    return float(step_down(rows, block=block).adjusted[0])


def _deflated(rows: Floats, trials: int) -> float:
    ratios = [moments(row[~np.isnan(row)]) for row in rows]
    known = [found.sharpe for found in ratios if found is not None]
    if ratios[0] is None:
        return 0.0
    variance = float(np.var(known, ddof=1)) if len(known) >= _FEWEST_SHARPE else 0.0
    return deflated_sharpe(ratios[0], variance, trials)


def facts_of(
    selection: Selection, models: Sequence[Evaluated], left: Significance, state: LabState
) -> VerdictFacts:
    """Return the facts of the trials selected; ``models`` are their evaluations, by model."""
    by_model = {found.model: found for found in models}
    own = by_model[VERDICT_MODEL]
    gathered, filled = own.gathered, int(own.gathered.real.fills.sum())
    trades = fills_of(selection)
    whole = selection if state.all_kinds else None  # else like is not compared with like
    rates = win_rates(trades, state.fees_bps)
    return VerdictFacts(
        days=len(gathered.days),
        days_seen=sum(day < FIRST_CLEAN_DAY for day in gathered.days),
        fills=filled,
        claims={model: Claim(found.net, found.lead) for model, found in by_model.items()},
        mirror=None if whole is None else _lead_over(whole, "mirror"),
        random=None if whole is None else _lead_over(whole, "random"),
        gap_share=gathered.gap / gathered.trials if gathered.trials else 0.0,
        unknown_share=gathered.unknown / filled if filled else 0.0,
        wins_pct=None if rates is None else rates.wins,
        chance_pct=None if rates is None else rates.chance,
        break_even_pct=None if rates is None else rates.break_even,
        mean_r=int(trades.net_r.sum()) / filled / _ONE if filled else None,
        worst_day=_worst_day(gathered.real),
        losing_run=losing_run(trades),
        alone=one_at_a_time(selection),
        rank=None if whole is None else _rank(whole, own.net),
        **state._asdict(),
        **left._asdict(),
    )


def _lead_over(selection: Selection, kind: Kind) -> Estimate | None:
    found = pooled(sums_of(selection), VERDICT_MODEL, kind)
    return delta(found.real, found.fake)


def fills_of(selection: Selection) -> FillColumns:
    """Return the fills of the trials selected, by the moment of their fill."""
    parts = [_of_group(found, group) for day in selection.values() for found, group in day]
    table = np.concatenate(
        [np.empty((len(fields(FillColumns)), 0), dtype=np.int64), *parts], axis=1
    )
    moments_of = table[[1, 2]]  # fill, then exit
    return FillColumns(*table[:, np.lexsort(moments_of[::-1])])


def _of_group(found: TrialDigest, group: str) -> Integers:
    """Return the columns of the fills of a group, as rows of a table."""
    chosen = found.member[found.fills.row, found.sums.groups.index(group)]
    return np.stack([getattr(found.fills, field.name)[chosen] for field in fields(FillColumns)])


def win_rates(trades: FillColumns, fees_bps: float) -> WinRates | None:
    """Return the rates of the fills with a target; None without one.

    Fills differ in their distances S and T: chance is the mean of S / (S + T), and break-even
    sum(S + fees) / sum(S + T), the share at which the sum of all results would be 0.
    """
    with_target = trades.target != NO_TARGET
    if not with_target.any():
        return None
    stop, target = (part[with_target] / _ONE for part in (trades.stop, trades.target))
    wins = (trades.exit[with_target] == EXIT_KINDS.index("target")).mean()
    needed = (stop + fees_bps).sum() / (stop + target).sum()
    return WinRates(
        100 * float(wins),
        100 * float((stop / (stop + target)).mean()),
        100 * float(needed) if needed < 1 else None,
    )


def _worst_day(real: DaySums) -> float | None:
    """Return the sum of net of the worst day with a fill, bps."""
    filled = real.fills.sum(axis=1) > 0
    return float(real.total.sum(axis=1)[filled].min() / _ONE) if filled.any() else None


def losing_run(trades: FillColumns) -> int:
    """Return the largest number of fills in a row that lost."""
    runs = (len(list(run)) for lost, run in groupby((trades.net < 0).tolist()) if lost)
    return max(runs, default=0)


def one_at_a_time(selection: Selection) -> Estimate | None:
    """Return Net of the fills that find no earlier one open, as a person with one order has it.

    A fill that comes while another is open is passed over, of whichever instrument and day of A.
    """
    by_day = [fills_of({day: selection[day]}) for day in sorted(selection)]
    fills, total = (np.zeros((len(by_day), 1), dtype=np.int64) for _ in range(2))
    moments_of = sorted(
        (filled, left, row, result)
        for row, trades in enumerate(by_day)
        for filled, left, result in zip(
            trades.fill_ms.tolist(), trades.exit_ms.tolist(), trades.net.tolist(), strict=True
        )
    )
    free_from = 0
    for filled, left, row, result in moments_of:
        if filled >= free_from:
            free_from = left
            fills[row] += 1
            total[row] += result
    return net(DaySums(fills, total))


def _rank(selection: Selection, found: Estimate | None) -> float | None:
    """Return the rank of Net among the sets of random levels; None but for the whole setup."""
    parts = [part for day in selection.values() for part in day]
    if found is None or any(group != SET_GROUP for _, group in parts):
        return None
    sums = np.sum([made.sets for made, _ in parts], axis=0)
    if not (sums[:, 0] > 0).all():
        return None
    return rank_among(found.value, (sums[:, 1] / sums[:, 0] / _ONE).tolist())
