"""Tests of scripts.bench.lab: a day judged, its candidates, and the plain way to ask."""

import pytest

from scripts.bench import lab
from scripts.bench.runs import Sizes


@pytest.mark.slow
def test_a_day_is_measured_in_three_ways(tmp_path):
    """Each has its seconds; the lab is the measure of the plain way."""
    sizes = Sizes(
        tmp_path, rounds=1, seed=1, lines=1, snapshots=30, messages=1, days=(1,), rate=0.02
    )
    comparison = lab.run(sizes)
    rows = {row["name"]: row for row in comparison.rows}
    assert list(rows) == [lab.JUDGED, *lab.CONTENDERS]
    assert all(row["seconds"] > 0 and row["peak_mb"] > 0 for row in rows.values())
    assert rows[lab.LAB]["times_lab"] == 1
    assert "60 minutes were, a day has 1,440" in comparison.notes[0]
