"""On a market without an edge the engine finds none: gambler's ruin, and optional stopping."""

import math

import numpy as np
import pytest

from Edge_Lab.exits import ExitRules, result
from Edge_Lab.fills import OrderClock, RestingOrder, fills
from Edge_Lab.placebo import Bracket, Side
from Edge_Lab.tape import DayTrades

STEP_MS = 1_000
BARE = ExitRules(
    stop_arm_ms=0, stop_latency_ms=0, hold_max_min=10_000, maker_bps=0, taker_bps=0, slippage_bps=0
)


def walk(size, seed):
    """Return a driftless walk of single ticks, one trade a second; who takes moves the price."""
    up = np.random.default_rng(seed).integers(0, 2, size).astype(np.bool_)
    price = 1_000_000 + np.cumsum(np.where(up, 1, -1))
    ts = np.arange(size, dtype=np.int64) * STEP_MS
    return DayTrades(ts, price, np.ones(size, dtype=np.int64), up)


def trades_of(tape, model, bracket_of, rules=BARE):
    """Yield the results of orders that rest a minute, none before the last one ended."""
    place = 0
    while place < len(tape) - 1:
        active = tape.ms(place) + 1
        clock = OrderClock(0, active, active + 60 * STEP_MS, 0)
        order = RestingOrder(bracket_of(int(tape.price[place])), clock, 1)
        fill = fills(tape, None, order)[model]
        if fill is None:
            place = tape.first_at(clock.expires)
            continue
        found = result(tape, None, order, fill, rules=rules)
        if found is None:
            return
        yield found
        place = found.exit_place


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(
    ("model", "gain"), [("touch", 0), ("through", 1)], ids=["touch", "through"]
)
@pytest.mark.parametrize(("stop", "target"), [(15, 15), (10, 30), (4, 12)])
def test_wins_are_those_of_gamblers_ruin(side: Side, model, gain, stop, target):
    """A win rate of (S - j) / (S + T): j is 1 tick where the fill lies a tick beyond the tip."""
    tape = walk(600_000, seed=stop * 100 + target)

    def bracket_of(price):
        tip = price - side * 2
        return Bracket(side, tip, tip - side * stop, tip + side * target)

    found = list(trades_of(tape, model, bracket_of))
    chance = (stop - gain) / (stop + target)
    wins = sum(trade.exit == "target" for trade in found) / len(found)
    assert len(found) > 900
    assert abs(wins - chance) <= 4 * math.sqrt(chance * (1 - chance) / len(found))


@pytest.mark.parametrize("model", ["touch", "through"])
def test_no_fill_knows_the_future(model):
    """Optional stopping: from fill record to exit record the mean move is nothing, within 4 se.

    Stop, target and time, with the latencies of a person: whatever ends a trade, its record came
    without being asked for.
    """
    tape = walk(600_000, seed=11)
    rules = ExitRules(stop_arm_ms=5_000, stop_latency_ms=3_000, hold_max_min=3)

    def bracket_of(price):
        return Bracket(-1, price + 2, price + 9, price - 10)

    moves = np.array(
        [
            int(tape.price[trade.fill_place] - tape.price[trade.exit_place])
            for trade in trades_of(tape, model, bracket_of, rules)
        ]
    )
    assert len(moves) > 2_000
    assert abs(moves.mean()) <= 4 * moves.std() / math.sqrt(len(moves))


def test_bars_in_place_of_trades_would_be_caught():
    """A win counted wherever a minute holds both ends: far more than chance, so the bound bites."""
    tape = walk(600_000, seed=5)
    wins = total = 0
    for place in range(0, len(tape) - 3_600, 300):
        entry = int(tape.price[place])
        for minute in range(place, place + 3_600, 60):
            high, low = tape.extremes(minute, minute + 60)
            if low <= entry - 5:
                wins, total = wins + 1, total + 1
            elif high >= entry + 5:
                total += 1
            else:
                continue
            break
    assert wins / total - 0.5 > 4 * math.sqrt(0.25 / total)
