"""The worked examples of the lab's rules, with their results: a changed rule fails one. Pure.

Each example calls the rule as the programs do, through its module, and compares texts.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from Edge_Lab import exits, fills, inference, multiplicity, placebo, power, trial_ledger, trials
from Edge_Lab.tape import DayBooks, DayTrades, SideColumns
from ravequant import exact, times
from ravequant.contract import Contract

_FAR: Final = 1 << 40
_HALVES: Final = 2  # prices of the worked tape are in halves


class GoldenExample(NamedTuple):
    """A rule applied to the inputs of its example, and the result that it must have."""

    name: str
    made: Callable[[], str]
    expected: str


def failures() -> list[str]:
    """Return a sentence for each example that is not met."""
    found = []
    for name, made, expected in EXAMPLES:
        try:
            seen = made()
        except Exception as error:  # noqa: BLE001 - a rule that raises is broken as well
            seen = repr(error)
        if seen != expected:
            found.append(f"{name}: {seen}, expected {expected}")
    return found


def _at(text: str) -> int:
    return times.parse_iso(f"2025-12-14T{text}Z")


def _texts(values: Sequence[float | None], places: int) -> str:
    return " ".join("none" if one is None else f"{one:.{places}f}" for one in values)


def _amounts(values: Sequence[int]) -> str:
    return " ".join(exact.fixed(value, inference.PLACES) for value in values)


# --- orders --------------------------------------------------------------------------------------

_RECORDS: Final = (
    "21:36:00 202500 15 b, 21:36:11 202499 3 s, 21:36:12 202500 10 b, 21:36:12.100 202500 9 s, "
    "21:36:12.300 202500 8 b, 21:36:13 202501 1 b, 21:36:14 202521 1 b, 21:36:14.050 202522 1 b, "
    "21:36:14.120 202525 1 b"
)
_ASKS: Final = (
    ("21:35:14", ((202_490, 1), (202_500, 40), (202_600, 9))),
    ("21:36:10", ((202_500, 12), (202_600, 9))),
    ("21:36:13.500", ((202_522, 3), (202_524, 10))),
)


def _tape(records: str) -> DayTrades:
    rows = [row.split() for row in records.split(", ")]
    ts, price, qty = (
        np.array(list(column), dtype=np.int64)
        for column in zip(*((_at(at), int(p), int(q)) for at, p, q, _ in rows), strict=True)
    )
    return DayTrades(ts, price, qty, np.array([row[3] == "b" for row in rows], dtype=np.bool_))


def _book(shown: Sequence[tuple[str, Sequence[tuple[int, int]]]]) -> DayBooks:
    levels = np.array([level for _, asks in shown for level in asks], dtype=np.int64)
    starts = np.cumsum([0, *(len(asks) for _, asks in shown)], dtype=np.int64)
    side = SideColumns(levels[:, 0], levels[:, 1], starts, np.full(len(shown), _FAR))
    ts = np.array([_at(text) for text, _ in shown], dtype=np.int64)
    return DayBooks(ts, np.ones(len(shown), dtype=np.bool_), side, side)


def _clock() -> str:
    minute = _at("21:35:00") // times.MINUTE_MS
    early = _tape("21:35:04.900 1 1 b, 21:35:05.200 1 1 b")
    found = fills.order_clock(
        early, minute, minute - 31, age_max=40, hold_max_min=60, latency_ms=10_000
    )
    return "" if found is None else " ".join(times.iso(moment)[11:-1] for moment in found)


def _worked_order() -> fills.RestingOrder:
    moments = (_at(text) for text in ("21:35:05.200", "21:35:15.200", "21:45:00", "22:46:00"))
    return fills.RestingOrder(placebo.Bracket(-1, 202_500, 202_521), fills.OrderClock(*moments), 5)


def _filled_by() -> str:
    """Return the number of the record that fills each model; the tape begins with number 3."""
    found = fills.fills(_tape(_RECORDS), _book(_ASKS), _worked_order())
    return ", ".join(
        f"{model} {'none' if fill is None else fill.place + 3}" for model, fill in found.items()
    )


def _ended() -> str:
    """Return price, gross, net, R, MAE and MFE under ``touch``."""
    order, tape, book = _worked_order(), _tape(_RECORDS), _book(_ASKS)
    fill = fills.fills(tape, book, order)["touch"] or fills.ModelFill(0)
    found = exits.result(tape, book, order, fill, rules=exits.ExitRules())
    if found is None:
        return "none"
    price = exact.divide(found.exit_price, _HALVES * 10 ** (inference.PLACES - 1), 0)
    amounts = found.gross, found.net, found.net_r, found.mae, found.mfe
    return f"{found.exit} {exact.fixed(price, 1)} {_amounts(amounts)}"


def _outcome(first: int, second: int, at: str) -> str:
    """Return gross, net and R of SPEC's SHORT that meets two prices after its fill, in tenths."""
    bracket = placebo.Bracket(-1, 1_012_500, 1_012_602, 1_009_005)
    start = _at("21:40:00")
    clock = fills.OrderClock(start, start, start + 60_000, start + 3_720_000)
    tape = _tape(f"21:40:00 1012501 1 b, {at} {first} 1 b, {at}.200 {second} 1 b")
    rules, order = exits.ExitRules(slippage_bps=0), fills.RestingOrder(bracket, clock, 5)
    found = exits.result(tape, None, order, fills.ModelFill(0), rules=rules)
    return "none" if found is None else _amounts((found.gross, found.net, found.net_r))


def _gap() -> str:
    """Return the fate of the worked trade with a hole after its end, and with one after X."""
    late = f"{_RECORDS}, 21:35:05.200 202400 1 s, 22:50:00 202400 1 b"
    rows = sorted(late.split(", "), key=lambda row: _at(row.split()[0]))
    order, minute = _worked_order(), _at("21:35:00") // times.MINUTE_MS
    plan = trials.TrialPlan(
        event_id="worked",
        minute=minute,
        birth=minute - 31,
        candle_start=minute - 32,
        bracket=order.bracket,
        size=5,
        last=202_400,
        in_contact=False,
        tips=(),
    )
    found = []
    for text in ("22:45:00", "22:46:00"):
        holes = frozenset({_at(text) // times.MINUTE_MS})
        market = trials.TrialMarket("X", _tape(", ".join(rows)), _book(_ASKS), 0, 1, holes)
        line = trials.line_of(plan, market, trials.TrialRules(kinds=()))
        found.append("none" if line is None else line["status"])
    return " ".join(found)


def _own_side() -> str:
    """Return the fills of an order of which only sellers trade at the tip."""
    sellers = _tape("21:36:00 202500 90 s, 21:36:01 202499 1 b")
    found = fills.fills(sellers, _book(_ASKS), _worked_order())
    return " ".join(str(fill) for fill in found.values())


def _walk() -> str:
    walk = _book([("00:00:00", ((1_012_603, 10), (1_012_608, 30)))]).walk(0, 25)
    return "none" if walk is None else f"{(walk.paid / walk.whole - 1) * 1e4:.4f}"


def _funding() -> str:
    """Return bps of SHORT and LONG at a rate of 0.0001, then at an unknown rate."""
    one = 10**exits.RATE_PLACES
    found = [
        exits.funding_of(side, (0, 200_000), [exits.FundingRate(60_000, rate)], exact.SIZE_ONE)
        for rate in (one // placebo.BPS, None)
        for side in (-1, 1)
    ]
    return " ".join(str(value // one) for value in found)


# --- fake levels and estimates -------------------------------------------------------------------


def _drawn() -> str:
    drawn = placebo.draw("BTC-USDT-SWAP|1m|2025-12-14T21:03:00Z|high", "shifted", 0, 0)
    level = placebo.shifted(placebo.Bracket(-1, 1_012_500, 1_012_602), 0, 5, drawn)
    return f"{drawn.first / 2**64:.10f} {drawn.second / 2**64:.10f} {level}"


def _sums(rows: Sequence[Sequence[tuple[int, int]]]) -> inference.DaySums:
    table = np.array(rows, dtype=np.int64)
    return inference.DaySums(table[..., 0], table[..., 1] * 10**inference.PLACES)


def _estimate(found: inference.Estimate | None) -> str:
    if found is None:
        return "none"
    ends = found.interval() or (None, None)
    return _texts([found.value, found.se, found.t, found.p, *ends, found.spread], 4)


def _lead() -> str:
    real = [[(2, -4), (1, -8)], [(1, 3), (2, -16)], [(0, 0), (2, -10)], [(1, -1), (1, -5)]]
    fake = [
        [(10, low), (5, high)] for low, high in ((-60, -40), (-50, -45), (-70, -50), (-60, -45))
    ]
    return _estimate(inference.delta(_sums(real), _sums(fake)))


def _net() -> str:
    return _estimate(inference.net(_sums([[(3, -3)], [(4, 12)], [(3, -9)], [(2, 4)], [(4, 6)]])))


def _step_down() -> str:
    rows = np.array([(2, 1, 3, -1, 2), (1, -2, 2, 0, 1), (-1, 1, -2, 1, -3)], dtype=np.float64)
    found = multiplicity.step_down(rows)
    return _texts([*found.t, *found.adjusted, *found.single], 5)


def _sharpe() -> str:
    """Return the probabilities of the paper's two examples, and of 40 days with 24 trials."""
    paper = multiplicity.SharpeMoments(2.5 / 250**0.5, 1250, -3, 10)
    ours = multiplicity.SharpeMoments(0.30, 40, 0.8, 5.0)
    found = [multiplicity.deflated_sharpe(paper, 0.5 / 250, trials) for trials in (100, 46)]
    return _texts([*found, multiplicity.deflated_sharpe(ours, 1 / 39, 24)], 4)


def _overfitting() -> str:
    grid = [
        [1, 0, 0],
        [2, 1, -1],
        [-1, 1, 0],
        [0, 2, 1],
        [1, -1, 2],
        [2, 0, 1],
        [0, 1, -2],
        [-1, 2, 0],
    ]
    found = multiplicity.overfitting(np.array(grid, dtype=float), blocks=4, criterion="mean")
    return f"{found.probability:.4f}"


def _days() -> str:
    fixed = [power.days_to_see(edge, 1.25) for edge in (0.25, 0.5, 1, 2)]
    return " ".join(map(str, [*fixed, *(power.forward_day(edge, 1.25) for edge in (0.25, 0.5))]))


def _chained() -> str:
    line, link = trial_ledger.chained({"config_id": "8b5096857f9b"}, trial_ledger.Link())
    return f"{line[:32].decode()} {link.sha[:8]}…{link.sha[-6:]}"


EXAMPLES: Final = (
    GoldenExample(
        "clock of an order", _clock, "21:35:05.200 21:35:15.200 21:45:00.000 22:46:00.000"
    ),
    GoldenExample(
        "contracts of 25,000 USD",
        lambda: str(
            fills.contracts(
                "25000",
                Contract("0.01", "1", "linear"),
                "101250",
                "0.01",
                "0.01",
            )
        ),
        "2469",
    ),
    GoldenExample("one tape, three models", _filled_by, "touch 3, queue 7, through 8"),
    GoldenExample("hole before and after the horizon", _gap, "gap filled"),
    GoldenExample("sellers at the tip", _own_side, "None None None"),
    GoldenExample(
        "exit of the worked trade",
        _ended,
        "stop 101262.9 -1.2741 -8.2747 -1.0295 1.0370 0.0494",
    ),
    GoldenExample(
        "outcome at the target",
        partial(_outcome, 1_009_005, 1_009_005, "21:40:01"),
        "34.5185 27.5358 3.4386",
    ),
    GoldenExample(
        "outcome beyond the stop",
        partial(_outcome, 1_012_602, 1_012_624, "21:40:01"),
        "-1.2247 -8.2253 -1.0271",
    ),
    GoldenExample(
        "outcome of a stop at its price",
        partial(_outcome, 1_012_602, 1_012_602, "21:40:01"),
        "-1.0074 -8.0079 -1.0000",
    ),
    GoldenExample(
        "outcome when time is up",
        partial(_outcome, 1_012_400, 1_012_400, "22:40:00"),
        "0.9877 -6.0119 -0.7507",
    ),
    GoldenExample("walk through the book", _walk, "0.0296"),
    GoldenExample("funding", _funding, "1 -1 -1 -1"),
    GoldenExample(
        "chance and break-even of 10/20",
        lambda: _texts([exits.chance_pct(10, 20), exits.break_even_pct(10, 20)], 2),
        "33.33 56.67",
    ),
    GoldenExample("draw of a fake level", _drawn, "0.0253559502 0.6471277495 1012180"),
    GoldenExample(
        "lead over fake levels", _lead, "3.7000 0.5926 6.2434 0.0041 1.8140 5.5860 1.1852"
    ),
    GoldenExample("net of days", _net, "0.6250 1.1095 0.5633 0.3016 -2.4554 3.7054 2.4809"),
    GoldenExample(
        "step-down",
        _step_down,
        "2.06419 0.58977 -1.00000 0.15625 0.62500 0.87500 0.09375 0.37500 0.87500",
    ),
    GoldenExample("deflated Sharpe ratio", _sharpe, "0.9004 0.9505 0.4541"),
    GoldenExample("probability of overfitting", _overfitting, "0.8333"),
    GoldenExample("days to wait", _days, "197 50 13 4 270 64"),
    GoldenExample(
        "margin of the forward test",
        lambda: _texts([power.margin(day) for day in (20, 60, 250)], 4),
        "0.7413 0.4111 0.2072",
    ),
    GoldenExample("link of a chain", _chained, '{"n":1,"config_id":"8b5096857f9b 7a76f0df…3440e5'),
)
