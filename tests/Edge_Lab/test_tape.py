"""The tape and the book: every question against a plain search, on both sides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Edge_Lab import tape as tape_module
from Edge_Lab.tape import DayBooks, DayTrades, SideColumns
from tests.support.edge_market import book_of, tape_of
from tests.support.examples import often
from tests.support.plain_fills import PlainBook, PlainTrade

TRADES = st.lists(
    st.builds(
        PlainTrade,
        st.integers(0, 60),
        st.integers(98, 104),
        st.integers(1, 9),
        st.sampled_from(["buy", "sell"]),
        st.sampled_from(["0", "0", "1"]),
    ),
    min_size=14,
    max_size=40,
)


@pytest.fixture(autouse=True, scope="module")
def _small_blocks():
    """Let a few records fill several blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tape_module, "_BLOCK", 4)
        yield


def first(places):
    """Return the first of some places, None without any."""
    return next(iter(places), None)


@settings(max_examples=often(100, 300), deadline=None)
@given(TRADES, st.data())
def test_each_question_is_a_plain_search(trades, data):
    """Where price first rises or falls to a level, organic or not; extremes; buys at a price."""
    tape = tape_of(trades)
    start = data.draw(st.integers(0, len(trades)))
    stop = data.draw(st.integers(start, len(trades)))
    level = data.draw(st.integers(97, 105))
    span = range(start, stop)
    organic = [place for place in span if trades[place].source != "1"]
    rising = [place for place in span if trades[place].price >= level]
    assert tape.rises_to(level, start, stop, rpi=True) == first(rising)
    assert tape.rises_to(level, start, stop) == first(p for p in organic if p in rising)
    assert tape.falls_to(level, start, stop) == first(
        place for place in organic if trades[place].price <= level
    )
    assert tape.bought_at(level, start, stop).tolist() == [
        place for place in organic if trades[place].price == level and trades[place].side == "buy"
    ]
    if start < stop:
        prices = [trades[place].price for place in span]
        assert tape.extremes(start, stop) == (max(prices), min(prices))
    later = [place for place in range(start, len(trades)) if trades[place].source != "1"]
    assert tape.next_organic(start) == first(later)


@given(TRADES, st.integers(0, 61))
def test_the_clock_never_falls(trades, moment):
    """A late record counts at the newest time before it; a moment is found on that clock."""
    tape = tape_of(trades)
    clock = [max(trade.ts for trade in trades[: place + 1]) for place in range(len(trades))]
    assert tape.ts.tolist() == clock
    expected = first(place for place, ts in enumerate(clock) if ts >= moment)
    assert tape.first_at(moment) == (len(trades) if expected is None else expected)


@given(TRADES)
def test_a_mirrored_tape_is_the_other_side(trades):
    """Prices change their sign, takers their side; times, sizes and sources stay."""
    tape = tape_of(trades).mirrored
    assert tape.price.tolist() == [-trade.price for trade in trades]
    assert tape.buy.tolist() == [trade.side == "sell" for trade in trades]
    assert tape.organic.tolist() == [trade.source != "1" for trade in trades]
    assert tape.rises_to(-100, 0, len(tape)) == tape_of(trades).falls_to(100, 0, len(trades))


def test_an_empty_tape_answers():
    """No record: nothing is found, and no error."""
    tape = tape_of([])
    assert (len(tape), tape.first_at(5), tape.next_organic(0)) == (0, 0, None)
    assert tape.rises_to(1, 0, 0) is tape.falls_to(1, 0, 0) is None


BOOKS = [
    PlainBook(1_000, ((99, 5), (97, 2)), ((101, 4), (103, 6), (104, 1))),
    PlainBook(3_000, ((99, 5),), ((101, 4), (102, 1)), gap=True),
    PlainBook(5_000, ((98, 1), (90, 7)), ((101, 9),)),
    PlainBook(7_000, ((98, 1),), (), complete_bids=True, complete_asks=True),
]


def test_contracts_shown_at_a_price():
    """The size of a level; 0 inside the reach without one; -1 beyond it and over a gap."""
    book = book_of(BOOKS)
    assert book.shown(103, 0, 4).tolist() == [6, -1, -1, 0]
    assert book.shown(102, 0, 4).tolist() == [0, -1, -1, 0]
    assert book.shown(101, 2, 4).tolist() == [9, 0]
    assert book.mirrored.shown(-97, 0, 4).tolist() == [2, -1, 0, 0]
    assert book.mirrored.shown(-90, 0, 4).tolist() == [-1, -1, 7, 0]


def test_the_newest_snapshot_is_fresh_and_whole():
    """At most 10 s old, at or before the moment, and not over a gap."""
    book = book_of(BOOKS)
    moments = (999, 1_000, 2_999, 3_000, 5_000, 17_000, 17_001)
    assert [book.newest(ms) for ms in moments] == [None, 0, 0, None, 2, 3, None]


def test_a_walk_through_the_book():
    """Level by level; the rest that the book cannot serve pays its last level; no side, no walk."""
    book = book_of(BOOKS)
    assert book.walk(0, 3) == (303, 303, False)
    assert book.walk(0, 11) == (4 * 101 + 6 * 103 + 104, 11 * 101, False)
    assert book.walk(0, 15) == (4 * 101 + 6 * 103 + 5 * 104, 15 * 101, True)
    assert book.walk(3, 1) is None
    assert book.mirrored.walk(0, 6) == (5 * 99 + 97, 6 * 99, False)


def test_columns_that_do_not_fit_are_refused():
    """Other lengths, and snapshots out of order: an unsorted key is searched in vain."""
    one, two = np.zeros(1, np.int64), np.zeros(2, np.int64)
    with pytest.raises(ValueError, match="different lengths"):
        DayTrades(one, two, one, np.zeros(1, np.bool_))
    side = SideColumns(one[:0], one[:0], np.zeros(3, np.int64), two)
    with pytest.raises(ValueError, match="not in order of time"):
        DayBooks(np.array([2, 1]), np.ones(2, np.bool_), side, side)
