"""The published trades of an instrument, paged backwards by id and by time, in single fills."""

from ravequant.records import Trade
from ravequant.sim import frames
from ravequant.sim.history import TradeHistory


def split(trade):
    return frames.fills(trade, None, 1)


def history(*trades):
    made = TradeHistory()
    for trade in trades:
        made.append(trade)
    return made


def record(trade_id, count=1, ts=0):
    return Trade(ts or 1_000 + trade_id, trade_id, "buy", "100", str(count), count)


MADE = history(record(3, 3), record(4), record(8, 4), record(9))  # ids 1 to 9


def ids(fills):
    return [fill.trade_id for fill in fills]


def test_a_record_comes_back_as_it_was():
    """Every field; negative indices count from the end."""
    trade = Trade(7, 12, "sell", "100.5", "2", 2, "1")
    assert history(record(3), trade).record(-1) == trade
    assert len(MADE) == 4


def test_the_newest_fills_come_first():
    """Records are split; the limit counts fills."""
    assert ids(MADE.newest(3, split)) == [9, 8, 7]
    assert ids(MADE.newest(99, split)) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_a_page_by_id_begins_below_the_id():
    """Also inside a record; ``before`` is excluded too."""
    assert ids(MADE.by_id(7, None, 3, split)) == [6, 5, 4]
    assert ids(MADE.by_id(None, None, 2, split)) == [9, 8]
    assert ids(MADE.by_id(9, 5, 99, split)) == [8, 7, 6]
    assert ids(MADE.by_id(1, None, 99, split)) == []
    assert ids(MADE.by_id(100, None, 1, split)) == [9]


def test_a_page_by_time_is_older_than_the_time():
    """A record stamped earlier than its neighbours does not hide them."""
    made = history(record(1, ts=10), record(2, ts=30), record(3, ts=20), record(4, ts=40))
    assert ids(made.by_time(40, 9, split)) == [3, 2, 1]
    assert ids(made.by_time(30, 9, split)) == [1]
    assert ids(made.by_time(None, 2, split)) == [4, 3]
