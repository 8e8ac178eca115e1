"""Rows that wait, packed."""

from ravequant.records import Trade
from Trades_Bot.waiting_rows import WaitingRows


def test_a_row_that_waits_comes_out_as_it_went_in():
    """Packed and unpacked it is the same, its mark of being ahead of its time too."""
    rows = [
        Trade(1_700_000_000_000, 5, "buy", "5", "1"),
        Trade(1_700_000_000_001, 6, "sell", "6.5", "0.01", 2, "1", ahead=True),
    ]
    waiting = WaitingRows()
    for row in rows:
        waiting.append(row)
    assert len(waiting) == 2
    found = []
    while waiting:
        found.append(waiting.head())
        waiting.drop_head()
    assert found == rows
