"""The line of a trial: the worked example, its status, and placebos that are plain trades."""

import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from Edge_Lab.exits import ExitRules, FundingRate, result
from Edge_Lab.fills import OrderClock, RestingOrder, fills
from Edge_Lab.placebo import BIN_EDGES, Bracket, PlaceboMarket, placebos
from Edge_Lab.tape import DayTrades
from Edge_Lab.trials import (
    TrialMarket,
    TrialPlan,
    TrialRules,
    line_of,
    placed,
    rate_of,
    written,
)
from ravequant import times
from tests.support.edge_market import BOOKS, STOP, TIP, WORKED, at, book_of, tape_of
from tests.support.plain_fills import PlainTrade

BTC = "BTC-USDT-SWAP"
A = at("21:35:00") // times.MINUTE_MS
EVENT = f"{BTC}|1m|2025-12-14T21:04:00Z|high"
MODELS = ("touch", "queue", "through")


def plan_of(**changed):
    """Return the plan of the worked trade; prices in halves, as hundredths of 0.5 would be."""
    values: dict[str, Any] = {
        "event_id": EVENT,
        "minute": A,
        "birth": A - 31,
        "candle_start": A - 32,
        "bracket": Bracket(-1, TIP, STOP),
        "size": 5,
        "last": TIP - 300,
        "in_contact": False,
        "tips": (TIP,),
        "families": ("base",),
        "facts": {"age": 31},
    }
    return TrialPlan(**values | changed)


def market_of(records, **changed):
    """Return the market of the worked trade; the last record lies beyond the horizon."""
    early = PlainTrade(at("21:35:05.200"), TIP - 300, 1, "sell")
    late = PlainTrade(at("22:46:00"), TIP - 300, 1, "sell")
    values: dict[str, Any] = {
        "inst_id": BTC,
        "trades": tape_of([early, *records, late]),
        "books": book_of(BOOKS),
        "price_places": 0,
        "tick": 1,
    }
    return TrialMarket(**values | changed)


def line(plan, market, **rules) -> Any:
    """Return the line of a trial, as it comes back from its file."""
    return json.loads(json.dumps(line_of(plan, market, TrialRules(**rules))))


def test_the_worked_trade_as_a_line():
    """Times, plan, status, and the results of the three models, to four places."""
    found = line(plan_of(), market_of(WORKED))
    assert list(found) == [
        "event_id", "A_utc", "age_max", "K_utc", "T0_utc", "X_utc", "instId", "side", "entry",
        "stop", "target", "distance_bps", "bin", "status", "families", "filters", "facts", "touch",
        "queue", "through", "placebo",
    ]  # fmt: skip
    assert (found["K_utc"], found["T0_utc"], found["X_utc"]) == (
        "2025-12-14T21:35:05.200Z", "2025-12-14T21:35:15.200Z", "2025-12-14T22:46:00.000Z",
    )  # fmt: skip
    assert (found["side"], found["entry"], found["stop"], found["target"]) == (
        "SHORT", "202500", "202521", None,
    )  # fmt: skip
    assert (found["status"], found["distance_bps"], found["bin"]) == ("filled", "14.8368", 2)
    assert found["touch"] == {
        "fill_utc": "2025-12-14T21:36:00.000Z",
        "exit_utc": "2025-12-14T21:36:14.120Z",
        "exit": "stop",
        "exit_price": "202525.8",
        "gross_bps": "-1.2741",
        "net_bps": "-8.2747",
        "net_r": "-1.0295",
        "mae_bps": "1.0370",
        "mfe_bps": "0.0494",
        "overshoot_bps": "0.0000",
        "funding_bps": "0.0000",
        "life_s": "14.120",
        "depth": "book",
        "queue_known": True,
    }
    assert [found[model]["fill_utc"][17:23] for model in MODELS] == ["00.000", "12.300", "13.000"]


@pytest.mark.parametrize(
    ("plan", "market", "status"),
    [
        ({"in_contact": True}, {}, "missed"),
        ({}, {"holes": frozenset({A - 32})}, "gap"),
        ({}, {"holes": frozenset({A - 33, A + 71})}, "filled"),
        ({}, {"holes": frozenset({A + 70})}, "gap"),
        ({"bracket": Bracket(-1, TIP + 900, TIP + 921)}, {}, "unfilled"),
        ({}, {"trades": tape_of(WORKED)}, "open"),
    ],
)
def test_each_status(plan, market, status):
    """Only an order that rested has placebos, and only a filled one has results."""
    found = line(plan_of(**plan), market_of(WORKED, **market))
    assert found["status"] == status
    assert bool(found["placebo"]) == (status in {"filled", "unfilled"})
    assert (found["touch"] is not None) == (status == "filled")


def test_only_the_kinds_of_placebo_that_are_wanted_are_made():
    """The executions besides the default have shifted levels alone, the same as with all kinds."""
    every, alone = (line(plan_of(), market_of(WORKED), **kinds)["placebo"]
                    for kinds in ({}, {"kinds": ("shifted",)}))  # fmt: skip
    assert alone == {"shifted": every["shifted"]}
    assert set(every) == {"shifted", "mirror", "random", "random_queue"}


def test_a_minute_that_nothing_closes_has_no_line():
    """Without a record of A + 5 s nobody can have the answer."""
    assert line_of(plan_of(minute=A + 400), market_of(WORKED), TrialRules()) is None


def random_market(seed):
    """Return a walk of five hours with a trade every 90 ms or so, and a plan in it."""
    rng = np.random.default_rng(seed)
    size, start = 200_000, (A - 60) * times.MINUTE_MS
    ts = np.sort(rng.integers(0, 5 * times.HOUR_MS, size)) + start
    price = np.cumsum(rng.integers(-15, 16, size)) + 1_000_000
    trades = DayTrades(
        ts, price, rng.integers(1, 9, size), rng.integers(0, 2, size).astype(bool),
        rng.random(size) > 0.01,
    )  # fmt: skip
    last = int(price[trades.first_at(A * times.MINUTE_MS) - 1])
    side: Any = -1 if seed % 2 else 1
    tip = last - side * 600
    market = TrialMarket(BTC, trades, None, 1, 1)
    plan = plan_of(
        bracket=Bracket(side, tip, tip - side * 100, tip + side * 300),
        birth=A - 3, last=last, tips=(tip,), event_id=f"{BTC}|1m|{seed}|high",
    )  # fmt: skip
    return plan, market


@pytest.mark.parametrize("seed", range(4))
def test_placebos_are_trades_of_their_own(seed):
    """Each sum is that of single orders at the fake levels, with the trade's clock and size."""
    plan, market = random_market(seed)
    found: Any = line_of(plan, market, TrialRules(age_max=100))
    active = times.parse_iso(found["T0_utc"])
    expires = (plan.birth + 101) * times.MINUTE_MS
    clock = OrderClock(0, active, expires, expires + 61 * times.MINUTE_MS)
    since = market.trades.first_at(plan.birth * times.MINUTE_MS)
    rested = market.trades.first_at(active)
    seen = market.trades.price[since:rested]
    around = PlaceboMarket(plan.last, 1, plan.tips, int(seen.max()), int(seen.min()))
    filled = 0
    for kind in ("shifted", "mirror", "random"):
        sums: Any = {model: defaultdict(lambda: [0, 0, 0, 0]) for model in MODELS}
        single = []
        for bracket, number in placebos(plan.event_id, kind, plan.bracket, around):
            order = RestingOrder(bracket, clock, plan.size)
            for model, fill in fills(market.trades, None, order).items():
                row = sums[model][number]
                row[0] += 1
                ended = fill and result(market.trades, None, order, fill, rules=ExitRules())
                if model == "queue":
                    single.append(ended and ended.net)
                if ended:
                    row[1:] = [row[1] + 1, row[2] + ended.net, row[3] + ended.net**2]
                    filled += 1
        expected = {
            model: [[number, *rows[number]] for number in sorted(rows)]
            for model, rows in sums.items()
        }
        assert found["placebo"][kind] == expected
        if kind == "random":
            assert found["placebo"]["random_queue"] == single
        assert all(row[0] < len(BIN_EDGES) for rows in expected.values() for row in rows)
    assert filled > 10


def test_funding_is_part_of_a_trial():
    """A settlement while the position was open: the line says what it paid."""
    settled = FundingRate(at("21:36:05"), rate_of("-0.0001"))
    found = line(plan_of(), market_of(WORKED, funding=[settled]))
    assert (found["touch"]["funding_bps"], found["touch"]["net_bps"]) == ("-1.0000", "-9.2747")
    assert found["through"]["funding_bps"] == "-1.0000"


def test_the_same_trial_is_the_same_line():
    """Two runs give equal lines."""
    plan, market = random_market(7)
    assert line(plan, market) == line(plan, market)


@pytest.mark.parametrize("seed", range(4))
def test_answers_that_are_shared_change_no_line(seed):
    """Other exits and latencies of a trial, by answers that the first one found."""
    plan, market = random_market(seed)
    answers: dict[Any, Any] = {}
    for stop, target, latency in ((100, 300, 10_000), (100, 500, 10_000), (300, 300, 500)):
        side = plan.bracket.side
        tip = plan.bracket.tip
        bracket = Bracket(side, tip, tip - side * stop, tip + side * target)
        other = replace(plan, bracket=bracket)
        rules = TrialRules(age_max=100, latency_ms=latency, kinds=("shifted",))
        found = placed(other, market, rules, answers=answers)
        assert found is not None
        made = written(found, market, answers)
        assert made == line_of(other, market, rules)
        assert list(made["placebo"]) == ["shifted"]
    assert len(answers) > 40


def test_only_orders_with_prints_at_their_tip_ask_for_books():
    """Of the trade itself, filled or not known to be behind in the queue; of placebos few."""
    plan, market = random_market(3)
    found = placed(plan, market, TrialRules(age_max=100))
    assert found is not None
    asking = list(found.asking())
    assert 0 < len(asking) < 60
    assert all(len(one.reached.prints) for one in asking[1:])


def test_a_fact_of_the_touch_is_a_type_error():
    """On a walk without an edge exact-tip touches "win" four times in five by bookkeeping alone."""
    with pytest.raises(TypeError, match="touch_strength is a fact of the touch"):
        plan_of(facts={"touch_strength": "EXACT"})


def test_rates_are_signed_decimals():
    """A rate of the exchange as units of 10**-20."""
    assert rate_of("0.0001") == 10**16
    assert rate_of("-0.00000125") == -125 * 10**12
