"""H1: twenty minutes at fifty times the market's pace, with a kill every thirty seconds."""

from itertools import pairwise

import pytest

from tests.faults import invariants, soak
from tests.faults.exporters import BOOK, BTC, ETH, TRADE

GROWTH_MB = 4.0
PROGRAMS = (TRADE, BOOK)


@pytest.mark.first(turn=0)
def test_soak(faults, tmp_path):
    """I1 to I6 at the end; memory and handles are flat."""
    fact = faults.row("H1", "both exporters at 50x, a second pair killed again and again")
    seconds = faults.count(9, 20 * 60)
    run = soak.Soak(
        tmp_path, faults.seed % 1000, seconds=seconds,
        kill_every_s=faults.count(4, 30), calculate_every_s=faults.count(4, 60),
    )  # fmt: skip
    run.run()
    seen = run.seen
    for vault in (run.living, run.dying):
        for inst_id in (BTC, ETH):
            invariants.trades(vault, inst_id, tmp_path, fact)
            lines = invariants.books(
                vault, inst_id, None, tmp_path, cadence_ms=soak.CADENCE_MS, alone=False
            )
            assert lines
            assert not any(gap for _, gap, _ in lines)
            steps = {
                two // soak.CADENCE_MS - one // soak.CADENCE_MS
                for (one, *_), (two, *_) in pairwise(lines)
            }
            assert vault == run.dying or steps == {1}, f"{inst_id}: boundaries left out: {steps}"
    fact.add("files recomputed the same", invariants.derived(run.living, BTC, soak.CALCULATED))
    fact.add("kills survived", seen.kills)
    fact.times += seconds // 60 or 1
    small(seen, fact)
    if faults.long:
        flat(seen, fact)


def small(seen, fact):
    """I6."""
    for name, curve in seen.memory.items():
        fact.worst(f"{name} MB", round(max(value for _, value in curve), 1))
        assert max(value for _, value in curve) <= invariants.RESIDENT_MB[name]
    for name, curve in seen.calculators.items():
        fact.worst("calculator MB", round(max(value for _, value in curve), 1))
        assert max(value for _, value in curve) <= invariants.RESIDENT_MB["calculator"], name
    fact.worst("lag s", round(max(value for _, value in seen.lag), 1))


def flat(seen, fact):
    """Neither memory nor handles grow from the second quarter to the last one."""
    for name, curve in seen.memory.items():
        fact.worst(f"{name} growth MB", round(soak.slope(curve), 2))
        assert soak.slope(curve) <= GROWTH_MB, f"{name} grew by {soak.slope(curve):.1f} MB"
    for name, curve in seen.handles.items():
        assert soak.slope(curve) <= 1, f"{name} holds {soak.slope(curve):.1f} more files"
