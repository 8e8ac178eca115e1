"""The order at the tip: clock, size, status, holes, and the fills that a plain loop finds."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Edge_Lab import tape as tape_module
from Edge_Lab.fills import (
    ModelFill,
    OrderClock,
    contracts,
    fills,
    hole_minutes,
    is_missed,
    order_clock,
    status_of,
    touches_hole,
)
from ravequant import times
from ravequant.contract import Contract
from tests.support import plain_fills
from tests.support.edge_market import (
    BOOKS,
    TIP,
    WORKED,
    at,
    book_of,
    lab_order,
    markets,
    order_of,
    tape_of,
)
from tests.support.examples import often
from tests.support.plain_fills import PlainBook, PlainTrade

LINEAR = Contract("0.01", "1", "linear")
A = times.parse_iso("2025-12-14T21:35:00Z") // times.MINUTE_MS
BIRTH = A - 31


def test_the_worked_clock():
    """Raw lines at 21:35:04.900 and 21:35:05.200: the second closes the minute before A."""
    tape = tape_of([PlainTrade(at(text), 1, 1, "buy") for text in ("21:35:04.900", "21:35:05.200")])
    options = {"age_max": 40, "hold_max_min": 60, "latency_ms": 10_000}

    def active(detected):
        found = order_clock(tape, A, BIRTH, **options, detected_ms=at(detected))
        return found and found.active

    clock = order_clock(tape, A, BIRTH, **options)
    assert clock == OrderClock(
        at("21:35:05.200"), at("21:35:15.200"), at("21:45:00"), at("22:46:00")
    )
    assert active("21:35:21") == at("21:35:31")
    assert active("21:35:05") == at("21:35:15.200")
    assert order_clock(tape, A + 1, BIRTH, **options) is None


def test_the_worked_size():
    """25,000 USD at 101250 and 0.01 coins a contract, in lots of 0.01: 24.69 contracts."""
    assert contracts("25000", LINEAR, "101250", "0.01", "0.01") == 2_469
    assert contracts("1000", LINEAR, "101250", "1", "1") == 1  # 0.98, and at least minSz
    assert contracts("1000", LINEAR, "101250", "0.01", "5") == 500
    assert contracts("1000", Contract("0.1", "10", "linear"), "3000.5", "0.1", "0.1") == 3
    assert contracts("1050", Contract("100", "1", "inverse"), "101250", "1", "1") == 10


def test_the_worked_tape_fills_each_model_by_its_record():
    """Touch by record 3, queue by record 7, through by record 8."""
    found = fills(tape_of(WORKED), book_of(BOOKS), order_of())
    assert found == {"touch": ModelFill(0), "queue": ModelFill(4), "through": ModelFill(5)}


def test_without_a_book_only_a_trade_beyond_fills_the_queue():
    """Nobody knows how long the queue was: the fill says so."""
    found = fills(tape_of(WORKED), None, order_of())
    assert found["queue"] == ModelFill(5, known=False)
    assert found["touch"] == ModelFill(0)


def test_takers_of_the_other_side_fill_nothing():
    """Sells at the tip reach no model, however large; a record with source 1 neither."""
    for other in (
        PlainTrade(at("21:36:00"), TIP, 10_000, "sell"),
        PlainTrade(at("21:36:00"), TIP + 9, 10_000, "buy", source="1"),
    ):
        found = fills(tape_of([other]), book_of(BOOKS), order_of())
        assert found == {"touch": None, "queue": None, "through": None}


def test_a_print_of_the_snapshots_millisecond_comes_before_it():
    """Equal times: the print is already out of the size shown, and is not taken off twice."""
    books = [PlainBook(at("21:36:00"), (), ((TIP, 4), (TIP + 50, 1)))]
    prints = [PlainTrade(at("21:36:00"), TIP, 9, "buy"), PlainTrade(at("21:36:01"), TIP, 8, "buy")]
    assert fills(tape_of(prints), book_of(books), order_of())["queue"] is None
    prints.append(PlainTrade(at("21:36:01"), TIP, 1, "buy"))
    assert fills(tape_of(prints), book_of(books), order_of())["queue"] == ModelFill(2)


@pytest.fixture(autouse=True, scope="module")
def _small_blocks():
    """Let a few records fill several blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tape_module, "_BLOCK", 4)
        yield


def test_a_snapshot_of_the_same_millisecond_comes_too_late_to_be_known():
    """A trade beyond the tip fills at a moment at which nobody had seen the queue yet."""
    book = book_of([PlainBook(at("21:36:13"), (), ((TIP, 4), (TIP + 50, 1)))])
    for text, known in (("21:36:13", False), ("21:36:13.001", True)):
        found = fills(tape_of([PlainTrade(at(text), TIP + 1, 1, "buy")]), book, order_of())
        assert found["queue"] == ModelFill(0, known=known)


@settings(max_examples=often(140, 400), deadline=None)
@given(markets())
def test_fills_are_those_of_a_plain_loop(market):
    """Both sides, all models, and whether the queue was known: as record by record."""
    trades, books, plain = market
    found = fills(tape_of(trades), book_of(books), lab_order(plain))
    expected, known = plain_fills.fills(trades, books, plain)
    assert {model: fill and fill.place for model, fill in found.items()} == expected
    if found["queue"] is not None:
        assert found["queue"].known == known


@settings(max_examples=often(70, 200), deadline=None)
@given(markets())
def test_models_are_ordered(market):
    """Touch fills no later than queue, and queue no later than through."""
    trades, books, plain = market
    found = fills(tape_of(trades), book_of(books), lab_order(plain))
    places = [len(trades) if fill is None else fill.place for fill in found.values()]
    assert places == sorted(places)


def test_an_order_is_missed_if_price_was_there_before_it():
    """In contact at A, or any trade at or beyond the tip before T0; at T0 it is a fill."""
    tape = tape_of([PlainTrade(at("21:35:15.199"), TIP, 1, "sell", source="1")])
    assert is_missed(tape, order_of(), A, in_contact=False)
    late = tape_of([PlainTrade(at("21:35:15.200"), TIP, 1, "buy")])
    early = tape_of([PlainTrade(at("21:34:59.999"), TIP, 1, "buy")])
    near = tape_of([PlainTrade(at("21:35:01"), TIP - 1, 1, "buy")])
    for tape in (late, early, near):
        assert not is_missed(tape, order_of(), A, in_contact=False)
        assert is_missed(tape, order_of(), A, in_contact=True)
    long = order_of(1, TIP, TIP - 21)
    assert is_missed(near, long, A, in_contact=False)


def test_holes_are_marked_minutes_and_those_missing_before_them():
    """A marked row, and the minutes without a row directly before it; the first row has none."""
    assert hole_minutes([10, 11, 14, 15, 20], [False, False, True, False, True]) == {
        12, 13, 14, 16, 17, 18, 19, 20,
    }  # fmt: skip
    assert hole_minutes([10, 12], [True, False]) == {10}
    assert hole_minutes([], []) == set()


@given(st.sets(st.integers(0, 30)), st.integers(0, 30), st.integers(1, 31 * 60_000))
def test_a_hole_counts_from_the_candle_to_the_horizon(holes, first, horizon):
    """Any minute that begins before X, from the start of the candle on."""
    expected = any(first <= minute and minute * 60_000 < horizon for minute in holes)
    assert touches_hole(holes, first, horizon) == expected


@pytest.mark.parametrize(
    ("end", "contact", "hole", "model", "status"),
    [
        ("22:46:00", False, False, "queue", "filled"),
        ("22:46:00", False, False, "through", "filled"),
        ("22:46:00", True, False, "queue", "missed"),
        ("22:45:59.999", False, False, "queue", "open"),
        ("22:45:59.999", True, False, "queue", "open"),
        ("22:46:00", True, True, "queue", "gap"),
        ("22:40:00", False, True, "queue", "gap"),
    ],
)
def test_what_became_of_an_order(end, contact, hole, model, status):
    """A gap is decided before any outcome, then whether X was reached, then whether it rested."""
    tape = tape_of([*WORKED, PlainTrade(at(end), TIP - 40, 1, "sell")])
    order = order_of()
    found: Any = fills(tape, book_of(BOOKS), order)
    options: dict[str, Any] = {"in_contact": contact, "in_hole": hole}
    filled = found[model] is not None
    assert status_of(tape, order, A, filled=filled, **options) == status


def test_an_order_that_nobody_met_is_unfilled():
    """Price stayed away: a trial without a result, and it is counted."""
    tape = tape_of(
        [PlainTrade(at("21:36:00"), TIP - 9, 1, "buy"), PlainTrade(at("23:00:00"), 1, 1, "buy")]
    )
    filled = fills(tape, None, order_of())["touch"] is not None
    options: dict[str, Any] = {"in_contact": False, "in_hole": False}
    assert status_of(tape, order_of(), A, filled=filled, **options) == "unfilled"


def test_no_order_is_filled_after_it_expired():
    """E itself is too late; the millisecond before is not."""
    for text, place in (("21:44:59.999", 0), ("21:45:00", None)):
        found = fills(tape_of([PlainTrade(at(text), TIP + 1, 1, "buy")]), None, order_of())
        assert (found["through"] and found["through"].place) == place


def test_many_levels_are_fast_enough():
    """A day of 200,000 trades and 100 levels of three models: far below a second."""
    rng = np.random.default_rng(5)
    size = 200_000
    steps = np.cumsum(rng.integers(-1, 2, size)) + 1_000_000
    trades = [
        np.sort(rng.integers(0, times.DAY_MS, size)), steps, np.ones(size, np.int64),
        rng.integers(0, 2, size).astype(bool),
    ]  # fmt: skip
    tape = tape_module.DayTrades(*trades)
    filled = 0
    for level in range(100):
        active = level * 600_000
        tip = int(steps[tape.first_at(active)]) + 20
        clock = OrderClock(0, active, active + 1_200_000, active + 4_860_000)
        found = fills(tape, None, order_of(-1, tip, tip + 10, clock))
        filled += found["touch"] is not None
    assert filled > 30
