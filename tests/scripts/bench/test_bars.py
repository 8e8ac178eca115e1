"""Tests of scripts.bench.bars: contenders with different bars give no figures."""

import pytest

from ravequant.errors import RaveQuantError
from scripts.bench import bars
from scripts.bench.bars import CONTENDERS


def test_different_bars_are_an_error():
    """A fast wrong answer is no result."""
    found = {name: [{"seconds": 1.0, "digest": name}] for name in CONTENDERS}
    with pytest.raises(RaveQuantError, match="the bars differ"):
        bars.rows(found, 1)


def test_a_row_tells_how_many_times_as_fast_ours_is():
    """Lines a second from the median of the rounds, the factor against both of ours."""
    ours, all_cores, *others = CONTENDERS
    found = {name: [{"seconds": 4.0, "digest": "a", "bars": 2, "peak_mb": 9}] for name in others}
    found[ours] = [{"seconds": s, "digest": "a", "bars": 2} for s in (3.0, 1.0, 2.0)]
    found[all_cores] = [{"seconds": 1.0, "digest": "a", "bars": 2}]
    rows = {row["name"]: row for row in bars.rows(found, 100)}
    assert (rows[ours]["lines_per_s"], rows[ours]["one_is"], rows[ours]["all_is"]) == (50, 1, 2)
    other = rows[others[0]]
    assert (other["one_is"], other["all_is"], other["peak_mb"], other["bars"]) == (2, 4, 9, 2)
