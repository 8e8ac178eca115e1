"""Lines of trials to the sums by day and bin that the estimates stand on. Pure.

The day is that of A, all instruments together: fills of one day depend on each other, whichever
instrument they are of.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from Edge_Lab.fills import Model
from Edge_Lab.inference import PLACES, DaySums
from Edge_Lab.placebo import BIN_EDGES, Kind
from ravequant import exact

_DAY = len("2025-12-14")


class GatheredDays(NamedTuple):
    """The sums of a family under a model, real trades and placebos of one kind."""

    days: list[str]  # UTC, ascending: the rows of the sums
    real: DaySums
    fake: DaySums
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
    chosen = [line for line in lines if family in line["families"]]
    days = sorted({line["A_utc"][:_DAY] for line in chosen})
    row_of = {day: row for row, day in enumerate(days)}
    shape = len(days), len(BIN_EDGES)
    sums = [np.zeros(shape, dtype=np.int64) for _ in range(4)]
    real_fills, real_total, fake_fills, fake_total = sums
    for line in chosen:
        row = row_of[line["A_utc"][:_DAY]]
        if line[model] is not None:
            real_fills[row, line["bin"]] += 1
            real_total[row, line["bin"]] += units_of(line[model]["net_bps"])
        for number, _, fills, total, _ in line["placebo"].get(kind, {}).get(model, ()):
            fake_fills[row, number] += fills
            fake_total[row, number] += total
    return GatheredDays(
        days,
        DaySums(real_fills, real_total),
        DaySums(fake_fills, fake_total),
        trials=len(chosen),
        **{name: _count(chosen, name) for name in ("missed", "gap", "open")},
        unknown=sum(line[model] is not None and not line[model]["queue_known"] for line in chosen),
    )


def units_of(written: str) -> int:
    """Return a signed decimal of a line, such as ``-8.2747``, in units of 10**-PLACES."""
    sign = -1 if written.startswith("-") else 1
    return sign * exact.units(written.removeprefix("-"), PLACES)


def _count(lines: Iterable[Mapping[str, Any]], status: str) -> int:
    return sum(line["status"] == status for line in lines)
