"""C4: compression dies at any step, finds both forms of a file, or one that a reader holds."""

import gzip
import subprocess
import sys
from contextlib import suppress

import pytest

from L2_Bot import l2_retention
from ravequant import times
from ravequant.settings import Retention
from ravequant.vault import compress
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from ravequant.vault.retention.run import RetentionRun
from ravequant.vault.tail import Tail
from tests.faults import disk
from tests.faults.calculators import BTC, CALCULATORS, PARTS, copied
from tests.faults.disk import Order
from tests.faults.test_files_kills import KILLED, some
from tests.support.aged_vaults import hour, lines_of, tree, write
from tests.support.crashes import Stopped

VWAP = CALCULATORS["vwap"]
READER = "import sys; file = open(sys.argv[1], 'rb'); print(file.readline()); sys.stdin.read(1); \
sys.stdout.buffer.write(file.read())"


@pytest.fixture
def standing(tmp_path):
    """Return a vault with hours to compress and to delete, and a trade day that is half read."""
    vault = Vault(tmp_path / "standing")
    now = times.utc_now_ms()
    for age in (-1, 2, 8, 9, 300):
        key = hour(age, now)
        line = b'{"timestamp_utc":"%s:00:00.000Z"}\n' % key.replace("/", "T").encode()
        write(vault.snapshots(BTC) / f"{key}.jsonl", line * 60)
        write(vault.deep_snapshots(BTC) / f"{key}.jsonl", line * 30)
    for part in range(PARTS):
        VWAP.put(vault, part)
        if part < PARTS - 1:
            assert VWAP.run(vault) == 0
    return vault


@pytest.fixture
def wanted(standing, tmp_path):
    """Return what stands there after a run that nothing disturbs, and what VWAP makes of it."""
    whole = copied(standing, "whole")
    assert l2_retention.main(arguments(whole)) == 0
    calculated = copied(standing, "calculated")
    assert VWAP.run(calculated) == 0
    return whole, VWAP.made(calculated)


def arguments(vault: Vault) -> list[str]:
    return ["--vault", str(vault.root), "--log-level", "error"]


def check(standing: Vault, dead: Vault, wanted: tuple[Vault, dict[str, bytes]], at: int) -> None:
    """Nothing a reader should find is missing, a calculator goes on, the next run ends the work."""
    whole, made = wanted
    found = lines_of(dead)
    assert lines_of(whole).items() <= found.items() <= lines_of(standing).items(), at
    reading = copied(dead, f"{dead.root.name}-read")
    assert VWAP.run(reading) == 0
    assert VWAP.made(reading) == made
    assert l2_retention.main(arguments(dead)) == 0
    assert tree(dead) == tree(whole), at


@pytest.mark.parametrize("fault", ["kill", "torn"])
def test_compression_killed_at_every_step(standing, wanted, fault, faults):
    """SIGKILL: raw or a verified .gz always there, and the lines are those of before."""
    fact = faults.row("C4", "retention, SIGKILL at every step of a run")
    trial = copied(standing, "trial")
    with disk.faulty(Order(str(trial.root))) as taken:
        assert l2_retention.main(arguments(trial)) == 0
    for at in some(taken, faults, 3, only="write" if fault == "torn" else ""):
        fact.times += 1
        dead = copied(standing, f"{fault}-{at}")
        order = Order(str(dead.root), fault, at)
        command = disk.command(order, "L2_Bot.l2_retention", *arguments(dead))
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=False, timeout=30)
        assert done.returncode in KILLED, done.stderr.decode()
        check(standing, dead, wanted, at)
        fact.add("kills survived")


@pytest.mark.parametrize("fault", ["power", "power-nul"])
def test_the_power_goes_during_compression(standing, wanted, fault, faults):
    """What no fsync had reached is gone: no plain file went before its .gz was on the disk."""
    fact = faults.row("C4", "retention, power cut at every step of a run (shim)")
    trial = copied(standing, "trial")
    with disk.faulty(Order(str(trial.root))) as taken:
        assert l2_retention.main(arguments(trial)) == 0
    for at in some(taken, faults, 8):
        fact.times += 1
        dead = copied(standing, f"{fault}-{at}")
        with disk.faulty(Order(str(dead.root), fault, at)) as steps, suppress(Stopped):
            l2_retention.main(arguments(dead))
        assert len(steps) == at
        check(standing, dead, wanted, at)
        fact.add("power cuts survived")


BESIDE = {
    "the same": gzip.compress,
    "less": lambda data: gzip.compress(data[:2_000]),
    "cut": lambda data: gzip.compress(data)[:-30],
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("metric", CALCULATORS)
def test_both_forms_there(tmp_path, metric, beside, faults):
    """Beside the plain file stands a .gz of any kind: the plain one counts, to the byte."""
    fact = faults.row("C4", "each calculator, plain and .gz both there")
    calculator, vault, whole = (
        CALCULATORS[metric],
        Vault(tmp_path / "vault"),
        Vault(tmp_path / "whole"),
    )
    calculator.fill(whole)
    assert calculator.run(whole) == 0
    for part in range(PARTS):
        calculator.put(vault, part)
        for path in calculator.raw(vault):
            compress.packed_form(path).write_bytes(BESIDE[beside](path.read_bytes()))
        assert calculator.run(vault) == 0
        for path in calculator.raw(vault):
            compress.packed_form(path).unlink()
        fact.times += 1
    assert calculator.made(vault) == calculator.made(whole)
    for path in calculator.raw(vault)[:-1]:
        compress.pack(path)
        assert calculator.run(vault) == 0
    assert calculator.made(vault) == calculator.made(whole)


@pytest.mark.skipif(sys.platform == "win32", reason="there a held file is left, and done later")
def test_a_reader_holds_the_file(standing, faults):
    """A program and a tail in the middle of a day that is being compressed read it to its end."""
    fact = faults.row("C4", "a file held open by a reader")
    _, path = next(day_files(standing.trades(BTC)))
    data = path.read_bytes()
    command = [sys.executable, "-c", READER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline()
        blocks = Tail(lambda: day_files(standing.trades(BTC)), None, 0, 1_000).blocks()
        begun = next(blocks).data
        RetentionRun(standing, Retention(), times.utc_now_ms()).go()
        assert not path.exists()
        rest, _ = process.communicate(b"x", timeout=10)
    assert data.endswith(rest.removeprefix(b"\n"))
    assert begun + b"".join(block.data for block in blocks if block.path == path) == data
    fact.times += 1
