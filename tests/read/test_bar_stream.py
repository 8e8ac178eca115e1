"""Tests of ravequant.read.bar_stream: the minutes of a span as bars, with all their sums."""

from ravequant import times
from ravequant.contract import Contract
from ravequant.read.bar_stream import closed_minutes
from ravequant.records import Trade, TradeEncoder
from tests.support.trade_streams import BTC, START, write_raw

LINE = TradeEncoder(BTC, Contract("0.01", "1", "linear")).line


def test_bars_of_a_span_have_their_squares_and_the_gaps(vault):
    """Those that begin in it, with the sum of squares; and the minutes that a gap marked."""
    fills = [(0, 1), (30, 2), (65, 9), (130, 10), (200, 11), (400, 12)]  # seconds, ids
    lines = [LINE(Trade(START + at * 1_000, last, "buy", "100", "5")) for at, last in fills]
    write_raw(vault, BTC, lines)
    whole = closed_minutes(vault, BTC)
    first = START // times.MINUTE_MS
    assert [bar.minute - first for bar in whole.bars] == [0, 1, 2, 3]
    assert all(bar.square_notional == bar.open**2 * bar.notional for bar in whole.bars)
    assert {minute - first for minute in whole.gaps} == {0, 1}
    assert whole.through == first + 5
    part = closed_minutes(vault, BTC, START + 60_000, START + 180_000)
    assert part.bars == whole.bars[1:3]
