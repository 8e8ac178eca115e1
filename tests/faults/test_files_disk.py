"""D1, D2: the disk of a calculator is full, fails, forgets or takes little, at every step of a run.

A run that ends with exit code 0 has written what it should; any other says why, leaves whole lines
and is made good by the next run on a disk that works (I4, I5).
"""

# ruff: noqa: PLR0917 - fixtures come by name

import os
import subprocess
import sys

import pytest

from ravequant.vault.paths import CHECKOUT, Vault
from tests.faults import disk
from tests.faults.calculators import CALCULATORS, PARTS, CalculatorRun, copied
from tests.faults.disk import Order
from tests.faults.test_files_kills import calculator, ended, some, standings, steps_of, wanted

__all__ = ["calculator", "standings", "wanted"]  # fixtures

DISKS = [  # fault, how often (0: for good), row, sample of steps
    ("full", 0, "D1", 2), ("full", 2, "D1", 2), ("eio", 1, "D2", 1), ("eio", 0, "D2", 1),
    ("rofs", 0, "D2", 1), ("fsync", 1, "D2", 1), ("fsync", 0, "D2", 1), ("short", 0, "D2", 1),
]  # fmt: skip
REASONS = {
    "full": "No space left on device; free space on its disk",
    "eio": "Input/output error; check the disk",
    "rofs": "Read-only file system; allow writing there",
    "fsync": "Input/output error; check the disk",
}


def whole_lines(files: dict[str, bytes]) -> bool:
    """Return True if no file ends in the middle of a line."""
    return all(data.endswith(b"\n") for data in files.values() if data)


@pytest.mark.parametrize(("fault", "times", "row", "sample"), DISKS)
def test_a_bad_disk_at_every_step(
    calculator, wanted, standings, fault, times, row, sample, faults, capsys
):
    """Loud or done; never half a record, never a line more or less once the disk is mended."""
    fact = faults.row(row, f"each calculator, {fault} at every step of a run (shim)")
    cases = [
        (one, at) for one in standings for at in some(steps_of(calculator, one), faults, sample)
    ]
    for standing, at in cases:
        fact.times += 1
        vault, options = standing.vault, standing.options
        capsys.readouterr()
        bad = copied(vault, f"{fault}-{at}")
        with disk.faulty(Order(str(bad.root), fault, at, times)) as taken:
            code = calculator.run(bad, *options)
        assert len(taken) >= at or fault == "rofs"  # there an open is refused before
        said = capsys.readouterr().err
        if code == 0:
            healthy = copied(vault, "healthy")
            assert calculator.run(healthy, *options) == 0
            assert calculator.made(bad) == calculator.made(healthy), f"{fault} at step {at}"
        else:
            fact.add("refusals told")
            assert (code, "Traceback" in said) == (1, False), said
            assert REASONS[fault] in said
            if (times or fault == "full") and not options:  # else nothing could be cut back
                check_what_stands(calculator, bad, calculator.made(vault))
        assert ended(calculator, bad, standing.parts) == wanted, f"{fault} at step {at}: {said}"


def check_what_stands(calculator: CalculatorRun, bad: Vault, before: dict[str, bytes]) -> None:
    """Whole lines only, and those that stood there before still do."""
    made = calculator.made(bad)
    assert whole_lines(made)
    for name, data in before.items():
        assert made[name].startswith(data) or "json" in name.removesuffix(".jsonl")


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a disk of 1 MiB; skips where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1024k", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here: needs Linux and root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("metric", CALCULATORS)
def test_a_disk_that_really_is_full(small_disk, tmp_path, metric, faults):
    """A real process on a real full disk, from no room at all to enough: loud, then the same."""
    fact = faults.row("D1", "each calculator on a full tmpfs")
    tried = CALCULATORS[metric]
    vault, whole = Vault(small_disk / "vault"), Vault(tmp_path / "whole")
    for part in range(PARTS):
        tried.put(whole, part)
        tried.put(vault, part)
    assert tried.run(whole) == 0
    ballast = small_disk / "ballast"
    facts = os.statvfs(small_disk)
    ballast.write_bytes(bytes(facts.f_bavail * facts.f_frsize))
    codes = []
    for _ in range(faults.count(3, 30)):
        command = ["-m", tried.module.__name__, *tried.arguments(vault)]
        done = subprocess.run(
            [sys.executable, *command], cwd=CHECKOUT, capture_output=True, check=False, timeout=30
        )
        codes.append(done.returncode)
        fact.times += 1
        if done.returncode == 0:
            assert tried.made(vault) == tried.made(whole)
            break
        assert done.returncode == 1, done.stderr
        assert b"No space left on device" in done.stderr
        assert b"Traceback" not in done.stderr
        assert whole_lines(tried.made(vault))
        os.truncate(ballast, max(0, ballast.stat().st_size - faults.count(400_000, 16_384)))
    ballast.unlink()
    assert codes[0] == 1
    assert tried.run(vault) == 0
    assert tried.made(vault) == tried.made(whole)
