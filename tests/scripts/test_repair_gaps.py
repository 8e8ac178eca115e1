"""Repair: what was missed is fetched, stands where it belongs, and everything computed is as if."""

import gzip
import json
import random
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import pytest

from CVD import run_cvd_from_jsonl
from ravequant import times
from ravequant.contract import Contract
from ravequant.exchanges.okx.rest import PAGES, OkxRest
from ravequant.records import Side, Trade, TradeEncoder
from ravequant.vault import instruments, trade_repair
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry, read_generation
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from scripts import repair_gaps, verify_vault
from scripts.audit.gap_plan import RepairPlan, fetch, look
from tests.support import crashes
from tests.support.trades_box import BTC, exchange, start, wait_for, written
from Untouch_Wick import untouch_wick
from Volume_Analyzer import volume_analyzer
from VWAP import vwap_calculator

LINEAR = Contract("0.01", "1", "linear")
ENCODER = TradeEncoder(BTC, LINEAR)
NOON = times.parse_iso("2025-12-13T12:00:00.000Z")
REPAIR = CHECKOUT / "scripts" / "repair_gaps.py"
ID_HOLE = 7  # ids that the exchange skipped
CALCULATORS = (vwap_calculator, run_cvd_from_jsonl, volume_analyzer, untouch_wick)


def market() -> list[Trade]:
    """Two and a half days of orders of one to five fills, out of step with midnight."""
    chance, ts, last, made = random.Random(3), NOON, 1_000, list[Trade]()
    while ts < NOON + 59 * times.HOUR_MS:
        ts += chance.randrange(1, 400_000)
        count = chance.randrange(1, 6)
        last += count + (ID_HOLE if len(made) == 500 else 0)
        price = f"{100_000 + chance.randrange(2_000)}.{chance.randrange(1, 10)}"
        side: Side = "buy" if chance.random() < 0.5 else "sell"
        made.append(Trade(ts, last, side, price, str(count * chance.randrange(1, 50)), count))
    return made


MARKET = market()


def put(vault: Vault, trades: Iterable[Trade]) -> Vault:
    """Write trades by the file rule of SPEC section 3."""
    vault.trades(BTC).mkdir(parents=True)
    day = ""
    for trade in trades:
        day = max(day, times.day(trade.ts))
        with (vault.trades(BTC) / f"{day}.jsonl").open("ab") as file:
            file.write(ENCODER.line(trade))
    return vault


def without(*stretches: range) -> list[Trade]:
    return [trade for at, trade in enumerate(MARKET) if not any(at in gone for gone in stretches)]


def first_of(day: str) -> int:
    return next(at for at, trade in enumerate(MARKET) if times.day(trade.ts) == day)


def ids(stretch: range) -> Gap:
    return Gap(MARKET[stretch[0]].first_id, MARKET[stretch[-1]].trade_id)


def note(vault: Vault, hole: Gap, status) -> None:
    GapLedger(vault.gap_ledger(BTC), BTC).append(LedgerEntry(hole, status, "test", 0))


def note_id_hole(vault: Vault) -> None:
    last = MARKET[499].trade_id
    note(vault, Gap(last + 1, last + ID_HOLE), "id_hole")


def raw(vault: Vault) -> dict[str, bytes]:
    found = day_files(vault.trades(BTC))
    return {
        day: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for day, path in found
    }


def derived(vault: Vault) -> dict[str, bytes]:
    folder = vault.root / "derived"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.jsonl")}


def calculate(vault: Vault) -> None:
    for room in CALCULATORS:
        assert room.main(["--vault", str(vault.root), "--instId", BTC]) == 0


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """The exchange in a box with the whole market behind it; the option that leads there."""
    folder = tmp_path_factory.mktemp("exchange")
    tape = folder / "tape.jsonl"
    tape.write_bytes(b"".join(map(ENCODER.line, MARKET)))
    options = ("--trades", str(tape), "--history", "100h", "--wait-for-clients", "0")
    with exchange(folder, *options) as addresses:
        yield addresses[2:]


@pytest.fixture
def whole(tmp_path) -> Vault:
    """The vault of somebody who missed nothing."""
    return put(Vault(tmp_path / "whole"), MARKET)


def repair(vault: Vault, there, *words: str) -> int:
    options = ["--vault", str(vault.root), "--instId", BTC, "--json", "--rest-limit-factor", "20"]
    return repair_gaps.main([*options, *there, *words])


MIDNIGHT = first_of("2025-12-14")
GONE = (
    range(20, 21), range(70, 95), range(MIDNIGHT - 4, MIDNIGHT + 5), range(300, 420),
    range(len(MARKET) - 9, len(MARKET) - 2),
)  # fmt: skip


def test_what_was_missed_stands_where_it_belongs_and_all_that_is_computed_is_as_if(
    vault, whole, there, capsys
):
    """Holes in a packed day, over midnight, known, unknown: raw and derived are the whole's."""
    put(vault, without(*GONE))
    for known in (vault, whole):
        note_id_hole(known)
    note(vault, ids(GONE[1]), "open")
    note(vault, ids(GONE[2]), "open")
    oldest = vault.trades(BTC) / "2025-12-13.jsonl"
    oldest.with_suffix(".jsonl.gz").write_bytes(gzip.compress(oldest.read_bytes()))
    oldest.unlink()
    meta = instruments.parse_instrument(OkxRest(there[1]).instrument(BTC))
    for one in (vault, whole):
        instruments.save(one, meta, None)
        calculate(one)
    assert derived(vault) != derived(whole)
    capsys.readouterr()
    assert repair(vault, there) == 0
    facts = json.loads(capsys.readouterr().out)
    missed = sum(ids(stretch).missing for stretch in GONE)
    assert (facts["holes"], facts["asked"], facts["repaired"]) == (5, missed, missed)
    assert raw(vault) == raw(whole)
    assert [path.suffix for _, path in day_files(vault.trades(BTC))] == [".gz", ".jsonl", ".jsonl"]
    assert read_generation(vault.generation(BTC)) == 1
    assert not trade_repair.is_noted(vault, BTC)
    assert verify_vault.main(["--vault", str(vault.root)]) == 0
    calculate(vault)
    assert derived(vault) == derived(whole)
    assert repair(vault, there) == 0  # nothing more to do
    assert read_generation(vault.generation(BTC)) == 1


def test_what_is_dated_after_its_successors_day_stands_before_it(tmp_path, vault):
    """Out of order over midnight: its file is the successor's, and the certificate agrees."""
    midnight = times.parse_iso("2025-12-14T00:00:00.000Z")
    moments = (-5_000, -3_000, 1, -1, 2_000, 90_000)
    trades = [Trade(midnight + at, 100 + n, "buy", "100", "1") for n, at in enumerate(moments)]
    put(vault, trades[:2] + trades[3:])
    tape = tmp_path / "tape.jsonl"
    tape.write_bytes(b"".join(map(ENCODER.line, trades)))
    options = ("--trades", str(tape), "--history", "1h", "--wait-for-clients", "0")
    with exchange(tmp_path, *options) as addresses:
        assert repair(vault, addresses[2:]) == 0
    assert [data.count(b"\n") for data in raw(vault).values()] == [4, 2]
    assert written(vault, BTC) == trades
    assert verify_vault.main(["--vault", str(vault.root)]) == 0
    vault.gap_ledger(BTC).unlink()  # nobody put it in later: then it is misplaced
    assert verify_vault.main(["--vault", str(vault.root)]) == 1


def test_a_missing_day_is_made_and_one_trade_is_found_again(vault, whole, there):
    """No file of the day at all; and a single record of several fills comes back as it was."""
    put(vault, without(range(MIDNIGHT - 2, first_of("2025-12-15") + 3)))
    assert len(raw(vault)) == 2
    assert repair(vault, there) == 0
    assert raw(vault) == raw(whole)


def test_ids_that_the_exchange_does_not_have_are_settled(vault, there, capsys):
    """An id hole is noted as one, the generation rises, and it is not asked for again."""
    put(vault, MARKET)
    assert repair(vault, there) == 0
    assert json.loads(capsys.readouterr().out)["id_holes"] == ID_HOLE
    ledger = GapLedger(vault.gap_ledger(BTC), BTC)
    assert [(entry.gap.missing, entry.status) for entry in ledger.entries()] == [
        (ID_HOLE, "id_hole")
    ]
    assert read_generation(vault.generation(BTC)) == 1
    assert repair(vault, there) == 0
    assert json.loads(capsys.readouterr().out)["holes"] == 0


def test_a_hole_that_is_none_any_more_is_called_repaired(vault, there):
    """The ledger says open, the ids are on disk: the ledger is put right."""
    put(vault, MARKET)
    note_id_hole(vault)
    note(vault, ids(GONE[1]), "open")
    assert repair(vault, there) == 0
    newest = GapLedger(vault.gap_ledger(BTC), BTC).entries()[-1]
    assert (newest.gap, newest.status) == (ids(GONE[1]), "repaired")


def test_without_an_answer_the_hole_stays_open_and_nothing_else_changes(vault, capsys):
    """REST is away: exit code 1, the ledger calls it open, once; the files are as they were."""
    put(vault, without(GONE[1]))
    note_id_hole(vault)
    before = raw(vault)
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = ["--rest-url", f"http://127.0.0.1:{free.getsockname()[1]}", "--patience", "0.2"]
    for _ in range(2):
        assert repair(vault, nobody) == 1
        assert json.loads(capsys.readouterr().out)["open"] == ids(GONE[1]).missing
    assert raw(vault) == before
    statuses = [entry.status for entry in GapLedger(vault.gap_ledger(BTC), BTC).entries()]
    assert statuses == ["id_hole", "open"]


def test_stopped_at_any_step_the_next_run_finishes_it(tmp_path, vault, whole, there):
    """Before every sync, rename and unlink: each day is as it was or as it should be."""
    put(vault, without(*GONE))
    note_id_hole(vault)
    plan, found = RepairPlan(vault, BTC, look(vault, BTC)), look(vault, BTC)
    rest = OkxRest(there[1], limit_factor=20)
    for missing in found.missing:
        for gap in found.wanted(missing):
            came = fetch(
                lambda after: rest.history_trades(BTC, after),
                gap,
                missing.before.ts,
                found.newest_ts,
                pages=PAGES,
                patience_s=5,
            )
            plan.add(missing, came)
    planned = plan.repair()
    assert planned is not None
    at, finished = 0, False
    while not finished:
        at += 1
        cut = Vault(tmp_path / f"cut{at}")
        shutil.copytree(vault.root, cut.root)
        with crashes.steps(at) as taken:
            try:
                trade_repair.note(cut, planned)
                trade_repair.finish(cut, BTC)
                finished = True
            except crashes.Stopped:
                for day, lines in raw(cut).items():
                    assert lines in (raw(vault)[day], raw(whole)[day])
        begun = finished or trade_repair.is_noted(cut, BTC)
        repair_gaps.carry_out(cut, BTC, 1)
        assert raw(cut) == raw(whole if begun else vault), taken
        assert read_generation(cut.generation(BTC)) == begun
        assert not trade_repair.is_noted(cut, BTC)
        shutil.rmtree(cut.root)
    assert at > 10


def test_a_running_exporter_does_it_between_two_appends(tmp_path, vault, there):
    """It holds the lock, writes on, and the log is whole in the end, newest day included."""
    tape = tmp_path / "tape.jsonl"
    tape.write_bytes(b"".join(map(ENCODER.line, MARKET)))
    short = range(len(MARKET) - 100, len(MARKET))
    put(vault, without(*GONE[:4], range(len(MARKET) - 130, len(MARKET) - 120), short))
    with exchange(
        tmp_path, "--trades", str(tape), "--history", "55h", "--speed", "4000",
        "--rest-limit-factor", "20",
    ) as leading:  # fmt: skip
        process = start(vault, *leading, "--instId", BTC, "--rest-limit-factor", "20")
        wait_for(vault.health("trades_exporter").exists, process)
        command = [sys.executable, REPAIR, "--vault", vault.root, "--instId", BTC, *leading[2:],
                   "--rest-limit-factor", "20"]  # fmt: skip
        assert subprocess.run(command, check=False, timeout=60).returncode == 0
        assert process.poll() is None
        assert not trade_repair.is_noted(vault, BTC)
        wait_for(lambda: written(vault, BTC)[-1] == MARKET[-1], process)
        process.terminate()
        process.communicate(timeout=20)
    assert written(vault, BTC) == MARKET
    assert process.returncode == 0


def test_a_holder_that_does_not_answer_is_named_and_the_repair_is_done_later(
    vault, whole, there, capsys
):
    """Exit code 4 says whom to stop; what has been fetched is not lost."""
    put(vault, without(*GONE))
    with writer_lock(vault, "trades_perps", BTC):
        assert repair(vault, there, "--wait", "0.1") == 4
    assert "did not carry out the repair within 0.1 s" in capsys.readouterr().err
    assert trade_repair.is_noted(vault, BTC)
    assert repair(vault, ["--rest-url", "http://127.0.0.1:9"], "--wait", "5") == 0
    assert raw(vault) == raw(whole)


def test_a_repair_too_large_for_the_exporter_asks_to_stop_it(
    vault, whole, there, capsys, monkeypatch
):
    """It has little memory: exit code 4. The repair stays noted, since it may have been begun.

    Here by a run that was killed behind the last day, before the generation told the calculators.
    """
    put(vault, without(*GONE))
    for known in (vault, whole):
        note_id_hole(known)
    monkeypatch.setattr(trade_repair, "MOST_ASKED", 1_000)
    with monkeypatch.context() as killed:
        killed.setattr(trade_repair, "GapLedger", lambda *_: sys.exit("killed"))
        with pytest.raises(SystemExit):
            repair(vault, there)
    assert raw(vault) == raw(whole)
    with writer_lock(vault, "trades_perps", BTC):
        assert repair(vault, there) == 4
    assert "is not one for a running exporter: stop it" in capsys.readouterr().err
    assert repair(vault, there) == 0
    assert read_generation(vault.generation(BTC)) == 1


def test_when_the_exporter_that_was_asked_ends_the_repair_is_done_here(vault, whole, there):
    """Nobody waits for a program that is gone."""
    put(vault, without(*GONE))
    held = ExitStack()
    held.enter_context(writer_lock(vault, "trades_perps", BTC))

    def let_go() -> None:
        wait_for(lambda: trade_repair.is_noted(vault, BTC))
        held.close()

    threading.Thread(target=let_go).start()
    assert repair(vault, there, "--wait", "20") == 0
    assert raw(vault) == raw(whole)


def test_a_log_that_has_changed_since_is_not_touched(vault):
    """The note says what stands at the place; else it is an error and nothing is written."""
    put(vault, without(GONE[1]))
    missing = next(iter(look(vault, BTC).missing))
    lines = b"".join(ENCODER.line(MARKET[at]) for at in GONE[1])
    day = trade_repair.DayRepair(
        "2025-12-13", (trade_repair.Insert(missing.offset + 7, missing.to_id + 1, lines),)
    )
    trade_repair.note(vault, trade_repair.Repair(BTC, (day,), (), 1))
    before = raw(vault)
    assert repair(vault, ["--rest-url", "http://127.0.0.1:9"]) == 1
    assert raw(vault) == before


def test_an_empty_vault_has_nothing_to_repair(vault, capsys):
    """Exit code 3."""
    assert repair_gaps.main(["--vault", str(vault.root)]) == 3
    assert "no raw trades of any instrument" in capsys.readouterr().err
    assert Path(vault.root).exists() is False
