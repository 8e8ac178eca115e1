"""Tests of scripts.bench.increment: every program on the next minutes, with the bytes read."""

import pytest

from ravequant import times
from scripts.bench import increment
from scripts.bench.runs import Sizes


@pytest.mark.slow
def test_the_next_minutes_are_measured(monkeypatch, tmp_path):
    """Each calculator reads the new bytes, and little more; the query is measured too."""
    monkeypatch.setattr(increment, "BOOKS_MS", times.MINUTE_MS)
    sizes = Sizes(
        tmp_path, rounds=1, seed=1, lines=1, snapshots=1, messages=1, days=(1,), rate=0.02
    )
    comparison = increment.run(sizes)
    rows = {row["name"]: row for row in comparison.rows}
    for name in increment.SCRIPTS:
        assert rows[name]["new_bytes"] > 0
        assert rows[name]["seconds"] > 0
    for name in ("vwap", "cvd", "volume", "wicks"):  # the buckets' new bytes hold deep books too
        assert 0 <= rows[name]["raw_bytes"] - rows[name]["new_bytes"] < 10_000, name
    assert {"find_signals", "find_signals --json", "find_signals --refresh"} <= rows.keys()
    assert rows["import numpy, orjson"]["times_import"] == 1
    assert "1 days" in comparison.notes[0]
