"""G1: fields come and go, contracts change, an instrument is delisted; the others go on."""

import itertools
import json
import time

import pytest

from tests.faults import invariants
from tests.faults.exporters import BOOK, BTC, ETH, TRADE, TRADES, alive, grows, market, settle, stop
from tests.support import box

SPOILS = {
    "new field": {"kind": "corrupt", "how": "unknown"},
    "missing field": {"kind": "corrupt", "how": "missing", "field": "px"},
    "number instead of string": {"kind": "corrupt", "how": "number", "field": "px"},
    "NaN": {"kind": "corrupt", "how": "text", "field": "sz", "value": "NaN"},
}


@pytest.mark.parts(4)
def test_fields_come_and_go(faults, tmp_path, vault, part):
    """What is unknown is left alone, what lacks something is counted and fetched by REST."""
    fact = faults.row("G1", "new, missing and wrongly typed fields")
    spoils = [
        {**one, **TRADES, "instId": BTC, "every": every}
        for one, every in zip(SPOILS.values(), (7, 11, 13, 17), strict=True)
    ]
    names = ("--instId", BTC, "--instId", ETH)
    with (
        market(tmp_path, *names, seed=faults.seed % 1000, speed=5, faults=spoils) as there,
        alive(TRADE.start(vault, there, *names)) as process,
    ):
        box.wait_for(grows(TRADE, vault), process)
        time.sleep(faults.count(3, 20))
        settle(vault, tmp_path, process, BTC, ETH)
    for inst_id in (BTC, ETH):
        mine = invariants.trades(vault, inst_id, tmp_path, fact)
    keys = {
        key
        for path in vault.trades(BTC).glob("*.jsonl")
        for line in path.read_bytes().splitlines()
        for key in json.loads(line)
    }
    assert "newField" not in keys
    facts = TRADE.facts(vault)["instruments"]
    assert facts[BTC]["rejected"] > 5
    assert facts[ETH]["rejected"] == facts[ETH]["gaps"] == 0
    assert mine
    assert "BUILD_FAIL: Missing required fields: px" in TRADE.log(vault)
    fact.add("rows rejected", facts[BTC]["rejected"])
    fact.times += box.frames(tmp_path).count(b'"fate":"corrupted"')


@pytest.mark.first
@pytest.mark.parts(2)
def test_the_contract_changes_and_another_is_delisted(faults, tmp_path, vault, part):
    """Lines carry the terms in force, the history the change; a dead instrument hurts nobody."""
    running = part == 1  # metadata is asked for each minute: that takes the long run
    fact = faults.row("G1", "contract value changes, instrument delisted")
    change = {"kind": "instrument", "instId": BTC, "after": "20s", "set": {"ctVal": "0.05"}}
    dead = [
        {"kind": "instrument", "instId": ETH, "after": "10s", "set": {"state": "expired"}},
        {"kind": "drop", "instId": ETH, "after": "10s"},
    ]
    names = ("--instId", BTC, "--instId", ETH)
    with market(
        tmp_path, *names, seed=faults.seed % 1000, speed=10, faults=[change, *dead]
    ) as there:
        for last in (False, True):
            with (
                alive(TRADE.start(vault, there, *names)) as one,
                alive(BOOK.start(vault, there, *names, "--deep-every", 0)) as two,
            ):
                box.wait_for(grows(TRADE, vault), one)
                box.wait_for(grows(BOOK, vault), two)
                if running and not last:
                    box.wait_for(lambda: b"0.05" in vault.metadata(BTC).read_bytes(), one)
                time.sleep(2)
                settle(vault, tmp_path, one)
                stop(two)
    invariants.trades(vault, BTC, tmp_path, fact)
    terms = [
        json.loads(line)["ctVal"]
        for path in sorted(vault.trades(BTC).glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    assert [term for term, _ in itertools.groupby(terms)] == ["0.01", "0.05"]
    history = [json.loads(line) for line in vault.metadata_history(BTC).read_bytes().splitlines()]
    assert [row["ctVal"] for row in history] == ["0.01", "0.05"]
    assert TRADE.facts(vault)["instruments"][BTC]["written"] > 0
    invariants.derived(vault, BTC, ("vwap", "cvd", "volume", "wicks"))
    fact.times += 1
