"""E9, G2: another stream on the same vault; instruments that cannot be recorded beside others."""

import time
from functools import partial

from ravequant.vault.paths import Vault, day_files
from scripts import repair_gaps
from tests.faults import invariants
from tests.faults.exporters import (
    BOOK,
    BTC,
    ETH,
    TRADE,
    Program,
    alive,
    grows,
    has_id,
    market,
    stop,
)
from tests.support import box

BOTH = ("--instId", BTC, "--instId", ETH)


def test_another_stream_is_left_out_and_set_aside(faults, tmp_path, vault):
    """The ids begin lower a day later: the other instrument goes on; the old stream is kept."""
    fact = faults.row("E9", "another market on the same vault")
    seed = faults.seed % 1000
    old = tmp_path / "old"
    with (
        market(old, "--start", "2025-12-14T12:00:00.000Z", seed=seed, speed=5) as there,
        alive(TRADE.start(vault, there)) as process,
    ):
        box.wait_for(grows(TRADE, vault), process)
        time.sleep(2)
        stop(process)
    newest, before = invariants.written(vault, BTC)[-1], raw(vault)
    words = ("--history", "1m", "--start", "2025-12-15T12:00:00.000Z")
    with market(tmp_path, *words, *BOTH, seed=seed, speed=1) as there:
        with alive(TRADE.start(vault, there)) as process:
            assert invariants.within(process, 60) == 1  # none is left
        assert "the exchange's ids begin lower than" in TRADE.log(vault)
        with alive(TRADE.start(vault, there, *BOTH)) as process:
            mine = partial(TRADE.facts, vault)
            box.wait_for(lambda: mine()["pid"] == process.pid and left_out(vault, BTC), process)
            box.wait_for(vault.trades(ETH).exists, process)
            assert f"repair_gaps.py --set-aside {BTC}" in left_out(vault, BTC)
            stop(process)
        assert raw(vault) == before
        assert repair_gaps.main(["--vault", str(vault.root), "--set-aside", BTC]) == 0
        assert raw(Vault(vault.root / "set_aside" / f"{BTC}.1")) == before
        with alive(TRADE.start(vault, there, *BOTH)) as process:
            box.wait_for(lambda: raw(vault), process)
            assert not has_id(vault, BTC, newest.trade_id)
            stop(process)
    assert not left_out(vault, BTC)
    invariants.trades(vault, BTC, tmp_path, fact)
    fact.times += 2


def raw(vault: Vault) -> dict[str, bytes]:
    return {day: path.read_bytes() for day, path in day_files(vault.trades(BTC))}


def left_out(vault: Vault, inst_id: str, program: Program = TRADE) -> str:
    return program.facts(vault)["instruments"].get(inst_id, {}).get("left_out") or ""


def test_instruments_that_cannot_be_recorded_delay_no_other(faults, tmp_path, vault):
    """Not trading yet, without a tick, unknown to the exchange: each is named, BTC is recorded."""
    fact = faults.row("G2", "announced, incomplete, unknown, beside a healthy one")
    sol, none = "SOL-USDT-SWAP", "NO-USDT-SWAP"
    empty = dict.fromkeys(("ctVal", "ctMult", "ctValCcy", "settleCcy", "tickSz", "lotSz"), "")
    spoils = [
        {"kind": "instrument", "instId": ETH, "until": "20s", "set": {"state": "preopen", **empty}},
        {"kind": "instrument", "instId": sol, "set": {"tickSz": ""}},
    ]
    served = ("--instId", BTC, "--instId", ETH, "--instId", sol)
    names = ("--instId", ETH, "--instId", none, "--instId", sol, "--instId", BTC)
    words = ("--wait-for-clients", 0, *served)
    with (
        market(tmp_path, *words, seed=faults.seed % 1000, speed=1, faults=spoils) as there,
        alive(TRADE.start(vault, there, *names)) as one,
        alive(BOOK.start(vault, there, *names, "--deep-every", 0)) as two,
    ):
        for program, process in ((TRADE, one), (BOOK, two)):
            box.wait_for(grows(program, vault), process, seconds=30)
            box.wait_for(partial(left_out, vault, sol, program), process)
            assert "it does not trade yet" in left_out(vault, ETH, program)
            assert "tickSz" in left_out(vault, sol, program)
            assert "51001" in left_out(vault, none, program)
            assert not left_out(vault, BTC, program)
            assert program.facts(vault)["problem"] is None
            assert program.log(vault).count(" is left out: ") == 3
        if faults.long:
            box.wait_for(vault.trades(ETH).exists, one)
            box.wait_for(vault.snapshots(ETH).exists, two)
        stop(one)
        stop(two)
    invariants.trades(vault, BTC, tmp_path, fact)
    assert not vault.trades(sol).exists()
    assert not vault.trades(none).exists()
    fact.times += 2
