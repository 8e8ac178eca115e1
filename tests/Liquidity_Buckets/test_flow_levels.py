"""Order-flow imbalance by the formula, and the walls that a book shows or no longer shows."""

from typing import Any

import pytest

from Liquidity_Buckets.flow_levels import (
    FlowMeasure,
    Imbalance,
    LargeLevels,
    Sighting,
    WallSightings,
)
from ravequant import exact
from ravequant.books.snapshot_json import levels_of
from ravequant.books.snapshot_reader import Books, Deep, Head
from ravequant.contract import Contract, worth_of

WORTH = worth_of(Contract("0.01", "1", "linear"))
MILLION = 10**6 * exact.NOTIONAL_ONE


def side(*levels: tuple[str, str]) -> list[list[str]]:
    return [[price, size, "0", "1"] for price, size in levels]


def books(*pairs: tuple[list[list[str]], list[list[str]]], ts: int = 1_000) -> Books:
    """Return one batch of books."""
    from ravequant.books.levels import join

    levels = [levels_of(bids, asks)[0] for bids, asks in pairs]
    heads = [
        Head(
            ts + 2_000 * n,
            2 * 10**5 * exact.PRICE_ONE,
            0,
            gap_detected=False,
            entries=(len(bids), len(asks)),
        )
        for n, (bids, asks) in enumerate(pairs)
    ]
    return Books(heads, join(levels), [None] * len(pairs))


def ten(bid: int, ask: int, size: str) -> tuple[list[list[str]], list[list[str]]]:
    """Return a book of ten levels a side, one apart."""
    return (
        side(*((str(bid - n), size) for n in range(10))),
        side(*((str(ask + n), size) for n in range(10))),
    )


def flows(*pairs: Any, worth: Any = WORTH) -> list[Imbalance]:
    return FlowMeasure().flows(books(*pairs), range(len(pairs)), worth)


@pytest.mark.parametrize(
    ("bid", "ask", "wanted"),
    [
        (("100", "7"), ("102", "5"), "0.02"),  # the bid grew by 2
        (("100", "5"), ("102", "9"), "-0.04"),  # the ask grew by 4
        (("101", "7"), ("102", "5"), "0.07"),  # a better bid: all of it is new
        (("99", "7"), ("102", "5"), "-0.05"),  # the old bid is gone
        (("100", "5"), ("101", "3"), "-0.03"),  # a better ask
        (("100", "5"), ("103", "3"), "0.05"),  # the old ask is gone
        (("100", "5"), ("102", "5"), "0"),
    ],
)
def test_the_formula_at_the_best_prices(bid, ask, wanted):
    """Each case of the indicator functions, in coins (0.01 a contract)."""
    before = side(("100", "5")), side(("102", "5"))
    found = flows(before, (side(bid), side(ask)))[1]
    assert exact.text(found.best, exact.BASE_PLACES) == wanted
    assert not found.complete  # nine ranks are missing


def test_ten_ranks_add_up():
    """All ten bids are new at better prices; each of ten ranks counts."""
    found = flows(ten(100, 200, "5"), ten(101, 200, "5"))
    assert not found[0].complete
    assert found[1] == Imbalance(
        5 * exact.BASE_ONE // 100, 50 * exact.BASE_ONE // 100, complete=True
    )


def test_a_missing_rank_counts_nowhere():
    """The tenth bid is missing in one book: the other ranks count, and the gap is said."""
    short = ten(100, 200, "7")[0][:9], ten(100, 200, "9")[1]
    found = flows(ten(100, 200, "5"), short, ten(100, 200, "5"))
    assert [flow.complete for flow in found] == [False, False, False]
    assert exact.text(found[1].ranks, exact.BASE_PLACES) == "-0.18"  # nine times 2 - 4


def test_units_that_grow_finer_change_nothing():
    """A size with more decimals than all before it, in another batch, and sizes beyond 64 bits."""
    measure = FlowMeasure()
    measure.flows(books((side(("100", "5")), side(("102", "5")))), range(1), WORTH)
    fine = side(("100.5", "5.0000000001")), side(("102", "5"))
    found = measure.flows(books(fine), range(1), WORTH)[0]
    assert exact.text(found.best, exact.BASE_PLACES) == "0.050000000001"
    coarse = side(("101", "9" * 18)), side(("102", "5"))
    found = measure.flows(books(coarse), range(1), WORTH)[0]
    assert exact.text(found.best, exact.BASE_PLACES) == "9999999999999999.99"


def test_the_base_of_an_inverse_contract_is_rounded_level_by_level():
    """100 dollars a contract: 1 / 3 of it at 300, to 12 places."""
    inverse = worth_of(Contract("100", "1", "inverse"))
    found = flows(
        (side(("300", "1")), side(("400", "1"))), (side(("300", "2")), side(("400", "1"))),
        worth=inverse,
    )  # fmt: skip
    assert exact.text(found[1].best, exact.BASE_PLACES) == "0.333333333334"


def test_large_levels_are_those_of_the_wall_size():
    """Equality is enough; any other price of a side is found too, and one that is not there."""
    bids = side(("100000", "999"), ("99999", "1"), ("99998.5", "1001"))
    large = LargeLevels(levels_of(bids, side(("100001", "1000")))[0], WORTH, MILLION)
    price = exact.PRICE_ONE
    assert large.of(0) == {99_998 * price + price // 2: 1_001 * exact.SIZE_ONE}
    assert large.of(1) == {100_001 * price: 1_000 * exact.SIZE_ONE}
    sizes = [large.qty(0, at * price) // exact.SIZE_ONE for at in (100_000, 99_999, 99_998, 5)]
    assert sizes == [999, 1, 0, 0]
    assert large.qty(1, 100_001 * price) == 1_000 * exact.SIZE_ONE
    assert large.qty(1, 100_001 * price + 1) == 0
    assert (large.last(0), large.last(1)) == (99_998 * price + price // 2, 100_001 * price)


def look(finder: WallSightings, ts: int, asks: list[list[str]], deep: Deep | None = None) -> Any:
    """Return the sightings of a book around 100,000 as (price, contracts, time, stands, fresh)."""
    found = books((side(("99999", "1")), asks), ts=ts)
    own = finder.large(found, WORTH)
    seen = finder.look(found.heads[0], 0, own, WORTH, deep)
    return [plain(sighting) for sighting in seen]


def plain(seen: Sighting) -> tuple[Any, ...]:
    qty = None if seen.qty is None else seen.qty // exact.SIZE_ONE
    return seen.price // exact.PRICE_ONE, qty, seen.at, seen.stands, seen.fresh


def deep_of(ts: int, *asks: tuple[str, str]) -> Deep:
    return Deep(ts, 0, levels_of(side(("99999", "1")), side(*asks))[0])


def test_a_wall_is_followed_until_it_is_small():
    """First sight has no known beginning; a wall that comes later has; then it is forgotten."""
    finder = WallSightings(MILLION, 400, 60_000)
    wall, other = ("100001", "2000"), ("100002", "1500")
    assert look(finder, 1_000, side(wall)) == [(100_001, 2_000, 1_000, True, False)]
    assert look(finder, 3_000, side(wall, other)) == [
        (100_001, 2_000, 3_000, True, True),
        (100_002, 1_500, 3_000, True, True),
    ]
    assert look(finder, 5_000, side(("100001", "7"), other))[0] == (100_001, 7, 5_000, False, True)
    assert [price for price, *_ in look(finder, 7_000, side(other))] == [100_002]
    assert look(finder, 9_000, side(("100001", "1"))) == [(100_002, 0, 9_000, False, True)]


def test_beyond_the_own_levels_only_a_newer_deep_book_shows_anything():
    """The same deep book again shows nothing; the next does, with its own time."""
    finder = WallSightings(MILLION, 1, 60_000)
    near = side(("100001", "1"))
    far = deep_of(900, ("100001", "1"), ("100300", "2000"))
    assert look(finder, 1_000, near, far) == [(100_300, 2_000, 900, True, False)]
    assert look(finder, 3_000, near, far) == []
    newer = deep_of(2_900, ("100001", "1"), ("100300", "1900"), ("100400", "3000"))
    assert look(finder, 5_000, near, newer) == [
        (100_300, 1_900, 2_900, True, True),
        (100_400, 3_000, 2_900, True, False),
    ]
    gone = deep_of(8_000, ("100001", "1"), ("100300", "5"), ("100500", "1"))
    assert look(finder, 9_000, near, gone) == [
        (100_300, 5, 8_000, False, True),
        (100_400, 0, 8_000, False, True),
    ]


def test_an_older_deep_book_says_nothing_about_a_wall_that_was_seen_later():
    """A wall leaves the own levels; the deep book in use was taken before it was last seen."""
    finder = WallSightings(MILLION, 2, 60_000)
    look(finder, 1_000, side(("100001", "1"), ("100300", "2000")))
    old = deep_of(900, ("100001", "1"), ("100400", "1"))
    assert look(finder, 3_000, side(("100001", "1"), ("100002", "1")), old) == []
    newer = deep_of(4_000, ("100001", "1"), ("100400", "1"))
    assert look(finder, 5_000, side(("100001", "1"), ("100002", "1")), newer) == [
        (100_300, 0, 4_000, False, True)
    ]


def test_out_of_reach_is_held_for_a_minute():
    """Then the wall is given up; in reach again before that it was only hidden."""
    finder = WallSightings(MILLION, 2, 60_000)
    wall, hidden = side(("100001", "1"), ("100300", "2000")), side(("100001", "1"), ("100002", "1"))
    look(finder, 1_000, wall)
    assert look(finder, 3_000, hidden) == [(100_300, None, 3_000, True, False)]
    finder.restore(finder.state())
    assert look(finder, 9_000, wall) == [(100_300, 2_000, 9_000, True, True)]
    look(finder, 11_000, hidden)
    assert look(finder, 71_000, hidden) == [(100_300, None, 71_000, True, False)]
    assert look(finder, 71_001, hidden) == [(100_300, None, 71_001, False, False)]
    assert look(finder, 73_000, hidden) == []
    assert look(finder, 75_000, wall) == [(100_300, 2_000, 75_000, True, False)]


def test_after_a_break_nothing_has_a_beginning():
    """The next book counts as the first."""
    finder = WallSightings(MILLION, 400, 60_000)
    look(finder, 1_000, side(("100001", "1")))
    finder.reset()
    assert look(finder, 3_000, side(("100001", "2000"))) == [(100_001, 2_000, 3_000, True, False)]
