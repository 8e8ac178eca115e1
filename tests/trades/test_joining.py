"""Fills joined to records in columns: the rule of records.py, whatever the parts."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ravequant import exact
from ravequant.records import Trade, join_fills
from ravequant.trades.joining import columns_of, joined, sums, together
from ravequant.trades.line_writer import trades

fill = st.builds(
    Trade,
    ts=st.integers(1_700_000_000_000, 1_700_000_000_001),
    trade_id=st.integers(1, 2),  # the step from the id before
    side=st.sampled_from(["buy", "sell"]),
    price=st.sampled_from(["100", "100.5", "123456789012345678.5"]),
    qty=st.sampled_from(["1", "0.25", "12345678901234567890", "0.0000000001"]),
    count=st.just(1),
    source=st.sampled_from(["0", "1"]),
)


def with_rising_ids(steps: list[Trade]) -> list[Trade]:
    """Return the fills, each with the id that its step leads to."""
    found, an_id = [], 10
    for step in steps:
        an_id += step.trade_id
        found.append(replace(step, trade_id=an_id))
    return found


@given(st.lists(fill, min_size=1, max_size=40).map(with_rising_ids), st.integers(1, 40))
def test_columns_join_as_single_trades_do(fills, cut):
    """At once, or one part after the other with the last record held back."""
    wanted = list(join_fills(fills))
    assert list(trades(joined(columns_of(fills)))) == wanted
    first, rest = fills[:cut], fills[cut:]
    if rest:
        parts = [joined(columns_of(first)), columns_of(rest)]
        assert list(trades(joined(together(parts)))) == wanted


def test_sums_do_not_wrap():
    """Sums of int64 values that leave the type are Python integers."""
    large = columns_of([Trade(1_700_000_000_000, n, "buy", "1", str(2**61)) for n in range(1, 9)])
    assert sums(large.columns.qty, np.array([0, 3])).tolist() == [3 * 2**61, 5 * 2**61]
    assert exact.text(joined(large).columns.qty[0], 0) == str(2**64)
