"""The deviation around a VWAP: from the state on, over restarts, and without it."""

import json
from typing import Any

import orjson
import pytest

from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.settings import Settings
from ravequant.trades.bar_builder import Closed
from ravequant.trades.minute_bar import MinuteBar
from tests.support import trade_streams as shared
from tests.VWAP.test_vwap_calculator import ROOM, bar, fold, history
from VWAP import vwap_calculator

DEVIATIONS = ("sd_1h", "sd_4h", "sd_session")


def earlier_state(bars: list[MinuteBar]) -> dict[str, Any]:
    """Return the state that the version without sums of squares had after some minutes."""
    made = vwap_calculator.VwapFold(shared.BTC, Settings())
    list(made.update(Closed(bars)))
    state = made.state()
    state["minutes"] = [sums[:-1] for sums in state["minutes"]]
    state["session"] = state["session"][:-1]
    return state


@pytest.mark.parametrize("before", [0, 1, 30])
def test_a_state_of_an_earlier_version_goes_on_without_sd(before):
    """The fields are absent, never null, and its form stays: no minute is missing in a sum."""
    bars = history(40)
    made = vwap_calculator.VwapFold(shared.BTC, Settings())
    made.restore(orjson.loads(orjson.dumps(earlier_state(bars[:before]))))
    rows = list(made.update(Closed(bars[before:])))
    wanted = fold(bars)[before:]
    assert rows == [{n: v for n, v in row.items() if n not in DEVIATIONS} for row in wanted]
    assert all(list(row)[-1] == "gap" for row in rows)
    assert made.state() == earlier_state(bars)


def test_a_minute_without_its_sum_of_squares_ends_sd():
    """A number that lacks a minute is none: from there on the fields are absent."""
    bars = [bar(0, 100), bar(1, 200)._replace(square_notional=None), bar(500, 300)]
    assert ["sd_1h" in row for row in fold(bars)] == [True, False, False]


def test_an_open_minute_keeps_its_sum_of_squares_from_run_to_run(vault):
    """It stands in the reader's state of this calculator, also while all records are ahead."""
    encoder = TradeEncoder(shared.BTC, Contract("0.01", "1", "linear"))
    far = 70 * 365 * 86_400_000
    rows = [(far, "99000", True), (1, "101260", False), (2, "101250", False), (65_001, "1", False)]
    for last, (ms, price, ahead) in enumerate(rows, 1):
        trade = Trade(shared.START + ms, last, "buy", price, "1", ahead=ahead)
        shared.write_raw(vault, shared.BTC, [encoder.line(trade)])
        ROOM.run(vault)
        reader = json.loads(vault.state("vwap", shared.BTC).read_bytes())["reader"]
        assert len(reader["squares"]) == len(reader["open"]) + ("waiting" in reader)
    row = json.loads(ROOM.lines(vault))
    assert row["sd_1h"] == row["sd_session"] == "1058.98292728"
