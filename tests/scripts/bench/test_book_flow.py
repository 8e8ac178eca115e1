"""Tests of scripts.bench.book_flow: all contenders do their work, and the share is given."""

import pytest

from scripts.bench import book_flow, market
from scripts.bench.book_flow import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_contender_writes_its_records(vault, name):
    """Buckets, flow, or both; twice from an empty state."""
    found = market.snapshots(vault, 1, deep=False, rows_per_second=15, trades=True)
    market.append_snapshots(found, 40)
    assert book_flow.measure(name, str(vault.root))["seconds"] >= 0
    written = {path.name for path in (vault.root / "derived").iterdir()}
    assert (
        written
        == {
            book_flow.BUCKETS: {"liquidity_buckets"},
            book_flow.ALONE: {"book_flow"},
            book_flow.TOGETHER: {"book_flow", "liquidity_buckets"},
        }[name]
    )


def test_a_row_is_a_share_of_the_bucketizer():
    """The median of the ratios round by round, less the bucketizer itself."""
    found = {name: [{"seconds": s} for s in (2.0, 3.0, 4.0)] for name in NAMES}
    found[book_flow.TOGETHER] = [{"seconds": s} for s in (2.5, 3.6, 9.0)]
    assert book_flow.rows(found, 1_000, "")[1] == {
        "name": "both, one reading", "us_per_snapshot": 3_600.0, "times_again": 0.25,
    }  # fmt: skip
