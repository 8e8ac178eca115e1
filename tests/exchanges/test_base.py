"""What all exchanges share: the state of a book, and the registry that loads an exchange."""

import subprocess
import sys
from dataclasses import replace

import pytest

from ravequant import exchanges
from ravequant.exchanges.base import BookState, Exchange, price_of

STATE = BookState(
    ts=1,
    seq_id=11,
    prev_seq_id=10,
    checksum=0,
    bids={99: "9.9,1,0,1", 100: "10,2,0,1"},
    asks={102: "10.2,1,0,1", 101: "10.1,3,0,1"},
    best_bid=100,
    best_ask=101,
)


def test_levels_are_handed_out_from_the_best_on():
    """Bids descend, asks ascend, whatever order the sides are kept in."""
    assert STATE.top_bids(1) == ["10,2,0,1"]
    assert STATE.top_bids(5) == ["10,2,0,1", "9.9,1,0,1"]
    assert STATE.top_asks(5) == ["10.1,3,0,1", "10.2,1,0,1"]
    assert price_of(STATE.top_asks(1)[0]) == "10.1"


@pytest.mark.parametrize(
    ("best_bid", "best_ask", "crossed"), [(100, 101, False), (101, 101, True), (102, 101, True)]
)
def test_a_book_crosses_when_the_best_bid_is_not_below_the_best_ask(best_bid, best_ask, crossed):
    """Equal prices cross too; a crossed book is not consistent."""
    state = replace(STATE, best_bid=best_bid, best_ask=best_ask)
    assert (state.crossed, state.consistent) == (crossed, not crossed)


@pytest.mark.parametrize("state", [replace(STATE, bids={}), replace(STATE, asks={})])
def test_a_book_with_an_empty_side_is_neither_crossed_nor_consistent(state):
    """There is nothing to cross, and nothing to write."""
    assert (state.crossed, state.consistent) == (False, False)


@pytest.mark.parametrize(
    ("seq_id", "previous", "reset"),
    [(11, 10, False), (10, 10, False), (3, 10, True), (None, 10, False), (3, None, False)],
)
def test_a_sequence_that_falls_is_a_reset(seq_id, previous, reset):
    """The same id again is a heartbeat; captures without ids know no reset."""
    assert replace(STATE, seq_id=seq_id, prev_seq_id=previous).reset is reset


@pytest.mark.parametrize("name", exchanges.NAMES)
def test_every_exchange_is_loaded_by_its_name(name):
    """The name in vault paths is the name on the command line."""
    found = exchanges.load(name)
    assert isinstance(found, Exchange)
    assert found.name == name


def test_an_exchange_is_loaded_when_it_is_asked_for():
    """Its libraries are no burden for programs that record another exchange."""
    code = "import sys, ravequant.exchanges; print('ravequant.exchanges.okx' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"
