"""A1, D1, D2 for the exporters' files: killed, refused or cheated by the disk at every step."""

# ruff: noqa: PLR0917 - fixtures come by name

import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ravequant.vault.paths import Vault
from tests.faults.disk import KILLS, Order
from tests.faults.plugin import Faults
from tests.faults.tapes import EXPORTERS, Ended, Exporter, full_for_good
from tests.faults.test_files_kills import KILLED

SIDE_BY_SIDE = 3  # these programs mostly wait
STEPS = 24  # at least so many steps does a run take


def case(exporter: Exporter, folder: Path, order: Order) -> Ended:
    """Run on the bad disk, then on a good one; check the vault. Returns the first run."""
    vault = Vault(folder / "vault")
    exporter.seed(vault)
    with exporter.exchange(folder / "box") as where:
        first = exporter.run(vault, where, order)
        if first.code == 0 and not full_for_good(order):  # well: then it is, without another run
            exporter.check(vault, fresh=order.fault == "short")
        second = exporter.run(vault, where, Order(""))
    assert second.code == 0, second.log[-2_000:]
    exporter.check(vault, fresh=False)
    shutil.rmtree(folder)
    return first


def cases(exporter: Exporter, folder: Path, orders: list[Order]) -> list[Ended]:
    """Run several cases side by side; an assertion names the order that it belongs to."""

    def one(order: Order) -> Ended:
        try:
            return case(exporter, folder / f"{order.fault}-{order.times}-{order.at}", order)
        except AssertionError as error:
            raise AssertionError(f"{order.fault} at step {order.at}: {error}") from error

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(one, orders))


def steps(faults: Faults, stride: int) -> list[list[int]]:
    """Return the steps to fail at, in groups: a long run goes on until no run comes that far."""
    if not faults.long:
        return [[faults.random.randrange(1, STEPS)]]
    first = faults.random.randrange(stride)
    every = list(range(1 + first, 400, stride))
    return [every[at : at + 8] for at in range(0, len(every), 8)]


@pytest.mark.first
@pytest.mark.parametrize("fault", KILLS)
@pytest.mark.parametrize("program", EXPORTERS)
def test_killed_at_every_step(tmp_path, program, fault, faults):
    """Until a run ends before that step: I1 to I3, whole lines, and the next start goes on."""
    kind = "power cut" if fault.startswith("power") else "SIGKILL"
    fact = faults.row("A1", f"each exporter, {kind} at every step towards the disk")
    stride = {"trades": 1, "books": 3}[program] if fault == "kill" else 6
    for group in steps(faults, stride):
        orders = [Order("", fault, at) for at in group]
        done = cases(EXPORTERS[program], tmp_path, orders)
        killed = sum(one.code in KILLED for one in done)
        assert all(one.code in {0, *KILLED} for one in done), done
        fact.times += killed
        fact.add("kills survived", killed)
        if not killed:
            break
    assert fact.times


DISKS = [("full", 3, "D1"), ("full", 0, "D1"), ("eio", 1, "D2"), ("fsync", 1, "D2"),
         ("rofs", 4, "D2"), ("short", 0, "D2")]  # fmt: skip


@pytest.mark.parametrize(("fault", "times", "row"), DISKS)
@pytest.mark.parametrize("program", EXPORTERS)
def test_a_bad_disk_at_every_step(tmp_path, program, fault, times, row, faults):
    """It stays up, or exits 1 and says why; when there is room it goes on and repairs the hole."""
    fact = faults.row(row, f"each exporter, {fault} at every step (shim)")
    every = itertools.chain(*steps(faults, 3 if fault == "full" else 6))
    chosen = list(itertools.islice(every, 20 if fault == "full" else 10))
    orders = [Order("", fault, at, times) for at in chosen]
    for one in cases(EXPORTERS[program], tmp_path, orders):
        fact.times += 1
        assert one.code in {0, 1}, one.log[-2_000:]
        assert "Traceback" not in one.log
        if one.code:
            fact.add("ended loud")
            assert "ERROR" in one.log or "error" in one.log
        fact.add("rode it out", one.code == 0)
