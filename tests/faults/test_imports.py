"""C8: an import is killed, or its disk refuses, at any step; the next program makes it whole."""

import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ravequant.settings import SETTINGS_VARIABLE
from ravequant.vault.gap_ledger import GapLedger, read_generation, status_ranges
from ravequant.vault.imports import hand_over, provenance, under_way
from ravequant.vault.paths import CHECKOUT, Vault
from tests.faults import disk, exporters
from tests.faults.calculators import CALCULATORS, OF_TRADES
from tests.faults.disk import Order
from tests.support import box
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
from Trades_Bot import import_trades

MODULE = "Trades_Bot.import_trades"
KILLED = (-9, 137)
SIDE_BY_SIDE = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Vault:
    """Half of the second day and the third, with holes, by the real exporter from the box."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "ravequant.toml").write_text("[trades]\nrest_patience_s = 1\n", encoding="utf-8")
    tape = folder / "tape.jsonl"
    tape.write_bytes(b"".join(map(ENCODER.line, of_days("2025-12-11", *WHOLE))))
    faults = [
        {"kind": "gap", "channel": "trades", "every": 400, "length": 12},
        {"kind": "rest-status", "path": "history-trades", "status": 500},
    ]
    vault = Vault(folder / "vault")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SETTINGS_VARIABLE, str(folder / "ravequant.toml"))
        words = ("--trades", tape, "--history", "44h", "--speed", 4000, "--rest-limit-factor", 10)
        with box.exchange(folder, *words, faults=faults) as there:
            exporters.TRADE.run(vault, there, "--stop-when-idle", 3)
    return vault


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Vault:
    """Everything, as if it had been recorded, and all that is computed of it."""
    vault = put(Vault(tmp_path_factory.mktemp("whole")), of_days(*WHOLE))
    calculate(vault)
    return vault


@pytest.fixture(scope="module")
def scene(recorded, whole, folder) -> tuple[Vault, Vault, Path]:
    """The recording with holes, the whole one, and the archive."""
    return recorded, whole, folder


def calculate(vault: Vault) -> dict[str, bytes]:
    for metric in OF_TRADES:
        assert CALCULATORS[metric].run(vault) == 0
    derived = vault.root / "derived"
    return {str(path.relative_to(derived)): path.read_bytes() for path in derived.rglob("*.jsonl")}


def words(vault: Vault, folder: Path) -> list[str]:
    return ["--vault", str(vault.root), "--dir", str(folder), "--log-level", "warning"]


def is_whole(vault: Vault, whole: Vault) -> None:
    """Each id once, ledger, provenance and generation as of one run without a fault."""
    assert raw(vault) == raw(whole)
    assert not under_way.is_noted(vault, BTC)
    assert len(provenance.entries(vault, BTC)) == 3
    assert read_generation(vault.generation(BTC)) == 1
    entries = GapLedger(vault.gap_ledger(BTC), BTC).entries()
    ids = [t.first_id for t in RECORDS], [t.trade_id for t in RECORDS]
    statuses = {found.status for found in status_ranges(entries, ids[0][0], ids[1][-1])}
    assert statuses <= {None, "repaired"}


def test_half_recorded_and_half_in_the_archive(recorded, whole, folder, tmp_path):
    """The merged days are those of a whole recording, and so is all that is computed."""
    vault = Vault(tmp_path / "vault")
    shutil.copytree(recorded.root, vault.root)
    before = raw(vault)
    assert sum(len(lines) for lines in before.values()) < sum(map(len, raw(whole).values()))
    assert any(
        entry.status == "open" for entry in GapLedger(vault.gap_ledger(BTC), BTC).entries()
    ), "the recording has no hole"
    calculate(vault)
    assert import_trades.main(words(vault, folder)) == 0
    is_whole(vault, whole)
    assert calculate(vault) == calculate(whole)


@pytest.mark.parametrize("fault", ["kill", "torn"])
def test_killed_at_every_step(scene, tmp_path, fault, faults):
    """SIGKILL before or inside a step towards the disk; another import, or run_all, ends it."""
    recorded, whole, folder = scene
    fact = faults.row("C8", f"import beside a recording, {fault} at a step of it")
    steps = _steps(recorded, folder, tmp_path)
    places = [faults.random.randrange(1, steps + 1) for _ in range(faults.count(4, 100))]

    def killed(number: int) -> Vault:
        dying = Vault(tmp_path / f"{fault}-{number}")
        shutil.copytree(recorded.root, dying.root)
        order = Order(str(dying.root), fault, places[number])
        command = disk.command(order, MODULE, *words(dying, folder))
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=False, timeout=90)
        assert done.returncode in KILLED, done.stderr.decode()
        return dying

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for number, dead in enumerate(pool.map(killed, range(len(places)))):
            fact.times += 1
            if number % 2:
                hand_over.complete(dead, 60)
            assert import_trades.main(words(dead, folder)) == 0
            is_whole(dead, whole)
            if number == 0:
                assert calculate(dead) == calculate(whole)
            shutil.rmtree(dead.root)
            fact.add("kills survived")


def _steps(recorded: Vault, folder: Path, tmp_path: Path) -> int:
    vault = Vault(tmp_path / "counted")
    shutil.copytree(recorded.root, vault.root)
    with disk.faulty(Order(str(vault.root))) as taken:
        assert import_trades.main(words(vault, folder)) == 0
    return len(taken)


@pytest.mark.parametrize("fault", ["full", "eio", "fsync"])
def test_the_disk_refuses(scene, tmp_path, fault, faults):
    """It says so with exit code 1; each day is as it was or as it should be; then it goes on."""
    recorded, whole, folder = scene
    fact = faults.row("C8", f"import beside a recording, {fault} from a step on")
    steps, before, wanted = _steps(recorded, folder, tmp_path), raw(recorded), raw(whole)
    for number in range(faults.count(5, 60)):
        vault = Vault(tmp_path / f"{fault}-{number}")
        shutil.copytree(recorded.root, vault.root)
        at = faults.random.randrange(1, steps + 1)
        with disk.faulty(Order(str(vault.root), fault, at)):
            code = import_trades.main(words(vault, folder))
        fact.times += 1
        assert code in (0, 1)  # 0: nothing that matters was refused
        for day, lines in raw(vault).items():
            assert lines in (before.get(day), wanted[day])
        assert import_trades.main(words(vault, folder)) == 0
        assert raw(vault) == wanted
        shutil.rmtree(vault.root)
        fact.add("refusals survived", code == 1)


def test_killed_at_any_instant_while_a_recorder_runs(whole, folder, tmp_path, faults):
    """SIGKILL of importer and exporter by turns, both for real; no id is lost, none twice."""
    fact = faults.row("C8", "importer and trade exporter, SIGKILL at random instants")
    tape = tmp_path / "tape.jsonl"
    tape.write_bytes(b"".join(map(ENCODER.line, RECORDS)))
    begun = with_holes(of_days(*WHOLE[1:]) + of_days("2025-12-15")[:9])
    vault = put(Vault(tmp_path / "vault"), begun)
    options = ("--trades", tape, "--history", "82h", "--speed", 1000, "--rest-limit-factor", 50)
    script = str(CHECKOUT / "Trades_Bot" / "import_trades.py")
    importer = [sys.executable, script, *words(vault, folder)]
    with box.exchange(tmp_path, *options) as there:
        for number in range(faults.count(4, 40)):
            with exporters.alive(exporters.TRADE.start(vault, there)) as recorder:
                time.sleep(faults.random.uniform(0.5, 2.5))
                with exporters.alive(subprocess.Popen(importer, stderr=subprocess.DEVNULL)):
                    time.sleep(faults.random.uniform(0.05, 2.0))
                    if number % 2:
                        recorder.kill()
                fact.times += 1
                fact.add("kills survived", 1 + number % 2)
        with exporters.alive(exporters.TRADE.start(vault, there)) as recorder:
            newest = RECORDS[-1].trade_id
            box.wait_for(lambda: exporters.last_id(vault) >= newest, recorder, seconds=200)
            assert subprocess.run(importer, check=False, timeout=90).returncode == 0
            exporters.stop(recorder)
    wanted = {**raw(whole), "2025-12-15": b"".join(map(ENCODER.line, of_days("2025-12-15")))}
    assert raw(vault) == wanted
    assert not under_way.is_noted(vault, BTC)
