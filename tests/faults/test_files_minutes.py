"""C7: kept minutes that are damaged, stale, half written or written twice: never believed, I4."""

import multiprocessing
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from ravequant import times
from ravequant.errors import VaultError
from ravequant.records import parse_trade
from ravequant.trades.day_minutes import decode
from ravequant.vault import trade_repair
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from ravequant.vault.paths import Vault
from ravequant.vault.trade_repair import DayRepair, Insert, Repair
from scripts.batch.jobs import BARS
from tests.faults import disk
from tests.faults.disk import KILLS, REFUSALS, Order
from tests.support import kept_days
from tests.support.crashes import Stopped
from tests.support.kept_days import fresh, kept_files, made, put, run, stream
from tests.support.trade_streams import BTC

PACKED = "2025-12-14"


@pytest.fixture
def raw(tmp_path):
    """Return a vault with raw lines over some midnights, late ones among them."""
    vault = Vault(tmp_path / "raw")
    put(vault, stream(3, count=90), packed=(PACKED,))
    return vault


@pytest.fixture
def wanted(raw, tmp_path):
    """Return what every calculator makes of the raw lines alone."""
    return fresh(raw, tmp_path / "wanted")


def agrees(vault: Vault, wanted: dict[str, dict[str, bytes]]) -> None:
    """Assert that every calculator, made anew with what is kept, gives the bytes of raw lines."""
    for metric in BARS:
        run(vault, metric)
        assert made(vault, metric) == wanted[metric]


@pytest.mark.parametrize("fault", [*KILLS, *REFUSALS, "short"])
def test_a_run_that_keeps_minutes_dies_or_fails_at_every_step(raw, wanted, tmp_path, fault, faults):
    """The next runs give the bytes of raw lines, and keep all days."""
    fact = faults.row("C7", f"{fault} at every step of a run that keeps minutes")
    trial = kept_days.copied(raw, tmp_path / "trial")
    with disk.faulty(Order(str(trial.root))) as taken:
        run(trial)
    steps = range(1, len(taken) + 1)
    for at in steps if faults.long else faults.random.sample(steps, 2):
        vault = kept_days.copied(raw, tmp_path / f"at-{at}")
        with (
            suppress(Stopped, VaultError),
            disk.faulty(Order(str(vault.root), fault, at, fault in REFUSALS)),
        ):
            run(vault)
        agrees(vault, wanted)
        assert len(kept_files(vault)) >= 3
        shutil.rmtree(vault.root)
        fact.times += 1


def test_kept_minutes_cut_or_turned_at_every_byte(raw, wanted, faults):
    """The raw lines are read again, and the file is made again."""
    fact = faults.row("C7", "kept minutes cut and a bit turned at every byte")
    run(raw)
    path = kept_files(raw)[1]
    whole = path.read_bytes()
    places = range(len(whole))
    for at in places if faults.long else faults.random.sample(places, 12):
        turned = bytes((whole[at] ^ 1 << faults.random.randrange(8),))
        for data in (whole[:at], whole[:at] + turned + whole[at + 1 :]):
            path.write_bytes(data)
            run(raw)
            assert made(raw) == wanted["volume"]
            if path.read_bytes() != whole:  # bits of the compression that change no content
                assert decode(data) == decode(whole)
            fact.times += 1
    notes = raw.state("bars", BTC)
    known = notes.read_bytes()
    for at in faults.random.sample(range(len(known)), faults.count(6, len(known) // 2)):
        notes.write_bytes(known[:at] + bytes((known[at] ^ 4,)) + known[at + 1 :])
        run(raw)
        assert made(raw) == wanted["volume"]
        fact.times += 1
    agrees(raw, wanted)


def test_every_line_of_the_raw_files_replaced(raw, tmp_path, faults):
    """A line with another size of the same length: what is kept of it is not believed."""
    fact = faults.row("C7", "a raw line replaced by one of the same length")
    run(raw)
    (path,) = raw.trades(BTC).glob("2025-12-15*")
    lines = path.read_bytes().splitlines(keepends=True)
    able = [at for at, line in enumerate(lines) if b'"qty_contracts":"45"' in line]
    for at in able if faults.long else faults.random.sample(able, 3):
        changed = lines[at].replace(b'"qty_contracts":"45"', b'"qty_contracts":"54"')
        path.write_bytes(b"".join([*lines[:at], changed, *lines[at + 1 :]]))
        wanted = fresh(raw, tmp_path / "fresh")
        agrees(raw, wanted)
        shutil.rmtree(tmp_path / "fresh")
        fact.times += 1


def test_a_repair_behind_kept_minutes(raw, tmp_path, faults):
    """A hole that is filled, or settled: the day is read again, and those around it are right."""
    fact = faults.row("C7", "a hole in a kept day repaired, and settled as one that never was")
    (path,) = raw.trades(BTC).glob("2025-12-15*")
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    taken = len(lines) // 2
    kept_lines = [line for at, line in enumerate(lines) if at != taken or b"trade_id" not in line]
    path.write_bytes(b"".join(kept_lines))
    agrees(raw, fresh(raw, tmp_path / "with-a-hole"))
    offset = sum(map(len, lines[:taken]))
    after = next(line for line in lines[taken + 1 :] if b"trade_id" in line)
    next_id = parse_trade(after, BTC)[0].first_id
    hole = parse_trade(lines[taken], BTC)[0]
    entry = LedgerEntry(Gap(hole.first_id, hole.trade_id), "repaired", "fetched", times.DAY_MS)
    day = DayRepair("2025-12-15", (Insert(offset, next_id, lines[taken]),))
    trade_repair.note(raw, Repair(BTC, (day,), (entry,), 1))
    trade_repair.finish(raw, BTC)
    assert path.read_bytes() == whole
    agrees(raw, fresh(raw, tmp_path / "repaired"))
    ledger = GapLedger(raw.gap_ledger(BTC), BTC)
    ledger.append(LedgerEntry(Gap(1, 10**9), "id_hole", "never there", times.DAY_MS))
    agrees(raw, fresh(raw, tmp_path / "settled"))
    fact.times += 1


def test_any_stream_over_midnight(tmp_path, faults):
    """Late lines, lines ahead, gaps and bad lines on both sides of it; runs cut anywhere."""
    fact = faults.row("C7", "late lines over midnight, in runs cut anywhere")
    for number in range(faults.count(2, 60)):
        vault = Vault(tmp_path / f"any-{number}")
        lines = stream(faults.random.randrange(1 << 30), count=120)
        for end in sorted(faults.random.sample(range(1, len(lines)), 3)):
            put(vault, lines[:end])
            with suppress(VaultError):
                run(vault, rebuild=False)
        put(vault, lines)
        for path in vault.trades(BTC).glob("*.gz"):
            path.unlink()
        agrees(vault, fresh(vault, tmp_path / f"fresh-{number}"))
        agrees(vault, fresh(vault, tmp_path / f"again-{number}"))
        fact.times += 1


def _run_there(root: Path, metric: str) -> None:
    run(Vault(root), metric)


def test_calculators_at_the_same_moment(raw, wanted, faults):
    """Four processes keep the minutes of the same days."""
    fact = faults.row("C7", "four calculators that keep the same minutes at once")
    context = multiprocessing.get_context("spawn")
    for _ in range(faults.count(1, 20)):
        shutil.rmtree(raw.minutes(BTC), ignore_errors=True)
        work = [context.Process(target=_run_there, args=(raw.root, metric)) for metric in BARS]
        for process in work:
            process.start()
        for process in work:
            process.join()
        assert [process.exitcode for process in work] == [0] * len(BARS)
        assert {metric: made(raw, metric) for metric in BARS} == wanted
        agrees(raw, wanted)
        fact.times += 1
