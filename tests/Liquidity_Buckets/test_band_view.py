"""Tests of Liquidity_Buckets.band_view: how far a snapshot was seen, its walls and medians."""

import numpy as np
import pytest

from Liquidity_Buckets.band_view import DEEP, PARTIAL, WS, Reach, SideRows, SideView, views
from Liquidity_Buckets.bands import BandMeasure, SnapshotRun
from ravequant import exact
from ravequant.books import levels
from ravequant.books.snapshot_reader import Books, Deep, Head
from ravequant.contract import FINEST, Contract, worth_of

ONE = exact.PRICE_ONE
MID = 100_000
BID, ASK = True, False
LINEAR = worth_of(Contract("1", "1", "linear"))


def shown(bids, asks, wall, *, deep=None, entries=(400, 400)):
    """Return the view of one snapshot; ``wall`` is an amount of the quote currency."""
    found = None if deep is None else Deep(7, 0, levels.of_numbers(deep, 0, 0))
    books = Books([Head(1_000, 2 * MID * ONE, 0, gap_detected=False, entries=entries)],
                  levels.of_numbers([bids, asks], 0, 0), [found])  # fmt: skip
    snapshots = SnapshotRun(books, range(1), [found])
    sums = BandMeasure(400).sums(snapshots, LINEAR, FINEST)
    (view,) = views(snapshots, sums, wall * exact.NOTIONAL_ONE)
    return view


@pytest.mark.parametrize(
    ("price", "bid", "source"),
    [
        (MID, True, WS),
        (MID - 100, True, WS),  # as far as the last level of its own
        (MID - 101, True, DEEP),
        (MID - 200, True, DEEP),  # as far as the last deep one
        (MID - 201, True, None),
        (MID + 100, False, WS),
        (MID + 201, False, None),
    ],
)
def test_a_price_was_seen_as_far_as_levels_reach(price, bid, source):
    """By the snapshot itself, else by the deep one, else not."""
    assert Reach(bid, 2 * MID, 200, 400).source(price) == source


@pytest.mark.parametrize(("away", "source"), [(5_000, WS), (5_001, None)])
def test_beyond_500_bps_nothing_counts(away, source):
    """Also where the whole side was seen."""
    assert Reach(BID, 2 * MID, None, -1).source(MID - away) == source
    assert Reach(ASK, 2 * MID, None, -1).source(MID + away) == source


@pytest.mark.parametrize(
    ("ws", "deep", "bands"),
    [
        (None, -1, (6, 6)),
        (199, -1, (0, 0)),  # 100 of 100,000 are 10 bps; twice the distance is counted
        (200, -1, (1, 1)),
        (499, 2_000, (1, 4)),
        (2_000, 500, (4, 4)),  # deep data that reach less far add nothing
        (10_000, 20_000, (6, 6)),
    ],
)
def test_bands_are_seen_to_their_end(ws, deep, bands):
    """By its own levels, and by any."""
    assert Reach(BID, 2 * MID, ws, deep).bands() == bands


def test_a_reach_goes_through_json():
    """Its numbers are wider than 64 bits, so they are text."""
    for made in (Reach(BID, 2 * MID * ONE, 5 * ONE, -1), Reach(ASK, 3, None, 10**30)):
        assert all(value is None or isinstance(value, bool | str) for value in made.state())
        assert Reach.restore(made.state()) == made


def test_walls_are_listed_largest_first():
    """At or above the threshold, within 500 bps; of equals the nearest."""
    bids = [(99_990, 2), (99_900, 1), (99_800, 3), (99_700, 3), (90_000, 9)]
    view = shown(bids, [(100_010, 1)], 199_600)
    assert [wall.price // ONE for wall in view.bid.walls] == [99_800, 99_700, 99_990]
    assert [wall.band for wall in view.bid.walls] == [1, 2, 0]
    assert [wall.weight for wall in view.bid.walls] == [299_400, 299_100, 199_980]
    assert view.bid.walls[0].weight * view.bid.money == 299_400 * exact.NOTIONAL_ONE
    assert view.ask.walls == []
    assert shown(bids, [(100_010, 1)], 199_980).bid.walls[-1].price == 99_990 * ONE
    assert len(shown(bids, [(100_010, 1)], 199_981).bid.walls) == 2


def test_the_source_of_a_band_is_that_of_its_weaker_side():
    """Ws where both sides reach its end, deep where deep levels do, else partial."""
    bids = [(99_990, 1), (99_700, 1)]  # to 30 bps
    asks = [(100_010, 1), (100_120, 1)]  # to 12 bps
    view = shown(bids, asks, 10**9, deep=[[(99_000, 1)], [(100_600, 1)]])
    assert view.source == [WS, DEEP, DEEP, PARTIAL, PARTIAL, PARTIAL]
    assert (view.deep_ts, view.head.ts) == (7, 1_000)
    assert (view.bid.depth_bps, view.ask.depth_bps) == ("100.00", "60.00")
    alone = shown(bids, asks, 10**9)
    assert alone.source == [WS, *[PARTIAL] * 5]
    assert (alone.deep_ts, alone.bid.depth_bps) == (None, "30.00")
    assert shown(bids, asks, 10**9, entries=(2, 2)).source == [WS] * 6


@pytest.mark.parametrize("kind", [np.int64, object])
@pytest.mark.parametrize(("weights", "twice"), [([5], 10), ([9, 4], 13), ([1, 50, 7], 14)])
def test_twice_the_median_of_a_band(kind, weights, twice):
    """Of one table of levels, and of its own and the deep ones together."""
    rows = [0, len(weights)]
    own = SideRows(np.array(weights, dtype=kind), {}, rows)
    view = SideView([], [], None, Reach(BID, 1, None, -1), [], 1, [own])
    assert view.middle_pair(0) == view.middle_pair(0) == twice
    assert own.middles == {(0, len(weights)): twice}
    first, rest = (SideRows(np.array(some, dtype=kind), {}, [0, len(some)])
                   for some in (weights[:1], weights[1:]))  # fmt: skip
    assert view._replace(stretches=[first, rest]).middle_pair(0) == twice
