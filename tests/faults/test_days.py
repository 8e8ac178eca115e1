"""C3: the day turns while trades are out of order, missing, fetched, and the exporter is killed."""

import time
from itertools import pairwise

import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from tests.faults import invariants
from tests.faults.calculators import OF_TRADES
from tests.faults.exporters import BTC, TRADE, TRADES, alive, catch_up
from tests.support import box

MIDNIGHT = times.parse_iso("2025-12-15T00:00:00.000Z")
LINEAR = Contract("0.01", "1", "linear")


def over_midnight(rng, size):
    """Return trades whose times cross midnight several times before they stay behind it."""
    made, ts, trade_id = [], MIDNIGHT - 40 * size, 10_000
    for number in range(2 * size):
        ts += rng.choice([0, 1, 20, 120])
        near = abs(number - size) < size // 4
        shown = ts + rng.choice([-1500, -700, 0, 0, 700]) if near else ts
        if number in (size - 2, size + 2):
            shown = MIDNIGHT - 1  # 23:59:59.999
        if number in (size - 1, size + 1):
            shown = MIDNIGHT
        count = rng.choice([1, 1, 1, 4, 120])
        trade_id += count
        price = f"{100 + number % 7}.{number % 3 + 1}"  # no neighbour could be joined to it
        made.append(Trade(shown, trade_id, rng.choice(["buy", "sell"]), price, str(count), count))
    return made


@pytest.mark.parts(10)
def test_the_day_turns(faults, tmp_path, vault, part):
    """Each record once, in order of ids, in the file of the largest date so far; I4 behind it."""
    fact = faults.row("C3", "trades out of order over midnight, lost, fetched, exporter killed")
    made = over_midnight(faults.random, 600)
    encoder = TradeEncoder(BTC, LINEAR)
    tape = tmp_path / "tape.jsonl"
    tape.write_bytes(b"".join(map(encoder.line, made)))
    lost = [
        {**TRADES, "kind": "drop", "probability": 0.05},
        {**TRADES, "kind": "gap", "at": [330, 470], "length": 30},
    ]
    words = ("--trades", tape, "--speed", 10, "--rest-limit-factor", 10)
    with box.exchange(tmp_path, *words, faults=lost, seed=faults.seed) as there:
        for _ in range(faults.count(1, 2)):
            with alive(TRADE.start(vault, there)) as process:
                time.sleep(faults.random.uniform(1.5, 4))
                process.kill()
            fact.add("kills survived")
        catch_up(vault, there, tmp_path)
        TRADE.run(vault, there, "--stop-when-idle", 4)
    mine = invariants.trades(vault, BTC, tmp_path, fact, whole=True)
    turns = sum((one.ts >= MIDNIGHT) != (two.ts >= MIDNIGHT) for one, two in pairwise(mine))
    assert turns > 2
    names = sorted(path.name for path in vault.trades(BTC).glob("*.jsonl"))
    assert names == ["2025-12-14.jsonl", "2025-12-15.jsonl"]
    fact.add("files recomputed the same", invariants.derived(vault, BTC, OF_TRADES))
    fact.add("crossings of midnight", turns)
    fact.times += 1
