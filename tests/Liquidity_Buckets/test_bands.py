"""Tests of Liquidity_Buckets.bands: what each band holds, on the edge and beyond int64."""

from dataclasses import replace

import numpy as np
import pytest

from Liquidity_Buckets.bands import BANDS_BPS, BandMeasure, SnapshotRun
from ravequant import exact
from ravequant.books import levels
from ravequant.books.snapshot_reader import Books, Deep, Head
from ravequant.contract import FINEST, Contract, worth_of

LINEAR, INVERSE = (
    worth_of(Contract("0.1", "1", "linear")),
    worth_of(Contract("100", "1", "inverse")),
)
MID = 100_000  # and a price unit of 1: a bps is 10
BIDS = [(MID - 10, 1), (MID - 100, 2), (MID - 101, 4), (MID - 250, 8), (MID - 5_001, 16)]
ASKS = [(MID + 10, 1), (MID + 100, 2), (MID + 5_000, 4)]

Side = list[tuple[int, int]]  # (price, contracts), from the mid outwards


def run(
    *sides: Side, places: int = 0, deep: list[Side] | None = None,
    mids: tuple[int, ...] = (MID,),
) -> SnapshotRun:  # fmt: skip
    """Return snapshots with these bids and asks in turn, whose prices have ``places`` decimals."""
    unit = 10 ** (exact.PRICE_PLACES - places)
    heads = [
        Head(1_000 * at, 2 * mid * unit, places, gap_detected=False, entries=(400, 400))
        for at, mid in enumerate(mids)
    ]
    found = None
    if deep is not None:
        found = Deep(0, 0, levels.of_numbers(deep, places, 0))
    books = Books(heads, levels.of_numbers(sides, places, 0), [found] * len(heads))
    return SnapshotRun(books, range(len(heads)), books.deeps)


def test_a_level_on_the_edge_is_in_the_nearer_band():
    """100 of 100,000 are 10 bps, the end of the first band; 5,001 are beyond the last one."""
    made, snapshots = BandMeasure(400), run(BIDS, ASKS)
    sums = made.sums(snapshots, LINEAR, FINEST)
    coin = exact.BASE_ONE // 10
    assert [value // coin for value in sums.base[0]] == [3, 12, 0, 0, 0, 0]
    assert [value // coin for value in sums.base[1]] == [3, 0, 0, 0, 0, 4]
    notional = [sum(price * qty for price, qty in some) for some in (BIDS[:2], BIDS[2:4])]
    unit = exact.NOTIONAL_ONE // 10
    assert [value // unit for value in sums.notional[0]] == [*notional, 0, 0, 0, 0]


def test_levels_on_the_wrong_side_of_the_mid_are_in_no_band():
    """The mid itself is in the first one."""
    sums = BandMeasure(400).sums(run([(MID + 1, 1), (MID, 2)], [(MID - 1, 1)]), LINEAR, FINEST)
    assert [value * 10 // exact.BASE_ONE for value in (sums.base[0][0], sums.base[1][0])] == [2, 0]


def test_an_inverse_contract_is_worth_its_size():
    """100 USD each; coins are rounded level by level to 12 places."""
    sums = BandMeasure(400).sums(run([(3, 1), (3, 0)], [(3, 7)], mids=(3,)), INVERSE, FINEST)
    assert sums.notional[0][0] == 100 * exact.NOTIONAL_ONE
    assert exact.text(sums.base[0][0], exact.BASE_PLACES) == "33.333333333333"
    assert exact.text(sums.base[1][0], exact.BASE_PLACES) == "233.333333333333"


def test_the_coarsest_scale_holds_the_sums():
    """Finer units count the same amounts; the weight of a level times ``money`` is its notional."""
    made, snapshots = BandMeasure(400), run(BIDS, ASKS, places=1, mids=(MID,))
    coarse = made.scale(snapshots, LINEAR)
    assert coarse == (2, 1)
    low, high = made.sums(snapshots, LINEAR, coarse), made.sums(snapshots, LINEAR, FINEST)
    factor = 10 ** (FINEST.notional - coarse.notional)
    assert [[value * factor for value in side] for side in low.notional] == high.notional
    assert low.money * factor == high.money
    assert low.near.sheet.weight[0] * low.money == BIDS[0][0] * BIDS[0][1]


def larger(side: Side, scale: int) -> Side:
    return [(price, qty * scale) for price, qty in side]


@pytest.mark.parametrize("scale", [1, 10**9, 2 * 10**12 + 1, 10**14 + 1, 10**20 + 1])
def test_amounts_beyond_int64_are_exact(scale):
    """Sizes many times as large, near and deep: every sum is as many times as large.

    First all fits, then a sum does not, then a product, then a size.
    """
    deep = [[(MID - 5_000, 3)], [(MID + 5_000, 5)]]
    near = [(BIDS[:4], ASKS[:2]), (larger(BIDS[:4], scale), larger(ASKS[:2], scale))]
    wanted, found = (BandMeasure(1).sums(run(*pair, deep=deep), LINEAR, FINEST) for pair in near)
    for before, after in ((wanted.notional, found.notional), (wanted.base, found.base)):
        for side, wide in zip(before, after, strict=True):
            assert wide[:5] == [value * scale for value in side[:5]]
            assert wide[5] == side[5]
    deeper = run(*near[0], deep=[larger(side, scale) for side in deep])
    sums = BandMeasure(1).sums(deeper, LINEAR, FINEST)
    assert [side[:5] for side in sums.notional] == [side[:5] for side in wanted.notional]
    assert [side[5] for side in sums.notional] == [side[5] * scale for side in wanted.notional]
    assert [side[5] for side in sums.base] == [side[5] * scale for side in wanted.base]


def test_sums_of_numbers_that_fit_may_not_fit():
    """Three levels of 4e18 each, and of 4e18 contracts."""
    qty = 4 * 10**18 // MID + 1
    for side in ([(MID, qty)] * 3, [(1, MID * qty)] * 3):
        mid = side[0][0]
        sums = BandMeasure(400).sums(run(side, side, mids=(mid,)), LINEAR, FINEST)
        assert [value[0] * 10 // exact.NOTIONAL_ONE for value in sums.notional] == [
            3 * MID * qty
        ] * 2
        assert [value[0] * 10 // exact.BASE_ONE for value in sums.base] == [3 * side[0][1]] * 2


@pytest.mark.parametrize("worth", [LINEAR, INVERSE])
def test_ordinary_books_are_counted_in_64_bits(worth):
    """Python integers, which take ten times as long, are for what does not fit."""
    near = BandMeasure(400).sums(run(BIDS, ASKS), worth, FINEST).near
    for column in (near.sheet.weight, near.sheet.coins, near.signs, near.offsets, near.edges):
        assert column.dtype == np.int64


def test_coins_of_an_inverse_contract_may_not_fit():
    """Ten billion contracts of 100 USD at 3: coins are counted to 12 places."""
    side = [(3, 10**10), (3, 1)]
    sums = BandMeasure(400).sums(run(side, [], mids=(3,)), INVERSE, FINEST)
    assert exact.text(sums.base[0][0], exact.BASE_PLACES) == "333333333366.666666666666"
    assert sums.base[1] == [0] * 6


def test_a_book_without_any_level_has_no_amounts():
    """It has no last level either, of its own or of a deep snapshot without levels."""
    for worth in (LINEAR, INVERSE):
        sums = BandMeasure(1).sums(run([], [], deep=[[], []]), worth, FINEST)
        assert sums.notional == sums.base == [[0] * 6, [0] * 6]
        for bands in (sums.near, sums.beyond[0]):
            assert bands is not None
            assert (bands.far.tolist(), bands.used.tolist()) == ([-1, -1], [-1, -1])


def test_the_last_level_seen_and_the_last_level_used():
    """Twice its distance from the mid; -1 on a side without any, or without any in a band."""
    sides = [
        [(MID - 10, 1), (MID - 6_000, 1)], [(MID + 20, 1)],
        [(MID - 6_000, 1)], [],
        [(MID - 5_000, 1)], [(MID + 5_000, 1), (MID + 5_001, 1)],
    ]  # fmt: skip
    near = BandMeasure(400).sums(run(*sides, mids=(MID,) * 3), LINEAR, FINEST).near
    assert near.far.tolist() == [12_000, 40, 12_000, -1, 10_000, 10_002]
    assert near.used.tolist() == [20, 40, -1, -1, 10_000, 10_000]
    for deep, used in (
        ([[(MID - 40, 1), (MID - 6_000, 1)], [(MID + 70, 1)]], [80, 140]),
        ([[(MID - 6_000, 1)], [(MID + 5_000, 1)]], [-1, 10_000]),
    ):
        made = BandMeasure(1).sums(run([(MID - 10, 1)], [(MID + 10, 1)], deep=deep), LINEAR, FINEST)
        (beyond,) = made.beyond
        assert beyond is not None
        assert beyond.far.tolist() == [2 * (MID - deep[0][-1][0]), 2 * (deep[1][-1][0] - MID)]
        assert beyond.used.tolist() == used


def test_each_snapshot_has_the_deep_one_in_use_for_it():
    """None, one for two snapshots, another one, in a part of a block: as each alone."""
    deeps = [
        None,
        [[(MID - 300, 1), (MID - 900, 2)], [(MID + 300, 4)]],
        [[(MID - 200, 8)], [(MID + 150, 16), (MID + 4_000, 32), (MID + 5_100, 64)]],
    ]
    use = [2, 0, 1, 1, 2, 2, 0]
    mids = tuple(MID + 20 * n for n in range(len(use)))
    sides = [
        side for n in range(len(use)) for side in ([(MID - 10 - n, n + 1)], [(MID + 120 + n, 3)])
    ]
    found = [None if deep is None else Deep(0, 0, levels.of_numbers(deep, 0, 0)) for deep in deeps]
    whole = run(*sides, mids=mids)
    part = whole._replace(numbers=range(1, 6), deeps=[found[n] for n in use[1:6]])
    sums = BandMeasure(1).sums(part, LINEAR, FINEST)
    first, second = [1_880, 520, 1_920, 480], [560, 10_040, 600, 10_000]
    far = [None if made is None else made.far.tolist() for made in sums.beyond]
    assert far == [None, first, first, second, second]
    assert sums.beyond[1] is sums.beyond[2]
    for number in range(1, 6):
        alone = run(
            *sides[2 * number : 2 * number + 2], mids=(mids[number],), deep=deeps[use[number]]
        )
        wanted = BandMeasure(1).sums(alone, LINEAR, FINEST)
        place = slice(2 * number - 2, 2 * number)
        assert (sums.notional[place], sums.base[place]) == (wanted.notional, wanted.base)


def test_levels_are_weighed_once_for_a_worth():
    """The same levels at the same worth in the same units are weighed once, others anew."""
    made, first, second = BandMeasure(1), run(BIDS, ASKS), run(BIDS[1:], ASKS[1:])
    finer = run(BIDS, ASKS, deep=[[(MID - 5_000, 3)], []], places=1, mids=(MID,))
    finer = finer._replace(books=replace(finer.books, levels=first.books.levels))
    for snapshots, worth in (
        (first, LINEAR), (first, INVERSE), (second, INVERSE), (first, INVERSE), (finer, INVERSE),
    ):  # fmt: skip
        sums, wanted = (
            measure.sums(snapshots, worth, FINEST) for measure in (made, BandMeasure(1))
        )
        assert (sums.notional, sums.base) == (wanted.notional, wanted.base)
        again = made.sums(snapshots, worth, FINEST)
        assert again.near.sheet is sums.near.sheet
        if sums.beyond[0] is not None and again.beyond[0] is not None:
            assert again.beyond[0].sheet is sums.beyond[0].sheet


@pytest.mark.parametrize("zeros", [0, 10, 12])
def test_prices_with_many_decimals_lie_in_the_same_bands(zeros):
    """Prices in ever finer units, up to edges that do not fit into 64 bits."""
    unit = 10**zeros
    sides = [[(price * unit, qty) for price, qty in side] for side in (BIDS, ASKS)]
    sums = BandMeasure(400).sums(run(*sides, places=zeros, mids=(MID * unit,)), LINEAR, FINEST)
    wanted = BandMeasure(400).sums(run(BIDS, ASKS), LINEAR, FINEST)
    assert (sums.notional, sums.base) == (wanted.notional, wanted.base)


@pytest.mark.parametrize("mid", [1_999_999, 10**15 + 999_999, 10**17 + 999])
@pytest.mark.parametrize("snapshots", [1, 9])
def test_a_level_next_to_the_edge_is_in_the_farther_band(mid, snapshots):
    """Also where a float would take its distance for that of the edge."""
    edge = 10 * 2 * mid // 10_000  # of twice the distance
    last = edge // 2
    sides = [[(mid - last, 1), (mid - last - 1, 2)], [(mid + last, 4), (mid + last + 1, 8)]]
    part = run(*sides * snapshots, places=3, mids=(mid,) * snapshots)
    sums = BandMeasure(400).sums(part, LINEAR, FINEST)
    counts = [[value * 10 // exact.BASE_ONE for value in side[:2]] for side in sums.base]
    assert counts == [[1, 2], [4, 8]] * snapshots


@pytest.mark.parametrize(("far", "snapshots"), [(4 * 10**18, 1), (25 * 10**16, 8)])
def test_a_level_absurdly_far_away_disturbs_no_other_one(far, snapshots):
    """Its distance, or the room for the distances of all sides, does not fit into 64 bits."""
    sides = [BIDS, [*ASKS, (far, 1)]] * snapshots
    sums = BandMeasure(400).sums(run(*sides, mids=(MID,) * snapshots), LINEAR, FINEST)
    wanted = BandMeasure(400).sums(run(BIDS, ASKS), LINEAR, FINEST)
    assert (sums.notional, sums.base) == (wanted.notional * snapshots, wanted.base * snapshots)


def test_a_deep_snapshot_adds_what_is_beyond_the_last_level():
    """Its nearer levels are passed over; the snapshot's own are newer."""
    deep = [
        [(MID - 10, 100), (MID - 250, 100), (MID - 300, 1)],
        [(MID + 20, 100), (MID + 5_000, 9)],
    ]
    own = ([(MID - 10, 1), (MID - 250, 2)], [(MID + 10, 1), (MID + 30, 4)])
    made, snapshots = BandMeasure(2), run(*own, deep=deep)
    made_full = snapshots._replace(
        books=Books(
            [head._replace(entries=(2, 2)) for head in snapshots.books.heads],
            snapshots.books.levels,
            snapshots.books.deeps,
        )
    )
    sums = made.sums(made_full, LINEAR, FINEST)
    coin = exact.BASE_ONE // 10
    assert [value // coin for value in sums.base[0]] == [1, 2, 1, 0, 0, 0]
    assert [value // coin for value in sums.base[1]] == [5, 0, 0, 0, 0, 9]


def test_nothing_is_beyond_a_side_that_was_seen_whole():
    """A snapshot with fewer levels than the channel carries shows all that there is."""
    deep = [[(MID - 300, 7)], [(MID + 300, 7)]]
    snapshots = run([(MID - 10, 1)], [(MID + 10, 1)], deep=deep)
    whole = Books([snapshots.books.heads[0]._replace(entries=(1, 1))], snapshots.books.levels,
                  snapshots.books.deeps)  # fmt: skip
    sums = BandMeasure(400).sums(snapshots._replace(books=whole), LINEAR, FINEST)
    assert [value * 10 // exact.BASE_ONE for value in sums.base[0]] == [1, 0, 0, 0, 0, 0]


def test_several_snapshots_are_summed_as_each_alone():
    """The edges of all are searched at once; other mids, other bands."""
    books = [(BIDS, ASKS, MID), ([(MID - 60, 5)], [(MID + 30, 6)], MID - 20), (BIDS[1:], ASKS, MID)]
    together = run(*(side for *pair, _ in books for side in pair), mids=tuple(b[2] for b in books))
    sums = BandMeasure(400).sums(together, LINEAR, FINEST)
    for number, (bids, asks, mid) in enumerate(books):
        alone = BandMeasure(400).sums(run(bids, asks, mids=(mid,)), LINEAR, FINEST)
        assert sums.notional[2 * number : 2 * number + 2] == alone.notional
        assert sums.base[2 * number : 2 * number + 2] == alone.base


def test_the_bands_are_those_of_the_specification():
    """SPEC section 10."""
    assert BANDS_BPS == (10, 25, 50, 100, 200, 500)
