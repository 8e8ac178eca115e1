"""A2: a calculator dies at every step of a run, and the next runs give the bytes of one run."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from ravequant.vault.paths import CHECKOUT, Vault
from tests.faults import disk
from tests.faults.calculators import CALCULATORS, PARTS, CalculatorRun, copied
from tests.faults.disk import Order
from tests.faults.plugin import Faults
from tests.support.crashes import Stopped

KILLED = {-9, 137}
RUNS = {"first": 0, "later": 1, "rebuild": PARTS}  # what is being run: how many parts are done
SIDE_BY_SIDE = 2
SAMPLE = 1  # of the steps of a run, in the ordinary test run


@pytest.fixture(params=CALCULATORS)
def calculator(request):
    """Return one calculator after the other."""
    return CALCULATORS[request.param]


@pytest.fixture
def wanted(calculator, tmp_path):
    """Return the files of one run over all of the raw data."""
    whole = Vault(tmp_path / "whole")
    calculator.fill(whole)
    assert calculator.run(whole) == 0
    return calculator.made(whole)


@dataclass(frozen=True)
class Standing:
    """A vault before the run that is to die, that run's options, and the parts to come."""

    vault: Vault
    options: tuple[str, ...]
    parts: range


@pytest.fixture
def standings(calculator, tmp_path, faults):
    """Return what stands before a first run, a later one and a rebuild; ordinarily one of them."""
    names = list(RUNS) if faults.long else [faults.random.choice(list(RUNS))]
    return [standing_before(name, calculator, tmp_path) for name in names]


def standing_before(name: str, calculator: CalculatorRun, folder: Path) -> Standing:
    """Return what stands before a run."""
    vault, done = Vault(folder / name / "standing"), RUNS[name]
    for part in range(done):
        calculator.put(vault, part)
        assert calculator.run(vault) == 0
    if done < PARTS:
        calculator.put(vault, done)
    options = ("--rebuild",) if name == "rebuild" else ()
    return Standing(vault, options, range(done + 1, PARTS))


def steps_of(calculator: CalculatorRun, standing: Standing) -> list[str]:
    """Return the steps of the run that is to die."""
    trial = copied(standing.vault, "trial")
    with disk.faulty(Order(str(trial.root))) as taken:
        assert calculator.run(trial, *standing.options) == 0
    return taken


def some(steps: list[str], faults: Faults, sample: int = SAMPLE, only: str = "") -> list[int]:
    """Return the number of every step (of one kind), or in the ordinary run a sample of them."""
    every = [number for number, name in enumerate(steps, 1) if name == (only or name)]
    return every if faults.long else sorted(faults.random.sample(every, sample))


def ended(calculator: CalculatorRun, vault: Vault, parts: range) -> dict[str, bytes]:
    """Run again after the death, then let the rest come in; return what stands there."""
    assert calculator.run(vault) == 0
    for part in parts:
        calculator.put(vault, part)
        assert calculator.run(vault) == 0
    return calculator.made(vault)


@pytest.mark.parametrize("fault", ["kill", "torn"])
def test_killed_at_every_step(calculator, wanted, standings, fault, faults):
    """SIGKILL before each write, fsync, rename, truncation, or inside it: I4."""
    fact = faults.row("A2", "each calculator, SIGKILL at every step of a run")
    only = "write" if fault == "torn" else ""  # behind another step is before the next one
    cases = [
        (one, at) for one in standings for at in some(steps_of(calculator, one), faults, only=only)
    ]

    def killed(case: tuple[Standing, int]) -> Vault:
        standing, at = case
        dying = copied(standing.vault, f"{fault}-{at}")
        words = calculator.arguments(dying, *standing.options)
        command = disk.command(
            Order(str(dying.root), fault, at), calculator.module.__name__, *words
        )
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=False, timeout=60)
        assert done.returncode in KILLED, done.stderr.decode()
        return dying

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for (standing, at), dead in zip(cases, pool.map(killed, cases), strict=True):
            fact.times += 1
            made = ended(calculator, dead, standing.parts)
            assert made == wanted, f"{fault} at step {at} of {standing}"
            fact.add("kills survived")


@pytest.mark.parametrize("fault", ["power", "power-nul"])
def test_the_power_goes_at_every_step(calculator, wanted, standings, fault, faults):
    """What no fsync had reached is gone, of the raw file too: I4 once it has come again."""
    fact = faults.row("A2", "each calculator, power cut at every step of a run (shim)")
    cases = [(one, at) for one in standings for at in some(steps_of(calculator, one), faults, 4)]
    for standing, at in cases:
        fact.times += 1
        dead = copied(standing.vault, f"{fault}-{at}")
        newest = calculator.raw(dead)[-1]
        raw = newest.read_bytes()
        lost = (
            {} if standing.options else {str(newest): len(raw) * 2 // 3}
        )  # synced by an earlier run
        with (
            disk.faulty(Order(str(dead.root), fault, at, unsynced=lost)) as taken,
            suppress(Stopped),
        ):
            calculator.run(dead, *standing.options)
        assert len(taken) == at
        assert calculator.run(dead) == 0, f"{fault} at step {at}"
        come_again(newest, raw)
        assert ended(calculator, dead, standing.parts) == wanted, f"{fault} at step {at}"
        fact.add("power cuts survived")


def come_again(path: Path, raw: bytes) -> None:
    """Do what the exporter does after a power cut: cut the torn tail off, write the rest again."""
    kept = path.read_bytes()
    whole = kept[: kept.rfind(b"\n") + 1]
    assert raw.startswith(whole)
    path.write_bytes(raw)
