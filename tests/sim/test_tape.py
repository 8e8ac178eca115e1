"""The tape of a model instrument: fills become records with ids in a row."""

import random

from ravequant.sim.barriers import ASK, BID
from ravequant.sim.instruments import listing
from ravequant.sim.tape import Tape

BTC = listing("BTC-USDT-SWAP")
TICK = BTC.first_tick


class Dull(random.Random):
    """Never swaps times, never splits a fill."""

    def random(self):
        return 0.99


def tape():
    return Tape(Dull(), BTC)


def test_neighbours_of_one_order_become_one_record():
    """Equal time, side, price and source; sizes and counts are summed."""
    subject = tape()
    subject.fill(5, ASK, TICK, 2, "0")
    subject.fill(5, ASK, TICK, 3, "0")
    assert len(subject) == 1
    subject.publish()
    (trade,) = subject.trades
    assert (trade.ts, trade.side, trade.price, trade.qty, trade.count) == (
        5, "buy", BTC.price, "0.05", 2,
    )  # fmt: skip
    assert trade.first_id == BTC.first_trade_id


def test_any_difference_makes_another_record():
    """Time, side, price or source; ids go on without a hole."""
    subject = tape()
    subject.fill(5, ASK, TICK, 1, "0")
    for ts, side, tick, source in ((6, ASK, TICK, "0"), (6, BID, TICK, "0"),
                                   (6, BID, TICK - 1, "0"), (6, BID, TICK - 1, "1")):  # fmt: skip
        subject.fill(ts, side, tick, 1, source)
    subject.publish()
    assert len(subject) == 0
    ids = [trade.trade_id for trade in subject.trades]
    assert ids == list(range(BTC.first_trade_id, BTC.first_trade_id + 5))
    assert [trade.side for trade in subject.trades] == ["buy", "buy", "sell", "sell", "sell"]


def test_the_extremes_are_those_of_all_fills():
    """The flow resets them each minute."""
    subject = tape()
    for tick in (TICK + 3, TICK - 5):
        subject.fill(5, ASK, tick, 1, "0")
    assert (subject.low, subject.high) == (TICK - 5, TICK + 3)


def test_large_fills_are_counted_as_several_now_and_then():
    """A record's count is never above its lots."""
    subject = Tape(random.Random(3), BTC)
    for number in range(500):
        subject.fill(10 * number, ASK, TICK, 40, "0")
    subject.publish()
    counts = [trade.count for trade in subject.trades]
    assert 1 in counts
    assert 1 < max(counts) <= 40
