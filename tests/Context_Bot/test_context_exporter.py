"""The context exporter as a program: real processes, real sockets, the exchange in a box."""

import json
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from ravequant.errors import LockedError
from ravequant.vault import heartbeat
from ravequant.vault.paths import SETTLED_FUNDING, Vault
from tests.faults.exporters import BTC, CONTEXT, alive, market, stop
from tests.support import box, context_oracle

ETH = "ETH-USDT-SWAP"
BOTH = ("--instId", BTC, "--instId", ETH)
START = ("--wait-for-clients", 0, "--start", "2025-12-14T15:58:00Z")
MARK, INTEREST, FUNDING = "mark-price", "open-interest", "funding-rate"
STALL = {"kind": "stall", "channel": MARK, "after": "100s", "for": "120s"}


def facts(vault: Vault, inst_id: str = BTC) -> dict[str, Any]:
    found: dict[str, Any] = CONTEXT.facts(vault)["instruments"][inst_id]
    return found


def seconds(vault: Vault, inst_id: str = BTC) -> int:
    return len(context_oracle.lines(vault.marks(inst_id)))


def recorded(tmp_path, vault, *, faults=(), until=lambda: True, speed=20, least=60):
    """Record both instruments until something holds, and stop; return the figures of both."""
    with (
        market(tmp_path, *BOTH, *START, faults=faults, speed=speed) as there,
        alive(CONTEXT.start(vault, there, *BOTH)) as process,
    ):
        box.wait_for(lambda: vault.settled_funding(ETH).exists(), process)
        box.wait_for(lambda: seconds(vault) >= least and until(), process)
        stop(process)
    return [context_oracle.check(vault, tmp_path, name) for name in (BTC, ETH)]


def test_all_that_was_pushed_is_on_disk_once(tmp_path, vault):
    """Liquidations, mark prices, settlements over 16:00, periods; in one span of coverage."""
    found = recorded(tmp_path, vault, least=240, until=lambda: len(taken(vault)) > 860)
    assert [figures["spans"] for figures in found] == [1, 1]
    assert sum(figures["liquidations"] for figures in found) > 0
    last = heartbeat.read(vault, "context_exporter") or {}
    assert last["stopped"] is True
    for inst_id in (BTC, ETH):
        assert last["instruments"][inst_id]["gaps"] == 0
        interest = context_oracle.lines(vault.open_interest(inst_id))
        assert interest
        assert {row["channel"] for row in interest} == {"open-interest"}
        states = {
            row["settState"] for row in context_oracle.lines(vault.funding_estimates(inst_id))
        }
        assert "settled" in states


def taken(vault: Vault) -> list[dict[str, Any]]:
    return context_oracle.lines(vault.statistics(ETH, "taker"))


@pytest.mark.parametrize(
    "faults",
    [
        [{"kind": "disconnect", "after": "60s", "how": "reset"}],
        [{"kind": "disconnect", "after": "60s", "how": "close"}],
        [{"kind": "notice", "after": "60s", "delay": "1s"}],
        [{"kind": "duplicate", "every": 2}, {"kind": "reorder", "every": 7, "channel": MARK}],
        [{"kind": "corrupt", "how": "missing", "field": "prevFundingTime", "channel": FUNDING}],
        [
            {"kind": "corrupt", "how": "json", "every": 5, "channel": MARK},
            {"kind": "corrupt", "how": "number", "field": "oi", "channel": INTEREST},
        ],
    ],
    ids=["reset", "close", "notice", "twice", "no-prev", "corrupt"],
)  # fmt: skip
def test_faults_of_the_socket_lose_nothing_that_is_called_covered(tmp_path, vault, faults):
    """A lost connection is outside of the coverage; a second one in time is no gap."""
    found = recorded(tmp_path, vault, faults=faults, least=150)
    log = CONTEXT.log(vault)
    assert "Traceback" not in log
    if faults[0]["kind"] == "disconnect":
        assert found[0]["spans"] == 2
    elif faults[0]["kind"] == "notice":
        assert found[0]["spans"] == 1
        assert log.count("Connected to") == 2


def test_silence_of_the_mark_price_ends_the_coverage(tmp_path, vault):
    """Only pongs and liquidations come: nobody can say what lacks, so it is a gap."""
    path = vault.coverage("liquidations", BTC)
    recorded(
        tmp_path, vault, faults=[STALL], least=120, until=lambda: b"silent" in path.read_bytes()
    )
    first, second, *_ = context_oracle.spans(vault, BTC)
    assert second[0] - first[1] > 20_000


def test_a_second_one_is_refused_and_the_settlements_are_free(tmp_path, vault):
    """One writer each stream; the importer of funding takes turns with it."""
    with (
        market(tmp_path, *BOTH, *START) as there,
        alive(CONTEXT.start(vault, there, *BOTH)) as process,
    ):
        box.wait_for(lambda: seconds(vault) > 0, process)
        with alive(CONTEXT.start(vault, there, *BOTH)) as second:
            assert second.wait(30) == LockedError.exit_code
        holder = vault.lock(SETTLED_FUNDING, BTC).with_suffix(".json")
        assert not holder.exists()
        stop(process)
    assert "has its one writer already" in CONTEXT.log(vault)


def test_a_foreign_instrument_is_nobodys(tmp_path, vault):
    """The stream is of all swaps: only those that are recorded get lines."""
    with (
        market(tmp_path, *BOTH, *START) as there,
        alive(CONTEXT.start(vault, there, "--instId", ETH)) as process,
    ):
        box.wait_for(lambda: seconds(vault, ETH) > 60, process)
        stop(process)
    assert [path.name for path in (vault.root / "raw/okx/mark_perps").iterdir()] == [ETH]
    context_oracle.check(vault, tmp_path, ETH)
    names = {row["instId"] for row in context_oracle.lines(vault.liquidations(ETH))}
    assert names <= {ETH}


def test_it_is_small(tmp_path, vault):
    """Day and night beside the others: less than 40 MB and little of a core."""
    with (
        market(tmp_path, *BOTH, *START, speed=1) as there,
        alive(CONTEXT.start(vault, there, *BOTH)) as process,
    ):
        box.wait_for(lambda: seconds(vault) >= 10, process)
        status = f"/proc/{process.pid}/status"
        try:
            with Path(status).open(encoding="utf-8") as file:
                found = file.read()
        except FileNotFoundError:
            pytest.skip("this system has no /proc")
        kilobytes = int(found.partition("VmRSS:")[2].split()[0])
        time.sleep(0)
        stop(process)
    assert kilobytes < 40_000


def test_its_heartbeat_says_what_it_does(tmp_path, vault):
    """Since when it listens, and how much it has written."""
    with (
        market(tmp_path, *BOTH, *START) as there,
        alive(CONTEXT.start(vault, there, *BOTH)) as process,
    ):
        box.wait_for(lambda: vault.health("context_exporter").exists(), process)
        box.wait_for(
            lambda: BTC in CONTEXT.facts(vault)["instruments"] and facts(vault)["covered_from_utc"],
            process,
        )
        found = facts(vault)
        stop(process)
    assert found["written"] > 0
    assert found["left_out"] is None
    assert json.dumps(found)
    assert orjson.loads(vault.health("context_exporter").read_bytes())["problem"] is None
