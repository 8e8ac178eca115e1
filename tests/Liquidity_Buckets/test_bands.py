"""Tests of Liquidity_Buckets.bands: what each band holds, on the edge and beyond int64."""

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


def run(
    *sides: list[tuple[int, int]], places: int = 0, deep: list[list[tuple[int, int]]] | None = None,
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


@pytest.mark.parametrize("scale", [1, 10**9])
def test_amounts_beyond_int64_are_exact(scale):
    """Sizes a billion times as large: every sum is a billion times as large."""
    bids, asks = ([(price, qty * scale) for price, qty in side] for side in (BIDS, ASKS))
    wanted = BandMeasure(400).sums(run(BIDS, ASKS), LINEAR, FINEST)
    found = BandMeasure(400).sums(run(bids, asks), LINEAR, FINEST)
    assert found.notional == [[value * scale for value in side] for side in wanted.notional]
    assert found.base == [[value * scale for value in side] for side in wanted.base]


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
