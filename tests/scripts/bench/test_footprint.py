"""Tests of scripts.bench.footprint: both contenders do their work, and the ratio is given."""

import pytest

from scripts.bench import footprint, market
from scripts.bench.footprint import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_contender_reads_all_minutes(tmp_path, name):
    """The closed ones of the tape."""
    path = tmp_path / "tape.jsonl"
    market.write_trades(path, 1_000, 1, 2.0)
    found = footprint.measure(name, str(path))
    assert found["seconds"] > 0
    assert 3 <= found["minutes"] <= 20


def test_a_row_is_a_ratio_to_the_bars():
    """The median of the ratios round by round."""
    found = {name: [{"seconds": s, "minutes": 10} for s in (2.0, 3.0, 4.0)] for name in NAMES}
    found["footprints"] = [{"seconds": s, "minutes": 10} for s in (2.5, 3.6, 9.0)]
    assert footprint.rows(found, "busy")[1] == {
        "name": "footprints, busy", "us_per_minute": 360_000.0, "times_bars": 1.25,
    }  # fmt: skip
