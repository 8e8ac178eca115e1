"""Exits: the worked trades, a plain loop on both sides, fees, funding, and what never counts."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Edge_Lab.exits import (
    BPS,
    RATE_PLACES,
    ExitRules,
    FundingRate,
    break_even_pct,
    chance_pct,
    funding_of,
    result,
    settlements_between,
)
from Edge_Lab.fills import ModelFill, OrderClock, RestingOrder, fills
from Edge_Lab.placebo import Bracket
from ravequant import exact, times
from tests.support import plain_fills
from tests.support.edge_market import (
    BOOKS,
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

RATE_ONE = 10**RATE_PLACES
RULES = ExitRules()
# SPEC's SHORT 101250, stop 101260.2, target 100900.5, in tenths
TARGET = 1_009_005
SPEC = Bracket(-1, 1_012_500, 1_012_602, TARGET)
START = at("21:40:00")
CLOCK = OrderClock(START, START, START + 60_000, START + 3_720_000)


def ended(tape, book, order, fill, rules=RULES) -> Any:
    """Return the result of a filled order."""
    return result(tape, book, order, fill, rules=rules)


def spec_trade(*prices, rules=RULES, bracket=SPEC, settlements=()) -> Any:
    """Return the result of a trade that is filled and then meets these (seconds, price)."""
    side = "buy" if bracket.side < 0 else "sell"
    fill = PlainTrade(START, bracket.tip - bracket.side, 1, side)
    later = [PlainTrade(START + int(s * 1_000), price, 1, side) for s, price in prices]
    order = RestingOrder(bracket, CLOCK, 5)
    return result(
        tape_of([fill, *later]), None, order, ModelFill(0), rules=rules, settlements=settlements
    )


def test_the_worked_tape_ends_at_its_stop():
    """Base 101262.5, walk 0.4, exit 101262.9; the touch fill's results to four places."""
    tape, book = tape_of(WORKED), book_of(BOOKS)
    found = ended(tape, book, order_of(), fills(tape, book, order_of())["touch"])
    assert (found.exit, found.exit_place, found.depth) == ("stop", 8, "book")
    assert found.exit_price / 2 / 10_000 == pytest.approx(101_262.9, abs=1e-4)
    assert (found.gross, found.net, found.net_r) == (-12_741, -82_747, -10_295)
    assert (found.mae, found.mfe, found.overshoot) == (10_370, 494, 0)
    assert found.life_ms == at("21:36:14.120") - at("21:36:00")


def test_the_worked_walk():
    """25 contracts into 10 at 101260.3 and 30 at 101260.8: 0.0296 bps."""
    book = book_of([PlainBook(0, (), ((1_012_603, 10), (1_012_608, 30)))])
    walk = book.walk(0, 25)
    assert Fraction(walk.paid, 25) == 1_012_606
    assert float(Fraction(walk.paid, walk.whole) - 1) * 1e4 == pytest.approx(0.0296, abs=5e-5)


FREE = ExitRules(slippage_bps=0)


@pytest.mark.parametrize(
    ("prices", "kind", "gross", "net", "net_r"),
    [
        ([(1, 1_009_005), (2, 1_009_005)], "target", 345_185, 275_358, 34_386),
        ([(1, 1_012_602), (2, 1_012_624)], "stop", -12_247, -82_253, -10_271),
        ([(3_600, 1_012_400)], "time", 9_877, -60_119, -7_507),
        ([(1, 1_012_602), (2, 1_012_602)], "stop", -10_074, -80_079, -10_000),
    ],
)
def test_the_worked_outcomes(prices, kind, gross, net, net_r):
    """Target, a stop filled beyond, time, and a stop at its price, which is -1 R exactly."""
    found = spec_trade(*prices, rules=FREE)
    assert (found.exit, found.gross, found.net, found.net_r) == (kind, gross, net, net_r)


@pytest.mark.parametrize(
    ("stop", "target", "chance", "even"),
    [
        (1, 10, 9.09, 72.73), (1, 20, 4.76, 38.10), (5, 10, 33.33, 80), (10, 10, 50, 85),
        (10, 20, 33.33, 56.67), (10, 30, 25, 42.50), (20, 40, 33.33, 45),
    ],
)  # fmt: skip
def test_the_table_of_chance_and_break_even(stop, target, chance, even):
    """Gambler's ruin, and what 7 bps of fees ask for."""
    assert chance_pct(stop, target) == pytest.approx(chance, abs=5e-3)
    assert break_even_pct(stop, target) == pytest.approx(even, abs=5e-3)
    assert break_even_pct(stop, 7) is None


bps = st.integers(0, 9 * exact.SIZE_ONE)
RULE_SETS = st.builds(
    ExitRules,
    stop_arm_ms=st.sampled_from([0, 500, 3_000]),
    stop_latency_ms=st.sampled_from([0, 100, 2_000]),
    hold_max_min=st.just(0) | st.just(1),
    target_order=st.sampled_from(["taker", "maker"]),
    maker_bps=bps,
    taker_bps=bps,
    slippage_bps=bps,
    funding_bps=bps,
)


@settings(max_examples=often(170, 500), deadline=None)
@given(markets(), RULE_SETS, st.lists(st.tuples(
    st.integers(-50, 100).map(lambda s: s * 1_000),
    st.none() | st.integers(-RATE_ONE // 100, RATE_ONE // 100)), max_size=3))  # fmt: skip
def test_exits_are_those_of_a_plain_loop(market, rules, settled):
    """Both sides, stop, target and time, walk, fees and funding: as record by record."""
    trades, books, plain = market
    tape, book, order = tape_of(trades), book_of(books), lab_order(plain)
    settlements = [FundingRate(*each) for each in settled]
    scale = exact.SIZE_ONE
    plain_rules = {
        "hold_ms": rules.hold_max_min * 60_000,
        "arm_ms": rules.stop_arm_ms,
        "latency_ms": rules.stop_latency_ms,
        "target": rules.target_order,
        "maker": Fraction(rules.maker_bps, scale),
        "taker": Fraction(rules.taker_bps, scale),
        "slippage": Fraction(rules.slippage_bps, scale),
        "funding": Fraction(rules.funding_bps, scale),
        "settlements": [
            (ms, None if rate is None else Fraction(rate, RATE_ONE)) for ms, rate in settled
        ],
    }
    for fill in fills(tape, book, order).values():
        if fill is None:
            continue
        found = result(tape, book, order, fill, rules=rules, settlements=settlements)
        expected = plain_fills.leave(trades, books, plain, fill.place, plain_rules)
        if expected is None:
            assert found is None
            continue
        for name in ("exit", "exit_place", "depth", "fill_ms", "exit_ms"):
            assert getattr(found, name) == expected[name], name
        amounts = ("exit_price", "gross", "net", "net_r", "mae", "mfe", "overshoot", "funding")
        for name in amounts:
            assert getattr(found, name) == round(expected[name] * 10_000), name


def test_the_exit_record_has_a_larger_id_than_the_fill():
    """Prices from before the fill, and the fill record itself, end nothing."""
    before = PlainTrade(START - 1_000, SPEC.stop + 50, 1, "buy")
    fill = PlainTrade(START, SPEC.stop + 50, 1, "buy")
    rest = [PlainTrade(START + 1_000 * s, SPEC.tip - 10, 1, "sell") for s in (1, 3_600)]
    tape = tape_of([before, fill, *rest])
    order = RestingOrder(SPEC, CLOCK, 5)
    found = ended(tape, None, order, ModelFill(1))
    assert (found.exit, found.exit_place) == ("time", 3)


def test_the_stop_is_armed_after_half_a_second():
    """A price beyond the stop within 500 ms ends nothing by itself; the next record then does."""
    late = spec_trade((0.499, SPEC.stop + 30), (0.5, SPEC.stop), (0.7, SPEC.stop + 4), rules=FREE)
    assert (late.exit, late.exit_place, late.exit_price) == ("stop", 3, (SPEC.stop + 4) * 10_000)
    back = spec_trade((0.499, SPEC.stop + 30), (0.6, SPEC.tip), (3_600, SPEC.tip), rules=FREE)
    assert back.exit == "time"


def test_a_record_with_source_1_triggers_stops_and_nothing_else():
    """It reaches no target, is no price to leave at, and ends the trade at its stop."""
    fill = PlainTrade(START, SPEC.tip, 1, "buy")
    after = [PlainTrade(START + ms, SPEC.stop + 8, 1, "buy") for ms in (1_200,)]
    order = RestingOrder(SPEC, CLOCK, 5)

    def ends(price, *more):
        rpi = PlainTrade(START + 1_000, price, 1, "buy", source="1")
        return ended(tape_of([fill, rpi, *more]), None, order, ModelFill(0), FREE)

    stopped = ends(SPEC.stop, PlainTrade(START + 1_100, SPEC.stop + 3, 1, "buy", "1"), *after)
    assert (stopped.exit, stopped.exit_place) == ("stop", 3)
    time_up = [PlainTrade(START + 3_600_000, SPEC.tip, 1, "buy")]
    assert ends(TARGET - 50, *time_up).exit == "time"


def test_a_maker_target_needs_a_trade_beyond_it():
    """At the target the order may still wait; a tick beyond it is filled, at the maker fee."""
    maker = ExitRules(target_order="maker", slippage_bps=0)
    waits = spec_trade((1, TARGET), (3_600, SPEC.tip), rules=maker)
    reached = spec_trade((1, TARGET), (2, TARGET - 1), rules=maker)
    assert waits.exit == "time"
    assert (reached.exit, reached.exit_place, reached.depth) == ("target", 2, None)
    assert reached.exit_price == TARGET * 10_000
    assert reached.net == reached.gross - 20_000 - round(Fraction(2 * TARGET, SPEC.tip) * 10**4)


def test_time_is_up_before_the_record_that_comes_then():
    """A record at the end of the hour ends the trade by time, also if it lies beyond the stop."""
    found = spec_trade((3_600, SPEC.stop + 20), rules=FREE)
    assert (found.exit, found.exit_price) == ("time", (SPEC.stop + 20) * 10_000)


def test_an_exit_that_the_tape_does_not_reach_is_none():
    """No record after the stop's latency, or none at the end of the hour: the trade is open."""
    assert spec_trade((1, SPEC.stop), (1.05, SPEC.stop)) is None
    assert spec_trade((1, SPEC.tip)) is None


def test_without_a_book_slippage_is_paid():
    """1 bp against the trade, on both sides, and the depth says that nobody knows."""
    short = spec_trade((3_600, SPEC.tip))
    long = spec_trade((3_600, SPEC.tip), bracket=SPEC.moved_to(SPEC.tip, 1))
    for found in (short, long):
        assert (found.gross, found.depth) == (-10_000, "none")
    assert short.exit_price > SPEC.tip * 10_000 > long.exit_price


# --- funding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "rate", "expected"), [
    (-1, RATE_ONE // 10_000, 1), (1, RATE_ONE // 10_000, -1), (-1, None, -1), (1, None, -1),
    (-1, -RATE_ONE // 10_000, -1), (1, -RATE_ONE // 10_000, 1),
])  # fmt: skip
def test_the_worked_funding(side, rate, expected):
    """A rate of 0.0001 held across: SHORT +1 bp, LONG -1 bp, unknown -1 bp for both."""
    settled = [FundingRate(START, rate)]
    span = (START - 1, START + 60_001)
    assert funding_of(side, span, settled, exact.SIZE_ONE) == expected * RATE_ONE


def test_a_charge_counts_at_any_time_and_a_receipt_only_throughout():
    """The exchange may take a minute, and it takes it against us."""
    pays, gets = (FundingRate(START, sign * RATE_ONE // 10_000) for sign in (1, -1))
    spans = {
        (START + 60_000, START + 70_000): (True, False),  # opened at the last moment
        (START - 9, START): (True, False),  # closed at the first
        (START, START + 60_000): (True, True),
        (START + 1, START + 60_000): (True, False),
        (START, START + 59_999): (True, False),
        (START + 60_001, START + 70_000): (False, False),
        (START - 9, START - 1): (False, False),
    }
    for span, counts in spans.items():
        found = [bool(funding_of(1, span, [one], 0)) for one in (pays, gets)]
        assert tuple(found) == counts, span


def test_usual_settlements_stand_in_for_missing_lines():
    """Recorded rates as they are; 00, 08 and 16 UTC without a line within a minute are unknown."""
    day = times.day_start_ms("2025-12-14")
    rates = {day + 8 * times.HOUR_MS + 30_000: 7, day + 12 * times.HOUR_MS: 9}
    found = list(settlements_between(rates, day, day + times.DAY_MS - 1))
    assert found == [
        FundingRate(day, None),
        FundingRate(day + 8 * times.HOUR_MS + 30_000, 7),
        FundingRate(day + 12 * times.HOUR_MS, 9),
        FundingRate(day + 16 * times.HOUR_MS, None),
    ]
    assert list(settlements_between({}, day + 1, day + 8 * times.HOUR_MS - 1)) == []


def test_funding_is_part_of_the_net_result():
    """A SHORT that receives 1 bp earns 1 bp more, and says so."""
    ends = ((3_600, SPEC.tip),)
    settled = [FundingRate(START + 60_000, RATE_ONE // BPS)]
    plain, funded = spec_trade(*ends), spec_trade(*ends, settlements=settled)
    assert (funded.funding, funded.net - plain.net) == (10_000, 10_000)
    assert funded.gross == plain.gross
