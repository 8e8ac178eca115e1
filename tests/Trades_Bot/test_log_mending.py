"""What a running exporter does for others between two flushes: while it records, for real."""

import signal
import subprocess
import sys

from ravequant.vault.gap_ledger import GapLedger, read_generation
from ravequant.vault.imports import built_day, under_way
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support.import_market import (
    BTC,
    ENCODER,
    RECORDS,
    WHOLE,
    archive,
    of_days,
    put,
    raw,
    with_holes,
)
from tests.support.trades_box import exchange, log_of, start, wait_for
from tests.vault.imports.test_under_way import DAYS, build
from Trades_Bot import log_mending

IMPORT = CHECKOUT / "Trades_Bot" / "import_trades.py"


def test_noted_days_are_work(vault):
    """Repairs first; nothing is noted in an empty vault."""
    assert not log_mending.is_noted(vault, BTC)
    for day in DAYS:
        build(vault, day)
    under_way.note(vault, BTC, DAYS)
    assert log_mending.is_noted(vault, BTC)
    assert list(log_mending.carry_out(vault, BTC, DAYS[2])) == [
        "2 imported days stand in their places",
        f"{DAYS[2]} was imported and has changed since: import_trades builds it again",
    ]
    assert built_day.days_built(vault, BTC) == [DAYS[2]]
    assert not log_mending.is_noted(vault, BTC)


def test_days_are_imported_while_it_records(tmp_path, vault):
    """It holds the log and lets days to their places; nothing that came meanwhile is lost."""
    tape = tmp_path / "tape.jsonl"
    tape.write_bytes(b"".join(map(ENCODER.line, RECORDS)))
    put(vault, with_holes(of_days(*WHOLE[1:]) + of_days("2025-12-15")[:50], seed=9))
    folder = archive(tmp_path / "archive")
    with exchange(
        tmp_path, "--trades", str(tape), "--history", "83h", "--speed", "3000",
        "--rest-limit-factor", "50",
    ) as leading:  # fmt: skip
        process = start(vault, *leading, "--instId", BTC, "--rest-limit-factor", "50")
        wait_for(lambda: "goes on after id" in log_of(vault), process)
        command = [sys.executable, IMPORT, "--vault", vault.root, "--dir", folder]
        done = subprocess.run(command, capture_output=True, check=False, timeout=90)
        assert done.returncode == 0, done.stderr.decode() + log_of(vault)[-2000:]
        assert process.poll() is None
        wait_for(lambda: written_raw(vault)[-1] == RECORDS[-1].trade_id, process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert {day: raw(vault)[day] for day in WHOLE} == raw_of(tmp_path)
    assert read_generation(vault.generation(BTC)) >= 1
    assert "imported days stand in their places" in log_of(vault)
    assert GapLedger(vault.gap_ledger(BTC), BTC).rejected == 0


def written_raw(vault) -> list[int]:
    newest = max(vault.trades(BTC).glob("*.jsonl"))
    lines = newest.read_bytes().split(b"\n")[:-1]
    return [int(line.split(b'"trade_id":"')[1].split(b'"')[0]) for line in lines[-1:]] or [0]


def raw_of(folder) -> dict[str, bytes]:
    return raw(put(Vault(folder / "whole"), of_days(*WHOLE)))


def test_the_day_of_the_exporter_is_left(vault):
    """No day from that of its file on is put in place."""
    build(vault, DAYS[0])
    under_way.note(vault, BTC, DAYS[:1])
    assert len(list(log_mending.carry_out(vault, BTC, DAYS[0]))) == 1
    assert not list(vault.root.glob("raw/**/*.gz"))
