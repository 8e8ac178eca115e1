"""BarBuilder and the bars of other processes: parts made by hand, joined, absorbed and counted."""

from dataclasses import replace

import orjson
import pytest

from ravequant import exact
from ravequant.contract import Contract
from ravequant.trades import bar_builder
from ravequant.trades.bar_builder import BarBuilder, IdGap, PartialBars
from ravequant.trades.minute_bar import Record, bar_of, merge

MINUTE = 60_000
LINEAR = Contract("0.01", "1", "linear")
WHALE = 100_000 * exact.NOTIONAL_ONE


def odd_gaps(first, last):
    """A ledger for tests: jumps that start at every third id are no gaps."""
    assert first <= last
    return first % 3 != 0


def record(ts, trade_id, *, ids=1, minute=0):
    """Return a record of ``minute`` of 1970, ``ts`` ms in it."""
    price, qty = 100 * exact.PRICE_ONE, exact.SIZE_ONE
    return Record(minute * MINUTE + ts, trade_id, ids, True, price, qty, LINEAR)  # noqa: FBT003


def part(*records, id_gaps=()):
    """Return the part of records in one minute."""
    bar = bar_of(records[0], WHALE)
    for later in records[1:]:
        bar = merge(bar, bar_of(later, WHALE))
    first, last = records[0], records[-1]
    watermark = max(record.ts for record in records)
    return PartialBars(
        [bar], list(id_gaps), len(records), first.first_id, first.trade_id, last.trade_id,
        first.ts, watermark,
    )  # fmt: skip


def test_two_parts_are_joined_field_by_field():
    """Sums of a shared minute, gaps of both and at the seam with the time reached before them."""
    early, late = IdGap(3, 4, 7_000, 8_000), IdGap(25, 26, 30_000, 31_000)
    back = IdGap(21, 22, 2_000, 3_000)  # in the part alone only 2 s were reached
    one = part(record(9_000, 1), record(5_000, 10), id_gaps=[early])
    two = part(record(2_000, 20, ids=3), record(40_000, 30), id_gaps=[back, late])
    three = part(record(1_000, 31, minute=2))
    assert bar_builder.join(one, two) == PartialBars(
        bars=[merge(one.bars[0], two.bars[0])],
        id_gaps=[early, IdGap(11, 17, 9_000, 2_000), replace(back, watermark=9_000), late],
        records=4,
        lowest_id=1,
        first_id=1,
        last_id=30,
        first_ts=9_000,
        watermark=40_000,
    )
    joined = bar_builder.join(two, three)
    assert joined is not None
    assert joined.bars == [*two.bars, *three.bars]
    assert joined.id_gaps == [back, late]
    assert (joined.lowest_id, joined.first_id, joined.watermark) == (18, 20, 121_000)
    tail = part(record(39_000, 31))
    whole = bar_builder.join(two, tail)
    assert whole is not None
    assert (whole.watermark, whole.last_id) == (40_000, 31)


def test_what_follows_has_a_larger_id_and_no_earlier_minute():
    """An equal id does not follow; time may go back to the first moment of the minute."""
    one = part(record(30_000, 10, minute=3))
    builder = BarBuilder(WHALE)
    assert builder.follows(one)
    builder.absorb(one, odd_gaps)
    for later, follows in (
        (record(40_000, 10, minute=3), False),
        (record(40_000, 11, minute=3), True),
        (record(0, 11, minute=3), True),
        (record(59_999, 11, minute=2), False),
    ):
        assert builder.follows(part(later)) is follows
        assert (bar_builder.join(one, part(later)) is not None) is follows


@pytest.mark.parametrize(
    ("watermark", "through"), [(0, -1), (4_999, -1), (64_999, -1), (65_000, 0), (125_000, 1)]
)
def test_the_newest_closed_minute_of_a_watermark(watermark, through):
    """-1 while the first minute of all is open."""
    assert bar_builder.closed_through(watermark) == through


def test_gaps_before_and_in_a_part_mark_what_was_open():
    """At its seam by the time of the builder; in it by that of whichever was further."""
    builder = BarBuilder(WHALE)
    assert builder.through == -1
    assert builder.absorb(part(record(59_000, 1)), odd_gaps).through == -1
    inside = IdGap(6, 6, 1_000, 1_500)
    closed = builder.absorb(part(record(1_000, 5, minute=1), id_gaps=[inside]), lambda *_: True)
    assert (closed, builder.gap_count) == (bar_builder.Closed(), 2)
    assert builder.state()["gaps"] == [0, 1]
    closed = builder.take([record(5_000, 6, minute=2)], odd_gaps)
    assert (closed.gaps, closed.through) == ([0, 1], 1)
    assert [(bar.minute, bar.gap) for bar in closed.bars] == [(0, True), (1, True)]
    assert builder.through == 1


def test_the_first_moment_of_all_is_a_time():
    """A part at 0 ms moves the watermark to 0, no further."""
    builder = BarBuilder(WHALE)
    builder.absorb(part(record(0, 1)), odd_gaps)
    assert builder.watermark == 0


def test_each_late_record_gap_and_duplicate_is_counted():
    """Two of each are two; a late record counts as taken in, a duplicate does not."""
    builder = BarBuilder(WHALE)
    records = [record(0, 1), record(5_000, 5, minute=3), record(1, 9), record(2, 10)]
    builder.take([*records, record(3, 10), record(4, 9)], lambda *_: True)
    counts = (builder.records, builder.late_trades, builder.duplicates, builder.gap_count)
    assert counts == (4, 2, 2, 2)
    assert builder.take([], odd_gaps) == bar_builder.Closed([], [], 2)
    assert BarBuilder(WHALE).take([], odd_gaps) == bar_builder.Closed([], [], -1)


def test_a_restored_builder_knows_a_whale():
    """The threshold is a setting, no part of the state."""
    builder = BarBuilder(100 * 10**48)
    builder.take([record(0, 1), record(1, 2)], odd_gaps)
    other = BarBuilder.restore(100 * 10**48, orjson.loads(orjson.dumps(builder.state())))
    other.take([record(2, 3)], odd_gaps)
    (bar,) = other.open_bars
    assert (bar.trade_count, bar.whale_count) == (3, 3)
