"""A1, A3, C5: the exporters are killed, told to stop, started twice."""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import orjson
import pytest

from ravequant import times
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import CHECKOUT
from tests.faults import calculators, invariants
from tests.faults.exporters import (
    BOOK,
    BTC,
    TRADE,
    Program,
    alive,
    book_tape,
    catch_up,
    grows,
    lively,
    market,
    stop,
    truth_of,
)
from tests.support import box

KILLS = 4  # a part, in the ordinary run
LONG_KILLS = 100  # a part, in the long run: ten parts
RESTART_S = 3.0
PARTS = 5
CADENCE_MS = 3_000  # of market time: a restart often falls into a boundary that has its line
needs_signals = pytest.mark.skipif(os.name == "nt", reason="a signal to one process is POSIX")


def killed(program: Program, vault, there, rng, fact, *options):
    """Start, kill at an instant, again and again; return the seconds to the first new line."""
    waited = []

    def once(*, settled: bool):
        begun, more = time.monotonic(), grows(program, vault)
        with alive(program.start(vault, there, *options)) as process:
            if settled:
                box.wait_for(more, process, seconds=invariants.HANG_S)
                waited.append(time.monotonic() - begun)
                time.sleep(rng.uniform(0, 0.8))
            else:  # in the middle of starting, or of the first back-fill
                time.sleep(rng.uniform(0.05, 1.2))
            process.kill()
        fact.times += 1
        fact.add("kills survived")

    return once, waited


@pytest.mark.first
@pytest.mark.parts(PARTS)
def test_the_trade_exporter_is_killed(faults, tmp_path, vault, part):
    """SIGKILL while it starts, fetches and records: I1 to I3, and never thirty seconds idle."""
    fact = faults.row("A1", "trade exporter, SIGKILL at random instants")
    with market(tmp_path, seed=faults.seed % 1000) as there:
        once, waited = killed(TRADE, vault, there, faults.random, fact)
        for number in range(faults.count(KILLS, LONG_KILLS)):
            once(settled=number == 0 or faults.random.random() < 0.6)
        catch_up(vault, there, tmp_path)
    invariants.trades(vault, BTC, tmp_path, fact)
    note(fact, waited)


@pytest.mark.first
@pytest.mark.parts(PARTS)
def test_the_book_exporter_is_killed(faults, tmp_path, vault, part):
    """SIGKILL at any instant: no torn book, no time twice, no boundary of a connection left out."""
    fact = faults.row("A1", "book exporter, SIGKILL at random instants")
    kills = faults.count(KILLS, LONG_KILLS)
    # so long that it does not end before the last kill, on a slow computer either
    made = lively(kills * 200 + 800, rng=faults.random, start="2025-12-14T21:58:00.000Z")
    tape = book_tape(tmp_path / "tape.jsonl", made)
    words = ("--books", tape, "--wait-for-books", 1, "--speed", 3)
    with box.exchange(tmp_path, *words) as there:
        options = ("--cadence", f"{CADENCE_MS}ms", "--deep-every", 1)
        once, waited = killed(BOOK, vault, there, faults.random, fact, *options)
        for number in range(kills):
            once(settled=number == 0 or faults.random.random() < 0.6)
        BOOK.run(vault, there, *options, "--max-seconds", 4)
    found = invariants.books(vault, BTC, truth_of(made), tmp_path, cadence_ms=CADENCE_MS)
    fact.add("lines written", len(found))
    assert not any(gap for _, gap, _ in found)
    deep_lines_name_a_line(vault, {ts for ts, _, _ in found})
    note(fact, waited)


@pytest.mark.alone
@pytest.mark.parametrize("program", [TRADE, BOOK], ids=lambda program: program.name)
def test_soon_at_work_again(faults, tmp_path, vault, program):
    """Killed while it records: half of the starts write their first line within three seconds."""
    fact = faults.row("A1", "each exporter, SIGKILL while it records, nothing beside it")
    waits = ("--wait-for-books", 1) if program is BOOK else ()
    with market(tmp_path, *waits, seed=faults.seed % 1000) as there:
        once, waited = killed(program, vault, there, faults.random, fact)
        for _ in range(faults.count(3, 20)):
            once(settled=True)
    note(fact, waited)
    assert statistics.median(waited) <= RESTART_S


def note(fact, waited):
    """Tell how long starts took to the first new line; one that takes thirty seconds has failed."""
    fact.worst("restart s", round(max(waited), 2))
    fact.worst("restart s, median", round(statistics.median(waited), 2))


def deep_lines_name_a_line(vault, moments):
    """``from_utc`` of each deep line is a snapshot line that is on disk."""
    for path in sorted(vault.deep_snapshots(BTC).glob("*/*.jsonl")):
        for line in path.read_bytes().splitlines():
            assert times.parse_iso(orjson.loads(line)["from_utc"]) in moments


@needs_signals
@pytest.mark.parametrize("program", [TRADE, BOOK], ids=lambda program: program.name)
def test_told_to_stop(faults, tmp_path, vault, program):
    """SIGTERM and Ctrl-C mid-stream: all that came is there, exit code 0, within five seconds."""
    fact = faults.row("A3", "SIGTERM and Ctrl-C mid-stream, both exporters")
    waits = ("--wait-for-books", 1) if program is BOOK else ()
    took = []
    with market(tmp_path, *waits, seed=faults.seed % 1000) as there:
        for number in [signal.SIGTERM, signal.SIGINT] * faults.count(1, 10):
            with alive(program.start(vault, there)) as process:
                box.wait_for(grows(program, vault), process)
                time.sleep(faults.random.uniform(0, 0.3))
                took.append(stop(process, number))
            fact.times += 1
            assert program.facts(vault)["stopped"] is True
            newest = max(vault.root.glob("raw/okx/*/*/**/*.jsonl"))
            assert newest.read_bytes().endswith(b"\n")
        if program is TRADE:  # some of the stops fell into a back-fill
            catch_up(vault, there, tmp_path)
    if program is TRADE:
        invariants.trades(vault, BTC, tmp_path, fact)
    fact.worst("to the end s", round(max(took), 2))
    assert statistics.median(took) <= 5


def one_ended(both):
    """Return True if one of them has ended."""
    return any(one.poll() is not None for one in both)


def named(vault, pid):
    """Return True if the log names the holder of the lock."""
    return f"pid {pid}," in TRADE.log(vault)


def test_two_of_the_same_program_race(faults, tmp_path, vault):
    """One of two that start at once records, the other exits 4; a dead holder's lock is free."""
    fact = faults.row("C5", "two trade exporters started at the same moment")
    with market(tmp_path, seed=faults.seed % 1000) as there, ThreadPoolExecutor(2) as pool:
        for _ in range(faults.count(2, 50)):
            both = list(pool.map(lambda _: TRADE.start(vault, there), range(2)))
            with alive(both[0]), alive(both[1]):
                box.wait_for(partial(one_ended, both))
                codes = Counter(one.poll() for one in both)
                assert codes == {4: 1, None: 1}, TRADE.log(vault)[-2000:]
                (holder,) = [one for one in both if one.poll() is None]
                box.wait_for(partial(named, vault, holder.pid), seconds=5)
                holder.kill()
                holder.wait()
                with writer_lock(vault, "trades_perps", BTC):
                    fact.add("locks free after a kill")
            fact.times += 1
        catch_up(vault, there, tmp_path)
    invariants.trades(vault, BTC, tmp_path, fact)


def test_two_of_the_same_calculator_race(faults, tmp_path, vault):
    """Two runs of a calculator at once: one computes, the other exits 4 or finds nothing to do."""
    fact = faults.row("C5", "two VWAP calculators started at the same moment")
    calculator = calculators.CALCULATORS["vwap"]
    words = [
        sys.executable,
        str(CHECKOUT / "VWAP" / "vwap_calculator.py"),
        *calculator.arguments(vault),
    ]
    for number in range(faults.count(2, 50)):
        if number < calculators.PARTS:
            calculator.put(vault, number)
        both = [subprocess.Popen(words, stderr=subprocess.PIPE) for _ in range(2)]
        codes = {invariants.within(one) for one in both}
        assert 0 in codes
        assert codes <= {0, 4}
        fact.times += 1
        fact.add("refused with exit 4", 4 in codes)
    invariants.derived(vault, BTC, ["vwap"])
