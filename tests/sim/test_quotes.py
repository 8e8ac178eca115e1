"""Best prices of the model: bid below ask, sizes that are taken, prices that are defended."""

import random

import pytest

from ravequant.sim.barriers import ASK, BID, Barrier
from ravequant.sim.instruments import listing
from ravequant.sim.quotes import STEP, Quotes

BTC = listing("BTC-USDT-SWAP")


def quotes(seed=1):
    return Quotes(random.Random(seed), BTC)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_best_bid_stays_below_the_best_ask(seed):
    """However the fair price moves; both have a size."""
    subject = quotes(seed)
    for slot in range(3_000):
        subject.look_ahead()
        subject.move(40.0, (slot // 100) % 3 - 1)
        subject.quote()
        assert subject.tick[BID] < subject.tick[ASK]
        assert subject.tick[BID] == int(subject.fair)
        assert min(subject.lots) >= 1
    assert subject.slot == 3_000


@pytest.mark.parametrize("side", [BID, ASK])
def test_a_best_price_that_is_taken_in_part_keeps_the_rest(side):
    """Price unchanged, size smaller."""
    subject = quotes()
    tick, lots = subject.tick[side], subject.lots[side]
    subject.take(side, lots - 1)
    assert (subject.tick[side], subject.lots[side]) == (tick, 1)


def test_an_emptied_price_moves_away_from_the_other_side_or_is_refilled():
    """Never towards it, and never empty."""
    moved = set()
    for seed in range(30):
        subject = quotes(seed)
        for side in (BID, ASK):
            tick = subject.tick[side]
            subject.take(side, subject.lots[side])
            assert (subject.tick[side] - tick) * STEP[side] >= 0
            assert subject.lots[side] >= 1
            moved.add(subject.tick[side] != tick)
    assert moved == {False, True}


def test_a_defended_price_holds_while_it_is_pressed():
    """The fair price stays half a tick in front of it, then falls back."""
    subject = quotes()
    barrier = Barrier(ASK, BTC.first_tick + 3, holds=1, until_slot=10_000)
    subject.barriers.clear(BTC.first_tick)
    subject.barriers.add(barrier)
    subject.look_ahead()
    subject.fair = barrier.tick + 1.0
    subject.move(0.0, 0)
    assert (subject.press, barrier.holds, subject.fair) == (1, 0, barrier.tick - 0.5)
    for _ in range(50):
        subject.move(1.0, 0)
        assert subject.fair < barrier.tick
    assert subject.press == 0


def test_a_defended_price_without_holds_left_gives_way():
    """It is removed, and nothing is pressed."""
    subject = quotes()
    subject.barriers.clear(BTC.first_tick)
    barrier = Barrier(ASK, BTC.first_tick + 3, holds=0, until_slot=10_000)
    subject.barriers.add(barrier)
    subject.look_ahead()
    subject.fair = barrier.tick + 1.0
    subject.move(0.0, 0)
    assert subject.press == 0
    assert subject.barriers.nearest(ASK, BTC.first_tick, BTC.first_tick + 1) is not barrier
