"""The account of a wall between two books: each example of the SPEC, to the contract."""

import random

import pytest

from Liquidity_Buckets.wall_accounts import WallAccount
from ravequant import exact
from ravequant.trades.taker_tape import Taken

ONE = exact.SIZE_ONE


def wall(qty: int) -> WallAccount:
    return WallAccount.new(qty * ONE, 1_000, known=True)


def sums(found: WallAccount) -> tuple[int, ...]:
    names = ("filled", "pulled", "refilled", "added", "unknown")
    return tuple(getattr(found, name) // ONE for name in names)


@pytest.mark.parametrize(
    ("lost", "taken", "wanted"),
    [
        (10, 4, (4, 6, 0, 0)),
        (8, 10, (10, 0, 2, 0)),
        (0, 10, (10, 0, 10, 0)),
        (-5, 10, (10, 0, 10, 5)),
        (0, 0, (0, 0, 0, 0)),
        (10, 10, (10, 0, 0, 0)),
    ],
)
def test_each_example_of_the_contract(lost, taken, wanted):
    """(D, T) gives filled, pulled, refilled and added; the quantity always adds up."""
    found = wall(100)
    assert found.change((100 - lost) * ONE, 3_000, Taken(taken * ONE), stands=True)
    assert sums(found) == (*wanted, 0)
    assert found.qty == (100 - lost) * ONE


def test_a_taking_of_the_last_half_second_waits_for_the_next_book():
    """It is filled there once a decrease explains it, and no refill was seen."""
    found = wall(100)
    found.change(97 * ONE, 3_000, Taken(10 * ONE, 7 * ONE), stands=True)
    assert (sums(found), found.carry) == ((3, 0, 0, 0, 0), 7 * ONE)
    found.change(90 * ONE, 5_000, Taken(), stands=True)
    assert (sums(found), found.carry) == ((10, 0, 0, 0, 0), 0)


def test_it_waits_once():
    """A taking that the next book does not show either was refilled."""
    found = wall(100)
    found.change(100 * ONE, 3_000, Taken(7 * ONE, 7 * ONE), stands=True)
    found.change(100 * ONE, 5_000, Taken(5 * ONE, 5 * ONE), stands=True)
    assert (sums(found), found.carry) == ((7, 0, 7, 0, 0), 5 * ONE)
    found.change(100 * ONE, 7_000, Taken(), stands=True)
    assert sums(found) == (12, 0, 12, 0, 0)


def test_a_wall_at_its_end_waits_for_nothing():
    """There is no next book in which a taking could be explained."""
    found = wall(100)
    assert not found.change(10 * ONE, 3_000, Taken(95 * ONE, 95 * ONE), stands=False)
    assert (sums(found), found.carry) == ((95, 0, 5, 0, 0), 0)
    assert found.verdict() == "filled"


def test_a_worse_price_ends_the_wall_whatever_stands_there():
    """All of it was gone; the quantity after it counts as 0."""
    found = wall(100)
    assert not found.change(400 * ONE, 3_000, Taken(60 * ONE, beyond=True), stands=True)
    assert (sums(found), found.qty) == ((60, 40, 0, 0, 0), 0)


@pytest.mark.parametrize(
    ("filled", "pulled", "wanted"),
    [
        (80, 20, "filled"),
        (79, 21, "mixed"),
        (20, 80, "pulled"),
        (21, 79, "mixed"),
        (100, 0, "filled"),
        (0, 100, "pulled"),
    ],
)
def test_four_fifths_decide(filled, pulled, wanted):
    """Of what was taken and pulled since the wall was largest."""
    found = wall(100)
    assert not found.change((100 - filled - pulled) * ONE, 3_000, Taken(filled * ONE), stands=False)
    assert found.verdict() == wanted


def test_the_verdict_looks_back_to_the_largest_quantity():
    """Half was pulled and came again before takers ate it: it was filled."""
    found = wall(100)
    found.change(50 * ONE, 3_000, Taken(), stands=True)
    found.change(100 * ONE, 5_000, Taken(), stands=True)
    found.change(0, 7_000, Taken(100 * ONE), stands=False)
    assert (found.verdict(), sums(found)) == ("filled", (100, 50, 0, 50, 0))


def test_missing_trades_are_no_guess():
    """The net change is unknown, and so is the end, unless the wall was as large again since."""
    found = wall(100)
    found.change(60 * ONE, 3_000, None, stands=True)
    again = WallAccount.restore(found.state())
    found.change(0, 5_000, Taken(60 * ONE), stands=False)
    assert (found.verdict(), sums(found)) == ("unknown", (60, 0, 0, 0, -40))
    again.change(100 * ONE, 5_000, Taken(), stands=True)
    again.change(0, 7_000, Taken(), stands=False)
    assert (again.verdict(), sums(again)) == ("pulled", (0, 100, 0, 40, -40))
    assert again.amounts()["unknown"] == "-40"


def test_a_waiting_taking_is_lost_where_trades_are_missing():
    """Its decrease is part of the unknown change: nothing is counted twice."""
    found = wall(100)
    found.change(100 * ONE, 3_000, Taken(9 * ONE, 9 * ONE), stands=True)
    found.change(91 * ONE, 5_000, None, stands=True)
    assert (sums(found), found.carry) == ((0, 0, 0, 0, -9), 0)


def test_the_quantity_always_adds_up():
    """Placed, less what was filled and pulled, with what came, is what stands: any story."""
    chance = random.Random(4)
    for _ in range(200):
        found = wall(chance.randint(10, 100))
        stands = True
        while stands:
            total = chance.choice((0, 0, chance.randint(0, 120))) * ONE
            recent = chance.choice((0, total, total // 2))
            known = chance.random() < 0.9
            taken = Taken(total, recent, beyond=chance.random() < 0.05) if known else None
            qty = chance.randint(0, 110) * ONE
            found = WallAccount.restore(found.state())
            stands = found.change(qty, 2_000, taken, stands=qty > 5 * ONE)
            came = found.refilled + found.added + found.unknown
            assert found.qty == found.placed - found.filled - found.pulled + came
            assert min(found.filled, found.pulled, found.refilled, found.added) >= 0
