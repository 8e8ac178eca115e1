"""F1, F2: the wall clock jumps or is off from the start, and the computer sleeps."""

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ravequant.vault.paths import CHECKOUT
from tests.faults import invariants
from tests.faults.exporters import (
    BOOK,
    BTC,
    TRADE,
    alive,
    book_tape,
    grows,
    lively,
    market,
    settle,
    stop,
    truth_of,
)
from tests.support import box, notes_market

HOUR_S = 3600
SCRIPT = CHECKOUT / "Untouch_Wick" / "find_signals.py"


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """Return what sets the wall clock of programs started from now on, also while they run."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler, or not Linux: the clock cannot be set for one program")
    library, file = tmp_path / "clock.so", tmp_path / "offset"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    file.write_bytes(struct.pack("q", 0))
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("CLOCK_OFFSET", str(file))

    def turn_by(seconds: int) -> None:
        with file.open("r+b") as handle:
            handle.write(struct.pack("q", seconds))

    return turn_by


@pytest.mark.first
def test_the_wall_clock_jumps(faults, tmp_path, vault, clock):
    """An hour forward, two back, in the middle of recording: event time decides, I1 to I4."""
    fact = faults.row("F1", "wall clock ±1 h while both exporters record")
    made = lively(2000 if faults.long else 400, rng=faults.random, start="2025-12-14T21:59:30.000Z")
    tape = book_tape(tmp_path / "books" / "tape.jsonl", made)
    words = ("--books", tape, "--wait-for-books", 1, "--speed", 5)
    with (
        market(tmp_path, seed=faults.seed % 1000) as there,
        box.exchange(tmp_path / "books", *words) as beside,
        alive(TRADE.start(vault, there)) as one,
        alive(BOOK.start(vault, beside, "--cadence", "500ms", "--deep-every", 0)) as two,
    ):
        box.wait_for(grows(TRADE, vault), one)
        for seconds in [HOUR_S, -HOUR_S, 0] * faults.count(1, 5):
            clock(seconds)
            for program, process in ((TRADE, one), (BOOK, two)):
                box.wait_for(grows(program, vault), process, seconds=invariants.HANG_S)
            time.sleep(faults.random.uniform(0.5, 1.5))
            fact.times += 1
        clock(HOUR_S)
        time.sleep(0.5)
        stop(one)
        stop(two)
    said = TRADE.log(vault).splitlines()[-1][:13]
    assert said == datetime.fromtimestamp(time.time() + HOUR_S, UTC).strftime("%Y-%m-%dT%H"), said
    invariants.trades(vault, BTC, tmp_path, fact)
    found = invariants.books(vault, BTC, truth_of(made), tmp_path / "books", cadence_ms=500)
    assert not any(gap for _, gap, _ in found)
    for program in (TRADE, BOOK):
        assert program.facts(vault)["connects"] == 1
    invariants.derived(vault, BTC, ("vwap", "cvd", "volume", "wicks"))


def test_an_old_market_is_not_called_fresh(faults, tmp_path, vault, clock):
    """A slow clock: the first line says by how much, nothing is an entry, a watch tells nothing."""
    fact = faults.row("F2", "find_signals by a slow clock")
    notes_market.record(vault, notes_market.Market())
    words = [sys.executable, SCRIPT, "--vault", vault.root, "--instId", BTC, "--no-refresh"]
    command = [*map(str, words)]
    told = tmp_path / "told"
    tell = f"\"{sys.executable}\" -c \"open(r'{told}', 'w')\""
    newest_s = notes_market.A // 1000 + 5
    for slow_s in (218, 60, HOUR_S, 15 * 24 * HOUR_S)[: faults.count(1, 4)]:
        clock(newest_s - slow_s - int(time.time()))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stdout + done.stderr
        first = done.stdout.splitlines()[0]
        assert re.match(r"CLOCK \w+ behind the exchange: set it \(.+\)$", first), first
        assert "NO TRADE: clock" in done.stdout
        watch = [*command, "--json", "--watch", "0.1", "--exec", tell]
        with alive(subprocess.Popen(watch, stdout=subprocess.PIPE)) as process:
            assert process.stdout is not None
            rows = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert {row["no_trade"] for row in rows} == {"clock"}
        fact.times += 1
    assert not told.exists()
    assert not vault.derived("signals", BTC).exists()
    right = newest_s - int(time.time())
    clock(right)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "(x3, not tested)" in done.stdout) == (0, True), done.stdout
    watch = [*command, "--json", "--watch", "0.1"]
    with alive(subprocess.Popen(watch, stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        for offset, reason in ((right, None), (right - HOUR_S, "clock"), (right, None)):
            clock(offset)
            later = (json.loads(process.stdout.readline()) for _ in range(200))
            assert any(row["no_trade"] == reason for row in later), offset


@pytest.mark.first
@pytest.mark.skipif(os.name == "nt", reason="SIGSTOP is POSIX")
def test_the_computer_sleeps(faults, tmp_path, vault):
    """SIGSTOP, and on again over a broken line: the gap is found and repaired, no book is torn."""
    fact = faults.row("F1", "SIGSTOP of both exporters, then on again")
    asleep = faults.count(4, 60)
    made = lively(int(asleep * 40) + 1200, rng=faults.random, start="2025-12-14T21:59:30.000Z")
    tape = book_tape(tmp_path / "books" / "tape.jsonl", made)
    words = ("--books", tape, "--wait-for-books", 1, "--speed", 4)
    gone = {"kind": "disconnect", "how": "reset", "after": f"{30 * asleep // 3}s"}
    with (
        market(tmp_path, seed=faults.seed % 1000, faults=[gone]) as there,
        box.exchange(tmp_path / "books", *words) as beside,
        alive(TRADE.start(vault, there)) as one,
        alive(BOOK.start(vault, beside, "--cadence", "500ms", "--deep-every", 0)) as two,
    ):
        box.wait_for(grows(TRADE, vault), one)
        box.wait_for(grows(BOOK, vault), two)
        for process in (one, two):
            process.send_signal(signal.SIGSTOP)
        time.sleep(asleep)
        for process in (one, two):
            process.send_signal(signal.SIGCONT)
        box.wait_for(grows(TRADE, vault), one, seconds=invariants.HANG_S)
        box.wait_for(grows(BOOK, vault), two, seconds=invariants.HANG_S)
        settle(vault, tmp_path, one)
        stop(two)
    invariants.trades(vault, BTC, tmp_path, fact)
    invariants.books(vault, BTC, truth_of(made), tmp_path / "books", cadence_ms=500)
    fact.times += 2
    fact.worst("seconds asleep", asleep)
