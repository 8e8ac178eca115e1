"""The trade exporter as a program: real processes, real sockets, the exchange in a box."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from itertools import pairwise

import pytest

from ravequant import times
from ravequant.vault.paths import CHECKOUT, day_files
from ravequant.vault.recorder_state import why_not_recorded
from tests.support import recordings
from tests.support.trades_box import (
    BTC,
    LIMIT_S,
    TRADES,
    exchange,
    joined,
    ledger,
    log_of,
    record,
    replay,
    start,
    wait_for,
    written,
    written_any,
)


@pytest.mark.skipif(os.name == "nt", reason="a signal to one process is POSIX")
def test_without_the_exchange_it_lives_says_why_and_stops_when_asked(vault):
    """Nobody answers: the heartbeat comes all the same, the log says what fails, Ctrl-C ends it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    there = ("--ws-url", f"ws://127.0.0.1:{port}/ws/v5", "--rest-url", f"http://127.0.0.1:{port}")
    process = start(vault, *there, "--instId", BTC)
    wait_for(lambda: vault.health("trades_exporter").exists() and log_of(vault), process)
    assert "stopped" not in json.loads(vault.health("trades_exporter").read_bytes())
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 0
    assert process.stdout is not None
    process.stdout.close()
    assert "ConnectionError: " in log_of(vault)
    assert "Max retries" not in log_of(vault)


def test_until_an_exchange_speaks_nobody_takes_it_as_recording(vault):
    """It accepts connections and is mute: from the first heartbeat on every reader learns it."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        there = (f"ws://127.0.0.1:{port}/ws/v5", f"http://127.0.0.1:{port}")
        process = start(vault, "--ws-url", there[0], "--rest-url", there[1], "--instId", BTC)
        wait_for(vault.health("trades_exporter").exists, process)
        found = why_not_recorded(vault, BTC, times.utc_now_ms())
        process.kill()
        process.communicate()
    assert found == "NOT RECORDING trades: trades_exporter has no connection"


@recordings.each(*recordings.MIDNIGHT)
def test_a_recording_comes_through_whole(tmp_path, vault, recording):
    """Two days across midnight at full speed: each record once, in order, in its day's file."""
    with exchange(tmp_path, *replay(*recording.trade_files), "--speed", "max") as there:
        facts = record(vault, *there, "--instId", BTC, "--stop-when-idle", "2")
    assert written(vault, BTC) == joined(recording)
    assert [day for day, _ in day_files(vault.trades(BTC))] == list(recording.days)
    assert set(ledger(vault, BTC)) <= {"id_hole"}  # the recording lacks one id itself
    assert facts["instruments"][BTC]["written"] == len(written(vault, BTC))
    meta = json.loads(vault.metadata(BTC).read_bytes())
    assert (meta["ctVal"], meta["raw"]["instId"]) == ("0.01", BTC)
    heartbeat = json.loads(vault.health("trades_exporter").read_bytes())
    assert heartbeat["stopped"] is True
    assert re.search(r"Connected to ws://127\.0\.0\.1", log_of(vault))
    assert f"Subscribed trades {BTC}" in log_of(vault)


@pytest.mark.slow
@recordings.each(*recordings.MIDNIGHT)
def test_a_faulty_feed_comes_through_whole(tmp_path, vault, recording):
    """Lost, doubled, reordered frames, cut sockets, REST errors of each kind: nothing missing."""
    page = {"path": "history-trades"}
    faults = [
        {**TRADES, "kind": "drop", "probability": 0.05},
        {**TRADES, "kind": "duplicate", "probability": 0.03},
        {**TRADES, "kind": "reorder", "probability": 0.01},
        {**TRADES, "kind": "corrupt", "probability": 0.01, "how": "json"},
        {**TRADES, "kind": "corrupt", "probability": 0.01, "how": "missing", "field": "px"},
        {"kind": "disconnect", "every": 100, "how": "drop"},
        {"kind": "rest-status", **page, "status": 429, "probability": 0.03},
        {"kind": "rest-limit", **page, "probability": 0.03},
        {"kind": "rest-html", **page, "probability": 0.03},
        {"kind": "rest-empty", **page, "probability": 0.03},
        {"kind": "rest-repeat", **page, "probability": 0.03},
    ]  # fmt: skip
    with exchange(
        tmp_path, *replay(recording.trade_files[0]), "--speed", "max", faults=faults
    ) as there:
        facts = record(vault, *there, "--instId", BTC, "--stop-when-idle", "6")
    assert written(vault, BTC) == joined(recording, days=1)
    assert set(ledger(vault, BTC)) <= {"repaired", "id_hole"}
    assert ledger(vault, BTC)["repaired"] > 20
    assert facts["connects"] > 2
    log = log_of(vault)
    for line in ("GAP DETECTED", "Gap repaired", "BUILD_FAIL: Missing required fields: px"):
        assert line in log


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
        "print(sorted({'numpy', 'rich', 'ravequant.trades.scanner'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, check=True, cwd=CHECKOUT
    )
    assert done.stdout.split() == [b"[]"]
