"""Dask: the same bytes as the calculators, whatever dies on the way.

They need the extra `[scale]`; without it they skip. The named command is
`python -m pytest tests/scripts/test_recompute_dask.py`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from ravequant.vault.paths import CHECKOUT, Vault
from tests.support import recompute_vault as market
from tests.support import recordings
from tests.support.recompute_vault import NAMES, calculate, copied, outputs

pytest.importorskip("distributed", reason="needs the extra [scale]")
pytestmark = pytest.mark.slow
PROGRAM = str(CHECKOUT / "scripts" / "recompute.py")


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Vault:
    """Return seven days of four instruments, with books of two."""
    return market.make(tmp_path_factory.mktemp("source") / "vault", NAMES, 7, 0.02, 40)


@pytest.fixture(scope="module")
def wanted(source, tmp_path_factory) -> dict[str, bytes]:
    """Return what the ordinary calculators make of it."""
    vault = copied(source, tmp_path_factory.mktemp("wanted") / "vault", "raw", "meta")
    calculate(vault, NAMES)
    return outputs(vault.root)


def run(*words: object, code: int = 0) -> list[dict[str, Any]]:
    """Run the program; return what it says on stdout."""
    command = [sys.executable, PROGRAM, "--json", "--log-level", "warning", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("workers", [2, 4])
def test_a_cluster_writes_what_the_calculators_write(source, wanted, tmp_path, workers):
    """Outputs and states of four instruments are the same, byte for byte."""
    told = run("--engine", "dask", "--workers", workers, "--source", source.root,
               "--target", tmp_path)  # fmt: skip
    assert outputs(tmp_path) == wanted
    assert told[-1]["failed"] == 0


@recordings.each(*recordings.EVERY)
def test_recordings_come_out_the_same(tmp_path, recording):
    """So do recorded trades in another writer's JSON, and recorded books, by either engine."""
    source = market.recorded(tmp_path / "source", recording)
    wanted = market.calculated(tmp_path / "plain", source, recording)
    for engine, workers in (("local", 2), ("dask", 2), ("dask", 4)):
        target = tmp_path / f"{engine}{workers}"
        told = run("--engine", engine, "--workers", workers, "--source", source.root,
                   "--target", target)  # fmt: skip
        assert told[-1]["failed"] == 0
        assert outputs(target) == wanted


def workers_of(parent: int) -> list[int]:
    """Return the processes that a program's cluster works with."""
    import psutil

    return [
        child.pid
        for child in psutil.Process(parent).children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline())
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
@pytest.mark.parametrize("engine", ["dask", "local"])
def test_a_worker_killed_in_the_middle_costs_time_only(source, wanted, tmp_path, engine):
    """Its tasks are done by others, and the bytes are the same."""
    command = [sys.executable, PROGRAM, "--engine", engine, "--workers", "3",
               "--log-level", "error", "--source", str(source.root),
               "--target", str(tmp_path)]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE) as program:
        until = time.monotonic() + 60
        while not list(tmp_path.glob("derived/*/okx/perps/*/*")) and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(workers_of(program.pid)[0], signal.SIGKILL)
        program.communicate(timeout=200)
        assert program.returncode == 0
    assert outputs(tmp_path) == wanted


@pytest.mark.skipif(sys.platform == "win32", reason="looks for the processes of a killed one")
def test_a_run_that_was_aborted_goes_on(source, wanted, tmp_path):
    """Killed in the middle, no worker stays behind, and another run ends what was begun."""
    import psutil

    words = ["--workers", "2", "--source", source.root, "--target", tmp_path]
    command = [sys.executable, PROGRAM, "--log-level", "error", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as program:
        until = time.monotonic() + 60
        while not list(tmp_path.glob("derived/*/okx/perps/*/*")) and time.monotonic() < until:
            time.sleep(0.01)
        workers = workers_of(program.pid)
        program.kill()
        program.wait()
    assert len(workers) == 2
    while any(map(psutil.pid_exists, workers)) and time.monotonic() < until:
        time.sleep(0.05)  # they end with the program
    assert not any(map(psutil.pid_exists, workers))
    run(*words)
    assert outputs(tmp_path) == wanted
    again = run(*words)
    assert [row["records"] for row in again[:-1]] == [0] * (len(again) - 1)
