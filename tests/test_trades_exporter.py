"""The trade exporter as a program: real processes, real sockets, the exchange in a box."""

import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ravequant.records import Trade, join_fills, parse_trade
from ravequant.vault.paths import CHECKOUT, Vault, day_files

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
EXPORTER = CHECKOUT / "Trades_Bot" / "trades_exporter.py"
MIDNIGHT = ("BTC-USDT-SWAP/2023-04-04.jsonl.gz", "BTC-USDT-SWAP/2023-04-05.jsonl.gz")
LIMIT_S = 100  # a hang is a failure
TRADES = {"channel": "trades"}


@contextmanager
def exchange(
    folder: Path, *options: str, faults: list[dict[str, Any]] | None = None
) -> Iterator[list[str]]:
    """Run the exchange in a box; yields the exporter's options that lead there."""
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    if faults is not None:
        (folder / "faults.json").write_text(json.dumps({"seed": 7, "faults": faults}))
        options += ("--faults", str(folder / "faults.json"))
    script = CHECKOUT / "scripts" / "okx_exchange.py"
    command = [sys.executable, str(script), "--ready-file", str(ready)]
    with (folder / "exchange.log").open("wb") as log:
        process = subprocess.Popen([*command, *options], stderr=log, stdout=log)
        try:
            wait_for(lambda: ready.exists() and ready.stat().st_size, process)
            addresses = json.loads(ready.read_text())
            yield ["--ws-url", addresses["ws_url"], "--rest-url", addresses["rest_url"]]
        finally:
            process.kill()
            process.wait()


def wait_for(condition, process=None):
    """Wait until something holds; fails when the process ended or it takes too long."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert process is None or process.poll() is None, "the process ended"
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def start(vault: Vault, *options: str) -> subprocess.Popen[bytes]:
    """Start the exporter; its log goes to ``exporter.log`` beside the vault."""
    vault.root.mkdir(parents=True, exist_ok=True)
    with (vault.root.parent / "exporter.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, EXPORTER, "--vault", vault.root, "--json", *options],
            stderr=log, stdout=subprocess.PIPE, cwd=vault.root.parent,
        )  # fmt: skip


def record(vault: Vault, *options: str) -> Any:
    """Run the exporter to its end and return its last statistics."""
    process = start(vault, *options)
    out, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, log_of(vault)[-3000:]
    return json.loads(out.splitlines()[-1])


def log_of(vault: Vault) -> str:
    return (vault.root.parent / "exporter.log").read_text(encoding="utf-8")


def recorded(shared: Path, *names: str) -> list[Trade]:
    """The recording's records, joined by SPEC section 3."""
    fills = []
    for name in names:
        with gzip.open(shared / "trades" / name) as file:
            fills += [parse_trade(line, name.split("/")[0])[0] for line in file]
    return list(join_fills(fills))


def written(vault: Vault, inst_id: str) -> list[Trade]:
    """All records of the vault, in order; every line must be valid and end with a newline."""
    found = []
    for day, path in day_files(vault.trades(inst_id)):
        lines = path.read_bytes().splitlines(keepends=True)
        assert lines[-1].endswith(b"\n")
        found += [parse_trade(line, inst_id)[0] for line in lines]
        assert path.name.startswith(day)
    return found


def ledger(vault: Vault, inst_id: str) -> Counter[str]:
    """Missing ids by status."""
    path = vault.gap_ledger(inst_id)
    counted: Counter[str] = Counter()
    for line in path.read_text().splitlines() if path.exists() else ():
        entry = json.loads(line)
        counted[entry["status"]] += entry["missing"]
    return counted


def replay(shared: Path, *names: str) -> list[str]:
    return [text for name in names for text in ("--trades", str(shared / "trades" / name))]


def test_a_recording_comes_through_whole(tmp_path, vault, shared_data):
    """Two days across midnight at full speed: each record once, in order, in its day's file."""
    with exchange(tmp_path, *replay(shared_data, *MIDNIGHT), "--speed", "max") as there:
        facts = record(vault, *there, "--instId", BTC, "--stop-when-idle", "2")
    assert written(vault, BTC) == recorded(shared_data, *MIDNIGHT)
    assert [day for day, _ in day_files(vault.trades(BTC))] == ["2023-04-04", "2023-04-05"]
    assert set(ledger(vault, BTC)) <= {"id_hole"}  # the recording lacks one id itself
    assert facts["instruments"][BTC]["written"] == len(written(vault, BTC))
    meta = json.loads(vault.metadata(BTC).read_bytes())
    assert (meta["ctVal"], meta["raw"]["instId"]) == ("0.01", BTC)
    heartbeat = json.loads(vault.health("trades_exporter").read_bytes())
    assert heartbeat["stopped"] is True
    assert re.search(r"Connected to ws://127\.0\.0\.1", log_of(vault))
    assert f"Subscribed trades {BTC}" in log_of(vault)


@pytest.mark.slow
def test_a_faulty_feed_comes_through_whole(tmp_path, vault, shared_data):
    """Lost, doubled, reordered frames, cut sockets, REST errors of each kind: nothing missing."""
    page = {"path": "history-trades"}
    faults = [
        {**TRADES, "kind": "drop", "probability": 0.05},
        {**TRADES, "kind": "duplicate", "probability": 0.03},
        {**TRADES, "kind": "reorder", "probability": 0.01},
        {**TRADES, "kind": "corrupt", "probability": 0.01, "how": "json"},
        {**TRADES, "kind": "corrupt", "probability": 0.01, "how": "missing", "field": "px"},
        {"kind": "disconnect", "every": 250, "how": "drop"},
        {"kind": "rest-status", **page, "status": 429, "probability": 0.03},
        {"kind": "rest-limit", **page, "probability": 0.03},
        {"kind": "rest-html", **page, "probability": 0.03},
        {"kind": "rest-empty", **page, "probability": 0.03},
        {"kind": "rest-repeat", **page, "probability": 0.03},
    ]  # fmt: skip
    with exchange(
        tmp_path, *replay(shared_data, MIDNIGHT[0]), "--speed", "max", faults=faults
    ) as there:
        facts = record(vault, *there, "--instId", BTC, "--stop-when-idle", "6")
    assert written(vault, BTC) == recorded(shared_data, MIDNIGHT[0])
    assert set(ledger(vault, BTC)) <= {"repaired", "id_hole"}
    assert ledger(vault, BTC)["repaired"] > 20
    assert facts["connects"] > 2
    log = log_of(vault)
    for line in ("GAP DETECTED", "Gap repaired", "BUILD_FAIL: Missing required fields: px"):
        assert line in log


@pytest.mark.slow
def test_killed_at_any_instant_it_loses_nothing(tmp_path, vault, shared_data):
    """SIGKILL at random instants, a torn line after one of them: the next start goes on."""
    instants = random.Random(11)
    with exchange(tmp_path, *replay(shared_data, *MIDNIGHT), "--speed", "50") as there:
        options = [*there, "--instId", BTC]
        for number in range(6):
            process = start(vault, *options)
            wait_for(lambda: written_any(vault), process)
            time.sleep(instants.uniform(0.3, 1.2))
            process.kill()
            process.communicate()
            if number == 3:
                newest = max(path for _, path in day_files(vault.trades(BTC)))
                with newest.open("ab") as file:
                    file.write(b'{"timestamp_utc":"2023-04-0')
        record(vault, *options, "--stop-when-idle", "5")
    assert written(vault, BTC) == recorded(shared_data, *MIDNIGHT)
    assert set(ledger(vault, BTC)) <= {"repaired", "id_hole"}
    assert "27 bytes of a torn last line set aside" in log_of(vault)


def written_any(vault: Vault) -> bool:
    return any(path.stat().st_size for _, path in day_files(vault.trades(BTC)))


@pytest.mark.skipif(os.name == "nt", reason="signals of another process are a POSIX thing")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_flushes_and_exits_0(tmp_path, vault, number):
    """In the middle of a busy market: whole lines, exit code 0, and within five seconds."""
    with exchange(tmp_path, "--instId", BTC, "--history", "1m", "--speed", "20") as there:
        process = start(vault, *there, "--instId", BTC)
        wait_for(lambda: written_any(vault), process)
        process.send_signal(number)
        out, _ = process.communicate(timeout=5)
    assert process.returncode == 0
    facts = json.loads(out.splitlines()[-1])
    assert facts["instruments"][BTC]["written"] == len(written(vault, BTC))


def test_a_second_exporter_of_an_instrument_exits_4_and_names_the_first(tmp_path, vault):
    """The lock is per instrument; the first one goes on."""
    with exchange(tmp_path, "--instId", BTC, "--history", "1m") as there:
        first = start(vault, *there, "--instId", BTC, "--max-seconds", "60")
        wait_for(lambda: written_any(vault), first)
        second = start(vault, *there, "--instId", BTC)
        assert second.wait(timeout=LIMIT_S) == 4
        second.communicate()
        assert first.poll() is None
        first.kill()
        first.communicate()
    assert f"trades_exporter.py, pid {first.pid}" in log_of(vault)


def test_an_empty_vault_is_filled_backwards_on_request(tmp_path, vault):
    """--backfill 2m: everything from two minutes before the newest trade on, without a hole."""
    with exchange(tmp_path, "--instId", BTC, "--history", "5m", "--speed", "2") as there:
        record(vault, *there, "--instId", BTC, "--backfill", "2m", "--max-seconds", "12")
    found = written(vault, BTC)
    assert found[-1].ts - found[0].ts >= 2 * 60_000 - 5_000
    assert all(b.first_id == a.trade_id + 1 for a, b in pairwise(found))
    assert ledger(vault, BTC)["repaired"] > 100


def test_a_hand_over_loses_nothing_and_asks_rest_for_nothing(tmp_path, vault):
    """64008, then the connection is closed: the second one was there first."""
    faults = [{**TRADES, "kind": "notice", "connection": 1, "at": [40], "delay": "3s"}]
    with exchange(
        tmp_path, "--instId", BTC, "--history", "1m", "--speed", "5", faults=faults
    ) as there:
        facts = record(vault, *there, "--instId", BTC, "--max-seconds", "9")
    found = written(vault, BTC)
    assert all(b.first_id == a.trade_id + 1 for a, b in pairwise(found))
    assert facts["connects"] == 2
    assert facts["instruments"][BTC]["gaps"] == 0
    assert not ledger(vault, BTC)


def test_an_unknown_instrument_is_left_out_and_the_others_go_on(tmp_path, vault):
    """Its name is in the log; alone it is an error with a remedy."""
    with exchange(tmp_path, "--instId", BTC, "--history", "1m") as there:
        record(vault, *there, "--instId", BTC, "--instId", "NO-USDT-SWAP", "--max-seconds", "3")
        alone = start(vault, *there, "--instId", "NO-USDT-SWAP")
        assert alone.wait(timeout=LIMIT_S) == 1
        alone.communicate()
    assert written(vault, BTC)
    assert "NO-USDT-SWAP is left out" in log_of(vault)
    assert "the exchange knows none of NO-USDT-SWAP: expected names like" in log_of(vault)


def test_an_unreachable_exchange_is_tried_until_the_time_is_over(vault):
    """Nobody listens: clear lines, no crash, exit 0 at the end of --max-seconds."""
    nobody = ["--ws-url", "ws://127.0.0.1:9/ws/v5", "--rest-url", "http://127.0.0.1:9"]
    record(vault, *nobody, "--instId", BTC, "--max-seconds", "3")
    assert "http://127.0.0.1:9/api/v5/public/instruments: ConnectionError" in log_of(vault)


def test_it_starts_without_the_heavy_libraries():
    """Neither numpy nor rich is imported: a recorder that runs all day stays small."""
    probe = (
        "import sys, Trades_Bot.trades_exporter; "
        "print(sorted({'numpy', 'rich', 'ravequant.scan'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, check=True, cwd=CHECKOUT
    )
    assert done.stdout.split() == [b"[]"]
