"""Levels to cells: steps, rows, reach, bytes."""

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Dashboard import heat
from Dashboard.heat import HeatBook
from ravequant import exact
from ravequant.books.levels import of_numbers
from ravequant.books.snapshot_reader import Head
from ravequant.contract import Contract, worth_of

ONE = exact.PRICE_ONE
WORTH = worth_of(Contract("1", "1", "linear"))
MID = 10_000  # so that a step is 2


def book(bids, asks, deep=None, *, entries=(400, 400), gap=False, mid=MID):
    """Return a book of whole prices and sizes; a size of n steps of USD is easy to say."""
    head = Head(1_000, 2 * mid * ONE, 0, gap, entries)
    return HeatBook(head, of_numbers([bids, asks], 0, 0), deep and of_numbers(deep, 0, 0))


def cells(shown: HeatBook, depth: int = 400) -> dict[int, int]:
    """Return the cells that are not 0 by the price of their lower edge."""
    column = heat.column_of(shown, WORTH, 2 * ONE, depth)
    return {2 * (column.base + row): cell for row, cell in enumerate(column.cells) if cell}


@given(st.decimals("0.00000001", "9999999", places=8))
def test_a_step_is_the_nearest_of_1_2_5(mid):
    """Of all 1-2-5 numbers none is nearer to 2 bps of the mid, and none as near is smaller."""
    step = Decimal(heat.step_of(2 * exact.units(format(mid, "f"), 20))) / ONE
    wanted = mid / 5_000
    steps = [Decimal(digit).scaleb(power) for power in range(-14, 6) for digit in (1, 2, 5)]
    assert step == min(steps, key=lambda one: (abs(one - wanted), one))


@pytest.mark.parametrize(
    ("mid", "step"),
    [
        ("97000", "20"),
        ("75000", "10"),
        ("75000.1", "20"),
        ("3500", "0.5"),
        ("0.00001", "0.000000002"),
    ],
)
def test_steps_of_known_markets(mid, step):
    """BTC has 20, ETH 0.5; half-way the smaller."""
    assert exact.text(heat.step_of(2 * exact.units(mid, 20)), 20) == step


def test_the_mid_stands_in_row_50():
    """The column begins 50 rows below the row that holds the mid."""
    assert heat.base_of(2 * MID * ONE, 2 * ONE) == MID // 2 - 50
    assert heat.base_of(2 * (MID + 2) * ONE - 1, 2 * ONE) == MID // 2 - 50


@pytest.mark.parametrize(
    ("usd", "cell"),
    [(1, 1), (16_000, 1), (16_350, 1), (17_000, 3), (32_000, 32), (128_000, 96), (2_000_000, 223),
     (4_100_000, 255), (10**9, 255)],
)  # fmt: skip
def test_a_byte_is_a_32nd_of_an_octave(usd, cell):
    """round(32 x log2(USD / 16,000)), never 0 for what was seen, never above 255."""
    money = worth_of(Contract("1", "1", "inverse"))  # a contract is a dollar
    shown = book([(MID - 1, usd)], [(MID + 1, 1)])
    column = heat.column_of(shown, money, 2 * ONE, 1)
    assert column.cells[49] == cell


def test_a_row_holds_its_lower_edge_and_both_sides():
    """Prices at an edge count above it; the row of the mid may hold bids and asks."""
    shown = book([(MID, 5), (MID - 2, 7), (MID - 3, 7)], [(MID + 1, 5), (MID + 2, 9), (MID + 4, 1)])
    found = cells(shown)
    usd = {
        MID - 4: 7 * (MID - 3),
        MID - 2: 7 * (MID - 2),
        MID: 10 * MID + 5,
        MID + 2: 9 * (MID + 2),
    }
    assert {price: found[price] for price in usd} == {
        price: max(1, round(_octaves(amount))) for price, amount in usd.items()
    }


def _octaves(usd: int) -> float:
    return 32 * float((Decimal(usd) / 16_000).ln() / Decimal(2).ln())


def test_a_peak_is_the_largest_level_of_a_row():
    """Of own and deep levels, of both sides; a row without a level has none."""
    deep = [[(MID - 40, 300), (MID - 39, 500)], [(MID + 61, 7)]]
    shown = book([(MID, 20), (MID - 2, 30), (MID - 3, 90)], [(MID + 1, 50), (MID + 5, 8)], deep)
    column = heat.column_of(shown, worth_of(Contract("1000", "1", "inverse")), 2 * ONE, 3)
    found = {
        2 * (column.base + row) - MID: peak for row, peak in enumerate(column.peaks) if peak > 1
    }
    sizes = {-40: 500, -4: 90, -2: 30, 0: 50}
    assert found == {price: round(_octaves(1_000 * size)) for price, size in sizes.items()}


def test_rows_beyond_the_farthest_level_are_not_seen():
    """A row is seen if it begins within the reach; between bids and asks it is seen and empty."""
    found = cells(book([(MID - 3, 1), (MID - 9, 1)], [(MID + 5, 1), (MID + 8, 1)]))
    assert list(found) == list(range(MID - 10, MID + 10, 2))


def test_a_side_with_fewer_entries_than_the_depth_is_whole():
    """All rows of that side are seen, though it has few levels."""
    found = cells(book([(MID - 3, 1)], [(MID + 5, 1)], entries=(3, 400)))
    assert list(found) == list(range(MID - 100, MID + 6, 2))


def test_deep_levels_count_beyond_the_own_ones_alone():
    """Within the reach of the snapshot its own levels stand, beyond it those of the deep one."""
    deep = [[(MID - 4, 900), (MID - 40, 900)], [(MID + 6, 900), (MID + 60, 900)]]
    shown = book([(MID - 4, 1), (MID - 8, 1)], [(MID + 6, 1)], deep)
    column = heat.column_of(shown, WORTH, 2 * ONE, 400)
    found = cells(shown)
    assert column.source == "deep"
    assert list(found) == list(range(MID - 40, MID + 62, 2))[: len(found)]
    bright = [price for price, cell in found.items() if cell > 200]
    assert bright == [MID - 40, MID + 60]


def test_a_whole_side_takes_nothing_from_a_deep_snapshot():
    """Nothing is beyond a side that was seen whole, and a shorter deep side adds no reach."""
    deep = [[(MID - 40, 900)], [(MID + 1, 900)]]
    shown = book([(MID - 4, 1)], [(MID + 6, 1)], deep, entries=(3, 400))
    assert heat.column_of(shown, WORTH, 2 * ONE, 400).source == "ws"
    assert max(cells(shown).values()) == 1
    assert max(cells(shown)) == MID + 6


def test_levels_on_the_wrong_side_of_the_mid_are_ignored():
    """As in the buckets (SPEC section 10)."""
    shown = book([(MID + 9, 900), (MID - 2, 1)], [(MID - 9, 900), (MID + 2, 1)])
    assert max(cells(shown).values()) == 1


def test_a_side_without_levels_has_no_reach():
    """All its levels were malformed: the deep ones stand from the mid on."""
    shown = book([], [(MID + 2, 1)], [[(MID - 20, 900)], []])
    assert min(cells(shown)) == MID - 20
    assert min(cells(shown._replace(deep=None))) == MID


def test_a_broken_book_shows_nothing():
    """`gap_detected`: the book that is shown was not whole any more."""
    column = heat.column_of(book([(MID - 1, 9)], [(MID + 1, 9)], gap=True), WORTH, 2 * ONE, 400)
    assert set(column.cells) == {0}
    assert heat.shown_source(column) == "none"


@given(st.integers(1, 10**9), st.integers(0, 19))
def test_amounts_of_any_width_are_exact(size, places):
    """Columns wider than 64 bits give the same cells."""
    wide = of_numbers(
        [[(MID * 10**places - 1, size * 10**9)], [((MID + 2) * 10**places, size)]], places, 9
    )
    own = of_numbers([[(MID * 10**places - 1, size)], [((MID + 2) * 10**places, size)]], places, 0)
    head = Head(1_000, 2 * MID * ONE, places, False, (1, 1))  # noqa: FBT003
    narrow = heat.column_of(HeatBook(head, own, None), WORTH, 2 * ONE, 400)
    found = heat.column_of(HeatBook(head, wide, None), WORTH, 2 * ONE, 400)
    assert found.cells[:50] == narrow.cells[:50]
    assert found.peaks[:50] == narrow.peaks[:50]


def bucket_row(**changes):
    return {
        "mid_price": str(MID), "gap": False,
        "bands_bps": [10, 25, 50, 100, 200, 500],
        "bid_notional": ["1280000", "1280000", "0", "0", "0", "0"],
        "ask_notional": ["0", "0", "6400000", "0", "0", "0"],
        "bid_depth_bps": "500.00", "ask_depth_bps": "500.00",
        "band_source": ["ws"] * 6,
    } | changes  # fmt: skip


def band_cells(**changes) -> dict[int, int]:
    column = heat.bands_column(bucket_row(**changes), 2 * ONE)
    assert column.source == "bands"
    return {2 * (column.base + row) - MID: cell for row, cell in enumerate(column.cells)}


def test_bands_are_blocks_of_even_height():
    """A band's notional over its rows: 5 rows of 2 bps hold 256,000 each."""
    found = band_cells()
    assert {found[price] for price in range(-10, 0, 2)} == {128}
    assert {found[price] for price in range(-24, -12, 2)} == {round(32 * 3.415037)}
    assert {found[price] for price in range(0, 24, 2)} == {1}
    assert {found[price] for price in range(26, 50, 2)} == {160}
    assert 0 not in found.values()


def test_a_band_seen_in_part_ends_at_the_depth():
    """Beyond the depth nothing was seen; the visible part holds the sum."""
    sources = ["ws", "ws", "partial", "partial", "partial", "partial"]
    found = band_cells(band_source=sources, ask_depth_bps="35.00", bid_depth_bps="12.00")
    assert {found[price] for price in range(26, 34, 2)} == {round(32 * 6.321928)}
    assert {found[price] for price in range(36, 100, 2)} == {0}
    assert {found[price] for price in range(-100, -26, 2)} == {0}
    assert found[-24] == round(32 * 3.415037)  # a whole band, whatever the depth


def test_bands_of_a_gap_show_nothing():
    """A row over a gap may show a broken book."""
    column = heat.bands_column(bucket_row(gap=True), 2 * ONE)
    assert heat.shown_source(column) == "none"


@pytest.mark.parametrize(
    "changes",
    [{"mid_price": "0"}, {"mid_price": 5}, {"bid_notional": ["1"]}, {"ask_notional": ["NaN"] * 6},
     {"bid_depth_bps": "-1"}],
)  # fmt: skip
def test_what_is_no_line_of_the_buckets_is_refused(changes):
    """No mid, another number of bands, no numbers."""
    with pytest.raises((ValueError, TypeError)):
        heat.bands_column(bucket_row(**changes), 2 * ONE)


SIDE = st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**12)), max_size=8)


@given(SIDE, SIDE, st.none() | st.tuples(SIDE, SIDE), st.integers(0, 20), st.integers(1, 9))
def test_any_book_has_a_column(bids, asks, deep, places, depth):
    """Whatever the prices, sizes and decimals: a peak is seen with its cell and never above it."""

    def outwards(side, sign):
        prices = itertools.accumulate((sign * away for away, _ in side), initial=MID * 10**places)
        rows = zip(list(prices)[1:], (size for _, size in side), strict=True)
        return [(price, size) for price, size in rows if price > 0]

    own = of_numbers([outwards(bids, -1), outwards(asks, 1)], places, places % 3)
    beyond = deep and of_numbers([outwards(deep[0], -1), outwards(deep[1], 1)], places, 0)
    entries = len(bids), len(asks)
    head = Head(1_000, 2 * MID * ONE, places, False, entries)  # noqa: FBT003
    column = heat.column_of(HeatBook(head, own, beyond), WORTH, 2 * ONE, depth)
    assert len(column.cells) == len(column.peaks) == heat.ROWS
    for cell, peak in zip(column.cells, column.peaks, strict=True):
        assert peak <= cell
        assert (peak == 0) == (cell == 0)
    assert column.source == "ws" or deep is not None
