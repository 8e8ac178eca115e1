"""A day's lines of trials, each read once, as sums by group and columns of single trials. Pure.

A group is a family of signals or a filter of wicks: a line names those in which it is a trial.
Amounts are integers in units of 10**-PLACES bps, so the sums are exact in any order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from Edge_Lab.exits import BPS
from Edge_Lab.fills import MODELS, Model
from Edge_Lab.inference import PLACES
from Edge_Lab.placebo import BIN_EDGES, KINDS, SETS, Kind, chosen_in_sets
from ravequant import exact, times

Integers = NDArray[np.int64]
BINS: Final = len(BIN_EDGES)
COUNTS: Final = ("trials", "missed", "gap", "open", "unknown")  # unknown: fills, of the queue
EXIT_KINDS: Final = ("stop", "target", "time")
SET_GROUP: Final = "base"  # of whose trials the sets of random levels are drawn
NO_TARGET: Final = 0  # in place of a target's distance


@dataclass(frozen=True, slots=True, eq=False)
class FillColumns:
    """The fills of the ``queue`` model, in the order of their lines."""

    row: Integers  # of its trial among those of the digest
    fill_ms: Integers
    exit_ms: Integers
    net: Integers
    net_r: Integers  # units of 10**-PLACES R
    exit: Integers  # place in EXIT_KINDS
    stop: Integers  # distance from the entry
    target: Integers  # distance from the entry, NO_TARGET without one


@dataclass(frozen=True, slots=True, eq=False)
class TrialSums:
    """The sums of a day's trials under one execution, by group."""

    groups: tuple[str, ...]
    counts: Integers  # (groups, COUNTS)
    signals: Integers  # (groups, bins): trials with a known end, filled or not
    real: Integers  # (groups, MODELS, bins, 2): fills, sum of net
    fake: Integers  # (groups, KINDS, MODELS, bins, 2)


@dataclass(frozen=True, slots=True, eq=False)
class TrialDigest:
    """The trials of a day and instrument under one execution."""

    sums: TrialSums
    member: NDArray[np.bool_]  # (trials, groups)
    start_ms: Integers  # A of each trial
    horizon_ms: Integers  # X of each trial: no exit comes later
    fills: FillColumns
    sets: Integers  # (SETS, 2): fills, sum of net of each set of random levels


def digest(lines: Sequence[Mapping[str, Any]], groups: Sequence[str]) -> TrialDigest:
    """Return the digest of a day's lines.

    Raises KeyError, ValueError or TypeError for lines that are none.
    """
    member = _members(lines, groups)
    return TrialDigest(
        sums_of(lines, groups),
        member,
        _times(lines, "A_utc"),
        _times(lines, "X_utc"),
        _fill_columns(lines),
        _set_sums(lines, member[:, groups.index(SET_GROUP)]),
    )


def sums_of(
    lines: Sequence[Mapping[str, Any]],
    groups: Sequence[str],
    *,
    models: Sequence[Model] = MODELS,
    kinds: Sequence[Kind] = KINDS,
) -> TrialSums:
    """Return the sums of a day's lines; those of other models and kinds are 0.

    A trial over a gap, open or missed has no fill and no placebo; it is counted.
    """
    member = _members(lines, groups)
    status = np.array([line["status"] for line in lines], dtype=np.str_)
    bins = np.array([line["bin"] for line in lines], dtype=np.int64)
    rested = np.isin(status, ("filled", "unfilled", "missed"))
    signals = np.zeros((len(groups), BINS), dtype=np.int64)
    _add(signals, member, np.flatnonzero(rested), bins[rested], np.ones(rested.sum(), np.int64))
    return TrialSums(
        tuple(groups),
        _counts(lines, status, member),
        signals,
        _real_sums(lines, member, bins, models),
        _fake_sums(lines, member, models, kinds),
    )


def _members(lines: Sequence[Mapping[str, Any]], groups: Sequence[str]) -> NDArray[np.bool_]:
    place = {name: number for number, name in enumerate(groups)}
    member = np.zeros((len(lines), len(groups)), dtype=np.bool_)
    for row, line in enumerate(lines):
        named = (*line["families"], *line.get("filters", ()))
        member[row, [place[name] for name in named if name in place]] = True
    return member


def units_of(written: str) -> int:
    """Return a signed decimal of a line, such as ``-8.2747``, in units of 10**-PLACES."""
    sign = -1 if written.startswith("-") else 1
    return sign * exact.units(written.removeprefix("-"), PLACES)


def _counts(
    lines: Sequence[Mapping[str, Any]], status: NDArray[np.str_], member: NDArray[np.bool_]
) -> Integers:
    queue = [line["queue"] for line in lines]
    unknown = np.array([fill is not None and not fill["queue_known"] for fill in queue], dtype=bool)
    all_of = np.ones(len(lines), dtype=np.bool_)
    marks = (all_of, *(status == name for name in COUNTS[1:-1]), unknown)
    return np.stack([(member & mark[:, None]).sum(axis=0) for mark in marks], axis=1)


def _real_sums(
    lines: Sequence[Mapping[str, Any]],
    member: NDArray[np.bool_],
    bins: Integers,
    models: Sequence[Model],
) -> Integers:
    sums = np.zeros((member.shape[1], len(MODELS), BINS, 2), dtype=np.int64)
    for model in models:
        rows = [row for row, line in enumerate(lines) if line[model] is not None]
        nets = np.array([units_of(lines[row][model]["net_bps"]) for row in rows], dtype=np.int64)
        part = np.stack([np.ones_like(nets), nets], axis=1)
        _add(sums[:, MODELS.index(model)], member, np.array(rows, dtype=np.int64), bins[rows], part)
    return sums


def _fake_sums(
    lines: Sequence[Mapping[str, Any]],
    member: NDArray[np.bool_],
    models: Sequence[Model],
    kinds: Sequence[Kind],
) -> Integers:
    cells = len(KINDS) * len(MODELS) * BINS
    sums = np.zeros((member.shape[1], cells, 2), dtype=np.int64)
    found: list[tuple[int, int, int, int]] = []
    for row, line in enumerate(lines):
        for kind in kinds:
            for model, rows in line["placebo"].get(kind, {}).items():
                if model in models:
                    first = (KINDS.index(kind) * len(MODELS) + MODELS.index(model)) * BINS
                    found += [
                        (row, first + number, fills, total)
                        for number, _, fills, total, _ in rows
                        if fills
                    ]
    table = np.array(found, dtype=np.int64).reshape(-1, 4)
    _add(sums, member, table[:, 0], table[:, 1], table[:, 2:])
    return sums.reshape(member.shape[1], len(KINDS), len(MODELS), BINS, 2)


def _add(
    sums: Integers, member: NDArray[np.bool_], rows: Integers, cells: Integers, part: Integers
) -> None:
    """Add a part of each row to its cell, in every group of which the row is a member."""
    for number, of_group in enumerate(sums):
        chosen = member[rows, number]
        np.add.at(of_group, cells[chosen], part[chosen])


def _times(lines: Iterable[Mapping[str, Any]], name: str) -> Integers:
    return np.array([times.parse_iso(line[name]) for line in lines], dtype=np.int64)


def _fill_columns(lines: Sequence[Mapping[str, Any]]) -> FillColumns:
    table = [
        (
            row,
            times.parse_iso(fill["fill_utc"]),
            times.parse_iso(fill["exit_utc"]),
            units_of(fill["net_bps"]),
            units_of(fill["net_r"]),
            EXIT_KINDS.index(fill["exit"]),
            _distance(line, "stop"),
            NO_TARGET if line["target"] is None else _distance(line, "target"),
        )
        for row, line in enumerate(lines)
        if (fill := line["queue"]) is not None
    ]
    columns = np.array(table, dtype=np.int64).reshape(-1, len(fields(FillColumns)))
    return FillColumns(*columns.T)


def _distance(line: Mapping[str, Any], name: str) -> int:
    """Return how far a price of the plan lies from its entry, in units of 10**-PLACES bps."""
    entry, other = (exact.units(line[key], exact.PRICE_PLACES) for key in ("entry", name))
    return exact.divide(abs(other - entry) * BPS, entry, PLACES)


def _set_sums(lines: Sequence[Mapping[str, Any]], chosen: NDArray[np.bool_]) -> Integers:
    """Return fills and sum of net of each set: of every trial it holds one random level."""
    sums = np.zeros((SETS, 2), dtype=np.int64)
    for row in np.flatnonzero(chosen).tolist():
        levels = lines[row]["placebo"].get("random_queue", ())
        if any(net is not None for net in levels):
            part = np.array([(net is not None, net or 0) for net in levels], dtype=np.int64)
            sums += part[chosen_in_sets(lines[row]["event_id"], len(levels))]
    return sums
