"""Lines of trials to the sums by day and bin that the estimates stand on. Pure.

The day is that of A, all instruments together: fills of one day depend on each other, whichever
instrument they are of.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from Edge_Lab.fills import MODELS, Model
from Edge_Lab.inference import DaySums
from Edge_Lab.placebo import KINDS, Kind
from Edge_Lab.trial_digest import BINS, COUNTS, TrialSums, sums_of

_DAY = len("2025-12-14")
Part = tuple[TrialSums, str]  # and the group of which the trials are taken


class GatheredDays(NamedTuple):
    """The sums of a family under a model, real trades and placebos of one kind."""

    days: list[str]  # UTC, ascending: the rows of the sums
    real: DaySums
    fake: DaySums
    signals: DaySums  # all trials with a known end, and the net result of those with a fill
    trials: int
    missed: int
    gap: int
    open: int
    unknown: int  # fills at whose moment the queue was unknown


def gathered(
    lines: Iterable[Mapping[str, Any]], family: str, model: Model, kind: Kind = "shifted"
) -> GatheredDays:
    """Return the sums of the lines of a family; they may come in any order.

    A trial over a gap, open or missed has no fill and no placebo; it is counted.
    """
    by_day: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        if family in line["families"]:
            by_day.setdefault(line["A_utc"][:_DAY], []).append(line)
    parts = {
        day: [(sums_of(chosen, [family], models=[model], kinds=[kind]), family)]
        for day, chosen in by_day.items()
    }
    return pooled(parts, model, kind)


def pooled(
    parts: Mapping[str, Sequence[Part]], model: Model, kind: Kind = "shifted"
) -> GatheredDays:
    """Return the sums of the parts of each UTC day; each day given has a row, in order of time."""
    days = sorted(parts)
    place, of_kind = MODELS.index(model), KINDS.index(kind)
    real, fake = (np.zeros((len(days), BINS, 2), dtype=np.int64) for _ in range(2))
    signals = np.zeros((len(days), BINS), dtype=np.int64)
    counts = np.zeros(len(COUNTS), dtype=np.int64)
    for row, day in enumerate(days):
        for sums, group in parts[day]:
            number = sums.groups.index(group)
            real[row] += sums.real[number, place]
            fake[row] += sums.fake[number, of_kind, place]
            signals[row] += sums.signals[number]
            counts += sums.counts[number]
    named = dict(zip(COUNTS, counts.tolist(), strict=True))
    if model != "queue":
        named["unknown"] = 0
    return GatheredDays(
        days,
        DaySums(real[:, :, 0], real[:, :, 1]),
        DaySums(fake[:, :, 0], fake[:, :, 1]),
        DaySums(signals, real[:, :, 1]),
        **named,
    )
