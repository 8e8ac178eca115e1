"""B1, B3: a last line that is not whole: cut off and kept aside by writers, not seen by readers."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from L2_Bot import l2_query
from ravequant import times
from ravequant.records import parse_trade
from ravequant.vault import commit
from ravequant.vault.append_log import DayLog, HourLog
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from ravequant.vault.instruments import history
from ravequant.vault.paths import Vault
from scripts import peek
from tests.faults.calculators import BTC, CALCULATORS, LINEAR, PARTS, START, CalculatorRun, copied
from tests.support import book_lines
from Untouch_Wick import candle_builder

# appends a file's bytes one by one behind what stands there, in small bursts
WRITER = """
import os, sys, time
with open(sys.argv[1], "rb") as source:
    data = source.read()
handle = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for at in range(len(data)):
    os.write(handle, data[at : at + 1])
    if at % int(sys.argv[3]) == 0:
        time.sleep(0.001)
"""


@pytest.fixture(params=CALCULATORS)
def calculator(request):
    """Return one calculator after the other."""
    return CALCULATORS[request.param]


def cuts(faults, length: int, ordinary: int = 12) -> list[int]:
    """Return the byte offsets at which the last record is cut: all of them, or a sample."""
    return (
        list(range(1, length)) if faults.long else faults.random.sample(range(1, length), ordinary)
    )


def last_line(data: bytes) -> tuple[bytes, bytes]:
    """Return what stands before the last line, and that line."""
    begin = data[:-1].rfind(b"\n") + 1
    return data[:begin], data[begin:]


@pytest.mark.parametrize("stream", ["trades", "books"])
def test_an_exporters_log_cut_at_every_byte(tmp_path, stream, faults):
    """The rest is kept aside, no whole record is lost, and the next one stands behind the last."""
    fact = faults.row("B1", "both exporters' logs, cut at every byte of the last record")
    vault, calculator = (
        Vault(tmp_path / "vault"),
        CALCULATORS["vwap" if stream == "trades" else "liquidity_buckets"],
    )
    calculator.fill(vault)
    path = calculator.raw(vault)[-1]
    before, last = last_line(path.read_bytes())
    for cut in cuts(faults, len(last)):
        path.write_bytes(before + last[:cut])
        torn = path.with_name(f"{path.name}.torn")
        torn.unlink(missing_ok=True)
        log = DayLog(vault.trades(BTC)) if stream == "trades" else HourLog(vault.snapshots(BTC))
        with log:
            assert log.torn_bytes == cut
            assert log.last_line() == last_line(before)[1]
            ts = times.parse_iso(orjson.loads(last)["timestamp_utc"])
            log.append(ts, last)
        assert path.read_bytes() == before + last
        assert torn.read_bytes() == last[:cut]
        fact.times += 1
        fact.add("bytes cut", cut)


def test_the_small_logs_cut_at_every_byte(vault, faults):
    """Ledger and metadata history: a torn line is not read, nor glued to the next one."""
    fact = faults.row("B1", "gap ledger and metadata history, cut at every byte of the last line")
    entries = [LedgerEntry(Gap(n, n + 3), "repaired", "by REST", START + n) for n in (10, 50)]
    ledger_path = vault.gap_ledger(BTC)
    ledger = GapLedger(ledger_path, BTC)
    for entry in entries:
        ledger.append(entry)
    book_lines.put_metadata(vault, BTC, LINEAR)
    row = history(vault, BTC)[0][1]
    history_path = vault.metadata_history(BTC)
    before, last = last_line(ledger_path.read_bytes())
    for cut in cuts(faults, len(last)):
        ledger_path.write_bytes(before + last[:cut])
        read = GapLedger(ledger_path, BTC)
        assert list(read.entries()) == entries[:1]
        read.append(entries[1])
        assert list(GapLedger(ledger_path, BTC).entries()) == entries
        assert ledger_path.read_bytes() == before + last
        fact.times += 1
        fact.add("bytes cut", cut)
    whole = history_path.read_bytes()
    for cut in cuts(faults, len(whole)):
        history_path.write_bytes(whole + whole[:cut])
        assert [found for _, found in history(vault, BTC)] == [row]
        fact.times += 1
        fact.add("bytes cut", cut)


def test_a_calculator_reads_a_file_cut_at_every_byte(calculator, tmp_path, faults):
    """It sees whole lines only; once the line is whole, the bytes are those of one run."""
    fact = faults.row("B1", "each calculator, the raw file cut at every byte of its last record")
    whole = Vault(tmp_path / "whole")
    calculator.fill(whole)
    path = calculator.raw(whole)[-1]
    before, last = last_line(path.read_bytes())
    path.write_bytes(before)
    assert calculator.run(whole) == 0
    without = calculator.made(whole)
    there = copied(whole, "cut")
    path.write_bytes(before + last)
    assert calculator.run(whole) == 0
    wanted = calculator.made(whole)
    cut_file = calculator.raw(there)[-1]
    saved = {one: one.read_bytes() for one in there.root.rglob("*") if one.is_file()}
    for cut in cuts(faults, min(len(last), 320), 4):
        cut_file.write_bytes(before + last[:cut])
        assert calculator.run(there) == 0
        assert calculator.made(there) == without
        cut_file.write_bytes(before + last)
        assert calculator.run(there) == 0
        assert calculator.made(there) == wanted
        for one, data in saved.items():
            if one.exists() and one.read_bytes() != data:
                one.write_bytes(data)
        fact.times += 1
        fact.add("bytes cut", len(last) - cut)


READERS = {
    "candle_builder": (candle_builder, ["--instId", BTC]),
    "peek": (peek, ["trades", BTC]),
    "l2_query": (l2_query, ["spread", "--instId", BTC]),
}


@pytest.mark.parametrize("name", READERS)
def test_a_reader_does_not_see_half_a_line(tmp_path, name, faults, capsys):
    """What it says of a file with half a line is what it says without that half."""
    fact = faults.row("B1", "other readers, cut at every byte of the last record")
    module, options = READERS[name]
    vault = Vault(tmp_path / "vault")
    for metric in ("vwap", "liquidity_buckets"):
        CALCULATORS[metric].fill(vault)
    path = CALCULATORS["liquidity_buckets" if name == "l2_query" else "vwap"].raw(vault)[-1]
    before, last = last_line(path.read_bytes())

    def said() -> tuple[int, str]:
        capsys.readouterr()
        code = module.main(["--vault", str(vault.root), *options])
        return code, capsys.readouterr().out

    path.write_bytes(before)
    wanted = said()
    assert wanted[0] == 0
    for cut in cuts(faults, min(len(last), 320), 4):
        path.write_bytes(before + last[:cut])
        assert said() == wanted
        fact.times += 1
        fact.add("bytes cut", len(last) - cut)
    path.write_bytes(before + last)
    assert said() != wanted


def test_lines_come_a_byte_at_a_time(calculator, tmp_path, faults):
    """A process writes byte by byte while the calculator runs again and again: I4, no half line."""
    fact = faults.row("B3", "each calculator beside a writer of single bytes")
    vault, whole = Vault(tmp_path / "vault"), Vault(tmp_path / "whole")
    calculator.fill(whole)
    assert calculator.run(whole) == 0
    for part in range(PARTS - 1):
        calculator.put(vault, part)
    calculator.put(whole, PARTS)  # nothing: the whole is there
    newest = calculator.raw(whole)[-1]
    path = vault.root / newest.relative_to(whole.root)
    have = path.stat().st_size
    rest = tmp_path / "rest"
    rest.write_bytes(newest.read_bytes()[have:])
    pause_every = faults.count(40, 4) * (8 if calculator.stream == "books" else 1)
    command = [sys.executable, "-c", WRITER, str(rest), str(path), str(pause_every)]
    for other in calculator.beside(whole):
        (vault.root / other.relative_to(whole.root)).write_bytes(other.read_bytes())
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            assert calculator.run(vault) == 0
            fact.times += 1
            fact.add("runs in the middle of a line", stands_whole(calculator, vault, path))
    assert process.returncode == 0
    assert calculator.run(vault) == 0
    assert calculator.made(vault) == calculator.made(whole)
    fact.add("bytes written singly", rest.stat().st_size)


def stands_whole(calculator: CalculatorRun, vault: Vault, path: Path) -> int:
    """Assert that the cursor is behind a newline; return True if half a line follows."""
    facts = commit.read_state(vault.state(calculator.metric, BTC), calculator.metric, BTC)
    assert facts is not None
    data, offset = path.read_bytes(), facts["cursor"]["offset"]
    assert data[offset - 1 : offset] == b"\n"
    if calculator.stream == "trades":
        parse_trade(data[:offset].splitlines(keepends=True)[-1], BTC)
    return int(not data.endswith(b"\n"))
